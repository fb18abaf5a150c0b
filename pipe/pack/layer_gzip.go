package pack

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"

	"github.com/sente-lite/sente-lite/pipe"
)

// Gzip compresses as RFC 1952 has it. A message is exactly one member with nothing
// behind it; its checksum and length are checked. It has no state: one Coder is good
// for all links.
//
// Errors of Decode are :incorrect, "bad-gzip" for what is no such member and
// "too-large" for what holds more than the limit, or more than 256 times the bytes
// that have come where that is more than 1 MiB.
var Gzip = &pipe.Layer{
	Name:       "gzip",
	Compresses: true,
	Is:         func(msg []byte) bool { return bytes.HasPrefix(msg, gzipMagic) },
	Overhead:   gzipHead + gzipTail + deflateMore,
	New:        func(bool) (pipe.Coder, *pipe.Error) { return gzipCoder{}, nil },
}

var gzipMagic = []byte{0x1f, 0x8b}

const (
	gzipHead = 10
	gzipTail = 8
)

type gzipCoder struct{}

func (gzipCoder) Encode(dst, src []byte) ([]byte, error) {
	// Deflate, no flags, no time, no word on the effort, system unknown.
	dst = append(dst, 0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255)
	dst = deflate(dst, src)
	dst = binary.LittleEndian.AppendUint32(dst, crc32.ChecksumIEEE(src))
	return binary.LittleEndian.AppendUint32(dst, uint32(len(src))), nil
}

func (gzipCoder) Decode(dst, src []byte, limit int) ([]byte, error) {
	head, err := gzipHeader(src)
	if err != nil {
		return dst, err
	}
	out, rest, ierr := inflate(dst, src[head:], len(src), limit, "gzip")
	if ierr != nil {
		return dst, ierr
	}
	if rest < gzipTail {
		return dst, badLayer("gzip", "it ends too early, after %d bytes", len(src))
	}
	tail, made := src[len(src)-rest:], out[len(dst):]
	switch {
	case binary.LittleEndian.Uint32(tail) != crc32.ChecksumIEEE(made):
		return dst, badLayer("gzip", "damaged: its checksum is not that of the %d bytes it holds", len(made))
	case binary.LittleEndian.Uint32(tail[4:]) != uint32(len(made)):
		return dst, badLayer("gzip", "damaged: it holds %d bytes and says %d", len(made), binary.LittleEndian.Uint32(tail[4:]))
	case rest > gzipTail:
		return dst, badLayer("gzip", "%d bytes follow its end; a message is one member and nothing more", rest-gzipTail)
	}
	return out, nil
}

// gzipHeader returns where the compressed bytes begin.
func gzipHeader(src []byte) (int, *pipe.Error) {
	const (
		hasCRC = 1 << (iota + 1)
		hasExtra
		hasName
		hasComment
		reserved = 0xe0
	)
	short := func() *pipe.Error {
		return badLayer("gzip", "it ends too early, after %d bytes, in its header", len(src))
	}
	if !bytes.HasPrefix(src, gzipMagic[:min(len(src), 2)]) {
		return 0, badLayer("gzip", "it begins with %s, expected 1f 8b", hexOf(src[:min(len(src), 2)]))
	}
	if len(src) < gzipHead {
		return 0, short()
	}
	flags := src[3]
	switch {
	case src[2] != 8:
		return 0, badLayer("gzip", "compression method %d, allowed is 8", src[2])
	case flags&reserved != 0:
		return 0, badLayer("gzip", "flags %#x in its header have no meaning", flags&reserved)
	}
	at := gzipHead
	if flags&hasExtra != 0 {
		if len(src) < at+2 {
			return 0, short()
		}
		at += 2 + int(binary.LittleEndian.Uint16(src[at:]))
	}
	for _, f := range []byte{hasName, hasComment} {
		if flags&f == 0 {
			continue
		}
		if at > len(src) {
			return 0, short()
		}
		n := bytes.IndexByte(src[at:], 0)
		if n < 0 {
			return 0, short()
		}
		at += n + 1
	}
	if flags&hasCRC != 0 {
		if len(src) < at+2 {
			return 0, short()
		}
		if got := binary.LittleEndian.Uint16(src[at:]); got != uint16(crc32.ChecksumIEEE(src[:at])) {
			return 0, badLayer("gzip", "damaged: the checksum of its header is wrong")
		}
		at += 2
	}
	if at > len(src) {
		return 0, short()
	}
	return at, nil
}
