package transport

import (
	"fmt"
	"io"
	"strconv"
	"sync/atomic"

	"github.com/sente-lite/sente-lite/pipe"
)

// A dialect is one of those that a byte stream's first byte may choose (contract
// section 2). Those that are taken only where configured are further rows.
type dialect struct {
	name   string
	first  byte
	blanks bool // white space, comments and a byte order mark may come first
	codec  func(pipe.Limits) codec
}

// dialects is the table for streams of sente-lite itself.
func dialects() []dialect {
	return []dialect{
		{name: "frames", first: 0x00, codec: newFrames},
		{name: "text", first: '[', blanks: true, codec: newText},
	}
}

// A stream is the codec of a byte stream whose other side speaks first. Until it
// has, nothing can be written.
type stream struct {
	table  []dialect
	shows  bool // what is of no dialect is shown, since it is a program's of ours
	lim    pipe.Limits
	seen   prelude
	chosen atomic.Pointer[chosen]
}

type chosen struct{ codec }

// prelude is where the blanks before the first value have got to.
type prelude struct {
	begun   bool // something other than a byte order mark came
	comment bool
	mark    int // how many bytes of a byte order mark
}

const byteOrderMark = "\xef\xbb\xbf"

func newStream() *stream { return &stream{table: dialects()} }

func (s *stream) next(in *inbuf) (pipe.Message, error) {
	if c := s.chosen.Load(); c != nil {
		return c.next(in)
	}
	b := in.unread()
	for i, c := range b {
		if s.seen.skips(c) {
			continue
		}
		for _, d := range s.table {
			if c == d.first && s.seen.allows(d) {
				in.lo += i
				k := &chosen{d.codec(s.lim)}
				s.chosen.Store(k)
				return k.next(in)
			}
		}
		what := ""
		if s.shows {
			what = fmt.Sprintf(" of %q", beginning(b[i:]))
		}
		return pipe.Message{}, closed(pipe.CloseProtocol,
			"the first byte, 0x%02x%s, is of no dialect: 0x00 begins frames, [ begins text", c, what)
	}
	in.lo, in.want = in.hi, 0
	return pipe.Message{}, errMore
}

// allows reports whether d may begin after what has come.
func (p *prelude) allows(d dialect) bool {
	if !p.begun && p.mark == 0 {
		return true
	}
	return d.blanks && (p.mark == 0 || p.mark == len(byteOrderMark))
}

// skips reports whether c stands before the first value without a meaning.
func (p *prelude) skips(c byte) bool {
	switch {
	case p.comment:
		p.comment = c != '\n'
	case !p.begun && p.mark < len(byteOrderMark) && c == byteOrderMark[p.mark]:
		p.mark++
		return true
	case p.mark > 0 && p.mark < len(byteOrderMark):
		return false
	case c == ';':
		p.comment = true
	case c == ' ', c == ',', '\t' <= c && c <= '\r', 0x1c <= c && c <= 0x1f:
	default:
		return false
	}
	p.begun = true
	return true
}

func (s *stream) eof(in *inbuf) (pipe.Message, error) {
	if s.chosen.Load() == nil {
		if m, err := s.next(in); err != errMore {
			return m, err
		}
	}
	if c := s.chosen.Load(); c != nil {
		return c.eof(in)
	}
	return pipe.Message{}, io.EOF
}

func (s *stream) limit(l pipe.Limits) {
	s.lim = l
	if c := s.chosen.Load(); c != nil {
		c.limit(l)
	}
}

func (s *stream) ready() bool { return s.chosen.Load() != nil }

func (s *stream) textOnly() bool {
	c := s.chosen.Load()
	return c != nil && c.textOnly()
}

func (s *stream) size(m pipe.Message) int                      { return s.chosen.Load().size(m) }
func (s *stream) append(b []byte, m pipe.Message) []byte       { return s.chosen.Load().append(b, m) }
func (s *stream) head(b []byte, m pipe.Message) ([]byte, bool) { return s.chosen.Load().head(b, m) }
func (s *stream) frame(b []byte) int                           { return s.chosen.Load().frame(b) }

func (s *stream) bye(b []byte, r pipe.Reason, in func([]byte) []byte) []byte {
	return s.chosen.Load().bye(b, r, in)
}

// appendBye appends the last message of a stream, [:chsk/close {…}], unless r is
// a code that is never sent.
func appendBye(dst []byte, r pipe.Reason) []byte {
	switch r.Code {
	case 0, pipe.CloseNormal, pipe.CloseNoStatus, pipe.CloseLost:
		return dst
	}
	dst = append(dst, "[:chsk/close {:code "...)
	dst = strconv.AppendUint(dst, uint64(r.Code), 10)
	dst = append(dst, " :reason "...)
	return append(pipe.AppendString(dst, r.Text), "}]"...)
}
