package pipe

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// Recovery, both ways (contract section 5): a peer whose hello said :recover true may
// lose its link and come back within Recovery.Window. Both sides count the items of
// each direction and keep what the other has not acknowledged, so nothing is lost,
// doubled or reordered.

const (
	ackItems = 32          // that are acknowledged at once
	ackAfter = time.Second // after which fewer are
	// ackPatience is how long a peer that owes acknowledgements holds up what is to be
	// written when as much as may be kept is unacknowledged. Then the oldest is kept no
	// longer.
	ackPatience = 2 * time.Second
)

// recoverable reports whether the session may be resumed.
func (s *Session) recoverable() bool { return s.keep && !s.uncounted }

// comesBack reports whether the end of a link leaves the session: it does unless one
// of us has meant it to end.
func (s *Session) comesBack(err error) bool {
	if !s.greeted || !s.recoverable() || s.departed || s.bye != nil {
		return false
	}
	if _, shut := s.isShut(); shut {
		return false
	}
	var c Closed
	return !errors.As(err, &c) || c.Code != CloseNormal && c.Code < 4500
}

// goAway takes the link off. The session waits for another. Its handling is held.
func (s *Session) goAway(r Reason) {
	s.mu.Lock()
	s.awaySince = time.Now()
	s.mu.Unlock()
	s.awayFor = r
	s.countAway(1)
	s.hub.log.Debug("peer away", "uid", s.uid, "code", r.Code)
	s.detach()
	s.hub.clock.stop(&s.ackAlarm)
	if r, shut := s.isShut(); shut { // just now, while it had the link still
		s.finishLocked(r, whyOf(r))
		return
	}
	s.expires(s.hub.settings.Load().Flow.Recovery.Window)
}

// expires ends the session after a while, unless its peer is back by then. The handling
// is held.
func (s *Session) expires(after time.Duration) {
	s.awayUntil = time.Now().Add(after)
	if s.expiry.ring == nil {
		s.expiry.ring = func() { s.hub.goroutine(s.lapsed) }
	}
	s.hub.clock.set(&s.expiry, after)
}

// countAway notes that a client is away (1) or no more (-1). The handling is held.
func (s *Session) countAway(by int64) {
	if s.role == RoleClient && s.isAway == (by < 0) {
		s.isAway = by > 0
		s.hub.away.Add(by)
	}
}

// makeRoom ends the session of the client that has been away longest, where there are
// as many as there may be: who is there comes before who may come back.
func (h *Hub) makeRoom() {
	if h.away.Load() == 0 || h.clients.Load() < int64(h.settings.Load().Flow.MaxPeers) {
		return
	}
	var oldest *Session
	var since time.Time
	h.mu.RLock()
	for _, s := range h.resumable {
		s.mu.Lock()
		at := s.awaySince
		s.mu.Unlock()
		if s.role == RoleClient && !at.IsZero() && (oldest == nil || at.Before(since)) {
			oldest, since = s, at
		}
	}
	h.mu.RUnlock()
	if oldest != nil {
		oldest.expire()
	}
}

// detach takes the link off the outbox: what it has written and what was not
// acknowledged waits again.
func (o *outbox) detach() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.l == nil {
		return
	}
	o.forgetControl()
	o.q.again(o.l.flight)
	o.l.flight = written{}
	o.l = nil
	o.dirty = false
	o.window.last, o.window.at, o.window.urgent = 0, time.Time{}, false // its alarm is the clock's
	o.hub.clock.stop(&o.ackLate)
	o.ackBy, o.late = time.Time{}, false
	o.admitAway()
}

// expire ends a session whose peer has not come back.
func (s *Session) expire() {
	s.handling.Lock()
	defer s.handling.Unlock()
	s.expireLocked()
}

func (s *Session) expireLocked() {
	if s.l == nil {
		s.finishLocked(s.awayFor, whyExpired)
	}
}

// lapsed is expire for the alarm, which may be that of an earlier time away.
func (s *Session) lapsed() {
	s.handling.Lock()
	defer s.handling.Unlock()
	if !time.Now().Before(s.awayUntil) {
		s.expireLocked()
	}
}

// keepAway queues an item for a peer that is away: the latest of them. The lock is held.
func (o *outbox) keepAway(m *queued, p *packet) (Status, error) {
	f := &o.hub.settings.Load().Flow
	full := o.q.fresh.len() >= max(0, f.Recovery.MaxMsgs)
	if o.spilled > 0 || full && m.kind == kindEvent && f.policy(m.name) == FullQueue && o.hub.store() != nil {
		if err := o.spillOver(m, p); err == nil {
			return StatusOK, nil
		} else if o.spilled > 0 && m.kind == kindEvent { // it is not to pass what is there
			return StatusBackpressure, nil
		}
	}
	if o.counted && !o.hub.Take(len(m.Data)) {
		return "", errBusy
	}
	m.at = ticks()
	o.keepFresh(m, p.edn)
	return StatusOK, nil
}

