package pack_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/sente-lite/sente-lite/pipe"
	"github.com/sente-lite/sente-lite/pipe/pack"
)

var unpackTable = []struct{ name, json, edn string }{
	{"event", `["chat/msg", {"text": "hi"}]`, `[:chat/msg {:text "hi"}]`},
	{"event alone", `["chat/msg"]`, `[:chat/msg]`},
	{"names only where names are", `["chat/msg", ["chat/msg", "a/b"]]`, `[:chat/msg ["chat/msg" "a/b"]]`},
	{"event of no name", `["a b", 1]`, `["a b" 1]`},
	{"call", `[["chat/ask", {}], "cb"]`, `[[:chat/ask {}] "cb"]`},
	{"plain event by nil", `[["chat/ask", {}], null]`, `[[:chat/ask {}] nil]`},
	{"no deeper", `[[["a/b"]]]`, `[[["a/b"]]]`},
	{"bundle", `["batch/events", [["a/b"], [["a/c"], "1"], ["chsk/reply", "2", ["x/y"]]]]`,
		`[:batch/events [[:a/b] [[:a/c] "1"] [:chsk/reply "2" ["x/y"]]]]`},
	{"bundle only at the top", `[["batch/events", [["a/b"]]], "cb"]`, `[[:batch/events [["a/b"]]] "cb"]`},
	{"reply", `["chsk/reply", "cb", {"a/b": ["c/d", null]}]`, `[:chsk/reply "cb" {:a/b ["c/d" nil]}]`},
	{"send", `["sente-lite/send", {"to": "bob", "event": ["chat/msg", {"event": ["x/y"]}]}]`,
		`[:sente-lite/send {:to "bob" :event [:chat/msg {:event ["x/y"]}]}]`},
	{"request in a call", `[["sente-lite/request", {"event": ["a/b"], "to": "u"}], "cb"]`,
		`[[:sente-lite/request {:event [:a/b] :to "u"}] "cb"]`},
	{"send in a bundle", `["batch/events", [["sente-lite/send", {"event": ["a/b"]}]]]`,
		`[:batch/events [[:sente-lite/send {:event [:a/b]}]]]`},
	{"others have no event", `["sente-lite/publish", {"event": ["a/b"]}]`, `[:sente-lite/publish {:event ["a/b"]}]`},

	{"keys", `{"a":1,"a/b":2,"a b":3,"":4,"1/2/3":5,"a/":6,"/a":7,"1":8,"a/1":9,"a:b":10,"a:":11,":a":12,"a::b":13,"ä":14,"a\nb":15,"nil":16,"#a":17,"a#":18,"a\u00a0b":19,"a@b":20,"a|b":21,"\u0061b":22,"1a":23,"1/a":24,"/":25}`,
		`{:a 1 :a/b 2 "a b" 3 "" 4 "1/2/3" 5 "a/" 6 "/a" 7 :1 8 "a/1" 9 :a:b 10 "a:" 11 ":a" 12 "a::b" 13 :ä 14 "a\nb" 15 :nil 16 "#a" 17 :a# 18 "a` + "\u00a0" + `b" 19 "a@b" 20 "a|b" 21 :ab 22 :1a 23 "1/a" 24 "/" 25}`},
	{"numbers", `[0,-0,-1,1.5,1e3,-1E-3,9007199254740993,123456789012345678901234567890,1.0]`,
		`[0 -0.0 -1 1.5 1e3 -1E-3 9007199254740993 123456789012345678901234567890 1.0]`},
	{"words", "\t[true ,\r\nfalse,null]\n", `[true false nil]`},
	{"strings", `["","\"\\\/\b\f\n\r\t\u0000\u001f\u00e9\u2028\ud83d\ude00é"]`,
		`["" "\"\\/\b\f\n\r\t\u0000\u001f` + "é\u2028😀é" + `"]`},
	{"empty", `[[],{},[{}]]`, `[[] {} [{}]]`},
	{"one value", `"a/b"`, `"a/b"`},
}

func TestJSONUnpack(t *testing.T) {
	for _, tt := range unpackTable {
		got, err := pack.JSON.Unpack([]byte("before "), []byte(tt.json), pipe.Limits{})
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if want := "before " + tt.edn; string(got) != want {
			t.Errorf("%s:\n got %s\nwant %s", tt.name, got, want)
		}
		if _, err := pipe.Check(got[len("before "):], pipe.Limits{}); err != nil {
			t.Errorf("%s: %s is not EDN: %v", tt.name, got, err)
		}
	}
}

