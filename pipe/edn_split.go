package pipe

import (
	"bytes"
	"errors"
	"fmt"
	"unicode/utf8"
)

// A Shape is what a message is, contract section 3.
type Shape uint8

// The shapes.
const (
	ShapeEvent Shape = iota
	ShapeCall
	ShapeReply
	ShapeBundle
)

// An Item is one message taken apart. Everything in it aliases the message.
type Item struct {
	Shape Shape
	Name  []byte // of the event or call, without the colon: "chat/msg"; nil for others
	Call  []byte // the cb of a call or reply, a string literal with its quotes; nil for others
	Event []byte // of the event or call: the text of [:chat/msg {…}]
	Body  []byte // its data, nil if absent; a reply's value; a bundle's vector of items
}

const maxCB = 64 // bytes

// Split takes a message apart, which holds exactly one value within lim.
//
// The error is an *Error of category :incorrect whose code is empty, bad-edn,
// too-deep, too-large, bad-event, bad-cb, bad-reply or bad-bundle. If the
// message was a call whose cb is good, Item.Call is set nevertheless, so that
// the error can be its reply.
func Split(b []byte, lim Limits) (Item, error) {
	var outer, inner vectorParts
	if v, ok := splitFast(b, lim.OrDefault(), &outer, &inner, nil, false); ok {
		return shapeOf(v, &outer, &inner)
	}
	v, err := Check(b, lim)
	if err != nil {
		return Item{}, splitError(err, lim.OrDefault())
	}
	return SplitValue(v)
}

// SplitValue is Split for the text of a value that Check has accepted, such as
// an item of a bundle. A bundle within a bundle is the caller's to refuse.
func SplitValue(v []byte) (Item, error) {
	var outer, inner vectorParts
	if Kind(v) == KindVector && v[0] == '[' {
		for c := Elements(v); outer.n <= len(outer.el) && c.more(); {
			e, _ := c.Next()
			outer.add(e)
		}
		if outer.n > 0 && outer.el[0][0] == '[' {
			for c := Elements(outer.el[0]); inner.n <= len(inner.el) && c.more(); {
				e, _ := c.Next()
				inner.add(e)
			}
		}
	}
	return shapeOf(v, &outer, &inner)
}

// splitParts is SplitValue for a value whose parts, if it is a vector, may have
// been found before.
func splitParts(v []byte, p *vectorParts) (Item, error) {
	if p.n > 0 && p.el[0][0] == ':' {
		return shapeOf(v, p, &vectorParts{})
	}
	return SplitValue(v)
}

// vectorParts are the first elements of a vector.
type vectorParts struct {
	n  int // how many it has, or more than el holds
	el [3][]byte
}

func (p *vectorParts) add(e []byte) {
	if p.n < len(p.el) {
		p.el[p.n] = e
	}
	p.n++
}

// splitFast checks a message that begins as it should and finds its parts in
// the same pass, and those of the link's own events into a, if that is not nil. known
// says that b is UTF-8.
// Whatever it leaves to others, it leaves without saying why.
func splitFast(b []byte, lim Limits, outer, inner *vectorParts, a *args, known bool) (v []byte, ok bool) {
	i := skipBlanks(b, 0)
	if i == len(b) || b[i] != '[' || len(b) > lim.Bytes || lim.Depth < 2 {
		return
	}
	start := i
	s := scanner{i: skipBlanks(b, i+1), max: lim.Depth - 1, wide: known}
	if at := s.i; at < len(b) && b[at] == '[' {
		s.i++
		s.max--
		if !s.event(b, inner, a) {
			return
		}
		s.max++
		outer.add(b[at:s.i])
	}
	if !s.event(b, outer, a) || inner.n == 0 && outer.n > 0 && outer.el[0][0] == '[' {
		return
	}
	ok = skipBlanks(b, s.i) == len(b) && (known || !s.wide || utf8.Valid(b))
	return b[start:s.i], ok
}

// vector scans the rest of a vector up to and with its bracket.
func (s *scanner) vector(b []byte, p *vectorParts) bool { return s.event(b, p, nil) }

func skipBlanks(b []byte, i int) int {
	for i < len(b) && ednClass[b[i]] == clsBlank {
		i++
	}
	return i
}

// shapeOf makes an Item of the vector v and its parts; inner are those of its
// first element if that is a vector.
func shapeOf(v []byte, outer, inner *vectorParts) (Item, error) {
	if len(v) == 0 || v[0] != '[' {
		if Kind(v) == KindVector {
			return Item{}, badShape("bad-event", "found metadata, expected an event [:ns/name data] without")
		}
		err := badShape("bad-event", "found %s, expected an event [:ns/name data]", Kind(v))
		err.Hint = "wrap it in a vector behind a keyword with a namespace, as in [:app/value …]"
		return Item{}, err
	}
	if outer.n == 0 {
		return Item{}, badShape("bad-event", "found an empty vector, expected an event [:ns/name data]")
	}
	switch first := outer.el[0]; {
	case first[0] == '[':
		return splitCall(outer, inner)
	case string(first) == ":chsk/reply":
		if outer.n != 3 {
			return Item{}, badShape("bad-reply", "found a :chsk/reply of %s, expected [:chsk/reply \"cb\" value]", countElements(outer.n))
		}
		if err := checkCB(outer.el[1]); err != nil {
			return Item{}, err
		}
		return Item{Shape: ShapeReply, Call: outer.el[1], Body: outer.el[2]}, nil
	case string(first) == ":batch/events":
		if outer.n != 2 || outer.el[1][0] != '[' {
			return Item{}, badShape("bad-bundle", "found a :batch/events of %s, expected [:batch/events [item …]]", countElements(outer.n))
		}
		if c := Elements(outer.el[1]); !c.more() {
			return Item{}, badShape("bad-bundle", "found an empty bundle, expected at least one item")
		}
		return Item{Shape: ShapeBundle, Body: outer.el[1]}, nil
	}
	return splitEvent(v, outer)
}

