package pipe

import "strconv"

// A watermark watches how full a queue is. The handler hears once when it is at 80 %
// of a limit, and once when it is half empty again.
type watermark struct {
	high    bool
	notes   []*packet  // for the handler, in order
	telling bool       // somebody is
	debtors []*Session // whose credit waits until it is low
}

// maxLevelNotes is how many notes wait to be told: a queue that goes up and down
// faster is told of as often as that.
const maxLevelNotes = 16

// leastWatched is the smallest queue that is watched: of fewer events each one would
// be news.
const leastWatched = 5

// watch notes that the queue has changed. The lock is held.
func (o *outbox) watch() {
	f := &o.hub.settings.Load().Flow
	events := o.q.events + o.spilled
	switch lv := &o.level; {
	case !lv.high:
		if f.MaxBufferSize < leastWatched || 5*events < 4*f.MaxBufferSize && 5*o.q.bytes < 4*f.MaxBufferBytes {
			return
		}
		lv.high = true
		b := o.appendLevel([]byte("[:queue/high-water {"))
		b = strconv.AppendInt(append(b, " :max "...), int64(f.MaxBufferSize), 10)
		b = strconv.AppendInt(append(b, " :bytes "...), int64(o.q.bytes), 10)
		if name := o.busiest(1); len(name) > 0 {
			b = append(append(b, " :busiest :"...), name[0].name...)
		}
		o.tellLevel("queue/high-water", b)
	case 2*events <= f.MaxBufferSize && 2*o.q.bytes <= f.MaxBufferBytes:
		lv.high = false
		o.tellLevel("queue/low-water", o.appendLevel([]byte("[:queue/low-water {")))
	}
}

func (o *outbox) appendLevel(b []byte) []byte {
	b = append(b, o.edn...)
	return strconv.AppendInt(append(b, " :queue-size "...), int64(o.q.events+o.spilled), 10)
}

// tellLevel tells the handler, in a goroutine: its lock and this one do not nest. edn is
// the event up to the end of its map. The lock is held.
func (o *outbox) tellLevel(name string, edn []byte) {
	lv := &o.level
	if len(lv.notes) < maxLevelNotes {
		lv.notes = append(lv.notes, &packet{edn: append(edn, "}]"...), kind: kindEvent, name: name})
	}
	if lv.telling {
		return
	}
	lv.telling = o.hub.goroutine(func() {
		var fl flusher
		for {
			o.mu.Lock()
			notes := lv.notes
			lv.notes = nil
			var debtors []*Session
			if !lv.high {
				debtors, lv.debtors = lv.debtors, nil
			}
			lv.telling = len(notes)+len(debtors) > 0
			o.mu.Unlock()
			if len(notes)+len(debtors) == 0 {
				return
			}
			if hd := o.hub.currentHandler(); hd != nil && &hd.outbox != o {
				for _, n := range notes {
					hd.put(n, &fl)
				}
				fl.flush()
			}
			for _, s := range debtors {
				s.forgive()
			}
		}
	})
}

// forgive renews the credit of those who wait for a queue that there is no more.
func (lv *watermark) forgive(h *Hub) {
	debtors := lv.debtors
	lv.debtors = nil
	if len(debtors) > 0 {
		h.goroutine(func() {
			for _, s := range debtors {
				s.forgive()
			}
		})
	}
}

// indebt reports whether s is to wait for this queue to empty, and notes that.
func (o *outbox) indebt(s *Session) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.level.high || o.ended {
		return false
	}
	o.level.debtors = append(o.level.debtors, s)
	return true
}

// busy is how often an event waits.
type busy struct {
	name  string
	count int
}

// busiest returns the events that wait most often. The lock is held.
func (o *outbox) busiest(most int) []busy {
	counts := map[string]int{}
	o.q.each(func(m *queued) {
		if m.name != "" {
			counts[m.name]++
		}
	})
	var top []busy
	for range most {
		best := busy{}
		for name, n := range counts {
			if n > best.count || n == best.count && name < best.name {
				best = busy{name, n}
			}
		}
		if best.count == 0 {
			break
		}
		top = append(top, best)
		delete(counts, best.name)
	}
	return top
}
