package pipe

import (
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// The scanner finds the borders of EDN values and refuses what is not EDN. It
// makes nothing of a value: a payload travels in the bytes it came in.
//
// It accepts what clojure.edn of Clojure 1.11 accepts, and refuses what that
// refuses, save for:
//
// Accepted here, refused there:
//   - a regex #"…", which is printed though it is not EDN; its text is not read
//   - any content of #inst, #uuid and other tags: it is scanned as a value only
//   - tags that begin with any letter, not only with one below U+0100
//   - metadata on a tagged value, since a reader may make anything of that
//   - decimals (M) with an exponent that Java's do not have
//   - a map's key or a set's element that stands there twice
//   - U+0085, U+2028 and U+2029 in a comment or a symbol's namespace
//
// Refused here, accepted there:
//   - a blank, comment or discard between ## and its name or #: and its namespace
//   - digits other than ASCII's in \u and \o escapes
//   - bytes that are not UTF-8, which Clojure replaces before it reads
//   - what is over the Limits
//
// Blanks are Java's: also the comma, U+000B, U+000C, U+001C to U+001F and the
// breaking spaces of Unicode (ClojureScript takes these for parts of symbols).
// A tag, a discard and metadata are one level of nesting each, as brackets are.

// What a SyntaxError is about where it is a limit, for errors.Is.
var (
	ErrTooDeep  = errors.New("nested too deep")
	ErrTooLarge = errors.New("too large")
)

var (
	errEmpty   = errors.New("empty")
	errBadUTF8 = errors.New("not UTF-8")
)

// A SyntaxError says where and why a text is not EDN.
//
// Offset is the first byte that cannot be right: a bad token's first byte, a
// bracket that closes nothing, the backslash of a bad escape, however far above
// the string or collection around it began. What follows may still be part of
// that string; whoever reads on at the next line searches for its newline from
// Offset.
type SyntaxError struct {
	Offset int // in bytes
	Line   int // 1 for the first
	Column int // in characters, 1 for the first
	Msg    string

	limit error // ErrTooDeep, ErrTooLarge or nil
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Msg)
}

// Unwrap returns ErrTooDeep or ErrTooLarge where a limit was the matter.
func (e *SyntaxError) Unwrap() error { return e.limit }

func syntaxError(b []byte, at int, msg string, limit error) *SyntaxError {
	e := &SyntaxError{Offset: at, Line: 1, Column: 1, Msg: msg, limit: limit}
	line := 0
	for i, c := range b[:at] {
		if c == '\n' {
			e.Line++
			line = i + 1
		}
	}
	e.Column += utf8.RuneCount(b[line:at])
	return e
}

// Scan finds the border of the first EDN value of b: end is the offset just
// behind it, start where it begins, tags and metadata included. Blanks,
// comments and discards before it are passed over, UTF-8 or not. The end of b
// ends a token.
//
// The error is io.EOF if b holds no value, io.ErrUnexpectedEOF if the value is
// not complete, else a *SyntaxError.
func Scan(b []byte, lim Limits) (start, end int, err error) {
	lim = lim.OrDefault()
	s := scanner{max: lim.Depth}
	st := s.run(b, true)
	if st == scanComplete && s.i-s.start <= lim.Bytes && !s.wide {
		return s.start, s.i, nil
	}
	return s.result(b, st, lim)
}

// Check accepts b if it is exactly one value within lim, blanks, comments and
// discards aside, and all of it UTF-8. It returns the value's text, which
// aliases b. The error is a *SyntaxError.
func Check(b []byte, lim Limits) (value []byte, err error) {
	lim = lim.OrDefault()
	if len(b) > lim.Bytes {
		return nil, tooLarge(b, lim)
	}
	s := scanner{max: lim.Depth}
	st := s.run(b, true)
	start, end := s.start, s.i
	if st == scanComplete && end < len(b) {
		// Only blanks, comments and discards may follow.
		if st = s.run(b, true); st == scanComplete {
			return nil, syntaxError(b, s.start, "found a second value, expected one value only", nil)
		} else if st == scanNothing {
			st = scanComplete
		}
	}
	switch {
	case st == scanNothing:
		e := syntaxError(b, len(b), "empty", errEmpty)
		return nil, e
	case st == scanShort:
		return nil, syntaxError(b, len(b), s.unfinished(b), nil)
	case st != scanComplete:
		return nil, s.syntaxError(b, st)
	case s.wide && !utf8.Valid(b):
		return nil, badUTF8(b, 0)
	}
	return b[start:end], nil
}

// result makes Scan's results of where s has stopped in b.
func (s *scanner) result(b []byte, st scanStatus, lim Limits) (start, end int, err error) {
	switch st {
	case scanComplete:
		if s.i-s.start > lim.Bytes {
			return s.start, s.i, tooLarge(b[s.start:], lim)
		}
		if s.wide && !utf8.Valid(b[s.start:s.i]) {
			return s.start, s.i, badUTF8(b[:s.i], s.start)
		}
		return s.start, s.i, nil
	case scanNothing:
		return len(b), len(b), io.EOF
	case scanShort:
		start = s.begun()
		if len(b)-start > lim.Bytes {
			return start, len(b), tooLarge(b, lim)
		}
		return start, len(b), io.ErrUnexpectedEOF
	}
	e := s.syntaxError(b, st)
	return e.Offset, e.Offset, e
}

// begun returns where the unfinished value begins, len(b) if there is none.
func (s *scanner) begun() int {
	switch {
	case s.depth > 0:
		return s.start
	case s.mode != between:
		return s.tok
	}
	return s.i
}

func (s *scanner) syntaxError(b []byte, st scanStatus) *SyntaxError {
	if st == scanClosing {
		return syntaxError(b, s.i, fmt.Sprintf("found %c, but nothing is open", b[s.i]), nil)
	}
	return syntaxError(b, s.at, s.msg, s.limit)
}

func tooLarge(b []byte, lim Limits) *SyntaxError {
	return syntaxError(b, min(lim.Bytes, len(b)), fmt.Sprintf("the value is longer than the limit of %d bytes", lim.Bytes), ErrTooLarge)
}

// badUTF8 is the error of the first byte from at on that is not UTF-8.
func badUTF8(b []byte, at int) *SyntaxError {
	for at < len(b) {
		r, n := utf8.DecodeRune(b[at:])
		if r == utf8.RuneError && n == 1 {
			break
		}
		at += n
	}
	return syntaxError(b, at, fmt.Sprintf("found byte 0x%02x, expected UTF-8", b[at]), errBadUTF8)
}
