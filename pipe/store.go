package pipe

import "time"

// A Store keeps on disk what must outlive the process: the sessions that may be
// resumed, with everything that has not reached them, and what the policy :queue
// has spilled (contract section 5). HubConfig.Store has it where :data-dir is set.
//
// Notes are cheap and kept in memory until Commit: the Hub commits once for many,
// and always before it writes what they are about to anybody. A process that is
// killed leaves what was committed, in full or not at all: a Commit is not torn.
// It need not survive the machine's own end.
//
// All methods may be called by any goroutine; none waits for anything but the
// disk. Errors of notes come out of the next Commit.
type Store interface {
	// Sessions returns what an earlier process left, in the order of their coming.
	// Calls after the first return nothing.
	Sessions() ([]StoredSession, error)

	// Begin notes a session that can be resumed, without its Items. A second
	// Begin with the same Key replaces all but the items.
	Begin(StoredSession)
	// Queued notes an item at the end of a session's queue.
	Queued(key SessionKey, item StoredItem)
	// Gone notes that items have been acknowledged or given up. acked is the
	// highest number that the peer has acknowledged so far.
	Gone(key SessionKey, acked uint64, seqs ...uint64)
	// Received notes how many items of the peer's own have been handled.
	Received(key SessionKey, n uint64)
	// Subscribed notes that the peer is in a channel, by its id's text, or no more.
	Subscribed(key SessionKey, channel string, on bool)
	// End forgets a session, and removes what it has spilled.
	End(key SessionKey)

	// Commit brings all notes to the disk.
	Commit() error

	// Spill opens a session's file for what its queue has no room for. The same
	// key gives what an earlier process has left in it.
	Spill(key SessionKey) (Spill, error)

	// Close commits, and leaves everything for the next process.
	Close() error
}

// A Spill is a queue on disk, first in first out. Its Session guards it.
type Spill interface {
	// Append adds an item. It is on disk after the next Commit. An error, a full
	// disk say, has added nothing.
	Append(StoredItem) error
	// Next takes out at most max items and about size bytes, at least one if there
	// is one. The caller notes them as Queued before the next Commit: a crash
	// before that leaves them here.
	Next(max, size int) ([]StoredItem, error)
	// Len is what is left.
	Len() (items int, bytes int64)
	// Remove ends the spill and deletes its file.
	Remove() error
}

// SessionKey names a session in a Store: the SHA-256 of its id, which itself is
// never written anywhere.
type SessionKey [32]byte

// A StoredSession is one that can be resumed.
type StoredSession struct {
	Key        SessionKey
	UID        string
	ClientID   string
	Role       Role
	Credential []byte // whose it is: see Claim
	Since      time.Time
	Received   uint64 // items of the peer's that were handled
	Acked      uint64 // items of ours that it has acknowledged
	Channels   []string
	Items      []StoredItem // what it has not acknowledged, in the order of their numbers
	Spilled    int          // items in its Spill
}

// A StoredItem is an event, call or reply on its way to a peer.
type StoredItem struct {
	Seq  uint64 // rises with each item of a session
	Kind uint8  // of the Hub's own making
	Lane uint8
	Name string // of the event
	At   int64  // ms, when it was queued
	EDN  []byte
}
