package pack_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/sente-lite/sente-lite/pipe"
	"github.com/sente-lite/sente-lite/pipe/pack"
	"pgregory.net/rapid"
)

// A spelt value is EDN text as somebody may write it, and as we do.
type spelt struct{ text, plain string }

func same(text string) spelt { return spelt{text, text} }

func asWritten(s spelt) string { return s.plain }

// AnyEDN draws values of every kind, in many spellings.
func anyEDN(depth int) *rapid.Generator[spelt] {
	leaf := rapid.OneOf(
		rapid.Map(rapid.SampledFrom([]string{"nil", "true", "false", ":a", ":a/b", ":1", ":ä-b.c/d?", "sym", "a/b", "/", "->x", "..", "##NaN", "##Inf", "##-Inf",
			"5N", "-0N", "123456789012345678901234567890", "0xffffffffffffffffffN", "1.5M", "1e3M", "1/2", "-7/300", `#"a\d"`, `#my/tag [1 2]`, "#a #b c",
			`\a`, `\newline`, `\space`, `\(`, `\✓`, `\u0000`, `"\ud800"`, `#inst "x"`, `#inst "1400-01-01"`, `#uuid "u"`}), same),
		rapid.Custom(anyInt), rapid.Custom(anyDouble), rapid.Custom(anyText), rapid.Custom(anyInstant), rapid.Custom(anyBytes),
		rapid.Map(rapid.StringMatching(`:[a-z]{1,3}(/[a-z]{1,3})?`), same),
	)
	if depth == 0 {
		return leaf
	}
	inner := anyEDN(depth - 1)
	return rapid.OneOf(leaf, leaf, rapid.Custom(func(t *rapid.T) spelt { return anyCollection(t, inner) }))
}

func anyCollection(t *rapid.T, inner *rapid.Generator[spelt]) spelt {
	n := rapid.SampledFrom([]int{0, 1, 2, 3, 5, 15, 16, 20}).Draw(t, "n")
	var text, plain []string
	gap := rapid.SampledFrom([]string{" ", ", ", "\n", " ;c\n", " #_ x ", " #_ #_ [1] {} "}).Draw(t, "gap")
	meta := rapid.SampledFrom([]string{"", "", "", "^:m ", "^{:a [1]} "}).Draw(t, "meta")
	put := func(all []spelt) {
		for _, v := range all {
			text, plain = append(text, v.text), append(plain, v.plain)
		}
	}
	kind := rapid.SampledFrom([]string{"[]", "()", "#{}", "{}", "{}", "ns"}).Draw(t, "kind")
	switch kind {
	case "[]", "()":
		put(rapid.SliceOfN(inner, n, n).Draw(t, "values"))
	case "#{}":
		put(rapid.SliceOfNDistinct(inner, 0, n, asWritten).Draw(t, "values"))
	case "{}":
		for _, k := range rapid.SliceOfNDistinct(inner, 0, n, asWritten).Draw(t, "keys") {
			put([]spelt{k, inner.Draw(t, "value")})
		}
	case "ns":
		for _, k := range rapid.SliceOfNDistinct(rapid.StringMatching(`:?(_/|x/)?[a-z]{1,3}`), 0, n, rapid.ID).Draw(t, "keys") {
			full := strings.Replace(k, "_/", "", 1)
			if !strings.Contains(k, "/") {
				full = strings.Replace(":ns/"+strings.TrimPrefix(k, ":"), ":", k[:len(k)-len(strings.TrimPrefix(k, ":"))], 1)
			}
			if k == "nil" || k == "true" || k == "_/nil" || full == "nil" || full == "true" {
				continue
			}
			put([]spelt{{k, full}, inner.Draw(t, "value")})
		}
		return spelt{"#:ns{" + strings.Join(text, gap) + "}", "{" + strings.Join(plain, " ") + "}"}
	}
	open, shut := kind[:len(kind)-1], kind[len(kind)-1:]
	return spelt{meta + open + strings.Join(text, gap) + " " + shut, open + strings.Join(plain, " ") + shut}
}

