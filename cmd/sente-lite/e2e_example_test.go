//go:build peers

package main_test

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// An example runs by what is there, here nbb; it finds the library and this very
// program, and leaves nothing behind.
func TestExampleRuns(t *testing.T) {
	temporary := t.TempDir()
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		p := start(t, "example", "sh", "-c", `cd "$1" && TMPDIR="$2" exec sente-lite-with-examples example run echo`, "sh", e2eFile(t, "npm"), temporary)
		p.await(`^hello from the library \{:version "`)
		p.signal(s)
		if code := p.exits(); code != 0 {
			t.Errorf("%v: exit code %d", s, code)
		}
		if !strings.Contains(p.said(), "Open the page that it names") || strings.Contains(p.said(), "How it works") {
			t.Errorf("what to look at is not said:\n%s", p.said())
		}
		if left, err := filepath.Glob(filepath.Join(temporary, "*")); err != nil || len(left) > 0 {
			t.Errorf("left behind: %v, %v", left, err)
		}
	}
	// A script that ends by itself.
	p := start(t, "example", "sh", "-c", `cd "$1" && TMPDIR="$2" ONCE=1 exec sente-lite-with-examples example run echo`, "sh", e2eFile(t, "npm"), temporary)
	p.await(`^hello from the library`)
	if code := p.exits(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}
