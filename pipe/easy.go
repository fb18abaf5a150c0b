package pipe

// brief reports whether an easy event leaves with the turn, or its window: it waits for
// nothing of the other side's. The lock is held.
func (o *outbox) brief() bool {
	return !o.paused && !o.gated && (!o.credit.on || o.credit.left > o.q.items.len()-o.q.next)
}

// easy reports whether nothing of the flow is to be seen to for an event: the usual
// one, which is one of few that wait for the end of the turn. Its bytes are taken then.
// The lock is held.
func (o *outbox) easy(msg Message, p *packet, fl *flusher) bool {
	if p.kind != kindEvent || p.lane > 0 || p.leg != 0 || o.keep || o.ended || o.leaving() || o.l == nil || o.l.writing ||
		o.spilled > 0 || len(o.blocked) > 0 || o.level.high || len(o.q.lanes) > 0 {
		return false
	}
	f := &o.hub.settings.Load().Flow
	waiting, bytes := o.q.items.len()-o.q.next+1, o.q.bytes+len(msg.Data)
	if waiting >= min(writeSoon, f.EventBufferSize) || bytes >= min(writeBytes/4, f.MaxFrameSize) ||
		f.MaxBufferSize < leastWatched || 5*(o.q.events+1) >= 4*f.MaxBufferSize || 5*bytes >= 4*f.MaxBufferBytes || f.MaxBufferAge > 0 {
		return false
	}
	return !o.counted || fl.take(o.hub, len(msg.Data))
}

// push queues an easy event, in the place that it will be written from. The lock is held.
func (o *outbox) push(msg Message, p *packet, fl *flusher) {
	q := &o.q
	q.seq++
	q.events++
	q.bytes += len(msg.Data)
	m := q.place()
	m.Message, m.free, m.name, m.key, m.seq, m.at = msg, p.free, p.name, p.key, q.seq, fl.now()
	o.accepted++
	o.mark(fl)
}
