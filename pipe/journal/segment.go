package journal

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"

	"github.com/sente-lite/sente-lite/pipe"
)

// Next implements pipe.Spill. Until they are noted as Queued, in their order, or
// as Gone, a crash leaves the items here; another Next takes those that nobody
// has noted yet for given up. What is damaged is set aside, and Next says once
// how many items went with it.
func (p *spill) Next(most, size int) ([]pipe.StoredItem, error) {
	s := p.s
	s.mu.Lock()
	if len(p.taken) > 0 {
		p.taken = nil
		p.change()
	}
	if p.items == 0 || p.ended {
		s.mu.Unlock()
		return nil, nil
	}
	i := slices.IndexFunc(p.segs, func(g segment) bool { return g.n >= p.seg })
	g, off := p.segs[i], max(p.off, headSize)
	for off >= g.size && i+1 < len(p.segs) {
		i++
		g, off = p.segs[i], headSize
	}
	s.mu.Unlock()

	items, took, err := s.takeItems(g, off, max(most, 1), size)
	if errors.Is(err, errDamaged) && len(items) == 0 {
		return nil, p.damaged(g.n, off, err)
	}
	if len(items) == 0 && err != nil {
		return nil, err
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	if p.ended {
		return nil, nil
	}
	if len(items) == 0 { // the log says that there are more
		lost := p.items
		p.skipAll()
		p.change()
		return nil, fmt.Errorf("journal: lost %d spilled events: %w: they are not in %s", lost, errDamaged, s.spillDir())
	}
	p.taken = took
	last := took[len(took)-1]
	p.seg, p.off = last.seg, last.off+last.size
	p.items = max(0, p.items-len(items))
	for _, t := range took {
		p.bytes -= t.size
	}
	return items, nil
}

// takeItems reads items from a place in a segment on. An error comes with what
// was read before it.
func (s *Store) takeItems(g segment, off int64, most, size int) (items []pipe.StoredItem, took []taken, err error) {
	f, err := s.openSegment(g)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	r := segmentReader{f: f, end: g.size, ahead: max(size, 4096)}
	for left := size; len(items) < most && off < g.size && (left > 0 || len(items) == 0); {
		item, n, err := r.item(off)
		if err != nil {
			return items, took, s.segmentError(g, err)
		}
		if left -= len(item.EDN); left < 0 && len(items) > 0 {
			break
		}
		item.EDN = append([]byte(nil), item.EDN...)
		items = append(items, item)
		took = append(took, taken{seq: item.Seq, seg: g.n, off: off, size: n})
		off += n
	}
	return items, took, nil
}

func (s *Store) openSegment(g segment) (file, error) {
	f, err := s.o.fs.Open(s.segmentPath(g), false)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s was removed", errDamaged, s.segmentPath(g))
	} else if err != nil {
		return nil, s.cannot("open", s.segmentPath(g), err)
	}
	head := make([]byte, headSize)
	n, err := f.ReadAt(head, 0)
	if err == nil || err == io.EOF {
		err = checkHead(head[:n], spillMagic)
	}
	if err != nil {
		_ = f.Close()
		return nil, s.segmentError(g, err)
	}
	return f, nil
}

// segmentError tells what is wrong with a file from what is wrong with the disk.
func (s *Store) segmentError(g segment, err error) error {
	var other *versionError
	switch {
	case errors.Is(err, errDamaged), errors.Is(err, errTorn), errors.Is(err, io.EOF), errors.As(err, &other):
		return fmt.Errorf("%w: %s: %w", errDamaged, s.segmentPath(g), err)
	}
	return s.cannot("read", s.segmentPath(g), err)
}

// A segmentReader reads items with few reads.
type segmentReader struct {
	f     io.ReaderAt
	end   int64
	ahead int // about how much is read at once
	buf   []byte
	start int64 // of buf
}

// item reads the one at a place, and how many bytes it has there. Its EDN is lent.
func (r *segmentReader) item(off int64) (item pipe.StoredItem, size int64, err error) {
	first, err := r.bytes(off, min(frameSize, r.end-off))
	if err != nil {
		return item, 0, err
	}
	size, err = frameLength(first, r.end-off)
	if err != nil {
		return item, 0, err
	}
	frame, err := r.bytes(off, size)
	if err != nil {
		return item, 0, err
	}
	payload, err := openFrame(frame)
	if err != nil {
		return item, 0, err
	}
	d := decoder{b: payload}
	if d.item(&item); d.bad || d.more() {
		return item, 0, fmt.Errorf("%w: an item does not end as it should", errDamaged)
	}
	return item, size, nil
}

func (r *segmentReader) bytes(off, n int64) ([]byte, error) {
	if off < r.start || off+n > r.start+int64(len(r.buf)) {
		size := min(max(n, int64(r.ahead)), r.end-off)
		r.buf, r.start = slices.Grow(r.buf[:0], int(size))[:size], off
		if got, err := r.f.ReadAt(r.buf, off); err != nil && (err != io.EOF || int64(got) < n) {
			r.buf = nil
			return nil, err
		} else {
			r.buf = r.buf[:got]
		}
	}
	return r.buf[off-r.start:][:n], nil
}

