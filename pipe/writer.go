package pipe

import (
	"sync"
	"time"
)

// What one write takes at the most. Large enough to be worth a system call,
// small enough that a stalled peer's last write does not hold much.
const (
	writeBytes = 256 << 10
	writeItems = 512 // messages
	// writeSoon is how many events gather for a peer without bundles before their
	// sender writes them without waiting for the end of its turn.
	writeSoon = 128
)

// A window holds what is queued for a moment where that pays: where the last bundle
// held more than one. See leave.
type window struct {
	last   int       // items of the last message that was written
	urgent bool      // something waits that leaves at once
	at     time.Time // when the last was written
	alarm  alarm
}

// bundles reports whether several items may be one message. The lock is held.
func (o *outbox) bundles() bool {
	return o.l != nil && o.l.bundle && o.hub.settings.Load().Flow.EventBufferSize > 1
}

// enough reports whether so much has gathered that waiting for the end of the turn
// gains nothing. The lock is held.
func (o *outbox) enough() bool {
	if !o.bundles() {
		return o.q.items.len()-o.q.next >= writeSoon || o.q.bytes >= writeBytes/4
	}
	f := &o.hub.settings.Load().Flow
	return o.q.unwritten() >= f.EventBufferSize || o.q.bytes >= f.MaxFrameSize
}

// leave ends a sender's turn: what waits is written, unless holding it pays. Then the
// window's end writes it, event-buffer-ms after the last bundle at the latest. The lock
// is held, and let go meanwhile.
func (o *outbox) leave() {
	w := &o.window
	if w.last > 1 && !w.urgent && o.l != nil && !o.l.writing && !o.enough() && o.bundles() {
		hold := o.hub.settings.Load().Flow.EventBuffer - time.Since(w.at)
		if hold > 0 {
			o.dirty = false
			if w.alarm.ring == nil {
				w.alarm.ring = func() {
					o.mu.Lock()
					o.write()
					o.mu.Unlock()
				}
			}
			o.hub.clock.set(&w.alarm, hold)
			return
		}
	}
	o.write()
}

// write writes until nothing is queued, or leaves the rest to a goroutine. The
// lock is held, and let go meanwhile.
func (o *outbox) write() {
	o.dirty = false
	l := o.l
	if l == nil || l.writing || l.broken || o.ended || o.gated {
		return
	}
	l.writing = true
	o.drain(l, false)
}

// A draft is the scratch space of a writer.
type draft struct {
	batch []Message
	parts [][]byte
	buf   []byte // of bundles
}

var drafts = sync.Pool{New: func() any { return &draft{batch: make([]Message, 0, 16)} }}

const maxDraft = 1 << 20

// drain is the writer: one for a link at a time. The lock is held, and let go
// meanwhile. Only a writer that may wait sees a full link through.
func (o *outbox) drain(l *link, wait bool) {
	d := drafts.Get().(*draft)
	defer func() {
		if cap(d.buf) <= maxDraft {
			drafts.Put(d)
		}
	}()
	for !o.gated && o.l == l {
		o.compose(l, d)
		if len(d.batch) == 0 {
			break
		}
		store := o.hub.store()
		o.mu.Unlock()
		if store != nil {
			o.hub.commit(store)
		}
		done, err := l.conn.Write(d.batch)
		clear(d.batch)
		clear(d.parts[:cap(d.parts)])
		if !done && err == nil && wait {
			err = l.conn.Flush()
			done = true
		}
		o.mu.Lock()
		if err == nil && !done {
			if o.hub.goroutine(func() { o.rest(l) }) {
				return
			}
			err = errGone
		}
		if !o.wrote(l, err) {
			return
		}
	}
	o.idle(l)
}

// rest is the goroutine that waits for the link.
func (o *outbox) rest(l *link) {
	err := l.conn.Flush()
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.wrote(l, err) {
		o.drain(l, true)
	}
}

// wrote settles what has been written. The lock is held, and may be let go meanwhile.
func (o *outbox) wrote(l *link, err error) bool {
	if o.l != l || o.ended { // and settled, by whoever took the link away
		l.writing = false
		return false
	}
	if err != nil {
		l.writing, l.broken = false, true
		if !o.keep || o.leaving() { // what waits will never be written
			o.tellWaiters(true)
		}
		reason := Reason{CloseLost, "connection lost"}
		if c, ok := err.(Closed); ok {
			reason = c.Reason
		}
		o.hub.goroutine(func() { l.conn.Close(reason) }) // its reader notices, and sees to the rest
		return false
	}
	w := l.flight
	l.flight = written{}
	o.q.left(w)
	if !o.keep {
		o.delivered += uint64(w.items)
		o.q.leaves(w.items, w.bytes)
		if o.counted {
			o.hub.Give(w.bytes)
		}
	}
	if w.control > 0 {
		o.hub.Give(w.control)
	}
	if w.pings > 0 {
		l.probe.written()
	}
	if len(o.blocked) > 0 {
		o.admit()
	}
	o.refill()
	o.watch()
	if len(o.waiters) > 0 {
		o.tellWaiters(false)
	}
	return true
}

