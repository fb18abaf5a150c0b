//go:build !race

// The race detector makes pools forget.

package pack_test

import (
	"testing"

	"github.com/sente-lite/sente-lite/pipe"
	"github.com/sente-lite/sente-lite/pipe/pack"
)

func TestJSONDoesNotAllocate(t *testing.T) {
	dst := make([]byte, 0, 1024)
	packed, err := pack.JSON.Pack(nil, chat)
	if err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() {
		if _, err := pack.JSON.Pack(dst, chat); err != nil {
			t.Fatal(err)
		}
	}); n >= 1 {
		t.Errorf("Pack allocates %v times", n)
	}
	if n := testing.AllocsPerRun(100, func() {
		if _, err := pack.JSON.Unpack(dst, packed, pipe.Limits{}); err != nil {
			t.Fatal(err)
		}
	}); n >= 1 {
		t.Errorf("Unpack allocates %v times", n)
	}
}
