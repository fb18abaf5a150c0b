package pack

import (
	"bytes"
	"encoding/base64"
	"strconv"
	"unicode/utf8"

	"github.com/sente-lite/sente-lite/pipe"
)

// Ext reads an ext, whose header begins at a place and which ends here.
func (in *msgpackIn) ext(f *inFrame, at int, id int8, b []byte) (opened bool, err *pipe.Error) {
	from := len(in.dst)
	switch id {
	case extKeyword:
		if !isUsual(b) && !readsBack(b, pipe.KindKeyword) {
			return false, in.bad(at, "found the keyword %s, expected one that reads back as itself", quoted(b))
		}
		in.dst = append(append(append(in.dst, ':'), b...), ' ')
		in.meet(f, from)
	case extSymbol:
		if !readsBack(b, pipe.KindSymbol) {
			return false, in.bad(at, "found the symbol %s, expected one that reads back as itself", quoted(b))
		}
		in.dst = append(append(in.dst, b...), ' ')
	case extCached:
		if f == nil || !f.key() || len(b) != 1 || int(b[0]) >= len(in.met) {
			return false, in.bad(at, "found the number of a key where none or not that one can be, expected one of %d so far, in a key's place", len(in.met))
		}
		key := in.met[b[0]]
		in.dst = append(in.dst, in.dst[key.from:key.to]...)
	case extChar:
		r, n := utf8.DecodeRune(b)
		if n == 0 || n < len(b) || r == utf8.RuneError && n == 1 || r > 0xffff {
			return false, in.bad(at, "found the character %s, expected exactly one of 16 bits", quoted(b))
		}
		in.dst = append(appendChar(in.dst, r), ' ')
	case extRatio:
		return false, in.ratio(at, b)
	case extSet, extList:
		return in.inside(f, at, id, b)
	case extUUID:
		if !isUUID(b) {
			return false, in.bad(at, "found the UUID %s, expected 36 characters", quoted(b))
		}
		if len(in.places) >= in.depth {
			return false, in.deep(at)
		}
		in.dst = append(append(append(in.dst, `#uuid "`...), b...), `" `...)
		lower(in.dst[len(in.dst)-2-len(b):])
	case extInstant:
		t, ok := instantOf(b)
		if !ok {
			return false, in.bad(at, "found an instant of %d bytes, or with 10^9 nanoseconds or more, expected 12 bytes, 8 or 4", len(b))
		}
		if !t.hasText() {
			return false, in.foreign(at, id, b)
		}
		if len(in.places) >= in.depth {
			return false, in.deep(at)
		}
		in.dst = append(appendInstant(append(in.dst, `#inst "`...), t), `" `...)
	case extEDN:
		return false, in.edn(at, b)
	default:
		return false, in.foreign(at, id, b)
	}
	return false, nil
}

// Inside opens a set or list, whose array is the content of an ext.
func (in *msgpackIn) inside(f *inFrame, at int, id int8, b []byte) (bool, *pipe.Error) {
	around := in.end
	in.end = in.pos
	in.pos -= len(b)
	c := in.peek()
	if codes[c].form != formArray || len(b) == 0 {
		return false, in.bad(at, "found an ext %d without an array, expected one array in it", id)
	}
	from := len(in.dst)
	if _, err := in.value(f); err != nil {
		return false, err
	}
	in.dst = in.dst[:from]
	s := &in.places[len(in.places)-1]
	s.at, s.end = at, around
	if id == extList {
		s.shut = ')'
		in.dst = append(in.dst, '(')
	} else {
		s.shut, s.only = '}', true
		in.dst = append(in.dst, "#{"...)
	}
	return true, nil
}

func (in *msgpackIn) peek() byte {
	if in.pos < in.end {
		return in.src[in.pos]
	}
	return 0
}

// Ratio reads two integers.
func (in *msgpackIn) ratio(at int, b []byte) *pipe.Error {
	end, around := in.pos, in.end
	in.end, in.pos = in.pos, in.pos-len(b)
	from := len(in.dst)
	for i := range 2 {
		begin := len(in.dst)
		switch codes[in.peek()].form {
		case formSmall, formUint, formInt:
		default:
			return in.bad(at, "found a ratio of %d bytes, expected two integers", len(b))
		}
		if _, err := in.value(nil); err != nil {
			return err
		}
		in.dst = bytes.TrimSuffix(in.dst[:len(in.dst)-1], []byte("N"))
		if i == 0 {
			in.dst = append(in.dst, '/')
		} else if c := in.dst[begin]; c == '-' || c == '0' {
			in.dst = in.dst[:from]
			return in.bad(at, "found a ratio whose denominator is not above 0")
		}
	}
	if in.pos != end {
		return in.bad(at, "found a ratio of %d bytes, expected two integers", len(b))
	}
	in.end = around
	in.dst = append(in.dst, ' ')
	return nil
}

