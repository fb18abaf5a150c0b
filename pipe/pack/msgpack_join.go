package pack

import (
	"encoding/binary"

	"github.com/vmihailenco/msgpack/v5/msgpcode"
)

// Join makes the bundle, which is one message: its items are walked, and their keys
// written as if all had been packed together. The items are from Pack.
func (p *msgpackPacker) Join(dst []byte, items [][]byte) []byte {
	s := p.take()
	defer p.give(s)
	s.keys.reset()
	j := msgpackJoin{msgpackWriter: msgpackWriter{msgpackScratch: s, dst: dst}}
	const name = "batch/events"
	j.dst = append(j.dst, msgpcode.FixedArrayLow|2)
	j.dst = append(appendExtHead(j.dst, extKeyword, len(name)), name...)
	j.dst = appendCount(j.dst, msgpcode.FixedArrayLow, msgpcode.Array16, len(items))
	for _, item := range items {
		s.met = s.met[:0]
		j.src, j.pos, j.done = item, 0, 0
		j.item()
		j.flush()
	}
	j.fix()
	return j.dst
}

// MsgpackJoin copies items. What stays as it is is copied in runs: up to pos it has
// been walked, up to done it has been written.
type msgpackJoin struct {
	msgpackWriter
	src       []byte
	pos, done int
}

// A joinFrame is one open collection. Only the header of a set or list is written anew:
// keys in it change its length.
type joinFrame struct {
	left  int // values to come; of a map, keys and values
	isMap bool
	held  bool
}

func (j *msgpackJoin) item() {
	for {
		var f *joinFrame
		if n := len(j.joins); n > 0 {
			f = &j.joins[n-1]
			if f.left == 0 {
				if f.held {
					j.flush()
					h := &j.frames[len(j.frames)-1]
					j.settle(h.place, h.kind, h.n)
					j.frames = j.frames[:len(j.frames)-1]
				}
				if j.joins = j.joins[:n-1]; n == 1 {
					return
				}
				continue
			}
			f.left--
		}
		if !j.value(f) && f == nil {
			return
		}
	}
}

// Flush copies what has been walked.
func (j *msgpackJoin) flush() {
	j.dst = append(j.dst, j.src[j.done:j.pos]...)
	j.done = j.pos
}

// Value walks over a scalar, or the header of a collection.
func (j *msgpackJoin) value(f *joinFrame) (opened bool) {
	at := j.pos
	is, n := j.head()
	switch is.form {
	case formArray:
		j.joins = append(j.joins, joinFrame{left: n})
		return true
	case formMap:
		j.joins = append(j.joins, joinFrame{left: 2 * n, isMap: true})
		return true
	case formStr:
		j.pos += n
		if f != nil && f.isMap && f.left&1 == 1 {
			j.key(at, span{uint32(at), uint32(j.pos)}, true)
		}
	case formBin:
		j.pos += n
	case formExt:
		id := int8(j.src[j.pos])
		j.pos++
		switch {
		case id == extSet || id == extList:
			j.held(at, id)
			return true
		case id == extKeyword && f != nil && f.isMap && f.left&1 == 1:
			j.pos += n
			j.key(at, span{uint32(at), uint32(j.pos)}, true)
		case id == extCached:
			j.pos += n
			j.key(at, j.met[j.src[j.pos-1]], false)
		default:
			j.pos += n
		}
	}
	return false
}

// Head reads what a value begins with, and returns the length or number there.
func (j *msgpackJoin) head() (is code, n int) {
	is = codes[j.src[j.pos]]
	j.pos++
	if is.form <= formFloat {
		j.pos += int(is.wide)
		return is, 0
	}
	n = int(is.n)
	switch is.wide {
	case 1:
		n = int(j.src[j.pos])
	case 2:
		n = int(binary.BigEndian.Uint16(j.src[j.pos:]))
	case 4:
		n = int(binary.BigEndian.Uint32(j.src[j.pos:]))
	}
	j.pos += int(is.wide)
	return is, n
}

// Held begins a set or list, whose ext begins at a place.
func (j *msgpackJoin) held(at int, id int8) {
	h := outFrame{kind: heldSet}
	if id == extList {
		h.kind = heldList
	}
	j.dst = append(j.dst, j.src[j.done:at]...)
	h.place = j.hold(h.kind)
	_, h.n = j.head()
	j.done = j.pos
	j.frames = append(j.frames, h)
	j.joins = append(j.joins, joinFrame{left: h.n, held: true})
}

// Key writes a key, which is in full at one place of the item and stands at another: in
// full there too, or by the item's number.
func (j *msgpackJoin) key(at int, key span, full bool) {
	text := j.src[key.from:key.to]
	if full && len(j.met) < maxKeys {
		j.met = append(j.met, key)
	}
	n, known := j.keys.number(text)
	if full && !known {
		return
	}
	j.dst = append(j.dst, j.src[j.done:at]...)
	j.done = j.pos
	if known {
		j.dst = append(j.dst, msgpcode.FixExt1, extCached, byte(n))
	} else {
		j.dst = append(j.dst, text...)
	}
}
