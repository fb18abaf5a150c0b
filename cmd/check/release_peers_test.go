//go:build peers

package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// TestReleaseBuilds asks Go for real, of one system. In a cold cache that takes
// a minute.
func TestReleaseBuilds(t *testing.T) {
	root, err := findRoot()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("GOFLAGS", "-buildvcs=false") // whoever owns the checkout
	c := &checker{root: root, mode: full, out: io.Discard}
	here := system{runtime.GOOS, runtime.GOARCH}
	file := filepath.Join(t.TempDir(), here.program())
	if err := c.buildProgram(t.Context(), here, file); err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := mustBeStatic(here, program); err != nil {
		t.Error(err)
	}
	if err := c.buildProgram(t.Context(), here, file+"2"); err != nil {
		t.Fatal(err)
	}
	if again, err := os.ReadFile(file + "2"); err != nil || !bytes.Equal(program, again) {
		t.Errorf("the second build has other bytes (%v)", err)
	}
	if bytes.Contains(program, []byte(root)) {
		t.Error("the program names the folder that it was built in")
	}
	if text, err := c.printed(t.Context(), file, "version", "--edn"); err != nil || !bytes.Contains(text, []byte(":version")) {
		t.Errorf("version: %v, %q", err, text)
	}
	if text, err := c.printed(t.Context(), file, "no-such-command"); err == nil || !strings.Contains(err.Error(), "no-such-command") {
		t.Errorf("a command that is not there: %v, %q", err, text)
	}
	notices, err := c.licenses(t.Context(), []system{here})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"github.com/alecthomas/kong v", "The Go standard library\n", "Copyright"} {
		if !bytes.Contains(notices, []byte(want)) {
			t.Errorf("the notices do not have %q", want)
		}
	}
	if bytes.Contains(notices, []byte(modulePath+" ")) {
		t.Error("the notices have our own license")
	}
}
