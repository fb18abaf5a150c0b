package pipe

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestSyntaxError(t *testing.T) {
	for _, c := range []struct {
		in           string
		line, column int
		msg          string
	}{
		{"", 1, 1, "empty"},
		{"; c\n", 2, 1, "empty"},
		{"1 2", 1, 3, "found a second value, expected one value only"},
		{"[1\n é 08]", 2, 4, "found 08: not octal, as the leading zero says"},
		{"[(\n])", 2, 1, "found ], expected a value or ) for the list"},
		{"{:a}", 1, 4, "found } after a key, expected a value: a map needs pairs"},
		{"[1 #_]", 1, 6, "found ], expected a value for #_ to discard"},
		{"[#a]", 1, 4, "found ], expected a value for the tag"},
		{"]", 1, 1, "found ], but nothing is open"},
		{"1 ]", 1, 3, "found ], but nothing is open"},
		{"[1 2", 1, 5, "the text ends, expected a value or ] for the vector"},
		{"[\n\"a b", 2, 5, "the text ends inside the string that begins in line 2, column 1"},
		{"[\"a\n\\q\"]", 2, 1, `found \q, expected one of the escapes \n \t \r \b \f \" \\ \uXXXX \ooo`},
		{"\"\\u12\"", 1, 2, `found \u12", expected four hexadecimal digits after \u`},
		{"\\foo", 1, 1, `found \foo, expected one character, its name, \uXXXX or \oNNN`},
		{"::a", 1, 1, "found ::a: two colons in a row"},
		{":a/", 1, 1, "found :a/: no name behind the slash"},
		{"[a@b]", 1, 3, "found @, which is no part of any symbol, keyword or character"},
		{"#=(+ 1 2)", 1, 1, "found #=, which is code or unreadable and not EDN"},
		{"##Foo", 1, 1, "found ##F, expected ##Inf, ##-Inf or ##NaN"},
		{"^1 a", 1, 2, "found an integer as metadata, expected a keyword, symbol, string or map"},
		{"^:a 1", 1, 5, "found metadata on an integer, expected it on a symbol or a collection"},
		{"[é \"\xff\"]", 1, 5, "found byte 0xff, expected UTF-8"},
		{":" + strings.Repeat("é", 40) + ":", 1, 1, "found :ééééééééééé…: the name ends with a colon"},
	} {
		_, err := Check([]byte(c.in), Limits{})
		var e *SyntaxError
		if !errors.As(err, &e) {
			t.Errorf("%q: %v", c.in, err)
			continue
		}
		if e.Line != c.line || e.Column != c.column || e.Msg != c.msg {
			t.Errorf("%q: %v, want line %d, column %d: %s", c.in, err, c.line, c.column, c.msg)
		}
	}
}

// After an error, what stands in the next line is read again.
func TestErrorOffsetLeadsToNextLine(t *testing.T) {
	for in, want := range map[string]string{
		"[:a\n:b 08 {\n[:next]\n":      "[:next]",
		"[:a \"x\ny \\q z\" \n[:next]": "[:next]",
		"] [\n[:next]":                 "[:next]",
		"\\\nx\n[:next]":               "x",
		"[1 \xff]\n[:next]":            "[:next]",
		"[)\n[:next]":                  "[:next]",
	} {
		b := []byte(in)
		_, _, err := NewStream(Limits{}).Feed(b, false)
		var e *SyntaxError
		if !errors.As(err, &e) {
			t.Errorf("%q: %v", in, err)
			continue
		}
		rest := b[e.Offset:]
		rest = rest[bytes.IndexByte(rest, '\n')+1:]
		start, end, err := Scan(rest, Limits{})
		if got := string(rest[start:end]); err != nil || got != want {
			t.Errorf("%q: goes on with %q, %v", in, got, err)
		}
	}
}

