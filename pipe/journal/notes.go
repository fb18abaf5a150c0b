package journal

import (
	"encoding/binary"
	"fmt"

	"github.com/sente-lite/sente-lite/pipe"
)

// prefix is what comes before a frame's notes: its own first bytes, and the ms
// of its first note.
const prefix = frameSize + 8

// room makes the open frame ready for n bytes more, and says no where notes are
// no longer taken. It bounds what waits: by MaxBuffered behind a Commit that has
// failed, and by what one frame may have else. s.mu is held.
func (s *Store) room(n int) bool {
	if s.lost != nil {
		return false
	}
	if s.failed && s.held+len(s.frame)+n > s.o.MaxBuffered {
		s.giveUp(fmt.Errorf("journal: gave up keeping sessions in %s: more than %d bytes of notes wait for a disk that takes none: make room on it and start again (%w)", s.dir, s.o.MaxBuffered, ErrFull))
		return false
	}
	if len(s.frame)+n > maxFrame-frameReserve {
		s.giveUp(fmt.Errorf("journal: gave up keeping sessions in %s: more than %d bytes of notes in one commit (%w)", s.dir, maxFrame, ErrFull))
		return false
	}
	if len(s.frame) == 0 {
		s.now = s.o.Now().UnixMilli()
		s.frame = append(s.frame, make([]byte, frameSize)...)
		s.frame = binary.LittleEndian.AppendUint64(s.frame, uint64(s.now))
	}
	return true
}

// frameReserve is for the places of spills, which are noted when a frame ends.
const frameReserve = 32 << 20

// giveUp drops what is not committed. Whole frames that wait are still written.
func (s *Store) giveUp(why error) {
	s.lost, s.frame = why, nil
	s.o.Log.Error("gave up keeping sessions", "err", why)
}

// refuse has the next Commit say what was not noted.
func (s *Store) refuse(format string, args ...any) {
	if s.notes == nil {
		s.notes = fmt.Errorf("journal: "+format+" (%w)", append(args, ErrFull)...)
	}
}

// Begin implements pipe.Store.
func (s *Store) Begin(b pipe.StoredSession) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.state.sessions[b.Key]
	size := 256 + len(b.UID) + len(b.ClientID) + len(b.Role) + len(b.Credential)
	for _, c := range b.Channels {
		size += len(c) + binary.MaxVarintLen64
	}
	switch {
	case x == nil && len(s.state.sessions) >= s.o.MaxSessions:
		s.refuse("a session was not kept in %s: there are %d, which is as many as may be", s.dir, s.o.MaxSessions)
		return
	case size > maxText || len(b.Channels) > maxChannels:
		s.refuse("a session of %q was not kept in %s: it has %d bytes and %d channels, at most %d and %d are kept", clip(b.UID), s.dir, size, len(b.Channels), maxText, maxChannels)
		return
	case !s.room(size):
		return
	}
	slot := s.state.slots + 1
	if x != nil {
		slot = x.slot
	}
	x = s.state.begin(slot, &b, s.now)
	x.Credential = append([]byte(nil), b.Credential...)
	s.frame = appendBegin(s.frame, slot, &x.StoredSession, 0)
}

// Queued implements pipe.Store. It keeps none of the item's bytes.
func (s *Store) Queued(key pipe.SessionKey, item pipe.StoredItem) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.state.sessions[key]
	size := itemSize(&item)
	switch {
	case x == nil:
		return
	case len(item.Name) > maxText || len(item.EDN) > maxItem:
		s.refuse("an item was not kept in %s: its name has %d bytes, its text %d; at most %d and %d are kept", s.dir, len(item.Name), len(item.EDN), maxText, maxItem)
		return
	case !s.room(size):
		return
	}
	at := len(s.frame)
	s.frame = appendSlot(s.frame, recQueued, x.slot)
	s.frame = appendItem(s.frame, &item)
	s.state.queued(x, ref{seq: item.Seq, off: s.end + int64(at), size: int32(len(s.frame) - at)}, s.now)
	if x.spill != nil {
		x.spill.queued(item.Seq)
	}
}

// maxItem bounds an item's text.
const maxItem = 256 << 20

// Gone implements pipe.Store.
func (s *Store) Gone(key pipe.SessionKey, acked uint64, seqs ...uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.state.sessions[key]
	if x == nil || !s.room((4+len(seqs))*binary.MaxVarintLen64) {
		return
	}
	s.frame = appendSlot(s.frame, recGone, x.slot)
	s.frame = binary.AppendUvarint(s.frame, acked)
	s.frame = binary.AppendUvarint(s.frame, uint64(len(seqs)))
	for _, seq := range seqs {
		s.frame = binary.AppendUvarint(s.frame, seq)
		if x.spill != nil {
			x.spill.gone(seq)
		}
	}
	s.state.gone(x, acked, seqs, s.now)
}

// Received implements pipe.Store.
func (s *Store) Received(key pipe.SessionKey, n uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.state.sessions[key]
	if x == nil || !s.room(3*binary.MaxVarintLen64) {
		return
	}
	s.frame = appendSlot(s.frame, recReceived, x.slot)
	s.frame = binary.AppendUvarint(s.frame, n)
	s.state.received(x, n, s.now)
}

// Subscribed implements pipe.Store.
func (s *Store) Subscribed(key pipe.SessionKey, channel string, on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.state.sessions[key]
	switch {
	case x == nil:
		return
	case on && (len(x.Channels) >= maxChannels || len(channel) > maxText):
		s.refuse("a subscription to %q was not kept in %s: a session keeps at most %d, of at most %d bytes", clip(channel), s.dir, maxChannels, maxText)
		return
	case !s.room(len(channel) + 4*binary.MaxVarintLen64):
		return
	}
	s.frame = appendSlot(s.frame, recSubscribed, x.slot)
	if on {
		s.frame = append(s.frame, 1)
	} else {
		s.frame = append(s.frame, 0)
	}
	s.frame = appendBytes(s.frame, channel)
	s.state.subscribed(x, channel, on, s.now)
}

// End implements pipe.Store. The spill's files are removed once that is on disk.
func (s *Store) End(key pipe.SessionKey) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.state.sessions[key]
	if x == nil || !s.room(2*binary.MaxVarintLen64) {
		return
	}
	s.frame = appendSlot(s.frame, recEnd, x.slot)
	s.state.ended(x)
	if x.spill != nil {
		x.spill.end()
	}
}

// clip is text for a message.
func clip(s string) string {
	if len(s) > 100 {
		return s[:100] + "…"
	}
	return s
}
