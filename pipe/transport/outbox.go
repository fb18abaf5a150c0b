package transport

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sente-lite/sente-lite/pipe"
)

// flushStep is about how much Flush gives to the link at once: control frames
// overtake what lies behind.
const flushStep = 16 << 10

// An outbox is the writing half of a conn. Frames are copied into one buffer,
// which exists only while something is unwritten, and leave in one write.
//
// Control frames overtake queued frames, but not the one that is half written.
// There is at most one pong, the latest, and one close frame.
//
// mu is never held while waiting for the other side. One goroutine at a time
// gives bytes to the link: whoever has set flushing, else whoever has mu.
type outbox struct {
	timeout time.Duration
	closing atomic.Bool
	own     sync.WaitGroup // the goroutines that the conn has started

	mu       sync.Mutex
	buf      []byte // frames; buf[off:] is unwritten
	off      int
	mark     int    // where the frame begins that off is in
	control  []byte // control frames on their way; control[coff:] is unwritten
	coff     int
	head     [wsHeadMax]byte // of a message that is written from where it is
	pong     []byte
	bye      []byte
	in       func([]byte) []byte // the form of bye; nil: EDN
	pinned   bool                // Flush's write reads from buf
	owed     bool                // Write has said that Flush is needed
	flushing bool
	flushed  *sync.Cond // nil until somebody has to wait for a Flush
	unread   bool       // nobody reads any more
	err      error
}

var errTooEarly = errors.New("transport: nothing can be written before the other side has chosen its dialect")

func (c *conn) Write(batch []pipe.Message) (bool, error) {
	o := &c.out
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := c.unwritable(); err != nil {
		return false, err
	}
	if !c.codec.ready() {
		return false, errTooEarly
	}
	for len(batch) > 0 && len(batch[0].Data) >= largeMessage && c.clear() {
		taken, err := c.straight(batch[0])
		if err != nil {
			return false, err
		}
		if !taken {
			break
		}
		batch = batch[1:]
	}
	n := 0
	for _, m := range batch {
		n += c.codec.size(m)
	}
	if n > 0 {
		o.reserve(n)
	}
	for _, m := range batch {
		o.buf = c.codec.append(o.buf, m)
	}
	if o.flushing {
		o.owed = true
		return false, nil
	}
	done, err := c.pump()
	o.owed = !done
	return done, err
}

// largeMessage is from how many bytes on a message is worth a write of its own.
const largeMessage = 8 << 10

// clear reports whether nothing is before what comes next.
func (c *conn) clear() bool {
	o := &c.out
	return !o.flushing && len(o.buf) == 0 && len(o.control) == 0 && len(o.pong) == 0
}

// straight writes a message from where it is, and puts into the buffer only one of which
// some is left. It reports whether it has taken it.
func (c *conn) straight(m pipe.Message) (bool, error) {
	o := &c.out
	head, whole := c.codec.head(o.head[:0], m)
	if !whole {
		return false, nil
	}
	n, err := c.link.tryWriteAll(head, m.Data)
	if err != nil {
		return false, c.fail(err)
	}
	if size := len(head) + len(m.Data); n < size {
		o.reserve(size)
		o.buf = append(append(o.buf, head...), m.Data...)
		o.off += n
	}
	return true, nil
}

func (c *conn) unwritable() error {
	if c.out.closing.Load() {
		return pipe.Closed{Reason: c.reason}
	}
	return c.out.err
}

// reserve makes room for n bytes behind what is unwritten.
func (o *outbox) reserve(n int) {
	if cap(o.buf)-len(o.buf) >= n {
		return
	}
	old := o.buf
	held := len(old) - o.mark
	if n += held; n > hugeBuffer {
		n = max(n, 2*held) // not made to measure: it may go on like this
	}
	o.buf = append(takeBuffer(n)[:0], old[o.mark:]...)
	o.off -= o.mark
	o.mark = 0
	if old != nil && !o.pinned {
		giveBuffer(old)
	}
}

