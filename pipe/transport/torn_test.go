package transport

import (
	"errors"
	"io"
	"testing"

	"github.com/sente-lite/sente-lite/pipe"
)

// A value that the end of a text stream has torn is no message, wherever that is: it must
// not be counted as one that came, or it would not be sent again.
func TestTornText(t *testing.T) {
	const item = `[[:chsk/x {:a 12, "b" "c\n" \newline 1/2 1.5M #inst "2026-01-01" #:n{:k ##NaN} #_ d 'e}] "cb"]`
	for n := range len(item) {
		in, out := newMemPipe(1000, 7), newMemPipe(1000, 0)
		c := newConn(&memLink{in: in, out: out}, newStream(), pipe.ConnInfo{}, Options{})
		in.put([]byte("[:x/whole]\n" + item[:n]))
		in.set(&in.ended)
		if m, err := c.Read(nil); err != nil || string(m.Data) != "[:x/whole]" {
			t.Fatalf("%q, %v", m.Data, err)
		}
		want := io.ErrUnexpectedEOF
		if n == 0 {
			want = io.EOF
		}
		if m, err := c.Read(nil); !errors.Is(err, want) {
			t.Errorf("%q and the end are read as %q, %v", item[:n], m.Data, err)
		}
	}
	// What is wrong whatever follows is told.
	in, out := newMemPipe(1000, 0), newMemPipe(1000, 0)
	c := newConn(&memLink{in: in, out: out}, newStream(), pipe.ConnInfo{}, Options{})
	in.put([]byte("[:batch/events [[:x/ y"))
	in.set(&in.ended)
	var bad *pipe.Error
	if _, err := c.Read(nil); !errors.As(err, &bad) || !bad.Bundle {
		t.Errorf("an unreadable bundle is read as %v", err)
	}
}
