package main

import (
	"bytes"
	"context"
	"regexp"
	"strings"
	"testing"
)

// report runs steps in mode m and returns what is printed, without durations.
func report(ctx context.Context, m *mode, steps ...step) (text string, failed int) {
	var out bytes.Buffer
	c := &checker{mode: m, out: &out, look: func(string) bool { return true }}
	for i := range steps {
		steps[i].in = []*mode{m}
	}
	failed = c.all(ctx, steps)
	return regexp.MustCompile(` +\d+\.\ds  `).ReplaceAllString(out.String(), " "), failed
}

func gives(r result) func(*checker, context.Context) result {
	return func(*checker, context.Context) result { return r }
}

func TestReport(t *testing.T) {
	mixed := result{passed: 3, notes: []string{"no bb"},
		skipped:  []note{{"p TestS", "a_test.go:1: why"}},
		failures: []note{{"p TestF", "one\n\n  two\n"}}}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, tt := range []struct {
		name   string
		ctx    context.Context
		mode   mode
		steps  []step
		want   string
		failed int
	}{
		{
			name:  "all well",
			steps: []step{{name: "a", run: gives(result{passed: 2})}, {name: "b", run: gives(result{passed: 1})}},
			want:  "a 2 passed\nb 1 passed\n3 passed, 0 failed\n",
		}, {
			name:  "a skip is only listed where that is allowed",
			steps: []step{{name: "unit", run: gives(mixed)}},
			want: "unit 3 passed, 1 failed, 1 skipped\n  no bb\n  SKIP unit: p TestS\n      a_test.go:1: why\n" +
				"  FAIL unit: p TestF\n      one\n\n        two\n3 passed, 1 failed\n",
			failed: 1,
		}, {
			name: "elsewhere it has failed", mode: mode{strict: true},
			steps: []step{{name: "unit", run: gives(result{passed: 3, skipped: mixed.skipped})}},
			want: "unit 3 passed, 1 failed, 1 skipped\n  FAIL (skipped) unit: p TestS\n      a_test.go:1: why\n" +
				"3 passed, 1 failed\n",
			failed: 1,
		}, {
			name: "without a setup, what needs it has failed",
			steps: []step{
				{name: "setup", run: gives(result{failures: []note{{"chromium", ""}}})},
				{name: "unit", run: gives(result{passed: 1})},
				{name: "peers", peers: true, run: gives(result{passed: 1})},
			},
			want: "setup 0 passed, 1 failed\n  FAIL setup: chromium\nunit 1 passed\npeers 0 passed, 1 failed\n" +
				"  FAIL peers: peers\n      not run: what it needs could not be set up, see above\n1 passed, 2 failed\n",
			failed: 2,
		}, {
			name: "interrupted", ctx: ended,
			steps:  []step{{name: "unit", run: gives(result{passed: 1})}},
			want:   "unit 0 passed, 1 failed\n  FAIL unit: unit\n      not run: context canceled\n0 passed, 1 failed\n",
			failed: 1,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.ctx == nil {
				tt.ctx = t.Context()
			}
			got, failed := report(tt.ctx, &tt.mode, tt.steps...)
			if got != tt.want || failed != tt.failed {
				t.Errorf("found %d failed and\n%s\nwant %d and\n%s", failed, got, tt.failed, tt.want)
			}
		})
	}
}

func TestModes(t *testing.T) {
	names := func(m *mode) string {
		var found []string
		for _, s := range steps {
			if s.when(m) {
				found = append(found, s.name)
			}
		}
		return strings.Join(found, " ")
	}
	for m, want := range map[*mode]string{
		quick: "format vet staticcheck babashka unit",
		full:  "setup format vet staticcheck babashka build unit peers node race benchmarks",
		soak:  "setup soak fuzz",
	} {
		if got := names(m); got != want {
			t.Errorf("%s runs %q, want %q", m.name, got, want)
		}
	}
}

func TestShorten(t *testing.T) {
	text := strings.Repeat("a\n", 500) + strings.Repeat("b", 2*lineBytes)
	got := strings.Split(shorten(text), "\n")
	if len(got) != headLines+1+tailLines {
		t.Errorf("%d lines are left, want %d", len(got), headLines+1+tailLines)
	}
	if got[headLines] != "… 301 lines left out …" {
		t.Errorf("in the middle stands %q", got[headLines])
	}
	if n := len(got[len(got)-1]); n > lineBytes+len(" …") {
		t.Errorf("the long line has still %d bytes", n)
	}
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{{"--quick", "--soak"}, {"./pipe"}, {"--fast"}, {"--quick", "--release", "x"}, {"--release"}, {"--release", ""}} {
		var out, errs bytes.Buffer
		if code := run(t.Context(), args, &out, &errs); code != 2 || out.Len() > 0 || errs.Len() == 0 {
			t.Errorf("%q: exit code %d, stdout %q, stderr %q; want 2 and an error", args, code, out.String(), errs.String())
		}
	}
}
