//go:build !race

// The race detector makes pools forget.

package pack_test

import (
	"testing"

	"github.com/sente-lite/sente-lite/pipe"
	"github.com/sente-lite/sente-lite/pipe/pack"
)

func TestMsgpackDoesNotAllocate(t *testing.T) {
	for _, edn := range []string{typical, string(chat), string(rows(500)),
		`[:a/b [1.5 0.1 1e300 12N 1/3 "a\nb\u00e9" \a #uuid "f81d4fae-7dec-11d0-a765-00a0c91e6bf6" (1 #{2 (3)}) #sente-lite/bytes "aGk=" #sente-lite/ext [42 "Bw=="] #a b #:a{:b 1}]]`} {
		packed, err := pack.Msgpack.Pack(nil, []byte(edn))
		if err != nil {
			t.Fatal(err)
		}
		src, items := []byte(edn), [][]byte{packed, packed, packed}
		dst := make([]byte, 0, 4*len(edn))
		for name, f := range map[string]func() error{
			"Pack":   func() error { _, err := pack.Msgpack.Pack(dst, src); return err },
			"Unpack": func() error { _, err := pack.Msgpack.Unpack(dst, packed, pipe.Limits{}); return err },
			"Join":   func() error { pack.Msgpack.Join(dst, items); return nil },
		} {
			if n := testing.AllocsPerRun(100, func() {
				if err := f(); err != nil {
					t.Fatal(err)
				}
			}); n >= 1 {
				t.Errorf("%s of %.40s allocates %v times", name, edn, n)
			}
		}
	}
}
