package pack

import (
	"bytes"
	"errors"
	"io"

	"github.com/klauspost/compress/flate"

	"github.com/sente-lite/sente-lite/pipe"
)

// DeflateRaw compresses by DEFLATE with nothing around it (RFC 1951), which costs
// 18 bytes a message less than gzip and has no checksum. Nothing in the bytes tells
// that they are compressed, so every message is: it is for peers that say much.
var DeflateRaw = &pipe.Layer{
	Name:       "deflate-raw",
	Compresses: true,
	Overhead:   deflateMore,
	New:        func(bool) (pipe.Coder, *pipe.Error) { return deflateRaw{}, nil },
}

// What does not shrink is stored: deflateMore bytes at the least, and 5 more in each 64
// KiB.
const deflateMore = 16

type deflateRaw struct{}

func (deflateRaw) Encode(dst, src []byte) ([]byte, error) { return deflate(dst, src), nil }

func (deflateRaw) Decode(dst, src []byte, limit int) ([]byte, error) {
	out, rest, err := inflate(dst, src, len(src), limit, "deflate-raw")
	switch {
	case err != nil:
		return dst, err
	case rest > 0:
		return dst, badLayer("deflate-raw", "%d bytes follow its end", rest)
	}
	return out, nil
}

// Small bundles are what a peer gets in normal times, and there a better level
// costs microseconds. Large ones come up when much has to go out, and there the
// quickest level is what counts. Typical events become 7 to 8 times as small by
// either.
const (
	smallLevel = 5
	largeLevel = 1
	largeFrom  = 32 << 10
)

// A deflater writes what it compresses behind dst.
type deflater struct {
	w   *flate.Writer
	dst []byte
}

func (d *deflater) Write(p []byte) (int, error) {
	d.dst = append(d.dst, p...)
	return len(p), nil
}

var (
	small = newStock(func() *deflater { return newDeflater(smallLevel) })
	large = newStock(func() *deflater { return newDeflater(largeLevel) })
)

func newDeflater(level int) *deflater {
	d := new(deflater)
	w, err := flate.NewWriter(d, level)
	if err != nil {
		panic(err) // there is no such level
	}
	d.w = w
	return d
}

// deflate appends src compressed.
func deflate(dst, src []byte) []byte {
	from := small
	if len(src) >= largeFrom {
		from = large
	}
	d := from.take()
	defer from.give(d)
	d.dst = dst
	d.w.Reset(d)
	_, err := d.w.Write(src)
	if err == nil {
		err = d.w.Close()
	}
	if err != nil {
		panic(err) // Write above has none
	}
	dst, d.dst = d.dst, nil
	return dst
}

// An inflater reads from memory, where it takes no byte beyond the last of its
// stream.
type inflater struct {
	r   io.ReadCloser
	src bytes.Reader
}

var inflaters = newStock(func() *inflater {
	i := new(inflater)
	i.r = flate.NewReader(&i.src)
	return i
})

// inflate appends what the one stream holds that src begins with, and returns how
// much of src is behind it. whole is how long the message is that src is in; form
// is its name in errors.
//
// dst grows with what has come out of the stream, whatever it may announce.
func inflate(dst, src []byte, whole, limit int, form string) (out []byte, rest int, _ error) {
	i := inflaters.take()
	defer inflaters.give(i)
	i.src.Reset(src)
	defer i.src.Reset(nil)
	if err := i.r.(flate.Resetter).Reset(&i.src, nil); err != nil {
		return dst, 0, &pipe.Error{Category: pipe.Fault, Code: "bad-" + form, Msg: err.Error()}
	}
	start, most := len(dst), ceiling(whole, limit)
	for {
		dst = room(dst, len(dst)-start, len(src), most)
		n, err := i.r.Read(dst[len(dst):cap(dst)])
		dst = dst[:len(dst)+n]
		switch {
		case len(dst)-start > most:
			return dst[:start], 0, tooMuch(form, whole, limit)
		case err == io.EOF:
			return dst, i.src.Len(), nil
		case errors.Is(err, io.ErrUnexpectedEOF):
			return dst[:start], 0, badLayer(form, "it ends too early, after %d bytes", whole)
		case err != nil:
			return dst[:start], 0, badLayer(form, "no DEFLATE stream: damaged")
		}
	}
}
