//go:build peers || bb

package bb

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// One clojure.test suite, bb/test, runs on every platform. A platform is a
// program that loads test/suite.cljc and the tests, and writes what that says.

// suiteTime is what the suite may take on one platform.
const suiteTime = 4 * time.Minute

// clojureJars are Debian's.
const clojureJars = "/usr/share/java/clojure.jar:/usr/share/java/spec.alpha.jar:/usr/share/java/core.specs.alpha.jar"

// A tree is where the sources and tests of a suite are, below this package.
type tree struct {
	roots []string // of namespaces, as in a class path
	tests string   // the folder whose *_test.cljc are run, and those of the platform's own ending
}

var (
	library = tree{roots: []string{"src", "test"}, tests: "test"}
	sample  = tree{roots: []string{"src", "test", "testdata/suite"}, tests: "testdata/suite"}
)

// namespaces are those that are tests: shared ones, and those with the ending of one platform's own, ".clj" or ".cljs".
func (tr tree) namespaces(t *testing.T, own string) (names []string) {
	t.Helper()
	err := fs.WalkDir(os.DirFS("."), tr.tests, func(file string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(file, "_test.cljc") && (own == "" || !strings.HasSuffix(file, "_test"+own)) {
			return err
		}
		src, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		forms, err := Read(file, src)
		if err != nil {
			return err
		}
		ns, ok := Namespace(forms)
		if !ok {
			return fmt.Errorf("%s has no namespace", file)
		}
		names = append(names, ns.Name)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(names) == 0 {
		t.Fatalf("no *_test.cljc is in bb/%s", tr.tests)
	}
	return names
}

// classPath is absolute.
func (tr tree) classPath(t *testing.T) string {
	t.Helper()
	var all []string
	for _, root := range tr.roots {
		all = append(all, absolute(t, root))
	}
	return strings.Join(all, string(os.PathListSeparator))
}

func absolute(t *testing.T, path string) string {
	t.Helper()
	abs, err := filepath.Abs(filepath.FromSlash(path))
	if err == nil {
		_, err = os.Stat(abs)
	}
	if err != nil {
		t.Fatal(err)
	}
	return abs
}

// program is a script that runs the tests of namespaces; test is the
// namespace of the library for tests.
func (tr tree) program(t *testing.T, own, test, end string) string {
	t.Helper()
	names := tr.namespaces(t, own)
	return fmt.Sprintf("(ns main (:require [suite] [%s] [%s])) (%s/run-tests '%s) %s",
		test, strings.Join(names, "] ["), test, strings.Join(names, " '"), end)
}

// An outcome is that of one test.
type outcome struct {
	name, failure string // "" where it has passed
}

// A log is what a run has written: the suite's own lines are taken out.
type log struct {
	outcomes []outcome
	running  string // a test that has begun
	ended    bool
	problems []string
	other    strings.Builder
}

// take takes one line.
func (l *log) take(line string) {
	word, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
	name, text, _ := strings.Cut(rest, " ")
	switch word {
	case "@begin":
		l.running = name
	case "@pass", "@fail":
		failure := ""
		if word == "@fail" {
			var err error
			if failure, err = strconv.Unquote(text); err != nil {
				failure = text
			}
		}
		if name != l.running {
			l.problems = append(l.problems, fmt.Sprintf("%s has ended while %q ran", name, l.running))
		}
		l.running = ""
		l.outcomes = append(l.outcomes, outcome{name, failure})
	case "@end":
		l.ended = true
		if n, err := strconv.Atoi(name); err != nil || n != len(l.outcomes) {
			l.problems = append(l.problems, fmt.Sprintf("the suite says that %s tests have run, and told of %d", name, len(l.outcomes)))
		}
	default:
		if l.other.Len() < 1<<20 {
			l.other.WriteString(line)
		}
	}
}

// finish says what is wrong with the run as a whole.
func (l *log) finish(err error) {
	switch {
	case l.running != "":
		l.problems = append(l.problems, l.running+" has begun and not ended")
	case !l.ended:
		l.problems = append(l.problems, "the suite has not come to its end")
	case len(l.outcomes) == 0:
		l.problems = append(l.problems, "no test has run")
	}
	if err != nil {
		l.problems = append(l.problems, err.Error())
	}
}

// report makes a Go test of each test.
func (l *log) report(t *testing.T) {
	for _, o := range l.outcomes {
		t.Run(strings.ReplaceAll(o.name, "/", "."), func(t *testing.T) {
			if o.failure != "" {
				t.Error(o.failure)
			}
		})
	}
	if len(l.problems) > 0 {
		t.Errorf("%s; it wrote:\n%s", strings.Join(l.problems, "; "), l.other.String())
	}
}

// run runs a program to its end, in dir, with the built sente-lite.
func run(t *testing.T, dir string, command ...string) *log {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(t.Context(), suiteTime, fmt.Errorf("it was ended after %v", suiteTime))
	defer cancel()
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "SENTE_LITE_BIN="+binary(t))
	cmd.WaitDelay = 5 * time.Second
	out, in := io.Pipe()
	cmd.Stdout, cmd.Stderr = in, in
	l := &log{}
	read := make(chan struct{})
	go func() {
		defer close(read)
		for r := bufio.NewReader(out); ; {
			line, err := r.ReadString('\n')
			l.take(line)
			if err != nil {
				return
			}
		}
	}()
	err := cmd.Run()
	in.Close()
	<-read
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	l.finish(err)
	return l
}

// binary builds the program.
func binary(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "sente-lite")
	cmd := exec.Command("go", "build", "-buildvcs=false", "-o", file, "../cmd/sente-lite")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return file
}

