package pack_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sente-lite/sente-lite/pipe"
	"github.com/sente-lite/sente-lite/pipe/pack"
	"github.com/vmihailenco/msgpack/v5"
	"github.com/vmihailenco/msgpack/v5/msgpcode"
	"pgregory.net/rapid"
)

// What follows reads and writes MessagePack by a library of others, and knows no more
// of ours than the table of extensions.

type fataler interface{ Fatalf(string, ...any) }

func timeOf(seconds, nanos int64) time.Time { return time.Unix(seconds, nanos).UTC() }

func inZone(at time.Time, minutes int) string {
	layout := "2006-01-02T15:04:05.999999999-07:00"
	return at.In(time.FixedZone("", 60*minutes)).Format(layout)
}

// A decoder writes as EDN what the library reads.
type decoder struct {
	*msgpack.Decoder
	src  *bytes.Reader
	keys []string
}

func decoderOf(packed []byte) *decoder {
	src := bytes.NewReader(packed)
	return &decoder{Decoder: msgpack.NewDecoder(src), src: src}
}

func checkDecoded(t fataler, packed []byte, want string) {
	d := decoderOf(packed)
	if got := d.edn(t, false); got != want || d.src.Len() > 0 {
		t.Fatalf("%x is %s, and %d bytes; want %s", packed, got, d.src.Len(), want)
	}
}

func walkDecoded(t fataler, packed []byte) {
	d := decoderOf(packed)
	if got := d.edn(t, false); d.src.Len() > 0 {
		t.Fatalf("%x is %s, and %d bytes", packed, got, d.src.Len())
	}
}

func must[T any](t fataler) func(v T, err error) T {
	return func(v T, err error) T {
		if err != nil {
			t.Fatalf("the library says: %v", err)
		}
		return v
	}
}

func (d *decoder) edn(t fataler, key bool) string {
	c := must[byte](t)(d.PeekCode())
	switch {
	case msgpcode.IsFixedArray(c), c == msgpcode.Array16, c == msgpcode.Array32:
		return "[" + d.values(t, must[int](t)(d.DecodeArrayLen())) + "]"
	case msgpcode.IsFixedMap(c), c == msgpcode.Map16, c == msgpcode.Map32:
		var all []string
		for range must[int](t)(d.DecodeMapLen()) {
			all = append(all, d.edn(t, true), d.edn(t, false))
		}
		return "{" + strings.Join(all, " ") + "}"
	case msgpcode.IsExt(c):
		return d.ext(t, key)
	case msgpcode.IsBin(c):
		return `#sente-lite/bytes "` + base64.StdEncoding.EncodeToString(must[[]byte](t)(d.DecodeBytes())) + `"`
	case msgpcode.IsString(c):
		return d.met(key, ednString(must[string](t)(d.DecodeString())))
	case c == msgpcode.Float:
		return ednDouble(float64(must[float32](t)(d.DecodeFloat32())))
	case c == msgpcode.Double:
		return ednDouble(must[float64](t)(d.DecodeFloat64()))
	case c == msgpcode.Nil:
		if err := d.DecodeNil(); err != nil {
			t.Fatalf("%v", err)
		}
		return "nil"
	case c == msgpcode.True, c == msgpcode.False:
		return strconv.FormatBool(must[bool](t)(d.DecodeBool()))
	}
	return strconv.FormatInt(must[int64](t)(d.DecodeInt64()), 10)
}

func (d *decoder) values(t fataler, n int) string {
	var all []string
	for range n {
		all = append(all, d.edn(t, false))
	}
	return strings.Join(all, " ")
}

func (d *decoder) met(key bool, text string) string {
	if key && len(d.keys) < 256 {
		d.keys = append(d.keys, text)
	}
	return text
}

func (d *decoder) ext(t fataler, key bool) string {
	id, size, err := d.DecodeExtHeader()
	if err != nil {
		t.Fatalf("%v", err)
	}
	if id == 4 || id == 16 {
		left := d.src.Len()
		text := d.values(t, must[int](t)(d.DecodeArrayLen()))
		if left-d.src.Len() != size {
			t.Fatalf("an ext %d of %d bytes has %d", id, size, left-d.src.Len())
		}
		if id == 4 {
			return "#{" + text + "}"
		}
		return "(" + text + ")"
	}
	b := make([]byte, size)
	if err := d.ReadFull(b); err != nil {
		t.Fatalf("%v", err)
	}
	switch text := string(b); id {
	case 0:
		return d.met(key, ":"+text)
	case 1, 17:
		return text
	case 2:
		switch r := []rune(text)[0]; r {
		case '\n':
			return `\newline`
		case ' ':
			return `\space`
		case 0:
			return `\u0000`
		}
		return `\` + text
	case 3:
		r := decoderOf(b)
		return fmt.Sprint(must[int64](t)(r.DecodeInt64()), "/", must[int64](t)(r.DecodeInt64()))
	case 8:
		if !key || size != 1 || int(b[0]) >= len(d.keys) {
			t.Fatalf("a number of a key %x, of %d", b, len(d.keys))
		}
		return d.keys[b[0]]
	case 9:
		return `#uuid "` + text + `"`
	case -1:
		if len(b) != 12 {
			t.Fatalf("an instant of %d bytes", len(b))
		}
		at := timeOf(int64(binary.BigEndian.Uint64(b[4:])), int64(binary.BigEndian.Uint32(b)))
		if at.Nanosecond()%1e6 == 0 {
			return at.Format(`#inst "2006-01-02T15:04:05.000-00:00"`)
		}
		return at.Format(`#inst "2006-01-02T15:04:05.000000000-00:00"`)
	}
	return fmt.Sprintf(`#sente-lite/ext [%d "%s"]`, id, base64.StdEncoding.EncodeToString(b))
}

