package pipe

import (
	"bytes"
	"fmt"
	"unicode/utf16"
	"unicode/utf8"
)

// Unquote returns what the EDN string literal lit, quotes included, stands for.
// Surrogate halves that are no pair become U+FFFD. The error is a *SyntaxError.
func Unquote(lit []byte) (string, error) {
	if len(lit) < 2 || lit[0] != '"' || lit[len(lit)-1] != '"' {
		return "", syntaxError(lit, 0, fmt.Sprintf("found %s, expected a string in quotes", ednShow(lit)), nil)
	}
	in := lit[1 : len(lit)-1]
	next := bytes.IndexAny(in, `"\`)
	if next < 0 {
		return string(in), nil
	}
	out := make([]byte, 0, len(in))
	for i := 0; i < len(in); {
		switch c := in[i]; c {
		case '"':
			return "", syntaxError(lit, i+1, "found a quote inside the string, expected \\\"", nil)
		case '\\':
			// The closing quote is within what escapeLen may look at.
			n, msg := escapeLen(lit[i+1:])
			if n == 0 || i+n > len(in) {
				if msg == "" {
					msg = "the string ends inside an escape"
				}
				return "", syntaxError(lit, i+1, msg, nil)
			}
			var r rune
			r, n = unescapeRune(in[i:], n)
			out = utf8.AppendRune(out, r)
			i += n
		default:
			out = append(out, c)
			i++
		}
	}
	return string(out), nil
}

// unescapeRune returns the character of the valid escape of n bytes that w begins
// with, and its length: of both, where two escapes are a surrogate pair.
func unescapeRune(w []byte, n int) (rune, int) {
	switch c := w[1]; c {
	case 'n':
		return '\n', n
	case 't':
		return '\t', n
	case 'r':
		return '\r', n
	case 'b':
		return '\b', n
	case 'f':
		return '\f', n
	case 'u':
		r := digitsValue(w[2:n], 16)
		if utf16.IsSurrogate(r) {
			if m, msg := escapeLen(w[n:]); m == 6 && msg == "" && w[n] == '\\' {
				if pair := utf16.DecodeRune(r, digitsValue(w[n+2:n+6], 16)); pair != utf8.RuneError {
					return pair, n + m
				}
			}
			r = utf8.RuneError
		}
		return r, n
	case '"', '\\':
		return rune(c), n
	}
	return digitsValue(w[1:n], 8), n
}

func digitsValue(digits []byte, radix rune) (v rune) {
	for _, c := range digits {
		v = v*radix + rune(digitOf(c))
	}
	return v
}

// AppendString appends s as an EDN string literal that every Clojure reader
// reads back exactly. Control characters are escaped, so that the literal is
// one line; what is not UTF-8 becomes U+FFFD.
func AppendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && n == 1 {
				dst = append(append(dst, s[from:i]...), "\ufffd"...)
				from = i + 1
			}
			i += n
			continue
		}
		i++
		if c >= ' ' && c != '"' && c != '\\' && c != 0x7f {
			continue
		}
		dst = append(dst, s[from:i-1]...)
		from = i
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, `\n`...)
		case '\r':
			dst = append(dst, `\r`...)
		case '\t':
			dst = append(dst, `\t`...)
		default:
			const hex = "0123456789abcdef"
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&0xf])
		}
	}
	return append(append(dst, s[from:]...), '"')
}

// AppendLine appends value, text that Check has accepted, as one line (contract
// section 2): comments left out, newline and CR between tokens become a space,
// inside strings \n and \r, as characters \newline and \return. Everything else
// is copied byte for byte.
func AppendLine(dst, value []byte) []byte {
	if bytes.IndexByte(value, '\n') < 0 && bytes.IndexByte(value, '\r') < 0 && bytes.IndexByte(value, ';') < 0 {
		return append(dst, value...)
	}
	from := 0 // what is not yet copied
	for i := 0; i < len(value); {
		switch c := value[i]; c {
		case '\n', '\r':
			dst = append(append(dst, value[from:i]...), ' ')
			i++
			from = i
		case ';':
			// The newline stays for the next turn, so that a comment parts
			// tokens as it did.
			dst = append(dst, value[from:i]...)
			for i < len(value) && value[i] != '\n' && value[i] != '\r' {
				i++
			}
			from = i
		case '\\':
			if i+1 < len(value) && (value[i+1] == '\n' || value[i+1] == '\r') {
				name := `\newline`
				if value[i+1] == '\r' {
					name = `\return`
				}
				dst = append(append(dst, value[from:i]...), name...)
				from = i + 2
			}
			i = charEnd(value, i)
		case '"':
			dst = append(dst, value[from:i]...)
			from = textEnd(value, i+1)
			dst = appendTextLine(dst, value[i:from])
			i = from
		default:
			i++
		}
	}
	return append(dst, value[from:]...)
}

// appendTextLine appends a string or regex, quotes included, as one line. A
// newline behind a backslash, as a regex may have it, keeps that backslash.
func appendTextLine(dst, text []byte) []byte {
	from, escaped := 0, false
	for i, c := range text {
		switch {
		case c == '\n' || c == '\r':
			dst = append(dst, text[from:i]...)
			from = i + 1
			if !escaped {
				dst = append(dst, '\\')
			}
			if c == '\n' {
				dst = append(dst, 'n')
			} else {
				dst = append(dst, 'r')
			}
			escaped = false
		case c == '\\':
			escaped = !escaped
		default:
			escaped = false
		}
	}
	return append(dst, text[from:]...)
}
