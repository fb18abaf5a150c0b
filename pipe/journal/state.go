package journal

import (
	"slices"

	"github.com/sente-lite/sente-lite/pipe"
)

// A session is what the log says of one: all but its items, and where those are.
type session struct {
	pipe.StoredSession // without Items and Spilled
	slot               uint64
	active             int64 // ms, of the last frame with a note about it
	items              refs
	at                 spilled // as an earlier process left it; see spill for ours
	spill              *spill  // nil: none was opened
}

// headSize is about what the session takes in a log without its items.
func (x *session) headSize() int64 {
	n := 120 + len(x.UID) + len(x.ClientID) + len(x.Credential)
	for _, c := range x.Channels {
		n += len(c) + 2
	}
	return int64(n)
}

// subscribe returns what it adds to headSize.
func (x *session) subscribe(channel string, on bool) int64 {
	i := slices.Index(x.Channels, channel)
	switch {
	case on && i < 0:
		x.Channels = append(x.Channels, channel)
		return int64(len(channel) + 2)
	case !on && i >= 0:
		x.Channels = slices.Delete(x.Channels, i, i+1)
		return -int64(len(channel) + 2)
	}
	return 0
}

// A ref is where an item's record is in the log. The offset of one that was not
// written yet is where it will be: frames keep their places.
type ref struct {
	seq  uint64
	off  int64
	size int32 // 0: it has gone
}

// refs are a session's items in their order, which is that of the log.
type refs struct {
	list []ref
	head int // of list
	live int
	bag  bool // numbers have not risen always: they cannot be searched for
}

func (q *refs) push(r ref) {
	if len(q.list) > q.head && q.list[len(q.list)-1].seq >= r.seq {
		q.bag = true
	}
	q.list = append(q.list, r)
	q.live++
}

// gone takes an item out and returns the bytes it had in the log.
func (q *refs) gone(seq uint64) int64 {
	i := q.find(seq)
	if i < 0 {
		return 0
	}
	size := q.list[i].size
	q.list[i].size = 0
	q.live--
	for q.head < len(q.list) && q.list[q.head].size == 0 {
		q.head++
	}
	switch waiting := len(q.list) - q.head; {
	case waiting == 0:
		q.head, q.bag = 0, false
		if q.list = q.list[:0]; cap(q.list) > 256 { // an idle session holds little
			q.list = nil
		}
	case waiting > 2*q.live+64 || q.head > 64 && q.head > waiting:
		kept := q.list[:0]
		for _, r := range q.list[q.head:] {
			if r.size > 0 {
				kept = append(kept, r)
			}
		}
		q.list, q.head = kept, 0
	}
	return int64(size)
}

// find looks at the oldest first, which are the ones to go.
func (q *refs) find(seq uint64) int {
	for i := q.head; i < len(q.list) && (q.bag || i < q.head+4); i++ {
		if q.list[i].seq == seq && q.list[i].size > 0 {
			return i
		}
	}
	if q.bag {
		return -1
	}
	i, ok := slices.BinarySearchFunc(q.list[q.head:], seq, func(r ref, seq uint64) int {
		switch {
		case r.seq < seq:
			return -1
		case r.seq > seq:
			return 1
		}
		return 0
	})
	if i += q.head; ok && q.list[i].size > 0 {
		return i
	}
	return -1
}

// state is everything that is live. The same changes are made to it by notes
// and by the frames of a log that is read.
type state struct {
	sessions map[pipe.SessionKey]*session
	slots    uint64 // the last one given
	live     int64  // bytes of the log that a compacted one would have too
}

// begin gives a session a slot, or its new particulars.
func (st *state) begin(slot uint64, s *pipe.StoredSession, now int64) *session {
	x := st.sessions[s.Key]
	if x == nil {
		x = &session{slot: slot}
		st.sessions[s.Key] = x
		st.slots = max(st.slots, slot)
	} else {
		st.live -= x.headSize()
	}
	x.StoredSession = *s
	x.Items, x.Spilled = nil, 0
	x.Channels = slices.Clone(s.Channels)
	x.active = max(x.active, now)
	st.live += x.headSize()
	return x
}

func (st *state) queued(x *session, r ref, now int64) {
	x.items.push(r)
	x.active = max(x.active, now)
	st.live += int64(r.size)
}

func (st *state) gone(x *session, acked uint64, seqs []uint64, now int64) {
	x.Acked = max(x.Acked, acked)
	x.active = max(x.active, now)
	for _, seq := range seqs {
		st.live -= x.items.gone(seq)
	}
}

func (st *state) received(x *session, n uint64, now int64) {
	x.Received = max(x.Received, n)
	x.active = max(x.active, now)
}

func (st *state) subscribed(x *session, channel string, on bool, now int64) {
	st.live += x.subscribe(channel, on)
	x.active = max(x.active, now)
}

func (st *state) ended(x *session) {
	st.live -= x.headSize()
	for _, r := range x.items.list[x.items.head:] {
		st.live -= int64(r.size)
	}
	delete(st.sessions, x.Key)
}

// inOrder gives all sessions in the order of their coming.
func (st *state) inOrder() []*session {
	all := make([]*session, 0, len(st.sessions))
	for _, x := range st.sessions {
		all = append(all, x)
	}
	slices.SortFunc(all, func(a, b *session) int {
		if a.slot < b.slot {
			return -1
		}
		return 1
	})
	return all
}
