package pipe

// policy is what happens to an event of a name that finds a queue full.
func (f *Flow) policy(name string) FullPolicy {
	for _, r := range f.OnFull {
		if Match(r.Event, name) {
			return r.Policy
		}
	}
	return FullNotify
}

// has reports whether there is an event with a policy.
func (f *Flow) has(p FullPolicy) bool {
	for _, r := range f.OnFull {
		if r.Policy == p {
			return true
		}
	}
	return false
}

// full reports whether an event of n bytes has no room. One event always has. Lanes
// beside the first leave a quarter of the room to that.
func (o *outbox) full(m *queued) bool {
	f := &o.hub.settings.Load().Flow
	most, bytes := f.MaxBufferSize, f.MaxBufferBytes
	if m.lane > 0 {
		most, bytes = most-most/4, bytes-bytes/4
	}
	if o.q.events >= most || o.q.events > 0 && o.q.bytes+len(m.Data) > bytes {
		return true
	}
	if f.MaxBufferAge == 0 || o.q.events == 0 {
		return false
	}
	old := o.q.oldest()
	return old != nil && ticks()-old.at >= f.MaxBufferAge.Milliseconds()
}

// overflow decides about an event that has no room. The lock is held. taken reports
// that it has been seen to; else room has been made for it.
func (o *outbox) overflow(m *queued, p *packet, w *held) (status Status, err error, taken bool) {
	f := &o.hub.settings.Load().Flow
	switch f.policy(m.name) {
	case FullDropOldest:
		if o.passes(m, p) {
			break
		}
		// What has another policy of its own was not accepted to be dropped.
		mine := func(q *queued) bool { return f.policy(q.name) == FullDropOldest }
		for o.full(m) {
			old, ok := o.q.victim(m.lane, mine)
			if !ok {
				if o.q.unwritten() == 0 { // all is being written: it will be the first that waits
					break
				}
				return StatusBackpressure, nil, true
			}
			o.lose(&old, whyDropOldest)
		}
		return "", nil, false
	case FullDropNewest:
		o.accepted++
		o.undelivered++
		o.hub.ledger.note(o.uid, m.name, whyDropNewest)
		return StatusBackpressure, errDropped, true
	case FullCoalesce:
		if o.passes(m, p) {
			break
		}
		same := func(q *queued) bool { // and it leaves room enough
			return q.key == m.key && o.q.bytes-len(q.Data)+len(m.Data) <= max(f.MaxBufferBytes, o.q.bytes)
		}
		if old, ok := o.q.victim(m.lane, same); ok {
			o.lose(&old, whyCoalesce)
			return "", nil, false
		}
	case FullBlock:
		if w != nil && o.block(m, p, w) {
			return StatusBackpressure, errBlocked, true
		}
	case FullQueue:
		if err := o.spillOver(m, p); err == nil {
			return StatusOK, nil, true
		}
	case FullDisconnect:
		why := Reason{CloseOverloaded, "you do not read what is sent to you"}
		o.endFor(why, whyDisconnect)
		return "", errGone, true
	}
	return StatusBackpressure, nil, true
}

// errBlocked and errDropped are no errors: what became of an event that is neither
// queued nor refused.
var (
	errBlocked = &Error{Code: "blocked"}
	errDropped = &Error{Code: "dropped"}
)

// spillOver puts an event into the peer's file. The lock is held.
func (o *outbox) spillOver(m *queued, p *packet) error {
	store := o.hub.store()
	if store == nil {
		return errGone
	}
	if o.spill == nil {
		if !o.keep { // it cannot come back: the file is for as long as it is here
			store.Begin(StoredSession{Key: o.key, UID: o.uid})
		}
		s, err := store.Spill(o.key)
		if err != nil {
			o.hub.storeFailed("events cannot be spilled", err)
			if !o.keep {
				store.End(o.key)
			}
			return err
		}
		o.spill = s
	}
	m.at = ticks()
	it := m.stored(p.edn)
	it.Seq = o.q.seq + 1
	if err := o.spill.Append(it); err != nil {
		o.hub.storeFailed("events cannot be spilled", err)
		return err
	}
	o.q.seq++
	o.accepted++
	o.spilled++
	o.watch()
	return nil
}

// refill takes what was spilled back once the queue is half empty. The lock is held.
func (o *outbox) refill() {
	if o.spilled == 0 || o.ended || o.l == nil || len(o.blocked) > 0 {
		return
	}
	f := &o.hub.settings.Load().Flow
	form := o.speaks()
	for o.spilled > 0 && o.q.events < (f.MaxBufferSize+1)/2 && o.q.bytes < f.MaxBufferBytes/2 {
		items, err := o.spill.Next(min(256, (f.MaxBufferSize+1)/2), 1<<20)
		if err != nil {
			o.hub.log.Error("what was spilled cannot be read", "uid", o.uid, "error", err)
		}
		left, _ := o.spill.Len()
		lost := o.spilled - left - len(items)
		for range lost {
			o.undelivered++
			o.hub.ledger.note(o.uid, "", whyDamaged)
			o.refilled(0)
		}
		if len(items) == 0 && lost <= 0 {
			return
		}
		for _, it := range items {
			m := restored(it)
			msg, err := (&packet{edn: it.EDN}).in(form, &o.hub.Stats)
			if err != nil {
				o.undelivered++
				o.hub.ledger.note(o.uid, it.Name, whyUnfit)
				o.refilled(0)
				continue
			}
			m.Message = msg
			if o.counted {
				o.hub.held.Add(int64(len(m.Data)))
			}
			last := o.q.push(&m)
			o.keepNote(last, it.EDN)
			if last.urgent() {
				o.window.urgent = true
			}
			o.refilled(last.seq)
		}
	}
}

// refilled counts an item that was spilled and is no more: its seq is a new one, or 0
// where it is lost. Who waits for it to be written waits for that now. The lock is held.
func (o *outbox) refilled(seq uint64) {
	o.spilled--
	for i := range o.waiters {
		if w := &o.waiters[i]; w.spilled > 0 {
			w.spilled--
			w.upTo = max(w.upTo, seq)
		}
	}
}

// What the Kind of a StoredItem says beside the kind.
const (
	storedFree = 1 << 3
	storedCall = 1 << 4
)

// someLeg stands for a call that an earlier process has passed on.
const someLeg = ^uint64(0)

// stored is the item for a Store. A call that is spilled is no different from an
// event any more: nobody looks for it on the disk.
func (m *queued) stored(edn []byte) StoredItem {
	it := StoredItem{Seq: m.seq, Kind: uint8(m.kind), Lane: m.lane, Name: m.name, At: now() - (ticks() - m.at), EDN: edn}
	if m.free {
		it.Kind |= storedFree
	}
	if m.leg != 0 {
		it.Kind |= storedCall
	}
	return it
}

// restored is the other half of stored. What cannot be is not.
func restored(it StoredItem) queued {
	m := queued{kind: queueKind(it.Kind & 3), lane: it.Lane, free: it.Kind&storedFree != 0, name: it.Name, at: ticks() - max(0, now()-it.At)}
	if it.Kind&storedCall != 0 {
		m.leg = someLeg
	}
	if m.kind == kindControl || m.lane > MaxLanes {
		m.kind, m.lane = kindEvent, 0
	}
	return m
}
