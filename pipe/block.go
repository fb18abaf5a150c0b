package pipe

import "slices"

// A blocked event waits for room in a queue: see FullBlock. Its sender waits for the
// reply, so it is in no queue yet, and is accepted or refused later.
type blocked struct {
	m     queued
	edn   []byte
	from  uint64 // the number of its sender
	w     *held
	alarm alarm
}

// block lets an event wait for room, BlockFor at most. It reports false where as much
// waits as may be queued. The lock is held.
func (o *outbox) block(m *queued, p *packet, w *held) bool {
	f := &o.hub.settings.Load().Flow
	if n := len(o.blocked); n >= f.MaxBufferSize || n > 0 && o.blockedBytes+len(m.Data) > f.MaxBufferBytes {
		return false
	}
	if o.counted && !o.hub.Take(len(m.Data)) {
		return false
	}
	b := &blocked{m: *m, edn: p.edn, from: p.from, w: w}
	o.blocked = append(o.blocked, b)
	o.blockedBytes += len(m.Data)
	w.left.Add(1)
	b.alarm.ring = func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		if i := slices.Index(o.blocked, b); i >= 0 {
			o.refuseBlocked(i)
			o.admit() // there may be room for those behind it
			o.write(nil)
		}
	}
	o.hub.clock.set(&b.alarm, f.BlockFor)
	return true
}

// passes reports whether an event would pass one of its sender and lane that waits for
// room. The lock is held.
func (o *outbox) passes(m *queued, p *packet) bool {
	return p.from != 0 && slices.ContainsFunc(o.blocked, func(b *blocked) bool { return b.from == p.from && b.m.lane == m.lane })
}

// admit lets those that wait for room in, in the order of their coming. The lock is
// held, and let go meanwhile.
func (o *outbox) admit() {
	for len(o.blocked) > 0 && o.l != nil && !o.ended && !o.full(&o.blocked[0].m) {
		b := o.unblock(0)
		o.accepted++
		last := o.q.push(&b.m)
		o.keepNote(last, b.edn)
		o.tellBlocked(b, StatusOK)
	}
}

// admitAway lets all that wait for room wait with what comes now that the peer is away: so
// nothing overtakes them. The lock is held, and let go meanwhile.
func (o *outbox) admitAway() {
	var in []*blocked
	for len(o.blocked) > 0 && !o.ended { // all before the lock is let go
		b := o.unblock(0)
		o.keepFresh(&b.m, b.edn)
		in = append(in, b)
	}
	for _, b := range in {
		o.tellBlocked(b, StatusOK)
	}
}

// dismissBlocked refuses all that wait for room: the peer has gone. The lock is held, and
// let go meanwhile.
func (o *outbox) dismissBlocked() {
	for len(o.blocked) > 0 {
		o.refuseBlocked(0)
	}
}

func (o *outbox) refuseBlocked(i int) {
	b := o.unblock(i)
	o.release(&b.m)
	if o.ended {
		o.tellBlocked(b, "")
	} else {
		o.tellBlocked(b, StatusBackpressure)
	}
}

// unblock takes one of those that wait out. The lock is held.
func (o *outbox) unblock(i int) *blocked {
	b := o.blocked[i]
	if o.blocked = slices.Delete(o.blocked, i, i+1); len(o.blocked) == 0 {
		o.blocked = nil
	}
	o.blockedBytes -= len(b.m.Data)
	o.hub.clock.stop(&b.alarm)
	return b
}

// tellBlocked settles the send of one that has waited. The lock is held, and let go
// meanwhile.
func (o *outbox) tellBlocked(b *blocked, status Status) {
	size := o.q.events + o.spilled
	o.mu.Unlock()
	b.w.settle(status, size)
	o.mu.Lock()
}
