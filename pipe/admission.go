package pipe

import (
	"fmt"
	"sync"
	"time"
)

// An admission lets clients in at a rate: after a restart all of them come at once.
// Those for whom it is too early are told over how long to spread (4002).
type admission struct {
	mu     sync.Mutex
	times  []int64 // micros of the latest that were let in, a ring of as many as may be in a second
	at     int     // of the oldest
	turned int     // away, and not let in since
}

// admit reports whether another client may come now; else for how long they are to
// spread their next try. In no second more than perSec are let in.
func (a *admission) admit(perSec int) (ok bool, spread time.Duration) {
	if perSec <= 0 {
		return true, 0
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.times) != perSec {
		a.resize(perSec)
	}
	const second = int64(time.Second / time.Microsecond)
	now := micros()
	if a.times[(a.at+perSec-1)%perSec] <= now-second { // nobody has come for a while
		a.turned = 0
	}
	if a.times[a.at] > now-second {
		a.turned++
		return false, max(time.Second, time.Duration(a.turned)*time.Second/time.Duration(perSec))
	}
	a.times[a.at] = now
	a.at = (a.at + 1) % perSec
	a.turned = max(0, a.turned-1)
	return true, 0
}

// resize keeps the latest.
func (a *admission) resize(n int) {
	times := make([]int64, n)
	for i := range min(n, len(a.times)) {
		times[n-1-i] = a.times[(a.at+2*len(a.times)-1-i)%len(a.times)]
	}
	a.times, a.at = times, 0
}

func tooEarly(spread time.Duration) Reason {
	return Reason{CloseDraining, fmt.Sprintf("too many at once; spread-ms=%d", spread.Milliseconds())}
}
