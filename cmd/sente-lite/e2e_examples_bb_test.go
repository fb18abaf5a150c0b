//go:build peers && bb && unix

package main_test

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Where there is a bb, the examples and what the README shows run on it, too.
func init() { platforms = append(platforms, "bb") }

// TestBabashkaListsTasks asks bb itself what it reads in bb/bb.edn.
func TestBabashkaListsTasks(t *testing.T) {
	cmd := exec.Command("bb", "tasks")
	cmd.Dir = filepath.Join(repository(t), "bb")
	cmd.WaitDelay = stepTime
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("bb tasks: %v\n%s", err, out)
	}
	for _, name := range []string{"test ", "test:nbb ", "lint ", "api ", "repl "} {
		if !strings.Contains("\n"+string(out), "\n"+name) {
			t.Errorf("bb tasks does not list %s:\n%s", name, out)
		}
	}
}

// TestExampleJVMElsewhere runs the one that is for the JVM on bb: it says so.
func TestExampleJVMElsewhere(t *testing.T) {
	command := commandOf(t, "bb")
	exampleFolder(t, "jvm")
	p := start(t, "server.cljc on bb", command...)
	p.await(`^This example draws with java\.awt`)
	if code := p.exits(); code != 1 {
		t.Errorf("exit code %d", code)
	}
}
