package child

import (
	"testing"
	"testing/synctest"
	"time"
)

// Who is to end has a grace before each signal; an end of all that comes earlier
// counts, one that comes later does not.
func TestEnding(t *testing.T) {
	for name, tt := range map[string]struct {
		within func(e *ending)
		at     [3]time.Duration
	}{
		"alone":    {func(e *ending) { e.within(2*time.Second, 4*time.Second) }, [3]time.Duration{2 * time.Second, 4 * time.Second, 4*time.Second + killWait}},
		"no grace": {func(e *ending) { e.within(0, 0) }, [3]time.Duration{0, 0, killWait}},
		"all end": {func(e *ending) {
			e.within(2*time.Second, 4*time.Second)
			time.Sleep(time.Second)
			e.within(500*time.Millisecond, time.Second)
		}, [3]time.Duration{1500 * time.Millisecond, 2 * time.Second, 2*time.Second + killWait}},
		"all end, later": {func(e *ending) {
			e.within(time.Second, 2*time.Second)
			e.within(5*time.Second, 6*time.Second)
		}, [3]time.Duration{time.Second, 2 * time.Second, 2*time.Second + killWait}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var e ending
				if e.due() != nil {
					t.Fatal("something is due before the end")
				}
				began := time.Now()
				tt.within(&e)
				for i, want := range tt.at {
					<-e.due()
					if d := time.Since(began); d != want || e.step() != i+1 {
						t.Errorf("step %d comes after %v, expected %v", i+1, d, want)
					}
				}
				if e.due() != nil {
					t.Error("there is a fourth step")
				}
			})
		})
	}
}
