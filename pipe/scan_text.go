package pipe

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// text reads on in the string or regex that begins at tok, from i, to behind
// its closing quote. Raw newlines and control characters may be in it.
func (s *scanner) text(b []byte, tok, i int, regex bool) (int, scanStatus) {
	quote := 0 // the last quote that far has found
	for {
		for near := i + textNear; len(b)-i >= 8; i += 8 {
			if i >= near {
				i, quote = s.far(b, i, quote)
				break
			}
			w := binary.LittleEndian.Uint64(b[i:])
			if w&highBits != 0 {
				s.wide = true
			}
			if stop := textStop(w); stop != 0 {
				i += bits.TrailingZeros64(stop) >> 3
				break
			}
		}
		for i < len(b) && b[i] != '"' && b[i] != '\\' {
			if b[i] >= utf8.RuneSelf {
				s.wide = true
			}
			i++
		}
		if i == len(b) {
			break
		}
		if b[i] == '"' {
			return i + 1, scanGoing
		}
		if regex {
			if i+1 == len(b) {
				break
			}
			i += 2
			continue
		}
		n, msg := escapeLen(b[i:])
		if msg != "" {
			return i, s.fail(i, "%s", msg)
		}
		if n == 0 {
			break
		}
		i += n
	}
	s.i, s.tok, s.mode = i, tok, inString
	if regex {
		s.mode = inRegex
	}
	return i, scanShort
}

// textNear is how many bytes of a string are looked at eight at a time, before it is
// taken for a long one.
const textNear = 128

// far passes over what no quote and no backslash is in, by means that pay for long
// strings only. quote is what the last call for this string has returned: until it is
// reached no other is looked for, so that the time is linear however many backslashes
// there are.
func (s *scanner) far(b []byte, i, quote int) (at, nextQuote int) {
	if quote < i {
		if n := bytes.IndexByte(b[i:], '"'); n >= 0 {
			quote = i + n
		} else {
			quote = len(b)
		}
	}
	at = quote
	if n := bytes.IndexByte(b[i:quote], '\\'); n >= 0 {
		at = i + n
	}
	s.wide = s.wide || beyondASCII(b[i:at])
	return at, quote
}

// beyondASCII reports whether any byte is of a character beyond ASCII.
func beyondASCII(b []byte) bool {
	for ; len(b) >= 32; b = b[32:] {
		w := binary.LittleEndian.Uint64(b) | binary.LittleEndian.Uint64(b[8:]) |
			binary.LittleEndian.Uint64(b[16:]) | binary.LittleEndian.Uint64(b[24:])
		if w&highBits != 0 {
			return true
		}
	}
	for _, c := range b {
		if c >= utf8.RuneSelf {
			return true
		}
	}
	return false
}

const (
	eachByte = 0x0101010101010101
	highBits = 0x80 * eachByte
)

// textStop looks at eight bytes of a string at once: the lowest bit it sets is
// in the first quote or backslash; 0 if there is none.
func textStop(w uint64) uint64 {
	q, sl := w^'"'*eachByte, w^'\\'*eachByte
	return ((q-eachByte)&^q | (sl-eachByte)&^sl) & highBits
}

// escapeLen returns the length of the escape in a string at whose backslash w
// begins, 0 if w is too short to tell.
func escapeLen(w []byte) (n int, msg string) {
	if len(w) < 2 {
		return 0, ""
	}
	switch c := w[1]; {
	case c == 'n' || c == '"' || c == '\\' || c == 't' || c == 'r' || c == 'b' || c == 'f':
		return 2, ""
	case c == 'u':
		for n = 2; n < 6; n++ {
			if n == len(w) {
				return 0, ""
			}
			if digitOf(w[n]) > 15 {
				return 0, "found " + ednShow(w[:n+1]) + ", expected four hexadecimal digits after \\u"
			}
		}
		return 6, ""
	case ednClass[c] == clsDigit:
		v := 0
		for n = 1; n < 4; n++ {
			if n == len(w) {
				return 0, ""
			}
			if ednClass[w[n]] >= clsBlank || ednClass[w[n]] == clsHash {
				return n, "" // what could not be in a token ends it
			}
			if digitOf(w[n]) > 7 {
				if blanks, known := blankRune(w[n:], false); w[n] >= utf8.RuneSelf && !known {
					return 0, ""
				} else if blanks > 0 {
					return n, ""
				}
				return 0, "found " + ednShow(w[:n+1]) + ", expected up to three octal digits and no other word behind them"
			}
			v = v<<3 | digitOf(w[n])
		}
		if v > 0o377 {
			return 0, "found " + ednShow(w[:n]) + ", expected at most \\377"
		}
		return n, ""
	}
	return 0, "found " + ednShow(w[:2]) + `, expected one of the escapes \n \t \r \b \f \" \\ \uXXXX \ooo`
}

// char reads the character whose backslash is at tok.
func (s *scanner) char(b []byte, tok int, atEnd bool) (int, scanStatus) {
	rest := b[tok+1:]
	if len(rest) == 0 || !atEnd && !utf8.FullRune(rest) {
		return s.cut(tok)
	}
	r, n := utf8.DecodeRune(rest)
	if n > 1 {
		s.wide = true
	}
	// No name is longer than backspace. What is need not be waited for.
	window := b
	if most := tok + 1 + n + len("backspace"); len(b) > most {
		window, atEnd = b[:most], true
	}
	i, st := s.tokenEnd(window, tok, tok+1+n, between, atEnd)
	switch {
	case st == scanShort:
		return s.cut(tok)
	case st == scanGoing && !charName(b[tok+1:i], r, n):
		st = s.fail(tok, `found %s, expected one character, its name, \uXXXX or \oNNN`, ednShow(b[tok:i]))
	}
	return i, st
}

// charName tells whether w, what is behind the backslash, is a character; its
// first rune is r, of n bytes. A Clojure character is one unit of UTF-16.
func charName(w []byte, r rune, n int) bool {
	if len(w) == n {
		return r <= 0xffff
	}
	switch string(w) {
	case "newline", "space", "tab", "backspace", "formfeed", "return":
		return true
	}
	switch d := w[1:]; w[0] {
	case 'u':
		return len(d) == 4 && countDigits(d, 16) == 4 && !(d[0]|0x20 == 'd' && digitOf(d[1]) >= 8)
	case 'o':
		return countDigits(d, 8) == len(d) && (len(d) < 3 || len(d) == 3 && d[0] <= '3')
	}
	return false
}
