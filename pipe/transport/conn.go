package transport

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/sente-lite/sente-lite/pipe"
)

// A conn is a pipe.Conn over any link and codec. This file has its reading half
// and its end, outbox.go its writing half.
type conn struct {
	link  link
	codec codec
	info  pipe.ConnInfo

	// lingers is set where closing with unread input would take what was
	// written last away from the other side, and where it answers a close.
	lingers bool
	wait    time.Duration // the most that this takes

	in    inbuf
	atEOF bool
	next  error // what the next Read returns, and ends with
	done  error // what every Read returns

	out    outbox
	reason pipe.Reason // of the first Close; written once, before out.closing
	shut   sync.Once
	timer  *time.Timer
	extra  func() // ends what belongs to this conn only: Stdio's watch
}

func newConn(l link, c codec, info pipe.ConnInfo, o Options) *conn {
	k := &conn{link: l, codec: c, info: info}
	switch info.Transport {
	case "tcp", "unix", "ws", "exec":
		k.lingers = true
	}
	k.in.charge.budget = o.Budget
	if k.out.timeout = o.WriteTimeout; k.out.timeout <= 0 {
		k.out.timeout = DefaultWriteTimeout
	}
	if k.wait = o.closeWait; k.wait <= 0 {
		k.wait = defaultCloseWait
	}
	k.Limit(o.Limits)
	return k
}

func (c *conn) Info() pipe.ConnInfo {
	i := c.info
	i.TextOnly = c.codec.textOnly()
	return i
}

// Speak is called by any goroutine.
func (c *conn) Speak(in func([]byte) []byte) {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	c.out.in = in
}

// Limit is called by whoever calls Read.
func (c *conn) Limit(l pipe.Limits) {
	c.codec.limit(l.OrDefault())
}

// Read also does what the end of a Conn needs a reader for: after a Close, ours
// or one that the other side's bytes have brought about, it reads on until the
// other side has ended too, for a second at most.
func (c *conn) Read(idle func() bool) (pipe.Message, error) {
	if c.done != nil {
		return pipe.Message{}, c.done
	}
	for {
		m, err := c.step()
		switch {
		case err == errMore:
			if idle != nil && !idle() {
				return pipe.Message{}, pipe.ErrIdle
			}
			err := c.link.read(&c.in)
			switch {
			case err == io.EOF:
				c.atEOF = true
			case err == errBudget && !c.out.closing.Load():
				c.next = closed(pipe.CloseOverloaded, "overloaded")
				return pipe.Message{}, overloaded()
			case err != nil:
				return pipe.Message{}, c.finish(fmt.Errorf("transport: reading from %s: %w", c.info.Remote, err))
			}
		case !goesOn(err):
			if idle != nil { // what was answered so far goes before the close
				idle()
			}
			return pipe.Message{}, c.finish(err)
		case !c.out.closing.Load():
			return m, err
		}
	}
}

func (c *conn) step() (pipe.Message, error) {
	switch {
	case c.next != nil:
		return pipe.Message{}, c.next
	case c.atEOF:
		return c.codec.eof(&c.in)
	}
	return c.codec.next(&c.in)
}

func goesOn(err error) bool {
	_, ok := err.(*pipe.Error)
	return err == nil || ok
}

// finish is the reader's last act: for what it has met, and for a Close. An end
// of file alone does not end the Conn: the other side may have closed its half
// and still wait for answers.
func (c *conn) finish(err error) error {
	var cl pipe.Closed
	before := c.out.closing.Load()
	byCode := errors.As(err, &cl) && cl.Code != pipe.CloseLost
	if byCode {
		c.close(cl.Reason)
		if !before && !cl.Remote && c.lingers && c.codec.ready() || !c.drained() {
			c.discard()
		}
	}
	o := &c.out
	o.mu.Lock()
	o.unread = true
	closing, werr := o.closing.Load(), o.err
	o.mu.Unlock()
	if closing || werr != nil || err != io.EOF && err != io.ErrUnexpectedEOF {
		c.end()
		o.own.Wait()
	}
	c.in.release()
	switch {
	case before || closing && !byCode:
		err = pipe.Closed{Reason: c.reason}
	case werr != nil && !byCode:
		err = werr
	}
	c.done = err
	return err
}

// discard reads until the other side ends or the timer of Close does it.
func (c *conn) discard() {
	for err := error(nil); err == nil; {
		c.in.lo, c.in.hi, c.in.keep.lo, c.in.keep.hi, c.in.want = 0, 0, 0, 0, 0
		err = c.link.read(&c.in)
	}
}

func (c *conn) Close(r pipe.Reason) error {
	c.close(r)
	return nil
}

// close reports whether it was the first. What cannot be written at once is left
// to a goroutine of the conn's own, what must be read to the reader, and the
// timer bounds both. It waits for them only where Read has ended already, so that
// a process may exit once its Conns have closed.
func (c *conn) close(r pipe.Reason) bool {
	o := &c.out
	o.mu.Lock()
	if o.closing.Load() {
		o.mu.Unlock()
		return false
	}
	c.reason = r
	if c.codec.ready() {
		o.bye = c.codec.bye(nil, r, o.in)
	}
	o.closing.Store(true)
	if r.Code == pipe.CloseLost { // there is nobody to tell
		o.mu.Unlock()
		c.end()
		return true
	}
	if !o.flushing && o.err == nil {
		if done, err := c.pump(); !done && err == nil {
			o.own.Go(func() { _ = c.Flush() }) // Read or Write report what has failed
		}
	}
	c.timer = time.AfterFunc(c.wait, c.end)
	done, unread := c.idle(), o.unread
	o.mu.Unlock()
	if done {
		c.said()
	} else if unread {
		o.own.Wait()
	}
	return true
}

// said follows the last byte that was written after a Close.
func (c *conn) said() {
	c.out.mu.Lock()
	unread := c.out.unread
	c.out.mu.Unlock()
	if _, ws := c.codec.(*wsCodec); unread || !c.lingers || !c.codec.ready() {
		c.end()
	} else if !ws {
		_ = c.link.closeWrite() // the timer ends what this leaves open
	}
}

// end gives up the link and all that was held.
func (c *conn) end() {
	c.shut.Do(func() {
		_ = c.link.close() // nobody is left to hear of it
		c.in.charge.close()
		if c.extra != nil {
			c.extra()
		}
		c.out.mu.Lock()
		if c.timer != nil {
			c.timer.Stop()
		}
		c.out.mu.Unlock()
	})
}