func anyInt(t *rapid.T) spelt {
	n := rapid.OneOf(rapid.Int64(), rapid.Int64Range(-70000, 70000), rapid.Int64Range(-200, 300)).Draw(t, "int")
	size := strconv.FormatUint(uint64(max(n, -n)), 10)
	sign := ""
	if n < 0 {
		sign = "-"
		size = strconv.FormatUint(-uint64(n), 10)
	}
	u, _ := strconv.ParseUint(size, 10, 64)
	text := rapid.SampledFrom([]string{sign + size, sign + "0x" + strconv.FormatUint(u, 16), sign + "0" + strconv.FormatUint(u, 8),
		sign + "36r" + strconv.FormatUint(u, 36), sign + "2R" + strconv.FormatUint(u, 2)}).Draw(t, "spelling")
	if sign == "" && rapid.Bool().Draw(t, "plus") {
		text = "+" + text
	}
	return spelt{text, strconv.FormatInt(n, 10)}
}

func anyDouble(t *rapid.T) spelt {
	x := rapid.OneOf(rapid.Float64(), rapid.Map(rapid.Float32(), func(x float32) float64 { return float64(x) }),
		rapid.Map(rapid.IntRange(-1000000, 1000000), func(n int) float64 { return float64(n) / 100 })).
		Filter(func(x float64) bool { return x == x && !math.IsInf(x, 0) }).Draw(t, "double")
	text := rapid.SampledFrom([]string{strconv.FormatFloat(x, 'e', -1, 64), strconv.FormatFloat(x, 'f', -1, 64) + ".0", strconv.FormatFloat(x, 'E', 20, 64)}).Draw(t, "spelling")
	if strings.Count(text, ".") == 2 {
		text = strings.TrimSuffix(text, ".0")
	}
	shape := byte('f')
	if a := math.Abs(x); x != 0 && a < 1e-3 || a >= 1e15 || a >= 1e6 && x != math.Trunc(x) {
		shape = 'e'
	}
	plain := strconv.FormatFloat(x, shape, -1, 64)
	if !strings.ContainsAny(plain, ".e") {
		plain += ".0"
	}
	return spelt{text, plain}
}

func anyText(t *rapid.T) spelt {
	s := rapid.OneOf(rapid.String(), rapid.StringMatching(`[a-c"\\]{0,40}`)).Draw(t, "string")
	text, plain := `"`, `"`
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			text, plain = text+`\`+string(r), plain+`\`+string(r)
		case r == '\n' || r == '\r' || r == '\t':
			text, plain = text+string(r), plain+map[rune]string{'\n': `\n`, '\r': `\r`, '\t': `\t`}[r]
		case r < ' ':
			text, plain = text+string(r), plain+fmt.Sprintf(`\u%04x`, r)
		case r > 0xa0 && r < 0xd000:
			text, plain = text+fmt.Sprintf(`\u%04X`, r), plain+string(r)
		default:
			text, plain = text+string(r), plain+string(r)
		}
	}
	return spelt{text + `"`, plain + `"`}
}

func anyInstant(t *rapid.T) spelt {
	n := rapid.Int64Range(-12212553600, 253402300799).Draw(t, "seconds")
	nanos := rapid.SampledFrom([]int64{0, 1e6, 999e6, 1, 123456789}).Draw(t, "nanos")
	zone := rapid.IntRange(-23*60, 23*60).Draw(t, "zone")
	at, layout := timeOf(n, nanos), "2006-01-02T15:04:05.000-00:00"
	if nanos%1e6 != 0 {
		layout = "2006-01-02T15:04:05.000000000-00:00"
	}
	text := inZone(at, zone)
	if len(text) > len("2006-01-02T15:04:05.000000000-07:00") || text[4] != '-' { // the zone's year has five digits
		return same(`#inst "2000-01-01T00:00:00.000-00:00"`)
	}
	return spelt{`#inst "` + text + `"`, `#inst "` + at.Format(layout) + `"`}
}

