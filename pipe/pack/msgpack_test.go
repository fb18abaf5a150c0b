package pack_test

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/sente-lite/sente-lite/pipe"
	"github.com/sente-lite/sente-lite/pipe/pack"
)

const typical = `[:chat/msg {:room "lobby" :from "uid-1" :text "hello" :ts 1766108726643 :tags #{:a :b} :pos [1.5 2.5]}]`

// MsgpackTable has what is packed, and what that is unpacked to, if it is not the same.
var msgpackTable = []struct{ name, edn, hex, back string }{
	{"event", `[:a/b {:k 1}]`, "92 c70300612f62 81 d4006b 01", ""},
	{"words", `[nil true false nilly]`, "94 c0 c3 c2 c705016e696c6c79", ""},
	{"spellings", `[0x10 017 2r101 +5 -0 -0x80 36rzz 00]`, "98 10 0f 05 05 00 d080 cd050f 00", "[16 15 5 5 0 -128 1295 0]"},
	{"64 bits", `[9223372036854775807 -9223372036854775808 -0x8000000000000000]`,
		"93 d37fffffffffffffff d38000000000000000 d38000000000000000", "[9223372036854775807 -9223372036854775808 -9223372036854775808]"},
	{"beyond", `[9223372036854775808 5N 0x5N 1.5M 1M]`,
		"95 c7131139323233333732303336383534373735383038 d511354e d611 3078354e d611312e354d d511314d", ""},
	{"doubles", `[1.0 1. 0.1 1e3 -0.0 1e-7 1e21 1e999 ##NaN ##Inf ##-Inf 16777217.0]`,
		"9c ca3f800000 ca3f800000 cb3fb999999999999a ca447a0000 ca80000000 cb3e7ad7f29abcaf48 cb444b1ae4d6e2ef50 ca7f800000 cb7ff8000000000000 ca7f800000 caff800000 cb4170000010000000",
		"[1.0 1.0 0.1 1000.0 -0.0 1e-07 1e+21 ##Inf ##NaN ##Inf ##-Inf 16777217.0]"},
	{"doubles in sets and keys", `[#{1.5} {1.5 2.5} {[1.5] 2.5}]`,
		"93 c70a0491cb3ff8000000000000 81cb3ff8000000000000ca40200000 8191cb3ff8000000000000ca40200000", ""},
	{"ratios", `[1/2 +1/3 -3/4 1/18446744073709551616]`, "94 d5030102 d5030103 d503fd04 c7161131 2f3138343436373434303733373039353531363136", "[1/2 1/3 -3/4 1/18446744073709551616]"},
	{"characters", `[\a \newline \u00e9 \o101 \( \space \u0000 \✓]`, "98 d40261 d4020a d502c3a9 d40241 d40228 d40220 d40200 c70302e29c93", `[\a \newline \é \A \( \space \u0000 \✓]`},
	{"strings", `["" "a\nb\u00e9\"" "\ud83d\ude00" "\ud83d"]`, "94 a0 a661 0a 62 c3a9 22 a4f09f9880 d711 225c756438336422", `["" "a\nbé\"" "😀" "\ud83d"]`},
	{"lists and sets", `[() (1) (()) #{} #{(1)}]`, "95 d41090 d510 9101 d610 91d41090 d40490 c70504 91d5109101", ""},
	{"empty", `[[] {}]`, "92 90 80", ""},
	{"keys", `[{:id 1 "n" 2} {:id 3 "n" :id}]`, "92 82d500696401a16e02 82d4080003d40801d5006964", ""},
	{"keys in sets and keys", `{{:a 1} #{{:a 2}} :a 3}`, "82 81d4006101 c706049181d4080002 d4080003", ""},
	{"namespaced map", `#:a{:b 1 :_/c 2 d 3 :x/y 4 "s" 5 :m {:b 6}}`,
		"86 c70300612f62 01 d40063 02 c70301612f64 03 c70300782f79 04 a173 05 c70300612f6d 81d4006206", `{:a/b 1 :c 2 a/d 3 :x/y 4 "s" 5 :a/m {:b 6}}`},
	{"instants", `[#inst "2024" #inst "2024-01-02T03:04:05.678+02:00" #inst "1969-12-31T23:59:59.999999999Z"]`,
		"93 c70cff00000000000000006592 0080 c70cff28697580000000006593 6105 c70cff3b9ac9ffffffffffffffffff",
		`[#inst "2024-01-01T00:00:00.000-00:00" #inst "2024-01-02T01:04:05.678-00:00" #inst "1969-12-31T23:59:59.999999999-00:00"]`},
	{"odd tags", `[#inst "2024-02-30" #inst "1582-01-01" #inst "2024-01-01T00:00:00.1234567890Z" #inst 5 #uuid "1-2-3-4-5" #uuid x #a #b [1]]`, "", ""},
	{"uuid", `#uuid "F81D4FAE-7dec-11d0-a765-00a0c91e6bf6"`, "c72409 66383164346661652d376465632d313164302d613736352d303061306339316536626636", `#uuid "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"`},
	{"bytes", `[#sente-lite/bytes "" #sente-lite/bytes "aGk=" #sente-lite/ext [42 "Bw=="] #sente-lite/ext [-7 ""]]`, "94 c400 c4026869 d42a07 c700f9", ""},
	{"no bytes", `[#sente-lite/bytes "aGk" #sente-lite/bytes "aGl=" #sente-lite/bytes "a\nGk" #sente-lite/bytes :a #sente-lite/ext [0 "YQ=="] #sente-lite/ext [300 ""] #sente-lite/ext [1 ""] #sente-lite/ext [-1 "AAAAAAAAAAAAAAAA"]]`, "", ""},
	{"a far instant", `#sente-lite/ext [-1 "AAAAAAAAADr/9EGA"]`, "c70cff00000000 0000003afff44180", ""},
	{"an instant that Java has not", `#sente-lite/ext [-1 "AAAAAH//////////"]`, "", ""},
	{"dropped", "; c\n^:m [#_ x 1, ^{:a 1} {} #_ #_ 1 2] ; d", "92 01 80", "[1 {}]"},
	{"unreadable", `[#"a\d" #object[a 0x1 "b"]]`, "92 c7061123 22615c6422 c71211 236f626a6563745b6120307831202262225d", ""},
}

