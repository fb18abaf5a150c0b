package pack

import "unicode/utf8"

const hexDigits = "0123456789abcdef"

// Hex4 reads the four hexadecimal digits at i.
func hex4(b []byte, i int) (rune, bool) {
	if i+4 > len(b) {
		return 0, false
	}
	r := rune(0)
	for _, c := range b[i : i+4] {
		d := hexDigit(c)
		if d < 0 {
			return 0, false
		}
		r = r<<4 | d
	}
	return r, true
}

func hexDigit(c byte) rune {
	switch {
	case isDigit(c):
		return rune(c - '0')
	case 'a' <= c && c <= 'f':
		return rune(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return rune(c-'A') + 10
	}
	return -1
}

func isSurrogate(r rune) bool { return 0xd800 <= r && r < 0xe000 }

// JoinSurrogates returns -1 for what is no pair.
func joinSurrogates(high, low rune) rune {
	if high < 0xd800 || high >= 0xdc00 || low < 0xdc00 || low >= 0xe000 {
		return -1
	}
	return (high-0xd800)<<10 | (low - 0xdc00) + 0x10000
}

// AppendEDNRune appends a character as it stands in an EDN string.
func appendEDNRune(dst []byte, r rune) []byte {
	switch r {
	case '"', '\\':
		return append(dst, '\\', byte(r))
	case '\n':
		return append(dst, `\n`...)
	case '\r':
		return append(dst, `\r`...)
	case '\t':
		return append(dst, `\t`...)
	}
	if r < ' ' {
		return appendHex4(dst, r)
	}
	return utf8.AppendRune(dst, r)
}

// AppendJSONRune appends a character as it stands in a JSON string. U+2028 and
// U+2029, which end lines in old JavaScript, and halves of surrogate pairs,
// which have no UTF-8, are escaped.
func appendJSONRune(dst []byte, r rune) []byte {
	switch r {
	case '"', '\\':
		return append(dst, '\\', byte(r))
	case '\n':
		return append(dst, `\n`...)
	case '\r':
		return append(dst, `\r`...)
	case '\t':
		return append(dst, `\t`...)
	case '\b':
		return append(dst, `\b`...)
	case '\f':
		return append(dst, `\f`...)
	case 0x2028, 0x2029:
		return appendHex4(dst, r)
	}
	if r < ' ' || isSurrogate(r) {
		return appendHex4(dst, r)
	}
	return utf8.AppendRune(dst, r)
}

func appendHex4(dst []byte, r rune) []byte {
	return append(dst, '\\', 'u', hexDigits[r>>12&15], hexDigits[r>>8&15], hexDigits[r>>4&15], hexDigits[r&15])
}

// EscapedRune reads the escape that an EDN string's text begins with: \n and
// its like, \uXXXX, a pair of those for what is beyond, \o and octal digits.
func escapedRune(text []byte) (r rune, size int) {
	if len(text) < 2 {
		return '\\', len(text)
	}
	switch c := text[1]; c {
	case 'n':
		return '\n', 2
	case 'r':
		return '\r', 2
	case 't':
		return '\t', 2
	case 'b':
		return '\b', 2
	case 'f':
		return '\f', 2
	case 'u':
		r, ok := hex4(text, 2)
		if !ok {
			return 'u', 2
		}
		if isSurrogate(r) && len(text) >= 12 && text[6] == '\\' && text[7] == 'u' {
			if low, ok := hex4(text, 8); ok {
				if joined := joinSurrogates(r, low); joined >= 0 {
					return joined, 12
				}
			}
		}
		return r, 6
	case 'o':
		return octal(text, 2)
	default:
		if isDigit(c) {
			return octal(text, 1)
		}
		r, n := utf8.DecodeRune(text[1:])
		return r, 1 + n
	}
}

// Octal reads up to three octal digits at i.
func octal(text []byte, i int) (r rune, size int) {
	end := min(i+3, len(text))
	for ; i < end && '0' <= text[i] && text[i] <= '7'; i++ {
		r = r<<3 | rune(text[i]-'0')
	}
	return r, i
}

// CharRune returns the character that a character's token stands for.
func charRune(tok []byte) rune {
	if len(tok) < 2 {
		return utf8.RuneError
	}
	r, n := utf8.DecodeRune(tok[1:])
	if 1+n == len(tok) {
		return r
	}
	switch name := tok[1:]; string(name) {
	case "newline":
		return '\n'
	case "return":
		return '\r'
	case "space":
		return ' '
	case "tab":
		return '\t'
	case "backspace":
		return '\b'
	case "formfeed":
		return '\f'
	}
	switch r {
	case 'u':
		if r, ok := hex4(tok, 2); ok {
			return r
		}
	case 'o':
		r, _ = octal(tok, 2)
	}
	return r
}
