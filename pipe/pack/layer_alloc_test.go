//go:build !race

// The race detector makes pools forget.

package pack_test

import (
	"testing"

	"github.com/sente-lite/sente-lite/pipe"
	"github.com/sente-lite/sente-lite/pipe/pack"
)

func TestLayersDoNotAllocate(t *testing.T) {
	for _, l := range []*pipe.Layer{pack.Gzip, pack.DeflateRaw, pack.Zstd} {
		for _, n := range []int{10, 100, 500} {
			c, src := coder(t, l), logEvents(n)
			dst := make([]byte, 0, 2*len(src))
			if got := testing.AllocsPerRun(100, func() {
				if _, err := c.Encode(dst, src); err != nil {
					t.Fatal(err)
				}
			}); got >= 1 {
				t.Errorf("%s: Encode of %d bytes allocates %v times", l.Name, len(src), got)
			}
			packed := encode(t, coder(t, l), src)
			if got := testing.AllocsPerRun(100, func() {
				if _, err := c.Decode(dst, packed, len(src)); err != nil {
					t.Fatal(err)
				}
			}); got >= 1 {
				t.Errorf("%s: Decode of %d bytes allocates %v times", l.Name, len(src), got)
			}
		}
	}
}

func TestAESDoesNotAllocate(t *testing.T) {
	a, b := aesLink(t, keyA)
	src := logEvents(100)
	packed, dst := make([]byte, 0, 2*len(src)), make([]byte, 0, 2*len(src))
	if n := testing.AllocsPerRun(100, func() {
		var err error
		if packed, err = a.Encode(packed[:0], src); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Decode(dst, packed, len(src)); err != nil {
			t.Fatal(err)
		}
	}); n >= 1 {
		t.Errorf("a message allocates %v times on its way", n)
	}
}
