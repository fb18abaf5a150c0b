package pipe

import (
	"sync"
	"sync/atomic"
	"time"
)

// Status is what became of an event that was sent (contract section 4).
type Status string

const (
	StatusOK           Status = "ok"
	StatusBackpressure Status = "backpressure"
)

// An outbox is one peer's way out: a bounded queue and whoever writes it.
//
// Nobody who puts something in waits for the peer. The goroutine that has put
// it writes it too, at the end of what it has just read (flusher); where the
// link takes no more, a goroutine of its own takes over for as long as there
// is something to write.
type outbox struct {
	hub     *Hub
	conn    Conn
	packer  atomic.Pointer[Packer] // see speak
	counted bool                   // its bytes count against the hub's total: everyone's but owners'

	mu      sync.Mutex
	q       queue
	writing bool                   // somebody writes, and will take what is put meanwhile
	dirty   bool                   // stands in some flusher's list
	closed  bool                   // nothing more is taken
	gated   bool                   // nothing is written before the other side's first value
	closing atomic.Pointer[Reason] // closes once everything is written
	taken   uint64                 // items that were ever queued, heartbeats aside
	sent    uint64                 // of them, those that were written
	waiters []waiter
	onPing  func() // called once a ping has been written
	onShut  func() // called, in a goroutine, once we have closed the Conn
	linger  alarm  // closes a peer that does not take its last words
}

// lingerTime is how long a peer that is closed has to take what is queued.
const lingerTime = time.Second

// speak sets the packer of what is put from now on.
func (o *outbox) speak(p Packer) {
	if p == EDN {
		o.packer.Store(&EDN)
	} else {
		o.packer.Store(&p)
	}
}

func (o *outbox) speaks() Packer { return *o.packer.Load() }

// put queues a packet. The peer's place in fl sees to its writing. A form that
// was agreed on while it was packed is the one that counts.
func (o *outbox) put(p *packet, fl *flusher) (Status, int, error) {
	for {
		packer := o.packer.Load()
		msg, err := p.in(*packer)
		if err != nil {
			return "", 0, err
		}
		o.mu.Lock()
		if o.packer.Load() != packer {
			o.mu.Unlock()
			continue
		}
		status, size, err := o.queue(queued{msg, p.kind}, fl)
		o.mu.Unlock()
		return status, size, err
	}
}

// queue queues a packed message and returns how many events are queued. The lock
// is held.
func (o *outbox) queue(m queued, fl *flusher) (Status, int, error) {
	if o.closed || o.leaving() {
		return "", 0, errGone
	}
	if m.kind == kindEvent && o.full(len(m.Data)) {
		// The link may well be idle: what is queued waits for the end of the
		// sender's turn only.
		o.write()
		switch {
		case o.closed || o.leaving(): // meanwhile
			return "", 0, errGone
		case o.full(len(m.Data)):
			return StatusBackpressure, o.q.events, nil
		}
	}
	if m.kind == kindAnswer && o.gated && !o.writing {
		o.aside(m.Message)
		return StatusOK, o.q.events, nil
	}
	if m.kind == kindAnswer && o.unread(len(m.Data)) {
		why := Reason{CloseOverloaded, "you do not read your answers"}
		o.closing.Store(&why)
		o.hub.goroutine(func() { o.closeConn(why) })
		return "", o.q.events, errGone
	}
	if o.counted && !o.hub.Take(len(m.Data)) {
		if m.kind == kindEvent || len(m.Data) > 4096 {
			return "", o.q.events, errBusy
		}
		o.hub.held.Add(int64(len(m.Data))) // an answer that says so must get through
	}
	o.q.push(m)
	if m.kind != kindControl {
		o.taken++
	}
	if o.writing {
		return StatusOK, o.q.events, nil
	}
	if o.q.waiting() >= writeSoon || o.q.bytes >= writeBytes/4 {
		o.write()
	} else if !o.dirty {
		o.dirty = true
		fl.list = append(fl.list, o)
	}
	return StatusOK, o.q.events, nil
}

// unread reports whether a peer is owed more than it may be that asks and does
// not read. Owners are trusted with the size of what they ask for.
func (o *outbox) unread(n int) bool {
	most := 2 * o.hub.settings.Load().Flow.MaxBufferBytes
	return o.q.owed >= maxAnswers || o.counted && o.q.owed > 0 && o.q.bytes+n > most
}

// behind reports whether more is queued for a handler than its events, and an
// open and a close for as many peers as there may be.
func (o *outbox) behind() bool {
	f := &o.hub.settings.Load().Flow
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.q.waiting() >= f.MaxBufferSize+2*f.MaxPeers
}

// full reports whether an event of n bytes has no room. One event always has.
func (o *outbox) full(n int) bool {
	f := &o.hub.settings.Load().Flow
	return o.q.events >= f.MaxBufferSize || o.q.events > 0 && o.q.bytes+n > f.MaxBufferBytes
}

var (
	errGone = &Error{Category: Unavailable, Code: "closed", Retry: true, Msg: "the peer's connection has just closed"}
	errBusy = &Error{Category: Busy, Code: "overloaded", Retry: true,
		Msg:  "all queues together hold :max-total-bytes; nothing more is taken until peers have read theirs",
		Hint: "see :flow {:max-total-bytes …} and which peers do not read: :sente-lite/peers"}
)

// write writes until nothing is queued, or leaves the rest to a goroutine. The
// lock is held, and let go meanwhile.
func (o *outbox) write() {
	o.dirty = false
	if o.writing || o.closed || o.gated {
		return
	}
	o.writing = true
	o.drain(false)
}

