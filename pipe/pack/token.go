package pack

import (
	"bytes"
	"unicode/utf8"
)

// A kind is what a token is.
type kind uint8

const (
	tokEnd     kind = iota // of the text
	tokOpen                // ( [ { #{ and the #:ns{ of a namespaced map
	tokShut                // ) ] }
	tokString              // with its quotes
	tokChar                // \a
	tokKeyword             // with its colon
	tokNumber
	tokSymbol  // nil, true and false too
	tokSpecial // ##NaN ##Inf ##-Inf
	tokRegex   // #"…"
	tokTag     // #inst; the value follows
	tokDiscard // #_; what is discarded follows
	tokMeta    // ^; the metadata follow, then the value
)

// Tokens steps through EDN text that pipe.Check has accepted. On other text it
// gives some tokens or other, but neither panics nor reads behind the end.
type tokens struct {
	text []byte
	pos  int // behind the last token
}

// Next returns the next token that counts: discarded values and metadata are
// stepped over.
func (t *tokens) next() (kind, []byte) {
	for {
		k, tok := t.raw()
		if k != tokDiscard && k != tokMeta {
			return k, tok
		}
		t.skip()
	}
}

// Skip steps over one value.
func (t *tokens) skip() { t.leave(1, 0) }

// Leave steps over what is missing of some values at the same level, the first
// of which is open to a depth.
func (t *tokens) leave(values, depth int) {
	for values > 0 {
		k, _ := t.raw()
		switch {
		case k == tokEnd:
			return
		case k == tokOpen:
			depth++
			continue
		case k == tokShut:
			depth--
		case k == tokTag:
			continue
		case depth == 0 && (k == tokDiscard || k == tokMeta):
			values++ // that, and still ours
			continue
		}
		if depth <= 0 {
			values--
		}
	}
}

// Form returns the text of the value that began with the token just read, and
// steps behind it.
func (t *tokens) form(k kind, tok []byte) []byte {
	begin := t.pos - len(tok)
	switch k {
	case tokOpen:
		t.leave(1, 1)
	case tokTag:
		t.skip()
	}
	return t.text[begin:t.pos]
}

func (t *tokens) raw() (kind, []byte) {
	b, i := t.text, t.space()
	if i >= len(b) {
		t.pos = len(b)
		return tokEnd, nil
	}
	k, end := tokSymbol, i+1
	switch c := b[i]; c {
	case '(', '[', '{':
		k = tokOpen
	case ')', ']', '}':
		k = tokShut
	case '"':
		k, end = tokString, stringEnd(b, i)
	case '^':
		k = tokMeta
	case '\\':
		k = tokChar
		if end < len(b) {
			_, n := utf8.DecodeRune(b[end:])
			end = wordEnd(b, end+n)
		}
	case '#':
		k, end = dispatch(b, i)
	case ':':
		k, end = tokKeyword, wordEnd(b, end)
	default:
		end = wordEnd(b, end)
		if isDigit(c) || (c == '+' || c == '-') && i+1 < len(b) && isDigit(b[i+1]) {
			k = tokNumber
			if n := bytes.IndexByte(b[i:end], '#'); n > 0 { // ends numbers, though not names
				end = i + n
			}
		}
	}
	t.pos = end
	return k, b[i:end]
}

// Space returns where the white space and the comments here end.
func (t *tokens) space() int {
	b, i := t.text, t.pos
	for i < len(b) {
		switch c := b[i]; {
		case isSpace(c):
			i++
		case c == ';':
			for i < len(b) && b[i] != '\n' && b[i] != '\r' {
				i++
			}
		case c >= utf8.RuneSelf:
			n := wideSpace(b[i:])
			if n == 0 {
				return i
			}
			i += n
		default:
			return i
		}
	}
	return i
}

// Dispatch reads what a # at i begins.
func dispatch(b []byte, i int) (kind, int) {
	if i+1 >= len(b) {
		return tokSymbol, len(b)
	}
	switch b[i+1] {
	case '{':
		return tokOpen, i + 2
	case '_':
		return tokDiscard, i + 2
	case '^': // the old way to write metadata
		return tokMeta, i + 2
	case '"':
		return tokRegex, stringEnd(b, i+1)
	case '#':
		return tokSpecial, wordEnd(b, i+2)
	case ':':
		end := wordEnd(b, i+2)
		gap := tokens{text: b, pos: end}
		return tokOpen, min(gap.space()+1, len(b)) // Check allows blanks only
	}
	return tokTag, wordEnd(b, i+1)
}

func stringEnd(b []byte, i int) int {
	for i++; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(b)
}

func wordEnd(b []byte, i int) int {
	for i < len(b) && !delimiters[b[i]] && (b[i] < utf8.RuneSelf || wideSpace(b[i:]) == 0) {
		i++
	}
	return min(i, len(b))
}

// WideSpace returns the length of the white space beyond ASCII that b begins
// with: Java's, so without the spaces that do not break.
func wideSpace(b []byte) int {
	if b[0] < 0xe1 || b[0] > 0xe3 {
		return 0
	}
	r, n := utf8.DecodeRune(b)
	switch {
	case r == 0x2007 || r == 0x202f:
	case r == 0x1680, 0x2000 <= r && r <= 0x200a, r == 0x2028, r == 0x2029, r == 0x205f, r == 0x3000:
		return n
	}
	return 0
}

func isSpace(c byte) bool {
	switch c {
	case ' ', ',', '\n', '\r', '\t', '\f', '\v', 0x1c, 0x1d, 0x1e, 0x1f:
		return true
	}
	return false
}

// Delimiters end words.
var delimiters = func() (set [256]bool) {
	for c := range set {
		switch c {
		case '(', ')', '[', ']', '{', '}', '"', ';', '\\', '^':
			set[c] = true
		default:
			set[c] = isSpace(byte(c))
		}
	}
	return set
}()

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// Namespace returns that of a namespaced map, whose opening is #:ns{.
func namespace(open []byte) []byte {
	return open[2:wordEnd(open, 2)]
}
