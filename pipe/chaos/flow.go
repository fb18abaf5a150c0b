package chaos

import (
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync/atomic"
	"time"
)

const (
	readSize = 16 << 10

	// A delayed direction holds at most 64 KiB: this many reads of that size.
	delayedReads = 64
	delayedSize  = 1 << 10
)

// A flow is one direction of a link. Its goroutine reads, and does at each place
// what the plan says, so that a fault's place does not depend on how the bytes
// came.
type flow struct {
	l        *link
	dir      Dir
	way      Way
	src, dst net.Conn

	at       atomic.Int64 // bytes that have gone; only the flow writes it
	dropping atomic.Bool  // what comes is dropped, and nobody told

	stalls *stalls
	ws     *wsTracker // nil if no close frame is to be dropped
	tear   *rand.Rand
	tornAt int64 // where the write that comes next must end
}

func newFlow(l *link, d Dir, src, dst net.Conn) *flow {
	way := l.plan.Ways[d]
	f := &flow{l: l, dir: d, way: way, src: src, dst: dst, stalls: newStalls(way)}
	if way.DropClose {
		f.ws = &wsTracker{dir: d}
	}
	if way.Torn > 0 {
		f.tear = source(way.Seed, 0, 2)
	}
	return f
}

// run carries until the end of one side, of the link or of the proxy.
func (f *flow) run() {
	src := io.Reader(f.src)
	if f.way.Delay > 0 || f.way.Jitter > 0 {
		src = newDelayLine(f)
	}
	buf := make([]byte, readSize)
	for on := f.faults(); on; {
		n, err := src.Read(buf)
		on = f.carry(buf[:n]) && err == nil
		if err != nil {
			f.ends(err)
		}
	}
}

// carry brings bytes to the other side. It reports whether the flow goes on.
func (f *flow) carry(b []byte) bool {
	closes := false
	if f.ws != nil && !f.dropping.Load() {
		var n int
		n, closes = f.ws.next(b)
		b = b[:n]
	}
	for len(b) > 0 {
		if !f.l.proxy.flows(f.l) {
			return false
		}
		if f.dropping.Load() {
			f.at.Add(int64(len(b)))
			return true
		}
		n, err := f.dst.Write(b[:f.piece(len(b))])
		f.at.Add(int64(n))
		switch {
		case err == nil:
		case f.dropping.Load() || f.l.half():
			f.dropping.Store(true) // who would have read it has gone, and the other must not hear
			continue
		default:
			f.l.end(RST)
			return false
		}
		if !f.faults() || f.way.Rate > 0 && !f.l.sleep(time.Duration(n)*time.Second/time.Duration(f.way.Rate)) {
			return false
		}
		b = b[n:]
	}
	if closes {
		return f.ending("drop-close")
	}
	return true
}

// piece is how many of n bytes are written next: none beyond the place of a
// fault, nor more than a throttled direction takes in a tenth of a second.
func (f *flow) piece(n int) int {
	at, most := f.at.Load(), int64(n)
	upTo := func(place int64) {
		if place > at {
			most = min(most, place-at)
		}
	}
	upTo(f.way.Cut)
	upTo(f.way.HalfOpen)
	upTo(f.stalls.next)
	if f.tear != nil {
		for f.tornAt <= at {
			f.tornAt += 1 + f.tear.Int64N(int64(f.way.Torn))
		}
		upTo(f.tornAt)
	}
	if f.way.Rate > 0 {
		most = min(most, max(1, f.way.Rate/10))
	}
	return int(most)
}

// faults does what the plan has for the place that is reached. It reports
// whether the flow goes on.
func (f *flow) faults() bool {
	at := f.at.Load()
	if f.dropping.Load() {
		return true
	}
	if at > 0 && at == f.stalls.next {
		f.stalls.advance()
		f.event("stall")
		if !f.l.sleep(f.way.Stall) {
			return false
		}
	}
	if at > 0 && at == f.way.HalfOpen {
		f.event("half-open")
		f.dropping.Store(true)
		return true
	}
	if at > 0 && at == f.way.Cut {
		return f.ending("cut")
	}
	return true
}

// ending ends the link as the plan says. The event comes first: who sees the end
// finds it told.
func (f *flow) ending(name string) bool {
	how := f.way.How
	if !f.l.claim(how) {
		return how == Abandon
	}
	f.event(name)
	f.l.act(how)
	return how == Abandon
}

func (f *flow) event(name string) {
	f.l.proxy.event(Event{Name: name, Conn: f.l.plan.Conn, Dir: f.dir, At: f.at.Load(), How: f.way.How})
}

// ends passes on that nothing more will come from src.
func (f *flow) ends(err error) {
	if f.dropping.Load() {
		return // nobody is told
	}
	half, ok := f.dst.(interface{ CloseWrite() error })
	switch {
	case !errors.Is(err, io.EOF):
		f.l.end(RST)
	case !ok:
		f.l.end(FIN)
	default:
		_ = half.CloseWrite() // it may have gone as well
	}
}

// A delayLine gives bytes when their time has come, and that of all before them.
type delayLine struct {
	f      *flow
	chunks chan chunk
	left   chunk // what did not fit into the last Read
}

type chunk struct {
	b   []byte
	due time.Time
	err error // behind b
}

func newDelayLine(f *flow) *delayLine {
	d := &delayLine{f: f, chunks: make(chan chunk, delayedReads-1)}
	f.l.running.Go(d.fill)
	return d
}

// fill reads until the end of src, which the end of the link is, too.
func (d *delayLine) fill() {
	way := d.f.way
	var at int64
	for {
		b := make([]byte, delayedSize)
		n, err := d.f.src.Read(b)
		due := time.Now().Add(way.Delay + way.jitter(at))
		at += int64(n)
		select {
		case d.chunks <- chunk{b[:n], due, err}:
		case <-d.f.l.done:
			return
		}
		if err != nil {
			return
		}
	}
}

func (d *delayLine) Read(b []byte) (int, error) {
	if len(d.left.b) == 0 && d.left.err == nil {
		select {
		case d.left = <-d.chunks:
		case <-d.f.l.done:
			return 0, net.ErrClosed
		}
		if !d.f.l.sleep(time.Until(d.left.due)) {
			return 0, net.ErrClosed
		}
	}
	n := copy(b, d.left.b)
	d.left.b = d.left.b[n:]
	if len(d.left.b) == 0 {
		return n, d.left.err
	}
	return n, nil
}
