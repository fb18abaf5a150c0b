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

// A Session is a peer: whoever is behind a Conn, whatever carries it. One
// goroutine reads and handles what comes in, in order; what goes out leaves by
// the outbox.
type Session struct {
	outbox
	number uint64
	info   ConnInfo
	since  int64  // ms
	token  string // the session's id; never logged

	// Set by greet, before anybody else can see the session.
	greeted  bool
	uid      string
	clientID string
	role     Role
	hello    Hello
	edn      []byte // uid and client-id as `:uid "u" :client-id "c"`

	handling  sync.Mutex // held while a message is handled; guards departed
	departed  bool       // is no peer any more
	announce  sync.Mutex // guards told and gone, and keeps open before recv before close
	told      *Session   // the handler that has been told of this peer
	gone      bool
	received  atomic.Uint64 // items of this session, from 1
	lastInput atomic.Int64  // ms
	probe     probe
	patience  alarm // closes a stranger who does not say hello

	registered bool                // in the hub; guarded by Hub.mu
	subs       map[string]*channel // guarded by Hub.mu
	open       map[string]*call    // calls that this peer waits for, by cb; guarded by calls.mu
	asked      map[uint64]*call    // calls that this peer is to answer; guarded by calls.mu
	news       backpressure        // what it has been refused

	warned  bool       // of the reading goroutine: see deaf
	fl      flusher    // of the reading goroutine
	stamped bool       // lastInput is of this turn
	aim     []*Session // of the reading goroutine: who an event goes to
	args    args       // of the reading goroutine: the data of the event at hand
	scratch []byte     // of the reading goroutine: an unpacked message
	held    int        // bytes that a stranger has sent before hello
}

func newSession(h *Hub, c Conn) *Session {
	s := &Session{
		outbox: outbox{hub: h, conn: c, counted: true},
		number: h.numbers.Add(1),
		info:   c.Info(),
		since:  now(),
	}
	s.speak(EDN)
	s.onShut = func() {
		r, _ := s.isShut()
		s.depart(r)
	}
	return s
}

// strangerBytes and strangerTime bound who has not said hello (contract 5).
const (
	strangerBytes = 64 << 10
	strangerTime  = 5 * time.Second
)

// run reads until the Conn ends, and returns why: nil at a clean end. What we
// shut ourselves is read to its end too: that sees the other side out. begun, if
// set, is called once who needs no first value to be a peer is one.
func (s *Session) run(begun func()) error {
	h := s.hub
	h.mu.Lock()
	h.sessions[s] = struct{}{}
	h.mu.Unlock()
	if h.life.closed() { // perhaps too late for Shutdown to have seen it
		s.shut(Reason{CloseShutdown, "shutdown"})
	}
	err := s.begin()
	if begun != nil {
		begun()
	}
	turn := s.turn // one closure for all
	for err == nil {
		var m Message
		m, err = s.conn.Read(turn)
		if err != nil {
			err = s.unreadable(err)
		} else {
			err = s.take(m)
		}
	}
	s.turn()
	if errors.Is(err, io.EOF) {
		s.lastWords()
		err = nil
	} else if _, shut := s.isShut(); shut {
		s.lastWords()
	}
	s.end(err)
	return err
}

// take handles a message of a peer that is still one.
func (s *Session) take(m Message) error {
	s.handling.Lock()
	defer s.handling.Unlock()
	if s.leaving() || s.departed {
		return nil
	}
	s.stamp()
	return s.message(m)
}

// depart takes the peer out of the hub: who waits for its answers hears so, and
// the handler that it has gone, after everything it said. The first call counts.
func (s *Session) depart(r Reason) {
	s.handling.Lock()
	defer s.handling.Unlock()
	if s.departed {
		return
	}
	s.departed = true
	var fl flusher
	s.hub.unregister(s)
	s.hub.calls.left(s, &fl)
	s.tellClose(r, &fl)
	fl.flush()
}

// unreadable answers for one message that could not be read. Any other error
// is returned: it ends the session.
func (s *Session) unreadable(err error) error {
	var bad *Error
	if !errors.As(err, &bad) {
		return err
	}
	s.stamp()
	s.received.Add(1)
	if s.early(1) {
		return nil
	}
	s.refuse(nil, bad)
	return nil
}

// lastWords lets a peer that has closed its direction only take what is queued
// for it.
func (s *Session) lastWords() {
	wait := lingerTime
	if s.info.Parent {
		wait = s.hub.settings.Load().Shutdown
	}
	done := make(chan struct{})
	s.whenFlushed(func(bool) { close(done) })
	late := time.NewTimer(wait)
	defer late.Stop()
	select {
	case <-done:
	case <-late.C:
	}
}

