package pipe

import (
	"crypto/sha256"
	"encoding/binary"
	"strconv"
	"strings"
	"time"
)

// Keep gives the hub a Store. What an earlier process has left in it are peers that
// are away from now on, for as long as one that has just lost its link. The caller
// closes the Store after Shutdown.
func (h *Hub) Keep(store Store) error {
	left, err := store.Sessions()
	if err != nil {
		return err
	}
	h.stores.Store(&store)
	for _, st := range left {
		h.restore(store, st)
	}
	if len(left) > 0 {
		h.log.Info("sessions of an earlier process may be resumed", "count", len(left))
	}
	return store.Commit()
}

func (h *Hub) store() Store {
	if s := h.stores.Load(); s != nil {
		return *s
	}
	return nil
}

// commit brings what has been noted to the disk, before it is written to anybody.
func (h *Hub) commit(store Store) {
	if err := store.Commit(); err != nil {
		h.storeFailed("a crash would lose what waits", err)
	}
}

// storeFailed says so, once a minute at most: everything goes on without.
func (h *Hub) storeFailed(what string, err error) {
	last, at := h.complained.Load(), now()
	if at-last >= time.Minute.Milliseconds() && h.complained.CompareAndSwap(last, at) {
		h.log.Error("the data folder cannot be written; "+what, "error", err)
	}
}

// restore makes a peer of a session that an earlier process has left.
func (h *Hub) restore(store Store, st StoredSession) {
	cred, ok := parseCredential(st.Credential)
	window := h.settings.Load().Flow.Recovery.Window
	if !ok || window < 0 {
		n := uint64(len(st.Items) + st.Spilled)
		for range n {
			h.ledger.note(st.UID, "", whyShutdown)
		}
		h.ledger.close(st.UID, books{accepted: n, undelivered: n})
		store.End(st.Key)
		return
	}
	l := &link{hub: h, info: &ConnInfo{Transport: "away"}}
	s := newSession(h, l)
	s.outbox.l = nil
	s.greeted, s.keep, s.stored = true, true, true
	s.ours = true
	s.cred, s.key, s.role, s.since = &cred, st.Key, st.Role, st.Since.UnixMilli()
	s.info.SameUser, s.info.UserID = cred.same, cred.user
	s.counted = s.role != RoleOwner
	s.setNames(st.UID, st.ClientID)
	s.received.Store(st.Received)
	s.noted, s.ackedIn = st.Received, st.Received
	s.q.acked = st.Acked
	for _, it := range st.Items {
		m := restored(it)
		m.seq = it.Seq
		m.Message = Message{Data: it.EDN, Text: true}
		s.q.seq = max(s.q.seq, it.Seq)
		s.q.count(&m, 1)
		s.q.items.push(&m) // whatever its lane: they are in the order of their numbers
		s.accepted++
		if s.counted {
			h.held.Add(int64(len(m.Data)))
		}
	}
	if st.Spilled > 0 {
		if sp, err := store.Spill(st.Key); err == nil {
			s.spill = sp
			n, _ := sp.Len()
			s.spilled = n
			s.accepted += uint64(n)
		} else {
			h.log.Error("what was spilled cannot be read", "uid", st.UID, "error", err)
			s.accepted += uint64(st.Spilled)
			s.undelivered += uint64(st.Spilled)
			for range st.Spilled {
				h.ledger.note(st.UID, "", whyDamaged)
			}
		}
	}
	h.mu.Lock()
	h.sessions[s] = struct{}{}
	h.mu.Unlock()
	h.skipNumber(st.UID)
	h.register(s)
	h.mu.Lock()
	for _, id := range st.Channels {
		h.join(id, s)
	}
	h.mu.Unlock()
	s.awaySince = time.Now()
	s.countAway(1)
	s.awayFor = Reason{CloseLost, "the sidecar was started again"}
	s.expires(window)
}

// skipNumber sees to it that nobody gets a uid of our making that is a restored peer's.
func (h *Hub) skipNumber(uid string) {
	_, tail, ok := strings.Cut(uid, "/")
	n, err := strconv.ParseUint(tail, 10, 64)
	if !ok || err != nil {
		return
	}
	for now := h.numbers.Load(); now < n && !h.numbers.CompareAndSwap(now, n); now = h.numbers.Load() {
	}
}

// noteBegin tells the Store of a session that can be resumed.
func (s *Session) noteBegin() {
	if store := s.hub.store(); store != nil && s.keep {
		store.Begin(StoredSession{Key: s.key, UID: s.uid, ClientID: s.clientID, Role: s.role, Credential: s.cred.bytes(),
			Since: time.UnixMilli(s.since), Received: s.received.Load()})
	}
}

// A credential is what a session was begun with, and what it takes to resume it.
type credential struct {
	role  Role
	uid   string
	token [32]byte
	same  bool // the same user, over a Unix socket
	user  int
	disk  bool // as the Store has it: token is hashed once more
}

func (s *Session) credential() credential {
	c := credential{role: s.claimed(s.info.Claim), same: s.info.SameUser}
	if s.info.Transport == "unix" {
		c.user = s.info.UserID
	}
	if s.info.Claim != nil {
		c.uid, c.token = s.info.Claim.UID, s.info.Claim.token
	}
	return c
}

// bytes is the credential on disk: a token only as what it hashes to, once more.
func (c credential) bytes() []byte {
	again := sha256.Sum256(c.token[:])
	b := append([]byte(nil), again[:]...)
	b = binary.AppendVarint(b, int64(c.user))
	if c.same {
		b = append(b, 1)
	} else {
		b = append(b, 0)
	}
	return append(append(append(b, c.role...), 0), c.uid...)
}

func parseCredential(b []byte) (c credential, ok bool) {
	c.disk = true
	if len(b) < 32+1+1+1 {
		return c, false
	}
	copy(c.token[:], b)
	b = b[32:]
	user, n := binary.Varint(b)
	if n <= 0 || len(b) < n+2 {
		return c, false
	}
	c.user, c.same = int(user), b[n] == 1
	rest := string(b[n+1:])
	for i := range len(rest) {
		if rest[i] == 0 {
			c.role, c.uid = Role(rest[:i]), rest[i+1:]
			return c, c.role == RoleOwner || c.role == RoleClient
		}
	}
	return c, false
}

// admits reports whether c may resume what was begun with own.
func (own credential) admits(c credential) bool {
	if own.disk {
		c.token, c.disk = sha256.Sum256(c.token[:]), true
	}
	return own == c
}
