package pipe

import (
	"fmt"
	"slices"
	"strconv"
	"sync/atomic"
)

// A tail shows one owner what the other peers say and get, as it happens:
//
//	[[:sente-lite/tail {:events ["chat/*"] :uids #{"ada"} :dir :in}] "cb"]
//	[:sente-lite/tailed {:at 1766108726643 :dir :in :uid "ada" :event [:chat/msg {…}]}]
//
// Every key may be left out; nil or false in place of the map ends it. Rows use
// no more than half of their reader's queue. Where that is full they are left
// out, and the next one has :skipped with how many: nobody waits for a tail.
//
// What a tail never shows: its own reader's events, since an answer to a row
// would make another row; hello and what greets it, which carry tokens and
// session ids; the data of :sente-lite/configure and spawn, which has tokens and
// environments in it; pings and acks.
type tail struct {
	to      *Session
	events  []string // patterns; nil for all
	uids    []string // nil for all
	dir     string   // ":in", ":out", "" for both
	skipped atomic.Int64
}

// tails are those of a Hub. Nil, and so one load for each event, where nobody
// looks. Hub.mu is held to change them.
type tails struct{ atomic.Pointer[[]*tail] }

const (
	// maxTailed is how large an event may be to be shown whole. Of a larger one
	// a row has the name, and :bytes.
	maxTailed = 16 << 10
	// maxPatterns bounds each list of a tail.
	maxPatterns = 100
)

// ownerTail handles :sente-lite/tail.
func (s *Session) ownerTail(i Item) *Error {
	on := i.Body != nil && !isNil(i.Body) && string(i.Body) != "false"
	t := &tail{to: s}
	if on {
		if bad := t.parse(i); bad != nil {
			return bad
		}
	}
	s.hub.mu.Lock()
	s.hub.tails.drop(s)
	if on {
		s.hub.tails.add(t)
	}
	s.hub.mu.Unlock()
	if i.Call != nil {
		s.answer(i.Call, fmt.Appendf(nil, "{:tailing? %t}", on))
	}
	return nil
}

// add and drop replace the list: those who are reading it keep theirs.
func (ts *tails) add(t *tail) {
	var all []*tail
	if old := ts.Load(); old != nil {
		all = slices.Clone(*old)
	}
	all = append(all, t)
	ts.Store(&all)
}

func (ts *tails) drop(s *Session) {
	old := ts.Load()
	if old == nil {
		return
	}
	all := slices.DeleteFunc(slices.Clone(*old), func(t *tail) bool { return t.to == s })
	if len(all) == 0 {
		ts.Store(nil)
		return
	}
	ts.Store(&all)
}

func (t *tail) parse(i Item) *Error {
	const want = `a map like {:events ["chat/*"] :uids #{"uid"} :dir :in}, or nil to end it`
	if Kind(i.Body) != KindMap {
		return badData(i, want)
	}
	var bad *Error
	for c := Elements(i.Body); bad == nil; {
		k, ok := c.Next()
		if !ok {
			break
		}
		v, _ := c.Next()
		switch key := string(k); {
		case isNil(v):
		case key == ":events":
			t.events, bad = patterns(i, key, v)
		case key == ":uids":
			t.uids, bad = patterns(i, key, v)
		case key == ":dir" && (string(v) == ":in" || string(v) == ":out"):
			t.dir = string(v)
		case key == ":dir" && (string(v) == `"in"` || string(v) == `"out"`): // JSON has no keywords
			t.dir = ":" + string(v[1:len(v)-1])
		default:
			bad = badData(i, want)
			if key != ":dir" {
				bad.Hint = "there is no key " + short(k) + "; known are :events, :uids and :dir"
			}
		}
	}
	return bad
}

// patterns reads a vector or set of names; one of events may be a keyword.
func patterns(i Item, key string, v []byte) ([]string, *Error) {
	wrong := func() *Error {
		return badData(i, fmt.Sprintf("a map whose %s is a vector or set of at most %d strings", key, maxPatterns))
	}
	if k := Kind(v); k != KindVector && k != KindSet && k != KindList {
		return nil, wrong()
	}
	all := []string{}
	for c := Elements(v); ; {
		e, ok := c.Next()
		if !ok {
			return all, nil
		}
		name, err := Unquote(e)
		if err != nil {
			if name, ok = keyword(e); !ok || key != ":events" {
				return nil, wrong()
			}
		}
		if all = append(all, name); len(all) > maxPatterns || len(name) > 1024 {
			return nil, wrong()
		}
	}
}

