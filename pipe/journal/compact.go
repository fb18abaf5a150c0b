package journal

import (
	"fmt"
	"slices"
)

// A liveRef is where an item's record is, and where a compacted log has it.
type liveRef struct {
	off, moved int64
	size       int32
	session    int32 // its place among all sessions
}

// liveRefs gives all items of the sessions in the order of the log, which is
// each session's too.
func liveRefs(all []*session) []liveRef {
	n := 0
	for _, x := range all {
		n += x.items.live
	}
	live := make([]liveRef, 0, n)
	for i, x := range all {
		for _, r := range x.items.list[x.items.head:] {
			if r.size > 0 {
				live = append(live, liveRef{off: r.off, size: r.size, session: int32(i)})
			}
		}
	}
	slices.SortFunc(live, func(a, b liveRef) int {
		if a.off < b.off {
			return -1
		}
		return 1
	})
	return live
}

// readRefs visits records of the log that are given in its order. A record is
// lent. It needs a window of the log, not the log, in memory.
func (s *Store) readRefs(live []liveRef, visit func(i int, rec []byte) error) error {
	var window []byte
	start := int64(0) // of the window
	for i, r := range live {
		if r.off < start || r.off+int64(r.size) > start+int64(len(window)) {
			n := min(max(windowSize, int64(r.size)), s.size-r.off)
			window, start = slices.Grow(window[:0], int(n))[:n], r.off
			if _, err := s.log.ReadAt(window, start); err != nil {
				return s.cannot("read", s.logPath(), err)
			}
		}
		at := r.off - start
		if err := visit(i, window[at:at+int64(r.size)]); err != nil {
			return fmt.Errorf("journal: reading %s at byte %d: %w", s.logPath(), r.off, err)
		}
	}
	return nil
}

const windowSize = 256 << 10

// A snapshot is the whole state as it is after the frame that was just sealed.
type snapshot struct {
	heads []byte // records of all sessions without their items
	cuts  []int  // of heads, after about every frameTarget bytes
	live  []liveRef
	end   int64 // of the log
}

// frameTarget is about how long a compacted log's frames are.
const frameTarget = 1 << 20

// snapshot is called right after seal, while s.mu is held.
func (s *Store) snapshot() *snapshot {
	all := s.state.inOrder()
	snap := &snapshot{live: liveRefs(all), end: s.end}
	cut := 0
	for _, x := range all {
		snap.heads = appendBegin(snap.heads, x.slot, &x.StoredSession, x.active)
		if x.spill != nil && x.spill.place.items > 0 {
			snap.heads = appendSpill(snap.heads, x.slot, x.spill.place)
		}
		if len(snap.heads)-cut >= frameTarget {
			cut = len(snap.heads)
			snap.cuts = append(snap.cuts, cut)
		}
	}
	if len(snap.heads) > cut {
		snap.cuts = append(snap.cuts, len(snap.heads))
	}
	return snap
}

// compact writes a log of what is live and puts it in the place of the old one.
// An error has changed nothing. s.disk is held, and no frame waits.
func (s *Store) compact(snap *snapshot) error {
	name := s.logPath() + ".new"
	f, err := s.create(name)
	if err != nil {
		return err
	}
	size, err := s.writeSnapshot(f, snap)
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = s.replace(f, name)
	}
	if err != nil {
		_ = f.Close()
		_ = s.o.fs.Remove(name)
		return s.cannot("write", name, err)
	}
	_ = s.o.fs.SyncDir(s.dir) // an older log would do as well
	s.size = size
	s.move(snap, size)
	return nil
}

// create makes a file with nothing but its first bytes missing.
func (s *Store) create(name string) (file, error) {
	f, err := s.o.fs.Open(name, true)
	if err == nil {
		if err = f.Truncate(0); err == nil {
			return f, nil
		}
		_ = f.Close()
	}
	return nil, s.cannot("make", name, err)
}

func (s *Store) writeSnapshot(f file, snap *snapshot) (size int64, err error) {
	if _, err = f.WriteAt(appendHead(nil, logMagic), 0); err != nil {
		return 0, err
	}
	size = headSize
	// A frame's time is 0 here: every session has its own.
	empty := make([]byte, prefix, frameTarget+prefix)
	out := empty
	flush := func() error {
		if len(out) == prefix {
			return nil
		}
		closeFrame(out)
		_, err := f.WriteAt(out, size)
		size += int64(len(out))
		if out = empty; err == nil {
			clear(out)
		}
		return err
	}
	from := 0
	for _, to := range snap.cuts {
		out = append(out, snap.heads[from:to]...)
		from = to
		if err := flush(); err != nil {
			return size, err
		}
	}
	err = s.readRefs(snap.live, func(i int, rec []byte) error {
		snap.live[i].moved = size + int64(len(out))
		if out = append(out, rec...); len(out) >= frameTarget {
			return flush()
		}
		return nil
	})
	if err == nil {
		err = flush()
	}
	return size, err
}

// move tells all items where they are now: those of the snapshot where it has
// put them, newer ones as far on as the log's end is.
func (s *Store) move(snap *snapshot, size int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, x := range s.state.sessions {
		for i := range x.items.list[x.items.head:] {
			r := &x.items.list[x.items.head+i]
			if r.size == 0 {
				continue
			}
			if r.off >= snap.end {
				r.off += size - snap.end
				continue
			}
			at, _ := slices.BinarySearchFunc(snap.live, r.off, func(l liveRef, off int64) int {
				return int(min(max(l.off-off, -1), 1))
			})
			r.off = snap.live[at].moved
		}
	}
	s.end += size - snap.end
}
