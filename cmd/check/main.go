// Check runs everything that proves sente-lite, and sets up what that needs.
//
//	go run ./cmd/check            all of it: what CI runs
//	go run ./cmd/check --quick    the inner loop: no outside programs, no race detector
//	go run ./cmd/check --soak     long runs: tests behind the tag soak, minutes of fuzzing
//	go run ./cmd/check --release DIR   no check: builds what is published, into a new folder
//
// It prints a line per step, below it what failed and what was skipped, and as
// its last line
//
//	N passed, N failed
//
// where a step that is no test counts as one, and a test counts once in each
// step that runs it. It exits 0 if nothing failed, 1 if something did, 2 if it
// was called wrongly.
//
// Where tests live decides when they run:
//
//   - without a build tag: always, and again under the race detector;
//   - behind the tag peers (they need Chromium, Clojure, Node, …) and in
//     *.test.mjs files: in a full run, which installs those programs or fails;
//   - the clojure.test suite under bb/test: in a full run, once on each platform,
//     by Go tests behind the tags peers and bb. Each of its tests counts;
//   - behind the tag bb: in a full run where a bb is installed. There is no
//     package of Babashka to install, so it alone may be missing;
//   - behind the tag soak: with --soak;
//   - a fuzz target's seeds, what it once failed on among them: as a test. It
//     searches for more with --soak only, where a find is news and not a surprise.
//
// A test that a full run or a soak skips counts as failed: a check that did not
// happen must not look like one that passed.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const modulePath = "github.com/sente-lite/sente-lite"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// A mode is one way to call check.
type mode struct {
	name   string
	limit  time.Duration // of the whole run; 0 for none
	strict bool          // a skipped test counts as failed
	fresh  bool          // ignores Go's cache of test results
	test   time.Duration // what the tests of one package may take
	fuzz   time.Duration // per fuzz target
	cross  bool          // vets for the other systems too
}

var (
	quick = &mode{name: "quick", limit: 10 * time.Minute, test: 2 * time.Minute}
	full  = &mode{name: "full", limit: 30 * time.Minute, strict: true, fresh: true, test: 8 * time.Minute, cross: true}
	soak  = &mode{name: "soak", strict: true, fresh: true, test: 2 * time.Hour, fuzz: 3 * time.Minute}
)

func run(ctx context.Context, args []string, out, errs io.Writer) int {
	flags := flag.NewFlagSet("check", flag.ContinueOnError)
	flags.SetOutput(errs)
	isQuick := flags.Bool("quick", false, "no outside programs, no race detector: about a minute")
	isSoak := flags.Bool("soak", false, "tests behind the tag soak and long fuzzing: hours")
	release := flags.String("release", "", "no check: build the archives for all systems into a new folder `DIR`")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return 2
	}
	noDir := false
	flags.Visit(func(f *flag.Flag) { noDir = f.Name == "release" && *release == "" })
	if flags.NArg() > 0 || flags.NFlag() > 1 || noDir {
		fmt.Fprintf(errs, "check: found %q; allowed is one of --quick, --soak and --release DIR, or nothing\n", strings.Join(args, " "))
		return 2
	}
	root, err := findRoot()
	if err != nil {
		fmt.Fprintln(errs, "check:", err)
		return 2
	}
	if *release != "" {
		c := &checker{root: root, mode: full, out: out, look: lookPath}
		if err := c.release(ctx, *release); err != nil {
			fmt.Fprintln(errs, "check: --release:", err)
			return 1
		}
		return 0
	}
	m := full
	switch {
	case *isQuick:
		m = quick
	case *isSoak:
		m = soak
	}
	c := &checker{root: root, mode: m, out: out, look: lookPath}
	if c.all(ctx, steps) > 0 {
		return 1
	}
	return 0
}

// findRoot returns the folder of sente-lite's go.mod, at or above the current one.
func findRoot() (string, error) {
	start, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for dir := start; ; dir = filepath.Dir(dir) {
		mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if first, _, _ := strings.Cut(string(mod), "\n"); err == nil && strings.TrimSpace(first) == "module "+modulePath {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("no go.mod of %s in %s or above it: run this inside a checkout", modulePath, start)
		}
	}
}
