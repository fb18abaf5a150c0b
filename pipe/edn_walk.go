package pipe

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// What follows walks text that Check has accepted and trusts it: it looks for
// brackets, quotes, backslashes and comments only.

// A ValueKind is what a value is, as far as its text tells.
type ValueKind uint8

// The kinds. KindInt includes big integers (12N), KindFloat decimals (1.5M) and
// ##Inf and its like, KindMap namespaced maps. KindOther is what is printed and
// cannot be read: #object[…] and regexes.
const (
	KindNone ValueKind = iota // no value
	KindNil
	KindBool
	KindString
	KindChar
	KindKeyword
	KindSymbol
	KindInt
	KindFloat
	KindRatio
	KindVector
	KindList
	KindMap
	KindSet
	KindTagged
	KindOther
)

var kindNames = [...]string{"nothing", "nil", "a boolean", "a string", "a character", "a keyword", "a symbol",
	"an integer", "a float", "a ratio", "a vector", "a list", "a map", "a set", "a tagged value", "an unreadable value"}

// String returns the kind with its article, for messages.
func (k ValueKind) String() string { return kindNames[k] }

// Kind returns the kind of the value v, whose metadata it looks through.
func Kind(v []byte) ValueKind {
	v = ednBare(v)
	if len(v) == 0 {
		return KindNone
	}
	switch c := v[0]; c {
	case ':':
		return KindKeyword
	case '"':
		return KindString
	case '[':
		return KindVector
	case '{':
		return KindMap
	case '(':
		return KindList
	case '\\':
		return KindChar
	case '#':
		return hashKind(v)
	case '+', '-':
		if len(v) > 1 && ednClass[v[1]] == clsDigit {
			return numberKind(v[1:])
		}
	case 'n':
		if string(v) == "nil" {
			return KindNil
		}
	case 't', 'f':
		if s := string(v); s == "true" || s == "false" {
			return KindBool
		}
	default:
		if ednClass[c] == clsDigit {
			return numberKind(v)
		}
	}
	return KindSymbol
}

func hashKind(v []byte) ValueKind {
	if len(v) < 2 {
		return KindNone
	}
	switch v[1] {
	case '{':
		return KindSet
	case ':':
		return KindMap
	case '#':
		return KindFloat
	case '"':
		return KindOther
	}
	if name := v[1:tokenLen(v)]; string(name) == "object" {
		return KindOther
	}
	return KindTagged
}

func numberKind(v []byte) ValueKind {
	for i, c := range v {
		switch c {
		case 'x', 'X', 'r', 'R':
			return KindInt
		case '/':
			return KindRatio
		case '.', 'e', 'E', 'M':
			return KindFloat
		default:
			if ednClass[c] != clsDigit {
				return numberKind(v[:i])
			}
		}
	}
	return KindInt
}

// A Cursor walks the elements of one collection in text that Check has
// accepted: for a map, keys and values in turn.
type Cursor struct {
	b []byte
	i int
}

// Elements returns a Cursor over coll, the text of a vector, list, set or map,
// a namespaced one too. Anything else has no elements.
func Elements(coll []byte) Cursor {
	coll = ednBare(coll)
	if len(coll) < 2 {
		return Cursor{}
	}
	i := 1
	switch coll[0] {
	case '[', '(', '{':
	case '#':
		if coll[1] == ':' {
			i = bytes.IndexByte(coll, '{') + 1
		} else if coll[1] == '{' {
			i = 2
		} else {
			return Cursor{}
		}
	default:
		return Cursor{}
	}
	return Cursor{b: coll[:len(coll)-1], i: i}
}

// Next returns the text of the next element, without the blanks, comments and
// discards before it. It allocates nothing; the text aliases the collection's.
func (c *Cursor) Next() (elem []byte, ok bool) {
	if !c.more() {
		return nil, false
	}
	start := c.i
	c.i = ednSkip(c.b, start)
	return c.b[start:c.i], true
}

// more moves to the next element and reports whether there is one.
func (c *Cursor) more() bool {
	c.i = ednGap(c.b, c.i)
	return c.i < len(c.b)
}

// Lookup returns the text of the value that the map m has for key, which is
// compared with the keys' text: ":to", ":chat/room", `"a string"`. Where m is a
// namespaced map, #:ns{:a 1 :_/b 2}, its keys are ":ns/a" and ":b".
func Lookup(m []byte, key string) (value []byte, ok bool) {
	m = ednBare(m)
	var ns []byte
	if len(m) > 2 && m[0] == '#' && m[1] == ':' {
		ns = m[2:tokenEndIn(m, 2)]
	} else if len(m) == 0 || m[0] != '{' {
		return nil, false
	}
	for c := Elements(m); c.more(); {
		k, _ := c.Next()
		if string(k) == key && ns == nil || ns != nil && sameKey(k, ns, key) {
			return c.Next()
		}
		if !c.more() {
			return nil, false
		}
		c.i = ednSkip(c.b, c.i)
	}
	return nil, false
}

// sameKey tells whether elem, a key in a map of namespace ns, is key.
func sameKey(elem, ns []byte, key string) bool {
	kind := Kind(elem)
	if kind != KindKeyword && kind != KindSymbol {
		return string(elem) == key
	}
	elem = ednBare(elem)
	if kind == KindKeyword {
		if key == "" || key[0] != ':' {
			return false
		}
		elem, key = elem[1:], key[1:]
	}
	if rest, ok := bytes.CutPrefix(elem, []byte("_/")); ok {
		return string(rest) == key
	}
	if string(elem) != "/" && bytes.IndexByte(elem, '/') >= 0 {
		return string(elem) == key
	}
	n := len(ns)
	return len(key) == n+1+len(elem) && key[:n] == string(ns) && key[n] == '/' && key[n+1:] == string(elem)
}

