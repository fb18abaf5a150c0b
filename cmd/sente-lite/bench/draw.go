package bench

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// A Pen draws with blocks where a terminal shows them, and with plain characters
// anywhere else.
type Pen struct{ Blocks bool }

// Spark is a line of one character for each value, from the least to the greatest;
// equal values are in the middle.
func (p Pen) Spark(values []float64) string {
	levels := []rune("_.-=+*#@")
	if p.Blocks {
		levels = []rune("▁▂▃▄▅▆▇█")
	}
	if len(values) == 0 {
		return ""
	}
	low, high := slices.Min(values), slices.Max(values)
	var b strings.Builder
	for _, v := range values {
		at := (len(levels) - 1) / 2
		if high > low {
			at = int((v - low) / (high - low) * float64(len(levels)-1))
		}
		b.WriteRune(levels[at])
	}
	return b.String()
}

// barWidth is the longest bar of a histogram.
const barWidth = 40

// Bars draws a histogram, a row for each bin.
func (p Pen) Bars(w io.Writer, bins []Bin) {
	var sum, most uint64
	for _, b := range bins {
		sum += b.N
		most = max(most, b.N)
	}
	for _, b := range bins {
		fmt.Fprintf(w, "%12s  %-*s %5.1f %%\n", Micros(b.From)+" µs", barWidth, p.bar(float64(b.N)/float64(max(most, 1))), 100*float64(b.N)/float64(max(sum, 1)))
	}
}

// bar is as long as a part, 0 to 1, of the longest one. What is there at all shows.
func (p Pen) bar(part float64) string {
	if !p.Blocks {
		n := int(part*barWidth + 0.5)
		if n == 0 && part > 0 {
			return "."
		}
		return strings.Repeat("#", n)
	}
	eighths := int(part*barWidth*8 + 0.5)
	if eighths == 0 && part > 0 {
		eighths = 1
	}
	s := strings.Repeat("█", eighths/8)
	if rest := eighths % 8; rest > 0 {
		s += string([]rune(" ▏▎▍▌▋▊▉")[rest])
	}
	return s
}

// Micros is a time in µs, to three digits.
func Micros(d time.Duration) string { return digits(float64(d) / float64(time.Microsecond)) }

// digits is a figure to about three digits.
func digits(v float64) string {
	switch {
	case v >= 99.95 || v == 0:
		return fmt.Sprintf("%.0f", v)
	case v >= 9.995:
		return fmt.Sprintf("%.1f", v)
	case v >= 0.9995:
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.3f", v)
}
