package pipe

import (
	"fmt"
)

// begin greets those whose transport has said hello for them, and gives
// strangers a while to say theirs.
func (s *Session) begin() error {
	if r := s.info.Refused; r != nil {
		s.shut(*r)
		return nil
	}
	set := s.hub.settings.Load()
	lim := set.Flow.Limits()
	l := s.l
	if s.info.Present {
		l.conn.Limit(lim)
		s.arrive()
		return nil
	}
	if s.info.Upgraded != nil && !s.mute() {
		l.conn.Limit(lim)
		return s.greet(*s.info.Upgraded)
	}
	if up := s.info.Upgraded; up != nil { // its hello comes packed already
		form, bad := s.pick(*up)
		if bad == nil {
			bad = l.open(form)
		}
		if bad != nil {
			return bad
		}
		s.speak(form)
	}
	if l.info.Stranger = l.info.Stranger || s.mute(); l.info.Stranger {
		lim.Bytes = min(lim.Bytes, strangerBytes)
		l.patience.ring = func() {
			s.hub.goroutine(func() {
				l.conn.Close(Reason{CloseUnauthorized, "no hello that could be taken came within 5 s"})
			})
		}
		s.hub.clock.set(&l.patience, strangerTime)
	}
	l.conn.Limit(lim)
	return nil
}

// mute reports whether nothing may be sent until a hello has brought a token.
func (s *Session) mute() bool {
	a := s.hub.settings.Load().Auth
	return a != nil && !a.Anonymous && s.info.Claim == nil && !s.info.Parent && !s.info.SameUser
}

// first takes a link's first value. It reports whether that was a hello; any
// other means hello with the defaults.
func (s *Session) first(i Item) (done bool, err error) {
	if i.Shape != ShapeEvent && i.Shape != ShapeCall || !isName(i.Name, "sente-lite/hello") {
		if s.mute() {
			s.shut(Reason{CloseUnauthorized, "the first value must be a hello with a token"})
			return true, nil
		}
		return false, s.greet(Hello{Ours: true})
	}
	hello, bad := parseHello(i.Body)
	if s.info.Present {
		hello.Auth = ""
	}
	var claim *Claim
	if bad == nil {
		claim, bad = s.agree(hello)
	}
	if bad != nil {
		return true, s.refuseHello(i, claim, bad)
	}
	if claim != nil {
		s.info.Claim = claim
	}
	if up := s.info.Upgraded; up != nil { // it has decided everything but who it is
		auth, handler := hello.Auth, hello.Handler
		// A URL may be in a log; a session's id is better said here.
		session, seen := hello.Session, hello.Seen
		hello = *up
		if session != "" {
			hello.Session, hello.Seen = session, seen
		}
		hello.Auth, hello.Handler = auth, handler
	}
	l := s.l
	err = s.greet(hello)
	if i.Call == nil {
		return true, err
	}
	if s.greeted {
		s.answer(i.Call, []byte("true"))
	} else if own := l.s; own != s { // it has resumed another
		own.handling.Lock()
		if own.l == l {
			own.answer(i.Call, []byte("true"))
		}
		own.handling.Unlock()
	}
	return true, err
}

// refuseHello answers a hello that asks for what cannot be. The link waits for
// a better one, unless nobody knows whose it is.
func (s *Session) refuseHello(i Item, claim *Claim, bad *Error) error {
	if claim == nil && s.mute() {
		s.shut(Reason{CloseUnauthorized, bad.Msg})
		return nil
	}
	if bad.Hint == "" {
		bad.Hint = "say hello again: this link still waits for one"
	} else {
		bad.Hint += ", and say hello again"
	}
	was := s.info.Claim
	s.info.Claim = claim // of whom it may be told; not kept
	s.reject(i, bad)
	s.info.Claim = was
	if s.info.Parent && bad.Code == "bad-config" {
		s.shut(Reason{CloseNormal, bad.Msg})
		return bad
	}
	return nil
}

