package pipe

import "math"

// ratios is what compression has made of a peer's events so far, by their names: how
// many bytes on the wire for one that was packed. The peer's lock guards it.
type ratios struct {
	known  [16]ratio
	n      int // of known
	next   int // whose place a new name takes once they are full
	mean   float64
	failed int // messages in a row that would not shrink, or are taken for such
	turn   int
}

type ratio struct {
	name string
	of   float64
	turn int // when it was corrected last
}

const (
	// firstRatio is what is expected of events that nothing is known about.
	firstRatio = 0.3
	// fill is how full a compressed frame is meant to be: what is left is for the
	// difference between bundles.
	fill = 0.92
	// worth is the ratio from which compressing does not pay.
	worth = 0.9
	// tryAgain is how many messages of such events leave as they are before one is
	// tried again.
	tryAgain = 32
)

func newRatios() *ratios { return &ratios{mean: firstRatio} }

// of returns what is expected of events of a name.
func (r *ratios) of(name string) float64 {
	if e := r.entry(name); e != nil {
		return e.of
	}
	return firstRatio
}

func (r *ratios) entry(name string) *ratio {
	for i := range r.known[:r.n] {
		if r.known[i].name == name {
			return &r.known[i]
		}
	}
	return nil
}

// learn notes that events of some names, of raw bytes, were expected to make so many
// and have made others. missed is set where that was too many for a frame.
//
// Small bundles shrink less than large ones: by full, the part of a frame that it
// was, a bundle counts.
func (r *ratios) learn(items []piece, expected, made, full float64, missed bool) {
	by := 0.5 * min(2*full, 1)
	if missed {
		by = 1
	}
	total := 0
	r.turn++
	for i := range items {
		if i == 0 || items[i].name != items[i-1].name {
			r.correct(items[i].name, made/max(expected, 1), by)
		}
		total += len(items[i].Data)
	}
	if total > 0 {
		r.mean += by * (min(made/float64(total), 1) - r.mean)
	}
}

func (r *ratios) correct(name string, factor, by float64) {
	e := r.entry(name)
	if e == nil {
		if r.n < len(r.known) {
			r.n++
			e = &r.known[r.n-1]
		} else {
			e = &r.known[r.next]
			r.next = (r.next + 1) % len(r.known)
		}
		*e = ratio{name: name, of: firstRatio}
	}
	if e.turn == r.turn {
		return
	}
	e.turn = r.turn
	e.of = min(max(e.of*math.Exp(by*math.Log(max(factor, 1e-3))), 0.001), 1.05)
}

// worthwhile reports whether a message is to be compressed: it is expected to shrink,
// or it is time to see again whether it does.
func (r *ratios) worthwhile(raw int, expected float64) bool {
	if raw < minCompress {
		return false
	}
	if expected/float64(raw) < worth {
		return true
	}
	if r.failed++; r.failed < tryAgain {
		return false
	}
	r.failed = 0
	return true
}
