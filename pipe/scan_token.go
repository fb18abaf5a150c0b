package pipe

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"
)

// word reads on in the symbol or keyword that begins at tok, from i, and checks
// it. A number may hide behind a sign.
func (s *scanner) word(b []byte, tok, i int, atEnd bool) (int, scanStatus) {
	if ednClass[b[tok]] == clsSign {
		if tok+1 == len(b) && !atEnd {
			return s.cut(tok)
		} else if tok+1 < len(b) && ednClass[b[tok+1]] == clsDigit {
			return s.number(b, tok, tok+1, atEnd)
		}
	}
	i, st := s.tokenEnd(b, tok, i, inWord, atEnd)
	if st == scanGoing {
		if msg := checkWord(b[tok:i]); msg != "" {
			return i, s.fail(tok, "found %s: %s", ednShow(b[tok:i]), msg)
		}
	}
	return i, st
}

// tokenEnd passes over what may be part of a symbol, from i on.
func (s *scanner) tokenEnd(b []byte, tok, i int, m scanMode, atEnd bool) (int, scanStatus) {
	for i < len(b) {
		switch k := ednClass[b[i]]; {
		case k < clsWide:
			i++
		case k == clsWide:
			s.wide = true
			n, known := blankRune(b[i:], atEnd)
			if !known {
				s.i, s.tok, s.mode = i, tok, m
				return i, scanShort
			} else if n > 0 {
				return i, scanGoing
			}
			i++
		case k == clsForbidden:
			return i, s.fail(i, "found %c, which is no part of any symbol, keyword or character", b[i])
		default:
			return i, scanGoing
		}
	}
	if !atEnd {
		s.i, s.tok, s.mode = i, tok, m
		return i, scanShort
	}
	return i, scanGoing
}

// checkWord says what is wrong with a symbol or keyword, "" if nothing.
//
// Clojure's rule: [:]?([\D&&[^/]].*/)?(/|[\D&&[^/]][^/]*), no "::", no colon at
// the end of the name or the namespace. As the first colon may count as the
// first character of a namespace or name, :1 and :1/a and ://a are keywords.
func checkWord(w []byte) string {
	if c := w[0]; c >= utf8.RuneSelf || (c == '+' || c == '-') && len(w) > 1 && w[1] >= utf8.RuneSelf {
		r, _ := utf8.DecodeRune(bytes.TrimLeft(w[:min(len(w), 1+utf8.UTFMax)], "+-"))
		if r <= 0xffff && unicode.IsDigit(r) {
			return "a number has ASCII digits only"
		}
	}
	if len(w) == 1 && w[0] == ':' {
		return "a keyword needs a name"
	}
	if bytes.Contains(w, []byte("::")) {
		return "two colons in a row"
	}
	if w[len(w)-1] == ':' {
		return "the name ends with a colon"
	}
	at := bytes.LastIndexByte(w, '/')
	if at < 0 || string(w) == "/" || string(w) == ":/" {
		return ""
	}
	if at == len(w)-1 { // the name is /, or there is none
		if at--; at < 0 || w[at] != '/' {
			return "no name behind the slash"
		}
	} else if ednClass[w[at+1]] == clsDigit {
		return "the name behind the slash begins with a digit"
	}
	if at == 0 || w[0] == '/' {
		return "no namespace before the slash"
	}
	if w[at-1] == ':' {
		return "the namespace ends with a colon"
	}
	return ""
}

// number reads on in the number that begins at tok, from i, and checks it.
func (s *scanner) number(b []byte, tok, i int, atEnd bool) (int, scanStatus) {
	for ; i < len(b); i++ {
		if k := ednClass[b[i]]; k >= clsBlank || k == clsHash {
			break
		} else if k == clsWide {
			s.wide = true
			if n, known := blankRune(b[i:], atEnd); !known {
				s.i, s.tok, s.mode = i, tok, inNumber
				return i, scanShort
			} else if n > 0 {
				break
			}
		}
	}
	if i == len(b) && !atEnd {
		s.i, s.tok, s.mode = i, tok, inNumber
		return i, scanShort
	}
	if msg := checkNumber(b[tok:i]); msg != "" {
		return i, s.fail(tok, "found %s: %s", ednShow(b[tok:i]), msg)
	}
	return i, scanGoing
}

