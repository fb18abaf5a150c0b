package bench

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// A column of a benchmark's table: its heading, and the figure below it.
type column struct{ title, key, suffix string }

// tables have the columns of each benchmark between its case and the ratio.
var (
	linkColumns = []column{{"p50", "p50-us", ""}, {"p99", "p99-us", ""}, {"a second", "per-second", ""},
		{"µs each", "us", ""}, {"floor", "floor-us", ""}, {"ratio", "time-ratio", "x"},
		{"CPU µs", "cpu-us", ""}, {"floor", "floor-cpu-us", ""}, {"ratio", "cpu-ratio", "x"}}
	tables = map[string][]column{
		"packers": {{"bytes", "bytes", ""}, {"of EDN", "of-edn", ""}, {"pack µs", "pack-us", ""}, {"unpack µs", "unpack-us", ""}, {"scan µs", "floor-us", ""}, {"ratio", "ratio", "x"}},
		"compression": {{"bytes", "bytes", ""}, {"smaller", "smaller", "x"}, {"compress µs", "compress-us", ""}, {"expand µs", "expand-us", ""},
			{"MB/s", "mb-per-second", ""}, {"all µs", "us", ""}, {"alone", "floor-us", ""}, {"ratio", "ratio", "x"}}}
)

// Text writes the results of one benchmark for people: a table, and what can be drawn.
// changes, if there are any, stand beside the results; paint colours a verdict.
func Text(w io.Writer, b Benchmark, results []Result, changes []Change, pen Pen, paint func(verdict, s string) string) {
	fmt.Fprintf(w, "%s: %s\n", b.Name, b.About)
	if len(results) == 0 {
		fmt.Fprint(w, "  nothing was measured: the run has ended before, or this build has none of it\n\n")
		return
	}
	columns, ok := tables[b.Name]
	if !ok {
		columns = linkColumns
	}
	var out strings.Builder
	t := tabwriter.NewWriter(&out, 0, 0, 2, ' ', tabwriter.AlignRight)
	cell := func(s string) { fmt.Fprintf(t, "%s\t", s) }
	cell("")
	for _, c := range columns {
		cell(c.title)
	}
	cell("±")
	if changes != nil {
		cell("was")
		cell("change")
	}
	fmt.Fprintln(t)
	for i := range results {
		r := &results[i]
		cell("")
		if r.Problem != "" {
			fmt.Fprintln(t)
			continue
		}
		for _, c := range columns {
			if v, ok := r.Figure(c.key); ok {
				cell(digits(v) + c.suffix)
			} else {
				cell("-")
			}
		}
		spread, _ := r.Figure("spread")
		cell(fmt.Sprintf("%.0f %%", 100*spread))
		if changes != nil {
			was, change := changes[i].words()
			cell(was)
			cell(change)
		}
		fmt.Fprintln(t)
	}
	_ = t.Flush() // to memory
	names := 0
	for _, r := range results {
		names = max(names, len([]rune(r.Case)))
	}
	i := -1 // the heading
	for line := range strings.Lines(out.String()) {
		name, rest := "", strings.TrimRight(line, " \n")
		if i >= 0 {
			name = results[i].Case
			if results[i].Problem != "" {
				rest = "  " + results[i].Problem
			}
			if changes != nil {
				rest = paint(changes[i].Verdict, rest)
			}
		}
		fmt.Fprintf(w, "  %-*s%s\n", names, name, rest)
		i++
	}
	for _, r := range results {
		draw(w, r, pen)
	}
	fmt.Fprintln(w)
}

// draw draws a result's times, and its rate over time.
func draw(w io.Writer, r Result, pen Pen) {
	if len(r.Histogram) > 1 {
		fmt.Fprintf(w, "\n  %s:\n", r.Case)
		pen.Bars(w, r.Histogram)
		if len(r.OverTime) > 1 {
			fmt.Fprintf(w, "%12s  %s\n", "over time", pen.Spark(r.OverTime))
		}
	}
}

// words are what a table says of a change.
func (c *Change) words() (was, change string) {
	switch c.Verdict {
	case "new":
		return "-", "new"
	case "other":
		return "-", "with other settings"
	}
	change = digits(c.Factor) + "x"
	if c.Verdict != "same" {
		change += " " + c.Verdict
	}
	if c.Within {
		change += ", within ±"
	}
	return digits(c.Then), change
}
