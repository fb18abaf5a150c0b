package pack

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/sente-lite/sente-lite/pipe"
)

// Unpack appends the EDN text of one MessagePack message.
func (p *msgpackPacker) Unpack(dst, packed []byte, lim pipe.Limits) ([]byte, error) {
	lim = lim.OrDefault()
	if len(packed) > lim.Bytes {
		return dst, tooLarge("", len(packed), lim.Bytes)
	}
	s := p.take()
	defer p.give(s)
	s.met = s.met[:0]
	in := msgpackIn{msgpackScratch: s, src: packed, end: len(packed), dst: dst, from: len(dst), limit: lim.Bytes, depth: lim.Depth, sente: p.sente}
	if err := in.message(); err != nil {
		err.Bundle = err.Bundle || bytes.HasPrefix(in.dst[in.from:], []byte("[:batch/events "))
		return dst, err
	}
	return in.dst, nil
}

// MsgpackIn reads MessagePack and writes EDN. Open collections are on a stack of its
// own. Every value is written with a blank behind it, in whose place a bracket comes.
type msgpackIn struct {
	*msgpackScratch
	src   []byte
	pos   int
	end   int // of the message, or of the ext that is read
	dst   []byte
	from  int // where the message begins in dst
	limit int // bytes of EDN
	depth int
	sente bool
}

// An inFrame is one open collection.
type inFrame struct {
	shut  byte
	only  bool // of a set, and of a map's keys: a value comes once
	isMap bool
	left  int // values to come; of a map, keys and values
	names int // where its own begin in the name set
	text  int // where it begins in dst
	at    int // and in src
	end   int // of what it is in, if it is an ext; else 0
}

// Key reports whether a map's next value is a key.
func (f *inFrame) key() bool { return f.isMap && f.left&1 == 0 }

func (in *msgpackIn) message() *pipe.Error {
	for {
		var f *inFrame
		if n := len(in.places); n > 0 {
			f = &in.places[n-1]
			if f.left == 0 {
				if err := in.close(f); err != nil {
					return err
				}
				if n == 1 {
					return in.finish()
				}
				continue
			}
		}
		at, from := in.pos, len(in.dst)
		opened, err := in.value(f)
		if err != nil {
			in.dst = in.dst[:from]
			return in.located(err)
		}
		if len(in.dst)-in.from > in.limit+1 { // the last blank
			return tooLarge(" or more as EDN", in.limit+1, in.limit)
		}
		if opened {
			continue
		}
		if f == nil {
			return in.finish()
		}
		in.counted(f, from, at, false)
	}
}

// MaxNames is how many keys and elements are looked at for one that comes twice.
const maxNames = 1 << 20

// Counted notes the value that was written to dst from a place on, as one of f's. Of
// those that come once, a long collection is not compared: so no byte is read again for
// every level that it is in.
func (in *msgpackIn) counted(f *inFrame, from, at int, opened bool) {
	if f.only && (!f.isMap || f.key()) && !(opened && len(in.dst)-from > 256) && len(in.names.all) < maxNames {
		in.names.add(in.dst[:len(in.dst)-1], from, at)
	}
	f.left--
}

func (in *msgpackIn) finish() *pipe.Error {
	in.dst = in.dst[:len(in.dst)-1]
	if len(in.dst)-in.from > in.limit {
		return tooLarge(" as EDN", len(in.dst)-in.from, in.limit)
	}
	if in.pos < len(in.src) && !in.sente {
		return in.located(in.bad(in.pos, "found %d more bytes behind the value, expected the end", len(in.src)-in.pos))
	}
	return nil
}

// Open begins a collection of n values, pairs where it is a map.
func (in *msgpackIn) open(f *inFrame, at int, bracket string, shut byte, n int) (bool, *pipe.Error) {
	if n > in.end-in.pos {
		return false, in.bad(at, "%d values are announced, and only %d bytes follow", n, in.end-in.pos)
	}
	if len(in.places) >= in.depth {
		return false, in.deep(at)
	}
	in.places = append(in.places, inFrame{shut: shut, only: shut == '}', left: n, names: len(in.names.all), text: len(in.dst), at: at})
	in.dst = append(in.dst, bracket...)
	return true, nil
}

