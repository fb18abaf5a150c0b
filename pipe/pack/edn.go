package pack

import (
	"fmt"
	"strconv"

	"github.com/sente-lite/sente-lite/pipe"
	"olympos.io/encoding/edn"
)

// What DecodeEDN makes of keywords and symbols: their text, without the colon.
type (
	Keyword = edn.Keyword
	Symbol  = edn.Symbol
)

// DecodeEDN decodes one EDN value as configuration has them:
//
//	nil            nil           map            map[any]any
//	true           bool          set            map[any]bool
//	integer        int64         vector, list   []any
//	double, 1.5M   float64       keyword        Keyword
//	string, \a     string        symbol         Symbol
//
// Keys of maps and members of sets are scalars, and come once. What these types
// do not carry is refused: ratios, ##NaN and ##Inf, integers beyond 64 bits,
// tags and regexes. The error is a *pipe.SyntaxError.
func DecodeEDN(b []byte) (any, error) {
	if _, err := pipe.Check(b, pipe.Limits{}); err != nil {
		return nil, err
	}
	p := plainer{tokens: tokens{text: b}, names: newNameSet()}
	if err := p.value(); err != nil {
		return nil, err
	}
	var v any
	if err := edn.Unmarshal(p.dst, &v); err != nil {
		return nil, &pipe.SyntaxError{Line: 1, Column: 1, Msg: err.Error()}
	}
	return v, nil
}

// A plainer rewrites EDN that pipe.Check has accepted into the part of EDN that
// the library decodes as Clojure would: integers in decimal, strings with plain
// escapes, namespaced maps spelt out, no comments, discards and metadata.
type plainer struct {
	tokens
	dst    []byte
	frames []frame
	names  nameSet
}

func (p *plainer) value() error {
	for {
		k, tok := p.next()
		at := p.pos - len(tok)
		if k == tokShut {
			f := p.frames[len(p.frames)-1]
			p.frames = p.frames[:len(p.frames)-1]
			if twice, at := p.names.close(p.dst, f.names); twice != nil {
				return p.refuse(at, "%s comes twice", clip(twice))
			}
			p.dst = append(p.dst, tok[0])
		} else {
			f := p.step()
			from := len(p.dst)
			if err := p.token(f, k, tok); err != nil {
				return err
			}
			if f != nil && f.unique() {
				if k == tokOpen {
					return p.refuse(at, "found a collection as %s, expected a keyword, string or number", f.what())
				}
				p.names.add(p.dst, from, at)
			}
			if f != nil {
				f.n++
			}
			if k == tokOpen {
				p.open(tok)
			}
		}
		if len(p.frames) == 0 {
			return nil
		}
	}
}

// Step returns the collection that the next value is in, nil for none.
func (p *plainer) step() *frame {
	if len(p.frames) == 0 {
		return nil
	}
	p.dst = append(p.dst, ' ')
	return &p.frames[len(p.frames)-1]
}

func (p *plainer) open(tok []byte) {
	f := frame{names: len(p.names.all)}
	switch {
	case tok[0] == '{':
		f.shut = '}'
	case tok[0] == '#' && tok[1] == '{':
		f.shut = '#'
	case tok[0] == '#':
		f.shut = '}'
		f.ns = namespace(tok)
	}
	p.frames = append(p.frames, f)
}

// Unique reports whether the next value may come only once.
func (f *frame) unique() bool { return f.shut == '#' || f.shut == '}' && f.n&1 == 0 }

func (f *frame) what() string {
	if f.shut == '#' {
		return "a member of a set"
	}
	return "a key"
}

func (p *plainer) token(f *frame, k kind, tok []byte) error {
	at := p.pos - len(tok)
	switch k {
	case tokOpen:
		if tok[0] == '#' && tok[1] != '{' {
			tok = tok[len(tok)-1:]
		}
		p.dst = append(p.dst, tok...)
	case tokString:
		p.text(tok[1 : len(tok)-1])
	case tokChar:
		p.dst = append(p.dst, '"')
		p.dst = appendEDNRune(p.dst, charRune(tok))
		p.dst = append(p.dst, '"')
	case tokKeyword, tokSymbol:
		if f != nil && f.ns != nil && f.unique() && !isWord(tok) {
			p.qualified(f.ns, k, tok)
		} else {
			p.dst = append(p.dst, tok...)
		}
	case tokNumber:
		from := len(p.dst)
		p.dst = appendNumber(p.dst, tok)
		switch numberKind(tok) {
		case numRatio:
			return p.refuse(at, "found the ratio %s, expected a number", clip(tok))
		case numInteger:
			if _, err := strconv.ParseInt(string(p.dst[from:]), 10, 64); err != nil {
				return p.refuse(at, "found %s, expected an integer of 64 bits", clip(tok))
			}
		case numDecimal:
			p.dst = append(p.dst, 'M') // or 1M were an integer
		}
	case tokTag:
		return p.refuse(at, "found the tag %s, expected a value without a tag", clip(tok))
	default:
		return p.refuse(at, "found %s, expected a number, string, keyword or collection", clip(tok))
	}
	return nil
}

func (p *plainer) qualified(ns []byte, k kind, tok []byte) {
	if k == tokKeyword {
		p.dst = append(p.dst, ':')
		tok = tok[1:]
	}
	name, qualify := unqualified(tok)
	if qualify {
		p.dst = append(p.dst, ns...)
		p.dst = append(p.dst, '/')
	}
	p.dst = append(p.dst, name...)
}

func (p *plainer) text(text []byte) {
	p.dst = append(p.dst, '"')
	for i := 0; i < len(text); {
		if text[i] != '\\' {
			p.dst = append(p.dst, text[i])
			i++
			continue
		}
		r, n := escapedRune(text[i:])
		p.dst = appendEDNRune(p.dst, r)
		i += n
	}
	p.dst = append(p.dst, '"')
}

func (p *plainer) refuse(at int, format string, args ...any) error {
	line, column := position(p.tokens.text, at)
	return &pipe.SyntaxError{Offset: at, Line: line, Column: column, Msg: fmt.Sprintf(format, args...)}
}

// named is a step through a map as its key is written.
func named(step any) string {
	if word, ok := step.(Keyword); ok {
		return ":" + string(word)
	}
	return string(step.(Symbol))
}

// Locate returns where in EDN text a path leads: the line and column of its
// last key, or of the value, where the last step is an index. A path goes
// through maps by Keyword, or by a Symbol that is any other key as it is written,
// and through vectors by int; where it leads nowhere, the last step that did
// counts.
func Locate(b []byte, path ...any) (line, column int) {
	t := tokens{text: b}
	k, tok := t.next()
	at := t.pos - len(tok)
	for _, step := range path {
		found := false
		for i := 0; k == tokOpen && !found; i++ {
			kk, key := t.next()
			if kk == tokEnd || kk == tokShut {
				break
			}
			begin := t.pos - len(key)
			switch step := step.(type) {
			case int:
				if found = i == step; found {
					at, k, tok = begin, kk, key
					continue
				}
				t.form(kk, key)
			case Keyword, Symbol:
				t.form(kk, key)
				vk, value := t.next()
				if found = string(key) == named(step); found {
					at, k, tok = begin, vk, value
					continue
				}
				t.form(vk, value)
			}
		}
		if !found {
			break
		}
	}
	return position(b, at)
}
