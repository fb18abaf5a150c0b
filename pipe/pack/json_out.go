package pack

import (
	"bytes"
	"unicode/utf8"

	"github.com/sente-lite/sente-lite/pipe"
)

// Pack appends the JSON form of one EDN message.
func (p *jsonPacker) Pack(dst, edn []byte) ([]byte, error) {
	s := p.take()
	defer p.give(s)
	out := jsonOut{scratch: s, tokens: tokens{text: edn}, dst: dst, from: len(dst)}
	if err := out.message(); err != nil {
		return dst, err
	}
	return out.dst, nil
}

// JsonOut reads EDN and writes JSON, with open collections on a stack of its
// own.
type jsonOut struct {
	*scratch
	tokens
	dst  []byte
	from int // where the message begins in dst
}

func (out *jsonOut) message() error {
	for {
		k, tok := out.next()
		if k == tokShut {
			if err := out.close(); err != nil {
				return err
			}
		} else if err := out.element(k, tok); err != nil {
			return err
		}
		if len(out.frames) == 0 {
			return nil
		}
	}
}

// Element writes what a token begins, with what separates it from the one
// before.
func (out *jsonOut) element(k kind, tok []byte) error {
	if k == tokEnd {
		return badEDN("the text ends inside a value")
	}
	key := false
	if n := len(out.frames); n > 0 {
		f := &out.frames[n-1]
		key = f.shut == '}' && f.n&1 == 0
		switch {
		case f.shut == '}' && !key:
			out.dst = append(out.dst, ':')
		case f.n > 0:
			out.dst = append(out.dst, ',')
		}
		f.n++
		if key {
			out.key(f.ns, k, tok)
			return nil
		}
	}
	return out.value(k, tok)
}

func (out *jsonOut) value(k kind, tok []byte) error {
	for ; k == tokTag; k, tok = out.next() {
		if string(tok) == "#object" {
			out.ednText(out.form(k, tok))
			return nil
		}
		if string(tok) == "#inst" {
			if text, ok := out.tagged(); ok {
				out.inst(text)
				return nil
			}
		}
	}
	switch k {
	case tokOpen:
		out.open(tok)
	case tokNumber:
		out.number(tok)
	case tokSpecial:
		out.dst = append(out.dst, "null"...)
	case tokSymbol:
		switch string(tok) {
		case "nil":
			out.dst = append(out.dst, "null"...)
			return nil
		case "true", "false":
			out.dst = append(out.dst, tok...)
			return nil
		}
		out.text(k, tok)
	case tokKeyword, tokString, tokChar, tokRegex:
		out.text(k, tok)
	default:
		return badEDN("a value is missing")
	}
	return nil
}

func (out *jsonOut) open(tok []byte) {
	f := frame{shut: ']', names: len(out.names.all)}
	switch {
	case tok[0] == '{':
		f.shut = '}'
		out.dst = append(out.dst, '{')
	case len(tok) > 2: // #:ns{
		f.shut = '}'
		f.ns = namespace(tok)
		out.dst = append(out.dst, '{')
	default:
		out.dst = append(out.dst, '[')
	}
	out.frames = append(out.frames, f)
}

func (out *jsonOut) close() error {
	if len(out.frames) == 0 {
		return badEDN("a bracket closes nothing")
	}
	f := out.frames[len(out.frames)-1]
	out.frames = out.frames[:len(out.frames)-1]
	out.dst = append(out.dst, f.shut)
	if f.shut == ']' {
		return nil
	}
	if f.n&1 == 1 {
		return badEDN("a map has a key without a value")
	}
	if twice, at := out.names.close(out.dst, f.names); twice != nil {
		return unsupported(out.tokens.text, at, "bad-json", "has two keys that are both "+string(clip(twice))+" in JSON",
			"give one of them another name, or let this peer use :edn")
	}
	return nil
}

// Key writes a map's key, always as a string.
func (out *jsonOut) key(ns []byte, k kind, tok []byte) {
	from, at := len(out.dst), out.pos-len(tok)
	switch k {
	case tokKeyword, tokSymbol:
		if ns != nil && !isWord(tok) {
			out.qualified(ns, k, tok)
		} else {
			out.text(k, tok)
		}
	case tokString, tokChar, tokRegex:
		out.text(k, tok)
	case tokNumber:
		out.dst = append(out.dst, '"')
		out.dst = appendNumber(out.dst, tok)
		out.dst = append(out.dst, '"')
	case tokTag:
		begin, end := out.pos-len(tok), out.pos
		if text, ok := out.tagged(); ok && string(tok) == "#inst" {
			out.inst(text)
		} else if ok && string(tok) == "#uuid" {
			out.text(tokString, text)
		} else {
			out.pos = end
			out.ednText(out.form(k, out.tokens.text[begin:end]))
		}
	default:
		out.ednText(out.form(k, tok))
	}
	out.names.add(out.dst, from, at)
}