// damaged sets aside the rest of a segment that cannot be read, and counts what
// is left.
func (p *spill) damaged(n uint64, off int64, why error) error {
	s := p.s
	from := func(g segment) bool { return g.n >= n }
	s.mu.Lock()
	i := slices.IndexFunc(p.segs, from)
	if i < 0 { // the session has ended meanwhile
		s.mu.Unlock()
		return nil
	}
	segs, had := slices.Clone(p.segs[i:]), p.items
	s.mu.Unlock()
	left, items, bytes, err := s.countItems(segs, off)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if i = slices.IndexFunc(p.segs, from); i < 0 {
		return nil
	}
	p.segs = append(p.segs[:i], left...)
	p.seg, p.off = left[0].n, off
	p.items, p.bytes = items, bytes
	p.change()
	return fmt.Errorf("journal: lost %d spilled events: %w; the rest of the file is in %s", had-items, why, s.damagedPath("spill"))
}

// countItems reads segments, the first from a place on, and says what is in them.
// One that is damaged ends there from now on; the rest of it is set aside.
func (s *Store) countItems(segs []segment, off int64) (left []segment, items int, bytes int64, err error) {
	for _, g := range segs {
		n, end, bad := s.countSegment(g, off)
		if errors.Is(bad, errDamaged) {
			s.o.Log.Error("set the rest of a damaged spill aside", "why", bad, "at", end, "aside", s.damagedPath("spill"))
			s.cutDamaged(g, end)
			g.size, g.closed = end, true
		} else if bad != nil {
			return nil, 0, 0, bad
		}
		left = append(left, g)
		items += n
		bytes += end - off
		off = headSize
	}
	return left, items, bytes, nil
}

// cutDamaged sets the rest of a segment aside. What hinders it is logged: nobody
// waits for that rest.
func (s *Store) cutDamaged(g segment, end int64) {
	s.mu.Lock()
	s.spilled -= g.size - end
	s.mu.Unlock()
	f, err := s.o.fs.Open(s.segmentPath(g), false)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err == nil {
		var size int64
		if size, err = f.Size(); err == nil && size > end {
			if err = s.setAside(f, end, size, s.damagedPath("spill")); err == nil {
				err = f.Truncate(end)
			}
		}
		_ = f.Close()
	}
	if err != nil {
		s.o.Log.Error("could not set the rest of a damaged spill aside", "file", s.segmentPath(g), "err", err)
	}
}

func (s *Store) countSegment(g segment, off int64) (items int, end int64, err error) {
	f, err := s.openSegment(g)
	if err != nil {
		return 0, off, err
	}
	defer f.Close()
	r := segmentReader{f: f, end: g.size, ahead: windowSize}
	for off < g.size {
		_, n, err := r.item(off)
		if err != nil {
			return items, off, s.segmentError(g, err)
		}
		items++
		off += n
	}
	return items, off, nil
}

// restoreSpill makes the spill that an earlier process has left. What its files
// have beyond the last commit is cut off; if they have less, they are counted.
func (s *Store) restoreSpill(x *session, segs []segment) error {
	at := x.at
	slices.SortFunc(segs, func(a, b segment) int { return int(min(max(int64(a.n)-int64(b.n), -1), 1)) })
	p := &spill{s: s, key: x.Key, slot: x.slot, segs: segs, seg: at.headSeg, off: int64(at.headOff), place: at, items: int(at.items), bytes: int64(at.bytes)}
	x.spill = p
	whole := len(segs) > 0 && segs[0].n == at.headSeg && segs[len(segs)-1].n == at.tailSeg
	have := -int64(at.headOff)
	for i := range segs {
		g := &segs[i]
		if g.n == at.tailSeg && g.size > int64(at.tailOff) {
			if err := s.cutSegment(*g, int64(at.tailOff)); err != nil {
				return err
			}
			g.size = int64(at.tailOff)
		}
		s.spilled += g.size
		if have += g.size; i > 0 {
			have -= headSize
		}
	}
	if whole && have == int64(at.bytes) {
		return nil
	}
	if len(segs) == 0 || segs[0].n != at.headSeg || p.off < headSize {
		p.off = headSize
	}
	if len(segs) > 0 {
		p.seg, p.off = segs[0].n, min(p.off, max(segs[0].size, headSize))
		left, items, bytes, err := s.countItems(segs, p.off)
		if err != nil {
			return err
		}
		p.segs, p.items, p.bytes = left, items, bytes
	} else {
		p.items, p.bytes = 0, 0
	}
	s.o.Log.Error("a spill is not as the log has it", "session", x.UID, "events", at.items, "found", p.items, "dir", s.spillDir())
	p.change()
	return nil
}

func (s *Store) cutSegment(g segment, size int64) error {
	f, err := s.o.fs.Open(s.segmentPath(g), false)
	if err == nil {
		err = f.Truncate(size)
		if closed := f.Close(); err == nil {
			err = closed
		}
	}
	if err != nil {
		return s.cannot("cut off", s.segmentPath(g), err)
	}
	return nil
}