// ednBare returns v without leading metadata.
func ednBare(v []byte) []byte {
	for {
		switch {
		case len(v) > 0 && v[0] == '^':
			v = v[1:]
		case len(v) > 1 && v[0] == '#' && v[1] == '^':
			v = v[2:]
		default:
			return v
		}
		v = v[ednSkip(v, ednGap(v, 0)):]
		v = v[ednGap(v, 0):]
	}
}

// ednGap returns where the next value begins at or behind i, past blanks, comments
// and discards; len(b) if there is none.
func ednGap(b []byte, i int) int {
	for i < len(b) {
		switch ednClass[b[i]] {
		case clsBlank:
			i++
		case clsSemicolon:
			i = commentEnd(b, i)
		case clsHash:
			if i+1 == len(b) || b[i+1] != '_' {
				return i
			}
			i = ednSkip(b, ednGap(b, i+2))
		case clsWide:
			n, _ := blankRune(b[i:], true)
			if n == 0 {
				return i
			}
			i += n
		default:
			return i
		}
	}
	return i
}

// ednSkip returns the end of the value that begins at i. It does not recur: a
// prefix only adds to the number of values that are still to come.
func ednSkip(b []byte, i int) int {
	for due := 1; i < len(b); {
		switch ednClass[b[i]] {
		case clsOpen:
			i = collectionEnd(b, i+1)
		case clsQuote:
			i = textEnd(b, i+1)
		case clsBackslash:
			i = charEnd(b, i)
		case clsSemicolon:
			i = commentEnd(b, i)
			continue
		case clsBlank:
			i++
			continue
		case clsCaret:
			i++
			due++
			continue
		case clsHash:
			switch b[min(i+1, len(b)-1)] {
			case '"':
				i = textEnd(b, i+2)
			case '{':
				i = collectionEnd(b, i+2)
			case '#':
				i = tokenEndIn(b, i+2)
			case '_', '^':
				i += 2
				due++
				continue
			default: // a tag, or the namespace of a map: one value still follows
				i = tokenEndIn(b, i+1)
				continue
			}
		case clsWide:
			if n, _ := blankRune(b[i:], true); n > 0 {
				i += n
				continue
			}
			i = tokenEndIn(b, i)
		case clsDigit:
			i = numberEnd(b, i)
		case clsSign:
			if i+1 < len(b) && ednClass[b[i+1]] == clsDigit {
				i = numberEnd(b, i)
			} else {
				i = tokenEndIn(b, i)
			}
		default:
			i = tokenEndIn(b, i)
		}
		if due--; due == 0 {
			return i
		}
	}
	return len(b)
}

// collectionEnd returns what is behind the closing bracket of the collection
// that i is in. Tokens need not be told apart there.
func collectionEnd(b []byte, i int) int {
	for open := 1; ; {
		for i < len(b) && ednClass[b[i]] <= clsBlank {
			i++
		}
		if i >= len(b) {
			return len(b)
		}
		switch ednClass[b[i]] {
		case clsOpen:
			open++
		case clsShut:
			if open--; open == 0 {
				return i + 1
			}
		case clsQuote:
			i = textEnd(b, i+1)
			continue
		case clsBackslash:
			i++ // what follows is no bracket, whatever it looks like
		case clsSemicolon:
			i = commentEnd(b, i)
			continue
		}
		i++
	}
}

// tokenEndIn returns the end of the symbol or keyword that i is in.
func tokenEndIn(b []byte, i int) int {
	for i < len(b) {
		if k := ednClass[b[i]]; k >= clsBlank {
			break
		} else if k == clsWide {
			if n, _ := blankRune(b[i:], true); n > 0 {
				break
			}
		}
		i++
	}
	return i
}

func tokenLen(v []byte) int { return tokenEndIn(v, 0) }

// numberEnd returns the end of the number that i is in: a # ends it.
func numberEnd(b []byte, i int) int {
	for i < len(b) && ednClass[b[i]] < clsBlank && ednClass[b[i]] != clsHash && ednClass[b[i]] != clsWide {
		i++
	}
	return i
}

// textEnd returns what is behind the closing quote of the string that i is in.
func textEnd(b []byte, i int) int {
	for i < len(b) {
		for len(b)-i >= 8 {
			if stop := textStop(binary.LittleEndian.Uint64(b[i:])); stop != 0 {
				i += bits.TrailingZeros64(stop) >> 3
				break
			}
			i += 8
		}
		for i < len(b) && b[i] != '"' && b[i] != '\\' {
			i++
		}
		if i < len(b) && b[i] == '"' {
			return i + 1
		}
		i += 2
	}
	return len(b)
}

// charEnd returns the end of the character whose backslash is at i.
func charEnd(b []byte, i int) int {
	if i += 2; i < len(b) && b[i-1] >= 0xc0 {
		for i < len(b) && b[i]&0xc0 == 0x80 {
			i++
		}
	}
	return tokenEndIn(b, min(i, len(b)))
}

// commentEnd returns what is behind the newline of the comment that begins at i.
func commentEnd(b []byte, i int) int {
	for i < len(b) {
		i++
		if c := b[i-1]; c == '\n' || c == '\r' {
			break
		}
	}
	return i
}
