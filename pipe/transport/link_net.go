package transport

import (
	"errors"
	"io"
	"os"
	"sync/atomic"
	"time"
)

// A handle is what net.Conn and os.File have in common.
type handle interface {
	io.ReadWriter
	owned
}

// owned is as much of it as is needed beside a raw descriptor.
type owned interface {
	io.Closer
	SetReadDeadline(time.Time) error
	SetWriteDeadline(time.Time) error
}

// A netLink uses a handle's own methods: for TLS, and where descriptors are not
// to be had. It cannot try to write, so everything it writes waits in Flush, and
// it holds a small buffer while it waits for input.
type netLink struct {
	h     handle
	ended atomic.Bool
}

func (l *netLink) read(in *inbuf) error {
	in.idle()
	p := in.space()
	if p == nil {
		return errBudget
	}
	n, err := l.h.Read(p)
	switch {
	case n > 0:
		in.got(n)
		return nil // an error will come again
	case err == nil:
		return io.ErrNoProgress
	case l.ended.Load() && errors.Is(err, os.ErrDeadlineExceeded):
		return io.EOF
	}
	return err
}

func (*netLink) tryWrite([]byte) (int, error) { return 0, nil }

func (*netLink) tryWriteAll([]byte, []byte) (int, error) { return 0, nil }

func (l *netLink) write(p []byte, timeout time.Duration) (int, error) {
	if err := l.h.SetWriteDeadline(time.Now().Add(timeout)); err != nil {
		return 0, err
	}
	n, err := l.h.Write(p[:min(len(p), largeBuffer)]) // the timeout is for each step
	if err == nil {
		err = l.h.SetWriteDeadline(time.Time{})
	}
	return n, err
}

func (l *netLink) endRead() {
	l.ended.Store(true)
	_ = l.h.SetReadDeadline(time.Unix(1, 0)) // fails only if it is closed
}

func (l *netLink) closeWrite() error {
	if cw, ok := l.h.(interface{ CloseWrite() error }); ok {
		return cw.CloseWrite()
	}
	return nil
}

func (l *netLink) close() error { return l.h.Close() }
