package pack

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"math"
	"slices"
)

// Tags of our own in EDN text, for what MessagePack has and EDN has not.
const (
	bytesTag = "#sente-lite/bytes"
	extTag   = "#sente-lite/ext"
)

var base64Strict = base64.StdEncoding.Strict()

// Tagged writes the value whose tag has just been read.
func (out *msgpackOut) tagged(f *outFrame, at int, tag []byte) error {
	behind := out.pos
	done := false
	switch string(tag) {
	case "#inst":
		if text, ok := out.quoted(); ok {
			done = out.inst(text)
		}
	case "#uuid":
		if text, ok := out.quoted(); ok && isUUID(text) {
			from := len(out.dst)
			out.dst = append(appendExtHead(out.dst, extUUID, len(text)), text...)
			lower(out.dst[from+3:])
			done = true
		}
	case bytesTag:
		if text, ok := out.quoted(); ok {
			done = out.bytes(text)
		}
	case extTag:
		done = out.ext()
	}
	if done {
		return nil
	}
	out.pos = behind
	out.skip()
	return out.edn(at, "has the tag %s", tag)
}

// Quoted reads a string and returns its inside, which has no escapes if it is ok.
func (out *msgpackOut) quoted() ([]byte, bool) {
	k, tok := out.next()
	if k != tokString || len(tok) < 2 || bytes.IndexByte(tok, '\\') >= 0 {
		return nil, false
	}
	return tok[1 : len(tok)-1], true
}

func (out *msgpackOut) inst(text []byte) bool {
	in, ok := parseInstant(text)
	if !ok || in.seconds < firstSecond && !out.sente {
		return false
	}
	out.dst = appendExtHead(out.dst, extInstant, 12)
	out.dst = binary.BigEndian.AppendUint32(out.dst, in.nanos)
	out.dst = binary.BigEndian.AppendUint64(out.dst, uint64(in.seconds))
	return true
}

func (out *msgpackOut) bytes(text []byte) bool {
	if len(text)%4 != 0 {
		return false
	}
	begin := len(out.dst)
	out.dst = appendBinHead(out.dst, decodedLen(text))
	if out.decoded(text) {
		return true
	}
	out.dst = out.dst[:begin]
	return false
}

// Decoded appends what base64 stands for, whose length is a multiple of 4.
func (out *msgpackOut) decoded(text []byte) bool {
	if bytes.IndexByte(text, '\n') >= 0 || bytes.IndexByte(text, '\r') >= 0 { // base64 passes over them
		return false
	}
	from, size := len(out.dst), decodedLen(text)
	out.dst = slices.Grow(out.dst, len(text)/4*3)
	n, err := base64Strict.Decode(out.dst[from:from+len(text)/4*3], text)
	out.dst = out.dst[:from+n]
	return err == nil && n == size
}

func decodedLen(text []byte) int {
	n := len(text) / 4 * 3
	for i := len(text) - 1; i >= max(0, len(text)-2) && text[i] == '='; i-- {
		n--
	}
	return n
}

// Ext writes [id "base64"] as that ext, unless its id is one that has another form.
func (out *msgpackOut) ext() bool {
	k, tok := out.next()
	if k != tokOpen || tok[0] != '[' {
		return false
	}
	if k, tok = out.next(); k != tokNumber || numberKind(tok) != numInteger || isBig(tok) {
		return false
	}
	id, ok := parseInt(tok)
	if !ok || id < -128 || id > 127 {
		return false
	}
	text, ok := out.quoted()
	if !ok || len(text)%4 != 0 {
		return false
	}
	if k, _ := out.next(); k != tokShut {
		return false
	}
	begin := len(out.dst)
	out.dst = appendExtHead(out.dst, int8(id), decodedLen(text))
	from := len(out.dst)
	if out.decoded(text) && isForeign(int8(id), out.dst[from:]) {
		return true
	}
	out.dst = out.dst[:begin]
	return false
}

// IsForeign reports whether an ext has no form of its own in EDN text. Instants beyond
// the years of four digits are such, too, as far as Java has them.
func isForeign(id int8, content []byte) bool {
	switch id {
	case extInstant:
		in, ok := instantOf(content)
		return ok && !in.hasText() && in.seconds > math.MinInt64/1000 && in.seconds < math.MaxInt64/1000
	case extKeyword, extSymbol, extChar, extRatio, extSet, extCached, extUUID, extList, extEDN:
		return false
	}
	return true
}

// InstantOf reads a timestamp in any of its forms.
func instantOf(b []byte) (in instant, ok bool) {
	switch len(b) {
	case 4:
		in.seconds = int64(binary.BigEndian.Uint32(b))
	case 8:
		v := binary.BigEndian.Uint64(b)
		in.nanos, in.seconds = uint32(v>>34), int64(v&(1<<34-1))
	case 12:
		in.nanos, in.seconds = binary.BigEndian.Uint32(b), int64(binary.BigEndian.Uint64(b[4:]))
	default:
		return in, false
	}
	return in, in.nanos < 1e9
}

func (in instant) hasText() bool { return in.seconds >= zeroSecond && in.seconds < lastSecond }

// IsUUID reports whether a text is a UUID in its canonical form, of either case.
func isUUID(text []byte) bool {
	if len(text) != 36 {
		return false
	}
	for i, c := range text {
		if i == 8 || i == 13 || i == 18 || i == 23 {
			if c != '-' {
				return false
			}
		} else if hexDigit(c) < 0 {
			return false
		}
	}
	return true
}

func lower(text []byte) {
	for i, c := range text {
		if 'A' <= c && c <= 'Z' {
			text[i] = c | 0x20
		}
	}
}
