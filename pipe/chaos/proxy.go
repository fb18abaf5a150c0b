package chaos

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"
)

// maxConns bounds the connections of a Proxy; more of them wait to be accepted.
const maxConns = 1000

// dialTime bounds the way to the target.
const dialTime = 10 * time.Second

// A Proxy does to connections what their plans say, and what it is told by hand
// besides. It is safe for concurrent use.
type Proxy struct {
	seed uint64
	o    Options
	room chan struct{} // has one for each connection

	ctx    context.Context
	cancel context.CancelFunc

	telling sync.Mutex // events, one at a time

	mu      sync.Mutex // guards what follows
	closed  bool
	addr    string   // of the first listener
	opened  []func() // closes listeners
	links   map[*link]struct{}
	stats   Stats         // without those of links
	stalled chan struct{} // nil if it flows; closed when it flows again
	refuses bool
	running sync.WaitGroup // Go is called with the lock held, and never after closed
}

// Stats counts what went through a Proxy.
type Stats struct {
	Conns    uint64 // that were accepted, refused ones too
	Open     int
	Up, Down int64 // bytes that were taken, dropped ones too
}

// New makes a Proxy, which listens nowhere yet. It panics if the options are not
// good: ask Check first about those of somebody else. Close ends it.
func New(seed uint64, o Options) *Proxy {
	if err := o.Check(); err != nil {
		panic(err)
	}
	p := &Proxy{seed: seed, o: o, room: make(chan struct{}, maxConns), links: map[*link]struct{}{}}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	return p
}

// Plan is what is, or will be, done to a connection, by its number from 1.
func (p *Proxy) Plan(conn uint64) Plan {
	if p.o.Plan != nil {
		plan := p.o.Plan(conn)
		plan.Conn = conn
		return plan
	}
	return MakePlan(p.seed, p.o, conn)
}

// Wrap returns a connection that leads to target as one through the proxy does.
// It is made of memory only, so that it works inside testing/synctest if target
// does, as an end of net.Pipe. Closing either ends both; neither has half-closes
// unless it is target's. A full proxy makes it wait.
func (p *Proxy) Wrap(target net.Conn) net.Conn {
	client, ours := net.Pipe()
	ok := p.begin(func() (net.Conn, error) { return ours, nil }, func(context.Context) (net.Conn, error) { return target, nil })
	if !ok {
		_, _ = ours.Close(), target.Close()
	}
	return client
}

// begin makes room, has a client accepted and starts its connection. It reports
// whether it has.
func (p *Proxy) begin(accept func() (net.Conn, error), dial func(context.Context) (net.Conn, error)) bool {
	select {
	case p.room <- struct{}{}:
	case <-p.ctx.Done():
		return false
	}
	client, err := accept()
	if err != nil {
		<-p.room
		return !errors.Is(err, net.ErrClosed) && p.pause()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		<-p.room
		_ = client.Close()
		return false
	}
	p.stats.Conns++
	conn, refuse := p.stats.Conns, p.refuses
	p.running.Go(func() {
		defer func() { <-p.room }()
		p.serve(conn, refuse, client, dial)
	})
	return true
}

// pause is between a failure to accept, such as too many open files, and the
// next try.
func (p *Proxy) pause() bool {
	select {
	case <-time.After(50 * time.Millisecond):
		return true
	case <-p.ctx.Done():
		return false
	}
}

// serve is one connection, to its end.
func (p *Proxy) serve(conn uint64, refuse bool, client net.Conn, dial func(context.Context) (net.Conn, error)) {
	plan := p.Plan(conn)
	if refuse || plan.Refuse {
		p.event(Event{Name: "refuse", Conn: conn})
		_ = client.Close()
		if target, err := dial(canceled); err == nil { // one that was there already
			_ = target.Close()
		}
		return
	}
	ctx, cancel := context.WithTimeout(p.ctx, dialTime)
	target, err := dial(ctx)
	cancel()
	if err != nil {
		if p.ctx.Err() == nil {
			p.event(Event{Name: "unreachable", Conn: conn, Err: err})
		}
		_ = client.Close()
		return
	}
	l := newLink(p, plan, client, target)
	p.mu.Lock()
	p.links[l] = struct{}{}
	closed := p.closed
	p.mu.Unlock()
	if closed {
		l.end(FIN)
	}
	l.run()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.links, l)
	p.stats.Up += l.flows[Up].at.Load()
	p.stats.Down += l.flows[Down].at.Load()
}

var canceled = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

func (p *Proxy) event(e Event) {
	if p.o.Event == nil {
		return
	}
	p.telling.Lock()
	defer p.telling.Unlock()
	p.o.Event(e)
}

// live returns the connections that there are.
func (p *Proxy) live() []*link {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := make([]*link, 0, len(p.links))
	for l := range p.links {
		all = append(all, l)
	}
	return all
}

// CutAll ends every connection that there is, and returns how many those are.
// New ones are made as ever.
func (p *Proxy) CutAll(how How) int {
	all := p.live()
	for _, l := range all {
		l.end(how)
	}
	return len(all)
}

// Stall stops all connections, new ones too: at most 16 KiB in each direction
// are taken, and nothing arrives. Stall(false) lets them go on.
func (p *Proxy) Stall(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case on && p.stalled == nil:
		p.stalled = make(chan struct{})
	case !on && p.stalled != nil:
		close(p.stalled)
		p.stalled = nil
	}
}

// flows waits while everything is stalled. It reports whether the link is still
// there.
func (p *Proxy) flows(l *link) bool {
	for {
		p.mu.Lock()
		stalled := p.stalled
		p.mu.Unlock()
		if stalled == nil {
			return true
		}
		select {
		case <-stalled:
		case <-l.done:
			return false
		}
	}
}

// HalfOpen drops from now on, silently, what comes in a direction of every
// connection that there is, its end too. It returns how many those are.
func (p *Proxy) HalfOpen(d Dir) int {
	all := p.live()
	for _, l := range all {
		l.flows[d].dropping.Store(true)
	}
	return len(all)
}

// Refuse says whether new connections are closed as soon as they are made.
func (p *Proxy) Refuse(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refuses = on
}

// Stats returns what went through so far.
func (p *Proxy) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.stats
	s.Open = len(p.links)
	for l := range p.links {
		s.Up += l.flows[Up].at.Load()
		s.Down += l.flows[Down].at.Load()
	}
	return s
}

// Close stops listening, ends all connections and waits until nothing of the
// Proxy runs any more. A second Close waits likewise.
func (p *Proxy) Close() {
	p.mu.Lock()
	p.closed = true
	opened := p.opened
	p.opened = nil
	p.mu.Unlock()
	p.cancel()
	for _, end := range opened {
		end()
	}
	for _, l := range p.live() {
		l.end(FIN)
	}
	p.running.Wait()
}
