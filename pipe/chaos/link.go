package chaos

import (
	"net"
	"sync"
	"time"
)

// A link is one connection: a client, the target, and a flow in each direction.
type link struct {
	proxy          *Proxy
	plan           Plan
	client, target net.Conn
	flows          [2]*flow

	done    chan struct{} // closed at the end
	running sync.WaitGroup

	mu        sync.Mutex
	abandoned bool
	ended     bool
}

func newLink(p *Proxy, plan Plan, client, target net.Conn) *link {
	l := &link{proxy: p, plan: plan, client: client, target: target, done: make(chan struct{})}
	l.flows[Up] = newFlow(l, Up, client, target)
	l.flows[Down] = newFlow(l, Down, target, client)
	return l
}

// run carries in both directions until both have ended.
func (l *link) run() {
	for _, f := range l.flows {
		l.running.Go(f.run)
	}
	l.running.Wait()
	l.end(FIN)
}

// claim reports whether it is the caller who ends the link in this way, by act.
func (l *link) claim(how How) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.ended, how == Abandon && l.abandoned:
		return false
	case how == Abandon:
		l.abandoned = true
	default:
		l.ended = true
	}
	return true
}

func (l *link) act(how How) {
	if how == Abandon {
		for _, f := range l.flows {
			f.dropping.Store(true)
		}
		return
	}
	for _, c := range []net.Conn{l.client, l.target} {
		if tcp, ok := c.(*net.TCPConn); ok && how == RST {
			_ = tcp.SetLinger(0) // fails only where it is closed already
		}
		if half, ok := c.(interface{ CloseWrite() error }); ok && how == FIN {
			_ = half.CloseWrite() // before the reset that unread bytes would bring
		}
		_ = c.Close()
	}
	close(l.done)
}

func (l *link) end(how How) {
	if l.claim(how) {
		l.act(how)
	}
}

// half reports whether a direction is dropped: then nobody hears of an end.
func (l *link) half() bool {
	return l.flows[Up].dropping.Load() || l.flows[Down].dropping.Load()
}

// sleep waits, and reports whether the link is still there.
func (l *link) sleep(d time.Duration) bool {
	if d <= 0 {
		select {
		case <-l.done:
			return false
		default:
			return true
		}
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-l.done:
		return false
	}
}
