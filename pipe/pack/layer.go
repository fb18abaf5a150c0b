package pack

import (
	"fmt"
	"runtime"
	"slices"
	"sync"

	"github.com/sente-lite/sente-lite/pipe"
)

// A message that inflates to more than bombFree bytes may be bombRatio times as
// large as what has come, and no larger. Deflate cannot do better than 1032:1, and
// what programs have to say comes nowhere near.
const (
	bombRatio = 256
	bombFree  = 1 << 20
)

// ceiling is how large n bytes that have come may become within limit.
func ceiling(n, limit int) int {
	if n > limit/bombRatio {
		return limit
	}
	return min(limit, max(bombFree, n*bombRatio))
}

// tooMuch says that n bytes that have come hold more than ceiling(n, limit).
func tooMuch(form string, n, limit int) *pipe.Error {
	if most := ceiling(n, limit); most < limit {
		return &pipe.Error{
			Category: pipe.Incorrect,
			Code:     "too-large",
			Msg:      fmt.Sprintf("%s: %d bytes hold more than %d, which makes them a bomb; allowed are %d to 1, and any ratio up to %d bytes", form, n, most, bombRatio, bombFree),
			Hint:     "send it without compression",
			Data:     fmt.Sprintf("{:limit %d}", most),
		}
	}
	return &pipe.Error{
		Category: pipe.Incorrect,
		Code:     "too-large",
		Msg:      fmt.Sprintf("%s: %d bytes hold more than the %d allowed", form, n, limit),
		Hint:     "send less at once, or raise :flow :max-message-bytes",
		Data:     fmt.Sprintf("{:limit %d}", limit),
	}
}

// A stock lends what is costly to make, compressors for one. No more are out at
// once than can run at once, so that a thousand links that compress in the same
// moment wait for each other for microseconds rather than hold a thousand of
// them; those that lie idle go with the next collections of garbage.
type stock[T any] struct {
	turns chan struct{}
	idle  sync.Pool
	fresh func() *T
}

func newStock[T any](fresh func() *T) *stock[T] {
	return &stock[T]{turns: make(chan struct{}, runtime.GOMAXPROCS(0)), fresh: fresh}
}

func (s *stock[T]) take() *T {
	s.turns <- struct{}{}
	if t, ok := s.idle.Get().(*T); ok {
		return t
	}
	return s.fresh()
}

func (s *stock[T]) give(t *T) {
	s.idle.Put(t)
	<-s.turns
}

// room returns dst with room for one byte more at least. Memory doubles with what has
// been made, from 4 times what has come in, and ends at what may be made.
func room(dst []byte, made, came, most int) []byte {
	if len(dst) < cap(dst) {
		return dst
	}
	return slices.Grow(dst, min(max(made, 4*came, 512), most-made+1))
}

// badLayer says what is wrong with a message that ought to be in that form.
func badLayer(form, format string, args ...any) *pipe.Error {
	return &pipe.Error{
		Category: pipe.Incorrect,
		Code:     "bad-" + form,
		Msg:      form + ": " + fmt.Sprintf(format, args...),
		Hint:     "a message is compressed whole, by itself, and arrives unchanged",
	}
}

func hexOf(b []byte) string { return fmt.Sprintf("% x", b) }