// turn ends what has been read so far: everything that it caused leaves now.
func (s *Session) turn() {
	s.fl.flush()
	s.stamped = false
}

// stamp notes that the peer is there, once a turn.
func (s *Session) stamp() {
	if !s.stamped {
		s.stamped = true
		s.lastInput.Store(now())
	}
}

// message takes one message in. An error ends the session.
func (s *Session) message(m Message) error {
	f := &s.hub.settings.Load().Flow
	data := m.Data
	if s.early(len(data)) {
		return nil
	}
	if len(data) > 1 && data[0] == 0x1f && data[1] == 0x8b && s.info.Form == nil {
		s.received.Add(1)
		s.refuse(nil, &Error{Category: Unsupported, Code: "gzip", Msg: "a gzipped message came in, and gzip was not agreed on", Hint: "leave :gzip out of the hello"})
		return nil
	}
	if packer := s.speaks(); packer != EDN && len(data) > 0 {
		var err error
		s.scratch, err = packer.Unpack(s.scratch[:0], data, f.Limits())
		if cap(s.scratch) > 64<<10 {
			defer func() { s.scratch = nil }()
		}
		if err != nil {
			s.received.Add(1)
			s.refuse(nil, asError(err))
			return nil
		}
		data = s.scratch
	}
	item, err := split(data, f.Limits(), &s.args)
	if err != nil {
		s.received.Add(1)
		s.refuse(item.Call, asError(err))
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
		if !ok {
			return nil
		}
		one, err := SplitValue(v)
		if err == nil && one.Shape == ShapeBundle {
			err = &Error{Category: Incorrect, Code: "bad-bundle", Msg: "a bundle inside a bundle; :batch/events holds events, calls and replies only"}
		}
		if err != nil {
			s.received.Add(1)
			bad := *asError(err)
			bad.Msg = fmt.Sprintf("item %d of the bundle: %s", n, bad.Msg)
			bad.Data = fmt.Sprintf("{:item %d}", n)
			s.refuse(one.Call, &bad)
			continue
		}
		s.item(one)
	}
}

// early counts what a stranger sends before its hello, and reports whether that
// was too much.
func (s *Session) early(n int) bool {
	if s.greeted || !s.info.Stranger {
		return false
	}
	if s.held += n; s.held <= strangerBytes {
		return false
	}
	s.shut(Reason{CloseUnauthorized, "more than 64 KiB before a hello"})
	return true
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
	if _, _, err := s.put(&packet{edn: value, kind: kindAnswer}, &s.fl); err != errBusy {
		return
	}
	value = errBusy.AppendEDN(nil)
	if cb != nil {
		value = appendReply(nil, cb, value)
	}
	s.put(&packet{edn: value, kind: kindAnswer}, &s.fl)
}

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

// end takes the peer out of everything. It runs once, in the reading goroutine.
func (s *Session) end(err error) {
	h := s.hub
	reason := s.reasonOf(err)
	s.conn.Close(reason)
	h.clock.stop(&s.probe.alarm)
	h.clock.stop(&s.patience)
	s.depart(reason)
	undelivered := s.outbox.end()
	if undelivered > 0 {
		h.Stats.Undelivered.Add(uint64(undelivered))
		h.log.Warn("events were not delivered", "uid", s.uid, "count", undelivered, "code", reason.Code)
	}
	s.turn()
}

// reasonOf says why a session has ended, for the handler.
func (s *Session) reasonOf(err error) Reason {
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
	case err == nil:
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
	h.Stats.Received.Add(1)
	if list := h.tails.Load(); list != nil {
		s.tailed(list, i)
	}
	if i.Shape == ShapeReply {
		s.received.Add(1)
		h.calls.reply(s, i)
		return
	}
	if !bytes.HasPrefix(i.Name, nsSente) && !bytes.HasPrefix(i.Name, nsChsk) {
		s.received.Add(1)
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
		s.probe.ponged(s)
		return
	case "chsk/handshake", "sente-lite/ack", "sente-lite/credit":
		return
	case "sente-lite/error":
		s.received.Add(1)
		h.Stats.PeerErrors.Add(1)
		h.log.Debug("a peer reports an error", "uid", s.uid, "bytes", len(i.Body))
		return
	}
	s.received.Add(1)
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
	s.put(&packet{edn: pongEvent, kind: kindAnswer}, &s.fl)
}

var (
	pingEvent = []byte("[:chsk/ws-ping]")
	pongEvent = []byte("[:chsk/ws-pong]")
)