// sampleFails are what the tests of testdata/suite must say, so that a failure
// of the library's own is seen.
var sampleFails = map[string]string{
	"fails":               `(?s)^failure at .*18\nouter inner\ntold "why"\nexpected: \(= 1 \(shared/add 1 1\)\)\n  actual: \(not \(= 1 2\)\)\n\nfailure at .*19\nexpected: \(or nil false\)\n  actual: false$`,
	"throws-nothing":      `^failure at .*22\nexpected: \(thrown\? \S+ 1\)\n  actual: `,
	"throws":              `^error.*\nUncaught exception, not in assertion\.(?s).*boom`,
	"throws-in-assertion": `^error at .*29\nexpected: \(= 1 \(throw \(ex-info "boom" \{\}\)\)\)\n  actual: (?s).*boom`,
	"asserts-nothing":     `^it asserts nothing$`,
	"fails-later":         `^failure at .*43\nexpected: \(= 1 2\)\n  actual: \(not \(= 1 2\)\)$`,
}

// judge compares the run of the sample with what is in it.
// Babashka need not say where it was.
func judge(t *testing.T, l *log, async, lines bool) {
	t.Helper()
	expected := []string{"asserts-nothing", "fails", "passes", "speaks", "throws", "throws-in-assertion", "throws-nothing"}
	if async {
		expected = append(expected, "fails-later", "later")
	}
	slices.Sort(expected)
	var ran []string
	for _, o := range l.outcomes {
		name := path.Base(o.name)
		ran = append(ran, name)
		want := sampleFails[name]
		if !lines {
			want = regexp.MustCompile(` at \.\*\d+`).ReplaceAllString(want, ".*")
		}
		if (want == "") != (o.failure == "") || !regexp.MustCompile(want).MatchString(o.failure) {
			t.Errorf("%s: found %q, expected %q", o.name, o.failure, want)
		}
	}
	slices.Sort(ran)
	if !slices.Equal(ran, expected) || len(l.problems) > 0 {
		t.Errorf("%q have run, expected %q; %q\n%s", ran, expected, l.problems, l.other.String())
	}
	if !strings.Contains(l.other.String(), "@noise") {
		t.Errorf("what a test prints is lost: %s", l.other.String())
	}
}

func TestSuiteLog(t *testing.T) {
	for in, want := range map[string]string{
		"":                            "has not come to its end",
		"@end 0\n":                    "no test has run",
		"@begin a/b\n":                "a/b has begun and not ended",
		"@begin a/b\n@pass a/b\n":     "has not come to its end",
		"@begin a/b\n@pass a/c\n":     `a/c has ended while "a/b" ran`,
		"@begin a\n@pass a\n@end 2\n": "says that 2 tests have run, and told of 1",
		"@begin a\n@pass a\n@end 1\n": "",
	} {
		l := &log{}
		for line := range strings.Lines(in) {
			l.take(line)
		}
		l.finish(nil)
		if got := strings.Join(l.problems, "; "); !strings.Contains(got, want) || want == "" && got != "" {
			t.Errorf("%q: found %q, expected %q", in, got, want)
		}
	}
	l := &log{}
	l.finish(errors.New("killed"))
	if !strings.Contains(strings.Join(l.problems, "; "), "killed") {
		t.Errorf("%q: the error is missing", l.problems)
	}
}
