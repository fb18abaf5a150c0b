// Package journal keeps what must outlive the process in files: it is the
// pipe.Store behind :data-dir.
//
//	DIR/lock             held while a process uses the folder; its pid is in it
//	DIR/sessions.log     all notes of all sessions, in frames
//	DIR/spill/KEY.N      what a session has spilled, in segments of 4 MiB
//	DIR/*.damaged        what could not be read, set aside; the newest of each kind
//
// # Frames
//
// A file starts with what it is and its version. Then come frames: a length and
// two checksums, of the payload and of those eight bytes themselves. So a file
// that ends within a frame is told apart from one with a bad length in it: the
// first is what a killed process leaves, and is cut off; the second is damage,
// and set aside.
//
// A Commit is one frame and one write, so it is there in full or not at all. It
// holds where every spill begins and ends too: what a spill's files have beyond
// that was never committed, and is cut off by the next Open. An item that Next
// has taken leaves its spill with the frame that has it as Queued or Gone, and
// no earlier, whoever commits between the two.
//
// # Compaction
//
// The log is written anew once it is larger than 1 MiB and than four times what
// is live in it: to another file, synced, and renamed over the old one. Whenever
// the process ends, there is one good log. Notes go on meanwhile; only a Commit
// waits.
//
// The Store does not keep the items for that, only where in the log each of them
// is: 24 bytes per item, whatever its size. The Hub has their bytes already, and
// shares them among receivers; a copy for each would be the larger part of the
// process. Compaction copies the records from file to file, in the order of the
// file.
//
// # Failures
//
// A Commit that fails loses nothing: its frame waits in memory and is written
// ahead of the next one, at the same place. Options.MaxBuffered bounds what waits
// so. Beyond it the Store gives up, since notes with a hole in them are worth
// nothing: it drops what was not committed, takes no more notes, and every Commit
// and Append says so. The files then have the state of the last Commit that got
// through.
//
// Nothing is synced but a compacted log: files outlive the process, not the
// machine.
package journal
