package transport

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/sente-lite/sente-lite/pipe"
)

// Accept waits this long after a failure that may pass, such as too many open
// files, and twice as long after each further one.
const (
	firstBackoff = 5 * time.Millisecond
	lastBackoff  = time.Second
)

// A listener accepts byte streams.
type listener struct {
	l      net.Listener
	addr   string
	o      Options
	remove func() error // of a socket's file; nil for none

	once   sync.Once
	closed chan struct{}
	err    error
}

func newListener(l net.Listener, addr string, o Options) *listener {
	return &listener{l: l, addr: addr, o: o, closed: make(chan struct{})}
}

func (l *listener) Addr() string { return l.addr }

func (l *listener) Accept(ctx context.Context) (pipe.Conn, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if dl, ok := l.l.(interface{ SetDeadline(time.Time) error }); ok {
		woken := make(chan struct{})
		stop := context.AfterFunc(ctx, func() {
			_ = dl.SetDeadline(time.Unix(1, 0)) // fails only if closed
			close(woken)
		})
		defer func() {
			if !stop() { // the next call has a context of its own
				<-woken
				_ = dl.SetDeadline(time.Time{})
			}
		}()
	}
	for wait := firstBackoff; ; wait = min(2*wait, lastBackoff) {
		nc, err := l.l.Accept()
		if err == nil {
			return l.conn(nc), nil
		}
		select {
		case <-l.closed:
			return nil, net.ErrClosed
		default:
		}
		if err := ctx.Err(); err != nil {
			return nil, context.Cause(ctx)
		}
		if errors.Is(err, net.ErrClosed) || !passes(err) {
			return nil, fmt.Errorf("transport: accepting on %s: %w", l.addr, err)
		}
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return nil, context.Cause(ctx)
		case <-l.closed:
			t.Stop()
			return nil, net.ErrClosed
		}
	}
}

// passes reports whether accepting may work later: the system is out of
// descriptors or memory, or a peer has given up while it was waiting.
func passes(err error) bool {
	var ne net.Error
	//lint:ignore SA1019 Temporary is deprecated for being vague; for Accept it is what net/http relies on, too
	return errors.As(err, &ne) && ne.Temporary()
}

func (l *listener) conn(nc net.Conn) *conn {
	info := pipe.ConnInfo{Transport: nc.LocalAddr().Network(), Remote: nc.RemoteAddr().String(), Stranger: true}
	info.Heartbeat = info.Transport == "tcp"
	identify(nc, &info)
	return newConn(newLink(nc), newStream(), info, l.o)
}

func (l *listener) Close() error {
	l.once.Do(func() {
		close(l.closed)
		if l.remove != nil {
			l.err = l.remove()
		}
		l.err = errors.Join(l.err, l.l.Close())
	})
	return l.err
}

// identify fills in who is at the other end of a Unix socket.
func identify(nc net.Conn, info *pipe.ConnInfo) {
	uc, ok := nc.(*net.UnixConn)
	if !ok {
		return
	}
	raw, err := uc.SyscallConn()
	if err != nil {
		return
	}
	uid, pid, ok := credentials(raw)
	if !ok {
		return
	}
	info.UserID, info.SameUser = uid, uid == effectiveUser()
	info.Stranger = !info.SameUser
	info.Remote = fmt.Sprintf("unix uid %d", uid)
	if pid > 0 {
		info.Remote += fmt.Sprintf(" pid %d", pid)
	}
}