// Close ends the innermost collection.
func (in *msgpackIn) close(f *inFrame) *pipe.Error {
	if last := len(in.dst) - 1; in.dst[last] == ' ' {
		in.dst[last] = f.shut
	} else {
		in.dst = append(in.dst, f.shut)
	}
	if f.end > 0 {
		if in.pos < in.end {
			return in.located(in.bad(in.pos, "found %d more bytes in an ext, expected one array", in.end-in.pos))
		}
		in.end = f.end
	}
	if f.only {
		if twice, at := in.names.close(in.dst, f.names); twice != nil && !bytes.Contains(twice, []byte("##NaN")) { // which equals nothing
			text := string(clip(twice))
			in.dst = in.dst[:f.text]
			what := "key"
			if !f.isMap {
				what = "element"
			}
			return in.located(in.bad(at, "the %s %s comes twice", what, text))
		}
	}
	in.dst = append(in.dst, ' ')
	n := len(in.places) - 1
	text, at := f.text, f.at
	in.places = in.places[:n]
	if n > 0 {
		in.counted(&in.places[n-1], text, at, true)
	}
	return nil
}

// Value reads one scalar and writes it with a blank, or opens a collection.
func (in *msgpackIn) value(f *inFrame) (opened bool, err *pipe.Error) {
	at := in.pos
	if at >= in.end {
		return false, in.bad(at, "found the end, expected a value")
	}
	c := in.src[at]
	is := codes[c]
	in.pos++
	n := int(is.n)
	if is.wide > 0 {
		b := in.src[in.pos:in.end]
		if len(b) < int(is.wide) {
			return false, in.bad(at, "the value is cut off")
		}
		in.pos += int(is.wide)
		switch is.wide {
		case 1:
			n = int(b[0])
		case 2:
			n = int(binary.BigEndian.Uint16(b))
		case 4:
			n = int(binary.BigEndian.Uint32(b))
		case 8:
			n = int(binary.BigEndian.Uint64(b))
		}
	}
	switch is.form {
	case formSmall:
		in.int(int64(int8(c)))
	case formUint:
		if n < 0 {
			in.dst = append(strconv.AppendUint(in.dst, uint64(n), 10), 'N', ' ')
		} else {
			in.int(int64(n))
		}
	case formInt:
		shift := 64 - 8*is.wide
		in.int(int64(n) << shift >> shift)
	case formFloat:
		x := math.Float64frombits(uint64(n))
		if is.wide == 4 {
			x = float64(math.Float32frombits(uint32(n)))
		}
		in.dst = append(appendFloat(in.dst, x), ' ')
	case formStr:
		text, err := in.content(at, n)
		if err != nil {
			return false, err
		}
		return false, in.str(f, at, text)
	case formNil:
		in.dst = append(in.dst, "nil "...)
	case formTrue:
		in.dst = append(in.dst, "true "...)
	case formFalse:
		in.dst = append(in.dst, "false "...)
	case formArray:
		return in.open(f, at, "[", ']', n)
	case formMap:
		if n > (in.end-in.pos)/2 {
			return false, in.bad(at, "%d pairs are announced, and only %d bytes follow", n, in.end-in.pos)
		}
		if _, err := in.open(f, at, "{", '}', n); err != nil {
			return false, err
		}
		m := &in.places[len(in.places)-1]
		m.isMap, m.left = true, 2*n
		return true, nil
	case formExt:
		if in.pos >= in.end {
			return false, in.bad(at, "the ext is cut off")
		}
		id := int8(in.src[in.pos])
		in.pos++
		text, err := in.content(at, n)
		if err != nil {
			return false, err
		}
		return in.ext(f, at, id, text)
	case formBin:
		b, err := in.content(at, n)
		if err != nil {
			return false, err
		}
		return false, in.bytes(at, 1, bytesTag+` "`, b, `" `)
	default:
		return false, in.bad(at, "found byte 0x%02x, which begins no value", c)
	}
	return false, nil
}

