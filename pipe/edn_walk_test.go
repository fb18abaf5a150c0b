package pipe

import (
	"slices"
	"strings"
	"testing"
)

func elementsOf(coll string) (all []string) {
	c := Elements([]byte(coll))
	for e, ok := c.Next(); ok; e, ok = c.Next() {
		all = append(all, string(e))
	}
	return all
}

func TestElements(t *testing.T) {
	for _, c := range []struct{ coll, want string }{
		{"[]", ""},
		{"[ , ]", ""},
		{"[#_ a ; ]\n]", ""},
		{"[1 2]", "1|2"},
		{"(a(b)c)", "a|(b)|c"},
		{"#{1 #{2} 3}", "1|#{2}|3"},
		{"{:a 1, :b {:c 2}}", ":a|1|:b|{:c 2}"},
		{"#:ns{:a 1}", ":a|1"},
		{"#:ns {:a 1 :b 2}", ":a|1|:b|2"},
		{"^{:m 1} [a b]", "a|b"},
		{"^:x ^ :y #^z [a]", "a"},
		{`["a]" "\"" "\\" b]`, `"a]"|"\""|"\\"|b`},
		{`[\] \[ \" \\ \; \newline a]`, `\]|\[|\"|\\|\;|\newline|a`},
		{`[\é \( 1 \)]`, `\é|\(|1|\)`},
		{"[#_ #_ a b c]", "c"},
		{"[#a #b 1 #c [2] 3]", "#a #b 1|#c [2]|3"},
		{"[#a #_ 1 2 3]", "#a #_ 1 2|3"},
		{"[^#_ 1 :a #_ 2 b c]", "^#_ 1 :a #_ 2 b|c"},
		{"[^:a ^{:b 1} c d]", "^:a ^{:b 1} c|d"},
		{"[#:a{:b 1}c]", "#:a{:b 1}|c"},
		{`[#"a\"]"#{1}##Inf ##-Inf]`, `#"a\"]"|#{1}|##Inf|##-Inf`},
		{"[1#_2 3#{4}-5[6]+]", "1|3|#{4}|-5|[6]|+"},
		{"[a#b ; c ]\n d]", "a#b|d"},
		{"[a\u2003b é\u2028 c]", "a|b|é|c"},
		{"[#object[a 0x1 \"b\"] x]", "#object[a 0x1 \"b\"]|x"},
		{":a", ""}, {"1", ""}, {`"[a]"`, ""}, {"#a [b]", ""}, {`#"a"`, ""}, {"", ""},
	} {
		if got := strings.Join(elementsOf(c.coll), "|"); got != c.want {
			t.Errorf("%s: %s, want %s", c.coll, got, c.want)
		}
	}
}

func TestLookup(t *testing.T) {
	for _, c := range []struct{ m, key, want string }{
		{"{:to 1}", ":to", "1"},
		{"{:too 1 :to 2}", ":to", "2"},
		{"{1 :to :to 2}", ":to", "2"},
		{"{:x :to}", ":to", "-"},
		{"{:sente-lite/x [1 2]}", ":sente-lite/x", "[1 2]"},
		{"{#_ :to #_ 1 :to #_ 2 3}", ":to", "3"},
		{"^:m {:to 1}", ":to", "1"},
		{`{"to" 1}`, `"to"`, "1"},
		{"{{:to 1} 2}", ":to", "-"},
		{"{}", ":to", "-"},
		{"#:ns{:a 1}", ":ns/a", "1"},
		{"#:ns{:a 1}", ":a", "-"},
		{"#:ns{:_/a 1}", ":a", "1"},
		{"#:ns{:_/a 1}", ":ns/a", "-"},
		{"#:ns{:_/a 1}", ":_/a", "-"},
		{"#:ns{:o/a 1}", ":o/a", "1"},
		{"#:ns{:o/a 1}", ":ns/a", "-"},
		{"#:ns {a 1 :a 2}", ":ns/a", "2"},
		{"#:ns {a 1 :a 2}", "ns/a", "1"},
		{"#:n{:sa 1}", ":ns/a", "-"},
		{"#:a.b{:c 1}", ":a.b/c", "1"},
		{`#:ns{"a" 1}`, `"a"`, "1"},
		{`#:ns{1 {:a 2} :a 3}`, ":ns/a", "3"},
		{"#:ns{:a 1}", "", "-"},
		{"[:to 1]", ":to", "-"}, {"nil", ":to", "-"}, {"#{:to 1}", ":to", "-"}, {"", ":to", "-"},
	} {
		got := "-"
		if v, ok := Lookup([]byte(c.m), c.key); ok {
			got = string(v)
		}
		if got != c.want {
			t.Errorf("%s in %s: %s, want %s", c.key, c.m, got, c.want)
		}
	}
}

func TestKind(t *testing.T) {
	for want, texts := range map[ValueKind][]string{
		KindNone:    {"", "#"},
		KindNil:     {"nil"},
		KindBool:    {"true", "false"},
		KindString:  {`""`, `"a"`},
		KindChar:    {`\a`, `\newline`, `\\`},
		KindKeyword: {":a", ":a/b", ":1"},
		KindSymbol:  {"a", "nils", "nil/a", "truer", "-", "+a", "-a1", "/", ".5", "'a", "é", "^:x a", "<"},
		KindInt:     {"0", "-1", "+1", "12N", "0xfe", "-0xFE", "36rZ", "017", "0xeN"},
		KindFloat:   {"1.0", "-1e5", "1M", "1.5M", "1E5", "##Inf", "##-Inf", "##NaN", "1."},
		KindRatio:   {"1/2", "-3/4"},
		KindVector:  {"[]", "^:a [1]", "^{:a 1} ^b [1]", "#^a []"},
		KindList:    {"()"},
		KindMap:     {"{}", "#:a{:b 1}", "#:a {}", "^:x ;c\n{}"},
		KindSet:     {"#{}"},
		KindTagged:  {"#a 1", "#inst \"2024\"", "#objects [1]", "#error {:a 1}", "#é 1"},
		KindOther:   {`#"re"`, "#object[a]", "#object [a]"},
	} {
		for _, text := range texts {
			if got := Kind([]byte(text)); got != want {
				t.Errorf("%s is %s, want %s", text, got, want)
			}
		}
	}
}

// Every collection of the vectors, taken apart and put together again, has the
// same elements.
func TestElementsOfVectors(t *testing.T) {
	for _, v := range vectors(t, "accepted.edn") {
		value, err := Check(v.bytes(":in"), Limits{})
		if err != nil {
			t.Fatal(err)
		}
		rejoin(t, value)
	}
}

func rejoin(t *testing.T, value []byte) {
	t.Helper()
	before, after := "[", "]"
	switch Kind(value) {
	case KindVector, KindList, KindSet:
	case KindMap:
		before, after = "{", "}"
	default:
		return
	}
	all := elementsOf(string(value))
	again := before + strings.Join(all, " ") + after
	if got := elementsOf(again); !slices.Equal(got, all) {
		t.Fatalf("%q has %q, but %q has %q", value, all, again, got)
	}
	for _, e := range all {
		v, err := Check([]byte(e), Limits{Depth: 1 << 20})
		if err != nil || string(v) != e {
			t.Fatalf("%q: element %q: %q, %v", value, e, v, err)
		}
		rejoin(t, v)
	}
}
