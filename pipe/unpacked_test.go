package pipe_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/sente-lite/sente-lite/pipe"
	"github.com/sente-lite/sente-lite/pipe/pack"
)

// What a small message unpacks to is on the books of :max-total-bytes.
func TestUnpackedIsCounted(t *testing.T) {
	s := pipe.Settings{}
	s.Flow.MaxTotalBytes = 1 << 20
	h := pipe.NewHub(pipe.HubConfig{Packers: []pipe.Packer{pack.Msgpack}}, s)
	for _, w := range wires() {
		if w.name != "ws" {
			continue
		}
		p := comeCrooked(t, h, w, "msgpack", "")
		msg := append([]byte{0x92, 0xc7, 3, 0}, "x/y\xdc\x02\x01\x81\xda\x40\x00"...)
		msg = append(append(msg, bytes.Repeat([]byte{'k'}, 0x4000)...), 0xc0)
		msg = append(msg, bytes.Repeat([]byte{0x81, 0xd4, 8, 0, 0xc0}, 0x200)...)
		p.raw(pipe.Message{Data: msg})
		if got := p.next(); !strings.Contains(got, ":sente-lite/overloaded") {
			t.Errorf("got %.200s", got)
		}
	}
}