// Qualified writes the key of a namespaced map: one without a namespace gets
// the map's, one with the namespace _ loses it.
func (out *jsonOut) qualified(ns []byte, k kind, tok []byte) {
	if k == tokKeyword {
		tok = tok[1:]
	}
	out.dst = append(out.dst, '"')
	name, qualify := unqualified(tok)
	if qualify {
		out.plain(ns)
		out.dst = append(out.dst, '/')
	}
	out.plain(name)
	out.dst = append(out.dst, '"')
}

// Unqualified returns the name of a key in a namespaced map, and whether it
// gets the map's namespace: _/name has none, x/name its own.
func unqualified(key []byte) (name []byte, qualify bool) {
	if rest, ok := bytes.CutPrefix(key, []byte("_/")); ok {
		return rest, false
	}
	return key, len(key) == 1 || bytes.IndexByte(key, '/') < 0
}

// Tagged returns the string that a tag just read belongs to. If it is none,
// nothing has been read.
func (out *jsonOut) tagged() (text []byte, ok bool) {
	before := out.pos
	k, tok := out.next()
	if k != tokString {
		out.pos = before
		return nil, false
	}
	return tok, true
}

// Text writes what is text by itself.
func (out *jsonOut) text(k kind, tok []byte) {
	switch k {
	case tokKeyword:
		tok = tok[1:]
	case tokString:
		out.dst = append(out.dst, '"')
		out.unescaped(tok[1:max(1, len(tok)-1)])
		out.dst = append(out.dst, '"')
		return
	case tokChar:
		out.dst = append(out.dst, '"')
		out.dst = appendJSONRune(out.dst, charRune(tok))
		out.dst = append(out.dst, '"')
		return
	}
	out.ednText(tok)
}

// EdnText writes text as it is.
func (out *jsonOut) ednText(text []byte) {
	out.dst = append(out.dst, '"')
	out.plain(text)
	out.dst = append(out.dst, '"')
}

func (out *jsonOut) plain(text []byte) {
	run := 0
	for i := 0; i < len(text); {
		c := text[i]
		if jsonPlain[c] {
			i++
			continue
		}
		r, n := utf8.DecodeRune(text[i:])
		out.dst = append(out.dst, text[run:i]...)
		out.dst = appendJSONRune(out.dst, r)
		i += n
		run = i
	}
	out.dst = append(out.dst, text[run:]...)
}

// Unescaped writes the inside of an EDN string.
func (out *jsonOut) unescaped(text []byte) {
	for {
		i := bytes.IndexByte(text, '\\')
		if i < 0 {
			out.plain(text)
			return
		}
		out.plain(text[:i])
		r, n := escapedRune(text[i:])
		out.dst = appendJSONRune(out.dst, r)
		text = text[i+n:]
	}
}

func (out *jsonOut) inst(text []byte) {
	out.dst = append(out.dst, '"')
	inside := text[1:max(1, len(text)-1)]
	if dst, ok := appendInst(out.dst, inside); ok {
		out.dst = dst
	} else {
		out.unescaped(inside)
	}
	out.dst = append(out.dst, '"')
}

// Number writes a number, as text where JSON's readers would change it.
func (out *jsonOut) number(tok []byte) {
	switch numberKind(tok) {
	case numInteger:
		from := len(out.dst)
		out.dst = appendNumber(out.dst, tok)
		if !isSafe(out.dst[from:]) {
			out.dst = append(out.dst, 0, 0)
			copy(out.dst[from+1:], out.dst[from:len(out.dst)-2])
			out.dst[from], out.dst[len(out.dst)-1] = '"', '"'
		}
	case numDouble:
		out.dst = appendDouble(out.dst, tok)
	default:
		out.dst = append(out.dst, '"')
		out.dst = appendNumber(out.dst, tok)
		out.dst = append(out.dst, '"')
	}
}

func isWord(tok []byte) bool {
	switch string(tok) {
	case "nil", "true", "false":
		return true
	}
	return false
}

// JsonPlain has the bytes that stand for themselves in a JSON string; the one
// that begins U+2028 does not.
var jsonPlain = func() (set [256]bool) {
	for c := range set {
		set[c] = c >= ' ' && c != '"' && c != '\\' && c != 0xe2
	}
	return set
}()

// BadEDN says that Pack was given what pipe.Check would not have accepted.
func badEDN(what string) error {
	return &pipe.Error{Category: pipe.Fault, Code: "bad-edn", Msg: "not one EDN value: " + what}
}

// Clip shortens what goes into an error.
func clip(text []byte) []byte {
	if len(text) <= 64 {
		return text
	}
	text = text[:61]
	for len(text) > 0 && !utf8.Valid(text) {
		text = text[:len(text)-1]
	}
	return append(bytes.Clone(text), "…"...)
}
