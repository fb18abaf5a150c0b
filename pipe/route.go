package pipe

import (
	"bytes"
	"fmt"
	"sync"
	"sync/atomic"
)

// route brings an event or call that is nobody's own to the handler, or where
// the relay rules say.
func (h *Hub) route(s *Session, i Item) {
	hd := h.currentHandler()
	switch {
	case s.info.User != "":
		s.toUser(i)
	case hd == s:
		s.reject(i, &Error{Category: NotFound, Code: "no-taker", Event: string(i.Name),
			Msg:  "nothing takes :" + string(i.Name) + " from the handler: what no module takes goes to the handler, and that is you",
			Hint: "to reach a peer, wrap it: [:sente-lite/send {:to \"uid\" :event [:" + string(i.Name) + " …]}]"})
	case hd != nil:
		s.tell(hd, s.fl())
		s.deliver(i, append(s.aim[:0], hd))
	default:
		h.relay(s, i)
	}
}

// relay is route while there is no handler.
func (h *Hub) relay(s *Session, i Item) {
	set := h.settings.Load()
	for _, r := range set.Relay {
		if !Match(r.Event, string(i.Name)) {
			continue
		}
		to, bad := h.resolve(s, r.To, nil, s.aim[:0])
		if bad != nil {
			s.reject(i, bad)
			return
		}
		s.deliver(i, to)
		return
	}
	s.reject(i, &Error{Category: Unavailable, Code: "no-handler", Event: string(i.Name), Retry: true,
		Msg:  "nothing takes :" + string(i.Name) + ": there is no handler, and no :relay rule matches",
		Hint: "connect a handler (a parent, or an owner whose hello says :handler true), or configure :relay [{:event :" + string(i.Name) + " :to :all}]"})
}

// deliver wraps an event of this peer in recv for others. A call is passed on,
// and the first reply answers it.
func (s *Session) deliver(i Item, to []*Session) {
	defer func() {
		clear(to)
		s.aim = to[:0]
	}()
	if i.Shape == ShapeEvent {
		b, lent := s.l.room(len(s.edn) + len(i.Event) + len("[:sente-lite/recv { :event }]"))
		p := s.hub.about(s.appendRecv(b, i.Event), i.Name, s)
		p.lent = lent
		s.spread(i, &p, to, nil)
		return
	}
	if len(to) == 0 {
		s.reject(i, &Error{Category: Unavailable, Code: "nobody-there", Event: string(i.Name), Retry: true,
			Msg: "the :relay rule for :" + string(i.Name) + " reaches nobody right now"})
		return
	}
	bad := s.hub.calls.pass(s, i.Call, i.Name, s.hub.settings.Load().Flow.CallTimeout, to, func(cb []byte) []byte {
		b := append(make([]byte, 0, len(s.edn)+len(i.Event)+60), '[')
		b = append(append(s.appendRecv(b, i.Event), ' '), cb...)
		return append(b, ']')
	})
	if bad != nil {
		s.reject(i, bad)
	}
}

// appendRecv writes the wrapper around the event's bytes.
func (s *Session) appendRecv(b, event []byte) []byte {
	b = append(append(b, "[:sente-lite/recv {"...), s.edn...)
	return append(append(append(b, " :event "...), event...), "}]"...)
}

// A spreading is what became of a packet that was sent to some peers.
type spreading struct {
	worst   Status
	largest int // queue
	reached int // peers, those whose queue was full included
	failed  *Error
}

// spread puts one packet into the queues of peers. Where it is no call's this
// peer is told what was refused.
//
// One of several that has just gone is no more of them, and one that cannot
// carry the packet is not reached: it costs the others nothing, and is an error
// only where nobody else is left.
//
// w is for a send whose reply waits for those who have no room yet.
func (s *Session) spread(i Item, p *packet, to []*Session, w *held) spreading {
	r := spreading{worst: StatusOK}
	var unfit *Error
	for _, t := range to {
		status, size, err := t.putHeld(p, w, s.fl())
		switch {
		case err == errGone && len(to) > 1:
			continue
		case err == errBlocked: // its status comes later
		case err == errDropped:
			r.worst = StatusBackpressure
		case err == errBusy || status == StatusBackpressure:
			if err == errBusy {
				r.failed = errBusy
			} else if status.worse(r.worst) {
				r.worst = status
			}
			if i.Call == nil {
				s.hub.Stats.Backpressure.Add(1)
				s.news.refused(s, t, i.Name, size, err == errBusy)
			}
		case err != nil:
			unfit = unreachable(t, err)
			unfit.Event = string(i.Name)
			if len(to) > 1 {
				s.hub.Stats.Undelivered.Add(1)
				t.undeliveredAlone(p.name, whyUnfit)
				s.hub.log.Debug("an event cannot be carried", "uid", t.uid, "event", unfit.Event, "code", unfit.Code)
			}
			continue
		default:
			s.l.fl.sent++
			if status.worse(r.worst) {
				r.worst = status
			}
		}
		r.reached++
		r.largest = max(r.largest, size)
	}
	if unfit != nil && r.reached == 0 {
		r.failed = unfit
		if i.Call == nil {
			s.refuse(nil, unfit)
		}
	}
	return r
}

// unreachable is the error of a peer that cannot get something.
func unreachable(t *Session, err error) *Error {
	e := *asError(err)
	e.Msg = fmt.Sprintf("%q cannot get it: %s", t.uid, e.Msg)
	return &e
}

