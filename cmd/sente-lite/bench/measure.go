package bench

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"
)

// A side is what is measured, or its floor.
type side struct {
	// run works until the pace says no, and then until nothing is under way. It may
	// be called any number of times, one after the other.
	run func(*pace) error
	// abort makes a run that waits return, with an error.
	abort func()
}

// rounds are those of a measurement: the floor, then ours, in each.
const rounds = 5

// patience is how much longer than asked a stretch may take.
const patience = 30 * time.Second

// An outcome is a measurement. Its figures are medians of the rounds.
type outcome struct {
	ours, floor     total
	us, floorUS     float64 // of an operation
	cpuUS, floorCPU float64 // of an operation; 0 where it is not known
	time, cpu       ratio
}

// A ratio is that of ours to the floor.
type ratio struct {
	value  float64
	spread float64 // half the range of the rounds' ratios, as a part of value
}

func ratioOf(all []float64) ratio {
	if len(all) == 0 {
		return ratio{}
	}
	r := ratio{value: median(all)}
	if r.value > 0 {
		r.spread = (slices.Max(all) - slices.Min(all)) / 2 / r.value
	}
	return r
}

// measure measures both sides in turn, after a short stretch of each that does not
// count. If the context ends in between, the rounds that are complete count.
func (r *runner) measure(share int, ours, floor side) (*outcome, error) {
	o := &outcome{}
	var us, floorUS, cpuUS, floorCPU, times, cpus []float64
	for round := range rounds + 1 {
		length, count := r.Time/time.Duration(2*rounds*share), r.Count
		if round == 0 {
			length, count = length/4, (count+3)/4
		}
		var f, m total
		fus, err := r.stretch(&f, floor, length, count)
		if err != nil {
			return nil, err
		}
		mus, err := r.stretch(&m, ours, length, count)
		if err != nil {
			return nil, err
		}
		if r.ctx.Err() != nil {
			break
		}
		if round == 0 || f.ops == 0 || m.ops == 0 {
			continue
		}
		o.floor.merge(&f)
		o.ours.merge(&m)
		us, floorUS, times = append(us, mus), append(floorUS, fus), append(times, mus/max(fus, 1e-6))
		if f.cpu > 0 && m.cpu > 0 {
			mcpu, fcpu := m.each(m.cpu), f.each(f.cpu)
			cpuUS, floorCPU, cpus = append(cpuUS, mcpu), append(floorCPU, fcpu), append(cpus, mcpu/fcpu)
		}
	}
	if len(times) == 0 {
		if r.ctx.Err() != nil {
			return nil, errEnded
		}
		return nil, fmt.Errorf("nothing was done within %v", r.Time)
	}
	o.us, o.floorUS, o.time = median(us), median(floorUS), ratioOf(times)
	if len(cpus) == len(times) {
		o.cpuUS, o.floorCPU, o.cpu = median(cpuUS), median(floorCPU), ratioOf(cpus)
	}
	return o, nil
}

// stretch lets one side work, and returns the µs of an operation.
func (r *runner) stretch(t *total, s side, length time.Duration, count int64) (float64, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.ctx), length+patience)
	defer cancel()
	stop := context.AfterFunc(ctx, s.abort)
	p := newPace(r.ctx, length, count)
	before, known := cpuTime()
	err := s.run(p)
	took := time.Since(p.began)
	after, _ := cpuTime()
	if !stop() {
		return 0, fmt.Errorf("nothing came back within %v: %w", patience, ctx.Err())
	}
	if err != nil {
		return 0, err
	}
	if !known {
		after = before
	}
	return t.add(p, took, after-before), nil
}

func (t *total) merge(o *total) {
	t.ops += o.ops
	t.took += o.took
	t.cpu += o.cpu
	t.hist.Merge(&o.hist)
	t.overTime = append(t.overTime, o.overTime...)
	if t.named == nil {
		t.named = map[string]time.Duration{}
	}
	for name, d := range o.named {
		t.named[name] += d
	}
}

// median is the middle of some figures, which may be in any order.
func median(all []float64) float64 {
	if len(all) == 0 {
		return math.NaN()
	}
	s := slices.Clone(all)
	slices.Sort(s)
	if n := len(s); n%2 == 0 {
		return (s[n/2-1] + s[n/2]) / 2
	}
	return s[len(s)/2]
}
