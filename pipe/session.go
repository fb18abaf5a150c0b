package pipe

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// A Session is a peer: whoever is behind a Conn, whatever carries it, and whatever
// carries it next. What comes in is handled by the goroutine that reads the link, in
// order; what goes out leaves by the outbox.
type Session struct {
	outbox
	number uint64
	info   *ConnInfo // of the first link, which shares it: who it is
	since  int64     // ms

	// Set by greet, before anybody else can see the session.
	greeted  bool
	clientID string
	role     Role
	ours     bool        // see Hello
	cred     *credential // where it can be resumed
	token    string      // the session's id; never logged

	handling sync.Mutex // held while a message is handled; guards what follows
	departed bool       // is no peer any more
	bye      *Reason    // the peer has said that it goes for good
	latest   string     // the name of the latest event: most come again
	aim      []*Session // who an event goes to
	scratch  []byte     // an unpacked message
	warned   bool       // see deaf
	allow    allowance

	// Of recovery.
	newest    uint64        // the number of the latest link
	received  atomic.Uint64 // items of this session, from 1
	ackedIn   uint64        // of them, what the peer knows of
	noted     uint64        // and the Store
	ackDue    bool
	uncounted bool // a bundle could not be read: the count is lost
	ackAlarm  alarm
	expiry    alarm
	awaySince time.Time // zero while there is a link; guarded by mu
	awayFor   Reason
	isAway    bool // and counted as such
	awayUntil time.Time

	announce sync.Mutex // guards told and gone, and keeps open before recv before close
	told     *Session   // the handler that has been told of this peer
	gone     bool

	registered bool             // in the hub; guarded by Hub.mu
	subs       []*channel       // guarded by Hub.mu
	open       map[string]*call // calls that this peer waits for, by cb; guarded by calls.mu
	asked      map[uint64]*call // calls that this peer is to answer; guarded by calls.mu
	news       backpressure     // what it has been refused
}

func newSession(h *Hub, l *link) *Session {
	s := &Session{
		outbox: outbox{hub: h, l: l, counted: true},
		number: h.numbers.Add(1),
		info:   l.info,
		since:  now(),
	}
	s.newest = s.number
	s.speak(plainForm)
	s.onShut = func() {
		r, _ := s.isShut()
		s.finish(r, whyOf(r))
	}
	s.onLost = func(leg uint64) { h.calls.lost(s, leg) }
	return s
}

// fl is the turn of whoever handles an event of this peer.
func (s *Session) fl() *flusher { return &s.l.fl }

// finish ends the session: who waits for its answers hears so, and the handler that it
// has gone, after everything it said. The first call counts. What is queued gets its
// rows in the ledger.
func (s *Session) finish(r Reason, w why) {
	s.handling.Lock()
	defer s.handling.Unlock()
	s.finishLocked(r, w)
}

// finishLocked is finish with the handling held. What can be resumed when the sidecar
// ends is left to the next process.
func (s *Session) finishLocked(r Reason, w why) {
	if s.departed {
		return
	}
	if r.Code == CloseShutdown && s.recoverable() && s.hub.store() != nil {
		w = ""
	}
	s.departed = true
	s.countAway(-1)
	h := s.hub
	var fl flusher
	h.clock.stop(&s.ackAlarm)
	h.clock.stop(&s.expiry)
	h.clock.stop(&s.ackLate)
	if s.keep && w != "" { // before it is not found any more
		reason := "expired"
		if s.uncounted {
			reason = "uncounted"
		}
		h.past.note(s.key, gone{s.uid, *s.cred, s.highest(), reason})
	}
	h.unregister(s)
	h.calls.left(s, &fl)
	undelivered := s.outbox.end(w)
	s.mu.Lock()
	own := books{s.accepted, s.delivered, s.undelivered}
	s.mu.Unlock()
	h.ledger.close(s.uid, own)
	s.tellClose(r, &fl) // who hears of it may look into the books
	if undelivered > 0 && w != "" {
		h.Stats.Undelivered.Add(uint64(undelivered))
		h.log.Warn("events were not delivered", "uid", s.uid, "count", undelivered, "code", r.Code)
	}
	if store := h.store(); store != nil && (s.keep || s.spill != nil) && w != "" {
		store.End(s.key)
		h.commit(store)
	}
	fl.flush()
}