// drain is the writer: one at a time. The lock is held, and let go meanwhile.
// Only a writer that may wait sees a full link through.
func (o *outbox) drain(wait bool) {
	batch := batches.Get().(*[]Message)
	defer batches.Put(batch)
	for !o.gated {
		var w written
		*batch = o.q.take((*batch)[:0], &w)
		if len(*batch) == 0 {
			break
		}
		o.mu.Unlock()
		done, err := o.conn.Write(*batch)
		clear(*batch)
		if !done && err == nil && wait {
			err = o.conn.Flush()
			done = true
		}
		o.mu.Lock()
		if err == nil && !done {
			under := w // a copy for the goroutine, so that w itself stays on the stack
			if o.hub.goroutine(func() { o.rest(under) }) {
				return
			}
			err = errGone
		}
		if !o.wrote(w, err) {
			return
		}
	}
	o.idle()
}

// rest is the goroutine that waits for the link.
func (o *outbox) rest(w written) {
	err := o.conn.Flush()
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.wrote(w, err) {
		o.drain(true)
	}
}

// wrote settles what has been written. The lock is held.
func (o *outbox) wrote(w written, err error) bool {
	if o.closed { // and settled, by end
		o.writing = false
		return false
	}
	if err != nil {
		o.writing, o.closed = false, true
		reason := Reason{CloseLost, "connection lost"}
		if c, ok := err.(Closed); ok {
			reason = c.Reason
		}
		o.release(false)
		o.mu.Unlock()
		o.conn.Close(reason) // its reader notices, and sees to the rest
		o.mu.Lock()
		return false
	}
	o.q.left(w)
	o.sent += uint64(w.items)
	if w.pings > 0 && o.onPing != nil {
		o.onPing()
	}
	if o.counted {
		o.hub.Give(w.bytes)
	}
	if len(o.waiters) > 0 {
		o.release(true)
	}
	return true
}

// A waiter wants to know when everything up to an item has been written.
type waiter struct {
	upTo uint64
	done func(written bool)
}

// release tells those whose items have been written, or all that they never
// will be. The lock is held, and let go meanwhile.
func (o *outbox) release(written bool) {
	n := 0
	for n < len(o.waiters) && (!written || o.waiters[n].upTo <= o.sent) {
		n++
	}
	ready := o.waiters[:n:n]
	o.waiters = o.waiters[n:]
	o.mu.Unlock()
	for _, w := range ready {
		w.done(written)
	}
	o.mu.Lock()
}

// idle ends a writer's turn: everything has left. The lock is held, and let go
// meanwhile.
func (o *outbox) idle() {
	o.writing = false
	if closing := o.closing.Load(); closing != nil {
		o.mu.Unlock()
		o.closeConn(*closing)
		o.mu.Lock()
	}
}

// closeConn closes the Conn of a peer that is shut. Its reader may have a second
// to see the other side out; for everyone else the peer has gone now.
func (o *outbox) closeConn(r Reason) {
	o.conn.Close(r)
	if o.onShut != nil {
		o.hub.goroutine(o.onShut)
	}
}

// whenFlushed calls done, from whichever goroutine it is, once everything that
// is queued now has been written (true) or the peer has gone (false).
func (o *outbox) whenFlushed(done func(written bool)) {
	o.mu.Lock()
	if o.closed || o.sent == o.taken {
		written := o.sent == o.taken
		o.mu.Unlock()
		done(written)
		return
	}
	o.waiters = append(o.waiters, waiter{o.taken, done})
	o.write()
	o.mu.Unlock()
}

// shut closes the peer for a reason once what is queued has been written, or
// after lingerTime. Nothing more is taken.
func (o *outbox) shut(r Reason) { o.shutWithin(r, lingerTime) }

// shutWithin is shut with another time to take what is queued, 0 for as long as
// nobody closes the Conn.
func (o *outbox) shutWithin(r Reason, wait time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed || o.leaving() {
		return
	}
	o.closing.Store(&r)
	if o.gated { // it cannot be told anything
		o.closed = true
		o.release(false)
		o.idle()
		return
	}
	if wait > 0 {
		o.linger.ring = func() { o.hub.goroutine(func() { o.closeConn(r) }) }
		o.hub.clock.set(&o.linger, wait)
	}
	if !o.writing {
		o.writing, o.dirty = true, false
		o.drain(false)
	}
}

// isShut reports whether the peer is being closed by us.
func (o *outbox) isShut() (Reason, bool) {
	if r := o.closing.Load(); r != nil {
		return *r, true
	}
	return Reason{}, false
}

// leaving reports whether the peer is being closed by us: what it still sends
// is not taken.
func (o *outbox) leaving() bool { return o.closing.Load() != nil }

// end takes nothing more and returns how many events were not written.
func (o *outbox) end() (undelivered int) {
	o.hub.clock.stop(&o.linger)
	o.mu.Lock()
	o.closed = true
	undelivered = o.q.events
	if o.counted {
		o.hub.Give(o.q.bytes)
	}
	o.q = queue{}
	o.release(false)
	o.mu.Unlock()
	return undelivered
}

// batches are the scratch space of writers.
var batches = sync.Pool{New: func() any { b := make([]Message, 0, 16); return &b }}

// A flusher is one goroutine's turn: the peers that it has put something into
// the outbox of. Their messages leave, joined, when the turn ends.
type flusher struct{ list []*outbox }

func (f *flusher) flush() {
	for i, o := range f.list {
		f.list[i] = nil
		o.mu.Lock()
		if o.dirty {
			o.write()
		}
		o.mu.Unlock()
	}
	f.list = f.list[:0]
	if cap(f.list) > 1024 {
		f.list = nil
	}
}
