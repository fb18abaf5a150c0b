package pipe

import (
	"cmp"
	"slices"
	"strconv"
	"time"
)

// register gives a greeted peer its place, and returns the handler that is to
// hear of it before anything that it says.
func (h *Hub) register(s *Session) *Session {
	h.mu.Lock()
	s.registered = true
	first := s.role == RoleClient && !h.hasClient(s.uid)
	h.users[s.uid] = append(h.users[s.uid], s)
	if s.role == RoleClient {
		h.clients.Add(1)
	}
	if s.keep {
		h.resumable[s.key] = s
	}
	hd := h.handler
	h.mu.Unlock()
	if first {
		h.user(s.uid)
	}
	h.Stats.Opened.Add(1)
	h.log.Debug("peer opened", "uid", s.uid, "role", s.role, "transport", s.info.Transport, "remote", s.info.Remote)
	return hd
}

func (h *Hub) currentHandler() *Session {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.handler
}

// unregister takes a peer that has ended out, and tells the handler last.
func (h *Hub) unregister(s *Session) {
	h.mu.Lock()
	delete(h.sessions, s)
	h.tails.drop(s)
	if !s.registered {
		h.mu.Unlock()
		return
	}
	for _, ch := range s.subs {
		h.leave(ch, s)
	}
	s.subs = nil
	rest := h.users[s.uid]
	if i := slices.Index(rest, s); i >= 0 {
		rest = slices.Delete(rest, i, i+1)
	}
	if h.resumable[s.key] == s {
		delete(h.resumable, s.key)
	}
	if len(rest) == 0 {
		delete(h.users, s.uid)
	} else {
		h.users[s.uid] = rest
	}
	if s.role == RoleClient {
		h.clients.Add(-1)
	}
	if h.handler == s {
		h.handler = nil
	}
	last := s.role == RoleClient && !h.hasClient(s.uid)
	h.mu.Unlock()
	if last {
		h.user(s.uid)
	}
}

// setHandler makes s the one who receives what nobody else takes. It first
// hears of everyone who is there. Who is there comes before who may come back: a
// script that was killed and started again is the handler at once.
func (h *Hub) setHandler(s *Session) *Error {
	if hd := h.currentHandler(); hd != nil && hd != s {
		hd.expire()
	}
	h.mu.Lock()
	if h.handler == s { // it has come back
		h.mu.Unlock()
		return nil
	}
	if h.handler != nil {
		by := h.handler.uid
		h.mu.Unlock()
		return &Error{Category: Conflict, Code: "handler-taken",
			Msg:  strconv.Quote(by) + " is the handler, and there is one at a time",
			Hint: "this link goes on without: leave :handler out of the hello, or end the other one first"}
	}
	h.handler = s
	h.mu.Unlock()
	for _, p := range h.everyone() {
		p.tell(s, s.fl())
	}
	return nil
}

// everyone returns all peers, in the order of their coming.
func (h *Hub) everyone() []*Session {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.having(func(*Session) bool { return true }, nil)
}

// having appends the peers that are as wanted, in the order of their coming.
// Hub.mu is held.
func (h *Hub) having(wanted func(*Session) bool, list []*Session) []*Session {
	from := len(list)
	for s := range h.sessions {
		if s.registered && wanted(s) {
			list = append(list, s)
		}
	}
	slices.SortFunc(list[from:], func(a, b *Session) int { return cmp.Compare(a.number, b.number) })
	return list
}

// tell tells the handler of this peer, once.
func (s *Session) tell(hd *Session, fl *flusher) {
	if hd == s {
		return
	}
	s.announce.Lock()
	defer s.announce.Unlock()
	if s.gone || s.told == hd {
		return
	}
	s.told = hd
	b := append(s.appendPeer(append(make([]byte, 0, 256), "[:sente-lite/open "...)), ']')
	hd.put(&packet{edn: b, kind: kindOwed, name: "sente-lite/open"}, fl)
}

// tellClose tells the handler that this peer has gone, after everything else.
func (s *Session) tellClose(r Reason, fl *flusher) {
	s.announce.Lock()
	defer s.announce.Unlock()
	s.gone = true
	hd := s.told
	if hd == nil {
		return
	}
	b := append(append(make([]byte, 0, 128), "[:sente-lite/close {"...), s.edn...)
	b = AppendString(append(b, " :reason "...), r.Text)
	b = strconv.AppendUint(append(b, " :code "...), uint64(r.Code), 10)
	hd.put(&packet{edn: append(b, "}]"...), kind: kindOwed, name: "sente-lite/close"}, fl)
}

// tellReconnect tells the handler that a peer is back, before anything that it says.
func (s *Session) tellReconnect(hd *Session, recovered bool, out outcome) {
	if hd == s {
		return
	}
	b := append(append(make([]byte, 0, 128), "[:sente-lite/reconnect {"...), s.edn...)
	hd.put(&packet{edn: append(out.append(b), "}]"...), kind: kindOwed, name: "sente-lite/reconnect"}, s.fl())
}

// appendPeer appends the map that describes this peer.
func (s *Session) appendPeer(b []byte) []byte {
	b = append(append(b, '{'), s.edn...)
	b = append(append(b, " :role :"...), s.role...)
	s.mu.Lock()
	l, away := s.l, s.awaySince
	size, bytes, unacked := s.q.events+s.q.fresh.len()+s.spilled, s.q.bytes+s.freshSize, 0
	if s.keep {
		unacked = s.q.next
	}
	s.mu.Unlock()
	transport := s.info.Transport
	if l != nil {
		transport = l.info.Transport
	}
	b = append(append(b, " :transport :"...), transport...)
	b = strconv.AppendInt(append(b, " :since "...), s.since, 10)
	b = strconv.AppendInt(append(b, " :queue {:size "...), int64(size), 10)
	b = strconv.AppendInt(append(b, " :bytes "...), int64(bytes), 10)
	b = strconv.AppendInt(append(b, " :unacked "...), int64(unacked), 10)
	b = append(b, "} :rtt-ms "...)
	if l == nil && away.IsZero() { // it is coming back right now
		return append(b, "nil :away-ms 0}"...)
	}
	if l == nil {
		b = append(b, "nil :away-ms "...)
		return append(strconv.AppendInt(b, time.Since(away).Milliseconds(), 10), '}')
	}
	return append(l.probe.appendRTT(b), " :away-ms nil}"...)
}

// appendBusyPeer appends the map that describes this peer, and what goes to and fro.
func (s *Session) appendBusyPeer(b []byte) []byte {
	b = s.appendPeer(b)
	b = append(b[:len(b)-1], " :packer "...)
	b = s.speaks().append(b)
	s.mu.Lock()
	l := s.l
	var known []ratio
	if s.ratios != nil {
		known = append(known, s.ratios.known[:s.ratios.n]...)
	}
	s.mu.Unlock()
	if l != nil {
		b = l.traffic.out.append(append(b, " :sent "...))
		b = l.traffic.in.append(append(b, " :received "...))
	}
	if known == nil {
		return append(b, '}')
	}
	b = append(b, " :ratios {"...)
	for i, r := range known {
		if i > 0 {
			b = append(b, ' ')
		}
		if r.name == "" { // a reply
			r.name = "chsk/reply"
		}
		b = append(append(append(b, ':'), r.name...), ' ')
		b = strconv.AppendFloat(b, r.of, 'f', 3, 64)
	}
	return append(b, "}}"...)
}

// appendMillis appends microseconds as milliseconds.
func appendMillis(b []byte, micros int64) []byte {
	return strconv.AppendFloat(b, float64(micros)/1000, 'f', 3, 64)
}
