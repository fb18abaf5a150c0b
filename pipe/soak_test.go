//go:build soak

package pipe_test

import (
	"testing"
	"testing/synctest"

	"github.com/sente-lite/sente-lite/pipe"
	"github.com/sente-lite/sente-lite/pipe/pipetest"
)

// TestCuts with 10,000 lost links of a hundred clients, over each transport.
func TestCutsSoak(t *testing.T) {
	n := cuts{clients: 100, each: 100}
	t.Run("mem", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { n.run(t, memCuts) })
	})
	for _, w := range []string{"unix", "tcp", "ws"} {
		t.Run(w, func(t *testing.T) {
			n.run(t, func(t *testing.T, h *pipe.Hub, n cuts) func(*pipetest.Client, uint64) { return chaosCuts(t, h, n, w) })
		})
	}
}
