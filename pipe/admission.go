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
	next   time.Time // when another may be let in
	turned int       // away, since one was let in at once
}

// admit reports whether another client may come now; else for how long they are to
// spread their next try.
func (a *admission) admit(perSec int) (ok bool, spread time.Duration) {
	if perSec <= 0 {
		return true, 0
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	now, each := time.Now(), time.Second/time.Duration(perSec)
	// A second's worth may come at once.
	if earliest := now.Add(-time.Second); a.next.Before(earliest) {
		a.next, a.turned = earliest, 0
	}
	if a.next.Add(each).After(now) {
		a.turned++
		return false, max(time.Second, time.Duration(a.turned)*each)
	}
	a.next = a.next.Add(each)
	a.turned = max(0, a.turned-1)
	return true, 0
}

func tooEarly(spread time.Duration) Reason {
	return Reason{CloseDraining, fmt.Sprintf("too many at once; spread-ms=%d", spread.Milliseconds())}
}
