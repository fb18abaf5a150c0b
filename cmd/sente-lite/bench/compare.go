package bench

import (
	"slices"
	"strconv"
)

// Tolerance is how much of its earlier ratio to the floor a result may be over or
// under before it is called worse or better.
const Tolerance = 0.10

// A Change compares a result with an earlier one of the same case, by their ratios to
// the floor: that the machine is another one, or busier, is in both of them.
type Change struct {
	Then    float64 // the earlier ratio
	Factor  float64 // ours by the earlier one: above 1 is slower
	Verdict string  // "worse", "better", "same", "new", "other": measured with something else
	// Within is set where the rounds of the two runs spread wider than what is between
	// them: to measure again, with more time, says more.
	Within bool
}

// Compare says what has become of a result since earlier ones.
func Compare(now Result, then []Result) Change {
	i := slices.IndexFunc(then, func(r Result) bool { return r.Bench == now.Bench && r.Case == now.Case })
	if i < 0 {
		return Change{Verdict: "new"}
	}
	was := then[i]
	ratio, ok := now.Figure("ratio")
	before, known := was.Figure("ratio")
	if !ok || !known || !(before > 0) || was.By != now.By || !slices.Equal(was.With, now.With) {
		return Change{Verdict: "other"}
	}
	c := Change{Then: before, Factor: ratio / before, Verdict: "same"}
	switch {
	case c.Factor > 1+Tolerance:
		c.Verdict = "worse"
	case c.Factor < 1-Tolerance:
		c.Verdict = "better"
	}
	a, _ := now.Figure("spread")
	b, _ := was.Figure("spread")
	c.Within = c.Verdict != "same" && ratio*(1-a) <= before*(1+b) && before*(1-b) <= ratio*(1+a)
	return c
}

// appendEDN appends :then-ratio, :change and :verdict to a result's map.
func (c *Change) appendEDN(dst []byte) []byte {
	if c.Then > 0 {
		dst = appendFloat(append(dst, " :then-ratio "...), c.Then)
		dst = appendFloat(append(dst, " :change "...), c.Factor)
	}
	dst = append(append(dst, " :verdict :"...), c.Verdict...)
	if c.Within {
		dst = strconv.AppendBool(append(dst, " :within-spread "...), true)
	}
	return dst
}
