package pipe

import "bytes"

// args are the entries of the map that one of the link's own events carries,
// such as {:to "uid" :event [:chat/msg {}]}: found while the message was
// checked, so that nothing is walked twice.
type args struct {
	body  []byte // whose they are; nil where they were not looked for
	text  []byte // the message that they are in
	n     int    // how many there are; those beyond the array are not in it
	key   [4]stretch
	value [4]stretch
	event vectorParts // of the value of :event
}

// A stretch is a part of a text. It is no slice, since a pointer costs more to keep.
type stretch struct{ from, to int }

func (s stretch) of(b []byte) []byte { return b[s.from:s.to] }

// split is Split that also fills in a. Text that is known to be UTF-8 is not looked
// through for that again.
func split(b []byte, lim Limits, a *args, utf8 bool) (Item, error) {
	var outer, inner vectorParts
	a.body, a.text, a.n, a.event.n = nil, b, 0, 0
	if v, ok := splitFast(b, lim.OrDefault(), &outer, &inner, a, utf8); ok {
		return shapeOf(v, &outer, &inner)
	}
	a.body = nil
	return Split(b, lim)
}

// own reports whether an id is of an event whose data the link itself reads.
func own(id []byte) bool {
	return bytes.HasPrefix(id, []byte(":sente-lite/")) || bytes.HasPrefix(id, []byte(":msg/"))
}

// event is vector for one that may be an event of the link's own.
func (s *scanner) event(b []byte, p *vectorParts, a *args) bool {
	for {
		if a != nil && p.n == 1 && own(p.el[0]) {
			if at := skipBlanks(b, s.i); at < len(b) && b[at] == '{' && s.max > 0 {
				if !s.entries(b, at, a) {
					return false
				}
				a.body = b[at:s.i]
				p.add(a.body)
			}
		}
		switch s.run(b, true) {
		case scanComplete:
			p.add(b[s.start:s.i])
		case scanClosing:
			s.i++
			return b[s.i-1] == ']'
		default:
			return false
		}
	}
}

// entries scans the map at b[at].
func (s *scanner) entries(b []byte, at int, a *args) bool {
	s.i = at + 1
	s.max--
	defer func() { s.max++ }()
	for odd := false; ; odd = !odd {
		if odd && a.n <= len(a.key) && string(a.key[a.n-1].of(b)) == ":event" {
			if at := skipBlanks(b, s.i); at < len(b) && b[at] == '[' && s.max > 0 {
				s.i = at + 1
				s.max--
				a.event.n = 0
				if !s.vector(b, &a.event) {
					return false
				}
				s.max++
				a.value[a.n-1] = stretch{at, s.i}
				continue
			}
		}
		switch s.run(b, true) {
		case scanComplete:
			if odd {
				if a.n <= len(a.value) {
					a.value[a.n-1] = stretch{s.start, s.i}
				}
			} else {
				if a.n < len(a.key) {
					a.key[a.n] = stretch{s.start, s.i}
				}
				a.n++
			}
		case scanClosing:
			s.i++
			return b[s.i-1] == '}' && !odd
		default:
			return false
		}
	}
}

// fields finds up to four keys in the data of an event; nil for those that are
// not there. What a says of this very event is used, and not looked for again. The first
// of several entries counts.
func (a *args) fields(i Item, keys ...string) (found [4][]byte) {
	if len(i.Body) == 0 || len(a.body) != len(i.Body) || &a.body[0] != &i.Body[0] || a.n > len(a.key) {
		for n, key := range keys {
			found[n], _ = field(i, key)
		}
		a.event.n = 0
		return found
	}
	for e := a.n - 1; e >= 0; e-- {
		is := a.key[e].of(a.text)
		for n, key := range keys {
			if string(is) == key {
				found[n] = a.value[e].of(a.text)
				break
			}
		}
	}
	return found
}
