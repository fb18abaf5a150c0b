package pipe

import (
	"strconv"
)

// A credit is how many events and calls a peer wants to be sent: what its hello
// has opened, and :sente-lite/credit has added (contract section 5).
type credit struct {
	on   bool
	left int
}

// maxCredit bounds a window: nobody has that many events in flight.
const maxCredit = 1 << 30

// spend takes what an item costs, and reports whether there was as much.
func (c *credit) spend(m *queued) bool {
	if !c.on || m.free {
		return true
	}
	if c.left == 0 {
		return false
	}
	c.left--
	return true
}

// An allowance is the other direction: what a peer that gave a credit may send.
type allowance struct {
	on   bool
	size int // of the window
	left int
	used int  // since it was last renewed
	owed bool // the handler is to have room before it is renewed
}

// inboundCredit is the window of a peer that gave a credit of its own.
const inboundCredit = 1024

func (a *allowance) open() { *a = allowance{on: true, size: inboundCredit, left: inboundCredit} }

// costs takes what an item of this peer's costs. It reports false where that was too
// much: the peer is closed.
func (s *Session) costs(name []byte) bool {
	a := &s.allow
	if !a.on || name != nil && costless(name) {
		return true
	}
	a.left--
	a.used++
	if a.left < 0 {
		s.shut(Reason{CloseCredit, "more events than :credit allows: a window is " + strconv.Itoa(a.size) + ", and [:sente-lite/credit k] adds to it"})
		return false
	}
	if a.used >= a.size/2 && !a.owed {
		s.renew(s.fl())
	}
	return true
}

// renew lets the peer send as much again as it has used. While the handler's queue is
// over its high-water mark a client's is not renewed: so whoever feeds it slows down
// before it is refused anything.
func (s *Session) renew(fl *flusher) {
	a := &s.allow
	if hd := s.hub.currentHandler(); hd != nil && hd != s && s.role == RoleClient && hd.indebt(s) {
		a.owed = true
		return
	}
	a.owed = false
	if a.used == 0 {
		return
	}
	text := strconv.AppendInt([]byte("[:sente-lite/credit "), int64(a.used), 10)
	a.left += a.used
	a.used = 0
	s.put(&packet{edn: append(text, ']'), kind: kindControl}, fl)
}

// forgive renews what a peer was owed, from outside of its turn.
func (s *Session) forgive() {
	s.handling.Lock()
	defer s.handling.Unlock()
	if s.l == nil || s.departed || !s.allow.owed {
		return
	}
	var fl flusher
	s.renew(&fl)
	fl.flush()
}

// credited handles [:sente-lite/credit k].
func (s *Session) credited(i Item) {
	k, err := strconv.ParseInt(string(i.Body), 10, 64)
	if err != nil || k < 1 {
		s.reject(i, badData(i, "a whole number from 1, like [:sente-lite/credit 128]"))
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.outbox.credit.on || s.l == nil {
		return // it has asked for none: everything is sent
	}
	s.outbox.credit.left = int(min(maxCredit, int64(s.outbox.credit.left)+min(k, maxCredit)))
	if s.q.unwritten() > 0 {
		s.mark(s.fl())
	}
}
