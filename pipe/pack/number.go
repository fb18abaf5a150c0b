package pack

import (
	"bytes"
	"math"
	"math/big"
	"strconv"
)

type numKind uint8

const (
	numInteger numKind = iota
	numRatio
	numDouble
	numDecimal // with M
)

// NumberKind tells the numbers of EDN apart by their text.
func numberKind(tok []byte) numKind {
	if radix, _, _ := radixDigits(tok); radix != 10 {
		return numInteger
	}
	switch {
	case tok[len(tok)-1] == 'M':
		return numDecimal
	case bytes.IndexByte(tok, '/') >= 0:
		return numRatio
	case bytes.ContainsAny(tok, ".eE"):
		return numDouble
	}
	return numInteger
}

// AppendNumber appends a number in its plainest form: integers in decimal, no
// plus, no N, no M.
func appendNumber(dst, tok []byte) []byte {
	switch numberKind(tok) {
	case numInteger:
		return appendInteger(dst, tok)
	case numDouble:
		return appendFraction(dst, tok)
	case numDecimal:
		return appendFraction(dst, tok[:len(tok)-1])
	}
	return append(dst, bytes.TrimPrefix(tok, []byte("+"))...)
}

// RadixDigits takes an integer apart: 0x1f, 017, 36rZZ and plain decimals.
func radixDigits(tok []byte) (radix int, digits []byte, negative bool) {
	digits = tok
	if len(tok) > 0 && (tok[0] == '+' || tok[0] == '-') {
		digits, negative = tok[1:], tok[0] == '-'
	}
	if len(digits) > 2 && digits[0] == '0' && digits[1]|0x20 == 'x' {
		return 16, bytes.TrimSuffix(digits[2:], []byte("N")), negative
	}
	if i := bytes.IndexAny(digits[:min(3, len(digits))], "rR"); i > 0 {
		radix, err := strconv.Atoi(string(digits[:i]))
		if err == nil && radix >= 2 && radix <= 36 {
			return radix, digits[i+1:], negative
		}
	}
	digits = bytes.TrimSuffix(digits, []byte("N"))
	if len(digits) > 1 && digits[0] == '0' {
		for _, c := range digits {
			if !isDigit(c) {
				return 10, digits, negative
			}
		}
		return 8, digits[1:], negative
	}
	return 10, digits, negative
}

func appendInteger(dst, tok []byte) []byte {
	radix, digits, negative := radixDigits(tok)
	if negative && !allZero(digits) {
		dst = append(dst, '-')
	}
	if radix == 10 {
		return append(dst, digits...)
	}
	if n, err := strconv.ParseUint(string(digits), radix, 64); err == nil {
		return strconv.AppendUint(dst, n, 10)
	}
	if n, ok := new(big.Int).SetString(string(digits), radix); ok {
		return n.Append(dst, 10)
	}
	return append(dst, '0') // Check has not accepted it
}

func allZero(digits []byte) bool { return len(bytes.Trim(digits, "0")) == 0 }

// IsSafe reports whether every reader of JSON takes an integer for what it is.
func isSafe(digits []byte) bool {
	digits = bytes.TrimPrefix(digits, []byte("-"))
	const limit = "9007199254740992" // 2^53
	return len(digits) < len(limit) || len(digits) == len(limit) && string(digits) <= limit
}

// AppendFraction appends a double or decimal as JSON has them: digits on both
// sides of the point, no plus, no leading zeros.
func appendFraction(dst, tok []byte) []byte {
	if tok[0] == '-' {
		dst = append(dst, '-')
	}
	tok = bytes.TrimLeft(tok, "+-")
	for len(tok) > 1 && tok[0] == '0' && isDigit(tok[1]) {
		tok = tok[1:]
	}
	for i, c := range tok {
		dst = append(dst, c)
		if c == '.' && (i+1 == len(tok) || !isDigit(tok[i+1])) {
			dst = append(dst, '0')
		}
	}
	return dst
}

// AppendDouble appends a double, or null for one that overflows.
func appendDouble(dst, tok []byte) []byte {
	if len(tok) > 300 || bytes.ContainsAny(tok, "eE") {
		if f, _ := strconv.ParseFloat(string(tok), 64); math.IsInf(f, 0) {
			return append(dst, "null"...)
		}
	}
	return appendFraction(dst, tok)
}
