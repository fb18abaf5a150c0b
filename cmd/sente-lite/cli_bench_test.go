//go:build unix

package main

import (
	"strings"
	"syscall"
	"testing"
)

// A signal ends a run at once, with what there is by then and nothing left behind.
func TestBenchEndsEarly(t *testing.T) {
	for _, name := range []string{"echo", "fanout", "pipe", "queue", "children", "packers"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := begin(t, "bench", name, "--time", "1h", "--subscribers", "3")
			p.hear("processors: ") // from here on it heeds signals
			p.signal(syscall.SIGINT)
			rest := p.rest()
			p.exits(exitDone, patience)
			if !strings.HasSuffix(rest, "\nended early: what was measured until then is above\n") {
				t.Errorf("it says %q", rest)
			}
			if p.errs.String() != "" {
				t.Errorf("stderr has %q", p.errs)
			}
		})
	}
}
