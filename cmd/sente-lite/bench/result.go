package bench

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/sente-lite/sente-lite/pipe"
)

// A Result is one measurement. As EDN it is one map on one line:
//
//	{:bench :echo :case "one at a time" :with {:size 128}
//	 :by :time :us 31.2 :floor-us 14.1 :ratio 2.21 :spread 0.05 :n 32000 …
//	 :histogram [[24.0 120] …] :over-time [31000.0 …]}
//
// :us is what an operation takes, in µs, and :floor-us the same of the floor; :cpu-us and
// :floor-cpu-us are the processor time of both ends. :ratio is of the one or the other, as
// :by says, :time or :cpu: the median of the rounds; :spread is half the range of theirs,
// as a part of it. :histogram has [from-µs how-many] of ours, :over-time operations a second.
// A case that a packer cannot carry has :problem, and no figures.
type Result struct {
	Bench, Case string
	By          string   // what the ratio is of: "time" or "cpu"
	With        []Figure // what it was measured with: results with other ones do not compare
	Figures     []Figure
	Problem     string
	Histogram   []Bin
	OverTime    []float64
}

// A Figure is a number with a name, which is its key in EDN.
type Figure struct {
	Key   string
	Value float64
}

// Figure is the value of a key, and whether there is one.
func (r *Result) Figure(key string) (float64, bool) {
	for _, f := range r.Figures {
		if f.Key == key {
			return f.Value, true
		}
	}
	return 0, false
}

// set adds figures, in order: key, value, key, value.
func (r *Result) set(pairs ...any) {
	for i := 0; i < len(pairs); i += 2 {
		r.Figures = append(r.Figures, Figure{pairs[i].(string), pairs[i+1].(float64)})
	}
}

// histogramRows are those of a result.
const histogramRows = 12

// What a result's ratio is of: the time of an operation; the processor time of both of
// its ends, which other programs on the machine disturb less; or likewise, and all other
// figures too, where nothing is done but computing.
type basis uint8

const (
	byTime basis = iota
	byCPU
	byWork
)

// result makes a result of a measurement: the figures that all of them have.
func (r *runner) result(name string, by basis, o *outcome, with ...Figure) Result {
	res := Result{Bench: r.bench, Case: name, By: "time", With: with, OverTime: o.ours.overTime}
	is := o.time
	us, floor := o.us, o.floorUS
	if by != byTime && o.cpuUS > 0 {
		res.By, is = "cpu", o.cpu
		if by == byWork {
			us, floor = o.cpuUS, o.floorCPU
		}
	}
	res.set("us", us, "floor-us", floor, "ratio", is.value, "spread", is.spread, "n", float64(o.ours.ops))
	if by != byWork {
		res.set("per-second", float64(o.ours.ops)/max(o.ours.took.Seconds(), 1e-9), "time-ratio", o.time.value)
		if o.cpuUS > 0 {
			res.set("cpu-us", o.cpuUS, "floor-cpu-us", o.floorCPU, "cpu-ratio", o.cpu.value)
		}
	}
	if o.ours.hist.N() > 0 {
		for _, q := range []struct {
			key string
			q   float64
		}{{"p50-us", 0.5}, {"p90-us", 0.9}, {"p99-us", 0.99}, {"max-us", 1}} {
			res.set(q.key, micros(o.ours.hist.Quantile(q.q)))
		}
		res.Histogram = o.ours.hist.Bins(histogramRows)
	}
	if o.floor.hist.N() > 0 {
		res.set("floor-p50-us", micros(o.floor.hist.Quantile(0.5)), "floor-p99-us", micros(o.floor.hist.Quantile(0.99)))
	}
	return res
}

// AppendEDN appends the result as one EDN map, with what a comparison says of it.
func (r *Result) AppendEDN(dst []byte, c *Change) []byte {
	dst = fmt.Appendf(dst, "{:bench :%s :case ", r.Bench)
	dst = pipe.AppendString(dst, r.Case)
	dst = append(dst, " :with {"...)
	dst = append(appendFigures(dst, r.With), '}')
	if r.Problem != "" {
		return append(pipe.AppendString(append(dst, " :problem "...), r.Problem), '}')
	}
	dst = fmt.Appendf(dst, " :by :%s ", r.By)
	dst = appendFigures(dst, r.Figures)
	if len(r.Histogram) > 0 {
		dst = append(dst, " :histogram ["...)
		for i, b := range r.Histogram {
			if i > 0 {
				dst = append(dst, ' ')
			}
			dst = append(appendFloat(append(dst, '['), micros(b.From)), fmt.Sprintf(" %d]", b.N)...)
		}
		dst = append(dst, ']')
	}
	if len(r.OverTime) > 0 {
		dst = append(dst, " :over-time ["...)
		for i, v := range r.OverTime {
			if i > 0 {
				dst = append(dst, ' ')
			}
			dst = appendFloat(dst, math.Round(v))
		}
		dst = append(dst, ']')
	}
	if c != nil {
		dst = c.appendEDN(dst)
	}
	return append(dst, '}')
}

