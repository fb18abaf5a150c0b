package bench

import (
	"bytes"
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

func TestHistogram(t *testing.T) {
	var h Histogram
	if h.Quantile(0.5) != 0 || h.Bins(5) != nil || h.N() != 0 {
		t.Error("an empty one is not empty")
	}
	for i := range 100 {
		h.Add(time.Duration(i+1) * time.Microsecond)
	}
	for q, want := range map[float64]time.Duration{0: 1, 0.5: 50, 0.99: 99, 1: 100} {
		got := h.Quantile(q)
		if diff := (got - want*time.Microsecond).Abs(); diff > want*time.Microsecond/subs {
			t.Errorf("quantile %v is %v, expected %v µs within 1/%d", q, got, want, subs)
		}
	}
	if h.Quantile(1) != 100*time.Microsecond {
		t.Errorf("the greatest is %v", h.Quantile(1))
	}
}

// Buckets follow each other without a gap, and a time is in its own.
func TestBuckets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := time.Duration(rapid.Int64().Draw(t, "ns"))
		i := bucket(d)
		d = min(max(d, 0), longest)
		if i < 0 || i >= buckets || lower(i) > d || i+1 < buckets && lower(i+1) <= d {
			t.Fatalf("%d ns is in bucket %d, which begins at %d", d, i, lower(i))
		}
		if i < buckets-1 && bucket(lower(i+1)) != i+1 {
			t.Fatalf("bucket %d begins at %d, which is in %d", i+1, lower(i+1), bucket(lower(i+1)))
		}
	})
}

// Whatever has been counted, bins have all of it, in at most as many rows; and two
// histograms joined are one of all their times.
func TestBinsAndMerge(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		times := rapid.SliceOfN(rapid.Int64Range(0, int64(longest)), 1, 200).Draw(t, "times")
		cut := rapid.IntRange(0, len(times)).Draw(t, "cut")
		rows := rapid.IntRange(1, 20).Draw(t, "rows")
		var a, b, all Histogram
		for i, ns := range times {
			all.Add(time.Duration(ns))
			if i < cut {
				a.Add(time.Duration(ns))
			} else {
				b.Add(time.Duration(ns))
			}
		}
		if a.Merge(&b); a != all {
			t.Fatal("joined, they are not one of all")
		}
		var sum uint64
		bins := all.Bins(rows)
		for i, bin := range bins {
			sum += bin.N
			if i > 0 && bin.From <= bins[i-1].From {
				t.Fatalf("rows do not rise: %v", bins)
			}
		}
		if sum != uint64(len(times)) || len(bins) > rows {
			t.Fatalf("%d rows have %d times, expected at most %d and %d", len(bins), sum, rows, len(times))
		}
		for _, q := range []float64{0, 0.25, 0.5, 0.99, 1} {
			if v := all.Quantile(q); v < all.Quantile(0) || v > all.Quantile(1) {
				t.Fatalf("quantile %v is %v, which nobody took", q, v)
			}
		}
	})
}

func TestDrawing(t *testing.T) {
	plain, blocks := Pen{}, Pen{Blocks: true}
	for _, tt := range []struct {
		pen    Pen
		values []float64
		want   string
	}{
		{plain, nil, ""}, {plain, []float64{5, 5}, "=="}, {plain, []float64{0, 7}, "_@"},
		{blocks, []float64{0, 1, 2, 3, 4, 5, 6, 7}, "▁▂▃▄▅▆▇█"}, {blocks, []float64{3}, "▄"},
	} {
		if got := tt.pen.Spark(tt.values); got != tt.want {
			t.Errorf("%v is %q, expected %q", tt.values, got, tt.want)
		}
	}
	bins := []Bin{{10 * time.Microsecond, 1}, {20 * time.Microsecond, 1000}, {40 * time.Microsecond, 500}}
	var b strings.Builder
	plain.Bars(&b, bins)
	want := "     10.0 µs  .                                          0.1 %\n" +
		"     20.0 µs  ########################################  66.6 %\n" +
		"     40.0 µs  ####################                      33.3 %\n"
	if b.String() != want {
		t.Errorf("got\n%swant\n%s", &b, want)
	}
	b.Reset()
	blocks.Bars(&b, bins)
	if got := b.String(); !strings.Contains(got, "  ▏  ") || !strings.Contains(got, "  "+strings.Repeat("█", 40)+"  ") {
		t.Errorf("got\n%s", got)
	}
	for v, want := range map[float64]string{0: "0", 0.0123: "0.012", 1: "1.00", 9.999: "10.0", 12.34: "12.3", 99.96: "100", 1234567: "1234567"} {
		if got := digits(v); got != want {
			t.Errorf("%v is %q, expected %q", v, got, want)
		}
	}
}

