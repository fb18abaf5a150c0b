package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/sente-lite/sente-lite/pipe"
)

// memBuffer is what one direction of a link in memory holds, as a pipe does.
const memBuffer = 64 << 10

// MemOptions are those of a link in memory, which is for tests: bounded like a
// pipe, and made of locks only, so that it works inside testing/synctest.
type MemOptions struct {
	Options
	Text   bool // the client speaks EDN text, not frames
	Buffer int  // bytes that each direction holds, 0 for 64 KiB
	Torn   int  // if set, at most that many bytes arrive at once

	// What each side knows of the other, beside the transport's name "mem".
	Client, Server pipe.ConnInfo
}

// Mem makes a link in memory. The server's end learns the dialect from the first
// byte, as any byte stream does.
func Mem(o MemOptions) (client, server pipe.Conn) {
	if o.Buffer <= 0 {
		o.Buffer = memBuffer
	}
	codec := newFrames
	if o.Text {
		codec = newText
	}
	up, down := newMemPipe(o.Buffer, o.Torn), newMemPipe(o.Buffer, o.Torn)
	name := func(i pipe.ConnInfo) pipe.ConnInfo {
		i.Transport = "mem"
		if i.Remote == "" {
			i.Remote = "memory"
		}
		return i
	}
	return newConn(&memLink{in: down, out: up}, codec(o.Limits), name(o.Client), o.Options),
		newConn(&memLink{in: up, out: down}, newStream(), name(o.Server), o.Options)
}

// A memPipe is one direction.
type memPipe struct {
	mu      sync.Mutex
	changed sync.Cond
	b       []byte // ring
	r, n    int    // where the unread bytes begin, how many there are
	torn    int
	ended   bool // nothing more is written
	closed  bool // nothing more is read
}

func newMemPipe(size, torn int) *memPipe {
	p := &memPipe{b: make([]byte, size), torn: torn}
	p.changed.L = &p.mu
	return p
}

// A memLink joins two of them.
type memLink struct{ in, out *memPipe }

func (l *memLink) read(in *inbuf) error {
	p := l.in
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.n == 0 && !p.ended && !p.closed {
		in.idle()
		p.changed.Wait()
	}
	switch {
	case p.closed:
		return net.ErrClosed
	case p.n == 0:
		return io.EOF
	}
	dst := in.space()
	if dst == nil {
		return errBudget
	}
	n := min(p.n, len(dst))
	if p.torn > 0 {
		n = min(n, p.torn)
	}
	k := copy(dst[:n], p.b[p.r:])
	copy(dst[k:n], p.b)
	p.r, p.n = (p.r+n)%len(p.b), p.n-n
	in.got(n)
	p.changed.Broadcast()
	return nil
}

func (l *memLink) tryWrite(b []byte) (int, error) {
	l.out.mu.Lock()
	defer l.out.mu.Unlock()
	return l.out.put(b)
}

func (p *memPipe) put(b []byte) (int, error) {
	if p.ended || p.closed {
		return 0, errBroken
	}
	n := min(len(b), len(p.b)-p.n)
	at := (p.r + p.n) % len(p.b)
	k := copy(p.b[at:], b[:n])
	copy(p.b, b[k:n])
	if p.n += n; n > 0 {
		p.changed.Broadcast()
	}
	return n, nil
}

var errBroken = errors.New("the other end is closed")

func (l *memLink) tryWriteAll(p, q []byte) (int, error) { return writeBoth(l.tryWrite, p, q) }

func (l *memLink) write(b []byte, timeout time.Duration) (int, error) {
	p, late := l.out, false
	t := time.AfterFunc(timeout, func() {
		p.mu.Lock()
		late = true
		p.mu.Unlock()
		p.changed.Broadcast()
	})
	defer t.Stop()
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		n, err := p.put(b)
		if n > 0 || err != nil {
			return n, err
		}
		if late {
			return 0, os.ErrDeadlineExceeded
		}
		p.changed.Wait()
	}
}

func (p *memPipe) set(flag *bool) {
	p.mu.Lock()
	*flag = true
	p.mu.Unlock()
	p.changed.Broadcast()
}

func (l *memLink) endRead()          { l.in.set(&l.in.ended) }
func (l *memLink) closeWrite() error { l.out.set(&l.out.ended); return nil }

func (l *memLink) close() error {
	l.out.set(&l.out.ended)
	l.in.set(&l.in.closed)
	return nil
}

// A MemListener is a listener in memory, for tests.
type MemListener struct {
	o      MemOptions
	queue  chan pipe.Conn
	once   sync.Once
	closed chan struct{}
}

// NewMemListener makes a listener whose Conns have o.
func NewMemListener(o MemOptions) *MemListener {
	return &MemListener{o: o, queue: make(chan pipe.Conn, 16), closed: make(chan struct{})}
}

// Dial returns the client's end of a new link. It waits only if many wait to be
// accepted.
func (l *MemListener) Dial(ctx context.Context) (pipe.Conn, error) { return l.DialAs(ctx, l.o) }

// DialAs is Dial with options of its own.
func (l *MemListener) DialAs(ctx context.Context, o MemOptions) (pipe.Conn, error) {
	client, server := Mem(o)
	select {
	case <-l.closed:
	default:
		select {
		case l.queue <- server:
			return client, nil
		case <-l.closed:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	return nil, fmt.Errorf("transport: dialing memory: %w", net.ErrClosed)
}

// Accept returns the server's end of a link that was dialled.
func (l *MemListener) Accept(ctx context.Context) (pipe.Conn, error) {
	select {
	case <-l.closed:
		return nil, net.ErrClosed
	default:
	}
	select {
	case c := <-l.queue:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (l *MemListener) Addr() string { return "mem:" }

// Close also ends the links that nobody has accepted.
func (l *MemListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	for {
		select {
		case c := <-l.queue:
			_ = c.Close(pipe.Reason{Code: pipe.CloseShutdown, Text: "shutdown"})
		default:
			return nil
		}
	}
}