func anyBytes(t *rapid.T) spelt {
	text := base64.StdEncoding.EncodeToString(rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "bytes"))
	if rapid.Bool().Draw(t, "ext") {
		return same(fmt.Sprintf(`#sente-lite/ext [%d "%s"]`, rapid.SampledFrom([]int{-128, -2, 5, 6, 7, 10, 15, 18, 127}).Draw(t, "id"), text))
	}
	return same(`#sente-lite/bytes "` + text + `"`)
}

// Every value that is packed is unpacked as itself, in plain spelling.
func TestMsgpackRoundTrip(t *testing.T) {
	values := anyEDN(4)
	rapid.Check(t, func(t *rapid.T) {
		v := values.Draw(t, "value")
		if _, err := pipe.Check([]byte(v.text), pipe.Limits{}); err != nil {
			t.Fatalf("%s is not EDN: %v", v.text, err)
		}
		packed, err := pack.Msgpack.Pack(nil, []byte(v.text))
		if err != nil {
			t.Fatalf("%s: %v", v.text, err)
		}
		back, err := pack.Msgpack.Unpack(nil, packed, pipe.Limits{})
		if err != nil || string(back) != v.plain {
			t.Fatalf("%s\n became %x\n then %s, %v\n want %s", v.text, packed, back, err, v.plain)
		}
		checkDecoded(t, packed, v.plain)
		again, err := pack.Msgpack.Pack(nil, back)
		if err != nil || !bytes.Equal(again, packed) {
			t.Fatalf("%s is packed as %x, then as %x, %v", v.plain, packed, again, err)
		}
	})
}

// A bundle is what packing the whole bundle gives, whatever keys its items share.
func TestMsgpackJoin(t *testing.T) {
	values := anyEDN(3)
	for _, p := range []pipe.Packer{pack.Msgpack, pack.SenteMsgpack} {
		rapid.Check(t, func(t *rapid.T) {
			var items [][]byte
			var text []string
			for _, v := range rapid.SliceOfN(values, 1, 40).Draw(t, "values") {
				packed, err := p.Pack(nil, []byte(v.text))
				if err != nil {
					continue
				}
				items, text = append(items, packed), append(text, v.text)
			}
			if len(items) == 0 {
				return
			}
			checkJoin(t, p, items, "[:batch/events ["+strings.Join(text, "\n")+"]]")
		})
	}
}

func checkJoin(t interface{ Fatalf(string, ...any) }, p pipe.Packer, items [][]byte, whole string) {
	want, err := p.Pack([]byte("before "), []byte(whole))
	if err != nil {
		t.Fatalf("%.9999s: %v", whole, err)
	}
	if got := p.Join([]byte("before "), items); !bytes.Equal(got, want) {
		t.Fatalf("%.9999s\n got %.9999x\nwant %.9999x", whole, got, want)
	}
}

// There are more keys than may be referred to, in the items and in all of them.
func TestMsgpackJoinManyKeys(t *testing.T) {
	for _, step := range []int{1, 3, 100, 400} {
		var items [][]byte
		var whole []byte
		for i := range 12 {
			item := []byte("[:a/b (#{[{")
			for k := range 300 {
				item = fmt.Appendf(item, ":k%d %d ", i*step+k, k)
			}
			for k := range 300 {
				item = fmt.Appendf(item, "\"k%d\" {:k%d 1} ", i*step+k, i*step+k)
			}
			item = append(item, "}]})]"...)
			packed, err := pack.Msgpack.Pack(nil, item)
			if err != nil {
				t.Fatal(err)
			}
			items = append(items, packed)
			whole = append(append(whole, item...), ' ')
		}
		text := "[:batch/events [" + string(whole) + "]]"
		checkJoin(t, pack.Msgpack, items, text)
		back, err := pack.Msgpack.Unpack(nil, pack.Msgpack.Join(nil, items), pipe.Limits{})
		if want := strings.ReplaceAll(strings.ReplaceAll(text, " }", "}"), " ]", "]"); err != nil || string(back) != want {
			t.Errorf("step %d: a bundle of %d keys comes back otherwise: %v", step, 12*600, err)
		}
	}
}

