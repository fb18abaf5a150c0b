//go:build !race

// The race detector makes pools forget.

package transport

import (
	"bytes"
	"runtime"
	"strings"
	"testing"
)

// Everything that was said comes back, and neither reading,
// publishing nor writing it makes garbage beside the events' own bytes.
func TestPublishEcho(t *testing.T) {
	const events = 20000
	for _, bundle := range []bool{true, false} {
		var before, after runtime.MemStats
		l, run := newEcho(events, 64, 100, bundle, func() { runtime.ReadMemStats(&before) })
		l.out = bytes.NewBuffer(make([]byte, 0, 4<<20))
		_ = run() // it always ends without a close frame
		runtime.ReadMemStats(&after)
		if n := float64(after.Mallocs-before.Mallocs) / events; n > 0.1 {
			t.Errorf("%v allocations an event, expected one for a hundred", n)
		}
		want := `[:sente-lite/channel-msg {:channel-id "e7", :data {:p "` + strings.Repeat("x", 64) + `"}, :from "conn-`
		if n := bytes.Count(l.out.Bytes(), []byte(want)); n != events {
			t.Errorf("%d of %d events came back", n, events)
		}
	}
}
