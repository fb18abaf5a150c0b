package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/sente-lite/sente-lite/pipe"
)

// A segment is one file of a spill: first bytes, then a frame for each item.
type segment struct {
	key  pipe.SessionKey
	n    uint64 // rises with each segment of the store
	size int64  // of what is in it: its file may have more that is of no use

	closed bool // nothing is appended any more
}

// A spill is the pipe.Spill of one session. Its methods are called by one
// goroutine at a time; mu of the store guards its fields against Commit and the
// notes, which are others'.
//
// Items are in segments from the place that Next reads at to the last one's end.
// Those before it that Next has taken, and that nobody has noted yet, are in
// taken: for a crash, the spill begins with the first of these.
type spill struct {
	s       *Store
	key     pipe.SessionKey
	slot    uint64
	segs    []segment // oldest first; no longer those that are of no use
	seg     uint64    // where Next reads: a segment's number, and a place in it
	off     int64
	items   int // from there on
	bytes   int64
	taken   []taken
	place   spilled // what the last frame says
	dirty   bool    // it has changed since
	writing bool    // Append is at the last segment
	ended   bool
}

// A taken item is one that Next has given out.
type taken struct {
	seq  uint64
	seg  uint64 // its place
	off  int64
	size int64
	done bool // noted
}

// Spill implements pipe.Store. The session must have begun. Several calls for one
// give the same Spill.
func (s *Store) Spill(key pipe.SessionKey) (pipe.Spill, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lost != nil {
		return nil, s.lost
	}
	x := s.state.sessions[key]
	if x == nil {
		return nil, fmt.Errorf("journal: no session %x: begin it before its spill is opened", key[:4])
	}
	if x.spill == nil {
		x.spill = &spill{s: s, key: key, slot: x.slot}
	}
	return x.spill, nil
}

// change has the next frame say where the spill is. mu is held.
func (p *spill) change() {
	if !p.dirty {
		p.dirty = true
		p.s.dirty = append(p.s.dirty, p)
	}
}

// Append implements pipe.Spill. The item is written at once, so that a full disk
// is its error, and not one of everybody's Commit; where the spill ends is
// committed. ErrFull is in the error where Options.MaxSpillBytes allow no more.
func (p *spill) Append(item pipe.StoredItem) error {
	s := p.s
	if len(item.Name) > maxText || len(item.EDN) > maxItem {
		return fmt.Errorf("journal: an item of %d bytes, its name of %d, cannot be spilled: at most %d and %d can (%w)", len(item.EDN), len(item.Name), maxItem, maxText, ErrFull)
	}
	frame := appendItem(make([]byte, frameSize, frameSize+itemSize(&item)), &item)
	closeFrame(frame)
	size := int64(len(frame))

	s.mu.Lock()
	var g segment
	fresh := true
	if n := len(p.segs); n > 0 {
		g = p.segs[n-1]
		fresh = g.closed || g.size >= s.o.segmentSize
	}
	if fresh {
		g = segment{key: p.key}
		size += headSize
	}
	switch {
	case s.lost != nil:
		defer s.mu.Unlock()
		return s.lost
	case p.ended:
		defer s.mu.Unlock()
		return errors.New("journal: the session of this spill has ended")
	case s.spilled+size > s.o.MaxSpillBytes:
		defer s.mu.Unlock()
		return fmt.Errorf("journal: %s has %d bytes of spilled events, at most %d are allowed (%w)", s.spillDir(), s.spilled, s.o.MaxSpillBytes, ErrFull)
	}
	if fresh {
		s.segment++
		g.n = s.segment
	}
	s.spilled += size
	p.writing = true
	s.mu.Unlock()

	err := s.appendSegment(g, fresh, frame)

	s.mu.Lock()
	defer s.mu.Unlock()
	p.writing = false
	if err != nil {
		s.spilled -= size
		p.change()
		return err
	}
	if p.ended { // meanwhile
		if fresh {
			_ = s.o.fs.Remove(s.segmentPath(g))
		}
		s.spilled -= size
		p.change()
		return errors.New("journal: the session of this spill has ended")
	}
	if fresh {
		p.segs = append(p.segs, segment{key: p.key, n: g.n, size: size})
		if len(p.segs) == 1 {
			p.seg, p.off = g.n, headSize
		}
	} else {
		p.segs[len(p.segs)-1].size += size
	}
	p.items++
	p.bytes += int64(len(frame))
	p.change()
	return nil
}

