package pack_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/sente-lite/sente-lite/pipe"
	"github.com/sente-lite/sente-lite/pipe/pack"
)

type k = pack.Keyword

func TestDecodeEDN(t *testing.T) {
	for _, tt := range []struct {
		edn  string
		want any
	}{
		{`nil`, nil},
		{`[true false sym :k :n/k "s"]`, []any{true, false, pack.Symbol("sym"), k("k"), k("n/k"), "s"}},
		{`(1 -2 +3 0x10 017 2r101 4N -0)`, []any{int64(1), int64(-2), int64(3), int64(16), int64(15), int64(5), int64(4), int64(0)}},
		{`[1.5 1. 1e3 1.5M 2M]`, []any{1.5, 1.0, 1000.0, 1.5, 2.0}},
		{`[\a \newline \u00e9 \o101 \"]`, []any{"a", "\n", "é", "A", `"`}},
		{`"a\n\"\\\u0041\101\ud83d\ude00` + "\n\x01é" + `"`, "a\n\"\\AA😀\n\x01é"},
		{`{:a 1 "b" 2 3 [4]}`, map[any]any{k("a"): int64(1), "b": int64(2), int64(3): []any{int64(4)}}},
		{`#{"x" :y}`, map[any]bool{"x": true, k("y"): true}},
		{`#:a{:b 1 :_/c 2 :x/y 3}`, map[any]any{k("a/b"): int64(1), k("c"): int64(2), k("x/y"): int64(3)}},
		{"{:a ; why\n 1 #_ #_ :b 2 :c ^:m [#_3]}", map[any]any{k("a"): int64(1), k("c"): []any{}}},
	} {
		got, err := pack.DecodeEDN([]byte(tt.edn))
		if err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s:\n got %#v, %v\nwant %#v", tt.edn, got, err, tt.want)
		}
	}
}

func TestDecodeEDNErrors(t *testing.T) {
	for _, tt := range []struct {
		edn          string
		line, column int
		msg          string
	}{
		{`{:a 1 :a 2}`, 1, 7, ":a comes twice"},
		{"[{:a 1}\n #{1 0x1}]", 2, 6, "1 comes twice"},
		{`{[1] 2}`, 1, 2, "a collection as a key"},
		{`#{#{}}`, 1, 3, "a collection as a member of a set"},
		{`[1/2]`, 1, 2, "ratio"},
		{`9223372036854775808`, 1, 1, "64 bits"},
		{`[##NaN]`, 1, 2, "##NaN"},
		{`[#inst "2024"]`, 1, 2, "the tag #inst"},
		{`#"x"`, 1, 1, "found"},
		{`{:a`, 1, 4, ""},
		{`1 2`, 1, 3, ""},
		{``, 1, 1, "empty"},
		{strings.Repeat("[", 600), 1, 513, "deep"},
	} {
		got, err := pack.DecodeEDN([]byte(tt.edn))
		var e *pipe.SyntaxError
		if !errors.As(err, &e) || e.Line != tt.line || e.Column != tt.column || !strings.Contains(e.Msg, tt.msg) {
			t.Errorf("%.30s gave %#v, %v", tt.edn, got, err)
		}
	}
}

func TestLocate(t *testing.T) {
	const text = "; a comment\n{:a 1\n :flow {:x [1 2]\n        :auth {:tokens [{:uid \"u\"}\n   {:uid 5}]}}}"
	for _, tt := range []struct {
		path         []any
		line, column int
	}{
		{nil, 2, 1},
		{[]any{k("a")}, 2, 2},
		{[]any{k("flow"), k("x")}, 3, 9},
		{[]any{k("flow"), k("x"), 1}, 3, 15},
		{[]any{k("flow"), k("auth"), k("tokens"), 1, k("uid")}, 5, 5},
		{[]any{k("flow"), k("none"), k("x")}, 3, 2},
		{[]any{k("none")}, 2, 1},
		{[]any{k("a"), 3}, 2, 2},
	} {
		line, column := pack.Locate([]byte(text), tt.path...)
		if line != tt.line || column != tt.column {
			t.Errorf("%v: got %d:%d, want %d:%d", tt.path, line, column, tt.line, tt.column)
		}
	}
}

func FuzzDecodeEDN(f *testing.F) {
	for _, tt := range packTable {
		f.Add([]byte(tt.edn))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		_, err := pack.DecodeEDN(text)
		var e *pipe.SyntaxError
		if err != nil && !errors.As(err, &e) {
			t.Fatalf("%T %v", err, err)
		}
		pack.Locate(text, k("a"), 0, k("b"))
	})
}