// Depth costs no Go stack, and headers that turn out larger no more than their bytes:
// each of these levels has one.
func TestMsgpackKeepsDepthOffTheStack(t *testing.T) {
	const depth = 1 << 16
	lim := pipe.Limits{Depth: 2*depth + 10}
	core := `"` + strings.Repeat("x", 300) + `"`
	for _, pair := range []struct{ open, shut string }{
		{"[", "]"}, {"(", ")"}, {"(#{", "})"}, {"[[0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 ", "]]"}, {"{0 ", "}"}, {"(1 ", " 2)"},
	} {
		deep := strings.Repeat(pair.open, depth) + core + strings.Repeat(pair.shut, depth)
		packed, err := pack.Msgpack.Pack(nil, []byte(deep))
		if err != nil {
			t.Fatal(err)
		}
		got, err := pack.Msgpack.Unpack(nil, packed, lim)
		if err != nil || string(got) != deep {
			t.Fatalf("%s: %d bytes of %d, %v", pair.open, len(got), len(deep), err)
		}
		checkJoin(t, pack.Msgpack, [][]byte{packed, packed}, "[:batch/events ["+deep+" "+deep+"]]")
	}
}

func FuzzMsgpackUnpack(f *testing.F) {
	for _, tt := range msgpackTable {
		packed, err := pack.Msgpack.Pack(nil, []byte(tt.edn))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(packed)
	}
	f.Fuzz(func(t *testing.T, packed []byte) {
		lim := pipe.Limits{Bytes: 1 << 16, Depth: 20}
		edn, err := pack.Msgpack.Unpack(nil, packed, lim)
		if err != nil {
			var e *pipe.Error
			if !errors.As(err, &e) {
				t.Fatalf("%T %v", err, err)
			}
			if _, err := pipe.Check(e.AppendEDN(nil), pipe.Limits{}); err != nil {
				t.Fatalf("the error %+v is no EDN: %v", e, err)
			}
			return
		}
		if text, err := pipe.Check(edn, lim); err != nil || len(text) != len(edn) {
			t.Fatalf("%x became %q: %v", packed, edn, err)
		}
		fixpoint(t, edn)
	})
}

// Fixpoint packs what was unpacked: from then on nothing changes any more.
func fixpoint(t *testing.T, edn []byte) {
	first, err := pack.Msgpack.Pack(nil, edn)
	if err != nil {
		t.Fatalf("%q: %v", edn, err)
	}
	back, err := pack.Msgpack.Unpack(nil, first, pipe.Limits{})
	if err != nil {
		if e := err.Error(); strings.Contains(e, "twice") || strings.Contains(e, "reads back") || strings.Contains(e, "too-deep") || strings.Contains(e, "nested") {
			return // as the EDN had it in another spelling
		}
		t.Fatalf("%q became %x: %v", edn, first, err)
	}
	second, err := pack.Msgpack.Pack(nil, back)
	if err != nil || !bytes.Equal(first, second) {
		t.Fatalf("%q is %x, then %q is %x, %v", edn, first, back, second, err)
	}
}

