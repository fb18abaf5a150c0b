package bb

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A Kind says what a Form is.
type Kind uint8

// Those from List to Set, Func and Cond are their Forms between delimiters; a
// Prefix stands before its Forms; the others are their Text.
const (
	Atom   Kind = iota // a symbol, a keyword, a number, ##Inf
	String             // "…"
	Regex              // #"…"
	Char               // \a
	List               // (…)
	Vector             // […]
	Map                // {…}
	Set                // #{…}
	Func               // #(…)
	Cond               // #?(…), or #?@(…) as its Text says; Select leaves none
	Prefix             // ' ` ~ ~@ @ #' ^ #tag #:ns, as its Text says
)

// A Form is a piece of Clojure source. Comments, white space and what #_ takes
// away are not kept. Two sources read the same if and only if their forms are
// the same in everything but Line.
type Form struct {
	Kind  Kind
	Text  string // as in the source; of a Cond and a Prefix its mark
	Forms []Form // of a ^: the metadata and what carries it
	Line  int    // of the file, from 1
}

// Is reports whether a form is the symbol, keyword or number with this text.
func (f Form) Is(text string) bool { return f.Kind == Atom && f.Text == text }

// Calls reports whether a form is a list that begins with this symbol.
func (f Form) Calls(symbol string) bool {
	return f.Kind == List && len(f.Forms) > 0 && f.Forms[0].Is(symbol)
}

// Bare is the form without its metadata.
func (f Form) Bare() Form {
	for f.Kind == Prefix && f.Text == "^" {
		f = f.Forms[1]
	}
	return f
}

// maxDepth bounds how deep forms are nested.
const maxDepth = 500

// Read reads a file of Clojure source. Its reader conditionals are forms of
// their own; Select chooses between their branches.
func Read(file string, src []byte) ([]Form, error) {
	if !utf8.Valid(src) {
		return nil, fmt.Errorf("%s: the file is not UTF-8", file)
	}
	r := &reader{file: file, src: strings.TrimPrefix(string(src), "\ufeff"), line: 1}
	forms, err := r.forms("", 0)
	if err != nil {
		return nil, err
	}
	return forms, nil
}

type reader struct {
	file string
	src  string // what is left
	line int
}

func (r *reader) errorf(line int, format string, args ...any) error {
	return fmt.Errorf("%s:%d: %s", r.file, line, fmt.Sprintf(format, args...))
}

// take moves on by n bytes and returns them.
func (r *reader) take(n int) string {
	text := r.src[:n]
	r.src = r.src[n:]
	r.line += strings.Count(text, "\n")
	return text
}

// blank skips white space and comments.
func (r *reader) blank() {
	for r.src != "" {
		c, n := utf8.DecodeRuneInString(r.src)
		switch {
		case isSpace(c):
			r.take(n)
		case c == ';' || strings.HasPrefix(r.src, "#!"):
			end := strings.IndexByte(r.src, '\n')
			if end < 0 {
				end = len(r.src)
			}
			r.take(end)
		default:
			return
		}
	}
}

// isSpace knows no white space beyond ASCII, about which readers differ: there
// it is a part of a token, and stays where it is.
func isSpace(c rune) bool { return strings.ContainsRune(", \t\n\v\f\r\x1c\x1d\x1e\x1f", c) }

// endsToken reports whether a symbol, a keyword or a number ends before c.
func endsToken(c rune) bool { return isSpace(c) || strings.ContainsRune("\";@^`~()[]{}\\", c) }

// token takes a symbol, a keyword or a number, beginning with the first n bytes
// whatever they are.
func (r *reader) token(n int) string {
	for n < len(r.src) {
		c, size := utf8.DecodeRuneInString(r.src[n:])
		if endsToken(c) {
			break
		}
		n += size
	}
	return r.take(n)
}

// forms reads up to a closing delimiter, or with "" to the end of the file.
func (r *reader) forms(closing string, depth int) ([]Form, error) {
	began := r.line
	var forms []Form
	for {
		r.blank()
		switch {
		case r.src == "" && closing == "":
			return forms, nil
		case r.src == "":
			return nil, r.errorf(began, "what is opened here is never closed: %s is missing", closing)
		case strings.ContainsRune(")]}", rune(r.src[0])):
			if found := r.src[:1]; found != closing {
				if closing == "" {
					return nil, r.errorf(r.line, "%s closes nothing", found)
				}
				return nil, r.errorf(r.line, "found %s, expected %s for what is opened in line %d", found, closing, began)
			}
			r.take(1)
			return forms, nil
		}
		f, ok, err := r.form(depth)
		if err != nil {
			return nil, err
		}
		if ok {
			forms = append(forms, f)
		}
	}
}

