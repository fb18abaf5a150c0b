package pack

import (
	"encoding/binary"
	"slices"

	"github.com/vmihailenco/msgpack/v5/msgpcode"
)

// A msgpackWriter writes one message. A collection's header tells its size, which is
// known at its end only: so a place is held for it, which fits nearly always. Where a
// header is larger, the bytes behind it have to move. Few are moved at once; for many
// it is noted, and done for all notes in one pass, so that a byte does not move again
// for every level that it is in.
type msgpackWriter struct {
	*msgpackScratch
	dst   []byte
	grown int // by how much the notes will lengthen the message
}

// A holder is what a header is of.
type holder uint8

const (
	heldArray holder = iota
	heldMap
	heldSet
	heldList
)

// reserve is the length of the usual header: of up to 15 values, and of a set or list
// with up to 255 bytes in it.
var reserve = [...]int{heldArray: 1, heldMap: 1, heldSet: 4, heldList: 4}

// A place is where a header will be.
type place struct {
	at    int
	fixes int // notes before it
	grown int // and their growth
}

// A fix is the note of a header that needs more than was held for it. Its numbers are
// bounded by the message's length.
type fix struct {
	at   uint32
	n    uint32 // values, and the holder in the highest bits
	size uint32 // of a set's or list's content
}

const holderShift = 30

const (
	moveAtOnce = 256     // bytes are moved without a note
	maxFixes   = 1 << 15 // notes are made, then they are done
)

func (w *msgpackWriter) hold(h holder) place {
	p := place{len(w.dst), len(w.fixes), w.grown}
	if reserve[h] == 1 {
		w.dst = append(w.dst, 0)
	} else {
		w.dst = append(w.dst, 0, 0, 0, 0)
	}
	return p
}

// Settle writes the header of n values, those of a map are pairs, which begin behind
// the place and end here.
func (w *msgpackWriter) settle(p place, h holder, n int) {
	if n <= 15 && h <= heldMap {
		if h == heldMap {
			w.dst[p.at] = msgpcode.FixedMapLow | byte(n)
		} else {
			w.dst[p.at] = msgpcode.FixedArrayLow | byte(n)
		}
		return
	}
	body := len(w.dst) - p.at - reserve[h]
	size := body + w.grown - p.grown + countSize(n)
	need := headSize(h, n, size)
	more := need - reserve[h]
	if more != 0 {
		if len(w.fixes) > p.fixes || body > moveAtOnce { // and so more > 0
			w.fixes = append(w.fixes, fix{uint32(p.at), uint32(n) | uint32(h)<<holderShift, uint32(size)})
			if w.grown += more; len(w.fixes) == maxFixes {
				w.fix()
			}
			return
		}
		from, end := p.at+reserve[h], len(w.dst)
		w.dst = slices.Grow(w.dst, max(more, 0))[:end+more]
		copy(w.dst[p.at+need:], w.dst[from:from+body:cap(w.dst)])
	}
	putHead(w.dst[p.at:p.at+need], h, n, size)
}

// Fix does what the notes say, from the end on. They were made when collections ended,
// so a note comes behind those of what is inside it, which must be done first: it waits
// in the part of the notes that has been read already. Places of what is still open
// move along.
func (w *msgpackWriter) fix() {
	if len(w.fixes) == 0 {
		return
	}
	end := len(w.dst)
	w.dst = slices.Grow(w.dst, w.grown)[:end+w.grown]
	open := len(w.frames)
	to, all := len(w.dst), w.fixes
	wait := len(all)
	for i := len(all) - 1; i >= 0; i-- {
		f := all[i]
		for wait < len(all) && all[wait].at > f.at {
			end, to, open = w.move(all[wait], end, to, open)
			wait++
		}
		wait--
		all[wait] = f
	}
	for ; wait < len(all); wait++ {
		end, to, open = w.move(all[wait], end, to, open)
	}
	w.fixes, w.grown = w.fixes[:0], 0
	for i := range w.frames {
		w.frames[i].fixes, w.frames[i].grown = 0, 0
	}
}

