package pipe

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
)

// Strings that are long are passed over by other means than short ones, and end in the
// same place, wherever in them a backslash or a character beyond ASCII is.
func TestLongStrings(t *testing.T) {
	for _, size := range []int{0, 1, 7, 8, 9, textNear - 1, textNear, textNear + 1, textNear + 8, 3 * textNear} {
		plain := strings.Repeat("x", size)
		for at := 0; at <= size; at++ {
			for _, in := range []string{"", `\"`, `\\`, `\"\\\"`, "é", `\u00e9`, strings.Repeat(`\"`, textNear)} {
				want := `"` + plain[:at] + in + plain[at:] + `"`
				text := []byte(want + ` "another"`)
				start, end, err := Scan(text, Limits{})
				if start != 0 || end != len(want) || err != nil {
					t.Fatalf("%s: found up to %d of %d, %v", text, end, len(want), err)
				}
				if _, _, err := Scan(text[:len(want)-1], Limits{}); err != io.ErrUnexpectedEOF {
					t.Fatalf("%s without its quote: %v", want, err)
				}
				for _, bad := range []struct{ in, err string }{
					{"\xff", "expected UTF-8"},
					{`\q`, "expected one of the escapes"},
				} {
					_, err := Check([]byte(want[:1+at]+bad.in+want[1+at:]), Limits{})
					if err == nil || !strings.Contains(err.Error(), bad.err) {
						t.Fatalf("%s with %q in it: %v", want, bad.in, err)
					}
				}
			}
		}
	}
}

// However many backslashes there are, a string takes the time of its length.
func BenchmarkText(b *testing.B) {
	for name, unit := range map[string]string{"plain": "0123456789abcdef", "quotes": `0123456\"89abcde`, "wide": "привет, как там?"} {
		for _, size := range []int{64, 1 << 10, 64 << 10} {
			text := append(append([]byte(`"`), bytes.Repeat([]byte(unit), size/len(unit)+1)...), '"')
			b.Run(fmt.Sprintf("%s/%d", name, size), func(b *testing.B) {
				b.SetBytes(int64(len(text)))
				for b.Loop() {
					if _, err := Check(text, Limits{}); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