// put queues a packet for this peer, and shows it to those who look.
func (s *Session) put(p *packet, fl *flusher) (Status, int, error) { return s.putHeld(p, nil, fl) }

// putHeld is put for a send whose reply may wait.
func (s *Session) putHeld(p *packet, w *held, fl *flusher) (Status, int, error) {
	status, size, err := s.outbox.putHeld(p, w, fl)
	if list := s.hub.tails.Load(); list != nil && (err == nil && status != StatusBackpressure || err == errBlocked) {
		if p.shown == nil { // the same for all who get it
			p.shown = new(Item)
			*p.shown, _ = SplitValue(p.edn)
		}
		for _, t := range *list {
			t.sees(s, ":out", p.shown, fl)
		}
	}
	return status, size, err
}

// tailed shows what this peer has said to those who look.
func (s *Session) tailed(list *[]*tail, i Item) {
	for _, t := range *list {
		t.sees(s, ":in", &i, s.fl())
	}
}

var chskReply = []byte("chsk/reply")

// sees sends a row about an event of a peer, if this tail is to show it.
func (t *tail) sees(s *Session, dir string, i *Item, fl *flusher) {
	name := i.Name
	if i.Shape == ShapeReply {
		name = chskReply
	}
	if t.to == s || s.uid == "" || name == nil || t.dir != "" && t.dir != dir ||
		t.uids != nil && !slices.Contains(t.uids, s.uid) || !t.shows(string(name)) {
		return
	}
	if !t.to.roomForRow() {
		t.skipped.Add(1)
		return
	}
	skipped := t.skipped.Swap(0)
	status, _, err := t.to.outbox.put(&packet{edn: appendRow(dir, s.uid, name, i, skipped), name: "sente-lite/tailed"}, fl)
	if err != nil || status == StatusBackpressure {
		t.skipped.Add(skipped + 1)
	}
}

// shows reports whether events of a name are to be shown.
func (t *tail) shows(name string) bool {
	switch name {
	case "chsk/ws-ping", "chsk/ws-pong", "chsk/handshake", "sente-lite/hello", "sente-lite/ready",
		"sente-lite/ack", "sente-lite/credit":
		return false
	}
	return t.events == nil || slices.ContainsFunc(t.events, func(p string) bool { return Match(p, name) })
}

// roomForRow reports whether a peer's queue is less than half full: the rest is
// for what it is there for.
func (o *outbox) roomForRow() bool {
	f := &o.hub.settings.Load().Flow
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.q.events < (f.MaxBufferSize+1)/2 && o.q.bytes < (f.MaxBufferBytes+1)/2
}

func appendRow(dir, uid string, name []byte, i *Item, skipped int64) []byte {
	size := len(i.Event)
	if i.Shape == ShapeReply {
		size = len(i.Body)
	}
	hidden := isName(name, "sente-lite/configure") || isName(name, "sente-lite/spawn")
	whole := size <= maxTailed && !hidden
	b := make([]byte, 0, 128+len(uid)+min(size, maxTailed))
	b = append(append(append(b, "[:sente-lite/tailed {:at "...), strconv.FormatInt(now(), 10)...), " :dir "...)
	b = AppendString(append(append(b, dir...), " :uid "...), uid)
	b = append(b, " :event "...)
	switch {
	case i.Shape == ShapeReply:
		b = append(append(b, "[:chsk/reply "...), i.Call...)
		if whole {
			b = append(append(b, ' '), i.Body...)
		}
		b = append(b, ']')
	case whole:
		b = append(b, i.Event...)
	default:
		b = append(append(append(b, "[:"...), name...), ']')
	}
	if i.Shape == ShapeCall {
		b = append(append(b, " :cb "...), i.Call...)
	}
	if size > maxTailed && !hidden {
		b = strconv.AppendInt(append(b, " :bytes "...), int64(size), 10)
	}
	if skipped > 0 {
		b = strconv.AppendInt(append(b, " :skipped "...), skipped, 10)
	}
	return append(b, "}]"...)
}