// agree checks what a hello asks for. It returns the claim of its token.
func (s *Session) agree(h Hello) (claim *Claim, bad *Error) {
	claim = s.info.Claim
	if h.Auth != "" {
		if a := s.hub.settings.Load().Auth; a != nil {
			c, ok := a.Check(h.Auth)
			if !ok {
				return nil, &Error{Category: Forbidden, Code: "bad-token", Msg: "the :auth token of the hello is not one that this sidecar knows"}
			}
			claim = &c
		}
	}
	if claim == nil && s.mute() {
		return nil, &Error{Category: Forbidden, Code: "token-needed", Msg: "this sidecar wants a token: [:sente-lite/hello {:auth \"…\"}]"}
	}
	if h.Config != nil && !s.info.Parent {
		return claim, &Error{Category: Forbidden, Code: "config", Msg: "only the parent's hello may carry :config", Hint: "leave :config out"}
	}
	if h.Handler != nil && *h.Handler && s.claimed(claim) != RoleOwner {
		return claim, &Error{Category: Forbidden, Code: "handler", Msg: "only an owner may be the handler: the parent, a Unix-socket peer of the same user, or a token with :role :owner", Hint: "leave :handler out"}
	}
	if up := s.info.Upgraded; up != nil && (h.Packer != "" || h.Gzip) && h.Chain() != up.Chain() {
		return claim, &Error{Category: Unsupported, Code: "packer", Msg: "a WebSocket's packer is chosen by its URL, packer=" + short([]byte(h.Chain())), Hint: "leave :packer and :gzip out"}
	}
	_, bad = s.pick(h)
	return claim, bad
}

// pick returns the form that a hello asks for.
func (s *Session) pick(h Hello) (*Form, *Error) {
	f, bad := s.hub.Form(h.Chain())
	if bad == nil && f != plainForm && s.l.conn.Info().TextOnly {
		bad = &Error{Category: Unsupported, Code: "packer", Msg: "text carries :edn only, not :" + short([]byte(f.Name())),
			Hint: "use frames: a length of 4 bytes, then the packed value"}
	}
	return f, bad
}

// claimed is the role that this peer has a right to with a claim.
func (s *Session) claimed(c *Claim) Role {
	switch {
	case s.info.Parent, s.info.SameUser:
		return RoleOwner
	case c != nil && c.Role != "":
		return c.Role
	}
	return RoleClient
}

// greet makes a peer of the session: it gets its names, its ready or
// handshake, and a place in the hub.
func (s *Session) greet(hello Hello) error {
	h := s.hub
	form, bad := s.pick(hello)
	if bad == nil && s.info.Parent && h.cfg.Start != nil {
		bad = h.cfg.Start(hello)
	}
	if bad == nil {
		bad = s.l.open(form)
	}
	if s.info.Present && bad == nil {
		return s.answerFirst(hello, form)
	}
	if bad != nil {
		s.refuse(nil, bad)
		reason := Reason{CloseProtocol, bad.Msg}
		if s.info.Parent {
			reason.Code = CloseNormal // the end of the process says the rest
		}
		s.shut(reason)
		return bad
	}
	if hello.Recover && !s.settled() {
		s.shut(Reason{CloseOverloaded, "you do not read what your hellos are answered"})
		return nil
	}
	var out outcome
	if hello.Session != "" && hello.Recover && s.mayRecover() {
		if out = s.l.resume(hello, s.credential()); out.s != nil {
			return s.resumed(out.s, hello, form)
		}
		if out.stale {
			s.shut(Reason{CloseReplaced, "a later link has resumed this session"})
			return nil
		}
	} else if hello.Session != "" {
		out.reason = "unknown"
	}
	if c := s.info.Claim; c != nil && c.UID != "" && h.cfg.Names != nil && h.cfg.Names.Owns(c.UID) {
		bad := &Error{Category: Conflict, Code: "uid-taken", Msg: fmt.Sprintf("the uid %q of this token is a program's", c.UID),
			Hint: "give the token another :uid, or spawn the program under another"}
		s.refuse(nil, bad)
		s.shut(Reason{CloseUnauthorized, bad.Msg})
		return nil
	}
	if s.claimed(s.info.Claim) == RoleClient && h.Full() {
		s.shut(Reason{CloseOverloaded, "this sidecar has as many clients as :max-peers allows"})
		return nil
	}
	if s.claimed(s.info.Claim) == RoleClient {
		if ok, spread := h.gate.admit(h.settings.Load().Flow.AdmitPerSec); !ok {
			s.shut(tooEarly(spread))
			return nil
		}
	}
	// Who comes and goes costs the handler an open and a close each time.
	if hd := h.currentHandler(); hd != nil && s.claimed(s.info.Claim) == RoleClient && hd.behind() {
		s.shut(Reason{CloseOverloaded, "the handler has not read who came and went before"})
		return nil
	}
	l := s.l
	if s.claimed(s.info.Claim) == RoleClient {
		h.makeRoom()
	}
	h.clock.stop(&l.patience)
	s.identify(hello, out.uid)
	l.conn.Limit(h.settings.Load().Flow.Limits())
	s.terms(l, hello)

	greeting := s.greeting(l, hello, out)
	if l.info.Upgraded != nil {
		s.speak(form)
	}
	s.greeted = true
	s.noteBegin()
	l.peer.Store(s)
	l.lastInput.Store(ticks())
	// In this order: the handler hears of a peer before that can know that it
	// is one, and whoever sees a greeting is there for others.
	if hd := h.currentHandler(); hd != nil {
		s.tell(hd, s.fl())
	}
	if _, _, err := s.put(greeting, s.fl()); err != nil {
		return err
	}
	s.speak(form) // from the message after
	l.says(form)
	if hd := h.register(s); hd != nil {
		s.tell(hd, s.fl())
		if out.reason != "" {
			s.tellReconnect(hd, false, out)
		}
	}
	s.oblige(l, hello)
	return nil
}