func TestStreamWaits(t *testing.T) {
	for _, c := range []struct {
		in    string
		start int
	}{
		{"", 0}, {"  ", 2}, {" ; c", 1}, {" ; c\n ", 6}, {"#_a ", 4}, {"#_a", 0}, {" #_", 1},
		{" :a", 1}, {"12", 0}, {"-", 0}, {"nil", 0}, {" #", 1}, {"##Inf", 0}, {`\a`, 0}, {`\newline`, 0}, {"#a", 0}, {"#a ", 0},
		{" [1 2", 1}, {`"a`, 0}, {`"a\`, 0}, {`"\u00`, 0}, {"[1]"[:2], 0}, {"\xe2\x80", 0}, {"a\xe2\x80", 0}, {"#:a ", 0},
	} {
		b := []byte(c.in)
		if start, end, err := NewStream(Limits{}).Feed(b, false); start != c.start || end != len(b) || err != io.ErrUnexpectedEOF {
			t.Errorf("%q: %d, %d, %v, want %d", c.in, start, end, err, c.start)
		}
	}
	var s Stream
	if start, end, err := s.Feed([]byte(" [:a] :b"), false); start != 1 || end != 5 || err != nil {
		t.Errorf("%d, %d, %v", start, end, err)
	}
	s.Reset()
	if start, end, err := s.Feed([]byte(" :b"), true); start != 1 || end != 3 || err != nil {
		t.Errorf("%d, %d, %v", start, end, err)
	}
	s.Reset()
	if start, end, err := s.Feed([]byte(" ; c"), true); start != 4 || end != 4 || err != io.EOF {
		t.Errorf("%d, %d, %v", start, end, err)
	}
}

func TestStreamLimits(t *testing.T) {
	lim := Limits{Bytes: 8, Depth: 2}
	for in, want := range map[string]error{
		"[123456]":  nil,
		"[1234567]": ErrTooLarge,
		"[1234567":  io.ErrUnexpectedEOF,
		"[12345678": ErrTooLarge,
		"; 3456789": ErrTooLarge,
		"[[1]]":     nil,
		"[[[":       ErrTooDeep,
		"[[#":       io.ErrUnexpectedEOF,
		"[[#_":      ErrTooDeep,
		"#a #b 1 ":  nil,
		"#a #b #c":  io.ErrUnexpectedEOF,
		"#a #b[":    ErrTooDeep,
	} {
		if _, _, err := NewStream(lim).Feed([]byte(in), false); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", in, err, want)
		}
	}
	if _, _, err := Scan([]byte("         [1]"), lim); err != nil {
		t.Errorf("blanks before a value count for its size: %v", err)
	}
	if _, _, err := Scan([]byte("[12345678"), lim); !errors.Is(err, ErrTooLarge) {
		t.Error(err)
	}
	if _, err := Check([]byte("[1]      "), lim); !errors.Is(err, ErrTooLarge) {
		t.Error(err)
	}
}

// Byte by byte, long tokens of all kinds cost one look at each byte. This would
// not end if they were read again from their beginning each time.
func TestStreamLooksOnce(t *testing.T) {
	const n = 1 << 20
	long := strings.Repeat("a", n)
	for name, text := range map[string]string{
		"string":  `["` + long + `"]`,
		"escapes": `["` + strings.Repeat(`\n`, n/2) + `"]`,
		"regex":   `[#"` + long + `"]`,
		"symbol":  "[" + long + "]",
		"keyword": "[:" + long + "/" + long + "]",
		"number":  "[" + strings.Repeat("1", n) + "]",
		"tag":     "[#" + long + " 1]",
		"comment": "[;" + long + "\n]",
		"blanks":  "[#:a" + strings.Repeat(" ", n) + "{}]",
		"discard": "#_" + long + " []",
	} {
		b := []byte(text)
		s := NewStream(Limits{})
		for i := 1; ; i++ {
			_, end, err := s.Feed(b[:i], false)
			if err == io.ErrUnexpectedEOF && i < len(b) {
				continue
			}
			if end != len(b) || err != nil {
				t.Errorf("%s: %d of %d, %v", name, end, len(b), err)
			}
			break
		}
	}
}
