package pack

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"github.com/vmihailenco/msgpack/v5/msgpcode"
)

// Pack appends the MessagePack form of one EDN message.
func (p *msgpackPacker) Pack(dst, edn []byte) ([]byte, error) {
	s := p.take()
	defer p.give(s)
	s.keys.reset()
	out := msgpackOut{msgpackWriter: msgpackWriter{msgpackScratch: s, dst: dst}, tokens: tokens{text: edn}, sente: p.sente}
	if err := out.message(); err != nil {
		return dst, err
	}
	out.fix()
	return out.dst, nil
}

// MsgpackOut reads EDN and writes MessagePack, with open collections on a stack of its
// own.
type msgpackOut struct {
	msgpackWriter
	tokens
	sente bool
}

// An outFrame is one open collection.
type outFrame struct {
	place
	n     int  // values so far; of a map, keys and values
	ns    span // where that of a namespaced map stands
	kind  holder
	exact bool // inside a set or a key: what is equal must be the same bytes
}

// Key reports whether a map's next value is a key.
func (f *outFrame) key() bool { return f.kind == heldMap && f.n&1 == 0 }

// Exactly is exact for the next value in f, which may be nil.
func (f *outFrame) exactly() bool {
	return f != nil && (f.exact || f.kind == heldSet || f.key())
}

// message takes what is frequent by its first byte, and leaves the rest to other.
func (out *msgpackOut) message() error {
	b := out.tokens.text
	for {
		i := out.pos
		for i < len(b) && (b[i] == ' ' || b[i] == ',') {
			i++
		}
		if i == len(b) {
			return badEDN("the text ends inside a value")
		}
		out.pos = i
		var f *outFrame
		if n := len(out.frames); n > 0 {
			f = &out.frames[n-1]
		}
		switch c := b[i]; c {
		case '[', '(', '{':
			out.pos++
			out.open(f, c, span{})
			continue
		case ']', ')', '}':
			out.pos++
			if f == nil {
				return badEDN("a bracket closes nothing")
			}
			if err := out.close(f); err != nil {
				return err
			}
		case ':':
			end := wordEnd(b, i+1)
			out.pos = end
			out.keyword(f, b[i+1:end])
		case '"':
			end, plain := plainEnd(b, i+1)
			if !plain {
				end = stringEnd(b, i)
			}
			out.pos = end
			if err := out.str(f, b[i:end], plain); err != nil {
				return err
			}
		default:
			opened, err := out.other(f, c)
			if err != nil {
				return err
			}
			if opened {
				continue
			}
		}
		if n := len(out.frames); n == 0 {
			return nil
		} else {
			out.frames[n-1].n++
		}
	}
}

// Other takes any value, and what opens one.
func (out *msgpackOut) other(f *outFrame, c byte) (opened bool, err error) {
	if isDigit(c) || c == '-' {
		if out.small(f) {
			return false, nil
		}
	}
	k, tok := out.next()
	at := out.pos - len(tok)
	switch k {
	case tokOpen:
		if tok[0] == '#' && len(tok) == 2 {
			out.open(f, '#', span{})
		} else if tok[0] == '#' {
			out.open(f, '{', span{uint32(at + 2), uint32(at + 2 + len(namespace(tok)))})
		} else {
			out.open(f, tok[0], span{})
		}
		return true, nil
	case tokShut:
		if f == nil {
			return false, badEDN("a bracket closes nothing")
		}
		return false, out.close(f)
	case tokKeyword:
		out.keyword(f, tok[1:])
	case tokString:
		return false, out.str(f, tok, bytes.IndexByte(tok, '\\') < 0)
	case tokSymbol:
		switch string(tok) {
		case "nil":
			out.dst = append(out.dst, msgpcode.Nil)
		case "true":
			out.dst = append(out.dst, msgpcode.True)
		case "false":
			out.dst = append(out.dst, msgpcode.False)
		default:
			out.name(f, extSymbol, tok)
		}
	case tokNumber:
		return false, out.number(f, at, tok)
	case tokSpecial:
		out.special(f, tok)
	case tokChar:
		var text [utf8.UTFMax]byte
		n := utf8.EncodeRune(text[:], charRune(tok))
		out.dst = append(appendExtHead(out.dst, extChar, n), text[:n]...)
	case tokRegex:
		return false, out.edn(at, "is a regex", nil)
	case tokTag:
		return false, out.tagged(f, at, tok)
	default:
		return false, badEDN("a value is missing")
	}
	return false, nil
}

