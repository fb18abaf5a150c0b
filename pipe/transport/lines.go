package transport

import (
	"bytes"
	"fmt"
	"io"

	"github.com/sente-lite/sente-lite/pipe"
)

// lines is the dialect of programs that know nothing but lines of text. A message
// that was read is a line with its newline, which the last one may lack; one that
// is written gets one.
type lines struct {
	max  int
	seen int  // unread bytes that have no newline
	skip bool // up to the next line
}

func newLines(l pipe.Limits) codec { return &lines{max: l.OrDefault().Bytes} }

func (l *lines) next(in *inbuf) (pipe.Message, error) {
	in.want = 0
	if l.skip {
		n := bytes.IndexByte(in.unread(), '\n')
		if n < 0 {
			in.lo = in.hi
			return pipe.Message{}, errMore
		}
		in.lo += n + 1
		l.skip = false
	}
	b := in.unread()
	n := bytes.IndexByte(b[l.seen:], '\n')
	end := l.seen + n + 1
	switch {
	case n >= 0 && end <= l.max+1:
		in.lo += end
		l.seen = 0
		return pipe.Message{Data: b[:end:end]}, nil
	case n < 0 && len(b) <= l.max:
		l.seen = len(b)
		return pipe.Message{}, errMore
	}
	e := incorrect("too-large", "a line of more than %d bytes, which begins %q; the rest of it is passed over", l.max, beginning(b))
	e.Hint = "write shorter lines, or raise :max-message-bytes"
	l.skip, l.seen = true, 0
	return pipe.Message{}, e
}

// beginning is enough of b to recognise it.
func beginning(b []byte) string {
	if len(b) > 40 {
		return fmt.Sprintf("%s…", bytes.ToValidUTF8(b[:40], nil))
	}
	return string(b)
}

func (l *lines) eof(in *inbuf) (pipe.Message, error) {
	m, err := l.next(in)
	if err != errMore {
		return m, err
	}
	b := in.unread()
	if in.lo, l.seen = in.hi, 0; len(b) == 0 {
		return m, io.EOF
	}
	return pipe.Message{Data: b}, nil
}

func (l *lines) limit(lim pipe.Limits)                                     { l.max = lim.Bytes }
func (*lines) ready() bool                                                 { return true }
func (*lines) textOnly() bool                                              { return true }
func (*lines) size(m pipe.Message) int                                     { return len(m.Data) + 1 }
func (*lines) append(dst []byte, m pipe.Message) []byte                    { return append(append(dst, m.Data...), '\n') }
func (*lines) head(dst []byte, _ pipe.Message) ([]byte, bool)              { return dst, false }
func (*lines) frame(b []byte) int                                          { return bytes.IndexByte(b, '\n') + 1 }
func (*lines) bye(dst []byte, _ pipe.Reason, _ func([]byte) []byte) []byte { return dst }
