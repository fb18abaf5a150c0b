package bench

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// A pace says how long one side works at a stretch, and takes down what it did: for a
// time, or for a number of operations.
type pace struct {
	ctx   context.Context
	until time.Time // zero: limit holds
	limit int64
	began time.Time

	ops atomic.Int64

	// Of the side's first goroutine.
	hist   Histogram
	byRate bool // the time of a stretch counts, not the median of what hist has
	named  map[string]time.Duration

	mu       sync.Mutex // guards what follows
	next     time.Time  // when a part ends
	part     time.Duration
	since    time.Time
	counted  int64
	overTime []float64 // operations a second, part by part
}

// parts are the points of a stretch's line over time.
const parts = 8

func newPace(ctx context.Context, stretch time.Duration, limit int64) *pace {
	now := time.Now()
	p := &pace{ctx: ctx, limit: limit, began: now, since: now, named: map[string]time.Duration{}}
	if limit == 0 {
		p.until = now.Add(stretch)
		p.part = max(stretch/parts, time.Microsecond)
		p.next = now.Add(p.part)
	}
	return p
}

// more counts operations that are done, and reports whether to go on. It may be
// called by any goroutine.
func (p *pace) more(done int) bool {
	ops := p.ops.Add(int64(done))
	if p.ctx.Err() != nil {
		return false
	}
	if p.limit > 0 {
		return ops < p.limit
	}
	now := time.Now()
	if p.mu.TryLock() { // who finds it locked need not look
		if now.After(p.next) {
			p.mark(now, ops)
		}
		p.mu.Unlock()
	}
	return now.Before(p.until)
}

// mark ends a part. The lock is held.
func (p *pace) mark(now time.Time, ops int64) {
	if took := now.Sub(p.since); took > 0 && ops > p.counted {
		p.overTime = append(p.overTime, float64(ops-p.counted)/took.Seconds())
	}
	p.since, p.counted, p.next = now, ops, now.Add(p.part)
}

// took takes down how long one operation took, or one of its kind.
func (p *pace) took(d time.Duration) { p.hist.Add(d) }

// note adds to a figure of its own.
func (p *pace) note(name string, d time.Duration) { p.named[name] += d }

// A total is what one side has done in all its stretches.
type total struct {
	ops      int64
	took     time.Duration
	cpu      time.Duration
	hist     Histogram
	named    map[string]time.Duration
	overTime []float64
}

// add takes a stretch that has ended, and returns the µs of an operation: the median
// where each was timed one by one.
func (t *total) add(p *pace, took, cpu time.Duration) float64 {
	ops := p.ops.Load()
	p.mu.Lock()
	if p.limit > 0 || time.Since(p.since) > p.part/2 {
		p.mark(p.began.Add(took), ops)
	}
	t.overTime = append(t.overTime, p.overTime...)
	p.mu.Unlock()
	t.ops += ops
	t.took += took
	t.cpu += cpu
	t.hist.Merge(&p.hist)
	if t.named == nil {
		t.named = map[string]time.Duration{}
	}
	for name, d := range p.named {
		t.named[name] += d
	}
	if p.hist.N() > 0 && !p.byRate {
		return micros(p.hist.Quantile(0.5))
	}
	return micros(took) / float64(max(ops, 1))
}

// each is the µs of an operation.
func (t *total) each(d time.Duration) float64 { return micros(d) / float64(max(t.ops, 1)) }

// worked is each of a figure of its own, for a side that does nothing but compute: less
// the part of its time in which others had the processor.
func (t *total) worked(name string) float64 {
	us := t.each(t.named[name])
	if t.cpu > 0 && t.cpu < t.took {
		us *= float64(t.cpu) / float64(t.took)
	}
	return us
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
