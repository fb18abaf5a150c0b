package pipe

// A flusher is one goroutine's turn: the peers that it has put something into
// the outbox of. Their messages leave, joined, when the turn ends.
//
// What many goroutines count in one place it counts by itself, and adds up at the end:
// a place that all processors write to costs more than the event's own bytes.
type flusher struct {
	list []*outbox
	at   int64 // ticks, when the turn began; 0: it has not

	hub            *Hub   // of what follows; nil: nothing is reserved or counted
	received, sent uint64 // see Stats
	reserve        int    // bytes taken from the hub and not used yet
	took           bool   // something has been taken this turn

	messages, bytes int // that have come in; see link.arrived
}

// turnReserve is what a turn takes from the hub's total at once, from its second event
// on; what is left goes back at its end.
const turnReserve = 8 << 10

// take is Hub.Take for the turn.
func (f *flusher) take(h *Hub, n int) bool {
	if f.reserve >= n {
		f.reserve -= n
		return true
	}
	if f.hub != nil && f.took && n < turnReserve && h.Take(turnReserve) {
		f.reserve += turnReserve - n
		return true
	}
	f.took = true
	return h.Take(n)
}

// settle adds up what the turn has counted.
func (f *flusher) settle() {
	h := f.hub
	if f.reserve > 0 {
		h.Give(f.reserve)
		f.reserve = 0
	}
	if f.received > 0 {
		h.Stats.Received.Add(f.received)
		f.received = 0
	}
	if f.sent > 0 {
		h.Stats.Sent.Add(f.sent)
		f.sent = 0
	}
}

// now is the time of the turn, near enough for what is queued in it.
func (f *flusher) now() int64 {
	if f.at == 0 {
		f.at = ticks()
	}
	return f.at
}

func (f *flusher) flush() {
	f.at, f.took = 0, false
	if f.hub != nil {
		f.settle()
	}
	if len(f.list) == 0 {
		return
	}
	d := newDraft()
	d.many = len(f.list) > 1
	for i, o := range f.list {
		f.list[i] = nil
		o.mu.Lock()
		if o.dirty {
			o.leave(d)
		}
		o.mu.Unlock()
	}
	d.release()
	f.list = f.list[:0]
	if cap(f.list) > 1024 {
		f.list = nil
	}
}
