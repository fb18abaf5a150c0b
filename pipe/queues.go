package pipe

import (
	"fmt"
	"slices"
	"strconv"
	"time"
)

// ownerQueues handles :sente-lite/queues {:to T}: what waits for each peer, of all
// without :to.
func (s *Session) ownerQueues(i Item) *Error {
	list, bad := s.targets(i, false)
	if bad != nil {
		return bad
	}
	s.answerEach(i, list, (*Session).appendQueue)
	return nil
}

// targets resolves the :to of an owner event. Where it may be left out that means
// everybody.
func (s *Session) targets(i Item, needed bool) ([]*Session, *Error) {
	to, ok := field(i, ":to")
	if !ok || isNil(to) {
		if needed || i.Body != nil && !isNil(i.Body) && Kind(i.Body) != KindMap {
			return nil, badData(i, "a map with :to, like {:to \"uid\"}")
		}
		return s.hub.everyone(), nil
	}
	return s.hub.resolve(s, to, nil, nil)
}

const (
	// slowAbove is how much may wait for a peer that keeps up (contract 5).
	slowAbove = 100
	// topEvents is how many of the busiest are shown.
	topEvents = 5
)

// appendQueue appends the map that describes a peer's queue.
func (s *Session) appendQueue(b []byte) []byte {
	f := &s.hub.settings.Load().Flow
	s.mu.Lock()
	defer s.mu.Unlock()
	size := s.q.events + s.q.fresh.len() + s.spilled
	status := "ok"
	switch {
	case s.q.events >= f.MaxBufferSize || s.q.bytes >= f.MaxBufferBytes || s.spilled > 0 || len(s.blocked) > 0:
		status = "backpressure"
	case size > slowAbove:
		status = "slow"
	}
	b = append(append(b, '{'), s.edn...)
	b = fmt.Appendf(b, " :status :%s :queued %d :bytes %d :oldest-ms ", status, size, s.q.bytes+s.freshSize)
	if old := s.q.oldest(); old != nil {
		b = strconv.AppendInt(b, ticks()-old.at, 10)
	} else {
		b = append(b, "nil"...)
	}
	unacked := 0
	if s.keep {
		unacked = s.q.next
	}
	b = fmt.Appendf(b, " :unacked %d :spilled %d :blocked %d :credit ", unacked, s.spilled, len(s.blocked))
	if s.outbox.credit.on {
		b = strconv.AppendInt(b, int64(s.outbox.credit.left), 10)
	} else {
		b = append(b, "nil"...)
	}
	b = fmt.Appendf(b, " :paused? %t :away-ms ", s.paused)
	if s.l == nil {
		away := int64(0) // it is coming back right now
		if !s.awaySince.IsZero() {
			away = time.Since(s.awaySince).Milliseconds()
		}
		b = strconv.AppendInt(b, away, 10)
	} else {
		b = append(b, "nil"...)
	}
	b = append(b, " :top ["...)
	for n, e := range s.busiest(topEvents) {
		if n > 0 {
			b = append(b, ' ')
		}
		b = fmt.Appendf(b, "[:%s %d]", e.name, e.count)
	}
	return append(b, "]}"...)
}

// ownerPause handles :sente-lite/pause {:to T}: nothing but heartbeats is written to
// these peers until :sente-lite/resume. Their queues fill as if they did not read.
func (s *Session) ownerPause(i Item) *Error { return s.setPaused(i, true) }

// ownerResume handles :sente-lite/resume {:to T}.
func (s *Session) ownerResume(i Item) *Error { return s.setPaused(i, false) }

func (s *Session) setPaused(i Item, on bool) *Error {
	list, bad := s.targets(i, true)
	if bad != nil {
		return bad
	}
	list = slices.DeleteFunc(list, func(t *Session) bool { return t == s }) // it could not hear the answer
	for _, t := range list {
		t.mu.Lock()
		t.paused = on
		if !on && t.l != nil && t.q.unwritten() > 0 {
			t.mark(s.fl())
		}
		t.mu.Unlock()
	}
	if i.Call != nil {
		s.answer(i.Call, fmt.Appendf(nil, "{:peers %d}", len(list)))
	}
	return nil
}