func FuzzMsgpackPack(f *testing.F) {
	for _, tt := range msgpackTable {
		f.Add([]byte(tt.edn))
	}
	for _, tt := range packTable {
		f.Add([]byte(tt.edn))
	}
	f.Fuzz(func(t *testing.T, edn []byte) {
		_, checked := pipe.Check(edn, pipe.Limits{})
		if checked != nil {
			pack.Msgpack.Pack(nil, edn)
			pack.SenteMsgpack.Pack(nil, edn)
			return // nothing is promised but to come back
		}
		fixpoint(t, edn)
		if packed, err := pack.SenteMsgpack.Pack(nil, edn); err == nil {
			walkDecoded(t, packed)
		} else if e := new(pipe.Error); !errors.As(err, &e) || e.Category != pipe.Unsupported {
			t.Fatalf("%q: %v", edn, err)
		}
	})
}

func FuzzMsgpackJoin(f *testing.F) {
	for i, tt := range msgpackTable {
		f.Add([]byte(tt.edn), []byte(msgpackTable[(i+7)%len(msgpackTable)].edn), uint8(i))
	}
	f.Fuzz(func(t *testing.T, a, b []byte, n uint8) {
		var items [][]byte
		whole := "[:batch/events ["
		for i := range int(n%20) + 1 {
			edn := a
			if i%3 == 1 {
				edn = b
			}
			if _, err := pipe.Check(edn, pipe.Limits{}); err != nil {
				return
			}
			packed, err := pack.Msgpack.Pack(nil, edn)
			if err != nil {
				t.Fatal(err)
			}
			items = append(items, packed)
			whole += string(edn) + "\n"
		}
		checkJoin(t, pack.Msgpack, items, whole+"]]")
	})
}

// What JSON carries whole comes through any two forms, one after the other, as it was.
func TestFormsOneAfterTheOther(t *testing.T) {
	forms := []pipe.Packer{pipe.EDN, pack.Msgpack, pack.JSON}
	values := anyJSONValue(3)
	rapid.Check(t, func(t *rapid.T) {
		want := "[:a/b " + values.Draw(t, "value") + "]"
		for _, a := range forms {
			for _, b := range forms {
				got := []byte(want)
				for _, form := range []pipe.Packer{a, b} {
					packed, err := form.Pack(nil, got)
					if err == nil {
						got, err = form.Unpack(nil, packed, pipe.Limits{})
					}
					if err != nil {
						t.Fatalf("%s by %s and %s: %v", want, a.Name(), b.Name(), err)
					}
				}
				x, err := pack.Msgpack.Pack(nil, got) // JSON has another text for some characters
				y, err2 := pack.Msgpack.Pack(nil, []byte(want))
				if err != nil || err2 != nil || !bytes.Equal(x, y) {
					t.Fatalf("%s is %s by %s and %s", want, got, a.Name(), b.Name())
				}
			}
		}
	})
}

func anyJSONValue(depth int) *rapid.Generator[string] {
	leaf := rapid.OneOf(rapid.SampledFrom([]string{"nil", "true", "false"}),
		rapid.Map(rapid.Custom(anyText), asWritten),
		rapid.Map(rapid.Int64Range(-1<<53, 1<<53), func(n int64) string { return strconv.FormatInt(n, 10) }),
		rapid.Map(rapid.Custom(anyDouble), asWritten))
	if depth == 0 {
		return leaf
	}
	inner := anyJSONValue(depth - 1)
	return rapid.OneOf(leaf, rapid.Custom(func(t *rapid.T) string {
		if rapid.Bool().Draw(t, "array") {
			return "[" + strings.Join(rapid.SliceOfN(inner, 0, 20).Draw(t, "values"), " ") + "]"
		}
		var all []string
		for _, k := range rapid.SliceOfNDistinct(rapid.StringMatching(`:[a-z]{1,3}(/[a-z]{1,3})?|"[a-z] "`), 0, 20, rapid.ID).Draw(t, "keys") {
			all = append(all, k+" "+inner.Draw(t, "value"))
		}
		return "{" + strings.Join(all, " ") + "}"
	}))
}

