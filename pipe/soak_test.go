//go:build soak

package pipe_test

import "testing"

// TestCuts with 10,000 lost links of a hundred clients, over each transport.
func TestCutsSoak(t *testing.T) {
	cuts{clients: 100, each: 100}.overMemory(t)
	cuts{clients: 100, each: 100}.overWires(t)
}

// TestNumbered with a million events.
func TestNumberedSoak(t *testing.T) { numbered(t, 1_000_000) }
