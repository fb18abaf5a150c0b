package pipe

import (
	"slices"
	"strconv"
)

// Names answers for uids whose peers come and go by somebody's doing on our side:
// programs that we run. Its methods are called without locks of the Hub, by any
// goroutine, and do not wait for a peer.
type Names interface {
	// Find is asked for the uid that a name stands for when user, a client's uid
	// or "" for an owner, says it, and nobody has that name for a uid. The error
	// says why, if that uid has no peer right now either; nil if it is just nobody.
	Find(name, user string) (uid string, absent *Error)

	// Owns reports whether a uid is, or may become, that of somebody on our side:
	// nobody has it by a claim then.
	Owns(uid string) bool

	// Dismiss ends for good what a name stands for, where that has no peer right
	// now. It returns how many peers that costs, and whether the name is known.
	Dismiss(name, reason string) (peers int, known bool)

	// User is called when the first client of a uid has come, before it can be
	// heard, and when the last has gone. By the time of the call things may have
	// changed again: Hub.Has tells.
	User(uid string)
}

// Has reports whether a client has this uid.
func (h *Hub) Has(uid string) bool {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.hasClient(uid)
}

// Users returns the uids that clients have.
func (h *Hub) Users() []string {
	h.mu.RLock()
	defer h.mu.RUnlock()
	uids := make([]string, 0, len(h.users))
	for uid := range h.users {
		if h.hasClient(uid) {
			uids = append(uids, uid)
		}
	}
	slices.Sort(uids)
	return uids
}

// Named reports whether anybody has this uid.
func (h *Hub) Named(uid string) bool {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return len(h.users[uid]) > 0
}

// Claimed reports whether somebody has this uid who has come by themselves, and not
// by our doing.
func (h *Hub) Claimed(uid string) bool {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return slices.ContainsFunc(h.users[uid], func(s *Session) bool { return !s.info.Present })
}

// hasClient is Has with Hub.mu held.
func (h *Hub) hasClient(uid string) bool {
	return slices.ContainsFunc(h.users[uid], func(s *Session) bool { return s.role == RoleClient })
}

func (h *Hub) user(uid string) {
	if h.cfg.Names != nil {
		h.cfg.Names.User(uid)
	}
}

// stands adds the peers that the names in a target stand for, where nobody has
// them for a uid. bad is what the target has come to without.
func (h *Hub) stands(by *Session, to []byte, list []*Session, bad *Error) ([]*Session, *Error) {
	user := ""
	if by.role == RoleClient {
		user = by.uid
	}
	switch Kind(to) {
	case KindString:
		if bad == nil {
			return list, nil
		}
		name, err := Unquote(to)
		if err != nil {
			return list, bad
		}
		uid, absent := h.cfg.Names.Find(name, user)
		if there := h.peers(uid); len(there) > 0 {
			return append(list, there...), nil
		}
		if absent != nil {
			own := *absent // whoever reports it adds to it
			bad = &own
		}
	case KindSet, KindVector:
		for c := Elements(to); bad == nil; {
			v, ok := c.Next()
			if !ok {
				break
			}
			name, err := Unquote(v)
			if err != nil || h.Named(name) {
				continue
			}
			uid, _ := h.cfg.Names.Find(name, user)
			list = append(list, h.peers(uid)...)
		}
	}
	return list, bad
}

// dismiss ends what the names in a target stand for, where nobody has them for a
// uid. It returns how many peers that costs, and whether any of them is known.
func (h *Hub) dismiss(to []byte, reason string) (peers int, known bool) {
	if h.cfg.Names == nil {
		return 0, false
	}
	one := func(v []byte) {
		if name, err := Unquote(v); err == nil && !h.Named(name) {
			if n, is := h.cfg.Names.Dismiss(name, reason); is {
				peers, known = peers+n, true
			}
		}
	}
	switch Kind(to) {
	case KindString:
		one(to)
	case KindSet, KindVector:
		for c := Elements(to); ; {
			v, ok := c.Next()
			if !ok {
				break
			}
			one(v)
		}
	}
	return peers, known
}

func (h *Hub) peers(uid string) []*Session {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return slices.Clone(h.users[uid])
}

// Report tells the peers of a uid, or the handler where uid is "", of something
// that is no answer to what they did. It counts as an event for their queues: one
// that is full goes without.
func (h *Hub) Report(uid string, e *Error) {
	to := h.peers(uid)
	if uid == "" {
		to = nil
		if hd := h.currentHandler(); hd != nil {
			to = []*Session{hd}
		}
	}
	var fl flusher
	p := &packet{edn: e.AppendEDN(nil), name: "sente-lite/error", free: true}
	for _, s := range to {
		if status, _, err := s.put(p, &fl); err != nil || status == StatusBackpressure {
			h.log.Debug("an error could not be told", "uid", s.uid, "code", e.Code)
		}
	}
	fl.flush()
}

// toUser brings what a peer of ConnInfo.User says to that user, as the handler
// would send it.
func (s *Session) toUser(i Item) {
	to := append(s.aim[:0], s.hub.peers(s.info.User)...)
	if len(to) == 0 {
		s.reject(i, &Error{Category: Unavailable, Code: "nobody-there", Event: string(i.Name), Retry: true,
			Msg: "the user " + strconv.Quote(s.info.User) + " has gone"})
		return
	}
	if i.Shape == ShapeEvent {
		p := s.hub.about(append([]byte(nil), i.Event...), i.Name, s)
		s.spread(i, &p, to, nil)
		clear(to)
		s.aim = to[:0]
		return
	}
	able := slices.DeleteFunc(to, func(t *Session) bool { return !t.ours })
	if len(able) == 0 {
		s.reject(i, cannotAnswer(strconv.Quote(s.info.User), i.Name))
		return
	}
	bad := s.hub.calls.ask(s, i.Call, i.Event, i.Name, s.hub.settings.Load().Flow.CallTimeout, able)
	clear(to)
	s.aim = to[:0]
	if bad != nil {
		s.reject(i, bad)
	}
}