func TestJSONUnpackErrors(t *testing.T) {
	many := "{"
	for i := range 20 {
		many += `"k` + string(rune('a'+i)) + `":1,`
	}
	for _, tt := range []struct{ name, json, code, msg string }{
		{"empty", ``, "bad-json", "line 1, column 1: found the end, expected a value"},
		{"two values", `[1] [2]`, "bad-json", "column 5: found '[', expected nothing after the value"},
		{"cut", "[1,\n {\"a\":", "bad-json", "line 2, column 7: found the end"},
		{"no comma", `[1 2]`, "bad-json", "column 4: found '2', expected a comma or ]"},
		{"trailing comma", `[1,]`, "bad-json", "column 4: found ']', expected a value"},
		{"trailing comma", `{"a":1,}`, "bad-json", "column 8: found '}', expected a key in double quotes"},
		{"no colon", `{"a" 1}`, "bad-json", "expected a colon after the key"},
		{"wrong bracket", `[1}`, "bad-json", "expected a comma or ]"},
		{"wrong bracket", `{"a":1]`, "bad-json", "expected a comma or }"},
		{"EDN", `[:a/b {}]`, "bad-json", "found ':', expected a value"},
		{"number", `01`, "bad-json", "leading zeros"},
		{"number", `1.`, "bad-json", "expected a digit"},
		{"number", `.5`, "bad-json", "found '.'"},
		{"number", `+1`, "bad-json", "found '+'"},
		{"number", `-`, "bad-json", "expected a digit"},
		{"number", `1e`, "bad-json", "expected a digit"},
		{"number", `1N`, "bad-json", "expected nothing after"},
		{"word", `nul`, "bad-json", "null?"},
		{"word", `trueish`, "bad-json", "expected nothing after"},
		{"NaN", `NaN`, "bad-json", "found 'N'"},
		{"open string", `"abc`, "bad-json", "the string has no end"},
		{"newline", "[\"a\nb\"]", "bad-json", "a control character in a string"},
		{"escape", `"\x"`, "bad-json", "an unknown escape"},
		{"escape", `"\`, "bad-json", "an unknown escape"},
		{"hex", `"\u12g4"`, "bad-json", "hexadecimal"},
		{"lone high", `"\ud83d"`, "bad-json", "surrogate"},
		{"lone high", `"\ud83dx\ude00"`, "bad-json", "surrogate"},
		{"two highs", `"\ud83d\ud83d"`, "bad-json", "surrogate"},
		{"lone low", `"\ude00"`, "bad-json", "surrogate"},
		{"not UTF-8", "[1,\"ab\xffc\"]", "bad-json", "column 7: the bytes are not UTF-8"},
		{"columns are characters", `["äöü" x]`, "bad-json", "column 8: found 'x'"},
		{"twice", `{"a":1,"b":2,"a":3}`, "bad-json", "column 14: the key :a comes twice"},
		{"twice, escaped", `{"a b":1,"a\u0020b":3}`, "bad-json", `the key "a b" comes twice`},
		{"twice among many", many + `"kc":2}`, "bad-json", "column 142: the key :kc comes twice"},
		{"deep", strings.Repeat("[", 6) + strings.Repeat("]", 6), "too-deep", "column 6: nested deeper than the 5 levels"},
		{"large", `["` + strings.Repeat("x", 200) + `"]`, "too-large", "204 bytes, allowed are 200"},
		{"large as EDN", `[` + strings.Repeat("-0,", 65) + `1]`, "too-large", "as EDN"},
	} {
		got, err := pack.JSON.Unpack([]byte("x"), []byte(tt.json), pipe.Limits{Bytes: 200, Depth: 5})
		var e *pipe.Error
		if !errors.As(err, &e) {
			t.Errorf("%s: %s gave %s and error %v", tt.name, tt.json, got, err)
			continue
		}
		if e.Code != tt.code || e.Category != pipe.Incorrect || !strings.Contains(e.Msg, tt.msg) {
			t.Errorf("%s: %s\n got %s %s\nwant %s %s", tt.name, tt.json, e.Code, e.Msg, tt.code, tt.msg)
		}
		if string(got) != "x" {
			t.Errorf("%s: an error left %q behind", tt.name, got)
		}
		if _, err := pipe.Check(e.AppendEDN(nil), pipe.Limits{}); err != nil {
			t.Errorf("%s: the error is no EDN: %v", tt.name, err)
		}
	}
}

var packTable = []struct{ name, edn, json string }{
	{"event", `[:chat/msg {:text "hi"}]`, `["chat/msg",{"text":"hi"}]`},
	{"call", `[[:chat/ask] "cb"]`, `[["chat/ask"],"cb"]`},
	{"words", `[nil true false sym ns/sym / :k :n/k]`, `[null,true,false,"sym","ns/sym","/","k","n/k"]`},
	{"characters", `[\a \newline \space \tab \return \backspace \formfeed \u00e9 \o101 \( \\ \, \ä \"]`,
		`["a","\n"," ","\t","\r","\b","\f","é","A","(","\\",",","ä","\""]`},
	{"strings", `["a\"\\\n\r\t\b\f\u0041\101` + "\n\x01\u2028\u2029é\u2030" + `\ud83d\ude00" "\ud83d"]`,
		`["a\"\\\n\r\t\b\fAA\n\u0001\u2028\u2029é` + "\u2030😀" + `","\ud83d"]`},
	{"integers", `[0 -0 +1 -5 1N 0x1F -0x1f 017 2r101 36rZZ 00]`, `[0,0,1,-5,1,31,-31,15,5,1295,0]`},
	{"large integers", `[9007199254740992 -9007199254740992 9007199254740993 -9007199254740993N 123456789012345678901234567890 0xffffffffffffffffff]`,
		`[9007199254740992,-9007199254740992,"9007199254740993","-9007199254740993","123456789012345678901234567890","4722366482869645213695"]`},
	{"doubles", `[1.0 1. 1.5 +1.5 -0.0 1e3 1.e3 1E-7 007.5 1e999 -1e999]`,
		`[1.0,1.0,1.5,1.5,-0.0,1e3,1.0e3,1E-7,7.5,null,null]`},
	{"decimals and ratios", `[1.5M 1M -1.50M 1/2 +1/2 -3/4]`, `["1.5","1","-1.50","1/2","1/2","-3/4"]`},
	{"no numbers", `[##NaN ##Inf ##-Inf]`, `[null,null,null]`},
	{"collections", `[(1 2) #{3} [] () #{} {}]`, `[[1,2],[3],[],[],[],{}]`},
	{"inst", `[#inst "2024-01-02T03:04:05.678-00:00" #inst "2024-01-02T03:04:05.000+02:00" #inst "2024-01-02" #inst "2024" #inst "2024-01-02T03:04Z" #inst "x" #inst 5]`,
		`["2024-01-02T03:04:05.678Z","2024-01-02T03:04:05.000+02:00","2024-01-02T00:00:00Z","2024-01-01T00:00:00Z","2024-01-02T03:04:00Z","x",5]`},
	{"uuid", `#uuid "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"`, `"f81d4fae-7dec-11d0-a765-00a0c91e6bf6"`},
	{"tags", `[#my/tag {:a 1} #a #b 1 #user.R{:x 2}]`, `[{"a":1},1,{"x":2}]`},
	{"regex", `#"a\d\"b"`, `"#\"a\\d\\\"b\""`},
	{"object", `[#object[java.lang.Object 0x1 "o"] 1]`, `["#object[java.lang.Object 0x1 \"o\"]",1]`},
	{"metadata", `[^:a ^{:b 1} [1] ^String x #^{:c 1} {:d 2}]`, `[[1],"x",{"d":2}]`},
	{"discards", `[#_1 2 #_ #_ 3 4 5 #_[6 #_7] #_#x 8]`, `[2,5]`},
	{"discards in a map", `{#_:x :a #_1 2 #_3}`, `{"a":2}`},
	{"discards and tags", `[#inst #_1 "2024" #_#inst "x" 1]`, `["2024-01-01T00:00:00Z",1]`},
	{"comments", "; one\n[1 ; two\n 2] ; three", `[1,2]`},
	{"namespaced map", `#:a{:b 1 :_/c 2 d 3 :x/y 4 "s" 5 :m {:n 6}}`, `{"a/b":1,"c":2,"a/d":3,"x/y":4,"s":5,"a/m":{"n":6}}`},
	{"keys", `{:k/w 1 "s" 2 sym 3 \c 4 5 6 +7N 8 nil 9 true 10 1.5 11 [1 2] 12 #{} 13 {:a 1} 14 1/2 15 ##NaN 16 2M 17}`,
		`{"k/w":1,"s":2,"sym":3,"c":4,"5":6,"7":8,"nil":9,"true":10,"1.5":11,"[1 2]":12,"#{}":13,"{:a 1}":14,"1/2":15,"##NaN":16,"2":17}`},
	{"tagged keys", `{#uuid "u-1" 1 #inst "2024" 2 #my/tag [1] 3 #uuid x 4 #a #b c 5 ^:m [9] 6}`,
		`{"u-1":1,"2024-01-01T00:00:00Z":2,"#my/tag [1]":3,"#uuid x":4,"#a #b c":5,"[9]":6}`},
	{"commas", `{:a 1, :b [1,2],}`, `{"a":1,"b":[1,2]}`},
	{"wide blanks", "[1\u20282\u3000:a\u2003]", `[1,2,"a"]`},
}

func TestJSONPack(t *testing.T) {
	for _, tt := range packTable {
		if _, err := pipe.Check([]byte(tt.edn), pipe.Limits{}); err != nil {
			t.Errorf("%s: %s is not EDN: %v", tt.name, tt.edn, err)
			continue
		}
		got, err := pack.JSON.Pack([]byte("before "), []byte(tt.edn))
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if want := "before " + tt.json; string(got) != want {
			t.Errorf("%s:\n got %s\nwant %s", tt.name, got, want)
		}
		if !json.Valid(got[len("before "):]) {
			t.Errorf("%s: %s is not JSON", tt.name, got)
		}
	}
}

func TestJSONPackErrors(t *testing.T) {
	for _, tt := range []struct{ edn, msg, path string }{
		{`[:a/b {:a 1 "a" 2}]`, `the value at [1] has two keys that are both "a" in JSON`, "[1]"},
		{`{#inst "2024" 1 #inst "2024-01" 2}`, "2024-01-01", "[]"},
		{`{:1 1 :2 1 :3 1 :4 1 :5 1 :6 1 :7 1 :8 1 :9 1 1 1}`, `both "1"`, "[]"},
		{`[:a/b {:data [0 #_1 ^:m {:x 1} #t {:deep (1 {:a {} "a" []})}]}]`, `the value at [1 :data 2 :deep 1] has two keys`, "[1 :data 2 :deep 1]"},
		{`[:a/b {:list (1 {:a {} "a" []})}]`, `the value at [1 :list 1] has two keys`, "[1 :list 1]"},
	} {
		got, err := pack.JSON.Pack([]byte("x"), []byte(tt.edn))
		var e *pipe.Error
		if !errors.As(err, &e) || e.Code != "bad-json" || e.Category != pipe.Unsupported || !strings.Contains(e.Msg, tt.msg) ||
			e.Data != "{:path "+tt.path+"}" || string(got) != "x" {
			t.Errorf("%s gave %s, %v, %+v", tt.edn, got, err, e)
			continue
		}
		if _, err := pipe.Check(e.AppendEDN(nil), pipe.Limits{}); err != nil {
			t.Errorf("%s: the error is no EDN: %v", tt.edn, err)
		}
	}
}

// What is no EDN never reaches Pack; if it does, it ends in an error.
func TestJSONPackOfNoEDN(t *testing.T) {
	for _, edn := range []string{"", "[", "]", "{:a", "{:a}", "#inst", "[#x]", `"`, `\`, "#", "^", "#_", "##", "#:a", "{#uuid", "[#inst ]"} {
		if got, err := pack.JSON.Pack(nil, []byte(edn)); err == nil && !json.Valid(got) {
			t.Errorf("%q gave %s", edn, got)
		}
	}
}

func TestJSONKeepsDepthOffTheStack(t *testing.T) {
	const depth = 1 << 20
	deep := strings.Repeat("[", depth) + strings.Repeat("]", depth)
	got, err := pack.JSON.Unpack(nil, []byte(deep), pipe.Limits{Depth: depth})
	if err != nil || string(got) != deep {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
	got, err = pack.JSON.Pack(nil, []byte(deep))
	if err != nil || string(got) != deep {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
}

func TestJSONName(t *testing.T) {
	if pack.JSON.Name() != "json" || !pack.JSON.Text() {
		t.Fatal("JSON is text named json")
	}
}

func decodeJSON(t interface{ Fatalf(string, ...any) }, b []byte) any {
	var v any
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatalf("%s: %v", b, err)
	}
	return v
}

func sameJSON(t interface{ Fatalf(string, ...any) }, a, b []byte) bool {
	return reflect.DeepEqual(decodeJSON(t, a), decodeJSON(t, b))
}
