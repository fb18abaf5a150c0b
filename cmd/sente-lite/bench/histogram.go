package bench

import (
	"math/bits"
	"time"
)

// A Histogram counts times. Its memory is fixed: buckets are exact below 64 ns and
// within 1/32 above, up to more than an hour, which is what anything longer counts
// as. The zero value is empty.
type Histogram struct {
	counts   [buckets]uint64
	n        uint64
	min, max time.Duration
}

const (
	subBits = 5
	subs    = 1 << subBits // buckets of each power of two
	maxBits = 42
	longest = time.Duration(1)<<maxBits - 1
	buckets = (maxBits - subBits + 1) * subs
)

// bucket is the index of a time's bucket.
func bucket(d time.Duration) int {
	d = min(max(d, 0), longest)
	if d < subs {
		return int(d)
	}
	shift := bits.Len64(uint64(d)) - 1 - subBits
	return shift*subs + int(d>>shift)
}

// lower is the least time of a bucket.
func lower(i int) time.Duration {
	if i < 2*subs {
		return time.Duration(i)
	}
	shift := i/subs - 1
	return time.Duration(subs+i%subs) << shift
}

// Add counts a time.
func (h *Histogram) Add(d time.Duration) {
	h.counts[bucket(d)]++
	if h.n == 0 || d < h.min {
		h.min = d
	}
	h.max = max(h.max, d)
	h.n++
}

// Merge adds all that another has counted.
func (h *Histogram) Merge(o *Histogram) {
	if o.n == 0 {
		return
	}
	for i, n := range o.counts {
		h.counts[i] += n
	}
	if h.n == 0 || o.min < h.min {
		h.min = o.min
	}
	h.max = max(h.max, o.max)
	h.n += o.n
}

// N is how many times there are.
func (h *Histogram) N() uint64 { return h.n }

// Quantile is the time that a part q, 0 to 1, of all do not exceed; 0 of none.
func (h *Histogram) Quantile(q float64) time.Duration {
	switch {
	case h.n == 0:
		return 0
	case q >= 1:
		return h.max
	}
	i := h.at(q)
	return min(max((lower(i)+lower(i+1)-1)/2, h.min), h.max)
}

// at is the bucket of a quantile.
func (h *Histogram) at(q float64) int {
	rank := min(max(uint64(q*float64(h.n)+0.5), 1), h.n)
	var sum uint64
	for i, n := range h.counts {
		if sum += n; sum >= rank {
			return i
		}
	}
	return buckets - 1
}

// A Bin is a row of a drawn histogram: N times from From on, and below the next
// row's.
type Bin struct {
	From time.Duration
	N    uint64
}

// Bins puts all times into at most rows rows, whose borders have equal ratios. The
// last one has the slowest hundredth and whatever is above it.
func (h *Histogram) Bins(rows int) (all []Bin) {
	if h.n == 0 || rows < 1 {
		return nil
	}
	first, last := bucket(h.min), h.at(0.99)
	step := max((last-first+rows)/rows, 1)
	for i := first; i <= last; i += step {
		b := Bin{From: lower(i)}
		end := i + step
		if end > last {
			end = buckets
		}
		for _, n := range h.counts[i:end] {
			b.N += n
		}
		all = append(all, b)
	}
	return all
}
