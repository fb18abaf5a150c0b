package pipe

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// A plainQueue is what a queue is meant to be: lists, and everything counted anew.
type plainQueue struct {
	acked   uint64
	written []queued   // over this link, not acknowledged, in the order of their numbers
	again   []queued   // over an earlier one only
	lanes   [][]queued // that wait, by lane
	fresh   []queued
	flight  int // of written, the last so many are being written
}

func (p *plainQueue) waiting() []queued {
	all := slices.Clone(p.again)
	for _, l := range p.lanes {
		all = append(all, l...)
	}
	return all
}

// sums counts what waits or is being written.
func (p *plainQueue) sums() (events, owed, bytes, kept int) {
	for _, m := range append(p.waiting(), p.written[len(p.written)-p.flight:]...) {
		bytes += len(m.Data)
		switch m.kind {
		case kindEvent:
			events++
		case kindAnswer:
			owed++
		}
	}
	for _, m := range p.written {
		kept += len(m.Data)
	}
	return
}

func (p *plainQueue) check(t *rapid.T, q *queue) {
	events, owed, bytes, kept := p.sums()
	if q.events != events || q.owed != owed || q.bytes != bytes || q.keptBytes != kept {
		t.Fatalf("events, owed, bytes, kept = %d %d %d %d; expected %d %d %d %d", q.events, q.owed, q.bytes, q.keptBytes, events, owed, bytes, kept)
	}
	wait := len(p.waiting()) + len(p.fresh)
	if q.unwritten() != wait || q.all() != wait+len(p.written) {
		t.Fatalf("unwritten, all = %d %d; expected %d %d", q.unwritten(), q.all(), wait, wait+len(p.written))
	}
	if sent := p.acked + uint64(len(p.written)+len(p.again)); q.acked != p.acked || q.sent() != sent || q.highest() != p.acked+uint64(q.all()) {
		t.Fatalf("acked, sent = %d %d; expected %d %d", q.acked, q.sent(), p.acked, sent)
	}
	for _, acked := range []bool{false, true} {
		least := q.seq + 1
		look := append(p.waiting(), p.fresh...)
		if acked {
			look = append(look, p.written...)
		}
		for _, m := range look {
			least = min(least, m.seq)
		}
		if got := q.floor(acked); got != least {
			t.Fatalf("floor(%v) = %d; expected %d", acked, got, least)
		}
	}
	var got, want []uint64
	q.each(func(m *queued) { got = append(got, m.seq) })
	for _, m := range slices.Concat(p.written, p.waiting(), p.fresh) {
		want = append(want, m.seq)
	}
	if !slices.Equal(got, want) {
		t.Fatalf("it holds %v; expected %v", got, want)
	}
}

// A queue is what plain lists are, whatever is done to it: numbers, counts and order.
func TestQueueModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var q queue
		p := plainQueue{lanes: make([][]queued, 3)}
		var w written
		t.Repeat(map[string]func(*rapid.T){
			"push": func(t *rapid.T) {
				if len(p.fresh) > 0 { // they are merged when a link comes, before anything else
					t.Skip()
				}
				m := drawItem(t)
				m.seq = q.push(&m).seq
				p.lanes[m.lane] = append(p.lanes[m.lane], m)
			},
			"push while away": func(t *rapid.T) {
				m := drawItem(t)
				q.seq++
				m.seq = q.seq
				q.fresh.push(&m)
				p.fresh = append(p.fresh, m)
			},
			"merge": func(*rapid.T) {
				q.merge()
				for _, m := range p.fresh {
					p.lanes[m.lane] = append(p.lanes[m.lane], m)
				}
				p.fresh = nil
			},
			"take": func(t *rapid.T) {
				lane := rapid.Uint8Range(0, 2).Draw(t, "lane")
				from := &p.lanes[lane]
				if len(p.again) > 0 { // they go first
					lane, from = 0, &p.again
				}
				if len(*from) == 0 {
					t.Skip()
				}
				m := q.take(lane)
				if m.seq != (*from)[0].seq {
					t.Fatalf("take(%d) = %d; expected %d", lane, m.seq, (*from)[0].seq)
				}
				w.add(m)
				p.written = append(p.written, (*from)[0])
				*from = (*from)[1:]
				p.flight++
			},
			"wrote": func(*rapid.T) {
				q.left(w)
				w, p.flight = written{}, 0
			},
			"acknowledged": func(t *rapid.T) {
				n := rapid.IntRange(0, len(p.written)-p.flight).Draw(t, "n")
				q.drop(n, func(*queued) {})
				p.written, p.acked = p.written[n:], p.acked+uint64(n)
			},
			"link gone": func(t *rapid.T) {
				q.again(w)
				w = written{}
				p.again, p.written, p.flight = slices.Concat(p.written, p.again), nil, 0
				n := rapid.IntRange(0, len(p.again)).Draw(t, "seen")
				q.drop(n, func(*queued) {})
				p.again, p.acked = p.again[n:], p.acked+uint64(n)
			},
			"cut": func(t *rapid.T) {
				all := p.waiting()
				if len(all) == 0 {
					t.Skip()
				}
				seq := rapid.SampledFrom(all).Draw(t, "item").seq
				var gone uint64
				q.cut(seq, func(m *queued) { gone = m.seq })
				if gone != seq {
					t.Fatalf("cut(%d) takes %d", seq, gone)
				}
				out := func(l []queued) []queued {
					return slices.DeleteFunc(slices.Clone(l), func(m queued) bool { return m.seq == seq })
				}
				p.again = out(p.again)
				for i := range p.lanes {
					p.lanes[i] = out(p.lanes[i])
				}
			},
			"victim": func(t *rapid.T) {
				wanted := func(m *queued) bool { return m.kind == kindEvent && m.leg == 0 }
				lane := rapid.Uint8Range(0, 2).Draw(t, "for")
				m, ok := q.victim(lane, func(*queued) bool { return true })
				from, at, least := -1, 0, uint64(0)
				for i, l := range p.lanes {
					if i == 0 && lane > 0 { // for its own alone
						continue
					}
					n := slices.IndexFunc(l, func(m queued) bool { return wanted(&m) })
					if n >= 0 && (from < 0 || l[n].seq < least) {
						from, at, least = i, n, l[n].seq
					}
				}
				if ok != (from >= 0) || ok && m.seq != least {
					t.Fatalf("victim = %d, %v; expected %d, %v", m.seq, ok, least, from >= 0)
				}
				if ok {
					p.lanes[from] = slices.Delete(slices.Clone(p.lanes[from]), at, at+1)
				}
			},
			"": func(t *rapid.T) { p.check(t, &q) },
		})
	})
}

func drawItem(t *rapid.T) queued {
	return queued{
		Message: Message{Data: make([]byte, rapid.IntRange(0, 40).Draw(t, "bytes"))},
		kind:    rapid.SampledFrom([]queueKind{kindEvent, kindEvent, kindOwed, kindAnswer}).Draw(t, "kind"),
		lane:    rapid.Uint8Range(0, 2).Draw(t, "lane"),
		leg:     rapid.SampledFrom([]uint64{0, 0, 1}).Draw(t, "leg"),
	}
}