// chunk is what goes out next: to the end, or about flushStep up to the end of a
// frame.
func (c *conn) chunk(all bool) []byte {
	o := &c.out
	if len(o.control) == 0 && o.off == o.mark {
		o.control, o.pong = append(o.control, o.pong...), o.pong[:0]
		if o.closing.Load() {
			o.control, o.bye = append(o.control, o.bye...), nil
			o.drop()
		}
	}
	if len(o.control) > 0 {
		return o.control[o.coff:]
	}
	if all && len(o.pong) == 0 && !o.closing.Load() {
		return o.buf[o.off:]
	}
	step := flushStep
	if len(o.pong) > 0 || o.closing.Load() {
		step = 1 // the rest of the frame
	}
	end := o.mark
	for end < len(o.buf) && end < o.off+step {
		end += c.codec.frame(o.buf[end:])
	}
	return o.buf[o.off:end]
}

// wrote takes note of n bytes of the chunk that have left.
func (c *conn) wrote(n int) {
	o := &c.out
	if len(o.control) > 0 {
		if o.coff += n; o.coff == len(o.control) {
			o.control, o.coff = o.control[:0], 0
		}
		return
	}
	if o.off += n; o.off == len(o.buf) {
		o.drop()
		return
	}
	for o.mark < o.off {
		end := o.mark + c.codec.frame(o.buf[o.mark:])
		if end > o.off {
			return
		}
		o.mark = end
	}
}

func (o *outbox) drop() {
	if o.buf != nil && !o.pinned {
		giveBuffer(o.buf)
	}
	o.buf, o.off, o.mark = nil, 0, 0
}

// pump writes what the link takes without waiting, and reports whether that was
// everything.
func (c *conn) pump() (bool, error) {
	for {
		p := c.chunk(true)
		if len(p) == 0 {
			return true, nil
		}
		n, err := c.link.tryWrite(p)
		if err != nil {
			return false, c.fail(err)
		}
		c.wrote(n)
		if n < len(p) {
			return false, nil
		}
	}
}

func (c *conn) Flush() error {
	o := &c.out
	o.mu.Lock()
	for o.flushing {
		if o.flushed == nil {
			o.flushed = sync.NewCond(&o.mu)
		}
		o.flushed.Wait()
	}
	o.flushing = true
	for o.err == nil {
		p := c.chunk(false)
		if len(p) == 0 {
			break
		}
		o.pinned = true
		timeout := o.timeout
		o.mu.Unlock()
		n, err := c.link.write(p, timeout)
		o.mu.Lock()
		o.pinned = false
		c.wrote(n)
		if err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				err = fmt.Errorf("the other side took nothing for %v: %w", timeout, err)
			}
			_ = c.fail(err)
		}
	}
	o.flushing, o.owed = false, false
	if o.flushed != nil {
		o.flushed.Broadcast()
	}
	closing, err := o.closing.Load(), c.unwritable()
	o.mu.Unlock()
	if closing {
		c.said()
	}
	return err
}

// fail ends the writing half, and with it the reading one, once what has arrived
// was read. A program that takes nothing more may still have something to say.
func (c *conn) fail(err error) error {
	o := &c.out
	o.err = fmt.Errorf("transport: writing to %s: %w", c.info.Remote, err)
	o.drop()
	if c.info.Transport != "exec" {
		c.link.endRead()
	}
	return o.err
}

// hurry shortens the time that the other side may take nothing, also for a Flush
// that waits.
func (c *conn) hurry(timeout time.Duration) {
	c.out.mu.Lock()
	c.out.timeout = timeout
	c.out.mu.Unlock()
	if l, ok := c.link.(interface{ hurry(time.Duration) }); ok {
		l.hurry(timeout)
	}
}

// answer sends a control frame. It is called by the reader, and so never waits.
func (c *conn) answer(frame []byte) {
	o := &c.out
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err != nil || o.closing.Load() {
		return
	}
	o.pong = append(o.pong[:0], frame...)
	if o.flushing {
		return
	}
	if o.coff == 0 {
		o.control = o.control[:0] // an earlier pong that has not begun to leave
	}
	if done, err := c.pump(); !done && err == nil && !o.owed {
		o.owed = true
		o.own.Go(func() { _ = c.Flush() }) // Read or Write report what has failed
	}
}

// idle reports whether nothing is left to write, or can be.
func (c *conn) idle() bool {
	o := &c.out
	return o.err != nil || !o.flushing && len(o.buf) == 0 && len(o.control) == 0 && len(o.bye) == 0
}

func (c *conn) drained() bool {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	return c.idle()
}