func unhex(t *testing.T, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return b
}

func TestMsgpack(t *testing.T) {
	for _, tt := range msgpackTable {
		if _, err := pipe.Check([]byte(tt.edn), pipe.Limits{}); err != nil {
			t.Errorf("%s: %s is not EDN: %v", tt.name, tt.edn, err)
			continue
		}
		got, err := pack.Msgpack.Pack([]byte("before "), []byte(tt.edn))
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if want := "before " + string(unhex(t, tt.hex)); string(got) != want && tt.hex != "" {
			t.Errorf("%s:\n got %x\nwant %x", tt.name, got[7:], want[7:])
		}
		back, err := pack.Msgpack.Unpack([]byte("before "), got[7:], pipe.Limits{})
		want := tt.back
		if want == "" {
			want = tt.edn
		}
		if err != nil || string(back) != "before "+want {
			t.Errorf("%s:\n got %s, %v\nwant %s", tt.name, back, err, want)
		}
	}
}

// What Sente's own packer writes and reads, captured from its ClojureScript. A page has
// one kind of number and one of sequence, which is why it writes 1.0 as 1, and packs a
// list as what it unpacks, a vector. SenteMsgpack writes 1.0 as Sente's JVM side does:
// as a float.
func TestSenteVectors(t *testing.T) {
	file, err := os.Open("testdata/sente-msgpack.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	writes := map[string]string{"1.0": "ca3f800000"} // ours, where a page's differs
	reads := map[string]string{                      // ours, where a page's differs
		"d5030102":             "1/2",
		"d40261":               `\a`,
		"cfffffffffffffffff":   "18446744073709551615N",
		"d42a07":               `#sente-lite/ext [42 "Bw=="]`,
		"c403010203":           `#sente-lite/bytes "AQID"`,
		"d6ff00000001":         `#inst "1970-01-01T00:00:01.000-00:00"`,
		"d7ff0000000000000001": `#inst "1970-01-01T00:00:01.000-00:00"`,
	}
	n := 0
	for lines := bufio.NewScanner(file); lines.Scan(); n++ {
		var v struct {
			EDN, Hex string
			Back     string `json:"read_back"`
		}
		if err := json.Unmarshal(lines.Bytes(), &v); err != nil {
			t.Fatal(err)
		}
		if v.EDN != "" {
			got, err := pack.SenteMsgpack.Pack(nil, []byte(v.EDN))
			want := v.Hex
			if writes[v.EDN] != "" {
				want = writes[v.EDN]
			}
			if err != nil || hex.EncodeToString(got) != want {
				t.Errorf("%s is packed as %x, %v; Sente has %s", v.EDN, got, err, want)
			}
		}
		got, err := pack.SenteMsgpack.Unpack(nil, unhex(t, v.Hex), pipe.Limits{})
		want := strings.ReplaceAll(v.Back, ",", "")
		if w := reads[v.Hex]; w != "" {
			want = w
		}
		if err != nil || string(got) != want {
			t.Errorf("%s is unpacked as %s, %v; Sente has %s", v.Hex, got, err, want)
		}
	}
	if n < 70 {
		t.Errorf("found %d vectors", n)
	}
}

func TestMsgpackTowardsSente(t *testing.T) {
	for _, tt := range []struct{ edn, hex string }{
		{`[(1 (2)) #{(3)}]`, "92 92019102 c70304919103"},
		{`[5N 0x7fN -1N 1.5M 0.1M]`, "95 05 7f ff ca3fc00000 cb3fb999999999999a"},
		{`[1/2 \a #sente-lite/bytes "aGk=" #sente-lite/ext [42 "Bw=="]]`, "94 d5030102 d40261 c4026869 d42a07"},
		{`#inst "1500-01-01"`, "c70cff00000000 fffffffc8bf52800"},
	} {
		want := unhex(t, tt.hex)
		got, err := pack.SenteMsgpack.Pack(nil, []byte(tt.edn))
		if err != nil || string(got) != string(want) {
			t.Errorf("%s is packed as %x, %v, want %x", tt.edn, got, err, want)
		}
	}
	for _, tt := range []struct{ edn, msg, path string }{
		{`[:a/b {:data {:list (1 2 #my/tag x)}}]`, "the value at [1 :data :list 2] has the tag #my/tag", "[1 :data :list 2]"},
		{`[:a/b 99999999999999999999]`, "the value at [1] is the integer 99999999999999999999", "[1]"},
		{`[:a/b {:k 99999999999999999999N}]`, "at [1 :k] is the integer", "[1 :k]"},
		{`[:a/b {[1 #x y] 2}]`, "at [1] has the tag #x", "[1]"},
		{`[:a/b #{0 #x y}]`, "at [1] has the tag #x", "[1]"},
		{`[:a/b [1 #_2 {"k;" {[1 2] 99999999999999999999/2}}]]`, "is the ratio", `[1 1 "k;" [1 2]]`},
		{`#"x"`, "the value at [] is a regex", "[]"},
		{`["\ud83d"]`, "the value at [0] is a string with half of a surrogate pair", "[0]"},
		{"[" + strings.Repeat("[", 40) + "#x y" + strings.Repeat("]", 41), "has the tag", "[" + strings.Repeat("0 ", 31) + "0]"},
		{`{"` + strings.Repeat("x", 80) + `" #x y}`, "has the tag", `["\"` + strings.Repeat("x", 60) + `…"]`},
	} {
		got, err := pack.SenteMsgpack.Pack([]byte("x"), []byte(tt.edn))
		var e *pipe.Error
		if !errors.As(err, &e) || e.Category != pipe.Unsupported || e.Code != "bad-msgpack" || !strings.Contains(e.Msg, tt.msg) ||
			e.Data != "{:path "+tt.path+"}" || string(got) != "x" {
			t.Errorf("%s gave %q, %v, %+v", tt.edn, got, err, e)
			continue
		}
		if _, err := pipe.Check(e.AppendEDN(nil), pipe.Limits{}); err != nil {
			t.Errorf("%s: the error is no EDN: %v", tt.edn, err)
		}
	}
}

func TestMsgpackUnpackForms(t *testing.T) {
	for _, tt := range []struct{ hex, edn string }{
		{"cd0001", "1"}, {"d300000000000000ff", "255"}, {"cf7fffffffffffffff", "9223372036854775807"}, {"d2ffffffff", "-1"},
		{"d9026869", `"hi"`}, {"da00026869", `"hi"`}, {"db000000026869", `"hi"`}, {"c50001ff", `#sente-lite/bytes "/w=="`}, {"c600000001ff", `#sente-lite/bytes "/w=="`},
		{"dc000101", "[1]"}, {"dd0000000101", "[1]"}, {"de00010102", "{1 2}"}, {"df000000010102", "{1 2}"},
		{"c8000100 61", ":a"}, {"c90000000100 61", ":a"}, {"c800020491 01", "#{1}"}, {"c800041091 cd0001", "(1)"},
		{"c8000108", ""}, {"c70903 d30000000000000001 02", ""},
		{"ca7fc00001", "##NaN"}, {"cb7ff0000000000000", "##Inf"}, {"ca3dcccccd", "0.10000000149011612"}, {"cb4122d687f0a3d70a", "617283.97"},
		{"cb4341c37937e08000", "1e+16"}, {"cb41d26580b4800000", "1234567890.0"}, {"cbbfb999999999999a", "-0.1"}, {"cb3f50624dd2f1a9fc", "0.001"}, {"cb3eb0c6f7a0b5ed8d", "1e-06"},
		{"c70403 cd000102", "1/2"}, {"d503 fe03", "-2/3"}, {"c70a03 cfffffffffffffffff 02", "18446744073709551615/2"},
		{"a3 615c22", `"a\\\""`}, {"a3 0a0d09", `"\n\r\t"`}, {"a2 007f", "\"\\u0000\x7f\""},
		{"d7ff 77359400 00000001", `#inst "1970-01-01T00:00:01.500-00:00"`},
		{"c70cff 00000000 ffffffffffffffff", `#inst "1969-12-31T23:59:59.000-00:00"`},
		{"c70411 5b315d20", "[1]"}, {"92 d511 3a61 d40161", "[:a a]"},
		{"92 81d4006101 81d4080002", "[{:a 1} {:a 2}]"},
		{"93 81d4006101 81d4006102 82d4080103d4006204", "[{:a 1} {:a 2} {:a 3 :b 4}]"},
	} {
		got, err := pack.Msgpack.Unpack(nil, unhex(t, tt.hex), pipe.Limits{})
		if tt.edn == "" {
			if err == nil {
				t.Errorf("%s gave %s", tt.hex, got)
			}
			continue
		}
		if err != nil || string(got) != tt.edn {
			t.Errorf("%s gave %s, %v, want %s", tt.hex, got, err, tt.edn)
		}
	}
}

func TestMsgpackUnpackErrors(t *testing.T) {
	for _, tt := range []struct{ name, hex, code, msg, path string }{
		{"empty", "", "bad-msgpack", "byte 0: found the end", "[]"},
		{"trailing", "c0c0", "bad-msgpack", "byte 1: found 1 more bytes behind the value", "[]"},
		{"no code", "92 c0 c1", "bad-msgpack", "byte 2: found byte 0xc1", "[1]"},
		{"cut number", "cd00", "bad-msgpack", "is cut off", "[]"},
		{"cut string", "91 a361", "bad-msgpack", "byte 1: 3 bytes are announced, and only 1 follow", "[0]"},
		{"huge string", "db ffffffff 61", "bad-msgpack", "4294967295 bytes are announced", "[]"},
		{"huge bin", "c6 ffffffff 61", "bad-msgpack", "4294967295 bytes are announced", "[]"},
		{"huge array", "dd ffffffff 01", "bad-msgpack", "4294967295 values are announced, and only 1 bytes follow", "[]"},
		{"huge map", "df ffffffff 0102", "bad-msgpack", "pairs are announced", "[]"},
		{"huge ext", "c9 ffffffff 00 61", "bad-msgpack", "4294967295 bytes are announced", "[]"},
		{"cut ext", "c701", "bad-msgpack", "the ext is cut off", "[]"},
		{"cut array", "92 01", "bad-msgpack", "2 values are announced, and only 1", "[]"},
		{"cut in the midst", "92 92 01 a0", "bad-msgpack", "byte 4: found the end", "[1]"},
		{"path", "92 d40061 81 d400 6b 9302 03c1", "bad-msgpack", "byte 11", "[1 :k 2]"},
		{"path in a key", "81 92 01 c1", "bad-msgpack", "byte 3", "[]"},
		{"string", "91 a2 61ff", "bad-msgpack", "not UTF-8 from its byte 1", "[0]"},
		{"keyword", "c700 00", "bad-msgpack", `the keyword ""`, "[]"},
		{"keyword", "d6 00 61206231", "bad-msgpack", `the keyword "a b1"`, "[]"},
		{"keyword", "d500 6161", "", "", ""},
		{"keyword", "d500 61ff", "bad-msgpack", "the keyword", "[]"},
		{"keyword", "d500 613a", "bad-msgpack", "the keyword", "[]"},
		{"symbol", "c70301 6e696c", "bad-msgpack", `the symbol "nil"`, "[]"},
		{"symbol", "d401 31", "bad-msgpack", `the symbol "1"`, "[]"},
		{"symbol", "d401 5e", "bad-msgpack", "the symbol", "[]"},
		{"symbol", "d601 23 5f 6120", "bad-msgpack", "the symbol", "[]"},
		{"symbol", "d601 5e612062", "bad-msgpack", "the symbol", "[]"},
		{"character", "d502 6161", "bad-msgpack", "exactly one", "[]"},
		{"character", "c700 02", "bad-msgpack", "exactly one", "[]"},
		{"character", "d402 ff", "bad-msgpack", "exactly one", "[]"},
		{"character", "d602 f09f9880", "bad-msgpack", "exactly one of 16 bits", "[]"},
		{"ratio", "d403 01", "bad-msgpack", "", "[]"},
		{"ratio", "d503 0100", "bad-msgpack", "denominator", "[]"},
		{"ratio", "d503 01ff", "bad-msgpack", "denominator", "[]"},
		{"ratio", "c70303 010203", "bad-msgpack", "two integers", "[]"},
		{"ratio", "c70303 a16102", "bad-msgpack", "two integers", "[]"},
		{"set", "c700 04", "bad-msgpack", "without an array", "[]"},
		{"set", "d404 01", "bad-msgpack", "without an array", "[]"},
		{"set", "d504 9001", "bad-msgpack", "found 1 more bytes in an ext", "[]"},
		{"set", "92 d504 9201 02", "bad-msgpack", "2 values are announced, and only 1", "[0]"},
		{"set", "92 d504 91a1 61", "bad-msgpack", "1 bytes are announced, and only 0", "[0]"},
		{"set twice", "d6 04 930101 02", "bad-msgpack", "byte 4: the element 1 comes twice", "[]"},
		{"key twice", "91 82 d40061 01 d40061 02", "bad-msgpack", "byte 6: the key :a comes twice", "[0]"},
		{"key twice", "82 d40061 01 d40800 02", "bad-msgpack", "the key :a comes twice", "[]"},
		{"key twice", "82 91 01 01 91cd0001 02", "bad-msgpack", "the key [1] comes twice", "[]"},
		{"list", "d410 80", "bad-msgpack", "without an array", "[]"},
		{"uuid", "d409 61", "bad-msgpack", "the UUID", "[]"},
		{"instant", "d4ff 00", "bad-msgpack", "an instant of 1 bytes", "[]"},
		{"instant", "c70cff 3b9aca00 0000000000000000", "bad-msgpack", "10^9", "[]"},
		{"cached", "81 d40800 01", "bad-msgpack", "the number of a key", "[]"},
		{"cached", "82 a161 01 d40801 02", "bad-msgpack", "one of 1 so far", "[]"},
		{"cached value", "81 a161 d40800", "bad-msgpack", "the number of a key", `["a"]`},
		{"cached element", "d6049 1d40800", "bad-msgpack", "the number of a key", "[]"},
		{"cached alone", "d40800", "bad-msgpack", "the number of a key", "[]"},
		{"cached, wide", "81 d5080000 01", "bad-msgpack", "the number of a key", "[]"},
		{"cached symbol", "82 d40161 01 d40800 02", "bad-msgpack", "one of 0 so far", "[]"},
		{"EDN", "d511 3120", "", "", ""},
		{"EDN", "d411 28", "bad-msgpack", "ext 17 is not one EDN value", "[]"},
		{"EDN", "c70311 312032", "bad-msgpack", "ext 17 is not one EDN value", "[]"},
		{"EDN", "c700 11", "bad-msgpack", "ext 17 is not one EDN value: line 1", "[]"},
		{"EDN", "d411 ff", "bad-msgpack", "ext 17", "[]"},
		{"deep", "91919191 9190", "too-deep", "byte 5: nested deeper than the 5 levels", "[0 0 0 0 0]"},
		{"deep set", "9191919191 d40490", "too-deep", "byte 7", "[0 0 0 0 0]"},
		{"deep bytes", "9191919191 c400", "too-deep", "byte 5", "[0 0 0 0 0]"},
		{"deep ext", "91919191 c7002a", "too-deep", "byte 4", "[0 0 0 0]"},
		{"deep instant", "9191919191 d6ff00000000", "too-deep", "", "[0 0 0 0 0]"},
		{"deep EDN", "91919191 d611 5b5b5d5d", "too-deep", "", "[0 0 0 0]"},
		{"deep EDN", "9191919191 d511 5b5d", "too-deep", "", "[0 0 0 0 0]"},
		{"deep EDN", "9191919191 d611 23612031", "too-deep", "", "[0 0 0 0 0]"},
		{"deep but flat", "9191919191 d511 3232", "", "", ""},
		{"large", strings.Repeat("c0", 201), "too-large", "201 bytes, allowed are 200", ""},
		{"large as EDN", "dc0064" + strings.Repeat("c0", 100), "too-large", "as EDN", ""},
		{"large as base64", "c4a0" + strings.Repeat("00", 160), "too-large", "as EDN", ""},
		{"large by keys", "dc000b" + "81 d96261" + strings.Repeat("61", 97) + "01" + strings.Repeat("81d4080001", 10), "too-large", "as EDN", ""},
	} {
		got, err := pack.Msgpack.Unpack([]byte("x"), unhex(t, tt.hex), pipe.Limits{Bytes: 200, Depth: 5})
		var e *pipe.Error
		if tt.code == "" {
			if err != nil {
				t.Errorf("%s: %s gave %v", tt.name, tt.hex, err)
			}
			continue
		}
		if !errors.As(err, &e) {
			t.Errorf("%s: %s gave %s and error %v", tt.name, tt.hex, got, err)
			continue
		}
		if e.Code != tt.code || e.Category != pipe.Incorrect || !strings.Contains(e.Msg, tt.msg) || tt.path != "" && !strings.HasSuffix(e.Data, " :path "+tt.path+"}") {
			t.Errorf("%s: %s\n got %s %s %s\nwant %s %s %s", tt.name, tt.hex, e.Code, e.Msg, e.Data, tt.code, tt.msg, tt.path)
		}
		if string(got) != "x" {
			t.Errorf("%s: an error left %q behind", tt.name, got)
		}
		if _, err := pipe.Check(e.AppendEDN(nil), pipe.Limits{}); err != nil {
			t.Errorf("%s: the error is no EDN: %v", tt.name, err)
		}
	}
}

// The error of a bundle says that it was to be one, whichever way it was announced.
func TestMsgpackErrorOfABundle(t *testing.T) {
	const name = "62617463682f6576656e7473"
	for _, tt := range []struct {
		hex           string
		bundle, bytes bool
	}{
		{"92 c70c00" + name + "91c1", true, true},
		{"dc0002 c8000c00" + name + "91c1", true, true},
		{"dd00000002 c90000000c00" + name + "91c1", true, true},
		{"92 c70d11 3a" + name + "91c1", true, false},
		{"c71211 5b3a" + name + "205b5d7d5d", true, false},
		{"92 c70c00" + name[:22] + "62" + "91c1", false, false},
		{"93 c70c00" + name + "91c1c0", true, false},
		{"92 ac" + name + "91c1", false, false},
		{"92", false, false}, {"dc00", false, false}, {"", false, false},
	} {
		packed := unhex(t, tt.hex)
		_, err := pack.Msgpack.Unpack(nil, packed, pipe.Limits{})
		var e *pipe.Error
		if !errors.As(err, &e) {
			t.Errorf("%s: %v", tt.hex, err)
			continue
		}
		got := e.Bundle || pipe.BeginsBundle(packed)
		if got != tt.bundle || pipe.BeginsBundle(packed) != tt.bytes {
			t.Errorf("%s: %v and %v, want %v and %v", tt.hex, got, pipe.BeginsBundle(packed), tt.bundle, tt.bytes)
		}
	}
}

func TestMsgpackNames(t *testing.T) {
	for _, p := range []pipe.Packer{pack.Msgpack, pack.SenteMsgpack} {
		if p.Name() != "msgpack" || p.Text() {
			t.Errorf("%s is called %s, text: %v", p, p.Name(), p.Text())
		}
	}
}

// What is no EDN never reaches Pack; if it does, it ends in an error or a message.
func TestMsgpackPackOfNoEDN(t *testing.T) {
	for _, edn := range []string{"", "[", "]", "{:a", "{:a}", "#inst", "[#x]", `"`, `\`, "#", "^", "#_", "##", "#:a", "{#uuid", "[#inst ]", "#sente-lite/ext [", "-", "[1/]", "+", "#{"} {
		pack.Msgpack.Pack(nil, []byte(edn))
		pack.SenteMsgpack.Pack(nil, []byte(edn))
	}
}