// appendSegment writes a frame to a segment's end. What a failed one leaves there
// is cut off, or overwritten by the next.
func (s *Store) appendSegment(g segment, fresh bool, frame []byte) error {
	name := s.segmentPath(g)
	f, err := s.o.fs.Open(name, fresh)
	if err != nil {
		return s.cannot("open", name, err)
	}
	if fresh {
		frame = append(appendHead(make([]byte, 0, headSize+len(frame)), spillMagic), frame...)
	}
	if _, err = f.WriteAt(frame, g.size); err != nil {
		_ = f.Truncate(g.size)
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		if fresh {
			_ = s.o.fs.Remove(name)
		}
		return s.cannot("write", name, err)
	}
	return nil
}

// Len implements pipe.Spill. The bytes are those in the files.
func (p *spill) Len() (items int, bytes int64) {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	return p.items, p.bytes
}

// Remove implements pipe.Spill. The files go with the next Commit; the spill can
// be used again.
func (p *spill) Remove() error {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	p.skipAll()
	p.change()
	return nil
}

func (p *spill) skipAll() {
	p.items, p.bytes, p.taken = 0, 0, nil
	if n := len(p.segs); n > 0 {
		p.seg, p.off = p.segs[n-1].n, p.segs[n-1].size
	}
}

// end has the files removed with the next frame. mu is held.
func (p *spill) end() {
	p.skipAll()
	p.change()
	p.ended = true
}

// queued settles an item that Next has taken: the one of that number, and those
// before it; or the first, if the caller gives them other numbers.
func (p *spill) queued(seq uint64) {
	if len(p.taken) == 0 {
		return
	}
	last := max(0, slices.IndexFunc(p.taken, func(t taken) bool { return t.seq == seq }))
	for i := range p.taken[:last+1] {
		p.taken[i].done = true
	}
	p.settle()
}

// gone settles an item that was given up after Next had taken it.
func (p *spill) gone(seq uint64) {
	if i := slices.IndexFunc(p.taken, func(t taken) bool { return t.seq == seq }); i >= 0 {
		p.taken[i].done = true
		p.settle()
	}
}

func (p *spill) settle() {
	for len(p.taken) > 0 && p.taken[0].done {
		p.taken = p.taken[1:]
	}
	p.change()
}

// seal appends to a frame where the spill is, and to its list of files those
// that are of no use after it. mu is held.
func (p *spill) seal(frame []byte, f *sealed) []byte {
	p.dirty = false
	seg, off := p.seg, p.off
	at := spilled{items: uint64(p.items + len(p.taken)), bytes: uint64(p.bytes)}
	if len(p.taken) > 0 {
		seg, off = p.taken[0].seg, p.taken[0].off
		for _, t := range p.taken {
			at.bytes += uint64(t.size)
		}
	}
	used := 0
	for used < len(p.segs) && p.segs[used].n < seg {
		used++
	}
	if at.items == 0 && !p.writing {
		used = len(p.segs)
	}
	f.drop = append(f.drop, p.segs[:used]...)
	p.segs = slices.Delete(p.segs, 0, used)
	if at.items > 0 {
		last := p.segs[len(p.segs)-1]
		at.headSeg, at.headOff, at.tailSeg, at.tailOff = seg, uint64(off), last.n, uint64(last.size)
	}
	p.place = at
	if p.ended { // whose session no longer has a slot
		return frame
	}
	return appendSpill(frame, p.slot, at)
}

// removeSegment deletes a file. One that cannot be deleted goes on counting, and
// the next Open tries again.
func (s *Store) removeSegment(g segment) {
	if err := s.o.fs.Remove(s.segmentPath(g)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.o.Log.Warn("could not remove a spill's file", "file", s.segmentPath(g), "err", err)
		return
	}
	s.mu.Lock()
	s.spilled -= g.size
	s.mu.Unlock()
}
