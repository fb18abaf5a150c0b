package pipe

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// ownerEvents are the events that only owners may send.
var ownerEvents = map[string]func(*Session, Item) *Error{
	"sente-lite/send":      (*Session).ownerSend,
	"sente-lite/request":   (*Session).ownerRequest,
	"sente-lite/flush":     (*Session).ownerFlush,
	"sente-lite/peers":     (*Session).ownerPeers,
	"sente-lite/kick":      (*Session).ownerKick,
	"sente-lite/spawn":     (*Session).ownerSpawn,
	"sente-lite/configure": (*Session).ownerConfigure,
	"sente-lite/tail":      (*Session).ownerTail,
	"sente-lite/ledger":    (*Session).ownerLedger,
	"sente-lite/queues":    (*Session).ownerQueues,
	"sente-lite/pause":     (*Session).ownerPause,
	"sente-lite/resume":    (*Session).ownerResume,
}

// ownerEvent handles an event of the link's own namespaces that not everybody
// may send.
func (s *Session) ownerEvent(i Item) {
	handle := ownerEvents[string(i.Name)]
	switch {
	case s.role != RoleOwner:
		s.reject(i, forbidden(i, ":"+string(i.Name)+" is not a client's to send"))
	case handle == nil:
		s.reject(i, unknownEvent(i.Name))
	default:
		if bad := handle(s, i); bad != nil {
			if bad.Code == "no-such-peer" {
				bad.Hint = "[[:sente-lite/peers {}] \"cb\"] lists who is there"
			}
			s.reject(i, bad)
		}
	}
}

// unknownEvent names the nearest event that there is.
func unknownEvent(name []byte) *Error {
	known := []string{"subscribe", "unsubscribe", "publish"}
	for n := range ownerEvents {
		known = append(known, strings.TrimPrefix(n, "sente-lite/"))
	}
	e := &Error{Category: NotFound, Code: "unknown-event", Event: string(name),
		Msg: "there is no event :" + string(name) + " that an owner may send"}
	if near := Nearest(strings.TrimPrefix(string(name), "sente-lite/"), known); near != "" {
		e.Hint = "did you mean :sente-lite/" + near + "?"
	}
	return e
}

// eventOf returns the text and the name of the event in an owner event's data.
func eventOf(i Item, event []byte, parts *vectorParts) (text, name []byte, bad *Error) {
	if event == nil {
		return nil, nil, badData(i, "a map with :to and :event, like {:to \"uid\" :event [:chat/msg {}]}")
	}
	in, err := splitParts(event, parts)
	if err != nil {
		bad := *asError(err)
		bad.Msg = "in :event: " + bad.Msg
		return nil, nil, &bad
	}
	if in.Shape != ShapeEvent {
		return nil, nil, &Error{Category: Incorrect, Code: "bad-event", Msg: ":event must be one event [:ns/name data], not a call, reply or bundle",
			Hint: "to ask a peer, send [[:sente-lite/request {:to \"uid\" :event [:ns/name data]}] \"cb\"]"}
	}
	if reserved(in.Name) {
		return nil, nil, &Error{Category: Forbidden, Code: "reserved", Msg: ":" + string(in.Name) + " belongs to the link itself and cannot be sent to a peer"}
	}
	return in.Event, in.Name, nil
}

// ownerSend handles :sente-lite/send {:to T :event E :except #{uid}}.
func (s *Session) ownerSend(i Item) *Error {
	f := s.l.args.fields(i, ":event", ":to", ":except")
	event, name, bad := eventOf(i, f[0], &s.l.args.event)
	if bad != nil {
		return bad
	}
	list, bad := s.hub.resolve(s, f[1], f[2], s.aim[:0])
	if bad != nil {
		return bad
	}
	i.Name = name // what refusals are about
	b, lent := s.l.room(len(event))
	p := s.hub.about(append(b, event...), name, s)
	p.lent, p.free = lent, costless(name)
	s.sendAll(i, &p, list)
	return nil
}

// ownerRequest handles :sente-lite/request {:to UID :event E :timeout-ms N}.
func (s *Session) ownerRequest(i Item) *Error {
	f := s.l.args.fields(i, ":event", ":to", ":timeout-ms")
	event, name, bad := eventOf(i, f[0], &s.l.args.event)
	if bad != nil {
		return bad
	}
	to := f[1]
	if Kind(to) != KindString {
		return badTarget(":to of a request must be one uid, a string, not " + short(to))
	}
	life, bad := s.timeout(i, f[2])
	if bad != nil {
		return bad
	}
	list, bad := s.hub.resolve(s, to, nil, nil)
	if bad != nil {
		return bad
	}
	able := list[:0]
	for _, t := range list {
		if t.ours {
			able = append(able, t)
		}
	}
	if len(able) == 0 {
		return cannotAnswer(short(to), name)
	}
	return s.hub.calls.ask(s, i.Call, event, name, life, able)
}

