package pipe

import (
	"fmt"
	"slices"
)

// A channel is who has subscribed to an id. Hub.mu guards it. It exists while
// it has subscribers.
type channel struct {
	id      string // the id's text: "\"room\"", ":room", "[:room 7]"
	members []*Session
}

// checkID says what is wrong with the id of an event about a channel.
func checkID(i Item, id []byte) *Error {
	if id == nil || isNil(id) {
		return badData(i, `a map with a :channel-id, like {:channel-id "room"}`)
	}
	if len(id) > maxChannelID {
		return &Error{Category: Incorrect, Code: "too-large", Event: string(i.Name),
			Msg: fmt.Sprintf("a :channel-id of %d bytes; at most %d are taken", len(id), maxChannelID)}
	}
	return nil
}

// mayUse reports whether a rule lets this peer do something with a channel. Its name
// for that is a string's characters, or else the text itself.
func (s *Session) mayUse(r *Rule, id []byte) bool {
	if s.role != RoleClient || !r.Deny {
		return true
	}
	name, err := Unquote(id)
	if err != nil {
		name = string(id)
	}
	return r.Allows(name)
}

var channelMsg = []byte("sente-lite/channel-msg")

// maxChannelID is how many bytes the text of an id may have: it is kept for as
// long as somebody is in the channel.
const maxChannelID = 1024

// maxSubscriptions is how many channels one client may be in.
const maxSubscriptions = 1000

// subscribe handles [:sente-lite/subscribe {:channel-id c}]. The answer
// precedes everything that the channel brings.
func (s *Session) subscribe(i Item) {
	id := s.l.args.fields(i, ":channel-id")[0]
	if bad := checkID(i, id); bad != nil {
		s.reject(i, bad)
		return
	}
	h := s.hub
	if !s.mayUse(&h.settings.Load().Policy.Subscribe, id) {
		s.subscribed(i, id, "false", ":forbidden")
		if i.Call == nil {
			s.refuse(nil, forbidden(i, "the :policy of this sidecar does not let clients subscribe to "+short(id)))
		}
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	ch := h.channels[string(id)]
	if ch != nil && slices.Contains(s.subs, ch) {
		s.subscribed(i, id, "true", "")
		return
	}
	if s.role == RoleClient && len(s.subs) >= maxSubscriptions {
		s.subscribed(i, id, "false", ":max-subscriptions-per-conn")
		return
	}
	s.subscribed(i, id, "true", "")
	h.join(string(id), s)
	if store := h.store(); store != nil && s.keep {
		store.Subscribed(s.key, string(id), true)
	}
}

// join puts a peer into a channel. Hub.mu is held.
func (h *Hub) join(id string, s *Session) {
	h.movements.Add(1)
	ch := h.channels[id]
	if ch == nil {
		ch = &channel{id: id}
		h.channels[id] = ch
	}
	s.subs = append(s.subs, ch)
	ch.members = append(ch.members, s)
}

// unsubscribe handles [:sente-lite/unsubscribe {:channel-id c}], which
// sente_lite answers by subscribed as well.
func (s *Session) unsubscribe(i Item) {
	id := s.l.args.fields(i, ":channel-id")[0]
	if bad := checkID(i, id); bad != nil {
		s.reject(i, bad)
		return
	}
	h := s.hub
	h.mu.Lock()
	ch := h.channels[string(id)]
	at := slices.Index(s.subs, ch)
	if at >= 0 {
		s.subs = slices.Delete(s.subs, at, at+1)
		h.leave(ch, s)
		if store := h.store(); store != nil && s.keep {
			store.Subscribed(s.key, ch.id, false)
		}
	}
	h.mu.Unlock()
	if at < 0 {
		s.subscribed(i, id, "nil", ":not-subscribed")
	} else {
		s.subscribed(i, id, "true", "")
	}
}

// leave takes a member out. Hub.mu is held.
func (h *Hub) leave(ch *channel, s *Session) {
	h.movements.Add(1)
	if at := slices.Index(ch.members, s); at >= 0 {
		last := len(ch.members) - 1
		ch.members[at] = ch.members[last]
		ch.members[last] = nil
		ch.members = ch.members[:last]
	}
	if len(ch.members) == 0 {
		delete(h.channels, ch.id)
	}
}

// A near is who is in the channel that a turn's latest event went to, where they are
// few: the next one mostly goes there, too, and finds them without asking the hub, whose
// lock all share. It is forgotten with the turn, and when anybody joins or leaves.
type near struct {
	known    bool
	id       []byte
	members  []*Session
	movement uint64 // of Hub.movements
}

const (
	maxNear   = 16 // members
	maxNearID = 64 // bytes
)

// members returns who is in a channel, in the memory of to.
func (l *link) members(id []byte, to []*Session) []*Session {
	h, n := l.hub, &l.near
	if n.known && string(n.id) == string(id) && n.movement == h.movements.Load() {
		return append(to[:0], n.members...)
	}
	to = to[:0]
	h.mu.RLock()
	if ch := h.channels[string(id)]; ch != nil {
		to = append(to, ch.members...)
	}
	movement := h.movements.Load() // nobody moves while the lock is held
	h.mu.RUnlock()
	l.forgetNear()
	if len(to) <= maxNear && len(id) <= maxNearID {
		n.known, n.movement = true, movement
		n.id, n.members = append(n.id[:0], id...), append(n.members[:0], to...)
	}
	return to
}

// forgetNear lets the members go.
func (l *link) forgetNear() {
	if n := &l.near; n.known {
		clear(n.members)
		n.known = false
	}
}

// subscribed answers, with sente_lite's shapes.
func (s *Session) subscribed(i Item, id []byte, success, why string) {
	b := append(append(make([]byte, 0, len(id)+80), "{:channel-id "...), id...)
	b = append(append(b, ", :success "...), success...)
	if why != "" {
		b = append(append(b, ", :error "...), why...)
	}
	b = append(b, '}')
	if i.Call == nil {
		b = fmt.Appendf(nil, "[:sente-lite/subscribed %s]", b)
	}
	s.answer(i.Call, b)
}

// publish handles [:sente-lite/publish {:channel-id c :data d :exclude-sender? b}].
// The sender gets it back where it has subscribed, unless it says otherwise.
// A channel that nobody is in is no error.
func (s *Session) publish(i Item) {
	f := s.l.args.fields(i, ":channel-id", ":data", ":exclude-sender?")
	id, data, others := f[0], f[1], f[2]
	if bad := checkID(i, id); bad != nil {
		s.reject(i, bad)
		return
	}
	h := s.hub
	if !s.mayUse(&h.settings.Load().Policy.Publish, id) {
		s.reject(i, forbidden(i, "the :policy of this sidecar does not let clients publish to "+short(id)))
		return
	}
	if data == nil {
		data = []byte("nil")
	}
	to := s.l.members(id, s.aim)
	if string(others) == "true" {
		to = slices.DeleteFunc(to, func(t *Session) bool { return t == s })
	}
	from := s.quotedUID()
	b, lent := s.l.room(len(id) + len(data) + len(from) + len("[:sente-lite/channel-msg {:channel-id , :data , :from }]"))
	b = append(append(b, "[:sente-lite/channel-msg {:channel-id "...), id...)
	b = append(append(b, ", :data "...), data...)
	b = append(append(append(b, ", :from "...), from...), "}]"...)
	p := h.about(b, channelMsg, s)
	p.lent = lent
	s.sendAll(i, &p, to)
}
