//go:build peers

package main_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

const devPage = `<!doctype html>
<html lang="en">
<head>
  <title>dev</title>
  <meta http-equiv="Content-Security-Policy" content="default-src 'self'">
  <link rel="stylesheet" href="look.css">
</head>
<body><h1>%s</h1></body>
</html>
`

// A page that "dev" serves is its file and one script tag. It reloads when the
// file changes, also over a restart; a stylesheet is loaded again without that.
func TestDevInBrowser(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("index.html", fmt.Sprintf(devPage, "one"))
	write("look.css", "h1 { color: rgb(1, 2, 3) }")
	socket := filepath.Join(t.TempDir(), "s", "x.sock")
	dev := startServe(t, "dev", dir, "--listen", "http://127.0.0.1:0", "--listen", "unix:"+socket)

	res, err := http.Get(dev.url + "/")
	if err != nil {
		t.Fatal(err)
	}
	served, err := io.ReadAll(res.Body)
	res.Body.Close()
	if err != nil {
		t.Fatal(err)
	}
	tag := regexp.MustCompile(`<script async src="/sente-lite-dev.js" data-state="[0-9a-f]{16}"></script>`)
	if found := tag.FindAllIndex(served, -1); len(found) != 1 {
		t.Errorf("the page has %d tags:\n%s", len(found), served)
	}
	if rest := string(tag.ReplaceAll(served, nil)); rest != fmt.Sprintf(devPage, "one") || int(res.ContentLength) != len(served) {
		t.Errorf("but for the tag the page of %d bytes is\n%s", res.ContentLength, rest)
	}

	b := startBrowser(t)
	b.open("a", dev.url+"/")
	b.sees("a", "h1", "one")
	b.eval("a", `window.mark = 1`)
	colour := `getComputedStyle(document.querySelector("h1")).color === %q`
	b.wait("a", colour, "rgb(1, 2, 3)")

	write("look.css", "h1 { color: rgb(4, 5, 6) }")
	b.wait("a", colour, "rgb(4, 5, 6)")
	if string(b.eval("a", `window.mark`)) != "1" {
		t.Error("a stylesheet has reloaded the page")
	}
	write("index.html", fmt.Sprintf(devPage, "two"))
	b.sees("a", "h1", "two")
	if string(b.eval("a", `window.mark ?? null`)) != "null" {
		t.Error("the page was not loaded anew")
	}

	// The page is nobody's peer.
	peers := start(t, "peers", "sente-lite", "peers", "--edn", "--to", "unix:"+socket)
	if line := peers.await(`.*`)[0]; strings.Contains(line, ":transport :ws") {
		t.Errorf("the page is a peer: %s", line)
	}

	// It is back by itself after a restart, and sees what has changed meanwhile.
	dev.signal(syscall.SIGTERM)
	if code := dev.exits(); code != 0 {
		t.Errorf("dev ends with %d", code)
	}
	b.eval("a", `window.mark = 2`)
	again := startServe(t, "dev", dir, "--listen", dev.url)
	write("index.html", fmt.Sprintf(devPage, "three"))
	b.sees("a", "h1", "three")
	again.signal(syscall.SIGTERM)
	if code := again.exits(); code != 0 {
		t.Errorf("dev ends with %d", code)
	}
	write("index.html", fmt.Sprintf(devPage, "four"))
	startServe(t, "dev", dir, "--listen", dev.url)
	b.sees("a", "h1", "four")

	var state string
	if err := json.Unmarshal(b.eval("a", `document.querySelector("script").dataset.state`), &state); err != nil || len(state) != 16 {
		t.Errorf("the state is %q, %v", state, err)
	}
	for _, c := range b.complaints("net::ERR_CONNECTION_", "net::ERR_INCOMPLETE_CHUNKED_ENCODING") {
		if !strings.Contains(c, "favicon") && !strings.Contains(c, "404") {
			t.Error(c)
		}
	}
}
