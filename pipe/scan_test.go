package pipe

import (
	"bufio"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A vector is one line of a file under testdata/values.
type vector struct {
	line string
	t    testing.TB
}

// str returns the string under key, "" if there is none.
func (v vector) str(key string) string {
	lit, ok := Lookup([]byte(v.line), key)
	if !ok {
		return ""
	}
	if lit[0] == ':' {
		return string(lit)
	}
	s, err := Unquote(lit)
	if err != nil {
		v.t.Fatalf("%s: %v", v.line, err)
	}
	return s
}

func (v vector) bytes(key string) []byte {
	if _, ok := Lookup([]byte(v.line), key); !ok {
		return nil
	}
	return []byte(v.str(key))
}

func vectors(t testing.TB, name string) (all []vector) {
	t.Helper()
	f, err := os.Open(filepath.Join("..", "testdata", "values", name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for in := bufio.NewScanner(f); in.Scan(); {
		line := in.Text()
		if line == "" || line[0] == ';' {
			continue
		}
		if _, err := Check([]byte(line), Limits{}); err != nil {
			t.Fatalf("%s: %s: %v", name, line, err)
		}
		all = append(all, vector{line, t})
	}
	if len(all) == 0 {
		t.Fatalf("%s holds nothing", name)
	}
	return all
}

func TestAccepted(t *testing.T) {
	for _, v := range vectors(t, "accepted.edn") {
		in := v.bytes(":in")
		value, err := Check(in, Limits{})
		if err != nil {
			t.Errorf("%q (%s): %v", in, v.str(":why"), err)
			continue
		}
		if again, err := Check(value, Limits{}); err != nil || string(again) != string(value) {
			t.Errorf("%q: its value %q is not one: %q, %v", in, value, again, err)
		}
		if end := ednSkip(value, 0); end != len(value) {
			t.Errorf("%q: a walk ends at %d of %d", value, end, len(value))
		}
		feedBytes(t, in)
	}
}

func TestRefused(t *testing.T) {
	for _, v := range vectors(t, "refused.edn") {
		in := v.bytes(":in")
		value, err := Check(in, Limits{})
		var e *SyntaxError
		if !errors.As(err, &e) {
			t.Errorf("%q (%s): %q, %v", in, v.str(":why"), value, err)
			continue
		}
		if e.Offset < 0 || e.Offset > len(in) || e.Msg == "" || strings.ContainsAny(e.Msg, "\n\r") {
			t.Errorf("%q: offset %d, message %q", in, e.Offset, e.Msg)
		}
		feedBytes(t, in)
	}
}

// feedBytes gives b to a Stream byte by byte, value for value, and expects what
// Scan finds.
func feedBytes(t *testing.T, b []byte) {
	t.Helper()
	s := NewStream(Limits{})
	for rest := b; ; {
		start, end, err := Scan(rest, Limits{})
		var gotStart, gotEnd int
		gotErr := io.ErrUnexpectedEOF
		for n := 0; n <= len(rest) && gotErr == io.ErrUnexpectedEOF; n++ {
			gotStart, gotEnd, gotErr = s.Feed(rest[:n:n], false)
		}
		if gotErr == io.ErrUnexpectedEOF {
			gotStart, gotEnd, gotErr = s.Feed(rest, true)
		}
		if start != gotStart || end != gotEnd || !sameError(err, gotErr) {
			t.Fatalf("%q: Scan says %d, %d, %v; Feed %d, %d, %v", rest, start, end, err, gotStart, gotEnd, gotErr)
		}
		if err != nil {
			return
		}
		s.Reset()
		rest = rest[end:]
	}
}

func sameError(a, b error) bool {
	var x, y *SyntaxError
	if errors.As(a, &x) && errors.As(b, &y) {
		return x.Offset == y.Offset && x.Msg == y.Msg && x.Line == y.Line && x.Column == y.Column
	}
	return a == b
}
