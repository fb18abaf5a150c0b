package pack

import (
	"bytes"
	"strconv"

	"github.com/sente-lite/sente-lite/pipe"
)

// MaxSteps is how many steps of a path are told.
const maxSteps = 32

// AppendPath appends the path to the value that begins at a place in EDN text, or that
// would begin at the text's end: [:data :list 3]. It goes through maps by their keys
// and through vectors and lists by index, and ends at a set, and at a map whose key it
// is about. It is for errors: nothing is noted on the way there.
func appendPath(dst, text []byte, at int) []byte {
	type step struct {
		shut byte
		n    int // values before
		from int
		key  []byte
	}
	var steps []step
	t := tokens{text: text}
	for {
		k, tok := t.next()
		begin := t.pos - len(tok)
		if k == tokEnd || begin >= at || k == tokShut && len(steps) == 0 {
			break
		}
		switch k {
		case tokOpen:
			s := step{shut: ']', from: begin}
			if string(tok) == "#{" {
				s.shut = '#'
			} else if tok[len(tok)-1] == '{' {
				s.shut = '}'
			}
			steps = append(steps, s)
			continue
		case tokShut:
			begin = steps[len(steps)-1].from
			steps = steps[:len(steps)-1]
		case tokTag:
			behind := t.pos
			if t.skip(); t.pos > at { // it is about something under the tag
				t.pos = behind
				continue
			}
		}
		if len(steps) == 0 {
			break
		}
		s := &steps[len(steps)-1]
		if s.shut == '}' && s.n&1 == 0 {
			s.key = text[begin:t.pos]
		}
		s.n++
	}
	dst = append(dst, '[')
	for i, s := range steps {
		if s.shut == '#' || s.shut == '}' && s.n&1 == 0 || i == maxSteps {
			break
		}
		if i > 0 {
			dst = append(dst, ' ')
		}
		switch {
		case s.shut == ']':
			dst = strconv.AppendInt(dst, int64(s.n), 10)
		case len(s.key) > 64 || bytes.ContainsAny(s.key, "\n\r"):
			dst = pipe.AppendString(dst, string(clip(s.key)))
		default:
			dst = append(dst, s.key...)
		}
	}
	return append(dst, ']')
}
