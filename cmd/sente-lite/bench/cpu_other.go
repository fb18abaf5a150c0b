//go:build !unix

package bench

import "time"

// cpuTime is not known here; results go without it.
func cpuTime() (time.Duration, bool) { return 0, false }
