package pipe

import (
	"bytes"
	"errors"
	"io"
	"testing"
)

// seed gives a fuzzer what the vectors hold.
func seed(f *testing.F, add func(text []byte)) {
	f.Helper()
	for _, name := range []string{"accepted.edn", "refused.edn", "lines.edn", "split.edn"} {
		for _, v := range vectors(f, name) {
			add(v.bytes(":in"))
		}
	}
	long := bytes.Repeat([]byte("0123456"), textNear/4)
	for _, in := range []string{"", `\"`, `\\`, "é", "\xff", `\q`} {
		add([]byte(`[:a/b "` + string(long) + in + string(long) + `"]`))
	}
}

// Scan, Check, Stream and the walk agree on any text, and none of them panics.
func FuzzScan(f *testing.F) {
	seed(f, func(text []byte) { f.Add(text, uint64(0x5555)) })
	f.Fuzz(func(t *testing.T, b []byte, cuts uint64) {
		lim := Limits{Depth: 40}
		start, end, err := Scan(b, lim)
		feed(t, b, cuts, lim, start, end, err)

		value, checked := Check(b, lim)
		var e *SyntaxError
		switch {
		case checked == nil:
			if err != nil || string(b[start:end]) != string(value) {
				t.Fatalf("Check finds %q, Scan %d, %d, %v", value, start, end, err)
			}
			if at := ednSkip(value, 0); at != len(value) {
				t.Fatalf("a walk over %q ends at %d", value, at)
			}
			if Kind(value) == KindNone {
				t.Fatalf("%q is of no kind", value)
			}
			Lookup(value, ":a/b")
			rejoin(t, value)
		case !errors.As(checked, &e):
			t.Fatalf("not a *SyntaxError: %v", checked)
		case e.Offset < 0 || e.Offset > len(b) || e.Line < 1 || e.Column < 1 || e.Msg == "":
			t.Fatalf("%+v", e)
		case err == nil && len(ednGapless(b[end:])) == 0 && !e.utf8():
			t.Fatalf("Scan finds %q, Check %v", b[start:end], checked)
		}
		if lit, err := Unquote(b); err == nil {
			if again, err := Unquote(AppendString(nil, lit)); err != nil || again != string(bytes.ToValidUTF8([]byte(lit), []byte("\ufffd"))) && again != string([]rune(lit)) {
				t.Fatalf("%q is quoted as what reads as %q, %v", lit, again, err)
			}
		}
	})
}

func (e *SyntaxError) utf8() bool { return errors.Is(e, errBadUTF8) }

// ednGapless is b without leading blanks.
func ednGapless(b []byte) []byte { return bytes.TrimLeft(b, " ,\t\r\n\v\f") }

// feed gives b to a Stream in pieces that cuts decides on.
func feed(t *testing.T, b []byte, cuts uint64, lim Limits, start, end int, err error) {
	t.Helper()
	s := NewStream(lim)
	n := 0
	for n < len(b) {
		n = min(n+1+int(cuts&7), len(b))
		cuts = cuts>>3 | cuts<<61
		gotStart, gotEnd, got := s.Feed(b[:n:n], false)
		if got == io.ErrUnexpectedEOF {
			if err == nil && n > end+2 { // what ends a token may be a blank of three bytes
				t.Fatalf("not complete after %d bytes, though %d are enough", n, end)
			}
			if gotStart > n || err == nil && gotStart > start {
				t.Fatalf("after %d bytes the value may begin at %d, not at %d", n, gotStart, start)
			}
			continue
		}
		if gotStart != start || gotEnd != end || !sameError(err, got) {
			t.Fatalf("Scan says %d, %d, %v; Feed of %d bytes %d, %d, %v", start, end, err, n, gotStart, gotEnd, got)
		}
		return
	}
	if gotStart, gotEnd, got := s.Feed(b, true); gotStart != start || gotEnd != end || !sameError(err, got) {
		t.Fatalf("Scan says %d, %d, %v; Feed at the end %d, %d, %v", start, end, err, gotStart, gotEnd, got)
	}
}

func FuzzSplit(f *testing.F) {
	seed(f, func(text []byte) { f.Add(text) })
	f.Fuzz(func(t *testing.T, b []byte) {
		item, err := Split(b, Limits{})
		value, checked := Check(b, Limits{})
		var e *Error
		if err != nil && (!errors.As(err, &e) || e.Code == "") {
			t.Fatalf("not an *Error: %v", err)
		}
		if checked != nil {
			if err == nil {
				t.Fatalf("Split takes what Check refuses: %v", checked)
			}
			return
		}
		again, againErr := SplitValue(value)
		if (err == nil) != (againErr == nil) || err != nil && err.Error() != againErr.Error() || !sameItem(item, again) {
			t.Fatalf("Split: %+v, %v; SplitValue: %+v, %v", item, err, again, againErr)
		}
		if e != nil {
			if _, err := Check(e.AppendEDN(nil), Limits{}); err != nil {
				t.Fatalf("%v is not EDN: %v", e, err)
			}
			return
		}
		for _, part := range [][]byte{item.Call, item.Event, item.Body} {
			if part == nil {
				continue
			}
			if v, err := Check(part, Limits{}); err != nil || len(v) != len(part) {
				t.Fatalf("%q has the part %q: %v", b, part, err)
			}
		}
		if item.Call != nil {
			if cb, err := Unquote(item.Call); err != nil || len(cb) < 1 || len(cb) > maxCB {
				t.Fatalf("cb %q, %v", cb, err)
			}
		}
	})
}

func sameItem(a, b Item) bool {
	return a.Shape == b.Shape && string(a.Name) == string(b.Name) && string(a.Call) == string(b.Call) &&
		string(a.Event) == string(b.Event) && string(a.Body) == string(b.Body) && (a.Body == nil) == (b.Body == nil)
}

func FuzzAppendLine(f *testing.F) {
	seed(f, func(text []byte) { f.Add(text) })
	f.Fuzz(func(t *testing.T, b []byte) {
		if value, err := Check(b, Limits{}); err == nil {
			checkLine(t, value)
		}
	})
}
