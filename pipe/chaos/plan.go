package chaos

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"
)

// A Dir is a direction of a connection.
type Dir uint8

// Up is from the client to the target, Down from the target to the client.
const (
	Up Dir = iota
	Down
)

func (d Dir) String() string {
	if d == Down {
		return "down"
	}
	return "up"
}

func (d Dir) other() Dir { return 1 - d }

// A How is a way for a connection to end.
type How uint8

const (
	RST     How = iota // both sides get a reset; where there is none, as on a Unix socket, it is closed
	FIN                // both sides read an orderly end
	Abandon            // neither side hears anything any more, and both stay connected: a pulled cable
)

var hows = []string{"rst", "fin", "abandon"}

func (h How) String() string { return hows[h] }

// ParseHow reads "rst", "fin" or "abandon".
func ParseHow(s string) (How, error) {
	for i, name := range hows {
		if s == name {
			return How(i), nil
		}
	}
	return 0, fmt.Errorf("no way to end is called %q; expected rst, fin or abandon", s)
}

// A Range is from From to To, both included, from which one number is drawn.
// The zero Range is none.
type Range struct{ From, To int64 }

// ParseRange reads a number of bytes or a range of them, "64k" or "1k..64k". k is
// 1024 bytes, m 1024 k. Numbers are from 1 to 2^53.
func ParseRange(s string) (Range, error) {
	from, to, isRange := strings.Cut(s, "..")
	if !isRange {
		to = from
	}
	a, err1 := parseBytes(from)
	b, err2 := parseBytes(to)
	if err := errors.Join(err1, err2); err != nil {
		return Range{}, fmt.Errorf("%q is no range; expected bytes, like 4096, 64k or 1k..64k", s)
	}
	if a > b {
		return Range{}, fmt.Errorf("%q goes down; expected the smaller number first, like %s..%s", s, to, from)
	}
	return Range{a, b}, nil
}

func parseBytes(s string) (int64, error) {
	unit := int64(1)
	switch {
	case strings.HasSuffix(s, "k"):
		unit = 1 << 10
	case strings.HasSuffix(s, "m"):
		unit = 1 << 20
	}
	if unit > 1 {
		s = s[:len(s)-1]
	}
	n, err := strconv.ParseUint(s, 10, 53)
	if err == nil && (n == 0 || n > 1<<53/uint64(unit)) {
		err = strconv.ErrRange
	}
	return int64(n) * unit, err
}

func (r Range) draw(from *rand.Rand) int64 {
	if r.To <= r.From {
		return r.From
	}
	return r.From + from.Int64N(r.To-r.From+1)
}

// Options say what may be done to connections. The zero Options do nothing to
// them.
type Options struct {
	Delay  time.Duration // of every byte, in each direction
	Jitter time.Duration // up to this much more; bytes stay in order
	Rate   int64         // bytes a second in each direction; 0 is any number

	Cut Range // a connection ends when that many bytes have gone in one direction
	How []How // the ways it may end so; RST and FIN if there are none

	Stall      time.Duration // how long nothing is taken
	StallEvery Range         // bytes from one stall of a direction to the next

	HalfOpen      float64 // probability that one direction is dropped for ever, silently
	HalfOpenAfter Range   // bytes that it has carried by then; none is 1..16k

	DropClose float64 // probability that a WebSocket's close frame is swallowed, and the connection ended instead
	Refuse    float64 // probability that a connection is closed as soon as it is made
	Torn      int     // bytes that are written at once, at most; 0 is any number

	// Event hears of every fault, one at a time. It must not wait, nor call the
	// Proxy. Nil hears nothing.
	Event func(Event)

	// Plan, if set, says what is done to a connection instead of MakePlan.
	Plan func(conn uint64) Plan
}

// Check says what is wrong with the options.
func (o Options) Check() error {
	var bad []error
	for _, p := range []struct {
		name string
		p    float64
	}{{"HalfOpen", o.HalfOpen}, {"DropClose", o.DropClose}, {"Refuse", o.Refuse}} {
		if !(p.p >= 0 && p.p <= 1) { // nor NaN
			bad = append(bad, fmt.Errorf("chaos: %s is %v; expected a probability from 0 to 1", p.name, p.p))
		}
	}
	for _, d := range []struct {
		name string
		d    time.Duration
	}{{"Delay", o.Delay}, {"Jitter", o.Jitter}, {"Stall", o.Stall}} {
		if d.d < 0 || d.d > maxWait {
			bad = append(bad, fmt.Errorf("chaos: %s is %v; expected 0 to %v", d.name, d.d, maxWait))
		}
	}
	for _, r := range []struct {
		name string
		r    Range
	}{{"Cut", o.Cut}, {"StallEvery", o.StallEvery}, {"HalfOpenAfter", o.HalfOpenAfter}} {
		if r.r != (Range{}) && (r.r.From < 1 || r.r.To < r.r.From || r.r.To > 1<<53) {
			bad = append(bad, fmt.Errorf("chaos: %s is %d..%d; expected 1 or more, the smaller first", r.name, r.r.From, r.r.To))
		}
	}
	if (o.Stall > 0) != (o.StallEvery != Range{}) {
		bad = append(bad, errors.New("chaos: Stall and StallEvery belong together: how long, and after how many bytes"))
	}
	if o.Rate < 0 || o.Torn < 0 {
		bad = append(bad, errors.New("chaos: Rate and Torn are numbers of bytes; expected 0 or more"))
	}
	return errors.Join(bad...)
}