// splitEvent makes an Item of the event vector v.
func splitEvent(v []byte, p *vectorParts) (Item, error) {
	if p.n == 0 {
		return Item{}, badShape("bad-event", "found an empty vector, expected an event [:ns/name data]")
	}
	id := p.el[0]
	if id[0] != ':' {
		err := badShape("bad-event", "found %s as the first element, expected the event's id, a keyword :ns/name", Kind(id))
		if Kind(id) == KindVector {
			err = badShape("bad-event", "found a vector in the event's place, expected its id, a keyword :ns/name")
		}
		return Item{}, err
	}
	if at := bytes.IndexByte(id, '/'); at < 2 || at == len(id)-1 {
		err := badShape("bad-event", "found %s as the event's id, expected a keyword with a namespace", ednShow(id))
		err.Hint = fmt.Sprintf("give it one, as in [:app/%s …]", bytes.Trim(id, ":/"))
		return Item{}, err
	}
	if p.n > 2 {
		err := badShape("bad-event", "found %s in the event %s, expected [:ns/name] or [:ns/name data]", countElements(p.n), ednShow(id))
		err.Hint = "put several values into one map or vector"
		err.Event = string(id[1:])
		return Item{}, err
	}
	return Item{Shape: ShapeEvent, Name: id[1:], Event: v, Body: p.el[1]}, nil
}

// splitCall makes an Item of [event "cb"] or [event nil].
func splitCall(outer, inner *vectorParts) (Item, error) {
	if outer.n != 2 {
		return Item{}, badShape("bad-event", "found %s after an event in a vector, expected [event \"cb\"]", countElements(outer.n-1))
	}
	var item Item
	var err error
	switch {
	case inner.n > 0 && string(inner.el[0]) == ":batch/events":
		err = badShape("bad-bundle", "found a bundle as the event of a call, expected the calls inside the bundle")
	case inner.n > 0 && string(inner.el[0]) == ":chsk/reply":
		err = badShape("bad-event", "found a reply as the event of a call, expected an event [:ns/name data]")
	default:
		item, err = splitEvent(outer.el[0], inner)
	}
	if string(outer.el[1]) == "nil" {
		return item, err
	}
	if cbErr := checkCB(outer.el[1]); cbErr != nil {
		if err != nil {
			return Item{}, err
		}
		return Item{}, cbErr
	}
	item.Call = outer.el[1]
	if err == nil {
		item.Shape = ShapeCall
	}
	return item, err
}

// checkCB returns nil or a bad-cb.
func checkCB(lit []byte) error {
	if lit[0] != '"' {
		return badShape("bad-cb", "found %s as the cb, expected a string of 1 to %d bytes", Kind(lit), maxCB)
	}
	n := len(lit) - 2
	if bytes.IndexByte(lit, '\\') >= 0 {
		n = 0
		for in := lit[1 : len(lit)-1]; len(in) > 0; {
			m, w := 1, 1
			if in[0] == '\\' {
				var r rune
				m, _ = escapeLen(lit[len(lit)-1-len(in):])
				r, m = unescapeRune(in, m)
				w = utf8.RuneLen(r)
			}
			n += w
			in = in[m:]
		}
	}
	if n == 0 || n > maxCB {
		return badShape("bad-cb", "found a cb of %d bytes, expected a string of 1 to %d bytes", n, maxCB)
	}
	return nil
}

func countElements(n int) string {
	switch {
	case n == 1:
		return "1 element"
	case n > 3:
		return "more than 3 elements"
	}
	return fmt.Sprintf("%d elements", n)
}

func badShape(code, format string, args ...any) *Error {
	return &Error{Category: Incorrect, Code: code, Msg: fmt.Sprintf(format, args...)}
}

// splitError makes an *Error of what Check has found.
func splitError(err error, lim Limits) error {
	var e *SyntaxError
	if !errors.As(err, &e) {
		return err
	}
	out := &Error{Category: Incorrect, Code: "bad-edn", Msg: e.Error(), Data: fmt.Sprintf("{:line %d :column %d}", e.Line, e.Column)}
	switch {
	case errors.Is(e, errEmpty):
		out.Code, out.Msg, out.Data = "empty", "found no value, expected one", ""
	case errors.Is(e, ErrTooDeep):
		out.Code, out.Hint = "too-deep", fmt.Sprintf(":max-depth is %d", lim.Depth)
	case errors.Is(e, ErrTooLarge):
		out.Code, out.Hint = "too-large", fmt.Sprintf(":max-message-bytes is %d", lim.Bytes)
		out.Msg, out.Data = e.Msg, ""
	}
	return out
}