// checkNumber says what is wrong with a number, "" if nothing. Octal digits
// after a leading zero make an integer, any digits a float or ratio (08M, 08/1).
func checkNumber(w []byte) string {
	if w[0] == '+' || w[0] == '-' {
		w = w[1:]
	}
	n := countDigits(w, 10)
	rest := w[n:]
	if n == 0 {
		return "not a number"
	}
	if len(rest) == 0 || string(rest) == "N" {
		if w[0] == '0' && countDigits(w, 8) < n {
			return "not octal, as the leading zero says"
		}
		return ""
	}
	switch rest[0] {
	case 'x', 'X':
		d := rest[1:]
		if n := countDigits(d, 16); n > 0 && w[0] == '0' && len(w)-len(rest) == 1 && (n == len(d) || string(d[n:]) == "N") {
			return ""
		}
		return "not a hexadecimal integer"
	case 'r', 'R':
		radix := int(w[0] - '0')
		if n == 2 {
			radix = radix*10 + int(w[1]-'0')
		}
		if w[0] == '0' || n > 2 || radix < 2 || radix > 36 {
			return "the radix is not in 2 to 36"
		}
		// An N is a digit here or an error, never a suffix.
		if d := rest[1:]; len(d) == 0 || countDigits(d, radix) < len(d) {
			return "not all are digits of the radix"
		}
		return ""
	case '/':
		d := rest[1:]
		if n := countDigits(d, 10); n == 0 || n < len(d) {
			return "not a ratio of two integers"
		}
		if len(bytes.Trim(d, "0")) == 0 {
			return "a ratio's denominator is zero"
		}
		return ""
	case '.':
		rest = rest[1:]
		rest = rest[countDigits(rest, 10):]
	}
	if len(rest) > 0 && rest[0]|0x20 == 'e' {
		rest = rest[1:]
		if len(rest) > 0 && (rest[0] == '+' || rest[0] == '-') {
			rest = rest[1:]
		}
		n := countDigits(rest, 10)
		if n == 0 {
			return "no digits in the exponent"
		}
		rest = rest[n:]
	}
	if len(rest) > 0 && string(rest) != "M" {
		return "not a number"
	}
	return ""
}

// countDigits counts the ASCII digits of a radix at the beginning of w.
func countDigits(w []byte, radix int) (n int) {
	for n < len(w) && digitOf(w[n]) < radix {
		n++
	}
	return n
}

func digitOf(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c|0x20 && c|0x20 <= 'z':
		return int(c|0x20-'a') + 10
	}
	return 99
}

// symbolic reads ##Inf, ##-Inf or ##NaN at tok.
func (s *scanner) symbolic(b []byte, tok int, atEnd bool) (int, scanStatus) {
	same := len("##") // bytes that b and the names have in common
	for _, name := range [...]string{"##Inf", "##-Inf", "##NaN"} {
		n := 0
		for n < len(name) && tok+n < len(b) && b[tok+n] == name[n] {
			n++
		}
		if n == len(name) {
			if ends, known := tokenEnds(b[tok+n:], atEnd); !known {
				return s.cut(tok)
			} else if ends {
				return tok + n, scanGoing
			}
		}
		same = max(same, n)
	}
	if tok+same == len(b) {
		return s.cut(tok)
	}
	return tok, s.fail(tok, "found %s, expected ##Inf, ##-Inf or ##NaN", ednShow(b[tok:tok+same+1]))
}