// Open begins a collection, # for a set, which is the next value of f.
func (out *msgpackOut) open(f *outFrame, c byte, ns span) {
	in := outFrame{kind: heldArray, ns: ns, exact: f.exactly()}
	switch c {
	case '{':
		in.kind = heldMap
	case '#':
		in.kind = heldSet
	case '(':
		if !out.sente {
			in.kind = heldList
		}
	}
	in.place = out.hold(in.kind)
	out.frames = append(out.frames, in)
}

// Close ends the collection f.
func (out *msgpackOut) close(f *outFrame) error {
	n := f.n
	if f.kind == heldMap {
		if n&1 == 1 {
			return badEDN("a map has a key without a value")
		}
		n /= 2
	}
	out.settle(f.place, f.kind, n)
	out.frames = out.frames[:len(out.frames)-1]
	return nil
}

func (out *msgpackOut) keyword(f *outFrame, text []byte) {
	from := len(out.dst)
	out.name(f, extKeyword, text)
	if f != nil && f.key() {
		out.known(from)
	}
}

// Name writes a keyword or symbol. The keys of a namespaced map get its namespace.
func (out *msgpackOut) name(f *outFrame, id int8, text []byte) {
	if f != nil && f.ns.to > 0 && f.key() {
		name, qualify := unqualified(text)
		if qualify {
			ns := out.tokens.text[f.ns.from:f.ns.to]
			out.dst = appendExtHead(out.dst, id, len(ns)+1+len(name))
			out.dst = append(append(out.dst, ns...), '/')
		} else {
			out.dst = appendExtHead(out.dst, id, len(name))
		}
		out.dst = append(out.dst, name...)
		return
	}
	out.dst = append(appendExtHead(out.dst, id, len(text)), text...)
}

// Str writes a string, which is as it stands in EDN if it is plain.
func (out *msgpackOut) str(f *outFrame, tok []byte, plain bool) error {
	text := tok[1:max(1, len(tok)-1)]
	if !plain {
		var whole bool
		if text, whole = out.unescaped(text); !whole {
			return out.edn(out.pos-len(tok), "is a string with half of a surrogate pair", nil)
		}
	}
	from := len(out.dst)
	out.dst = append(appendStrHead(out.dst, len(text)), text...)
	if f != nil && f.key() {
		out.known(from)
	}
	return nil
}

// Unescaped returns what an EDN string's inside stands for, whole if all of it is
// UTF-8. It is good until the next one.
func (out *msgpackOut) unescaped(text []byte) (_ []byte, whole bool) {
	s := out.msgpackScratch.text[:0]
	whole = true
	for {
		i := bytes.IndexByte(text, '\\')
		if i < 0 {
			s = append(s, text...)
			out.msgpackScratch.text = s
			return s, whole
		}
		s = append(s, text[:i]...)
		r, n := escapedRune(text[i:])
		whole = whole && !isSurrogate(r)
		s = utf8.AppendRune(s, r)
		text = text[i+n:]
	}
}

// PlainEnd returns what is behind the closing quote of the string that i is in, if no
// backslash comes before it.
func plainEnd(b []byte, i int) (end int, plain bool) {
	for near := min(i+32, len(b)); i < near; i++ {
		if b[i] == '"' {
			return i + 1, true
		} else if b[i] == '\\' {
			return i, false
		}
	}
	n := bytes.IndexByte(b[i:], '"')
	if n < 0 || bytes.IndexByte(b[i:i+n], '\\') >= 0 {
		return i, false
	}
	return i + n + 1, true
}

// Edn writes a value that MessagePack does not have as its EDN text. The value is the
// one that begins at a place and has just been read; problem says what it is, of which
// %s is the text.
func (out *msgpackOut) edn(at int, problem string, text []byte) error {
	if out.sente {
		return unsupported(out.tokens.text, at, "bad-msgpack",
			strings.Replace(problem, "%s", string(clip(text)), 1)+", and Sente's MessagePack has no form for that",
			"send something else in its place, or let this peer use :edn")
	}
	value := out.tokens.text[at:out.pos]
	out.dst = append(appendExtHead(out.dst, extEDN, len(value)), value...)
	return nil
}