func appendFigures(dst []byte, all []Figure) []byte {
	for i, f := range all {
		if i > 0 {
			dst = append(dst, ' ')
		}
		dst = appendFloat(append(append(append(dst, ':'), f.Key...), ' '), f.Value)
	}
	return dst
}

// appendFloat appends a figure to five digits, a whole number in full. What is no number is ##NaN or ##Inf.
func appendFloat(dst []byte, v float64) []byte {
	switch {
	case math.IsNaN(v):
		return append(dst, "##NaN"...)
	case math.IsInf(v, 0):
		return append(dst, strings.Replace(fmt.Sprintf("##%v", v), "+", "", 1)...)
	case v == math.Trunc(v) && math.Abs(v) < 1<<53:
		return strconv.AppendFloat(dst, v, 'f', 0, 64)
	}
	s, _ := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 5, 64), 64) // of our own writing
	return strconv.AppendFloat(dst, s, 'f', -1, 64)
}

// maxSaved bounds a file of results.
const maxSaved = 16 << 20

// Read reads results as AppendEDN writes them, one a line. Lines that are other maps,
// such as what a run says of its machine, are passed over.
func Read(from io.Reader) (all []Result, err error) {
	text, err := io.ReadAll(io.LimitReader(from, maxSaved+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxSaved {
		return nil, fmt.Errorf("more than %d bytes, which no run writes", maxSaved)
	}
	n := 0
	for line := range bytes.Lines(text) {
		n++
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		v, err := pipe.Check(line, pipe.Limits{})
		if err == nil && pipe.Kind(v) != pipe.KindMap {
			err = errors.New("it is " + pipe.Kind(v).String() + ", expected a map")
		}
		var r Result
		if err == nil {
			r, err = parse(v)
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		if r.Bench != "" {
			all = append(all, r)
		}
	}
	if len(all) == 0 {
		return nil, errors.New("there is no result in it")
	}
	return all, nil
}

// parse reads one result. Keys that it does not know and whose value is a number are
// figures.
func parse(m []byte) (r Result, err error) {
	if v, ok := pipe.Lookup(m, ":case"); !ok {
		return r, nil
	} else if r.Case, err = pipe.Unquote(v); err != nil {
		return r, fmt.Errorf(":case is no string: %w", err)
	}
	for c := pipe.Elements(m); ; {
		k, ok := c.Next()
		if !ok {
			return r, nil
		}
		v, _ := c.Next()
		key := strings.TrimPrefix(string(k), ":")
		switch kind := pipe.Kind(v); {
		case key == "bench":
			r.Bench = strings.TrimPrefix(string(v), ":")
		case key == "by":
			r.By = strings.TrimPrefix(string(v), ":")
		case key == "problem":
			if r.Problem, err = pipe.Unquote(v); err != nil {
				return r, fmt.Errorf(":problem is no string: %w", err)
			}
		case key == "with":
			r.With, err = parseFigures(v)
		case key == "histogram":
			r.Histogram, err = parseBins(v)
		case key == "over-time":
			for e := pipe.Elements(v); err == nil; {
				item, ok := e.Next()
				if !ok {
					break
				}
				var f float64
				f, err = parseFloat(item)
				r.OverTime = append(r.OverTime, f)
			}
		case strings.HasPrefix(key, "then-") || key == "change": // a comparison's
		case kind == pipe.KindInt || kind == pipe.KindFloat:
			var f float64
			f, err = parseFloat(v)
			r.Figures = append(r.Figures, Figure{key, f})
		}
		if err != nil {
			return r, fmt.Errorf(":%s: %w", key, err)
		}
	}
}

func parseFigures(m []byte) (all []Figure, err error) {
	for c := pipe.Elements(m); ; {
		k, ok := c.Next()
		if !ok {
			return all, nil
		}
		v, _ := c.Next()
		f, err := parseFloat(v)
		if err != nil {
			return nil, err
		}
		all = append(all, Figure{strings.TrimPrefix(string(k), ":"), f})
	}
}

func parseBins(v []byte) (all []Bin, err error) {
	for e := pipe.Elements(v); ; {
		pair, ok := e.Next()
		if !ok {
			return all, nil
		}
		two := pipe.Elements(pair)
		from, _ := two.Next()
		n, _ := two.Next()
		us, err := parseFloat(from)
		if err != nil {
			return nil, err
		}
		count, err := strconv.ParseUint(string(n), 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%q is no count", n)
		}
		all = append(all, Bin{time.Duration(math.Round(us * 1000)), count})
	}
}

func parseFloat(v []byte) (float64, error) {
	switch string(v) {
	case "##NaN":
		return math.NaN(), nil
	case "##Inf":
		return math.Inf(1), nil
	case "##-Inf":
		return math.Inf(-1), nil
	}
	f, err := strconv.ParseFloat(string(v), 64)
	if err != nil {
		return 0, fmt.Errorf("%q is no number", v)
	}
	return f, nil
}