// A mark begins a form.
type mark struct {
	text    string
	kind    Kind
	closing string // of what is between delimiters
}

// marks are in the order in which they are tried.
var marks = []mark{
	{"(", List, ")"}, {"[", Vector, "]"}, {"{", Map, "}"}, {"#{", Set, "}"}, {"#(", Func, ")"},
	{"#?@(", Cond, ")"}, {"#?(", Cond, ")"},
	{"'", Prefix, ""}, {"`", Prefix, ""}, {"~@", Prefix, ""}, {"~", Prefix, ""}, {"@", Prefix, ""}, {"#'", Prefix, ""},
	{"^", Prefix, ""}, {"#^", Prefix, ""},
}

// form reads one form, or what #_ takes away: then it is not ok. There is
// something to read.
func (r *reader) form(depth int) (f Form, ok bool, err error) {
	if depth > maxDepth {
		return f, false, r.errorf(r.line, "forms are nested deeper than %d", maxDepth)
	}
	f.Line = r.line
	for _, m := range marks {
		if !strings.HasPrefix(r.src, m.text) {
			continue
		}
		r.take(len(m.text))
		f.Kind = m.kind
		if m.closing != "" {
			if m.kind == Cond {
				f.Text = strings.TrimSuffix(m.text, "(")
			}
			f.Forms, err = r.forms(m.closing, depth+1)
			return f, true, err
		}
		f.Text = m.text
		if f.Text == "#^" {
			f.Text = "^"
		}
		err = r.prefixed(&f, depth)
		return f, true, err
	}
	switch r.src[0] {
	case '"':
		f.Kind = String
		f.Text, err = r.quoted(1)
	case '\\':
		f.Kind = Char
		f.Text, err = r.char()
	case '#':
		return r.dispatch(depth)
	default:
		f.Text = r.token(0)
	}
	return f, true, err
}

// prefixed reads what a prefix stands before.
func (r *reader) prefixed(f *Form, depth int) error {
	n := 1
	if f.Text == "^" {
		n = 2
	}
	for len(f.Forms) < n {
		r.blank()
		if r.src == "" || strings.ContainsRune(")]}", rune(r.src[0])) {
			return r.errorf(f.Line, "nothing follows %s", f.Text)
		}
		next, ok, err := r.form(depth + 1)
		if err != nil {
			return err
		}
		if ok {
			f.Forms = append(f.Forms, next)
		}
	}
	return nil
}

// dispatch reads what begins with # and is none of the marks.
func (r *reader) dispatch(depth int) (f Form, ok bool, err error) {
	f.Line = r.line
	next, _ := utf8.DecodeRuneInString(r.src[1:])
	switch {
	case next == '"':
		f.Kind = Regex
		f.Text, err = r.quoted(2)
		return f, true, err
	case next == '#':
		f.Text = r.token(2)
		if f.Text == "##" {
			err = r.errorf(f.Line, "nothing follows ##; allowed: ##Inf, ##-Inf, ##NaN")
		}
		return f, true, err
	case next == '_':
		r.take(2)
		f.Kind, f.Text = Prefix, "#_"
		if err = r.prefixed(&f, depth); err == nil && f.Forms[0].Kind == Cond {
			// Where no branch is selected it would take the next form away.
			err = r.errorf(f.Line, "#_ before a reader conditional means something else on each platform: use a comment")
		}
		return f, false, err
	case next == ':', unicode.IsLetter(next):
		f.Kind = Prefix
		f.Text = r.token(1)
		return f, true, r.prefixed(&f, depth)
	case next == '?':
		return f, false, r.errorf(f.Line, "found #? without (; expected #?(:clj … :cljs …) or #?@(…)")
	case next == '=':
		return f, false, r.errorf(f.Line, "#= evaluates while reading, which Babashka and Scittle do not")
	}
	return f, false, r.errorf(f.Line, "found #%c, which begins nothing", next)
}

// quoted takes a string or a regex, of which the first n bytes open it.
func (r *reader) quoted(n int) (string, error) {
	for i := n; i < len(r.src); i++ {
		switch r.src[i] {
		case '\\':
			i++
		case '"':
			return r.take(i + 1), nil
		}
	}
	return "", r.errorf(r.line, "what is opened here is never closed: \" is missing")
}

// char takes a character: one of any kind, and what belongs to its name.
func (r *reader) char() (string, error) {
	c, n := utf8.DecodeRuneInString(r.src[1:])
	switch {
	case n == 0 || isSpace(c):
		return "", r.errorf(r.line, `nothing follows \`)
	case endsToken(c):
		return r.take(1 + n), nil
	}
	return r.token(1 + n), nil
}