// keepFresh puts an item, whose bytes have been taken, behind what has come since the peer
// went away. The lock is held.
func (o *outbox) keepFresh(m *queued, edn []byte) {
	f := &o.hub.settings.Load().Flow
	o.accepted++
	o.q.seq++
	m.seq = o.q.seq
	o.keepNote(o.q.fresh.push(m), edn)
	o.freshSize += len(m.Data)
	for o.q.fresh.len() > max(0, f.Recovery.MaxMsgs) || o.freshSize > f.MaxBufferBytes {
		old := o.q.fresh.pop()
		o.freshSize -= len(old.Data)
		o.lost++
		o.lose(&old, whyOverwritten)
	}
}

// unackedFull reports whether nothing new is to be written until the peer has
// acknowledged something. One that does not in time loses what is kept for it. The
// lock is held.
func (o *outbox) unackedFull() bool {
	if !o.keep || o.q.next < o.q.numbered {
		return false
	}
	if !o.keepsAll() {
		return false
	}
	if !o.late {
		if o.ackBy.IsZero() {
			o.ackBy = time.Now().Add(ackPatience)
			if o.ackLate.ring == nil {
				o.ackLate.ring = o.ackOverdue
			}
			o.hub.clock.set(&o.ackLate, ackPatience)
		}
		return true
	}
	for o.keepsAll() {
		o.q.drop(1, func(m *queued) { o.lose(m, whyOverwritten) })
	}
	if store := o.hub.store(); store != nil { // lose knows of one less
		store.Gone(o.key, o.q.acked)
	}
	return false
}

// keepsAll reports whether as much is kept that is not acknowledged as may be. The lock
// is held.
func (o *outbox) keepsAll() bool {
	f := &o.hub.settings.Load().Flow
	// Fewer than twice what is acknowledged at once would have to wait a second each time.
	most := max(f.MaxBufferSize, 2*ackItems)
	return o.q.next > 0 && (o.q.next >= most || o.q.keptBytes >= f.MaxBufferBytes)
}

// ackOverdue goes on without an acknowledgement, if none has come for as long as that.
func (o *outbox) ackOverdue() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ackBy.IsZero() || o.l == nil || time.Now().Before(o.ackBy) {
		return
	}
	o.ackBy, o.late = time.Time{}, true
	o.write(nil)
}

