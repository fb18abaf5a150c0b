package journal

import (
	"errors"
	"fmt"
	"time"
)

// Commit implements pipe.Store: everything that was noted before it is in one
// frame, written with one write. Others may note meanwhile.
func (s *Store) Commit() error {
	s.disk.Lock()
	defer s.disk.Unlock()

	s.mu.Lock()
	s.seal()
	notes, lost, frames := s.notes, s.lost, s.sealed
	s.notes = nil
	var snap *snapshot
	if lost == nil && s.end > s.nextAt && s.end > s.o.compactAt && s.end > 4*s.state.live {
		snap = s.snapshot()
	}
	s.mu.Unlock()

	if lost == ErrClosed {
		return lost
	}
	if err := s.write(frames); err != nil {
		if lost != nil {
			err = lost
		}
		return errors.Join(err, notes)
	}
	if snap != nil {
		if err := s.compact(snap); err != nil {
			// Everything is in the old log. It is tried again when that has doubled.
			s.nextAt = 2 * s.size
			s.o.Log.Warn("could not compact", "err", err, "bytes", s.size)
		} else {
			s.nextAt = 0
		}
	}
	return errors.Join(lost, notes)
}

// seal ends the open frame. It waits among the sealed ones. s.mu is held.
func (s *Store) seal() {
	if s.lost != nil || len(s.frame) == 0 && len(s.dirty) == 0 || !s.room(0) {
		return
	}
	f := &sealed{}
	for _, sp := range s.dirty {
		s.frame = sp.seal(s.frame, f)
	}
	clear(s.dirty)
	s.dirty = s.dirty[:0]
	f.data = s.frame
	s.frame, s.spare = s.spare[:0], nil
	s.sealed = append(s.sealed, f)
	s.held += len(f.data)
	s.end += int64(len(f.data))
}

// write brings sealed frames to the log, and removes what they leave behind. One
// that fails is tried again at the same place, so that what there is of it then
// is overwritten. s.disk is held.
func (s *Store) write(frames []*sealed) error {
	for _, f := range frames {
		if err := s.present(); err != nil {
			return s.keeping(err)
		}
		closeFrame(f.data)
		if _, err := s.log.WriteAt(f.data, s.size); err != nil {
			return s.keeping(err)
		}
		s.size += int64(len(f.data))
		for _, g := range f.drop {
			s.removeSegment(g)
		}
		if cap(f.data) <= maxSpare {
			s.spare = f.data[:0]
		}
		s.mu.Lock()
		s.held -= len(f.data)
		s.sealed = s.sealed[1:]
		s.mu.Unlock()
	}
	s.mu.Lock()
	s.failed = false
	if len(s.sealed) == 0 {
		s.sealed = nil
	}
	if cap(s.frame) == 0 && len(s.frame) == 0 {
		s.frame, s.spare = s.spare, nil
	}
	s.mu.Unlock()
	return nil
}

// maxSpare bounds the buffer that is kept for the next frame.
const maxSpare = 1 << 20

// keeping notes that a Commit has failed and says so.
func (s *Store) keeping(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failed = true
	return fmt.Errorf("journal: cannot write %s: %w: %d bytes of notes wait in memory, at most %d may; the next commit tries again: make room for them, or the file writable", s.logPath(), cause(err), s.held, s.o.MaxBuffered)
}

// present looks once a second whether the log has been removed or replaced:
// what is written to it would be in no folder.
func (s *Store) present() error {
	now := s.o.Now().UnixMilli()
	if since := now - s.seen; since >= 0 && since < time.Second.Milliseconds() {
		return nil
	}
	if !s.o.fs.Same(s.log, s.logPath()) {
		return errors.New("it was removed or replaced while in use, start again to make a new one")
	}
	s.seen = now
	return nil
}