// sendToClient handles [:msg/send-to-client {:to-uid :message}].
func (s *Session) sendToClient(i Item) {
	f := s.l.args.fields(i, ":to-uid", ":message")
	to, msg := f[0], f[1]
	uid, err := Unquote(to)
	if to == nil || msg == nil || err != nil {
		s.reject(i, badData(i, "{:to-uid \"uid\" :message any}"))
		return
	}
	h := s.hub
	if s.role == RoleClient && !h.settings.Load().Policy.SendToClient.Allows(uid) {
		s.reject(i, forbidden(i, "the :policy of this sidecar does not let clients send to "+short(to)))
		return
	}
	targets, bad := h.resolve(s, to, nil, s.aim[:0])
	if bad != nil {
		bad.Event = string(i.Name)
		s.reject(i, bad)
		return
	}
	from := s.quotedUID()
	b, lent := s.l.room(len(from) + len(msg) + len("[:msg/receive {:from-uid  :message }]"))
	b = append(append(b, "[:msg/receive {:from-uid "...), from...)
	b = append(append(b, " :message "...), msg...)
	p := h.about(append(b, "}]"...), msgReceive, s)
	p.lent = lent
	s.sendAll(i, &p, targets)
}

var msgReceive = []byte("msg/receive")

// sendAll sends one packet to many. A call's reply says how it went; a plain
// event's sender hears of refusals only.
func (s *Session) sendAll(i Item, p *packet, to []*Session) {
	var w *held
	if i.Call != nil && s.hub.settings.Load().Flow.has(FullBlock) {
		w = newHeld(s, i.Call)
		if len(to) == 1 {
			w.only = to[0]
		}
	}
	r := s.spread(i, p, to, w)
	clear(to)
	s.aim = to[:0]
	switch {
	case i.Call == nil:
	case r.failed != nil:
		s.reject(i, r.failed)
	case w != nil:
		w.rest(r)
	default:
		s.answer(i.Call, r.status())
	}
}

func (r spreading) status() []byte {
	return fmt.Appendf(nil, "{:status :%s :queue-size %d :peers %d}", r.worst, r.largest, r.reached)
}

// A held is a send whose reply waits until every receiver has taken it, or BlockFor is
// over.
type held struct {
	s    *Session
	cb   []byte
	only *Session     // the receiver, where there is one
	left atomic.Int32 // receivers without room, and the sender until it has asked all
	mu   sync.Mutex
	r    spreading
}

func newHeld(s *Session, cb []byte) *held {
	w := &held{s: s, cb: bytes.Clone(cb), r: spreading{worst: StatusOK}}
	w.left.Store(1)
	return w
}

// settle is what became of one that waited: "" for a receiver that has gone, which is
// none of those who were reached any more.
func (w *held) settle(status Status, size int) {
	if status == "" {
		w.settled(spreading{worst: StatusOK, reached: -1})
		return
	}
	w.settled(spreading{worst: status, largest: size})
}

// rest is what became of all others.
func (w *held) rest(r spreading) { w.settled(r) }

func (w *held) settled(r spreading) {
	w.mu.Lock()
	if r.worst.worse(w.r.worst) {
		w.r.worst = r.worst
	}
	w.r.largest = max(w.r.largest, r.largest)
	w.r.reached += r.reached
	w.mu.Unlock()
	if w.left.Add(-1) > 0 {
		return
	}
	value := w.r.status()
	if w.only != nil && w.r.reached == 0 {
		value = unreachable(w.only, errGone).AppendEDN(nil)
	}
	var fl flusher
	w.s.put(&packet{edn: appendReply(nil, w.cb, value), kind: kindOwed}, &fl)
	fl.flush()
}

// field finds a key in the data of an event.
func field(i Item, key string) ([]byte, bool) {
	if i.Body == nil || Kind(i.Body) != KindMap {
		return nil, false
	}
	return Lookup(i.Body, key)
}

func badData(i Item, want string) *Error {
	got := "nothing"
	if i.Body != nil {
		got = short(i.Body)
	}
	return &Error{Category: Incorrect, Code: "bad-data", Event: string(i.Name),
		Msg: fmt.Sprintf("the data of :%s must be %s, not %s", i.Name, want, got)}
}

func forbidden(i Item, why string) *Error {
	return &Error{Category: Forbidden, Code: "forbidden", Event: string(i.Name), Msg: why}
}

// full is the error of a peer whose queue has no room.
func (h *Hub) full(t *Session, status Status, size int) *Error {
	f := &h.settings.Load().Flow
	return &Error{Category: Busy, Code: "backpressure", Retry: true,
		Msg:  fmt.Sprintf("%q has %d events queued and does not take more: the limit is %d events or %d bytes", t.uid, size, f.MaxBufferSize, f.MaxBufferBytes),
		Hint: "wait until it has read, or raise :flow :max-buffer-size or :max-buffer-bytes",
		Data: string(AppendString(fmt.Appendf(nil, "{:status :%s :queue-size %d :uid ", status, size), t.uid)) + "}"}
}

// reserved reports whether an event's name belongs to the link itself.
func reserved(name []byte) bool {
	switch string(name) {
	case "batch/events", "sente-lite/hello", "sente-lite/ready", "sente-lite/ack", "sente-lite/credit":
		return true
	}
	return bytes.HasPrefix(name, nsChsk)
}
