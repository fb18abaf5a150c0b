package pack

import (
	"bytes"
	"errors"
	"io"
	"runtime"
	"slices"
	"sync"

	"github.com/klauspost/compress/zstd"

	"github.com/sente-lite/sente-lite/pipe"
)

// Zstd compresses as RFC 8878 has it: as well as gzip, and read in a third of the
// time. A message is exactly one frame with nothing behind it, without a dictionary;
// its checksum is checked, where it has one.
//
// Errors of Decode are :incorrect, "bad-zstd" for what is no such frame, and
// "too-large" as for [Gzip].
var Zstd = &pipe.Layer{
	Name:       "zstd",
	Compresses: true,
	Is:         func(msg []byte) bool { return bytes.HasPrefix(msg, zstdMagic) },
	Overhead:   14 + 3 + 4, // head, block, checksum; and 3 in each 128 KiB that do not shrink
	New:        func(bool) (pipe.Coder, *pipe.Error) { return zstdCoder{}, nil },
}

var zstdMagic = []byte{0x28, 0xb5, 0x2f, 0xfd}

// Both are made at first use, and have memory for as many messages at once as can be
// worked on at once; further ones wait.
var (
	zstdWriter = sync.OnceValue(func() *zstd.Encoder {
		w, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(runtime.GOMAXPROCS(0)),
			zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(256<<10), zstd.WithLowerEncoderMem(true), zstd.WithZeroFrames(true))
		if err != nil {
			panic(err) // an option is wrong
		}
		return w
	})
	zstdReader = sync.OnceValue(func() *zstd.Decoder {
		r, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(runtime.GOMAXPROCS(0)),
			zstd.WithDecoderLowmem(true), zstd.WithDecodeAllCapLimit(true))
		if err != nil {
			panic(err)
		}
		return r
	})
)

type zstdCoder struct{}

func (zstdCoder) Encode(dst, src []byte) ([]byte, error) {
	return zstdWriter().EncodeAll(src, dst), nil
}

func (zstdCoder) Decode(dst, src []byte, limit int) ([]byte, error) {
	known, size, err := zstdFrame(src)
	if err != nil {
		return dst, err
	}
	most := ceiling(len(src), limit)
	if known && size > uint64(most) {
		return dst, tooMuch("zstd", len(src), limit)
	}
	// The reader writes into what it is lent and no further: what the frame says that
	// it holds, or what its blocks could hold, as far as a true message may go.
	start, room := len(dst), int(min(uint64(most), size))
	dst = slices.Grow(dst, room)
	out, derr := zstdReader().DecodeAll(src, dst[start:start:start+room])
	switch {
	case derr == nil:
		return dst[:start+len(out)], nil
	case errors.Is(derr, zstd.ErrCRCMismatch):
		return dst, badLayer("zstd", "damaged: its checksum is not that of what it holds")
	case !known && size > uint64(most):
		// The reader has no error of its own for a block that finds no room.
		return dst, tooMuch("zstd", len(src), limit)
	default:
		return dst, badLayer("zstd", "no zstd frame: damaged")
	}
}

// zstdFrame follows the blocks of the frame that src is, to its end. It returns the
// size of what the frame holds, where the frame says it, else what it is at the most.
func zstdFrame(src []byte) (known bool, size uint64, _ *pipe.Error) {
	const blockHead, blockMost = 3, 128 << 10
	var head zstd.Header
	short := func() (bool, uint64, *pipe.Error) {
		return false, 0, badLayer("zstd", "it ends too early, after %d bytes", len(src))
	}
	err := head.Decode(src)
	switch {
	case !bytes.HasPrefix(src, zstdMagic[:min(len(src), 4)]):
		return false, 0, badLayer("zstd", "it begins with %s, expected 28 b5 2f fd", hexOf(src[:min(len(src), 4)]))
	case errors.Is(err, io.ErrUnexpectedEOF):
		return short()
	case err != nil:
		return false, 0, badLayer("zstd", "damaged in its header")
	case head.DictionaryID != 0:
		return false, 0, badLayer("zstd", "it needs a dictionary; there is none here")
	}
	rest := src[head.HeaderSize:]
	for last := false; !last; {
		if len(rest) < blockHead {
			return short()
		}
		h := int(rest[0]) | int(rest[1])<<8 | int(rest[2])<<16
		last = h&1 == 1
		comes, holds := h>>3, h>>3
		switch h >> 1 & 3 {
		case 1: // one byte, repeated
			comes = 1
		case 2:
			holds = blockMost
		}
		if len(rest) < blockHead+comes {
			return short()
		}
		rest, size = rest[blockHead+comes:], size+uint64(holds)
	}
	if head.HasCheckSum {
		if len(rest) < 4 {
			return short()
		}
		rest = rest[4:]
	}
	if len(rest) > 0 {
		return false, 0, badLayer("zstd", "%d bytes follow its end; a message is one frame and nothing more", len(rest))
	}
	if head.HasFCS {
		size = min(size, head.FrameContentSize)
	}
	return head.HasFCS, size, nil
}