// Bytes cost themselves, and are text for JSON.
func TestBytesInEvents(t *testing.T) {
	data := bytes.Repeat([]byte("0123456789abcdef\x00\xff"), 1<<20/18+1)[:1<<20]
	text := base64.StdEncoding.EncodeToString(data)
	edn := `[:file/part {:bytes #sente-lite/bytes "` + text + `" :n 1}]`
	packed, err := pack.Msgpack.Pack(nil, []byte(edn))
	if err != nil || len(packed) > len(data)+64 || !bytes.Contains(packed, data) {
		t.Fatalf("%d bytes become %d, %v", len(data), len(packed), err)
	}
	if back, err := pack.Msgpack.Unpack(nil, packed, pipe.Limits{}); err != nil || string(back) != edn {
		t.Errorf("they come back otherwise: %v", err)
	}
	if json, err := pack.JSON.Pack(nil, []byte(edn)); err != nil || string(json) != `["file/part",{"bytes":"`+text+`","n":1}]` {
		t.Errorf("JSON has not their base64: %v", err)
	}
}

// More headers are too small than are noted at a time, and what is open meanwhile,
// before them and behind them, is written where it is by then.
func TestMsgpackManyLargeHeaders(t *testing.T) {
	one := `("` + strings.Repeat("x", 260) + `")`
	some := strings.TrimSuffix(strings.Repeat(one+" ", 17000), " ")
	edn := "[:a/b (" + some + " {:k #{1 [" + some + " (" + some + ")]} :l (" + one + ")}) " + one + "]"
	packed, err := pack.Msgpack.Pack([]byte("before "), []byte(edn))
	if err != nil {
		t.Fatal(err)
	}
	packed = packed[len("before "):]
	back, err := pack.Msgpack.Unpack(nil, packed, pipe.Limits{})
	if err != nil || string(back) != edn {
		t.Fatalf("%d bytes come back as %d, %v", len(edn), len(back), err)
	}
	checkJoin(t, pack.Msgpack, [][]byte{packed}, "[:batch/events ["+edn+"]]")
}

// Every character of 16 bits is written so that it is read as that.
func TestMsgpackCharacters(t *testing.T) {
	for r := rune(0); r <= 0xffff; r++ {
		if 0xd800 <= r && r < 0xe000 {
			continue
		}
		text := string(r)
		packed := append([]byte{0xc7, byte(len(text)), 2}, text...)
		edn, err := pack.Msgpack.Unpack(nil, packed, pipe.Limits{})
		if err != nil {
			t.Fatalf("%U: %v", r, err)
		}
		value, err := pipe.Check(edn, pipe.Limits{})
		if err != nil || len(value) != len(edn) || pipe.Kind(value) != pipe.KindChar {
			t.Fatalf("%U is %s, %v", r, edn, err)
		}
		if again, err := pack.Msgpack.Pack(nil, edn); err != nil || string(again[2:]) != string(packed[2:]) && string(again[1:]) != string(packed[2:]) {
			t.Fatalf("%U is %s, then %x, %v", r, edn, again, err)
		}
	}
}

// Every keyword and symbol that is taken is that for the scanner, and no other is.
func TestMsgpackNamesThatReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.StringMatching(`[a-cA1/:#'.@|+ _^;-]{0,6}`)).Draw(t, "text")
		for id, want := range []pipe.ValueKind{pipe.KindKeyword, pipe.KindSymbol} {
			packed := append([]byte{0xc9, 0, 0, byte(len(text) >> 8), byte(len(text)), byte(id)}, text...)
			edn, err := pack.Msgpack.Unpack(nil, packed, pipe.Limits{})
			name := []string{":", ""}[id] + text
			value, unread := pipe.Check([]byte(name), pipe.Limits{})
			reads := unread == nil && string(value) == name && pipe.Kind(value) == want && (want == pipe.KindKeyword || text[0] != '^')
			if reads != (err == nil) || err == nil && string(edn) != name {
				t.Fatalf("%q is unpacked as %q, %v; it reads as %s, %v", text, edn, err, value, unread)
			}
		}
	})
}