// maxWait bounds one delay or stall.
const maxWait = time.Hour

// defaultHalfOpenAfter is where a direction is lost if nothing says so.
var defaultHalfOpenAfter = Range{1, 16 << 10}

// A Plan is what will be done to one connection.
type Plan struct {
	Conn   uint64 // its number, from 1
	Refuse bool
	Ways   [2]Way // by Dir
}

// A Way is what will be done to one direction of a connection. Places are
// numbers of bytes that have gone before, 0 is nowhere.
type Way struct {
	Cut       int64
	How       How // of Cut, and of the end after a dropped close frame
	HalfOpen  int64
	DropClose bool

	Stall      time.Duration
	StallEvery Range

	Delay, Jitter time.Duration
	Rate          int64
	Torn          int

	Seed uint64 // of what is drawn on the way: stalls, jitter, sizes of writes
}

// MakePlan draws what will be done to a connection. It is a pure function: the
// same arguments give the same plan, whatever was drawn before.
func MakePlan(seed uint64, o Options, conn uint64) Plan {
	// Each decision has numbers of its own, so that one more option changes
	// nothing about the others.
	from := func(purpose uint64) *rand.Rand { return source(seed, conn, purpose) }
	p := Plan{Conn: conn, Refuse: from(1).Float64() < o.Refuse}
	for d := range p.Ways {
		p.Ways[d] = Way{Stall: o.Stall, StallEvery: o.StallEvery, Delay: o.Delay, Jitter: o.Jitter,
			Rate: o.Rate, Torn: o.Torn, Seed: from(10 + uint64(d)).Uint64()}
	}
	ways := o.How
	if len(ways) == 0 {
		ways = []How{RST, FIN}
	}
	end := from(2)
	how := ways[end.IntN(len(ways))]
	p.Ways[Up].How, p.Ways[Down].How = how, how
	if d := Dir(end.IntN(2)); o.Cut != (Range{}) {
		p.Ways[d].Cut = o.Cut.draw(end)
	}
	half := from(3)
	if d := Dir(half.IntN(2)); half.Float64() < o.HalfOpen {
		after := o.HalfOpenAfter
		if after == (Range{}) {
			after = defaultHalfOpenAfter
		}
		p.Ways[d].HalfOpen = after.draw(half)
	}
	drop := from(4)
	if d := Dir(drop.IntN(2)); drop.Float64() < o.DropClose {
		p.Ways[d].DropClose = true
	}
	return p
}

// source is a stream of random numbers of its own for each purpose.
func source(seed, conn, purpose uint64) *rand.Rand {
	return rand.New(rand.NewPCG(mix(seed^mix(conn)), mix(mix(purpose)+seed)))
}

// mix is the finalizer of SplitMix64: neighbouring numbers become unlike ones.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// jitter is a byte's, by its place: however the bytes come, it is the same.
func (w Way) jitter(at int64) time.Duration {
	if w.Jitter <= 0 {
		return 0
	}
	part := float64(mix(w.Seed^uint64(at))>>11) / (1 << 53)
	return time.Duration(part * float64(w.Jitter))
}

// AppendEDN appends the plan as a map, with what it does not do left out.
func (p Plan) AppendEDN(b []byte) []byte {
	b = fmt.Appendf(b, "{:conn %d", p.Conn)
	if p.Refuse {
		return append(b, " :refuse true}"...)
	}
	for d, w := range p.Ways {
		b = fmt.Appendf(b, " :%v ", Dir(d))
		b = w.appendEDN(b)
	}
	return append(b, '}')
}

func (w Way) appendEDN(b []byte) []byte {
	b = append(b, '{')
	from := len(b)
	add := func(given bool, format string, args ...any) {
		if !given {
			return
		}
		if len(b) > from {
			b = append(b, ' ')
		}
		b = fmt.Appendf(b, format, args...)
	}
	add(w.Cut > 0, ":cut %d :how :%v", w.Cut, w.How)
	add(w.HalfOpen > 0, ":half-open %d", w.HalfOpen)
	add(w.DropClose, ":drop-close true")
	add(w.DropClose && w.Cut == 0, ":how :%v", w.How)
	add(w.Stall > 0, ":stall-ms %v :first-stall %d", millis(w.Stall), newStalls(w).next)
	add(w.Delay > 0, ":delay-ms %v", millis(w.Delay))
	add(w.Jitter > 0, ":jitter-ms %v", millis(w.Jitter))
	add(w.Rate > 0, ":rate %d", w.Rate)
	add(w.Torn > 0, ":torn %d", w.Torn)
	return append(b, '}')
}

func millis(d time.Duration) string {
	return strconv.FormatFloat(float64(d)/float64(time.Millisecond), 'f', -1, 64)
}

// stalls are the places where a direction stalls, one after another.
type stalls struct {
	every Range
	from  *rand.Rand
	next  int64 // 0 is nowhere
}

func newStalls(w Way) *stalls {
	s := &stalls{every: w.StallEvery, from: source(w.Seed, 0, 1)}
	if w.Stall > 0 && w.StallEvery.From > 0 {
		s.advance()
	}
	return s
}

func (s *stalls) advance() { s.next += s.every.draw(s.from) }
