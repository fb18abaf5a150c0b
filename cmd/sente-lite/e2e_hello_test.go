//go:build peers

package main_test

import (
	"path/filepath"
	"syscall"
	"testing"
)

// TestHello runs the script of the README as it stands there, with two pages.
func TestHello(t *testing.T) {
	b := startBrowser(t)
	script, nbb := e2eFile(t, "e2e", "hello.cljs"), e2eFile(t, "npm", "node_modules", "nbb", "cli.js")
	t.Chdir(filepath.Dir(script))
	p := start(t, "hello.cljs", "node", nbb, "hello.cljs")
	url := p.await(`^Open (http://\S+)$`)[1]
	b.open("a", url)
	b.sees("a", "#answer", "Hello, page")
	b.open("b", url)
	b.sees("b", "#answer", "Hello, page")
	b.eval("a", `s.send("page/note", "to \"all\"\n\u2028")`)
	for _, page := range []string{"a", "b"} {
		b.wait(page, `document.getElementById("heard").textContent === "to \"all\"\n\u2028"`)
	}
	if all := b.complaints(); all != nil {
		t.Error(all)
	}
	// The sidecar ends with its parent, and the pages learn of it.
	p.signal(syscall.SIGKILL)
	b.wait("a", `s.state.lastClose?.code === 1001`)
}
