package pipe

import "sync"

// queued is one item on its way to a peer.
type queued struct {
	Message
	kind queueKind
	lane uint8
	free bool   // costs no credit
	name string // of the event, for policies and the ledger
	key  uint64 // whose place it may take: see FullCoalesce
	leg  uint64 // of a call: the hub's cb
	seq  uint64 // rises with each item of a queue
	at   int64  // ticks, when it was queued
}

// urgent reports whether it leaves at once, with everything before it.
func (m *queued) urgent() bool { return m.kind != kindEvent || m.leg != 0 }

// queueKind says whose allowance a queued item uses.
type queueKind uint8

const (
	kindEvent   queueKind = iota // an event or call: within MaxBufferSize and MaxBufferBytes
	kindOwed                     // the reply to a call, open, close: bounded by open calls and peers
	kindAnswer                   // an error, or a reply of the hub's own: bounded by maxAnswers
	kindControl                  // a ping or pong, an ack or credit, a greeting: ahead, and no item of the session's count
)

// A queue is what waits for one peer, in order. Its outbox guards it.
//
// The items of all lanes but the first wait in lists of their own, and come into
// the main one as they are written: so that is in the order of their numbers.
//
//	items: │ written, not acknowledged │ numbered, to be written again │ waiting │
//	       0                           next                            numbered
//
// Without recovery what is written is dropped once its write is done. What is
// being written still counts as queued.
type queue struct {
	items    fifo
	next     int // how many of items have been written over this link
	numbered int // and how many over any

	events, owed, bytes int // that wait or are being written, by kind; bytes of all
	keptBytes           int // of what is written and not acknowledged

	acked   uint64 // the number of the item before items
	seq     uint64
	first   [1]queued // room for the usual lone item, without an allocation
	lanes   []*fifo
	control fifo // ahead of everything
	fresh   fifo // what has come since the peer went away
}

// push puts an item behind all others of its lane.
func (q *queue) push(m *queued) *queued {
	q.seq++
	m.seq = q.seq
	q.count(m, 1)
	if m.lane > 0 {
		return q.list(m.lane).push(m)
	}
	if q.items.s == nil {
		q.items.s = q.first[:0]
	}
	return q.items.push(m)
}

// place makes room for one more item of the first lane, and returns it: an empty one.
func (q *queue) place() *queued {
	if f := &q.items; f.s != nil && len(f.s) == cap(f.s) {
		return f.push(&queued{})
	} else if f.s == nil {
		f.s = q.first[:1]
	} else {
		f.s = f.s[:len(f.s)+1]
	}
	return &q.items.s[len(q.items.s)-1]
}

// list is where new items of a lane wait.
func (q *queue) list(lane uint8) *fifo {
	if lane == 0 {
		return &q.items
	}
	for len(q.lanes) < int(lane) {
		q.lanes = append(q.lanes, new(fifo))
	}
	return q.lanes[lane-1]
}

// count notes that an item waits (1), or no longer does (-1).
func (q *queue) count(m *queued, by int) {
	q.bytes += by * len(m.Data)
	switch m.kind {
	case kindEvent:
		q.events += by
	case kindAnswer:
		q.owed += by
	}
}

// unwritten is how many items wait to be written.
func (q *queue) unwritten() int {
	n := q.items.len() - q.next + q.fresh.len()
	for i := range q.lanes {
		n += q.lanes[i].len()
	}
	return n
}

// all is how many items are held, written or not.
func (q *queue) all() int { return q.next + q.unwritten() }

// highest is the highest number that has been given, and will be to what waits.
func (q *queue) highest() uint64 { return q.acked + uint64(q.all()) }

// sent is the highest number of what has been written.
func (q *queue) sent() uint64 { return q.acked + uint64(q.numbered) }

// take moves an item of a lane to what has been written. One of the first lane is
// the next of items; others come into the main list before it.
func (q *queue) take(lane uint8) *queued {
	if lane > 0 {
		q.items.insert(q.next, q.lanes[lane-1].pop())
		q.numbered++
	} else if q.next == q.numbered {
		q.numbered++
	}
	m := q.items.at(q.next)
	q.next++
	q.keptBytes += len(m.Data)
	return m
}

// drop forgets the first n of items, which have been written: over an earlier link
// at least.
func (q *queue) drop(n int, gone func(*queued)) {
	for range n {
		m := q.items.at(0)
		if q.next > 0 {
			q.next--
			q.keptBytes -= len(m.Data)
		} else { // it waited to be written again
			q.count(m, -1)
		}
		gone(m)
		q.items.pop()
	}
	q.numbered -= n
	q.acked += uint64(n)
}

// leaves drops the n items that a write has taken, bytes long, where nothing is kept.
func (q *queue) leaves(n, bytes int) {
	q.items.skip(n)
	q.next -= n
	q.numbered -= n
	q.acked += uint64(n)
	q.keptBytes -= bytes
}

// again makes everything that was written wait again: the link has gone.
func (q *queue) again(inFlight written) {
	q.left(inFlight)
	for i := range q.next {
		q.count(q.items.at(i), 1)
	}
	q.next, q.keptBytes = 0, 0
}

// merge lets what has come while the peer was away wait with the rest.
func (q *queue) merge() {
	for q.fresh.len() > 0 {
		m := q.fresh.pop()
		q.count(&m, 1)
		q.list(m.lane).push(&m)
	}
	q.fresh.reset()
}

