package pack

import (
	"bytes"
	"fmt"
	"strconv"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/sente-lite/sente-lite/pipe"
)

// JSON is the packer for pages and tools that know no EDN (contract section
// 3). It is lossy by intent: each side gets what its language would have
// written.
//
// In, an event is ["chat/msg", data]. Strings become keywords where a name is
// expected, and only there: first in an event, bare, in a call, in a bundle
// ("batch/events") or as the "event" of sente-lite/send and sente-lite/request,
// and as the key of an object if the key reads back as that keyword. The value
// of a reply ("chsk/reply") is data. Numbers keep their digits: integers of any
// size, and 1e3 stays a double. -0 is -0.0, which EDN's integers lack. Lone
// surrogates are refused, and so is an object with a key twice, which would be
// no map in EDN.
//
// Out:
//
//	keyword              "ns/name", as a key too
//	symbol, character    their text
//	#uuid, ratio         their text
//	#inst                RFC 3339, missing parts filled in, UTC as Z
//	list, vector, set    array
//	integer              number up to 2^53, beyond it text
//	1.5M, 1M             text without the M
//	1.0, 1e3             number
//	##NaN ##Inf ##-Inf   null, and so is a double that is too large for one
//	#tag value           value
//	#"regex" #object[…]  their EDN text
//	^meta value          value
//	#:ns{:a 1}           {"ns/a": 1}
//
// Keys that are text by these rules are that text; all others, such as numbers,
// nil and collections, are their EDN text. A map in which two keys become the
// same, like {:a 1 "a" 2}, is refused.
var JSON pipe.Packer = new(jsonPacker)

type jsonPacker struct {
	scratch sync.Pool // of *scratch
}

func (*jsonPacker) Name() string { return "json" }
func (*jsonPacker) Text() bool   { return true }

// Scratch is what packing one message needs beside the text.
type scratch struct {
	frames []frame
	names  nameSet
	text   []byte
}

// Larger ones are not kept.
const keepScratch = 1 << 14

func (p *jsonPacker) take() *scratch {
	if s, ok := p.scratch.Get().(*scratch); ok {
		return s
	}
	return &scratch{names: newNameSet()}
}

func (p *jsonPacker) give(s *scratch) {
	if cap(s.frames) > keepScratch || cap(s.names.all) > keepScratch || cap(s.text) > 8*keepScratch {
		return
	}
	clear(s.frames[:cap(s.frames)]) // they point into messages
	s.frames, s.names.all, s.text = s.frames[:0], s.names.all[:0], s.text[:0]
	p.scratch.Put(s)
}

// A frame is one open array or object.
type frame struct {
	shut  byte   // how it is closed
	names int    // where its keys begin in the name set, of an object
	n     int    // values so far; of an object, keys and values
	shape shape  // in: what is expected in it
	head  head   // in: the name of an event, where it matters
	ns    []byte // out: of a namespaced map
}

func badJSON(text []byte, pos int, format string, args ...any) *pipe.Error {
	line, column := position(text, pos)
	return &pipe.Error{
		Category: pipe.Incorrect,
		Code:     "bad-json",
		Msg:      fmt.Sprintf("JSON, line %d, column %d: ", line, column) + fmt.Sprintf(format, args...),
		Hint:     `an event is ["chat/msg", {"text": "hi"}], one JSON value a message`,
		Data:     fmt.Sprintf("{:line %d :column %d}", line, column),
	}
}

func tooLarge(what string, size, limit int) *pipe.Error {
	return &pipe.Error{
		Category: pipe.Incorrect,
		Code:     "too-large",
		Msg:      fmt.Sprintf("the message has %d bytes%s, allowed are %d", size, what, limit),
		Hint:     "send less at once, or raise :flow :max-message-bytes",
		Data:     fmt.Sprintf("{:limit %d}", limit),
	}
}

func tooDeep(text []byte, pos, limit int) *pipe.Error {
	line, column := position(text, pos)
	return &pipe.Error{
		Category: pipe.Incorrect,
		Code:     "too-deep",
		Msg:      fmt.Sprintf("JSON, line %d, column %d: nested deeper than the %d levels allowed", line, column, limit),
		Hint:     "send flatter data, or raise :flow :max-depth",
		Data:     fmt.Sprintf("{:limit %d :line %d :column %d}", limit, line, column),
	}
}

// Position counts lines and characters from 1.
func position(text []byte, pos int) (line, column int) {
	before := text[:min(pos, len(text))]
	line = 1 + bytes.Count(before, []byte("\n"))
	return line, 1 + utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:])
}

// Found says what is at pos, for an error.
func found(text []byte, pos int) string {
	if pos >= len(text) {
		return "the end"
	}
	r, _ := utf8.DecodeRune(text[pos:])
	return strconv.QuoteRune(r)
}

// IsKeyword reports whether the text behind a colon is read as that keyword by
// every EDN reader there is. It is stricter than most of them.
//
// A name has letters, digits, other printing characters beyond ASCII, and
// . * + ! - _ ? $ % & = < > ' # and : inside; ' # : begin none, : ends none and
// is never doubled. There may be a namespace before one slash, and then the
// name begins with no digit, as Clojure's reader wants it.
func IsKeyword(text []byte) bool {
	if ns, name, ok := bytes.Cut(text, []byte("/")); ok {
		return isName(ns) && isName(name) && !isDigit(ns[0]) && !isDigit(name[0])
	}
	return isName(text)
}

func isName(text []byte) bool {
	if len(text) == 0 || text[len(text)-1] == ':' {
		return false
	}
	switch text[0] {
	case '\'', '#', ':':
		return false
	}
	for i := 0; i < len(text); {
		c := text[i]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRune(text[i:])
			if !isNameRune(r) {
				return false
			}
			i += n
			continue
		}
		if !nameBytes[c] || c == ':' && text[i-1] == ':' {
			return false
		}
		i++
	}
	return true
}

// NameBytes are the ASCII characters of names.
var nameBytes = func() (set [utf8.RuneSelf]bool) {
	for _, c := range "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.*+!-_?$%&=<>'#:" {
		set[c] = true
	}
	return set
}()

// IsNameRune says which characters beyond ASCII are in names: those that can be
// seen and are no space.
func isNameRune(r rune) bool {
	return r != utf8.RuneError && unicode.IsGraphic(r) && !unicode.IsSpace(r) && !unicode.Is(unicode.Zs, r)
}

// Join makes the bundle.
func (*jsonPacker) Join(dst []byte, items [][]byte) []byte {
	dst = append(dst, `["batch/events",[`...)
	for i, it := range items {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, it...)
	}
	return append(dst, "]]"...)
}
