package main

import (
	"bufio"
	"context"
	"io"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// node runs all *.test.mjs files with node's own test runner, one file at a
// time: they start browsers.
func (c *checker) node(ctx context.Context) (r result) {
	files, err := c.files(".test.mjs")
	if err != nil {
		r.fail("node --test", err.Error())
		return r
	}
	if len(files) == 0 {
		return r
	}
	args := []string{"--test", "--test-reporter=tap", "--test-concurrency=1", "--test-timeout=180000"}
	counts := tap{result: &r, files: files}
	errs, err := c.lines(ctx, counts.read, "node", append(args, files...)...)
	counts.finish(errs, err)
	return r
}

// A tap counts tests in what node's tap reporter writes. A test is what stands
// at the margin; one with a skipped subtest is skipped, and so is a todo. Node
// adds a line for a file that has no test or could not be loaded: it has failed.
type tap struct {
	*result
	files   []string
	planned bool

	test    string // the last one at the margin, "" if it was counted
	ok      bool
	skipped []string
	lines   capped // what was written since the one before
}

var (
	tapLine = regexp.MustCompile(`^( *)(not )?ok \d+(?: - (.*?))?(?: # (SKIP|TODO)\b *(.*))?$`)
	tapPlan = regexp.MustCompile(`^1\.\.\d+$`)
)

func (t *tap) read(stream io.Reader) {
	lines := bufio.NewReader(stream)
	details := false // inside a test's YAML block
	for {
		line, err := lines.ReadString('\n')
		t.line(strings.TrimSuffix(line, "\n"), &details)
		if err != nil {
			t.count()
			return
		}
	}
}

func (t *tap) line(line string, details *bool) {
	word := strings.TrimSpace(line)
	indented := strings.HasPrefix(line, " ")
	switch {
	case *details:
		*details = word != "..."
		t.lines.add(line + "\n")
		if !*details {
			t.count()
		}
		return
	case indented && word == "---":
		*details = true
	default:
		if !indented {
			t.count()
		}
		if tapPlan.MatchString(line) {
			t.planned = true
			return
		}
		t.outcome(line)
	}
	t.lines.add(line + "\n")
}

func (t *tap) outcome(line string) {
	m := tapLine.FindStringSubmatch(line)
	if m == nil {
		return
	}
	name := m[3]
	if m[4] != "" {
		t.skipped = append(t.skipped, strings.TrimSpace(name+": "+strings.ToLower(m[4])+" "+m[5]))
	}
	if m[1] == "" {
		t.test, t.ok = name, m[2] == "" || m[4] != ""
		if t.test == "" {
			t.test = "a test without a name"
		}
	}
}

// count closes the test at the margin, if there is an open one: its details are
// the last of it.
func (t *tap) count() {
	if t.test == "" {
		return
	}
	switch {
	case !t.ok:
		t.fail(t.test, t.lines.String())
	case len(t.skipped) > 0:
		t.skip(t.test, strings.Join(t.skipped, "\n"))
	case t.isFile():
		t.fail(t.test, "the file has no test")
	default:
		t.pass()
	}
	t.test, t.skipped = "", nil
	t.lines.reset()
}

func (t *tap) isFile() bool {
	return slices.ContainsFunc(t.files, func(file string) bool {
		return t.test == file || strings.HasSuffix(filepath.ToSlash(t.test), "/"+file)
	})
}

// finish counts a node that failed without saying so, or ended early.
func (t *tap) finish(errs string, err error) {
	switch {
	case len(t.failures) > 0:
	case err != nil:
		t.fail("node --test", t.lines.String()+errs+err.Error())
	case !t.planned:
		t.fail("node --test", t.lines.String()+errs+"it ended without a plan (1..N): not all tests have run")
	}
}