// takes is a side of which one operation takes so long, on the test's clock.
func takes(d time.Duration, timed bool) side {
	return side{run: func(p *pace) error {
		for p.more(0) {
			time.Sleep(d)
			if timed {
				p.took(d)
			}
			p.more(1)
		}
		return nil
	}, abort: func() {}}
}

func TestMeasure(t *testing.T) {
	for _, timed := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			r := &runner{Options: Options{Time: time.Second}, ctx: t.Context(), bench: "x"}
			began := time.Now()
			o, err := r.measure(1, takes(2*time.Millisecond, timed), takes(time.Millisecond, timed))
			if err != nil {
				t.Fatal(err)
			}
			if took := time.Since(began); took < time.Second || took > 1200*time.Millisecond {
				t.Errorf("it took %v, expected a second and a bit", took)
			}
			if math.Abs(o.us-2000) > 2000.0/subs || math.Abs(o.time.value-2) > 2.0/subs || o.time.spread > 0.02 {
				t.Errorf("%v µs, ratio %+v, expected 2000, 2 and next to no spread", o.us, o.time)
			}
			if o.ours.ops != 250 || o.floor.ops != 500 {
				t.Errorf("%d and %d operations, expected 250 and 500", o.ours.ops, o.floor.ops)
			}
			if n := len(o.ours.overTime); n < rounds*(parts-2) || n > rounds*parts {
				t.Errorf("%d points over time, expected about %d", n, rounds*parts)
			}
			for _, v := range o.ours.overTime {
				if math.Abs(v-500) > 1 {
					t.Errorf("%v operations a second, expected 500", v)
				}
			}
		})
	}
}

func TestMeasureByCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &runner{Options: Options{Time: time.Second, Count: 10}, ctx: t.Context()}
		o, err := r.measure(1, takes(3*time.Second, false), takes(time.Second, false))
		if err != nil || o.ours.ops != 10*rounds || o.time.value != 3 {
			t.Errorf("%+v %v", o, err)
		}
	})
}

// A side that gets stuck is made to return, and its context's end is not an error.
func TestStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &runner{Options: Options{Time: time.Second}, ctx: t.Context()}
		cut := make(chan struct{})
		stuck := side{run: func(*pace) error { <-cut; return errors.New("cut") }, abort: func() { close(cut) }}
		if _, err := r.measure(1, stuck, takes(time.Millisecond, false)); err == nil || !strings.Contains(err.Error(), "nothing came back within 30s") {
			t.Errorf("got %v", err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 700*time.Millisecond)
		defer cancel()
		r := &runner{Options: Options{Time: time.Second}, ctx: ctx}
		o, err := r.measure(1, takes(time.Millisecond, false), takes(time.Millisecond, false))
		if err != nil || o.ours.ops != 300 {
			t.Errorf("three complete rounds are %+v, %v", o, err)
		}
		if _, err := r.measure(1, takes(time.Millisecond, false), takes(time.Millisecond, false)); !errors.Is(err, errEnded) {
			t.Errorf("got %v", err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		r := &runner{Options: Options{Time: time.Second}, ctx: t.Context()}
		idle := side{run: func(*pace) error { return nil }, abort: func() {}}
		if _, err := r.measure(1, idle, idle); err == nil || !strings.Contains(err.Error(), "nothing was done") {
			t.Errorf("got %v", err)
		}
	})
}

func result(name string, ratio, spread float64) Result {
	return Result{Bench: "echo", Case: name, By: "time", With: []Figure{{"size", 128}}, Figures: []Figure{{"us", 2}, {"floor-us", 1}, {"ratio", ratio}, {"spread", spread}}}
}

