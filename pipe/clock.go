package pipe

import (
	"container/heap"
	"sync"
	"time"
)

// A clock rings any number of alarms with one timer. Once that has rung for
// nothing none is armed until something is due again, so an idle sidecar is not
// woken.
type clock struct {
	mu     sync.Mutex
	due    alarms
	timer  *time.Timer
	armed  instant // when the timer rings; 0: not at all
	turn   uint64  // of the timer: one that was stopped too late has an older turn
	closed bool
	rings  sync.WaitGroup

	ringing bool   // what is set meanwhile is seen to by the goroutine that rings
	scratch *draft // of that goroutine, for all the peers whose windows end together
}

// An alarm calls its function once, at about its time, in a goroutine of the
// clock's. The function must not wait for anything. An alarm may be set again,
// also from its own function.
type alarm struct {
	ring func()
	at   instant
	slot int // in the heap, from 1; 0: not set
}

// An instant is what a time.Time is, in a third of the bytes: there are several alarms
// to a peer.
type instant time.Duration

func instantAfter(d time.Duration) instant {
	return instant(time.Since(began) + sinceWhen + d)
}

func (i instant) left() time.Duration { return time.Duration(i - instantAfter(0)) }

// set sets or moves an alarm.
func (c *clock) set(a *alarm, d time.Duration) {
	at := instantAfter(d)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return
	}
	a.at = at
	if a.slot > 0 {
		heap.Fix(&c.due, a.slot-1)
	} else {
		heap.Push(&c.due, a)
	}
	c.arm()
}

// stop takes an alarm back. Its function may be running.
func (c *clock) stop(a *alarm) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if a.slot > 0 {
		heap.Remove(&c.due, a.slot-1)
	}
	// The timer stays as it is, even for nobody: to ring once for nothing costs
	// less than to move it at every call that is answered in time, which may
	// wake another thread each time.
}

// close stops all alarms and waits for the functions that run.
func (c *clock) close() {
	c.mu.Lock()
	c.closed = true
	for _, a := range c.due {
		a.slot = 0
	}
	c.due = nil
	c.arm()
	c.mu.Unlock()
	c.rings.Wait()
}

// arm sets the timer to the first alarm. The lock is held.
func (c *clock) arm() {
	if c.ringing {
		return
	}
	if len(c.due) > 0 && c.armed != 0 && c.due[0].at >= c.armed {
		return // it rings early enough
	}
	if c.armed != 0 && c.timer.Stop() {
		c.rings.Done()
	}
	c.turn++
	c.armed = 0
	if len(c.due) == 0 {
		return
	}
	c.armed = c.due[0].at
	c.rings.Add(1)
	turn := c.turn
	c.timer = time.AfterFunc(c.armed.left(), func() { c.run(turn) })
}

// run rings what is due.
func (c *clock) run(turn uint64) {
	defer c.rings.Done()
	c.mu.Lock()
	defer c.mu.Unlock()
	if turn != c.turn {
		return
	}
	c.armed = 0
	c.ringing = true
	for len(c.due) > 0 && c.due[0].at.left() <= 0 {
		a := heap.Pop(&c.due).(*alarm)
		c.mu.Unlock()
		a.ring()
		c.mu.Lock()
	}
	c.ringing = false
	if c.scratch != nil {
		c.scratch.release()
		c.scratch = nil
	}
	c.arm()
}

// draft is for the functions of alarms, while they run.
func (c *clock) draft() *draft {
	if c.scratch == nil {
		c.scratch = newDraft()
		c.scratch.many = true
	}
	return c.scratch
}

// alarms is a heap by time.
type alarms []*alarm

func (a alarms) Len() int           { return len(a) }
func (a alarms) Less(i, j int) bool { return a[i].at < a[j].at }
func (a alarms) Swap(i, j int) {
	a[i], a[j] = a[j], a[i]
	a[i].slot, a[j].slot = i+1, j+1
}

func (a *alarms) Push(x any) {
	x.(*alarm).slot = len(*a) + 1
	*a = append(*a, x.(*alarm))
}

func (a *alarms) Pop() any {
	last := len(*a) - 1
	x := (*a)[last]
	(*a)[last] = nil
	*a = (*a)[:last]
	x.slot = 0
	return x
}
