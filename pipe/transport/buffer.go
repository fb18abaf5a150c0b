package transport

import (
	"sync"

	"github.com/sente-lite/sente-lite/pipe"
)

// Buffers come in a few sizes, so that a pool can hand them on between Conns.
// The larger ones have room for a message of 64, 256 or 1024 KiB and its header;
// what is larger still is made to measure and left to the collector.
const (
	smallBuffer = 4 << 10
	largeBuffer = 64<<10 + 4<<10
	widerBuffer = 256<<10 + 4<<10
	hugeBuffer  = 1<<20 + 4<<10

	// freeBuffer is what a Conn may hold without asking its Budget.
	freeBuffer = largeBuffer
)

var (
	smallPool = sync.Pool{New: func() any { return new([smallBuffer]byte) }}
	largePool = sync.Pool{New: func() any { return new([largeBuffer]byte) }}
	widerPool = sync.Pool{New: func() any { return new([widerBuffer]byte) }}
	hugePool  = sync.Pool{New: func() any { return new([hugeBuffer]byte) }}
)

// bufferSize is the capacity that takeBuffer gives for n bytes.
func bufferSize(n int) int {
	switch {
	case n <= smallBuffer:
		return smallBuffer
	case n <= largeBuffer:
		return largeBuffer
	case n <= widerBuffer:
		return widerBuffer
	case n <= hugeBuffer:
		return hugeBuffer
	}
	return n
}

// largerBuffer is the size after n.
func largerBuffer(n int) int {
	if n >= hugeBuffer {
		return 4 * n
	}
	return bufferSize(n + 1)
}

// takeBuffer returns a buffer with a length, and capacity, of at least n.
func takeBuffer(n int) []byte {
	switch bufferSize(n) {
	case smallBuffer:
		return smallPool.Get().(*[smallBuffer]byte)[:]
	case largeBuffer:
		return largePool.Get().(*[largeBuffer]byte)[:]
	case widerBuffer:
		return widerPool.Get().(*[widerBuffer]byte)[:]
	case hugeBuffer:
		return hugePool.Get().(*[hugeBuffer]byte)[:]
	}
	return make([]byte, n)
}

// giveBuffer takes back what takeBuffer gave.
func giveBuffer(b []byte) {
	switch b = b[:cap(b)]; cap(b) {
	case smallBuffer:
		smallPool.Put((*[smallBuffer]byte)(b))
	case largeBuffer:
		largePool.Put((*[largeBuffer]byte)(b))
	case widerBuffer:
		widerPool.Put((*[widerBuffer]byte)(b))
	case hugeBuffer:
		hugePool.Put((*[hugeBuffer]byte)(b))
	}
}

// An inbuf holds what has arrived and was not read yet.
//
// A codec consumes it from lo; fragments that it has put together for a message
// lie before that, in keep. All of it moves when room is made, which happens in
// Read only: that is how long a Message is valid.
type inbuf struct {
	b      []byte
	lo, hi int // unread bytes
	keep   struct{ lo, hi int }
	want   int // how many unread bytes the codec waits for, as far as it knows
	quiet  int // reads in a row that a small buffer would have done for
	large  bool
	charge charge
}

func (in *inbuf) unread() []byte { return in.b[in.lo:in.hi] }
func (in *inbuf) kept() []byte   { return in.b[in.keep.lo:in.keep.hi] }
func (in *inbuf) held() int      { return in.keep.hi - in.keep.lo + in.hi - in.lo }

// space returns room for the bytes that come next, or nil if the budget has no
// more. Memory follows the bytes that have arrived, not a length that was
// announced.
func (in *inbuf) space() []byte {
	if in.b == nil {
		n := smallBuffer
		if in.large {
			n = largeBuffer
		}
		in.b = takeBuffer(n)
	}
	held := in.held()
	if held == 0 {
		in.lo, in.hi, in.keep.lo, in.keep.hi = 0, 0, 0, 0
	}
	kept, tail := in.keep.hi-in.keep.lo, len(in.b)-in.hi
	need := max(in.want, in.hi-in.lo+1)
	switch {
	case in.large && len(in.b) < largeBuffer && kept+need <= largeBuffer:
		// Reads have filled it: a torn message must not keep it small.
		old := in.b
		in.move(takeBuffer(largeBuffer))
		giveBuffer(old)
	case tail > 0 && in.lo+need <= len(in.b):
	case kept+need <= len(in.b):
		in.move(in.b)
	case held == len(in.b) || len(in.b) < largeBuffer:
		n := largerBuffer(len(in.b))
		if in.want > in.hi-in.lo { // the codec knows; else it grows in steps that pay
			n = min(bufferSize(kept+need), n)
		}
		if !in.charge.set(n - freeBuffer) {
			return nil
		}
		old := in.b
		in.move(takeBuffer(n))
		giveBuffer(old)
	case tail == 0:
		in.move(in.b)
	}
	return in.b[in.hi:]
}

// move puts what is held to the front of to.
func (in *inbuf) move(to []byte) {
	k := copy(to, in.kept())
	n := copy(to[k:], in.unread())
	in.b, in.lo, in.hi = to, k, k+n
	in.keep.lo, in.keep.hi = 0, k
}

// got takes note of n bytes that a link has put into space.
func (in *inbuf) got(n int) {
	full := in.hi+n == len(in.b)
	in.hi += n
	switch {
	case full:
		in.large, in.quiet = true, 0
	case n > smallBuffer:
		in.quiet = 0
	case in.large:
		if in.quiet++; in.quiet > 16 {
			in.large = false
		}
	}
}

// idle gives up memory before a wait: all of it, or what a few bytes of an
// unfinished message do not need.
func (in *inbuf) idle() {
	switch held := in.held(); {
	case in.b == nil:
	case held == 0:
		in.release()
	case len(in.b) > smallBuffer && held <= smallBuffer/2:
		old := in.b
		in.move(takeBuffer(smallBuffer))
		giveBuffer(old)
		in.charge.set(0)
	}
}

func (in *inbuf) release() {
	if in.b != nil {
		giveBuffer(in.b)
	}
	in.b, in.lo, in.hi, in.keep.lo, in.keep.hi = nil, 0, 0, 0, 0
	in.charge.set(0)
}

// A charge is a Conn's share of a Budget. It is given back for good when the
// Conn closes, even if its reader never comes back.
type charge struct {
	budget pipe.Budget

	mu    sync.Mutex
	taken int
	over  bool
}

func (c *charge) set(n int) bool {
	if c.budget == nil {
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if n = max(n, 0); n > c.taken && (c.over || !c.budget.Take(n-c.taken)) {
		return false
	} else if n < c.taken {
		c.budget.Give(c.taken - n)
	}
	c.taken = n
	return true
}

func (c *charge) close() {
	if c.budget == nil {
		return
	}
	c.set(0)
	c.mu.Lock()
	c.over = true
	c.mu.Unlock()
}