func ednString(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteString(`\` + string(r))
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case r < ' ':
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	return `"` + b.String() + `"`
}

func ednDouble(x float64) string {
	switch a := math.Abs(x); {
	case x != x:
		return "##NaN"
	case math.IsInf(x, 0):
		return strings.Replace(fmt.Sprintf("##%vInf", math.Copysign(1, x)), "1", "", 1)
	case x != 0 && a < 1e-3 || a >= 1e15 || a >= 1e6 && x != math.Trunc(x):
		return strconv.FormatFloat(x, 'e', -1, 64)
	}
	text := strconv.FormatFloat(x, 'f', -1, 64)
	if !strings.Contains(text, ".") {
		text += ".0"
	}
	return text
}

// Word is written as a keyword by the library.
type word string

func init() {
	msgpack.RegisterExtEncoder(0, word(""), func(_ *msgpack.Encoder, v reflect.Value) ([]byte, error) { return []byte(v.String()), nil })
	msgpack.RegisterExtDecoder(0, word(""), func(d *msgpack.Decoder, v reflect.Value, size int) error {
		b := make([]byte, size)
		err := d.ReadFull(b)
		v.SetString(string(b))
		return err
	})
}

// AnyGo draws values that the library writes.
func anyGo(depth int) *rapid.Generator[any] {
	words := rapid.Map(rapid.StringMatching(`[a-z]{1,9}(/[a-z]{1,9})?`), func(s string) word { return word(s) })
	leaf := []*rapid.Generator[any]{
		rapid.Just[any](nil), rapid.Bool().AsAny(), rapid.String().AsAny(), rapid.Int64().AsAny(), rapid.Int64Range(-300, 300).AsAny(),
		rapid.Float64().AsAny(), rapid.Float32().AsAny(), rapid.SliceOf(rapid.Byte()).AsAny(), words.AsAny(),
		rapid.Custom(func(t *rapid.T) any {
			return timeOf(rapid.Int64Range(-60000000000, 250000000000).Draw(t, "s"), rapid.Int64Range(0, 999).Draw(t, "ms")*1e6)
		}),
	}
	if depth == 0 {
		return rapid.OneOf(leaf...)
	}
	inner := anyGo(depth - 1)
	return rapid.OneOf(append(leaf, rapid.SliceOfN(inner, 0, 20).AsAny(), rapid.MapOfN(rapid.String(), inner, 0, 20).AsAny())...)
}

func goEDN(v any) string {
	var all []string
	switch v := v.(type) {
	case nil:
		return "nil"
	case string:
		return ednString(v)
	case float32:
		return ednDouble(float64(v))
	case float64:
		return ednDouble(v)
	case []byte:
		if v == nil {
			return "nil"
		}
		return `#sente-lite/bytes "` + base64.StdEncoding.EncodeToString(v) + `"`
	case word:
		return ":" + string(v)
	case time.Time:
		return v.Format(`#inst "2006-01-02T15:04:05.000-00:00"`)
	case []any:
		for _, e := range v {
			all = append(all, goEDN(e))
		}
		return "[" + strings.Join(all, " ") + "]"
	case map[string]any:
		keys := make([]string, 0, len(v))
		for k := range v {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		for _, k := range keys {
			all = append(all, ednString(k), goEDN(v[k]))
		}
		return "{" + strings.Join(all, " ") + "}"
	}
	return fmt.Sprint(v)
}

// What the library writes, in whatever forms it chooses, is read for what it is.
func TestMsgpackOfOthers(t *testing.T) {
	values := anyGo(3)
	rapid.Check(t, func(t *rapid.T) {
		v := values.Draw(t, "value")
		var packed bytes.Buffer
		e := msgpack.NewEncoder(&packed)
		e.SetSortMapKeys(true)
		e.UseCompactInts(rapid.Bool().Draw(t, "compact"))
		e.UseCompactFloats(false)
		if err := e.Encode(v); err != nil {
			t.Fatalf("%v", err)
		}
		want := goEDN(v)
		got, err := pack.Msgpack.Unpack(nil, packed.Bytes(), pipe.Limits{})
		if err != nil || string(got) != want {
			t.Fatalf("%x is %s, %v, want %s", packed.Bytes(), got, err, want)
		}
	})
}

// One plain event, into Go's own types.
func TestMsgpackIntoGo(t *testing.T) {
	packed, err := pack.Msgpack.Pack(nil, []byte(`[:chat/msg {"room" "lobby" "n" [1 -2 1.5 nil true] "at" #inst "2025-12-19T01:45:26.643Z" "b" #sente-lite/bytes "AQI="}]`))
	if err != nil {
		t.Fatal(err)
	}
	var got []any
	if err := msgpack.Unmarshal(packed, &got); err != nil {
		t.Fatal(err)
	}
	m := got[1].(map[string]any)
	if got[0] != word("chat/msg") || m["room"] != "lobby" || fmt.Sprint(m["n"]) != "[1 -2 1.5 <nil> true]" || fmt.Sprint(m["b"]) != "[1 2]" ||
		!m["at"].(time.Time).Equal(time.UnixMilli(1766108726643)) {
		t.Errorf("%v", got)
	}
}
