package transport

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/sente-lite/sente-lite/pipe"
)

// text is the dialect of EDN values one after another. We write one a line; the
// other side may write several, and over several lines.
type text struct {
	lim  pipe.Limits
	scan *pipe.Stream
	skip bool // up to the next line
	over bool // a value was over the limit

	line, column int // where the unread bytes begin, from 0; column in characters
}

func newText(l pipe.Limits) codec { return &text{lim: l, scan: pipe.NewStream(l)} }

func (t *text) next(in *inbuf) (pipe.Message, error) { return t.find(in, false) }
func (t *text) eof(in *inbuf) (pipe.Message, error)  { return t.find(in, true) }

func (t *text) find(in *inbuf, atEOF bool) (pipe.Message, error) {
	in.want = 0
	if t.over {
		return pipe.Message{}, closedTooLarge()
	}
	if t.skip {
		t.toNextLine(in, 0)
	}
	b := in.unread()
	start, end, err := t.scan.Feed(b, false)
	if atEOF && err == io.ErrUnexpectedEOF {
		var bad *pipe.SyntaxError
		// What is wrong only because it ends here was torn, and is no message.
		if s, e, last := t.scan.Feed(b, true); !errors.As(last, &bad) || errors.Is(last, pipe.ErrTooLarge) {
			start, end, err = s, e, last
		}
	}
	switch {
	case err == nil:
		t.consume(in, end)
		return pipe.Message{Data: b[start:end:end], Text: true}, nil
	case err == io.EOF, err == io.ErrUnexpectedEOF && start == len(b):
		t.consume(in, len(b)) // blanks need not be kept
	case errors.Is(err, pipe.ErrTooLarge):
		t.over = true
		return pipe.Message{}, tooLarge("value", len(b), t.lim.OrDefault().Bytes)
	case err != io.ErrUnexpectedEOF:
		return pipe.Message{}, t.unreadable(in, err)
	}
	switch {
	case !atEOF:
		err = errMore
	case len(in.unread()) == 0 && start == len(b):
		err = io.EOF
	}
	return pipe.Message{}, err
}

// unreadable says where in the whole stream the trouble is, and passes over it.
func (t *text) unreadable(in *inbuf, err error) error {
	var bad *pipe.SyntaxError
	if !errors.As(err, &bad) {
		return err
	}
	line, column := t.line+bad.Line, bad.Column
	if bad.Line == 1 {
		column += t.column
	}
	code := "bad-edn"
	if errors.Is(bad, pipe.ErrTooDeep) {
		code = "too-deep"
	}
	e := incorrect(code, "line %d, column %d: %s", line, column, bad.Msg)
	e.Hint = "reading goes on at the next line"
	e.Data = fmt.Sprintf("{:line %d :column %d}", line, column)
	e.Bundle = pipe.BeginsBundle(in.unread())
	t.toNextLine(in, bad.Offset)
	return e
}

func (t *text) toNextLine(in *inbuf, from int) {
	b := in.unread()
	n := bytes.IndexByte(b[from:], '\n')
	t.skip = n < 0
	if t.skip {
		t.consume(in, len(b))
	} else {
		t.consume(in, from+n+1)
	}
}

func (t *text) consume(in *inbuf, n int) {
	b := in.unread()[:n]
	if last := bytes.LastIndexByte(b, '\n'); last >= 0 {
		t.line += bytes.Count(b[:last], newline) + 1
		t.column, b = 0, b[last+1:]
	}
	t.column += utf8.RuneCount(b)
	in.lo += n
	t.scan.Reset()
}

var newline = []byte{'\n'}

func (t *text) limit(l pipe.Limits) {
	if l != t.lim {
		t.lim, t.scan = l, pipe.NewStream(l)
	}
}

func (*text) ready() bool    { return true }
func (*text) textOnly() bool { return true }

func (*text) size(m pipe.Message) int { return len(m.Data) + 1 }

func (*text) append(dst []byte, m pipe.Message) []byte {
	return append(pipe.AppendLine(dst, m.Data), '\n')
}

func (*text) head(dst []byte, _ pipe.Message) ([]byte, bool) { return dst, false }

func (*text) frame(b []byte) int { return bytes.IndexByte(b, '\n') + 1 }

func (t *text) bye(dst []byte, r pipe.Reason, _ func([]byte) []byte) []byte {
	if v := appendBye(nil, r); v != nil {
		dst = t.append(dst, pipe.Message{Data: v})
	}
	return dst
}