// terms are what a hello asks of this link.
func (s *Session) terms(l *link, hello Hello) {
	l.bundle = hello.Bundle
	s.outbox.credit = credit{on: hello.Credit > 0, left: min(hello.Credit, maxCredit)}
	s.allow = allowance{}
	if hello.Credit > 0 {
		s.allow.open()
	}
}

// greeting is ready, or a handshake. It is no item: the numbers begin behind it.
func (s *Session) greeting(l *link, hello Hello, out outcome) *packet {
	data := s.welcome(hello, out)
	if l.info.Upgraded != nil {
		return &packet{edn: fmt.Appendf(nil, "[:chsk/handshake [%s nil %s %t]]", AppendString(nil, s.uid), data, hello.Session == ""), kind: kindControl}
	}
	return &packet{edn: fmt.Appendf(nil, "[:sente-lite/ready %s]", data), kind: kindControl}
}

// identify gives the session its names, before anybody else can see it.
// again is the uid of a session that could not be resumed, or "".
func (s *Session) identify(hello Hello, again string) {
	s.ours = hello.Ours
	s.role = s.claimed(s.info.Claim)
	s.token = randomHex(16)
	s.key = sessionKey(s.token)
	if s.keep = hello.Recover && s.mayRecover(); s.keep {
		cred := s.credential()
		s.cred = &cred
	}
	if again == "" {
		again = s.name()
	}
	id := hello.ClientID
	if id == "" {
		id = randomHex(8)
	}
	s.setNames(again, id)
	s.mu.Lock()
	s.q.acked = 0            // what was said before the greeting has no number
	if s.role == RoleOwner { // what it has been told so far no longer counts
		s.counted = false
		s.hub.Give(s.q.bytes)
	}
	s.mu.Unlock()
}

func (s *Session) setNames(uid, clientID string) {
	s.uid, s.clientID = uid, clientID
	s.edn = AppendString([]byte(":uid "), uid)
	s.uidEnd = len(s.edn)
	s.edn = AppendString(append(s.edn, " :client-id "...), clientID)
}

// quotedUID is the uid as a string literal.
func (s *Session) quotedUID() []byte { return s.edn[len(":uid "):s.uidEnd] }

// mayRecover reports whether a session of this peer could be resumed: not that of who
// has us on its stdin and stdout, nor that of a program that we have started.
func (s *Session) mayRecover() bool {
	return !s.info.Parent && !s.info.Present && s.info.Form == nil && s.hub.settings.Load().Flow.Recovery.Window > 0
}

// oblige does what a hello asks of who has been greeted.
func (s *Session) oblige(l *link, hello Hello) {
	if l.info.Heartbeat || hello.Ping {
		l.probe.start(l)
	}
	want := s.info.Parent
	if hello.Handler != nil {
		want = *hello.Handler
	}
	if want {
		if bad := s.hub.setHandler(s); bad != nil {
			s.refuse(nil, bad)
		}
	}
}

// name makes the uid. No URL and no event sets it.
func (s *Session) name() string {
	switch {
	case s.info.Parent:
		return "owner"
	case s.info.Claim != nil && s.info.Claim.UID != "":
		return s.info.Claim.UID
	case s.info.Transport == "unix":
		return fmt.Sprintf("unix:%d/%d", s.info.UserID, s.number)
	}
	return fmt.Sprintf("conn-%d-%d", s.since, s.number)
}
