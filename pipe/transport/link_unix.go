//go:build unix

package transport

import (
	"errors"
	"io"
	"os"
	"sync/atomic"
	"syscall"
	"time"
)

// newLink returns the best link there is for a handle.
func newLink(h handle) link {
	if sc, ok := h.(syscall.Conn); ok {
		if raw, err := sc.SyscallConn(); err == nil {
			return newRawLink(h, raw, h, raw)
		}
	}
	return &netLink{h: h}
}

// newFileLink returns one for two files that the runtime polls.
func newFileLink(in, out *os.File) (link, error) {
	rawIn, err := in.SyscallConn()
	if err != nil {
		return nil, err
	}
	rawOut, err := out.SyscallConn()
	if err != nil {
		return nil, err
	}
	return newRawLink(in, rawIn, out, rawOut), nil
}

// A rawLink reads and writes descriptors that the runtime polls. Its functions
// for syscall.RawConn are made once, and find their arguments in fields, so
// that reading and writing allocate nothing.
type rawLink struct {
	in, out       owned
	rawIn, rawOut syscall.RawConn
	blocks        struct{ in, out bool } // it is a waitFile's
	ended         atomic.Bool

	readFn func(fd uintptr) bool
	dst    *inbuf
	rerr   error

	tryFn, writeFn func(fd uintptr) bool
	src, behind    []byte
	n              int
	werr           error
}

func newRawLink(in owned, rawIn syscall.RawConn, out owned, rawOut syscall.RawConn) *rawLink {
	l := &rawLink{in: in, out: out, rawIn: rawIn, rawOut: rawOut}
	l.readFn = l.readOnce
	l.tryFn = func(fd uintptr) bool { l.writeOnce(fd); return true }
	l.writeFn = l.writeOnce
	return l
}

func (l *rawLink) read(in *inbuf) error {
	l.dst, l.rerr = in, nil
	err := l.rawIn.Read(l.readFn)
	if err != nil && l.ended.Load() {
		if l.blocks.in {
			return io.EOF
		}
		// The deadline forbids even an attempt; what is there counts all the same.
		err = l.rawIn.Control(func(fd uintptr) {
			if !l.readOnce(fd) {
				l.rerr = io.EOF
			}
		})
	}
	l.dst = nil
	if err != nil {
		return err
	}
	return l.rerr
}

// readOnce reports whether there was something to report.
func (l *rawLink) readOnce(fd uintptr) bool {
	p := l.dst.space()
	if p == nil {
		l.rerr = errBudget
		return true
	}
	for {
		n, err := syscall.Read(int(fd), p)
		switch {
		case err == syscall.EINTR:
			continue
		case err == syscall.EAGAIN:
			l.dst.idle()
			return false
		case err != nil:
			l.rerr = err
		case n == 0:
			l.rerr = io.EOF
		default:
			l.dst.got(n)
		}
		return true
	}
}

func (l *rawLink) tryWrite(p []byte) (int, error) {
	if l.blocks.out {
		return 0, nil
	}
	return l.writeBy(l.tryFn, p)
}

func (l *rawLink) tryWriteAll(p, q []byte) (int, error) {
	if l.blocks.out {
		return 0, nil
	}
	l.behind = q
	n, err := l.writeBy(l.tryFn, p)
	l.behind = nil
	return n, err
}

func (l *rawLink) write(p []byte, timeout time.Duration) (int, error) {
	if err := l.out.SetWriteDeadline(time.Now().Add(timeout)); err != nil {
		return 0, err
	}
	if l.blocks.out {
		p = p[:min(len(p), pollWrite)]
	}
	n, err := l.writeBy(l.writeFn, p)
	// Nothing but a close can make this fail, and the next write will say so.
	_ = l.out.SetWriteDeadline(time.Time{})
	return n, err
}

func (l *rawLink) writeBy(f func(uintptr) bool, p []byte) (int, error) {
	l.src, l.n, l.werr = p, 0, nil
	err := l.rawOut.Write(f)
	l.src = nil
	if err == nil {
		err = l.werr
	}
	return l.n, err
}

func (l *rawLink) writeOnce(fd uintptr) bool {
	for {
		var n int
		var err error
		if l.behind == nil {
			n, err = syscall.Write(int(fd), l.src)
		} else {
			n, err = writeTwo(int(fd), l.src, l.behind)
		}
		switch err {
		case nil:
			l.n = n
		case syscall.EINTR:
			continue
		case syscall.EAGAIN:
			return false
		default:
			l.werr = err
		}
		return true
	}
}

func (l *rawLink) endRead() {
	l.ended.Store(true)
	_ = l.in.SetReadDeadline(time.Unix(1, 0)) // fails only if it is closed
}

// hurry bounds a write that waits.
func (l *rawLink) hurry(timeout time.Duration) {
	_ = l.out.SetWriteDeadline(time.Now().Add(timeout)) // fails only if it is closed
}

func (l *rawLink) closeWrite() error {
	if cw, ok := l.out.(interface{ CloseWrite() error }); ok {
		return cw.CloseWrite()
	}
	if l.in != l.out {
		return l.out.Close()
	}
	return nil
}

func (l *rawLink) close() error {
	err := l.out.Close()
	if l.in != l.out {
		err = errors.Join(err, l.in.Close())
	}
	return err
}