// idle ends a writer's turn: everything that may has left. The lock is held.
func (o *outbox) idle(l *link) {
	l.writing = false
	if o.l != l {
		return
	}
	if closing := o.closing.Load(); closing != nil && (o.q.unwritten() == 0 || o.gated) {
		o.closeConn(*closing)
	}
}

// compose takes what the next write brings out of the queue, and makes messages of it:
// bundles where the peer takes them. The lock is held.
func (o *outbox) compose(l *link, d *draft) {
	d.batch, d.parts, d.buf = d.batch[:0], d.parts[:0], d.buf[:0]
	w := &l.flight
	size := 0
	for o.q.control.len() > 0 && size < writeBytes {
		m := o.q.control.pop()
		size += len(m.Data)
		w.control += len(m.Data)
		if m.name == pingName {
			w.pings++
		}
		d.batch = append(d.batch, m.Message)
	}
	if o.paused && !o.leaving() {
		return
	}
	if !o.keep && !o.credit.on && len(o.q.lanes) == 0 && !o.bundles() {
		o.q.plain(d, w, size)
	} else {
		c := composer{o: o, d: d, w: w, bundle: o.bundles(), bytes: size}
		c.compose()
	}
	if o.q.unwritten() == 0 {
		o.window.urgent = false
	}
}

// plain is compose for the many peers that ask for none of the flow's services: what
// waits leaves as it is. size is what has been taken already.
func (q *queue) plain(d *draft, w *written, size int) {
	for taken := 0; q.next < q.items.len() && len(d.batch) < writeItems; taken++ {
		m := q.items.at(q.next)
		size += len(m.Data)
		if taken > 0 && size > writeBytes {
			break
		}
		q.next++
		q.numbered++
		q.keptBytes += len(m.Data)
		w.add(m)
		d.batch = append(d.batch, m.Message)
	}
}

// A composer is one call of compose.
type composer struct {
	o      *outbox
	d      *draft
	w      *written
	bundle bool
	bytes  int // in all
	items  int
	group  int // bytes of d.parts
	text   bool
	last   int // items of the last message
}

// compose takes from each lane in turn.
func (c *composer) compose() {
	o := c.o
	c.lane(0, writeBytes)
	if o.q.next == o.q.numbered {
		for i := range o.q.lanes {
			c.lane(uint8(i+1), o.hub.settings.Load().Flow.MaxFrameSize)
		}
	}
	if c.items > 0 && c.bundle {
		o.window.last, o.window.at = c.last, time.Now()
	}
}

// lane takes up to most bytes from a lane, at least one item.
func (c *composer) lane(lane uint8, most int) {
	o := c.o
	list := &o.q.items
	if lane > 0 {
		list = o.q.lanes[lane-1]
	}
	for taken := 0; len(c.d.batch) < writeItems; {
		at := 0
		if lane == 0 {
			at = o.q.next
		}
		if at >= list.len() || o.keep && o.unackedFull() {
			break
		}
		if lane == 0 { // what was kept for too long may just have been dropped
			at = o.q.next
		}
		m := list.at(at)
		n := len(m.Data)
		if taken > 0 && (taken+n > most || c.bytes+n > writeBytes) || !o.credit.spend(m) {
			break
		}
		m = o.q.take(lane)
		c.w.add(m)
		taken += n
		c.bytes += n
		c.add(m.Message)
	}
	c.end()
}

// add puts an item into the message that is being made, or into the next.
func (c *composer) add(m Message) {
	if !c.bundle {
		c.d.batch = append(c.d.batch, m)
		c.items, c.last = c.items+1, 1
		return
	}
	if f := &c.o.hub.settings.Load().Flow; len(c.d.parts) > 0 && (len(c.d.parts) >= f.EventBufferSize || c.group+len(m.Data)+1+bundleSpace > f.MaxFrameSize) {
		c.end()
	}
	c.d.parts = append(c.d.parts, m.Data)
	c.group += len(m.Data) + 1
	c.text = m.Text
	c.items++
}

// bundleSpace is what a bundle has beside its items, in any form.
const bundleSpace = 32

// end ends the message that is being made.
func (c *composer) end() {
	d := c.d
	switch len(d.parts) {
	case 0:
		return
	case 1:
		d.batch = append(d.batch, Message{Data: d.parts[0], Text: c.text})
	default:
		from := len(d.buf)
		d.buf = c.o.speaks().Join(d.buf, d.parts)
		d.batch = append(d.batch, Message{Data: d.buf[from:len(d.buf):len(d.buf)], Text: c.text})
	}
	c.last = len(d.parts)
	d.parts, c.group = d.parts[:0], 0
}
