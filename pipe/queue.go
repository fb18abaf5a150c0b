package pipe

import "sync"

// queued is one message that waits to be written.
type queued struct {
	Message
	kind queueKind
}

// queueKind says whose allowance a queued message uses.
type queueKind uint8

const (
	kindEvent   queueKind = iota // an event or call: within MaxBufferSize and MaxBufferBytes
	kindOwed                     // the reply to a call, open, close, a greeting: bounded by open calls and peers
	kindAnswer                   // an error, or a reply of the hub's own: bounded by maxAnswers
	kindControl                  // a ping or pong: no item of the session's count
)

// A queue holds the messages that wait for one peer, in order. Its Session
// guards it. What is being written counts as queued until it has left.
type queue struct {
	items  []queued
	head   int       // of items
	events int       // of kindEvent, those being written included
	owed   int       // of kindAnswer, likewise
	bytes  int       // of all kinds, those being written included
	first  [2]queued // room for the usual lone event, without an allocation
}

func (q *queue) push(m queued) {
	if q.items == nil {
		q.items = q.first[:0]
	} else if len(q.items) == len(q.first) && cap(q.items) == len(q.first) {
		run := runs.Get().(*[runLength]queued)
		q.items = run[:copy(run[:], q.items)]
	}
	q.items = append(q.items, m)
	q.bytes += len(m.Data)
	switch m.kind {
	case kindEvent:
		q.events++
	case kindAnswer:
		q.owed++
	}
}

// runs have room for what usually gathers in a queue between two writes.
const runLength = 2 * writeSoon

var runs = sync.Pool{New: func() any { return new([runLength]queued) }}

// unshift puts a heartbeat ahead of everything that waits.
func (q *queue) unshift(m queued) {
	q.push(m)
	copy(q.items[q.head+1:], q.items[q.head:])
	q.items[q.head] = m
}

func (q *queue) waiting() int { return len(q.items) - q.head }

// maxAnswers is how much a peer may be owed that asks and does not read. It is
// closed (4001) then: to stop reading from it could deadlock it with us.
const maxAnswers = 10000

// writeSoon is how many events gather before their sender writes them without
// waiting for the end of its turn.
const writeSoon = 128

// What one write takes at the most. Large enough to be worth a system call,
// small enough that a stalled peer's last write does not hold much.
const (
	writeBytes = 256 << 10
	writeItems = 512
)

// take appends what the next write takes to batch, and what it was to sum.
func (q *queue) take(batch []Message, sum *written) []Message {
	size := 0
	for q.head < len(q.items) && len(batch) < writeItems {
		m := &q.items[q.head]
		if size > 0 && size+len(m.Data) > writeBytes {
			break
		}
		size += len(m.Data)
		batch = append(batch, m.Message)
		sum.bytes += len(m.Data)
		switch m.kind {
		case kindEvent:
			sum.events++
		case kindAnswer:
			sum.owed++
		}
		if m.kind == kindControl {
			sum.pings++
		} else {
			sum.items++
		}
		*m = queued{}
		q.head++
	}
	if q.head == len(q.items) { // an idle peer holds no more than it needs
		if cap(q.items) == runLength {
			runs.Put((*[runLength]queued)(q.items[:runLength]))
		}
		q.head, q.items = 0, nil
	} else if q.head > 1024 && q.head > len(q.items)/2 {
		n := copy(q.items, q.items[q.head:])
		clear(q.items[n:])
		q.items, q.head = q.items[:n], 0
	}
	return batch
}

// written is what a write took out of a queue.
type written struct {
	events, owed, pings, items, bytes int
}

// left takes off what has left.
func (q *queue) left(w written) {
	q.events -= w.events
	q.owed -= w.owed
	q.bytes -= w.bytes
}
