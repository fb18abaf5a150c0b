package transport

import (
	"encoding/binary"
	"io"

	"github.com/sente-lite/sente-lite/pipe"
)

// frameHead is the length before every frame: a big-endian uint32, which
// Babashka reads with one readInt.
const frameHead = 4

// frames is the dialect of a length and one value.
type frames struct {
	max  int
	over bool // a frame was over the limit: what follows cannot be read
}

func newFrames(l pipe.Limits) codec { return &frames{max: l.OrDefault().Bytes} }

func (f *frames) next(in *inbuf) (pipe.Message, error) {
	b := in.unread()
	switch {
	case f.over:
		return pipe.Message{}, closedTooLarge()
	case len(b) < frameHead:
		in.want = frameHead
		return pipe.Message{}, errMore
	}
	n := int(binary.BigEndian.Uint32(b))
	switch {
	case n > f.max:
		f.over = true
		return pipe.Message{}, tooLarge("frame", n, f.max)
	case n == 0:
		in.lo += frameHead
		return pipe.Message{}, incorrect("empty-frame", "a frame of no bytes; a frame holds one value")
	case len(b) < frameHead+n:
		in.want = frameHead + n
		return pipe.Message{}, errMore
	}
	in.lo += frameHead + n
	in.want = frameHead
	return pipe.Message{Data: b[frameHead : frameHead+n : frameHead+n]}, nil
}

func (f *frames) eof(in *inbuf) (pipe.Message, error) {
	m, err := f.next(in)
	if err == errMore {
		err = io.EOF
		if len(in.unread()) > 0 {
			err = io.ErrUnexpectedEOF
		}
	}
	return m, err
}

func (f *frames) limit(l pipe.Limits)   { f.max = l.Bytes }
func (*frames) ready() bool             { return true }
func (*frames) textOnly() bool          { return false }
func (*frames) size(m pipe.Message) int { return frameHead + len(m.Data) }

func (*frames) append(dst []byte, m pipe.Message) []byte {
	return append(binary.BigEndian.AppendUint32(dst, uint32(len(m.Data))), m.Data...)
}

func (*frames) head(dst []byte, m pipe.Message) ([]byte, bool) {
	return binary.BigEndian.AppendUint32(dst, uint32(len(m.Data))), true
}

func (*frames) frame(b []byte) int { return frameHead + int(binary.BigEndian.Uint32(b)) }

func (f *frames) bye(dst []byte, r pipe.Reason, in func([]byte) []byte) []byte {
	v := appendBye(nil, r)
	if v == nil {
		return dst
	}
	if in != nil {
		if v = in(v); v == nil { // a form that cannot carry it goes without
			return dst
		}
	}
	return f.append(dst, pipe.Message{Data: v})
}
