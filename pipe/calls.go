package pipe

import (
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// maxOpenCalls is how many calls of one peer may wait at the same time.
const maxOpenCalls = 1000

// calls knows every call that the hub has passed on and that nobody has
// answered yet. Its lock guards the calls and the maps in the sessions.
type calls struct {
	hub  *Hub
	mu   sync.Mutex
	next uint64
}

func (cs *calls) init(h *Hub) { cs.hub = h }

// A call waits for the first reply of those it was passed on to.
type call struct {
	from    *Session
	cb      string // of from, as a string literal; "" where nobody waits
	legs    []leg  // who may still answer
	lane    uint8  // of its event: the reply's, too
	settled bool   // the answer is out; legs that are left are let off quietly
	gone    bool   // the caller is
	late    alarm
}

// A leg is one peer that was asked, under a cb of the hub's own making. A reply
// counts only if it comes from that peer.
type leg struct {
	to *Session
	id uint64
}

// pass passes a call on to peers. render makes the packet for a leg from the
// hub's cb. The error is the caller's to hear; nothing waits then.
func (cs *calls) pass(from *Session, cb, name []byte, life time.Duration, to []*Session, render func(cb []byte) []byte) *Error {
	c := &call{from: from, cb: string(cb), lane: cs.hub.settings.Load().Flow.lane(string(name))}
	cs.mu.Lock()
	if cb != nil {
		if len(from.open) >= maxOpenCalls {
			cs.mu.Unlock()
			return &Error{Category: Busy, Code: "too-many-calls", Retry: true,
				Msg: "1000 calls of this peer are open; wait for replies before asking more"}
		}
		if _, twice := from.open[c.cb]; twice {
			cs.mu.Unlock()
			return &Error{Category: Conflict, Code: "cb-in-use",
				Msg: "a call with the cb " + short(cb) + " is still open; each open call needs a cb of its own"}
		}
		if from.open == nil {
			from.open = map[string]*call{}
		}
		from.open[c.cb] = c
	}
	for _, s := range to {
		cs.next++
		c.legs = append(c.legs, leg{s, cs.next})
		if s.asked == nil {
			s.asked = map[uint64]*call{}
		}
		s.asked[cs.next] = c
	}
	legs := append([]leg(nil), c.legs...)
	cs.mu.Unlock()

	c.late.ring = func() { cs.timeout(c) }
	cs.hub.clock.set(&c.late, life)
	var failed *Error
	for _, l := range legs {
		p := cs.hub.about(render(appendCB(nil, l.id)), name, from)
		p.leg, p.lane = l.id, c.lane
		status, size, err := l.to.put(&p, from.fl())
		if err == nil && status != StatusBackpressure {
			continue
		}
		switch {
		case err == nil || err == errDropped:
			failed = cs.hub.full(l.to, status, size)
		case err == errBusy:
			failed = errBusy
		default:
			failed = unreachable(l.to, err)
		}
		cs.drop(c, l)
	}
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if len(c.legs) > 0 || c.settled || failed == nil {
		return nil
	}
	cs.settle(c)
	return failed
}

// ask is pass for an event as it is.
func (cs *calls) ask(from *Session, cb, event, name []byte, life time.Duration, to []*Session) *Error {
	return cs.pass(from, cb, name, life, to, func(cb []byte) []byte {
		b := append(append(make([]byte, 0, len(event)+24), '['), event...)
		return append(append(append(b, ' '), cb...), ']')
	})
}

// appendCB appends the hub's cb of a leg, as a string literal.
func appendCB(dst []byte, id uint64) []byte {
	if dst == nil {
		dst = make([]byte, 0, 16)
	}
	return append(strconv.AppendUint(append(dst, `"x`...), id, 36), '"')
}

func parseCB(lit []byte) (uint64, bool) {
	if len(lit) < 4 || lit[1] != 'x' {
		return 0, false
	}
	id, err := strconv.ParseUint(string(lit[2:len(lit)-1]), 36, 64)
	return id, err == nil
}

// drop takes a leg off. It reports whether it was the call's last hope.
func (cs *calls) drop(c *call, l leg) bool {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	return cs.dropped(c, l)
}

// dropped is drop with the lock held.
func (cs *calls) dropped(c *call, l leg) bool {
	delete(l.to.asked, l.id)
	for i := range c.legs {
		if c.legs[i] == l {
			c.legs = append(c.legs[:i], c.legs[i+1:]...)
			break
		}
	}
	if len(c.legs) == 0 && c.settled {
		cs.hub.clock.stop(&c.late)
	}
	return len(c.legs) == 0 && !c.settled
}

// settle marks a call as answered. The lock is held.
func (cs *calls) settle(c *call) {
	c.settled = true
	if c.cb != "" {
		delete(c.from.open, c.cb)
	}
	if len(c.legs) == 0 {
		cs.hub.clock.stop(&c.late)
	}
}

// reply takes a peer's reply to a call that was passed on to it.
func (cs *calls) reply(s *Session, i Item) {
	id, ok := parseCB(i.Call)
	cs.mu.Lock()
	c := s.asked[id]
	if !ok || c == nil {
		cs.mu.Unlock()
		cs.hub.Stats.LateReplies.Add(1)
		s.refuse(nil, &Error{Category: NotFound, Code: "no-such-call",
			Msg:  "no call with the cb " + short(i.Call) + " waits for a reply of this peer: it timed out, has been answered, or never was",
			Hint: "answer each call once, within :call-timeout-ms"})
		return
	}
	cs.dropped(c, leg{s, id})
	settled, gone := c.settled, c.gone
	if !settled {
		cs.settle(c)
	}
	cs.mu.Unlock()
	switch {
	case gone:
		cs.hub.Stats.LateReplies.Add(1)
		s.refuse(nil, &Error{Category: Unavailable, Code: "caller-gone", Msg: "who asked has gone; the reply to " + short(i.Call) + " reaches nobody"})
	case settled: // another peer of the same uid was faster
		cs.hub.Stats.LateReplies.Add(1)
	default:
		cs.answer(c, i.Body, s, s.fl())
	}
}

// answer brings a settled call its value. by is who replied, nil for the link
// itself.
func (cs *calls) answer(c *call, value []byte, by *Session, fl *flusher) {
	if c.cb == "" {
		return
	}
	cb := []byte(c.cb)
	_, _, err := c.from.put(&packet{edn: appendReply(nil, cb, value), kind: kindOwed, lane: c.lane}, fl)
	if err == nil || err == errGone {
		return
	}
	e := asError(err)
	if by != nil {
		by.refuse(nil, e)
	}
	if e.Category == Busy {
		value = e.AppendEDN(nil)
	} else {
		value = chskError
	}
	c.from.put(&packet{edn: appendReply(nil, cb, value), kind: kindOwed, lane: c.lane}, fl)
}

// Values that the link itself gives (contract section 3).
var (
	chskTimeout = []byte(":chsk/timeout")
	chskClosed  = []byte(":chsk/closed")
	chskError   = []byte(":chsk/error")
)

// timeout ends a call that has lived long enough.
func (cs *calls) timeout(c *call) {
	cs.mu.Lock()
	for _, l := range c.legs {
		delete(l.to.asked, l.id)
	}
	c.legs = nil
	settled := c.settled
	if !settled {
		cs.settle(c)
	}
	cs.mu.Unlock()
	if !settled {
		var fl flusher
		cs.answer(c, chskTimeout, nil, &fl)
		fl.flush()
	}
}

// left ends what a peer that has gone asked and was asked: who waited for it
// alone hears so at once.
func (cs *calls) left(s *Session, fl *flusher) {
	var closed []*call
	cs.mu.Lock()
	for id, c := range s.asked {
		if cs.dropped(c, leg{s, id}) {
			cs.settle(c)
			closed = append(closed, c)
		}
	}
	for _, c := range s.open {
		c.settled, c.gone = true, true
	}
	s.open = nil
	cs.mu.Unlock()
	for _, c := range closed {
		cs.answer(c, chskClosed, nil, fl)
	}
}

// lost ends one leg of a call, which its receiver will never get.
func (cs *calls) lost(s *Session, id uint64) {
	cs.mu.Lock()
	c := s.asked[id]
	last := c != nil && cs.dropped(c, leg{s, id})
	if last {
		cs.settle(c)
	}
	cs.mu.Unlock()
	if last {
		var fl flusher
		cs.answer(c, chskClosed, nil, &fl)
		fl.flush()
	}
}

// await answers a flush: when the queues of all peers have been written,
// :chsk/closed where one went first, or :chsk/timeout.
func (cs *calls) await(from *Session, cb []byte, life time.Duration, peers []*Session, acked bool) {
	c := &call{from: from, cb: string(cb)}
	done := func(value []byte) {
		cs.mu.Lock()
		settled := c.settled
		c.settled = true
		cs.mu.Unlock()
		if settled {
			return
		}
		cs.hub.clock.stop(&c.late)
		var fl flusher
		cs.answer(c, value, nil, &fl)
		fl.flush()
	}
	c.late.ring = func() { done(chskTimeout) }
	cs.hub.clock.set(&c.late, life)
	var left atomic.Int64
	left.Store(int64(len(peers)))
	for _, p := range peers {
		p.whenFlushed(acked, func(written bool) {
			if !written {
				done(chskClosed)
			} else if left.Add(-1) == 0 {
				done(fmt.Appendf(nil, "{:status :ok :peers %d}", len(peers)))
			}
		})
	}
}