// oldest returns the item that has waited longest, or nil.
func (q *queue) oldest() *queued {
	var first *queued
	look := func(f *fifo, i int) {
		if i < f.len() {
			if m := f.at(i); first == nil || m.seq < first.seq {
				first = m
			}
		}
	}
	look(&q.items, q.next)
	for i := range q.lanes {
		look(q.lanes[i], 0)
	}
	look(&q.fresh, 0)
	return first
}

// floor is the least seq of what has not been written, or not acknowledged. It is
// beyond all where there is nothing.
func (q *queue) floor(acked bool) uint64 {
	least := q.seq + 1
	from := q.next
	if acked {
		from = 0
	}
	if len(q.lanes) > 0 { // only then is the main list not in the order of seq
		for i := from; i < q.numbered; i++ {
			least = min(least, q.items.at(i).seq)
		}
		from = max(from, q.numbered)
	}
	if from < q.items.len() {
		least = min(least, q.items.at(from).seq)
	}
	for i := range q.lanes {
		if q.lanes[i].len() > 0 {
			least = min(least, q.lanes[i].at(0).seq)
		}
	}
	if q.fresh.len() > 0 {
		least = min(least, q.fresh.at(0).seq)
	}
	return least
}

// victim takes out the oldest waiting plain event that is wanted, and returns it. It
// is one of the first lane only for another of that.
func (q *queue) victim(lane uint8, wanted func(*queued) bool) (out queued, ok bool) {
	var list *fifo
	at := 0
	look := func(f *fifo, i int) {
		for ; i < f.len(); i++ {
			m := f.at(i)
			if ok && m.seq > out.seq {
				return
			}
			if m.kind == kindEvent && m.leg == 0 && wanted(m) {
				list, at, out, ok = f, i, *m, true
				return
			}
		}
	}
	if lane == 0 {
		look(&q.items, q.numbered)
	}
	for _, l := range q.lanes {
		look(l, 0)
	}
	if ok {
		list.remove(at)
		q.count(&out, -1)
	}
	return out, ok
}

// cut takes out an item that waits, by its seq.
func (q *queue) cut(seq uint64, gone func(*queued)) {
	from := func(f *fifo, i int) int {
		for ; i < f.len(); i++ {
			if m := f.at(i); m.seq == seq {
				out := *m
				f.remove(i)
				q.count(&out, -1)
				gone(&out)
				return i
			}
		}
		return -1
	}
	if i := from(&q.items, q.next); i >= 0 {
		if i < q.numbered {
			q.numbered--
		}
		return
	}
	for _, l := range q.lanes {
		if from(l, 0) >= 0 {
			return
		}
	}
}

// each calls f with every item that is held.
func (q *queue) each(f func(*queued)) {
	for i := range q.items.len() {
		f(q.items.at(i))
	}
	for l := range q.lanes {
		for i := range q.lanes[l].len() {
			f(q.lanes[l].at(i))
		}
	}
	for i := range q.fresh.len() {
		f(q.fresh.at(i))
	}
}

// written is what a write has taken.
type written struct {
	items, events, owed, pings, bytes int
	control                           int // bytes
}

func (w *written) add(m *queued) {
	w.items++
	w.bytes += len(m.Data)
	switch m.kind {
	case kindEvent:
		w.events++
	case kindAnswer:
		w.owed++
	}
}

// left takes off what has left, or will have to leave again.
func (q *queue) left(w written) {
	q.events -= w.events
	q.owed -= w.owed
	q.bytes -= w.bytes
}

// maxAnswers is how much a peer may be owed that asks and does not read. It is
// closed (4001) then: to stop reading from it could deadlock it with us.
const maxAnswers = 10000

// A fifo is a list of items that is used up from its front. The zero value is an
// empty one. It holds no more than it needs once it is empty.
type fifo struct {
	s    []queued
	head int
}

func (f *fifo) len() int         { return len(f.s) - f.head }
func (f *fifo) at(i int) *queued { return &f.s[f.head+i] }

func (f *fifo) push(m *queued) *queued {
	if len(f.s) == 1 && cap(f.s) == 1 {
		run := runs.Get().(*[runLength]queued)
		n := copy(run[:], f.s)
		clear(f.s)
		f.s = run[:n]
	} else if len(f.s) == cap(f.s) && f.head >= len(f.s)/2 {
		n := copy(f.s, f.s[f.head:])
		clear(f.s[n:])
		f.s, f.head = f.s[:n], 0
	}
	f.s = append(f.s, *m)
	return &f.s[len(f.s)-1]
}

func (f *fifo) pop() queued {
	m := f.s[f.head]
	f.s[f.head] = queued{}
	f.head++
	if f.head == len(f.s) {
		f.reset()
	}
	return m
}

// skip drops the first n.
func (f *fifo) skip(n int) {
	clear(f.s[f.head : f.head+n])
	if f.head += n; f.head == len(f.s) {
		f.reset()
	}
}

func (f *fifo) insert(i int, m queued) {
	f.push(&queued{})
	tail := f.s[f.head+i:]
	copy(tail[1:], tail)
	tail[0] = m
}

func (f *fifo) remove(i int) {
	if i == 0 {
		f.pop()
		return
	}
	tail := f.s[f.head+i:]
	copy(tail, tail[1:])
	tail[len(tail)-1] = queued{}
	f.s = f.s[:len(f.s)-1]
}

func (f *fifo) reset() {
	clear(f.s[f.head:])
	if cap(f.s) == runLength {
		runs.Put((*[runLength]queued)(f.s[:runLength]))
	}
	f.s, f.head = nil, 0
}

// runs have room for what usually gathers in a queue between two writes.
const runLength = 256

var runs = sync.Pool{New: func() any { return new([runLength]queued) }}
