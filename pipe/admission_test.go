package pipe

import (
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// 5000 come at once after a restart, and come again as they are told. In no second more
// are let in than may be, and all are in within a few times what that takes.
func TestAdmission(t *testing.T) {
	for _, perSec := range []int{1, 100, 1000, 10000} {
		synctest.Test(t, func(t *testing.T) {
			var a admission
			r := rand.New(rand.NewPCG(1, uint64(perSec)))
			clients := 5000
			if perSec == 1 {
				clients = 50
			}
			type try struct{ at time.Duration }
			start := time.Now()
			waiting := make([]try, clients) // all at 0
			var admitted []time.Duration
			for len(waiting) > 0 {
				slices.SortFunc(waiting, func(a, b try) int { return int(a.at - b.at) })
				next := waiting[0]
				waiting = waiting[1:]
				time.Sleep(next.at - time.Since(start))
				ok, spread := a.admit(perSec)
				if ok {
					admitted = append(admitted, next.at)
					continue
				}
				if spread < time.Second {
					t.Fatalf("one that is turned away is to spread over %v", spread)
				}
				waiting = append(waiting, try{next.at + time.Duration(r.Int64N(int64(spread)))})
			}
			for i := perSec; i < len(admitted); i++ {
				if d := admitted[i] - admitted[i-perSec]; d < time.Second {
					t.Fatalf("%d were let in within %v", perSec+1, d)
				}
			}
			least := time.Duration(clients/perSec) * time.Second
			if last := admitted[len(admitted)-1]; last > 10*least+10*time.Second {
				t.Errorf("the last of %d is in after %v at %d a second", clients, last, perSec)
			} else {
				t.Logf("%d at %d a second: the last after %v", clients, perSec, last)
			}
		})
	}
}

// A rate that changes holds for what was let in before, too: as many as it allows are
// still known.
func TestAdmissionRateChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a admission
		let := func(perSec int) (n int) {
			for {
				if ok, _ := a.admit(perSec); !ok {
					return n
				}
				n++
			}
		}
		for i, step := range []struct{ perSec, want int }{{10, 10}, {25, 15}, {5, 0}, {30, 25}} {
			if n := let(step.perSec); n != step.want {
				t.Errorf("step %d: %d were let in at %d a second, not %d", i, n, step.perSec, step.want)
			}
		}
		if ok, _ := a.admit(0); !ok {
			t.Error("no rate lets everybody in")
		}
		time.Sleep(time.Second)
		if n := let(30); n != 30 {
			t.Errorf("after a second %d are let in, not 30", n)
		}
	})
}