func (in *msgpackIn) int(n int64) { in.dst = append(strconv.AppendInt(in.dst, n, 10), ' ') }

// Content returns the next n bytes.
func (in *msgpackIn) content(at, n int) ([]byte, *pipe.Error) {
	if n > in.end-in.pos {
		return nil, in.bad(at, "%d bytes are announced, and only %d follow", n, in.end-in.pos)
	}
	b := in.src[in.pos : in.pos+n]
	in.pos += n
	return b, nil
}

// Meet notes a key that was written to dst from a place on, if it may come again by
// its number.
func (in *msgpackIn) meet(f *inFrame, from int) {
	if f != nil && f.key() && len(in.met) < maxKeys {
		in.met = append(in.met, span{uint32(from), uint32(len(in.dst))})
	}
}

// AppendFloat appends a double as Clojure would read it as that: with a point or an
// exponent.
func appendFloat(dst []byte, x float64) []byte {
	switch a := math.Abs(x); {
	case x != x:
		return append(dst, "##NaN"...)
	case math.IsInf(x, 1):
		return append(dst, "##Inf"...)
	case math.IsInf(x, -1):
		return append(dst, "##-Inf"...)
	case a >= 1e-3 && a < 1e6:
		// Up to two digits behind the point are the shortest text if they are the number.
		tenths := int64(x * 10)
		if float64(tenths)/10 == x {
			return appendTenths(dst, x < 0, tenths)
		}
		return strconv.AppendFloat(dst, x, 'f', -1, 64)
	case x == 0:
		if math.Signbit(x) {
			return append(dst, "-0.0"...)
		}
		return append(dst, "0.0"...)
	case a >= 1e6 && a < 1e15 && x == math.Trunc(x):
		return append(strconv.AppendInt(dst, int64(x), 10), ".0"...)
	}
	return strconv.AppendFloat(dst, x, 'e', -1, 64)
}

func appendTenths(dst []byte, negative bool, tenths int64) []byte {
	if negative {
		dst = append(dst, '-')
		tenths = -tenths
	}
	dst = strconv.AppendInt(dst, tenths/10, 10)
	return append(dst, '.', byte('0'+tenths%10))
}

// Bad is an error at a place of the packed message; located says where that is in the
// data.
func (in *msgpackIn) bad(at int, format string, args ...any) *pipe.Error {
	return &pipe.Error{
		Category: pipe.Incorrect,
		Code:     "bad-msgpack",
		Msg:      fmt.Sprintf("MessagePack, byte %d: ", at) + fmt.Sprintf(format, args...),
		Hint:     "an event is an array that begins with ext 0, one value a message",
		Data:     fmt.Sprintf("{:offset %d}", at),
	}
}

func (in *msgpackIn) deep(at int) *pipe.Error {
	return &pipe.Error{
		Category: pipe.Incorrect,
		Code:     "too-deep",
		Msg:      fmt.Sprintf("MessagePack, byte %d: nested deeper than the %d levels allowed", at, in.depth),
		Hint:     "send flatter data, or raise :flow :max-depth",
		Data:     fmt.Sprintf("{:limit %d :offset %d}", in.depth, at),
	}
}

// Located adds the path in the data, up to which EDN has been written.
func (in *msgpackIn) located(e *pipe.Error) *pipe.Error {
	if e.Code == "too-large" {
		return e
	}
	text := in.dst[in.from:]
	path := appendPath(nil, text, len(text))
	e.Msg += fmt.Sprintf(", at %s", path)
	e.Data = fmt.Sprintf("%s :path %s}", e.Data[:len(e.Data)-1], path)
	return e
}

// Syntax is what pipe.Check has said about an EDN text within the message.
func (in *msgpackIn) syntax(at int, text []byte, err error) *pipe.Error {
	var e *pipe.Error
	if errors.Is(err, pipe.ErrTooDeep) {
		e = in.deep(at)
	} else {
		e = in.bad(at, "ext %d is not one EDN value: %v", extEDN, err)
	}
	e.Bundle = len(in.places) == 0 && pipe.BeginsBundle(text)
	return e
}
