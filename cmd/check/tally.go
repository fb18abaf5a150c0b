package main

import (
	"bufio"
	"encoding/json"
	"io"
	"strings"
)

// event is one line of `go test -json`: see `go doc test2json`, and for the
// build's events `go help buildjson`.
type event struct {
	Action      string
	Package     string
	Test        string
	Output      string
	ImportPath  string // of build-output
	FailedBuild string // the ImportPath that a package failed for
}

// A tally counts test functions. A test passes if all of it passed: one with a
// skipped subtest is skipped. Those of a suite in another language, which are
// the subtests of one TestSuite…, count one by one in its place. A test that began and never ended has failed, and
// so has a package that fails without a failed test: its build, its TestMain, a
// panic outside of tests.
type tally struct {
	*result
	builds map[string]*capped // output by ImportPath, until it was shown
	pkgs   map[string]*running
}

// running is a package whose tests run.
type running struct {
	order  []string
	tests  map[string]*outcome
	output capped // outside of tests
	failed bool   // a test of it has
}

type outcome struct {
	output    capped
	ended     string // the test's own last action
	failed    bool   // it or a subtest
	skipped   []string
	lastLines map[string]string // of a subtest: where t.Skip says why
	suite     bool              // its subtests are counted
}

// silent reports whether a test has said nothing but how it ended.
func (o *outcome) silent() bool {
	for line := range strings.Lines(o.output.String()) {
		if !strings.HasPrefix(line, "--- ") {
			return false
		}
	}
	return true
}

func newTally(r *result) *tally {
	return &tally{result: r, builds: map[string]*capped{}, pkgs: map[string]*running{}}
}

// read takes a stream of events up to its end. Lines that are none are kept
// with the package of the last event.
func (t *tally) read(stream io.Reader) {
	lines := bufio.NewReader(stream)
	last := ""
	for {
		line, err := lines.ReadString('\n')
		var ev event
		switch {
		case strings.TrimSpace(line) == "":
		case json.Unmarshal([]byte(line), &ev) != nil || ev.Action == "":
			t.pkg(last).output.add(line)
		default:
			last = ev.Package
			t.take(ev)
		}
		if err != nil {
			return
		}
	}
}

func (t *tally) pkg(path string) *running {
	p := t.pkgs[path]
	if p == nil {
		p = &running{tests: map[string]*outcome{}}
		t.pkgs[path] = p
	}
	return p
}

func (t *tally) take(ev event) {
	switch {
	case ev.Action == "build-output":
		if t.builds[ev.ImportPath] == nil {
			t.builds[ev.ImportPath] = &capped{}
		}
		t.builds[ev.ImportPath].add(ev.Output)
	case ev.Action == "build-fail":
	case ev.Test != "":
		t.pkg(ev.Package).take(ev)
	case ev.Action == "output":
		t.pkg(ev.Package).output.add(ev.Output)
	case ev.Action == "pass", ev.Action == "fail", ev.Action == "skip":
		t.end(ev)
	}
}

func (p *running) test(name string) *outcome {
	o := p.tests[name]
	if o == nil {
		o = &outcome{lastLines: map[string]string{}}
		p.tests[name] = o
		p.order = append(p.order, name)
	}
	return o
}

func (p *running) take(ev event) {
	name, sub, isSub := strings.Cut(ev.Test, "/")
	if isSub && strings.HasPrefix(name, "TestSuite") {
		p.test(name).suite = true
		name, sub, isSub = ev.Test, "", false
	}
	o := p.test(name)
	switch ev.Action {
	case "output":
		if chatter(ev.Output) {
			return
		}
		o.output.add(ev.Output)
		if text := strings.TrimSpace(ev.Output); !strings.HasPrefix(text, "--- ") {
			o.lastLines[sub] = text
		}
	case "fail":
		o.failed = true
		p.failed = true
	case "skip":
		why := o.lastLines[sub]
		if isSub {
			why = sub + ": " + why
		}
		o.skipped = append(o.skipped, why)
	}
	if !isSub && (ev.Action == "pass" || ev.Action == "fail" || ev.Action == "skip") {
		o.ended = ev.Action
	}
}

// chatter is what `go test -v` says about every test.
func chatter(line string) bool {
	for _, prefix := range []string{"=== RUN ", "=== PAUSE ", "=== CONT ", "=== NAME "} {
		if strings.HasPrefix(line, prefix) {
			return true
		}
	}
	return false
}

// end counts a package. Without an end of their own, benchmarks have run if the
// package passed.
func (t *tally) end(ev event) {
	p := t.pkg(ev.Package)
	delete(t.pkgs, ev.Package)
	short := strings.TrimPrefix(strings.TrimPrefix(ev.Package, modulePath), "/")
	for _, name := range p.order {
		o := p.tests[name]
		ran := o.ended != "" || ev.Action == "pass" && strings.HasPrefix(name, "Benchmark")
		switch {
		case !ran:
			p.failed = true
			t.fail(short+" "+name, o.output.String()+"(it did not end)\n"+p.output.String())
		case o.suite && (!o.failed || o.silent()):
		case o.failed:
			t.fail(short+" "+name, o.output.String())
		case len(o.skipped) > 0:
			t.skip(short+" "+name, strings.Join(o.skipped, "\n"))
		default:
			t.pass()
		}
	}
	if ev.Action != "fail" || p.failed {
		return
	}
	text := p.output.String()
	if b := t.builds[ev.FailedBuild]; b != nil {
		text += b.String()
		b.reset()
		b.add("(its output is above)\n")
	}
	t.fail(short, text)
}

// finish counts packages that never ended, and a `go test` that failed without
// saying so in events.
func (t *tally) finish(errs string, err error) {
	for path := range t.pkgs {
		if len(t.pkgs[path].order) > 0 {
			t.end(event{Action: "fail", Package: path})
		}
	}
	if err == nil || len(t.failures) > 0 {
		return
	}
	text := ""
	for _, p := range t.pkgs {
		text += p.output.String()
	}
	for _, b := range t.builds {
		text += b.String()
	}
	t.fail("go test", text+errs+err.Error())
}
