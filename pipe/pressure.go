package pipe

import (
	"fmt"
	"sync"
	"time"
)

// backpressure tells a sender of what was refused for a full queue: at once,
// and then at most once per receiver and 100 ms, with a count.
type backpressure struct {
	mu    sync.Mutex
	notes map[uint64]*note // by the receiver's number
}

// A note stands for 100 ms after the sender was told.
type note struct {
	count int // refused since
	name  string
	busy  bool // for all queues together, not for the receiver's own
	alarm alarm
}

const pressureEvery = 100 * time.Millisecond

// refused notes that an event of s found no room in t's queue.
func (b *backpressure) refused(s, t *Session, name []byte, size int, busy bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if n := b.notes[t.number]; n != nil {
		n.count++
		return
	}
	if b.notes == nil {
		b.notes = map[uint64]*note{}
	}
	n := &note{name: string(name), busy: busy}
	n.alarm.ring = func() { b.again(s, t, n) }
	b.notes[t.number] = n
	s.hub.clock.set(&n.alarm, pressureEvery)
	b.say(s, t, n, 1, size, s.fl())
}

// again tells of what has been refused in the meantime, if anything.
func (b *backpressure) again(s, t *Session, n *note) {
	b.mu.Lock()
	count := n.count
	n.count = 0
	if count == 0 {
		delete(b.notes, t.number)
		b.mu.Unlock()
		return
	}
	b.mu.Unlock()
	var fl flusher
	t.mu.Lock()
	size := t.q.events
	t.mu.Unlock()
	b.say(s, t, n, count, size, &fl)
	fl.flush()
	s.hub.clock.set(&n.alarm, pressureEvery)
}

func (b *backpressure) say(s, t *Session, n *note, count, size int, fl *flusher) {
	e := s.hub.full(t, StatusBackpressure, size)
	if n.busy {
		all := *errBusy
		e = &all
	}
	e.Event = n.name
	e.Count = count
	e.Data = string(AppendString(fmt.Appendf(nil, "{:status :backpressure :count %d :queue-size %d :uid ", count, size), t.uid)) + "}"
	if s.info.Form != nil { // it cannot be told
		s.hub.log.Warn("what a program said was refused", "uid", s.uid, "to", t.uid, "count", count, "queue-size", size)
		return
	}
	s.put(&packet{edn: e.AppendEDN(nil), kind: kindAnswer, free: true}, fl)
}
