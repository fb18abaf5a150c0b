package pipe

import (
	"testing"
	"testing/synctest"
	"time"
)

// The age of what comes from the disk is that by the clock, which may have been set
// back or forth since: never below zero, and from then on it only grows.
func TestAgeOfWhatIsRestored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, tt := range []struct{ ago, age time.Duration }{
			{0, 0}, {time.Second, time.Second}, {-time.Hour, 0}, {24 * time.Hour, 24 * time.Hour},
		} {
			m := restored(StoredItem{Kind: uint8(kindEvent), At: time.Now().Add(-tt.ago).UnixMilli()})
			if age := time.Duration(ticks()-m.at) * time.Millisecond; age != tt.age {
				t.Errorf("an item of %v ago is %v old", tt.ago, age)
			}
			time.Sleep(1500 * time.Millisecond)
			if age := time.Duration(ticks()-m.at) * time.Millisecond; age != tt.age+1500*time.Millisecond {
				t.Errorf("1.5 s later it is %v old", age)
			}
			if at := m.stored(nil).At; at != time.Now().Add(-tt.age-1500*time.Millisecond).UnixMilli() {
				t.Errorf("it is stored as of %d, now is %d", at, now())
			}
		}
	})
}