// Edn reads the EDN text of a value that MessagePack does not have.
func (in *msgpackIn) edn(at int, b []byte) *pipe.Error {
	room := in.depth - len(in.places)
	text, err := pipe.Check(b, pipe.Limits{Bytes: max(len(b), 1), Depth: max(room, 1)})
	if err != nil {
		return in.syntax(at, b, err)
	}
	if room == 0 && isNested(text) {
		return in.deep(at)
	}
	in.dst = append(append(in.dst, text...), ' ')
	return nil
}

// IsNested reports whether a value needs a level of nesting.
func isNested(text []byte) bool {
	switch text[0] {
	case '(', '[', '{', '^':
		return true
	case '#':
		return text[1] != '#' && text[1] != '"'
	}
	return false
}

// Foreign writes an ext that has no form of its own in EDN.
func (in *msgpackIn) foreign(at int, id int8, b []byte) *pipe.Error {
	var head [32]byte
	open := strconv.AppendInt(append(head[:0], extTag+" ["...), int64(id), 10)
	return in.bytes(at, 2, string(append(open, ` "`...)), b, `"] `)
}

// Bytes writes base64 between two texts, which take some levels of nesting.
func (in *msgpackIn) bytes(at, levels int, open string, b []byte, shut string) *pipe.Error {
	if len(in.places)+levels > in.depth {
		return in.deep(at)
	}
	if size := len(in.dst) - in.from + base64.StdEncoding.EncodedLen(len(b)); size > in.limit {
		return tooLarge(" or more as EDN", size, in.limit)
	}
	in.dst = append(base64.StdEncoding.AppendEncode(append(in.dst, open...), b), shut...)
	return nil
}

// Str writes a string, runs of plain characters at a time.
func (in *msgpackIn) str(f *inFrame, at int, text []byte) *pipe.Error {
	from := len(in.dst)
	in.dst = append(in.dst, '"')
	i, wide := 0, byte(0)
	for i < len(text) && ednPlain[text[i]] {
		wide |= text[i]
		i++
	}
	if i < len(text) {
		run := 0
		for ; i < len(text); i++ {
			c := text[i]
			wide |= c
			if !ednPlain[c] {
				in.dst = appendEDNRune(append(in.dst, text[run:i]...), rune(c))
				run = i + 1
			}
		}
		in.dst = append(in.dst, text[run:]...)
	} else {
		in.dst = append(in.dst, text...)
	}
	if wide >= utf8.RuneSelf && !utf8.Valid(text) {
		return in.bad(at, "found a string that is not UTF-8 from its byte %d on", invalid(text))
	}
	in.dst = append(in.dst, '"', ' ')
	in.meet(f, from)
	return nil
}

// EdnPlain has the bytes that stand for themselves in an EDN string as we write it.
var ednPlain = func() (set [256]bool) {
	for c := range set {
		set[c] = c >= ' ' && c != '"' && c != '\\'
	}
	return set
}()

// IsUsual reports whether a keyword's text is one of those that nearly all are: letters
// first, and no more than one slash, between such.
func isUsual(text []byte) bool {
	start := true
	slash := false
	for _, c := range text {
		switch u := usual[c]; {
		case u == usualLetter:
			start = false
		case u == usualRest && !start:
		case c == '/' && !start && !slash:
			start, slash = true, true
		default:
			return false
		}
	}
	return !start
}

const (
	usualLetter = 1
	usualRest   = 2
)

var usual = func() (set [256]uint8) {
	for c := range set {
		switch {
		case 'a' <= c|0x20 && c|0x20 <= 'z' && c < utf8.RuneSelf:
			set[c] = usualLetter
		case '0' <= c && c <= '9', c == '-', c == '_', c == '.', c == '?', c == '!', c == '*':
			set[c] = usualRest
		}
	}
	return set
}()

// ReadsBack reports whether the text of a keyword or symbol is read as just that.
func readsBack(text []byte, want pipe.ValueKind) bool {
	if want == pipe.KindKeyword {
		text = append([]byte{':'}, text...)
	} else if len(text) == 0 || text[0] == '^' || text[0] == '#' {
		return false
	}
	value, err := pipe.Check(text, pipe.Limits{Bytes: max(len(text), 1)})
	return err == nil && len(value) == len(text) && pipe.Kind(value) == want
}

// AppendChar appends a character as EDN has it.
func appendChar(dst []byte, r rune) []byte {
	dst = append(dst, '\\')
	switch r {
	case '\n':
		return append(dst, "newline"...)
	case '\r':
		return append(dst, "return"...)
	case ' ':
		return append(dst, "space"...)
	case '\t':
		return append(dst, "tab"...)
	case '\b':
		return append(dst, "backspace"...)
	case '\f':
		return append(dst, "formfeed"...)
	}
	if r < ' ' || r >= 0x7f && !isNameRune(r) || r == '@' || r == '`' || r == '~' {
		return appendHex4(dst[:len(dst)-1], r)
	}
	return utf8.AppendRune(dst, r)
}

// Quoted shows bytes of a message in an error.
func quoted(b []byte) string { return strconv.Quote(string(clip(b))) }
