package pack_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/sente-lite/sente-lite/pipe"
	"github.com/sente-lite/sente-lite/pipe/pack"
	"pgregory.net/rapid"
)

// AnyJSON draws values as encoding/json decodes them, with integers that JSON's
// readers keep.
func anyJSON(depth int) *rapid.Generator[any] {
	text := rapid.OneOf(rapid.String(), rapid.StringMatching(`[a-c]{0,2}[/:.#]?[a-c1]{0,2}`))
	leaf := []*rapid.Generator[any]{
		rapid.Just[any](nil),
		rapid.Bool().AsAny(),
		text.AsAny(),
		rapid.Int64Range(-1<<53, 1<<53).AsAny(),
		rapid.Float64().Filter(func(f float64) bool { return math.Abs(f) <= 1<<53 || math.Abs(f) > 1e21 }).AsAny(),
	}
	if depth == 0 {
		return rapid.OneOf(leaf...)
	}
	inner := anyJSON(depth - 1)
	return rapid.OneOf(append(leaf,
		rapid.SliceOfN(inner, 0, 5).AsAny(),
		rapid.MapOfN(text, inner, 0, 12).AsAny(),
	)...)
}

// What one JSON peer says, another hears.
func TestJSONRoundTrip(t *testing.T) {
	values := anyJSON(4)
	rapid.Check(t, func(t *rapid.T) {
		packed, err := json.Marshal(values.Draw(t, "value"))
		if err != nil {
			t.Fatal(err)
		}
		edn, err := pack.JSON.Unpack(nil, packed, pipe.Limits{})
		if err != nil {
			t.Fatalf("%s: %v", packed, err)
		}
		if _, err := pipe.Check(edn, pipe.Limits{}); err != nil {
			t.Fatalf("%s became %s: %v", packed, edn, err)
		}
		again, err := pack.JSON.Pack(nil, edn)
		if err != nil {
			t.Fatalf("%s became %s: %v", packed, edn, err)
		}
		if !sameJSON(t, packed, again) {
			t.Fatalf("%s became %s, then %s", packed, edn, again)
		}
	})
}

// Every key that becomes a keyword is that keyword for the scanner.
func TestIsKeyword(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.StringMatching(`[a1/:#'.@|+ -]{0,6}`)).Draw(t, "text")
		if !pack.IsKeyword([]byte(text)) {
			return
		}
		value, err := pipe.Check([]byte(":"+text), pipe.Limits{})
		if err != nil || string(value) != ":"+text || pipe.Kind(value) != pipe.KindKeyword {
			t.Fatalf(":%s is read as %s, %v", text, value, err)
		}
	})
}

func FuzzJSONUnpack(f *testing.F) {
	for _, tt := range unpackTable {
		f.Add([]byte(tt.json))
	}
	f.Fuzz(func(t *testing.T, packed []byte) {
		lim := pipe.Limits{Bytes: 1 << 16, Depth: 20}
		edn, err := pack.JSON.Unpack(nil, packed, lim)
		if err != nil {
			var e *pipe.Error
			if !errors.As(err, &e) {
				t.Fatalf("%T %v", err, err)
			}
			if e.Code == "bad-json" && json.Valid(packed) && !strings.Contains(e.Msg, "twice") && !strings.Contains(e.Msg, "surrogate") && !strings.Contains(e.Msg, "UTF-8") {
				t.Fatalf("%q is JSON, but %v", packed, err)
			}
			return
		}
		if !json.Valid(packed) {
			t.Fatalf("%q is no JSON, but became %s", packed, edn)
		}
		if _, err := pipe.Check(edn, lim); err != nil {
			t.Fatalf("%q became %q: %v", packed, edn, err)
		}
		again, err := pack.JSON.Pack(nil, edn)
		if err != nil || !json.Valid(again) {
			t.Fatalf("%q became %q, then %q, %v", packed, edn, again, err)
		}
	})
}

func FuzzJSONPack(f *testing.F) {
	for _, tt := range packTable {
		f.Add([]byte(tt.edn))
	}
	f.Fuzz(func(t *testing.T, edn []byte) {
		_, checked := pipe.Check(edn, pipe.Limits{})
		packed, err := pack.JSON.Pack(nil, edn)
		if checked != nil {
			return // nothing is promised but to come back
		}
		if err != nil {
			var e *pipe.Error
			if !errors.As(err, &e) || e.Category != pipe.Unsupported {
				t.Fatalf("%q: %v", edn, err)
			}
			return
		}
		if !json.Valid(packed) {
			t.Fatalf("%q became %q", edn, packed)
		}
		if _, err := pack.JSON.Unpack(nil, packed, pipe.Limits{}); err != nil && !strings.Contains(err.Error(), "surrogate") {
			t.Fatalf("%q became %q: %v", edn, packed, err)
		}
	})
}

var chat = []byte(`[:chat/msg {:id 1766108726643 :from "alice" :text "It is \"so\" nice here ☀\nisn't it?" :at #inst "2025-12-19T01:45:26.643-00:00" :tags [:a :b/c] :read? false}]`)

func rows(n int) []byte {
	var b strings.Builder
	b.WriteString("[:db/rows [")
	for i := range n {
		fmt.Fprintf(&b, `{:id %d :name "row %d" :score %d.5 :tags #{:x :y} :ok? true} `, i, i, i)
	}
	b.WriteString("]]")
	return []byte(b.String())
}

func BenchmarkJSON(b *testing.B) {
	for _, bb := range []struct {
		name string
		edn  []byte
	}{{"chat", chat}, {"rows", rows(500)}} {
		packed, err := pack.JSON.Pack(nil, bb.edn)
		if err != nil {
			b.Fatal(err)
		}
		dst := make([]byte, 0, 2*len(bb.edn))
		b.Run("pack/"+bb.name, func(b *testing.B) {
			b.SetBytes(int64(len(bb.edn)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := pack.JSON.Pack(dst, bb.edn); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("unpack/"+bb.name, func(b *testing.B) {
			b.SetBytes(int64(len(packed)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := pack.JSON.Unpack(dst, packed, pipe.Limits{}); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("encoding-json-decode/"+bb.name, func(b *testing.B) {
			b.SetBytes(int64(len(packed)))
			b.ReportAllocs()
			for b.Loop() {
				var v any
				if err := json.Unmarshal(packed, &v); err != nil {
					b.Fatal(err)
				}
			}
		})
		var v any
		if err := json.Unmarshal(packed, &v); err != nil {
			b.Fatal(err)
		}
		b.Run("encoding-json-encode/"+bb.name, func(b *testing.B) {
			b.SetBytes(int64(len(packed)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := json.Marshal(v); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