func whyOf(r Reason) why {
	switch r.Code {
	case CloseKicked:
		return whyKicked
	case CloseShutdown:
		return whyShutdown
	}
	return whyClosed
}

// message takes one message in. An error ends the session.
func (s *Session) message(m Message) error {
	l := s.l
	if l.early(len(m.Data)) {
		return nil
	}
	l.fl.messages++
	l.fl.bytes += len(m.Data)
	form := s.speaks()
	if on := l.layered; on != nil && on.form == form {
		return s.layeredMessage(on, form.reads(m), m.Data)
	}
	packer := form.reads(m)
	if s.info.Form == nil {
		if bad := notAgreed(packer, m); bad != nil {
			s.spoilt(m.Data, nil, bad)
			return nil
		}
	}
	return s.packed(packer, m.Data, m.Text)
}

// packed takes in what is in no layer any more. utf8 says that it is known to be UTF-8.
func (s *Session) packed(packer Packer, data []byte, utf8 bool) error {
	f := &s.hub.settings.Load().Flow
	raw := data
	if packer != EDN && len(data) > 0 {
		var err error
		s.scratch, err = s.hub.unpack(packer, s.scratch[:0], data, f.Limits())
		if cap(s.scratch) > 64<<10 {
			defer func() { s.scratch = nil }()
		}
		if err != nil {
			s.spoilt(raw, nil, asError(err))
			return nil
		}
		data = s.scratch
		held, bad := s.unpacksTo(cap(data))
		if bad != nil {
			s.spoilt(raw, nil, bad)
			return nil
		}
		if held > 0 {
			defer s.hub.Give(held)
		}
	}
	item, err := split(data, f.Limits(), s.l.args, utf8 && packer == EDN)
	if err != nil {
		s.spoilt(raw, item.Call, asError(err))
		return nil
	}
	if !s.greeted {
		done, err := s.first(item)
		if done || err != nil || !s.greeted {
			return err
		}
	}
	if item.Shape != ShapeBundle {
		s.item(item)
		return nil
	}
	c := Elements(item.Body)
	for n := 0; ; n++ {
		v, ok := c.Next()
		if !ok || s.leaving() {
			return nil
		}
		one, err := SplitValue(v)
		if err == nil && one.Shape == ShapeBundle {
			err = &Error{Category: Incorrect, Code: "bad-bundle", Msg: "a bundle inside a bundle; :batch/events holds events, calls and replies only"}
		}
		if err != nil {
			s.count(nil)
			bad := *asError(err)
			bad.Msg = fmt.Sprintf("item %d of the bundle: %s", n, bad.Msg)
			bad.Data = fmt.Sprintf("{:item %d}", n)
			s.refuse(one.Call, &bad)
			continue
		}
		s.item(one)
	}
}

// refuse tells this peer that something it sent cannot be done: as the reply
// where it was a call.
func (s *Session) refuse(cb []byte, e *Error) {
	s.hub.Stats.Refused.Add(1)
	switch {
	case s.info.Form != nil:
		s.deaf(e)
	case s.greeted || !s.mute():
		s.answer(cb, e.AppendEDN(make([]byte, 0, 256+len(e.Msg))))
	}
}

// reject is refuse for an item whose shape is good: the error says which event
// it is about.
func (s *Session) reject(i Item, e *Error) {
	if e.Event == "" && i.Name != nil {
		named := *e
		named.Event = string(i.Name)
		e = &named
	}
	s.refuse(i.Call, e)
}

// answer sends a reply, or the bare value of an event where nobody asked.
func (s *Session) answer(cb, value []byte) {
	if cb != nil {
		value = appendReply(nil, cb, value)
	}
	p := packet{edn: value, kind: kindAnswer, free: cb != nil}
	if bytes.HasPrefix(value, errorEvent) {
		p.name, p.free = "sente-lite/error", true
	}
	if _, _, err := s.put(&p, s.fl()); err != errBusy {
		return
	}
	value = errBusy.AppendEDN(nil)
	if cb != nil {
		value = appendReply(nil, cb, value)
	}
	s.put(&packet{edn: value, kind: kindAnswer, free: true}, s.fl())
}

var errorEvent = []byte("[:sente-lite/error ")

