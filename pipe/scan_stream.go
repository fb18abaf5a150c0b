package pipe

import (
	"io"
	"unicode/utf8"
)

// A Stream finds values in text that arrives in pieces. It remembers where it
// stands, so that every byte is looked at once however small the pieces are,
// and it allocates nothing once its stack has seen the usual nesting. The zero
// Stream has the default Limits.
type Stream struct {
	lim Limits
	s   scanner
}

// NewStream makes a Stream that refuses what is over lim.
func NewStream(lim Limits) *Stream { return &Stream{lim: lim} }

// Feed looks for the first value of b, which holds what was fed since Reset and
// whatever has come since. It returns like Scan; after a value or an error
// other than io.ErrUnexpectedEOF, Reset before feeding what follows.
//
// Unless atEOF, a symbol, keyword or number is complete only when another byte
// has ended it, and both "no value" and "half a value" are io.ErrUnexpectedEOF.
// Then start is where the value begins, len(b) if none has begun: a caller may
// drop what is before it if nothing has begun, and Reset.
//
// All that was fed for one value counts for Limits.Bytes, so that comments
// cannot fill the caller's buffer: beyond it the error is ErrTooLarge.
func (s *Stream) Feed(b []byte, atEOF bool) (start, end int, err error) {
	lim := s.lim.OrDefault()
	s.s.max = lim.Depth
	st := s.s.run(b, atEOF)
	switch {
	case st == scanComplete && s.s.i <= lim.Bytes:
		if s.s.wide && !utf8.Valid(b[s.s.start:s.s.i]) {
			return s.s.start, s.s.i, badUTF8(b[:s.s.i], s.s.start)
		}
		return s.s.start, s.s.i, nil
	case st == scanComplete, st == scanShort && len(b) > lim.Bytes:
		return s.s.begun(), len(b), tooLarge(b, lim)
	case st == scanShort:
		return s.s.begun(), len(b), io.ErrUnexpectedEOF
	}
	return s.s.result(b, st, lim)
}

// Reset forgets what was fed: the next byte begins anew.
func (s *Stream) Reset() { s.s = scanner{deep: s.s.deep} }

// resume finishes the token that the last bytes ended in.
func (s *scanner) resume(b []byte, atEnd bool) scanStatus {
	m, tok, i := s.mode, s.tok, s.i
	var st scanStatus
	switch m {
	case inComment:
		i, st = s.comment(b, tok, i, atEnd)
	case inString, inRegex:
		i, st = s.text(b, tok, i, m == inRegex)
	case inWord:
		i, st = s.word(b, tok, i, atEnd)
	case inNumber:
		i, st = s.number(b, tok, i, atEnd)
	case inTag:
		i, st = s.tag(b, tok, i, atEnd)
	case inNamespace, inNamespaceGap:
		i, st = s.namespace(b, tok, i, atEnd)
	}
	if st == scanNothing && s.depth > 0 {
		st = scanShort
	}
	if st != scanGoing {
		return st
	}
	s.i, s.mode = i, between
	switch m {
	case inComment, inTag, inNamespace, inNamespaceGap:
		return scanGoing
	}
	if s.depth == 0 {
		s.start = tok
		return scanComplete
	}
	return s.completed(tok, Kind(b[tok:i]))
}
