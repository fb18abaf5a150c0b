package pipe

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"unicode/utf8"

	"olympos.io/encoding/edn"
)

const typical = `[:chat/msg {:room "lobby" :from "uid-1" :text "hello" :ts 1766108726643 :tags #{:a :b} :pos [1.5 2.5]}]`

// batchOf is a bundle of n events of some variety: 100 are about 12.5 KB.
func batchOf(n int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	words := []string{"hello", "how", "are", "you", "today", "the", "build", "is", "green", "lunch", "ok", "thanks"}
	out := []byte("[:batch/events [")
	ts := int64(1766108726643)
	for range n {
		text := words[r.IntN(len(words))]
		for range r.IntN(8) {
			text += " " + words[r.IntN(len(words))]
		}
		ts += r.Int64N(400)
		out = fmt.Appendf(out, `[:chat/msg {:room "room-%d" :from "uid-%d" :text "%s" :ts %d :tags #{:a :b} :pos [%.1f %.1f]}] `,
			r.IntN(5), r.IntN(50), text, ts, r.Float64()*100, r.Float64()*100)
	}
	return append(out[:len(out)-1], "]]"...)
}

// BenchmarkScan compares with the floor, the least that any reader has to do,
// and with what a decoder takes for the same bytes.
func BenchmarkScan(b *testing.B) {
	for _, doc := range []struct {
		name string
		text []byte
	}{
		{"event", []byte(typical)},
		{"call", []byte(`[` + typical + ` "cb-17f3"]`)},
		{"wide", []byte(`[:chat/msg {:room "лобби" :text "привет, как дела сегодня? ✓"}]`)},
		{"batch", batchOf(100)},
	} {
		run := func(name string, f func() error) {
			b.Run(doc.name+"/"+name, func(b *testing.B) {
				b.SetBytes(int64(len(doc.text)))
				b.ReportAllocs()
				for b.Loop() {
					if err := f(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
		run("floor", func() error { _, err := floor(doc.text); return err })
		run("Scan", func() error { _, _, err := Scan(doc.text, Limits{}); return err })
		run("Check", func() error { _, err := Check(doc.text, Limits{}); return err })
		run("Split", func() error { _, err := Split(doc.text, Limits{}); return err })
		run("SplitValue", func() error { _, err := SplitValue(doc.text); return err })
		s := NewStream(Limits{})
		run("Feed", func() error { s.Reset(); _, _, err := s.Feed(doc.text, false); return err })
		run("AppendLine", func() func() error {
			var dst []byte
			return func() error { dst = AppendLine(dst[:0], doc.text); return nil }
		}())
		run("olympos", func() error { var v any; return edn.Unmarshal(doc.text, &v) })
	}
}

func BenchmarkBundle(b *testing.B) {
	doc := batchOf(100)
	b.SetBytes(int64(len(doc)))
	b.ReportAllocs()
	for b.Loop() {
		item, err := Split(doc, Limits{})
		if err != nil {
			b.Fatal(err)
		}
		c := Elements(item.Body)
		for e, ok := c.Next(); ok; e, ok = c.Next() {
			if _, err := SplitValue(e); err != nil {
				b.Fatal(err)
			}
		}
	}
}

func TestAllocations(t *testing.T) {
	event, batch, call := []byte(typical), batchOf(100), []byte(`[`+typical+` "cb"]`)
	data := event[11 : len(event)-1]
	line := make([]byte, 0, 1<<16)
	s := NewStream(Limits{})
	for name, f := range map[string]func(){
		"Scan":       func() { Scan(batch, Limits{}) },
		"Check":      func() { Check(batch, Limits{}) },
		"Split":      func() { Split(event, Limits{}); Split(call, Limits{}); Split(batch, Limits{}) },
		"SplitValue": func() { SplitValue(event); SplitValue(call); SplitValue(batch) },
		"Stream": func() {
			for n := 1; ; n = min(n+7, len(event)) {
				if _, _, err := s.Feed(event[:n], false); err == nil {
					break
				}
			}
			s.Reset()
		},
		"Cursor": func() {
			c := Elements(batch)
			for _, ok := c.Next(); ok; _, ok = c.Next() {
			}
		},
		"Lookup":       func() { Lookup(data, ":pos") },
		"Kind":         func() { Kind(event) },
		"AppendLine":   func() { line = AppendLine(line[:0], batch) },
		"AppendString": func() { line = AppendString(line[:0], "a\nb") },
	} {
		if n := testing.AllocsPerRun(20, f); n != 0 {
			t.Errorf("%s allocates %v times", name, n)
		}
	}
}

// Millions of brackets cost what the limit allows, not what they ask for.
func TestDepthIsBounded(t *testing.T) {
	for _, text := range []string{"[", "{[", "#_", "#a ", "^", "^{", "#{", "#:a{", "(#_"} {
		b := bytes.Repeat([]byte(text), 10_000_000/len(text))
		for name, f := range map[string]func() error{
			"Scan":  func() error { _, _, err := Scan(b, Limits{}); return err },
			"Check": func() error { _, err := Check(b, Limits{}); return err },
			"Feed":  func() error { _, _, err := NewStream(Limits{}).Feed(b, true); return err },
		} {
			var err error
			if n := testing.AllocsPerRun(1, func() { err = f() }); n > 16 {
				t.Errorf("%s of many %s allocates %v times", name, text, n)
			}
			if !errors.Is(err, ErrTooDeep) {
				t.Errorf("%s of many %s: %v", name, text, err)
			}
		}
		if _, err := Split(b, Limits{}); err == nil || err.(*Error).Code != "too-deep" {
			t.Errorf("Split of many %s: %v", text, err)
		}
	}
	deep := append(bytes.Repeat([]byte("["), 100_000), bytes.Repeat([]byte("]"), 100_000)...)
	if _, err := Check(deep, Limits{Depth: 100_000}); err != nil {
		t.Error(err)
	}
	if _, err := Check(deep, Limits{Depth: 99_999}); !errors.Is(err, ErrTooDeep) {
		t.Error(err)
	}
}

// floor passes over one value: it matches brackets, ends strings, counts a
// map's forms and checks UTF-8, and looks into no token.
func floor(b []byte) (int, error) {
	var frames [128]struct {
		shut    byte
		isMap   bool
		odd     bool
		pending uint64 // a 1, then a bit for each prefix that waits: 1 a tag, 0 a discard
	}
	depth, ascii := 0, true
	frames[0].pending = 1
	for i := 0; i < len(b); {
		f := &frames[depth]
		switch c := b[i]; ednClass[c] {
		case clsBlank:
			i++
			continue
		case clsSemicolon:
			for i < len(b) && b[i] != '\n' {
				i++
			}
			continue
		case clsHash:
			if i+1 == len(b) {
				return 0, errFloor
			}
			if b[i+1] == '{' {
				depth++
				frames[depth].shut, frames[depth].isMap, frames[depth].odd, frames[depth].pending = '}', false, false, 1
				i += 2
			} else if b[i+1] == '_' {
				f.pending <<= 1
				i += 2
			} else {
				for i++; i < len(b) && ednClass[b[i]] < clsBlank; i++ {
				}
				f.pending = f.pending<<1 | 1
			}
			continue
		case clsOpen:
			if depth++; depth == len(frames) {
				return 0, errFloor
			}
			f = &frames[depth]
			f.shut, f.isMap, f.odd, f.pending = ']', c == '{', false, 1
			if c == '(' {
				f.shut = ')'
			} else if c == '{' {
				f.shut = '}'
			}
			i++
			continue
		case clsShut:
			if depth == 0 || c != f.shut || f.odd || f.pending != 1 {
				return 0, errFloor
			}
			depth--
			i++
		case clsQuote:
			for i++; i < len(b) && b[i] != '"'; i++ {
				if b[i] == '\\' {
					i++
				} else if b[i] >= utf8.RuneSelf {
					ascii = false
				}
			}
			if i++; i > len(b) {
				return 0, errFloor
			}
		case clsBackslash:
			for i += 2; i < len(b) && ednClass[b[i]] < clsBlank; i++ {
			}
		default:
			for i < len(b) && ednClass[b[i]] < clsBlank {
				if b[i] >= utf8.RuneSelf {
					ascii = false
				}
				i++
			}
		}
		f = &frames[depth]
		for f.pending > 1 && f.pending&1 == 1 {
			f.pending >>= 1
		}
		if f.pending > 1 {
			f.pending >>= 1
			continue
		}
		if depth == 0 {
			if !ascii && !utf8.Valid(b[:i]) {
				return 0, errFloor
			}
			return i, nil
		}
		f.odd = f.isMap && !f.odd
	}
	return 0, errFloor
}

var errFloor = errors.New("not EDN")
