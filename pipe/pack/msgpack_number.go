package pack

import (
	"bytes"
	"encoding/binary"
	"math"
	"strconv"

	"github.com/vmihailenco/msgpack/v5/msgpcode"
)

// Small writes the number here if it is of a few decimal digits, with or without a
// point among them.
func (out *msgpackOut) small(f *outFrame) bool {
	b, i := out.tokens.text, out.pos
	negative := b[i] == '-'
	if negative {
		i++
	}
	first, n := i, int64(0)
	for i < len(b) && isDigit(b[i]) && i-first < 18 {
		n = n*10 + int64(b[i]-'0')
		i++
	}
	if i == first {
		return false
	}
	if i < len(b) && b[i] == '.' {
		point := i + 1
		for i++; i < len(b) && isDigit(b[i]) && i-first < len(powers); i++ {
			n = n*10 + int64(b[i]-'0')
		}
		if i-first > 16 || i < len(b) && !delimiters[b[i]] {
			return false
		}
		x := float64(n) / powers[i-point] // both are exact, so it is the nearest
		if negative {
			x = -x
		}
		out.pos = i
		out.double(f, x)
		return true
	}
	if i < len(b) && !delimiters[b[i]] || b[first] == '0' && i > first+1 {
		return false
	}
	if negative {
		n = -n
	}
	out.pos = i
	out.dst = appendInt(out.dst, n)
	return true
}

// Powers of ten, as many as a number of 15 digits may be divided by.
var powers = [...]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15}

// Number writes a number that begins at a place.
func (out *msgpackOut) number(f *outFrame, at int, tok []byte) error {
	switch numberKind(tok) {
	case numInteger:
		if isBig(tok) && !out.sente {
			break
		}
		if n, ok := parseInt(tok); ok {
			out.dst = appendInt(out.dst, n)
			return nil
		}
		return out.edn(at, "is the integer %s of more than 64 bits", tok)
	case numRatio:
		i := bytes.IndexByte(tok, '/')
		above, err := strconv.ParseInt(string(tok[:i]), 10, 64)
		below, err2 := strconv.ParseInt(string(tok[i+1:]), 10, 64)
		if err == nil && err2 == nil {
			var ints [18]byte
			text := appendInt(appendInt(ints[:0], above), below)
			out.dst = append(appendExtHead(out.dst, extRatio, len(text)), text...)
			return nil
		}
	case numDecimal:
		if out.sente {
			out.double(f, parseDouble(tok[:len(tok)-1]))
			return nil
		}
	case numDouble:
		out.double(f, parseDouble(tok))
		return nil
	}
	return out.edn(at, "is the ratio %s of more than 64 bits", tok)
}

// IsBig reports whether an integer ends with the N of big ones; with a radix it is a
// digit.
func isBig(tok []byte) bool {
	return tok[len(tok)-1] == 'N' && !bytes.ContainsAny(tok[:min(4, len(tok))], "rR")
}

// ParseInt reads an integer of any spelling.
func parseInt(tok []byte) (int64, bool) {
	radix, digits, negative := radixDigits(tok)
	n, err := strconv.ParseUint(string(digits), radix, 64)
	switch {
	case err != nil || n > 1<<63 || n == 1<<63 && !negative:
		return 0, false
	case negative:
		return -int64(n), true
	}
	return int64(n), true
}

// ParseDouble reads a double as Clojure does: what is too large for one is infinite.
func parseDouble(tok []byte) float64 {
	f, _ := strconv.ParseFloat(string(tok), 64)
	return f
}

func (out *msgpackOut) special(f *outFrame, tok []byte) {
	switch string(tok) {
	case "##Inf":
		out.double(f, math.Inf(1))
	case "##-Inf":
		out.double(f, math.Inf(-1))
	default:
		out.double(f, math.NaN())
	}
}

func (out *msgpackOut) double(f *outFrame, x float64) {
	if x != x {
		out.dst = binary.BigEndian.AppendUint64(append(out.dst, msgpcode.Double), 0x7ff8<<48)
	} else if small := float32(x); float64(small) == x && !f.exactly() {
		out.dst = binary.BigEndian.AppendUint32(append(out.dst, msgpcode.Float), math.Float32bits(small))
	} else {
		out.dst = binary.BigEndian.AppendUint64(append(out.dst, msgpcode.Double), math.Float64bits(x))
	}
}

// AppendInt appends an integer in the smallest form. There is none without a sign of
// 64 bits, which JavaScript's readers refuse.
func appendInt(dst []byte, n int64) []byte {
	switch {
	case n >= 0:
		switch {
		case n <= 0x7f:
			return append(dst, byte(n))
		case n <= 0xff:
			return append(dst, msgpcode.Uint8, byte(n))
		case n <= 0xffff:
			return append(dst, msgpcode.Uint16, byte(n>>8), byte(n))
		case n <= 0xffffffff:
			return binary.BigEndian.AppendUint32(append(dst, msgpcode.Uint32), uint32(n))
		}
	case n >= -32:
		return append(dst, byte(n))
	case n >= math.MinInt8:
		return append(dst, msgpcode.Int8, byte(n))
	case n >= math.MinInt16:
		return append(dst, msgpcode.Int16, byte(n>>8), byte(n))
	case n >= math.MinInt32:
		return binary.BigEndian.AppendUint32(append(dst, msgpcode.Int32), uint32(n))
	}
	return binary.BigEndian.AppendUint64(append(dst, msgpcode.Int64), uint64(n))
}