// tag reads on in the tag whose # is at tok, from i.
func (s *scanner) tag(b []byte, tok, i int, atEnd bool) (int, scanStatus) {
	if i == tok+1 && b[i] >= utf8.RuneSelf {
		if !atEnd && !utf8.FullRune(b[i:]) {
			return s.cut(tok)
		}
		if r, _ := utf8.DecodeRune(b[i:]); !unicode.IsLetter(r) {
			s.wide = true
			return tok, s.fail(tok, "found #%c, expected a tag that begins with a letter", r)
		}
	}
	i, st := s.tokenEnd(b, tok, i, inTag, atEnd)
	if st != scanGoing {
		return i, st
	}
	name := b[tok+1 : i]
	if msg := checkWord(name); msg != "" {
		return i, s.fail(tok, "found %s: %s", ednShow(b[tok:i]), msg)
	}
	if k := Kind(name); k != KindSymbol {
		return i, s.fail(tok, "found %s, expected a symbol as the tag", ednShow(b[tok:i]))
	}
	return i, s.push(tok, afterTag)
}

// namespace reads on in the prefix of a namespaced map whose # is at tok, from
// i: up to and with its opening brace.
func (s *scanner) namespace(b []byte, tok, i int, atEnd bool) (int, scanStatus) {
	if s.mode != inNamespaceGap {
		var st scanStatus
		if i, st = s.tokenEnd(b, tok, i, inNamespace, atEnd); st != scanGoing {
			return i, st
		}
		// A colon is no part of a namespace's beginning, so that #::a{…} is none.
		name := b[tok+2 : i]
		if len(name) == 0 || name[0] == ':' || ednClass[name[0]] == clsDigit || bytes.IndexByte(name, '/') >= 0 && len(name) > 1 ||
			checkWord(name) != "" || Kind(name) != KindSymbol {
			return i, s.fail(tok, "found %s, expected #: and a namespace for a map", ednShow(b[tok:i]))
		}
	}
	for i < len(b) {
		if ednClass[b[i]] == clsBlank {
			i++
			continue
		}
		if b[i] == '{' {
			return i + 1, s.push(tok, inMap)
		}
		n, known := 0, true
		if ednClass[b[i]] == clsWide {
			n, known = blankRune(b[i:], atEnd)
		}
		if !known {
			break
		}
		if n == 0 {
			return i, s.fail(i, "found %s, expected { for the namespaced map", ednShow(b[i:i+1]))
		}
		i += n
	}
	s.i, s.tok, s.mode = i, tok, inNamespaceGap
	return i, scanShort
}

// tokenEnds tells whether rest, which follows a token, ends it; known is false
// if more bytes are needed to tell.
func tokenEnds(rest []byte, atEnd bool) (ends, known bool) {
	if len(rest) == 0 {
		return atEnd, atEnd
	}
	if k := ednClass[rest[0]]; k != clsWide {
		return k >= clsBlank, true
	}
	n, known := blankRune(rest, atEnd)
	return n > 0, known
}

// blankRune returns the length of the blank beyond ASCII that w begins with, 0
// if there is none; known is false if more bytes are needed to tell.
func blankRune(w []byte, atEnd bool) (n int, known bool) {
	if c := w[0]; c < 0xe1 || c > 0xe3 {
		return 0, true
	}
	if len(w) < 3 {
		return 0, atEnd
	}
	if w[1]&0xc0 != 0x80 || w[2]&0xc0 != 0x80 {
		return 0, true
	}
	switch r := rune(w[0]&0xf)<<12 | rune(w[1]&0x3f)<<6 | rune(w[2]&0x3f); {
	case r == 0x2007: // does not break
		return 0, true
	case r == 0x1680, 0x2000 <= r && r <= 0x200a, r == 0x2028, r == 0x2029, r == 0x205f, r == 0x3000:
		return 3, true
	}
	return 0, true
}

// ednShow quotes the beginning of what was found for a message.
func ednShow(w []byte) string {
	const most = 24
	cut := ""
	if len(w) > most {
		n := most
		for n > 0 && !utf8.RuneStart(w[n]) {
			n--
		}
		w, cut = w[:n], "…"
	}
	var out strings.Builder
	for _, r := range string(w) {
		if r == '\n' || r == '\r' {
			break
		}
		if unicode.IsPrint(r) {
			out.WriteRune(r)
		} else {
			out.WriteRune(utf8.RuneError)
		}
	}
	return out.String() + cut
}
