//go:build peers

package pipe

import (
	"bufio"
	"bytes"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

// judge lets a program of testdata/edn say "ok" or "refused: why" of each text.
func judge(t *testing.T, texts []string, command ...string) []string {
	t.Helper()
	cmd := exec.Command(command[0], command[1:]...)
	// A file, since Node may find a pipe empty and give up.
	in, err := os.Create(filepath.Join(t.TempDir(), "texts"))
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	for _, text := range texts {
		if _, err := in.Write(append(AppendString(nil, text), '\n')); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := in.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	var complaints bytes.Buffer
	cmd.Stdin, cmd.Stderr = in, &complaints
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s", command, err, complaints.Bytes())
	}
	verdicts := strings.Split(strings.TrimRight(string(out), "\n"), "\n")
	if len(verdicts) != len(texts) {
		t.Fatalf("%v has judged %d of %d texts\n%s", command, len(verdicts), len(texts), complaints.Bytes())
	}
	return verdicts
}

func clojure(script string) []string {
	return []string{"clojure", filepath.Join("..", "testdata", "edn", script)}
}

func nbb(script string) []string {
	bin := filepath.Join("..", "testdata", "npm", "node_modules", ".bin", "nbb")
	if _, err := exec.LookPath(bin); err != nil {
		bin = "nbb"
	}
	return []string{bin, filepath.Join("..", "testdata", "edn", script)}
}

// The vectors say what Clojure says: where it differs, under :clojure.
func TestVectorsInClojure(t *testing.T) {
	for _, file := range []struct{ name, verdict string }{{"accepted.edn", "ok"}, {"refused.edn", "refused"}} {
		all := vectors(t, file.name)
		texts := make([]string, len(all))
		for i, v := range all {
			texts[i] = v.str(":in")
		}
		for i, got := range judge(t, texts, clojure("compare.clj")...) {
			want := file.verdict
			if v := all[i].str(":clojure"); v != "" {
				want = v[1:]
			}
			if !strings.HasPrefix(got, want) {
				t.Errorf("%s: Clojure says %s", all[i].line, got)
			}
		}
	}
}

// clojureDiffers are the deliberate differences that stand in scan.go, for
// texts that generated has made.
var clojureDiffers = []struct {
	ours    bool // we accept, Clojure refuses
	verdict *regexp.Regexp
	text    *regexp.Regexp
}{
	{true, regexp.MustCompile(`No dispatch macro for: "`), regexp.MustCompile(`#"`)},
	{true, regexp.MustCompile(`Duplicate key`), regexp.MustCompile(``)},
	{true, regexp.MustCompile(`Metadata can only be applied`), regexp.MustCompile(`\^[\s\S]*#`)},
	{true, regexp.MustCompile(``), regexp.MustCompile(`#(inst|uuid)\b`)},
	{true, regexp.MustCompile(`Index \d+ out of bounds`), regexp.MustCompile(`#[^\x00-\xff]`)},
	{true, regexp.MustCompile(`Invalid token`), regexp.MustCompile(`[\x{85}\x{2028}\x{2029}]`)},
	{false, regexp.MustCompile(`ok`), regexp.MustCompile(`##[\s,;#]|#:[\s,;#^]`)},
}

// TestGeneratedInClojure compares our verdict with the JVM's for values, and
// for what becomes of them when a few bytes are changed.
func TestGeneratedInClojure(t *testing.T) {
	texts := generated(6000)
	accepted, refused := 0, 0
	for i, got := range judge(t, texts, clojure("compare.clj")...) {
		_, err := Check([]byte(texts[i]), Limits{})
		if err == nil {
			accepted++
		} else {
			refused++
		}
		if (err == nil) == (got == "ok") {
			continue
		}
		known := false
		for _, d := range clojureDiffers {
			known = known || d.ours == (err == nil) && d.verdict.MatchString(got) && d.text.MatchString(texts[i])
		}
		if !known {
			t.Errorf("%q: we say %v, Clojure %s", texts[i], err, got)
		}
	}
	t.Logf("%d accepted, %d refused", accepted, refused)
	if accepted < 2000 || refused < 1000 {
		t.Errorf("%d accepted and %d refused say too little", accepted, refused)
	}
}

// TestPrintedByClojure: what pr-str makes of generated Clojure values is EDN
// for us, in the text dialect's form too.
func TestPrintedByClojure(t *testing.T) {
	out, err := exec.Command(clojure("print.clj")[0], clojure("print.clj")[1:]...).Output()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for in := bufio.NewScanner(bytes.NewReader(out)); in.Scan(); n++ {
		text, err := Unquote(in.Bytes())
		if err != nil {
			t.Fatalf("%s: %v", in.Bytes(), err)
		}
		value, err := Check([]byte(text), Limits{})
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		checkLine(t, value)
		rejoin(t, value)
	}
	if n < 2000 {
		t.Errorf("Clojure has printed %d values", n)
	}
}

// TestLinesInClojure: a value and its line are equal for Clojure, and so are a
// text and its literal.
func TestLinesInClojure(t *testing.T) {
	var pairs []string
	for _, text := range generated(3000) {
		if value, err := Check([]byte(text), Limits{}); err == nil && !bytes.Contains(value, []byte(`#"`)) {
			pairs = append(pairs, string(value), string(AppendLine(nil, value)))
		}
	}
	if len(pairs) < 2000 {
		t.Fatalf("%d pairs say too little", len(pairs)/2)
	}
	for i, got := range judge(t, pairs, clojure("equal.clj")...) {
		if got != "ok" && i%2 == 1 {
			t.Errorf("%q and %q: %s", pairs[i-1], pairs[i], got)
		}
	}
}

// TestGeneratedInNbb compares with a ClojureScript reader.
func TestGeneratedInNbb(t *testing.T) {
	texts := generated(4000)
	for i, got := range judge(t, texts, nbb("compare.cljs")...) {
		_, err := Check([]byte(texts[i]), Limits{})
		if (err == nil) == (got == "ok") {
			continue
		}
		known := false
		for _, d := range nbbDiffers {
			ours := "accepted"
			if err != nil {
				ours = err.Error()
			}
			known = known || d.ours.MatchString(ours) && d.verdict.MatchString(got)
		}
		if !known {
			t.Errorf("%q: we say %v, nbb %s", texts[i], err, got)
		}
	}
}

// nbbDiffers are pairs of our verdict and that of nbb's reader, which differs
// from Clojure's in these points.
var nbbDiffers = []struct{ ours, verdict *regexp.Regexp }{
	{regexp.MustCompile(`^accepted`), regexp.MustCompile(`No reader function for tag`)}, // discards are read as data
	{regexp.MustCompile(`^accepted`), regexp.MustCompile(`Invalid (keyword|symbol): .*/.*/|Invalid keyword: ://`)},
	{regexp.MustCompile(`^accepted`), regexp.MustCompile(`Unrecognized date/time|UUID literal`)},
	{regexp.MustCompile(`^accepted`), regexp.MustCompile(`[dD]uplicate key`)},
	{regexp.MustCompile(`not all are digits of the radix|expected at most .377`), regexp.MustCompile(`^ok`)},
	{regexp.MustCompile(`expected a tag|namespace for a map|two colons|expected one character`), regexp.MustCompile(`^ok`)},
	{regexp.MustCompile(`the text ends`), regexp.MustCompile(`^ok`)}, // a lone backslash is taken for a newline
}

// generated are texts, some valid and some not, always the same.
func generated(n int) []string {
	r := rand.New(rand.NewPCG(7, 11))
	g := generator{r: r}
	texts := make([]string, 0, n)
	for len(texts) < n {
		text := g.value(4)
		if r.IntN(5) == 0 {
			text = g.gap() + text + g.gap()
		}
		if r.IntN(2) == 0 {
			text = g.mutate(text)
		}
		if utf8.ValidString(text) {
			texts = append(texts, text)
		}
	}
	return texts
}

type generator struct{ r *rand.Rand }

func (g generator) pick(from ...string) string { return from[g.r.IntN(len(from))] }

func (g generator) gap() string {
	return g.pick("", " ", " ", ",", ", ", "\n", "\t", "\r\n", " ; c]\n", ";\"\n", " #_x ", " #_ [1 2] ", "\f", "\u2003", " #_#_ a b ", "#_ #t 1 ")
}

func (g generator) scalar() string {
	return g.pick("nil", "true", "false", "0", "1", "-42", "+7", "12N", "1.5", "-0.0", "1e10", "1.5M", "1/2", "-3/4", "0x1F", "017", "2r101", "36rZZ",
		"12345678901234567890", "##Inf", "##-Inf", "##NaN", `""`, `"a"`, `"a;b"`, `"\n\t\\\""`, `"\u00e9\101"`, "\"x\ny\"", `"é✓😀"`,
		`\a`, `\newline`, `\space`, `\u0041`, `\o101`, `\(`, `\"`, `\\`, `\;`, `\é`, `\,`,
		":a", ":a/b", ":a.b/c-d?", ":1", "://a", ":é", ":a:b", ":k", ":room", "a", "a/b", "/", "ns//", "->x", ".m", "foo'", "a#", "nil/a", "+", "-a", "é", "x",
		`#inst "2024-01-02T03:04:05.678-00:00"`, `#uuid "11111111-2222-3333-4444-555555555555"`)
}

func (g generator) value(depth int) string {
	if depth == 0 || g.r.IntN(3) == 0 {
		return g.scalar()
	}
	sep := func() string {
		return g.pick(" ", " ", " ", ", ", "\n", "\t", " "+g.gap()+" ")
	}
	n := g.r.IntN(4)
	var b strings.Builder
	switch g.r.IntN(8) {
	case 0:
		return "#" + g.pick("a", "my/tag", "user.R", "é") + " " + g.gap() + g.value(depth-1)
	case 1:
		return "^" + g.pick(":m", "{:a 1}", "T", `"s"`) + " " + g.pick("x", "["+g.value(depth-1)+"]", "{}", "#{}", "(1)")
	case 2:
		b.WriteString("(")
	case 3:
		b.WriteString("#{")
	case 4, 5:
		b.WriteString(g.pick("{", "{", "#:ns{", "#:a.b {"))
		n *= 2
	default:
		b.WriteString("[")
	}
	shut := map[byte]string{'(': ")", '[': "]", '{': "}"}[b.String()[b.Len()-1]]
	if shut == "}" && n > 0 && b.String() != "#{" {
		for i := range n {
			if i%2 == 0 {
				b.WriteString(g.pick(":a", ":b", ":c", ":x/y", ":_/z", "k", "1", `"s"`) + sep())
			} else {
				b.WriteString(g.value(depth-1) + sep())
			}
		}
	} else {
		for range n {
			b.WriteString(g.value(depth-1) + sep())
		}
	}
	return b.String() + shut
}

// mutate changes a few bytes.
func (g generator) mutate(text string) string {
	for range 1 + g.r.IntN(2) {
		at := g.r.IntN(len(text) + 1)
		switch g.r.IntN(3) {
		case 0: // leave out
			text = text[:at] + text[min(at+1+g.r.IntN(2), len(text)):]
		case 1: // put in
			text = text[:at] + g.pick("[", "]", "(", ")", "{", "}", "#", "#_", "^", "\"", "\\", ";", ":", "/", " ", "\n", "a", "1", "0", ".", "N", "M", "r", "x", "e", "@", "~", "`", "'", "-", "+", "u", "\u2028", "\x00", "é", "é", "##", "#:") + text[at:]
		case 2: // double
			end := min(at+1+g.r.IntN(4), len(text))
			text = text[:end] + text[at:]
		}
	}
	return text
}
