package bench

import (
	"sync"
	"sync/atomic"
	"time"
)

// A crowd is those who receive, as the one who sends sees them: it counts what has
// arrived, and waits until enough has.
type crowd struct {
	got  atomic.Int64
	want atomic.Int64  // what wait waits for
	wake chan struct{} // holds one

	sent atomic.Int64   // when what they time was sent, in ns; see stamp
	at   []atomic.Int64 // how long it took to each

	mu  sync.Mutex
	bad error
}

var epoch = time.Now()

// stamp is the time in ns, of a clock that only rises.
func stamp() int64 { return int64(time.Since(epoch)) }

func newCrowd(n int) *crowd { return &crowd{wake: make(chan struct{}, 1), at: make([]atomic.Int64, n)} }

// arrived counts n more at one of them, or says why none will come.
func (c *crowd) arrived(i, n int, err error) {
	if err != nil {
		c.mu.Lock()
		if c.bad == nil {
			c.bad = err
		}
		c.mu.Unlock()
		c.ring()
		return
	}
	c.at[i].Store(stamp() - c.sent.Load())
	now := c.got.Add(int64(n))
	if want := c.want.Load(); now >= want && now-int64(n) < want {
		c.ring()
	}
}

func (c *crowd) ring() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// wait waits until at least so many have arrived in all.
func (c *crowd) wait(want int64) error {
	c.want.Store(want)
	for c.got.Load() < want {
		c.mu.Lock()
		bad := c.bad
		c.mu.Unlock()
		if bad != nil {
			return bad
		}
		<-c.wake
	}
	return nil
}

// timed sends one to each, again and again, and takes down how long it takes to each.
// What an operation takes is its share of the time until everybody has it.
func (c *crowd) timed(send func() error) func(*pace) error {
	return func(p *pace) error {
		p.byRate = true
		for all := len(c.at); p.more(0); p.more(all) {
			want := c.got.Load() + int64(all)
			c.sent.Store(stamp())
			if err := send(); err != nil {
				return err
			}
			if err := c.wait(want); err != nil {
				return err
			}
			for i := range c.at {
				p.took(time.Duration(c.at[i].Load()))
			}
		}
		return nil
	}
}

// flooded keeps up to window deliveries under way; send makes step of them.
func (c *crowd) flooded(window, step int, send func() error) func(*pace) error {
	return func(p *pace) error {
		sent, counted := c.got.Load(), c.got.Load()
		for {
			if err := send(); err != nil {
				return err
			}
			sent += int64(step)
			if err := c.wait(sent + int64(step) - int64(window)); err != nil {
				return err
			}
			got := c.got.Load()
			on := p.more(int(got - counted))
			counted = got
			if !on {
				break
			}
		}
		err := c.wait(sent)
		p.more(int(sent - counted))
		return err
	}
}
