package main

import (
	"context"
	"strings"
	"time"
)

// goTest runs `go test -json` with more arguments and counts.
func (c *checker) goTest(ctx context.Context, r *result, args ...string) {
	test := []string{"test", "-json", "-vet=off", "-timeout=" + c.mode.test.String()}
	if c.mode.fresh {
		test = append(test, "-count=1")
	}
	counts := newTally(r)
	errs, err := c.lines(ctx, counts.read, "go", append(test, args...)...)
	counts.finish(errs, err)
}

// unit runs all tests that need nothing but Go: unit, property and script tests,
// and the seeds of the fuzz targets.
func (c *checker) unit(ctx context.Context) (r result) {
	c.goTest(ctx, &r, "./...")
	return r
}

// race runs the same tests under the race detector.
func (c *checker) race(ctx context.Context) (r result) {
	c.goTest(ctx, &r, "-race", "./...")
	return r
}

// peers runs the tests that need outside programs, one package at a time: they
// start browsers and Java, and measure time-outs.
func (c *checker) peers(ctx context.Context) (r result) {
	tags := "peers"
	if c.look("bb") {
		tags += ",bb"
	} else {
		r.notes = append(r.notes, "no bb on the PATH: tests behind the tag bb are left out (https://babashka.org)")
	}
	c.tagged(ctx, &r, "", tags)
	return r
}

// soak runs the long tests.
func (c *checker) soak(ctx context.Context) (r result) {
	c.tagged(ctx, &r, "peers", "peers,soak")
	return r
}

// tagged runs the tests that exist with tags and not with base.
func (c *checker) tagged(ctx context.Context, r *result, base, tags string) {
	before, err := c.testFuncs(ctx, base)
	if err != nil {
		r.fail("go list", err.Error())
		return
	}
	after, err := c.testFuncs(ctx, tags)
	if err != nil {
		r.fail("go list", err.Error())
		return
	}
	pkgs, names := added(before, after)
	if len(pkgs) == 0 {
		return
	}
	c.goTest(ctx, r, append([]string{"-p=1", "-tags=" + tags, "-run=" + anyOf(names)}, pkgs...)...)
}

// benchmarks runs each benchmark once, so that none rots.
func (c *checker) benchmarks(ctx context.Context) (r result) {
	found, err := c.testFuncs(ctx, "")
	if err != nil {
		r.fail("go list", err.Error())
		return r
	}
	var pkgs []string
	for _, f := range found {
		if strings.HasPrefix(f.name, "Benchmark") && (len(pkgs) == 0 || pkgs[len(pkgs)-1] != f.pkg) {
			pkgs = append(pkgs, f.pkg)
		}
	}
	if len(pkgs) > 0 {
		c.goTest(ctx, &r, append([]string{"-run=^$", "-bench=.", "-benchtime=1x"}, pkgs...)...)
	}
	return r
}

// fuzz runs each fuzz target for a while.
func (c *checker) fuzz(ctx context.Context) (r result) {
	found, err := c.testFuncs(ctx, "")
	if err != nil {
		r.fail("go list", err.Error())
		return r
	}
	var targets []testFunc
	for _, f := range found {
		if strings.HasPrefix(f.name, "Fuzz") {
			targets = append(targets, f)
		}
	}
	each := c.mode.fuzz
	for _, f := range targets {
		short := strings.TrimPrefix(f.pkg, modulePath+"/")
		if text, err := c.fuzzOne(ctx, f, each); err != nil {
			r.fail(short+" "+f.name, text+err.Error())
		} else {
			r.pass()
		}
	}
	return r
}

// fuzzOne fuzzes one target. Up to Go 1.26 the end of -fuzztime may be reported
// as a failure of the target (golang/go#75804); a real one names its input. So
// a bare end of time is tried once more.
func (c *checker) fuzzOne(ctx context.Context, f testFunc, d time.Duration) (text string, err error) {
	for range 2 {
		text, err = c.output(ctx, nil, "go", "test", "-vet=off", "-run=^$", "-fuzz=^"+f.name+"$",
			"-fuzztime="+d.String(), "-timeout="+(d+c.mode.test).String(), f.pkg)
		if err == nil || ctx.Err() != nil || !endOfTime(text) {
			break
		}
	}
	return text, err
}

func endOfTime(text string) bool {
	return strings.Contains(text, "context deadline exceeded") && !strings.Contains(text, "Failing input written to")
}