// acknowledged handles [:sente-lite/ack n].
func (s *Session) acknowledged(i Item) {
	n, err := strconv.ParseUint(string(i.Body), 10, 64)
	if err != nil {
		s.reject(i, badData(i, "the highest number that was received, like [:sente-lite/ack 41]"))
		return
	}
	if !s.keep {
		return // it has not asked for recovery, and nothing is kept for it
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if sent := s.q.sent(); n > sent {
		s.mu.Unlock()
		s.reject(i, &Error{Category: Incorrect, Code: "ack-ahead", Event: string(i.Name),
			Msg: fmt.Sprintf("an ack of %d; the highest number that was given to this peer is %d", n, sent)})
		s.mu.Lock()
		return
	}
	s.ackedTo(n)
	if s.q.unwritten() > 0 {
		s.mark(s.fl())
	}
	if len(s.waiters) > 0 {
		s.tellWaiters(false)
	}
}

// ackedTo drops what the peer has. The lock is held.
func (o *outbox) ackedTo(n uint64) {
	if n <= o.q.acked {
		return
	}
	o.late = false
	if !o.ackBy.IsZero() { // they do come: the next wait is a new one
		o.ackBy = time.Time{}
		o.hub.clock.stop(&o.ackLate)
	}
	store := o.hub.store()
	var seqs []uint64
	o.q.drop(int(n-o.q.acked), func(m *queued) {
		o.release(m)
		o.delivered++
		if store != nil {
			seqs = append(seqs, m.seq)
		}
	})
	if store != nil {
		store.Gone(o.key, o.q.acked, seqs...)
	}
}

// count counts an item of the peer's: name is nil where it is none that could be
// taken apart. It reports false where that was more than its credit.
func (s *Session) count(name []byte) bool {
	s.got()
	return s.costs(name)
}

// got is count for what costs no credit. What came before hello is not counted.
func (s *Session) got() {
	if !s.greeted {
		return
	}
	s.received.Add(1)
	if s.keep {
		s.oweAck()
	}
}

// oweAck sees to it that what has been received is acknowledged: after 32 items, at
// the end of a turn, or 1 s.
func (s *Session) oweAck() {
	switch n := s.received.Load() - s.ackedIn; {
	case n == 1:
		if s.ackAlarm.ring == nil {
			s.ackAlarm.ring = func() { s.hub.goroutine(s.ackNow) }
		}
		s.hub.clock.set(&s.ackAlarm, ackAfter)
	case n >= ackItems:
		s.ackDue = true
	}
}

// ack acknowledges what has been received. The session's handling is held.
func (s *Session) ack(fl *flusher) {
	n := s.received.Load()
	s.ackDue = false
	if !s.keep || n == s.ackedIn || s.l == nil || s.uncounted {
		return
	}
	s.ackedIn = n
	s.outbox.put(&packet{edn: append(strconv.AppendUint([]byte("[:sente-lite/ack "), n, 10), ']'), kind: kindControl}, fl)
}

func (s *Session) ackNow() {
	s.handling.Lock()
	defer s.handling.Unlock()
	if s.departed || s.l == nil {
		return
	}
	var fl flusher
	s.ack(&fl)
	fl.flush()
}

// noteReceived ends a turn of a link's: what it has brought is acknowledged, and
// noted for the next process.
func (s *Session) noteReceived(l *link) {
	if !s.keep {
		return
	}
	s.handling.Lock()
	defer s.handling.Unlock()
	if s.l != l {
		return
	}
	if store := s.hub.store(); store != nil && s.received.Load() != s.noted {
		s.noted = s.received.Load()
		store.Received(s.key, s.noted)
	}
	if s.ackDue {
		s.ack(&l.fl)
	}
}

// An outcome is what became of the wish to resume a session.
type outcome struct {
	s      *Session // the session, where it was resumed
	uid    string   // of the one that could not be, for the new one
	reason string   // why not
	missed uint64
	known  bool // missed is
	stale  bool // a later link of the peer was here before this one
}

// sessionKey is what a session is known by: its id is kept nowhere else than in the
// session itself.
func sessionKey(id string) SessionKey { return sha256.Sum256([]byte(id)) }

// resume gives a link to the session that its hello names, or says why not. Where that
// is still there it ends. With the session comes its handling lock.
func (l *link) resume(hello Hello, cred credential) outcome {
	h := l.hub
	key := sessionKey(hello.Session)
	h.mu.RLock()
	s := h.resumable[key]
	h.mu.RUnlock()
	if s == nil {
		return h.past.find(key, cred, hello.Seen)
	}
	if !s.cred.admits(cred) {
		return outcome{reason: "credentials"}
	}
	s.handling.Lock()
	if r, shut := s.isShut(); shut { // by us, a moment ago
		s.finishLocked(r, whyOf(r))
	}
	if s.departed {
		s.handling.Unlock()
		return h.past.find(key, cred, hello.Seen)
	}
	if l.number < s.newest {
		// The peer has given this link up: its hello has taken longer than that of the
		// next, and knows less.
		s.handling.Unlock()
		return outcome{stale: true}
	}
	s.newest = l.number
	if why := s.takeOver(l, hello); why != "" {
		missed := s.missed(hello.Seen)
		reason := Reason{CloseReplaced, "replaced by a new session of the same client"}
		old := s.l
		s.finishLocked(reason, whyNotResumed)
		s.handling.Unlock()
		if old != nil {
			old.conn.Close(reason)
		}
		return outcome{uid: s.uid, reason: why, missed: missed, known: true}
	}
	return outcome{s: s}
}

// missed is how many items a peer has not got that has seen n.
func (o *outbox) missed(seen uint64) uint64 {
	high := o.highest()
	return high - min(seen, high)
}

// highest is the highest number that was given, or would have been to what waits and to
// what came while the peer was away.
func (o *outbox) highest() uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.q.highest() + o.lost + uint64(o.spilled)
}

// takeOver closes the link that there is and makes way for l, with what the peer has not
// seen waiting to be written: see resumed. Or it says why not. The handling is held.
func (s *Session) takeOver(l *link, hello Hello) (why string) {
	s.mu.Lock()
	switch {
	case s.uncounted:
		why = "uncounted"
	case hello.Seen > s.q.sent() && !s.stored:
		why = "ahead"
	case hello.Seen > s.q.highest():
		why = "ahead"
	case s.lost > 0 || hello.Seen < s.q.acked:
		why = "overwritten"
	}
	s.mu.Unlock()
	if why != "" {
		return why
	}
	if old := s.l; old != nil {
		s.detach()
		old.probe.end(s.hub)
		s.hub.goroutine(func() { old.conn.Close(Reason{CloseReplaced, "another link has resumed this session"}) })
	}
	s.hub.clock.stop(&s.expiry)
	s.countAway(-1)
	s.ackedIn, s.ackDue = s.received.Load(), false // the greeting says it
	s.hub.clock.stop(&s.ackAlarm)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.awaySince = time.Time{}
	if n := int(hello.Seen - s.q.acked); n > s.q.numbered { // an earlier process had written it
		s.q.numbered = n
	}
	s.ackedTo(hello.Seen)
	s.stored = false
	return ""
}