// Move moves what follows a place, up to end, so that it ends at to, and writes the
// header before it. Of what is open, so many are still where they were.
func (w *msgpackWriter) move(f fix, end, to, open int) (int, int, int) {
	h, n, size := holder(f.n>>holderShift), int(f.n&(1<<holderShift-1)), int(f.size)
	from := int(f.at) + reserve[h]
	for ; open > 0 && w.frames[open-1].at >= from; open-- {
		w.frames[open-1].at += to - end
	}
	to -= end - from
	copy(w.dst[to:], w.dst[from:end])
	need := headSize(h, n, size)
	to -= need
	putHead(w.dst[to:to+need], h, n, size)
	return int(f.at), to, open
}

func countSize(n int) int {
	switch {
	case n <= 15:
		return 1
	case n <= 0xffff:
		return 3
	}
	return 5
}

func headSize(h holder, n, size int) int {
	if h <= heldMap {
		return countSize(n)
	}
	return extSize(size) + countSize(n)
}

// ExtSize is the length of an ext's header, for a content of some size.
func extSize(size int) int {
	switch {
	case size <= 16 && fixExt[size] != 0:
		return 2
	case size <= 0xff:
		return 3
	case size <= 0xffff:
		return 4
	}
	return 6
}

// FixExt has the codes of ext with a content of 1, 2, 4, 8 and 16 bytes.
var fixExt = [17]byte{1: msgpcode.FixExt1, 2: msgpcode.FixExt2, 4: msgpcode.FixExt4, 8: msgpcode.FixExt8, 16: msgpcode.FixExt16}

func putHead(b []byte, h holder, n, size int) {
	switch h {
	case heldMap:
		appendCount(b[:0], msgpcode.FixedMapLow, msgpcode.Map16, n)
		return
	case heldSet:
		b = appendExtHead(b[:0], extSet, size)
	case heldList:
		b = appendExtHead(b[:0], extList, size)
	default:
		b = b[:0]
	}
	appendCount(b, msgpcode.FixedArrayLow, msgpcode.Array16, n)
}

// AppendCount appends the header of an array or map: the code of 32 bits is behind
// that of 16.
func appendCount(dst []byte, few, many byte, n int) []byte {
	switch {
	case n <= 15:
		return append(dst, few|byte(n))
	case n <= 0xffff:
		return append(dst, many, byte(n>>8), byte(n))
	}
	return binary.BigEndian.AppendUint32(append(dst, many+1), uint32(n))
}

// AppendExtHead appends what precedes an ext's content.
func appendExtHead(dst []byte, id int8, size int) []byte {
	switch {
	case size <= 16 && fixExt[size] != 0:
		return append(dst, fixExt[size], byte(id))
	case size <= 0xff:
		return append(dst, msgpcode.Ext8, byte(size), byte(id))
	case size <= 0xffff:
		return append(dst, msgpcode.Ext16, byte(size>>8), byte(size), byte(id))
	}
	return append(binary.BigEndian.AppendUint32(append(dst, msgpcode.Ext32), uint32(size)), byte(id))
}

func appendStrHead(dst []byte, size int) []byte {
	switch {
	case size <= int(msgpcode.FixedStrMask):
		return append(dst, msgpcode.FixedStrLow|byte(size))
	case size <= 0xff:
		return append(dst, msgpcode.Str8, byte(size))
	case size <= 0xffff:
		return append(dst, msgpcode.Str16, byte(size>>8), byte(size))
	}
	return binary.BigEndian.AppendUint32(append(dst, msgpcode.Str32), uint32(size))
}

func appendBinHead(dst []byte, size int) []byte {
	switch {
	case size <= 0xff:
		return append(dst, msgpcode.Bin8, byte(size))
	case size <= 0xffff:
		return append(dst, msgpcode.Bin16, byte(size>>8), byte(size))
	}
	return binary.BigEndian.AppendUint32(append(dst, msgpcode.Bin32), uint32(size))
}
