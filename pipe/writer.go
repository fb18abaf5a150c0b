package pipe

import "time"

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
	full   bool      // whoever writes brings full messages only
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
	return o.q.unwritten() >= f.EventBufferSize || o.q.bytes >= o.frameful(f)
}

// frameful is about how many packed bytes fill a frame. The lock is held.
func (o *outbox) frameful(f *Flow) int {
	if o.ratios == nil {
		return f.MaxFrameSize
	}
	return min(int(float64(f.MaxFrameSize)/o.ratios.mean), maxDraft)
}

// leave ends a sender's turn: what waits is written, unless holding it pays. Then the
// window's end writes it, event-buffer-ms after the last bundle at the latest. The lock
// is held, and let go meanwhile.
func (o *outbox) leave(d *draft) {
	w := &o.window
	if o.enough() {
		o.writeFull(d)
	}
	if w.last > 1 && !w.urgent && o.l != nil && !o.l.writing && o.bundles() {
		hold := o.hub.settings.Load().Flow.EventBuffer - time.Since(w.at)
		if hold > 0 {
			o.dirty = false
			if o.q.unwritten() == 0 {
				return
			}
			if w.alarm.ring == nil {
				w.alarm.ring = func() {
					o.mu.Lock()
					o.write(o.hub.clock.draft())
					o.mu.Unlock()
				}
			}
			o.hub.clock.set(&w.alarm, hold)
			return
		}
	}
	o.write(d)
}

// writeFull writes what fills messages, and leaves the rest for the end of the turn or
// of the window. The lock is held, and let go meanwhile.
func (o *outbox) writeFull(d *draft) {
	if o.l != nil && !o.l.writing && o.bundles() {
		o.window.full = true
	}
	o.write(d)
	o.window.full = false
}

// write writes until nothing is queued, or leaves the rest to a goroutine. The
// lock is held, and let go meanwhile. The draft may be nil.
func (o *outbox) write(d *draft) {
	o.dirty = false
	l := o.l
	if l == nil || l.writing || l.broken || o.ended || o.gated {
		return
	}
	l.writing = true
	if d == nil {
		d = newDraft()
		defer d.release()
	}
	o.drain(l, d, false)
}

// drain is the writer: one for a link at a time. The lock is held, and let go
// meanwhile. Only a writer that may wait sees a full link through.
func (o *outbox) drain(l *link, d *draft, wait bool) {
	for !o.gated && o.l == l {
		o.compose(l, d)
		if d.empty() {
			break
		}
		store := o.hub.store()
		o.mu.Unlock()
		if store != nil {
			o.hub.commit(store)
		}
		err := d.make(o.hub)
		done := false
		if err == nil {
			l.traffic.out.add(len(d.batch), d.wire)
			l.traffic.out.unwrapped(d.raw - d.wire)
			done, err = l.conn.Write(d.batch)
		}
		d.forget()
		if !done && err == nil && wait {
			err = l.conn.Flush()
			done = true
		}
		o.mu.Lock()
		if len(d.lessons) > 0 {
			d.teach(o.ratios)
		}
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
	o.window.full = false
	if o.wrote(l, err) {
		d := newDraft()
		defer d.release()
		o.drain(l, d, true)
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
