package journal

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/sente-lite/sente-lite/pipe"
)

// recordKind is a record's first byte. All but the first name their session by
// its slot: a number that it keeps as long as it lives.
type recordKind byte

const (
	recBegin recordKind = 1 + iota
	recQueued
	recGone
	recReceived
	recSubscribed
	recEnd
	recSpill
)

// A record is one note, read. Its bytes are those of the frame.
type record struct {
	kind recordKind
	slot uint64

	session pipe.StoredSession // recBegin
	active  int64              // recBegin: ms, the session's last note; 0: the frame's time
	item    pipe.StoredItem    // recQueued
	n       uint64             // recGone: acked; recReceived
	seqs    []uint64           // recGone; used again by the next record
	channel string             // recSubscribed
	on      bool
	spill   spilled // recSpill
}

// spilled says where a spill's items are: from head to tail.
type spilled struct {
	headSeg, headOff uint64
	tailSeg, tailOff uint64
	items, bytes     uint64
}

func appendBytes[T ~string | ~[]byte](dst []byte, b T) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(b)))
	return append(dst, b...)
}

func appendSlot(dst []byte, kind recordKind, slot uint64) []byte {
	return binary.AppendUvarint(append(dst, byte(kind)), slot)
}

func appendBegin(dst []byte, slot uint64, s *pipe.StoredSession, active int64) []byte {
	dst = appendSlot(dst, recBegin, slot)
	dst = append(dst, s.Key[:]...)
	dst = appendBytes(dst, s.UID)
	dst = appendBytes(dst, s.ClientID)
	dst = appendBytes(dst, s.Role)
	dst = appendBytes(dst, s.Credential)
	since := int64(0)
	if !s.Since.IsZero() {
		since = s.Since.UnixNano()
	}
	dst = binary.AppendVarint(dst, since)
	dst = binary.AppendUvarint(dst, s.Received)
	dst = binary.AppendUvarint(dst, s.Acked)
	dst = binary.AppendVarint(dst, active)
	dst = binary.AppendUvarint(dst, uint64(len(s.Channels)))
	for _, c := range s.Channels {
		dst = appendBytes(dst, c)
	}
	return dst
}

func appendItem(dst []byte, i *pipe.StoredItem) []byte {
	dst = binary.AppendUvarint(dst, i.Seq)
	dst = append(dst, i.Kind, i.Lane)
	dst = binary.AppendVarint(dst, i.At)
	dst = appendBytes(dst, i.Name)
	return appendBytes(dst, i.EDN)
}

// itemSize is no less than what appendItem appends, with a slot before it.
func itemSize(i *pipe.StoredItem) int {
	return len(i.Name) + len(i.EDN) + 6*binary.MaxVarintLen64 + 3
}

func appendSpill(dst []byte, slot uint64, at spilled) []byte {
	dst = appendSlot(dst, recSpill, slot)
	for _, n := range [...]uint64{at.headSeg, at.headOff, at.tailSeg, at.tailOff, at.items, at.bytes} {
		dst = binary.AppendUvarint(dst, n)
	}
	return dst
}

// A decoder takes records out of a payload. It holds no more than the payload:
// no length in it is believed before there are as many bytes.
type decoder struct {
	b   []byte
	at  int
	bad bool
}

func (d *decoder) byte() byte {
	if d.at >= len(d.b) {
		d.bad = true
		return 0
	}
	d.at++
	return d.b[d.at-1]
}

func (d *decoder) uvarint() uint64 { return number(d, binary.Uvarint) }

func (d *decoder) varint() int64 { return number(d, binary.Varint) }

func number[T uint64 | int64](d *decoder, read func([]byte) (T, int)) T {
	v, n := read(d.b[d.at:])
	if n <= 0 {
		d.bad, d.at = true, len(d.b)
		return 0
	}
	d.at += n
	return v
}

func (d *decoder) take(n uint64) []byte {
	if n > uint64(len(d.b)-d.at) {
		d.bad, d.at = true, len(d.b)
		return nil
	}
	d.at += int(n)
	return d.b[d.at-int(n) : d.at]
}

func (d *decoder) bytes() []byte { return d.take(d.uvarint()) }

// more reports whether there is another record.
func (d *decoder) more() bool { return d.at < len(d.b) }

// item reads what appendItem has written. Its EDN is the payload's own bytes.
func (d *decoder) item(i *pipe.StoredItem) {
	i.Seq = d.uvarint()
	i.Kind, i.Lane = d.byte(), d.byte()
	i.At = d.varint()
	i.Name = string(d.bytes())
	i.EDN = d.bytes()
}

// next reads a record into r.
func (d *decoder) next(r *record) error {
	start := d.at
	r.kind = recordKind(d.byte())
	r.slot = d.uvarint()
	switch r.kind {
	case recBegin:
		d.begin(r)
	case recQueued:
		d.item(&r.item)
	case recGone:
		r.n = d.uvarint()
		r.seqs = r.seqs[:0]
		for n := d.uvarint(); n > 0 && !d.bad; n-- {
			r.seqs = append(r.seqs, d.uvarint())
		}
	case recReceived:
		r.n = d.uvarint()
	case recSubscribed:
		r.on = d.byte() != 0
		r.channel = string(d.bytes())
	case recEnd:
	case recSpill:
		for _, n := range [...]*uint64{&r.spill.headSeg, &r.spill.headOff, &r.spill.tailSeg, &r.spill.tailOff, &r.spill.items, &r.spill.bytes} {
			*n = d.uvarint()
		}
		d.bad = d.bad || !r.spill.sound()
	default:
		return fmt.Errorf("%w: a record of kind %d, which version %d does not have", errDamaged, r.kind, version)
	}
	if d.bad {
		return fmt.Errorf("%w: a record of kind %d does not end as it should, %d bytes into its frame", errDamaged, r.kind, start)
	}
	return nil
}

func (d *decoder) begin(r *record) {
	s := pipe.StoredSession{}
	copy(s.Key[:], d.take(uint64(len(s.Key))))
	s.UID, s.ClientID = string(d.bytes()), string(d.bytes())
	s.Role = pipe.Role(d.bytes())
	if c := d.bytes(); len(c) > 0 {
		s.Credential = append([]byte(nil), c...)
	}
	if since := d.varint(); since != 0 {
		s.Since = time.Unix(0, since)
	}
	s.Received, s.Acked = d.uvarint(), d.uvarint()
	r.active = d.varint()
	n := d.uvarint()
	d.bad = d.bad || n > maxChannels
	for ; n > 0 && !d.bad; n-- {
		s.Channels = append(s.Channels, string(d.bytes()))
	}
	r.session = s
}

// sound refuses places that no file can have.
func (s spilled) sound() bool {
	const most = 1 << 48
	return s.headSeg <= s.tailSeg && s.tailSeg < most && s.headOff < most && s.tailOff < most && s.items < most && s.bytes < most
}

// frameTime is the ms of a frame's first note; 0 in a compacted log.
func frameTime(payload []byte) int64 { return int64(binary.LittleEndian.Uint64(payload)) }
