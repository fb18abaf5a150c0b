package pipe

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestUnquote(t *testing.T) {
	for _, c := range []struct{ lit, want string }{
		{`""`, ""}, {`"a"`, "a"}, {`"é ✓ 😀"`, "é ✓ 😀"},
		{"\"a\nb\"", "a\nb"},
		{`"\n\t\r\b\f\"\\"`, "\n\t\r\b\f\"\\"},
		{`"\u0041\u00e9\u2713"`, "Aé✓"},
		{`"\ud83d\ude00!"`, "😀!"},
		{`"\ud83d"`, "\ufffd"}, {`"\ude00\ud83d"`, "\ufffd\ufffd"},
		{`"\ud83d\n"`, "\ufffd\n"}, {`"\ud83d\u0041"`, "\ufffdA"}, {`"\ud83dx"`, "\ufffdx"},
		{`"\ud83d\ud83d\ude00"`, "\ufffd😀"},
		{`"\0"`, "\x00"}, {`"\101\377"`, "Aÿ"}, {`"\1 2"`, "\x01 2"}, {`"\12\\"`, "\n\\"}, {`"\1018"`, "A8"}, {"\"\\1\u20032\"", "\x01\u20032"},
		{`"\0\"\""`, "\x00\"\""},
	} {
		if got, err := Unquote([]byte(c.lit)); err != nil || got != c.want {
			t.Errorf("%s: %q, %v, want %q", c.lit, got, err, c.want)
		}
	}
	for _, lit := range []string{``, `"`, `a`, `"a`, `a"`, `"\"`, `"\`, `"\q"`, `"a"b"`, `"\u12"`, `"\u123"`, `"\8"`, `"\777"`, `"\ud83d\u12"`} {
		if got, err := Unquote([]byte(lit)); err == nil {
			t.Errorf("%s: %q", lit, got)
		}
	}
}

func TestAppendString(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"", `""`}, {"a", `"a"`}, {"é😀", `"é😀"`},
		{"a\"b\\c", `"a\"b\\c"`}, {"\n\r\t", `"\n\r\t"`},
		{"\x00\x1b\x7f", `"\u0000\u001b\u007f"`},
		{"a\xffb\xc3", `"a` + "\ufffd" + `b` + "\ufffd" + `"`},
	} {
		if got := string(AppendString([]byte("x"), c.in)); got != "x"+c.want {
			t.Errorf("%q: %s, want %s", c.in, got, c.want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		s := string(rapid.SliceOf(rapid.OneOf(rapid.Byte(), rapid.SampledFrom([]byte("\"\\\n\ré")))).Draw(t, "s"))
		lit := AppendString(nil, s)
		if v, err := Check(lit, Limits{}); err != nil || len(v) != len(lit) {
			t.Fatalf("%q: %s: %v", s, lit, err)
		}
		if got, err := Unquote(lit); err != nil || got != strings.ToValidUTF8(s, "\ufffd") && utf8.ValidString(s) {
			t.Fatalf("%q: %s reads as %q, %v", s, lit, got, err)
		}
		if bytes.ContainsAny(lit, "\n\r") {
			t.Fatalf("%q: more than one line", lit)
		}
	})
}

func TestAppendLine(t *testing.T) {
	for _, v := range vectors(t, "lines.edn") {
		in, want := v.bytes(":in"), v.str(":out")
		if got := string(AppendLine([]byte("x"), in)); got != "x"+want {
			t.Errorf("%q (%s): %q, want %q", in, v.str(":why"), got[1:], want)
		}
		if got := string(AppendLine(nil, []byte(want))); got != want {
			t.Errorf("%q is not left as it is: %q", want, got)
		}
	}
	for _, v := range vectors(t, "accepted.edn") {
		value, err := Check(v.bytes(":in"), Limits{})
		if err != nil {
			t.Fatal(err)
		}
		checkLine(t, value)
	}
}

// checkLine holds that the line of a value is one line, a value, and of the
// same tokens.
func checkLine(t *testing.T, value []byte) {
	t.Helper()
	line := AppendLine(nil, value)
	if bytes.ContainsAny(line, "\n\r") {
		t.Fatalf("%q: %q is not one line", value, line)
	}
	if v, err := Check(line, Limits{Depth: 1 << 20}); err != nil || len(v) != len(line) {
		t.Fatalf("%q: %q is not one value: %q, %v", value, line, v, err)
	}
	if a, b := tokens(value), tokens(line); a != b {
		t.Fatalf("%q: %q has the tokens %s, not %s", value, line, b, a)
	}
}

// tokens spells out a value's tokens, strings and characters as what they mean.
func tokens(b []byte) string {
	var out strings.Builder
	for i := 0; i < len(b); {
		from := i
		switch c := b[i]; {
		case ednClass[c] == clsBlank:
			i++
			continue
		case c == ';':
			i = commentEnd(b, i)
			continue
		case c == '"':
			i = textEnd(b, i+1)
			if s, err := Unquote(b[from:i]); err == nil {
				out.WriteString(" string:" + s)
				continue
			}
			out.WriteString("!")
		case c == '#' && i+1 < len(b) && b[i+1] == '"':
			i = textEnd(b, i+2)
			out.WriteString(" regex:" + regexLines.Replace(string(b[from:i])))
			continue
		case c == '\\':
			i = charEnd(b, i)
			out.WriteString(" " + charLines.Replace(string(b[from:i])))
			continue
		case c >= utf8.RuneSelf:
			if n, _ := blankRune(b[i:], true); n > 0 {
				i += n
				continue
			}
			i = tokenEndIn(b, i)
		case ednClass[c] == clsDigit, ednClass[c] == clsSign && i+1 < len(b) && ednClass[b[i+1]] == clsDigit:
			i = numberEnd(b, i)
		case c == '#' && i+1 < len(b) && (b[i+1] == '_' || b[i+1] == '^' || b[i+1] == '{'):
			i += 2
		case ednClass[c] < clsBlank:
			i = tokenEndIn(b, i)
		default:
			i++
		}
		out.WriteString(" " + string(b[from:i]))
	}
	return out.String()
}

var (
	regexLines = strings.NewReplacer("\\\\", "\\\\", "\\\n", `\n`, "\\\r", `\r`, "\n", `\n`, "\r", `\r`)
	charLines  = strings.NewReplacer("\n", "newline", "\r", "return")
)