func cannotAnswer(who string, name []byte) *Error {
	return &Error{Category: Unsupported, Code: "cannot-answer",
		Msg:  who + " is a client whose protocol has no replies to requests, so :" + string(name) + " cannot be asked of it",
		Hint: "send it an event, and let it answer by one"}
}

// timeout reads :timeout-ms, by default the life of a call.
func (s *Session) timeout(i Item, v []byte) (time.Duration, *Error) {
	if v == nil || isNil(v) {
		return s.hub.settings.Load().Flow.CallTimeout, nil
	}
	n, err := strconv.ParseInt(string(v), 10, 64)
	if err != nil || n < 1 || n > 24*60*60*1000 {
		return 0, badData(i, "a map with a :timeout-ms from 1 to 86400000")
	}
	return time.Duration(n) * time.Millisecond, nil
}

// ownerFlush handles :sente-lite/flush {:to UID :timeout-ms N :acked? false}: the reply
// comes when everything that was queued for the uid's peers has been written, or, with
// :acked?, acknowledged by those who do that.
func (s *Session) ownerFlush(i Item) *Error {
	f := s.l.args.fields(i, ":to", ":timeout-ms", ":acked?")
	to := f[0]
	if Kind(to) != KindString {
		return badData(i, "a map with one uid, like {:to \"uid\"}")
	}
	life, bad := s.timeout(i, f[1])
	if bad != nil {
		return bad
	}
	list, bad := s.hub.resolve(s, to, nil, nil)
	if bad != nil {
		return bad
	}
	s.hub.calls.await(s, i.Call, life, list, string(f[2]) == "true")
	return nil
}

// ownerPeers handles :sente-lite/peers {}.
func (s *Session) ownerPeers(i Item) *Error {
	s.answerEach(i, s.hub.everyone(), (*Session).appendBusyPeer)
	return nil
}

// answerEach answers a call by a vector of what there is to say about each peer.
func (s *Session) answerEach(i Item, peers []*Session, say func(*Session, []byte) []byte) {
	if i.Call == nil {
		return
	}
	b := append(make([]byte, 0, 1024), '[')
	for n, p := range peers {
		if n > 0 {
			b = append(b, ' ')
		}
		b = say(p, b)
	}
	s.answer(i.Call, append(b, ']'))
}

// ownerKick handles :sente-lite/kick {:to T :reason "…"}: what is queued for
// the peer still leaves, then it is closed with 4504.
func (s *Session) ownerKick(i Item) *Error {
	to, ok := field(i, ":to")
	if !ok {
		return badData(i, "a map with :to, like {:to \"uid\" :reason \"…\"}")
	}
	reason := "kicked"
	if v, ok := field(i, ":reason"); ok && !isNil(v) {
		text, err := Unquote(v)
		if err != nil {
			return badData(i, "a map whose :reason is a string")
		}
		reason = text
	}
	list, bad := s.hub.resolve(s, to, nil, nil)
	if bad != nil && Kind(to) != KindString {
		return bad
	}
	absent, known := s.hub.dismiss(to, reason)
	if bad != nil && !known {
		return bad
	}
	if i.Call != nil { // first: it may be us who goes
		s.answer(i.Call, fmt.Appendf(nil, "{:peers %d}", len(list)+absent))
	}
	for _, t := range list {
		t.shut(Reason{CloseKicked, reason})
	}
	return nil
}

// ownerSpawn handles :sente-lite/spawn {:command ["bb" "worker.clj"] :uid …}.
func (s *Session) ownerSpawn(i Item) *Error {
	if i.Body == nil || Kind(i.Body) != KindMap {
		return badData(i, `a map with a :command, like {:command ["bb" "worker.clj"] :uid "worker"}`)
	}
	if s.hub.cfg.Spawn == nil {
		return &Error{Category: Unsupported, Code: "no-spawn", Msg: "this sidecar runs no programs"}
	}
	reply, bad := s.hub.cfg.Spawn(bytes.Clone(i.Body))
	if bad != nil {
		return bad
	}
	if i.Call != nil {
		s.answer(i.Call, reply)
	}
	return nil
}

// ownerConfigure handles :sente-lite/configure {:config {…}}.
func (s *Session) ownerConfigure(i Item) *Error {
	config, ok := field(i, ":config")
	if !ok || Kind(config) != KindMap {
		return badData(i, "a map with the keys to change, like {:config {:log-level :debug}}")
	}
	if s.hub.cfg.Configure == nil {
		return &Error{Category: Unsupported, Code: "fixed-configuration", Msg: "the configuration of this sidecar cannot be changed while it runs"}
	}
	reply, bad := s.hub.cfg.Configure(bytes.Clone(config))
	if bad != nil {
		return bad
	}
	if i.Call != nil {
		s.answer(i.Call, reply)
	}
	return nil
}
