package pipe

import (
	"bytes"
	"slices"
)

// resolve appends the peers that a target of contract section 4 names: a uid,
// a set of uids, :all, {:channel c}, {:client-id c} or {:role r}, less those
// of the uids in except, a set or nil. A single uid or client-id that nobody
// has is :not-found; any other target may be nobody.
//
// by is who says so: for a client a name may stand for a uid of its own, and what
// belongs to another user is nobody.
func (h *Hub) resolve(by *Session, to, except []byte, list []*Session) ([]*Session, *Error) {
	from := len(list)
	list, bad := h.named(to, list)
	if h.cfg.Names != nil {
		list, bad = h.stands(by, to, list, bad)
	}
	if bad == nil && by.role == RoleClient {
		list, bad = by.permitted(to, list, from)
	}
	if bad != nil || except == nil || isNil(except) {
		return list, bad
	}
	if k := Kind(except); k != KindSet && k != KindVector { // JSON has no sets
		return nil, badTarget(":except must be a set of uids, not " + short(except))
	}
	var out []string
	for c := Elements(except); ; {
		v, ok := c.Next()
		if !ok {
			break
		}
		uid, err := Unquote(v)
		if err != nil {
			return nil, badTarget("a uid in :except must be a string, not " + short(v))
		}
		out = append(out, uid)
	}
	kept := slices.DeleteFunc(list[from:], func(s *Session) bool { return slices.Contains(out, s.uid) })
	return list[:from+len(kept)], nil
}

func (h *Hub) named(to []byte, list []*Session) ([]*Session, *Error) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	switch Kind(to) {
	case KindString:
		peers, uid, bad := h.peersOf(to)
		if bad == nil && len(peers) == 0 {
			bad = nobody(uid)
		}
		return append(list, peers...), bad
	case KindSet, KindVector:
		for c := Elements(to); ; {
			v, ok := c.Next()
			if !ok {
				return list, nil
			}
			if Kind(v) != KindString {
				return nil, badTarget("a uid in the set :to must be a string, not " + short(v))
			}
			peers, _, bad := h.peersOf(v)
			if bad != nil {
				return nil, bad
			}
			list = append(list, peers...)
		}
	case KindKeyword:
		if string(to) == ":all" {
			return h.having(func(s *Session) bool { return s.role == RoleClient }, list), nil
		}
	case KindMap:
		c := Elements(to)
		k, _ := c.Next()
		v, ok := c.Next()
		if _, more := c.Next(); !ok || more {
			break
		}
		switch string(k) {
		case ":channel":
			if ch := h.channels[string(v)]; ch != nil {
				list = append(list, ch.members...)
			}
			return list, nil
		case ":client-id":
			id, err := Unquote(v)
			if err != nil {
				return nil, badTarget(":client-id must be a string")
			}
			n := len(list)
			if list = h.having(func(s *Session) bool { return s.clientID == id }, list); len(list) == n {
				return nil, &Error{Category: NotFound, Code: "no-such-peer", Msg: "nobody has that :client-id"}
			}
			return list, nil
		case ":role":
			// A JSON peer has no keywords.
			switch r := string(bytes.Trim(v, `:"`)); Role(r) {
			case RoleOwner, RoleClient:
				return h.having(func(s *Session) bool { return s.role == Role(r) }, list), nil
			}
			return nil, badTarget(":role must be :owner or :client, not " + short(v))
		}
	}
	return nil, badTarget(":to must be a uid, a set of uids, :all, {:channel \"c\"}, {:client-id \"c\"} or {:role :client}, not " + short(to))
}

// permitted takes out of a target's peers, from one on, those that belong to
// another user: they hear that user alone. What they have subscribed to is their
// own doing.
func (s *Session) permitted(to []byte, list []*Session, from int) ([]*Session, *Error) {
	others := func(t *Session) bool {
		return t.info.User != "" && t.info.User != s.uid && t.info.User != s.info.User
	}
	if !slices.ContainsFunc(list[from:], others) {
		return list, nil
	}
	if c := Elements(to); Kind(to) == KindMap {
		if k, _ := c.Next(); string(k) == ":channel" {
			return list, nil
		}
	}
	kept := slices.DeleteFunc(list[from:], others)
	if len(kept) == 0 && Kind(to) == KindString {
		return list[:from], nobody(to)
	}
	return list[:from+len(kept)], nil
}

func nobody(uid []byte) *Error {
	return &Error{Category: NotFound, Code: "no-such-peer", Msg: "nobody has the uid " + short(uid)}
}

// peersOf returns the peers of a uid. Hub.mu is held.
func (h *Hub) peersOf(lit []byte) ([]*Session, []byte, *Error) {
	if bytes.IndexByte(lit, '\\') < 0 {
		return h.users[string(lit[1:len(lit)-1])], lit, nil // no allocation
	}
	uid, err := Unquote(lit)
	if err != nil {
		return nil, nil, badTarget("a uid must be a string, not " + short(lit))
	}
	return h.users[uid], lit, nil
}

func badTarget(msg string) *Error {
	return &Error{Category: Incorrect, Code: "bad-target", Msg: msg}
}