func appendReply(dst, cb, value []byte) []byte {
	if dst == nil {
		dst = make([]byte, 0, len(cb)+len(value)+16)
	}
	dst = append(append(dst, "[:chsk/reply "...), cb...)
	return append(append(append(dst, ' '), value...), ']')
}

func asError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Category: Fault, Code: "fault", Msg: err.Error()}
}

// reasonOf says why a session has ended, for the handler.
func (s *Session) reasonOf(err error) Reason {
	if s.bye != nil {
		return *s.bye
	}
	if r, shut := s.isShut(); shut {
		return r
	}
	var c Closed
	switch {
	case errors.As(err, &c):
		if c.Text == "" {
			c.Text = reasonText(c.Code)
		}
		return c.Reason
	case err == nil || errors.Is(err, io.EOF):
		return Reason{CloseNormal, "closed"}
	}
	return Reason{CloseLost, "connection lost"}
}

func reasonText(code uint16) string {
	switch code {
	case CloseNormal:
		return "closed"
	case CloseShutdown:
		return "going away"
	case CloseNoStatus:
		return "closed without a status"
	}
	return "code " + strconv.Itoa(int(code))
}

// isName compares an item's name.
func isName(name []byte, s string) bool { return string(name) == s }

var (
	nsSente = []byte("sente-lite/")
	nsChsk  = []byte("chsk/")
)

// item handles one event, call or reply. What it sends leaves at the end of
// the turn.
func (s *Session) item(i Item) {
	h := s.hub
	s.l.fl.received++
	if list := h.tails.Load(); list != nil {
		s.tailed(list, i)
	}
	if i.Shape == ShapeReply {
		s.got()
		h.calls.reply(s, i)
		return
	}
	if !bytes.HasPrefix(i.Name, nsSente) && !bytes.HasPrefix(i.Name, nsChsk) {
		if !s.count(i.Name) {
			return
		}
		if isName(i.Name, "msg/send-to-client") {
			s.sendToClient(i)
			return
		}
		h.route(s, i)
		return
	}
	switch string(i.Name) {
	case "chsk/ws-ping":
		s.pong(i)
		return
	case "chsk/ws-pong":
		s.l.probe.ponged()
		return
	case "chsk/handshake":
		return
	case "sente-lite/ack":
		s.acknowledged(i)
		return
	case "sente-lite/credit":
		s.credited(i)
		return
	case "chsk/close":
		if _, says := field(i, ":code"); says && i.Call == nil {
			s.goodbye(i)
		} else {
			s.ownerEvent(i)
		}
		return
	case "sente-lite/error":
		s.got()
		h.Stats.PeerErrors.Add(1)
		h.log.Debug("a peer reports an error", "uid", s.uid, "bytes", len(i.Body))
		return
	}
	if !s.count(i.Name) {
		return
	}
	switch string(i.Name) {
	case "sente-lite/hello":
		s.reject(i, &Error{Category: Conflict, Code: "hello-again", Event: string(i.Name),
			Msg: "this link has had its hello; it is taken once, as the first value", Hint: "open another link to say another hello"})
	case "sente-lite/subscribe":
		s.subscribe(i)
	case "sente-lite/unsubscribe":
		s.unsubscribe(i)
	case "sente-lite/publish":
		s.publish(i)
	default:
		s.ownerEvent(i)
	}
}

// pong answers a peer's ping; a call's reply is "pong", as Sente has it.
func (s *Session) pong(i Item) {
	if i.Call != nil {
		s.answer(i.Call, []byte(`"pong"`))
		return
	}
	s.put(&packet{edn: pongEvent, kind: kindControl}, s.fl())
}

// goodbye handles [:chsk/close {:code 1000 :reason "…"}], a stream's way to say why it
// ends: the peer means to go, and will not come back to this session.
func (s *Session) goodbye(i Item) {
	r := Reason{CloseNormal, "closed"}
	if text, ok := field(i, ":reason"); ok {
		if t, err := Unquote(text); err == nil && t != "" {
			r.Text = t
		}
	}
	if code, ok := field(i, ":code"); ok {
		if n, err := strconv.ParseUint(string(code), 10, 16); err == nil {
			r.Code = uint16(n)
		}
	}
	if r.Code == CloseNormal || r.Code >= 4500 {
		s.bye = &r
	}
}

var (
	pingEvent = []byte("[:chsk/ws-ping]")
	pongEvent = []byte("[:chsk/ws-pong]")
)
