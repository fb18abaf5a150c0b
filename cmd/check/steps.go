package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"
)

// A step is one line of the report.
type step struct {
	name  string
	in    []*mode
	peers bool // needs what the setup step installs
	run   func(*checker, context.Context) result
}

// steps are in the order of how soon they tell that something is wrong.
var steps = []step{
	{name: "setup", in: []*mode{full, soak}, run: (*checker).setup},
	{name: "format", in: []*mode{quick, full}, run: (*checker).format},
	{name: "vet", in: []*mode{quick, full}, run: (*checker).vet},
	{name: "staticcheck", in: []*mode{quick, full}, run: (*checker).staticcheck},
	{name: "babashka", in: []*mode{quick, full}, run: (*checker).babashka},
	{name: "build", in: []*mode{full}, run: (*checker).build},
	{name: "unit", in: []*mode{quick, full}, run: (*checker).unit},
	{name: "peers", in: []*mode{full}, peers: true, run: (*checker).peers},
	{name: "node", in: []*mode{full}, peers: true, run: (*checker).node},
	{name: "race", in: []*mode{full}, run: (*checker).race},
	{name: "benchmarks", in: []*mode{full}, run: (*checker).benchmarks},
	{name: "soak", in: []*mode{soak}, peers: true, run: (*checker).soak},
	{name: "fuzz", in: []*mode{soak}, run: (*checker).fuzz}, // the seeds are unit tests
}

func (s step) when(m *mode) bool {
	for _, in := range s.in {
		if in == m {
			return true
		}
	}
	return false
}

// A result is what a step has to say. Its methods keep the counts and the
// texts together.
type result struct {
	passed   int
	failures []note
	skipped  []note
	notes    []string // one line each, for things that are neither
}

type note struct{ title, text string }

func (r *result) pass() { r.passed++ }

func (r *result) fail(title, text string) {
	r.failures = append(r.failures, note{title, text})
}

func (r *result) skip(title, why string) {
	r.skipped = append(r.skipped, note{title, why})
}

// A checker runs steps on one checkout.
type checker struct {
	root string
	mode *mode
	out  io.Writer
	look func(program string) bool // whether a program is installed

	lame bool // the setup failed: steps that need peers are not run
}

// all runs the steps of the checker's mode, prints the report and returns the
// number of failures.
func (c *checker) all(ctx context.Context, steps []step) (failed int) {
	if c.mode.limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, c.mode.limit,
			fmt.Errorf("the whole run may take %v", c.mode.limit))
		defer cancel()
	}
	passed := 0
	for _, s := range steps {
		if !s.when(c.mode) {
			continue
		}
		fmt.Fprintf(c.out, "%-12s", s.name)
		began := time.Now()
		var r result
		switch {
		case ctx.Err() != nil:
			r.fail(s.name, "not run: "+context.Cause(ctx).Error())
		case s.peers && c.lame:
			r.fail(s.name, "not run: what it needs could not be set up, see above")
		default:
			r = s.run(c, ctx)
		}
		if s.name == "setup" && len(r.failures) > 0 {
			c.lame = true
		}
		passed += r.passed
		failed += c.report(s.name, r, time.Since(began))
	}
	fmt.Fprintf(c.out, "%d passed, %d failed\n", passed, failed)
	return failed
}

// report prints the rest of a step's line and what is below it.
func (c *checker) report(name string, r result, took time.Duration) (failed int) {
	failed = len(r.failures)
	if c.mode.strict {
		failed += len(r.skipped)
	}
	fmt.Fprintf(c.out, "%7.1fs  %d passed", took.Seconds(), r.passed)
	if failed > 0 {
		fmt.Fprintf(c.out, ", %d failed", failed)
	}
	if len(r.skipped) > 0 {
		fmt.Fprintf(c.out, ", %d skipped", len(r.skipped))
	}
	fmt.Fprintln(c.out)
	for _, n := range r.notes {
		fmt.Fprintln(c.out, "  "+n)
	}
	for _, s := range r.skipped {
		what := "SKIP"
		if c.mode.strict {
			what = "FAIL (skipped)"
		}
		c.paragraph(what+" "+name+": "+s.title, s.text)
	}
	for _, f := range r.failures {
		c.paragraph("FAIL "+name+": "+f.title, f.text)
	}
	return failed
}

func (c *checker) paragraph(title, text string) {
	fmt.Fprintln(c.out, "  "+title)
	if text = strings.Trim(text, "\n"); text == "" {
		return
	}
	for line := range strings.Lines(shorten(text)) {
		fmt.Fprintln(c.out, strings.TrimRight("      "+line, " \r\n"))
	}
}

// What is shown of one failure: its beginning, which says what went wrong, and
// its end, which says how it ended.
const (
	headLines = 150
	tailLines = 50
	lineBytes = 1000
)

func shorten(text string) string {
	lines := strings.Split(text, "\n")
	if cut := len(lines) - headLines - tailLines; cut > 0 {
		tail := lines[len(lines)-tailLines:]
		lines = append(lines[:headLines:headLines], fmt.Sprintf("… %d lines left out …", cut))
		lines = append(lines, tail...)
	}
	for i, line := range lines {
		if len(line) > lineBytes {
			lines[i] = strings.ToValidUTF8(line[:lineBytes], "") + " …"
		}
	}
	return strings.Join(lines, "\n")
}
