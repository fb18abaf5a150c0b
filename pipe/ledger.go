package pipe

import (
	"maps"
	"slices"
	"strconv"
	"sync"
)

// why an event was not delivered.
type why string

const (
	whyDropOldest  why = "drop-oldest" // see FullPolicy
	whyDropNewest  why = "drop-newest"
	whyCoalesce    why = "coalesce"
	whyDisconnect  why = "disconnect"
	whyClosed      why = "closed"      // it was queued, and the peer went
	whyKicked      why = "kicked"      // likewise, and we sent it away
	whyShutdown    why = "shutdown"    // likewise, and we ended
	whyExpired     why = "expired"     // the peer did not come back in time
	whyOverwritten why = "overwritten" // too much came while it was away, or nothing was acknowledged
	whyNotResumed  why = "not-resumed" // it came back with what cannot be resumed
	whyDamaged     why = "damaged"     // what was spilled cannot be read any more
	whyUnfit       why = "unfit"       // the form of one of several receivers cannot carry it
)

// The ledger has a row for every event that was accepted and not delivered, and the
// totals of those who have gone. Sums are exact for ever; of rows and names the
// latest are kept.
//
// Its lock is taken under an outbox's.
type ledger struct {
	mu   sync.Mutex
	rows []row // a ring once it is full
	head int
	lost uint64 // rows that are kept no longer
	whys map[why]uint64
	past books                  // of all who have gone
	gone recent[string, *books] // of them, by uid
}

// A row is one event that was not delivered.
type row struct {
	event, peer string
	why         why
	at          int64
}

// books are the sums of a peer: accepted = delivered + queued + undelivered.
type books struct{ accepted, delivered, undelivered uint64 }

func (b *books) add(o books) {
	b.accepted += o.accepted
	b.delivered += o.delivered
	b.undelivered += o.undelivered
}

const (
	maxRows = 10_000
	maxPast = 1000 // uids of those who have gone
)

// note enters a row.
func (l *ledger) note(peer, event string, w why) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := row{event, peer, w, now()}
	if l.whys == nil {
		l.whys = map[why]uint64{}
	}
	l.whys[w]++
	if len(l.rows) < maxRows {
		l.rows = append(l.rows, r)
		return
	}
	l.lost++
	l.rows[l.head] = r
	l.head = (l.head + 1) % maxRows
}

// close keeps the sums of a peer that has gone.
func (l *ledger) close(uid string, b books) {
	if b == (books{}) {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.past.add(b)
	if old := l.gone.known[uid]; old != nil {
		old.add(b)
		return
	}
	l.gone.put(uid, &b, maxPast)
}

// undeliveredAlone counts an event that never came into a queue as accepted, and not
// delivered.
func (s *Session) undeliveredAlone(event string, w why) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.accepted++
	s.undelivered++
	s.hub.ledger.note(s.uid, event, w)
}

// A ledgerQuery is what :sente-lite/ledger asks for.
type ledgerQuery struct {
	peer, why string // "" for all
	limit     int
}

// ownerLedger handles :sente-lite/ledger {:peer "uid" :why :closed :limit 100}.
func (s *Session) ownerLedger(i Item) *Error {
	const want = `a map like {:peer "uid" :why :closed :limit 100}; every key may be left out`
	q := ledgerQuery{limit: 100}
	if i.Body != nil && !isNil(i.Body) {
		if Kind(i.Body) != KindMap {
			return badData(i, want)
		}
		for c := Elements(i.Body); ; {
			k, ok := c.Next()
			if !ok {
				break
			}
			v, _ := c.Next()
			switch string(k) {
			case ":peer":
				uid, err := Unquote(v)
				if err != nil {
					return badData(i, want)
				}
				q.peer = uid
			case ":why":
				name, ok := keyword(v)
				if text, err := Unquote(v); err == nil { // JSON has no keywords
					name, ok = text, true
				}
				if !ok {
					return badData(i, want)
				}
				q.why = name
			case ":limit":
				n, err := strconv.Atoi(string(v))
				if err != nil || n < 0 || n > maxRows {
					return badData(i, "a map whose :limit is a whole number up to "+strconv.Itoa(maxRows))
				}
				q.limit = n
			default:
				bad := badData(i, want)
				bad.Hint = "there is no key " + short(k) + "; known are :peer, :why and :limit"
				return bad
			}
		}
	}
	if i.Call != nil {
		s.answer(i.Call, s.hub.appendLedger(nil, q))
	}
	return nil
}

// appendLedger appends the reply of :sente-lite/ledger.
func (h *Hub) appendLedger(b []byte, q ledgerQuery) []byte {
	peers, queued := map[string]*books{}, map[string]uint64{}
	var waiting uint64
	l := &h.ledger
	// First those who have gone: who goes now is then counted once at the most.
	l.mu.Lock()
	total := l.past
	for uid, past := range l.gone.known {
		sum := *past
		peers[uid] = &sum
	}
	l.mu.Unlock()
	for _, s := range h.everyone() {
		s.mu.Lock()
		own, n := books{s.accepted, s.delivered, s.undelivered}, s.accepted-s.delivered-s.undelivered
		uid := s.uid
		s.mu.Unlock()
		if peers[uid] == nil {
			peers[uid] = &books{}
		}
		peers[uid].add(own)
		queued[uid] += n
		total.add(own)
		waiting += n
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	b = append(b, "{:rows ["...)
	var picked []*row
	for n := range l.rows {
		r := &l.rows[len(l.rows)-1-n]
		if len(l.rows) == maxRows {
			r = &l.rows[(l.head+maxRows-1-n)%maxRows]
		}
		if len(picked) >= q.limit {
			break
		}
		if (q.peer == "" || r.peer == q.peer) && (q.why == "" || string(r.why) == q.why) {
			picked = append(picked, r)
		}
	}
	for n, r := range slices.Backward(picked) {
		b = append(b, "{:event-id "...)
		if r.event == "" {
			b = append(b, "nil"...)
		} else {
			b = append(append(b, ':'), r.event...)
		}
		b = AppendString(append(b, " :peer "...), r.peer)
		b = append(append(b, " :why :"...), r.why...)
		b = append(strconv.AppendInt(append(b, " :at "...), r.at, 10), '}')
		if n > 0 {
			b = append(b, ' ')
		}
	}
	b = append(b, "] :totals "...)
	b = append(total.append(b, waiting), " :why {"...)
	for n, w := range slices.Sorted(maps.Keys(l.whys)) {
		if n > 0 {
			b = append(b, ' ')
		}
		b = strconv.AppendUint(append(append(append(b, ':'), w...), ' '), l.whys[w], 10)
	}
	b = append(b, "} :peers {"...)
	first := true
	for _, uid := range slices.Sorted(maps.Keys(peers)) {
		if q.peer != "" && uid != q.peer {
			continue
		}
		if !first {
			b = append(b, ' ')
		}
		first = false
		b = peers[uid].append(append(AppendString(b, uid), ' '), queued[uid])
	}
	return append(strconv.AppendUint(append(b, "} :lost-rows "...), l.lost, 10), '}')
}

func (t books) append(b []byte, queued uint64) []byte {
	b = strconv.AppendUint(append(b, "{:accepted "...), t.accepted, 10)
	b = strconv.AppendUint(append(b, " :delivered "...), t.delivered, 10)
	b = strconv.AppendUint(append(b, " :queued "...), queued, 10)
	return append(strconv.AppendUint(append(b, " :undelivered "...), t.undelivered, 10), '}')
}