func TestCompare(t *testing.T) {
	then := []Result{result("other", 9, 0), result("x", 2, 0.01), result("wide", 2, 0.2)}
	larger := result("x", 2, 0)
	larger.With = []Figure{{"size", 64}}
	problem := Result{Bench: "echo", Case: "x", Problem: "no"}
	for _, tt := range []struct {
		now     Result
		verdict string
		within  bool
		was     string
		change  string
	}{
		{result("x", 2.1, 0.01), "same", false, "2.00", "1.05x"},
		{result("x", 2.19, 0.01), "same", false, "2.00", "1.09x"},
		{result("x", 2.3, 0.01), "worse", false, "2.00", "1.15x worse"},
		{result("x", 1.7, 0.01), "better", false, "2.00", "0.850x better"},
		{result("wide", 2.3, 0.01), "worse", true, "2.00", "1.15x worse, within ±"},
		{result("wide", 3, 0.2), "worse", false, "2.00", "1.50x worse"},
		{result("nobody", 2, 0), "new", false, "-", "new"},
		{larger, "other", false, "-", "with other settings"},
		{problem, "other", false, "-", "with other settings"},
	} {
		c := Compare(tt.now, then)
		was, change := c.words()
		if c.Verdict != tt.verdict || c.Within != tt.within || was != tt.was || change != tt.change {
			t.Errorf("%s %v: %+v, %q %q; expected %s %v %q %q", tt.now.Case, tt.now.Figures, c, was, change, tt.verdict, tt.within, tt.was, tt.change)
		}
	}
}

// Two files of results, compared as the command does it.
func TestCompareFiles(t *testing.T) {
	var file bytes.Buffer
	file.WriteString("{:sente-lite \"0.1.0\" :size 128 :at #inst \"2026-11-24T00:00:00Z\"}\n\n")
	before := []Result{result("a", 2, 0.01), result("b", 4, 0.01)}
	for _, r := range before {
		file.Write(append(r.AppendEDN(nil, nil), '\n'))
	}
	then, err := Read(bytes.NewReader(file.Bytes()))
	if err != nil || len(then) != 2 {
		t.Fatal(then, err)
	}
	now := []Result{result("a", 3, 0.01), result("b", 4.1, 0.01)}
	var changes []Change
	file.Reset()
	for _, r := range now {
		c := Compare(r, then)
		changes = append(changes, c)
		file.Write(append(r.AppendEDN(nil, &c), '\n'))
	}
	if want := ":then-ratio 2 :change 1.5 :verdict :worse}\n"; !strings.Contains(file.String(), want) {
		t.Errorf("got %s, expected %s", &file, want)
	}
	again, err := Read(&file) // a comparison can be compared with
	if err != nil || len(again) != 2 || Compare(now[0], again).Verdict != "same" {
		t.Errorf("%+v %v", again, err)
	}
	var text strings.Builder
	Text(&text, All[0], now, changes, Pen{}, func(verdict, s string) string { return verdict + s })
	for _, want := range []string{"  aworse ", " 2.00  1.50x worse\n", "  bsame ", " 4.00        1.02x\n"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("%q is not in\n%s", want, &text)
		}
	}
}

func TestReadRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                                "no result",
		"{:a 1}":                          "no result",
		"[1]":                             "line 1: it is a vector, expected a map",
		"{:a 1}\n{:bench :x :case \"y\" ": "line 2: ",
		`{:bench :x :case 3}`:             "line 1: :case is no string",
		`{:bench :x :case "y" :us 1/2 :with {:size "x"}}`: "line 1: :with: ",
		`{:bench :x :case "y" :histogram [[1.0 x]]}`:      "line 1: :histogram: ",
		`{:bench :x :case "y" :over-time [a]}`:            "line 1: :over-time: ",
		`{:bench :x :case "y" :us 1M}`:                    "line 1: :us: ",
		`{:bench :x :case "y" :problem :z}`:               "line 1: :problem is no string",
	} {
		if _, err := Read(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, expected %s", text, err, want)
		}
	}
	if _, err := Read(strings.NewReader(strings.Repeat(" ", maxSaved+1))); err == nil {
		t.Error("a file of any size is read")
	}
}

// FuzzRead reads whatever there is; what it takes, it writes and takes again.
func FuzzRead(f *testing.F) {
	r := result("a \"b\"", 2.5, 0.01)
	r.Histogram = []Bin{{1500 * time.Nanosecond, 3}, {0, 0}}
	r.OverTime = []float64{1, 2e9}
	f.Add(string(r.AppendEDN(nil, nil)))
	f.Add(string(r.AppendEDN(nil, &Change{Then: 2, Factor: 1.2, Verdict: "worse", Within: true})))
	f.Add(`{:bench :x :case "y" :problem "z"}`)
	f.Add(`{:bench :x :case "y" :us ##NaN :n ##Inf :k ##-Inf}`)
	f.Fuzz(func(t *testing.T, text string) {
		all, err := Read(strings.NewReader(text))
		if err != nil {
			return
		}
		for _, r := range all {
			Compare(r, all)
			Text(&strings.Builder{}, Benchmark{Name: r.Bench}, []Result{r}, nil, Pen{}, func(_, s string) string { return s })
		}
	})
}
