package web

import (
	"bytes"
	"fmt"
	"net/http"
	"testing"
	"testing/fstest"

	"github.com/sente-lite/sente-lite/pipe"
)

// HTML is amended, in full and in parts, and nothing else is.
func TestAmend(t *testing.T) {
	const page, amended = "<!doctype html><p>page", "<!doctype html><p>page+"
	files := fstest.MapFS{
		"index.html": {Data: []byte(page)}, "sub/index.html": {Data: []byte(page)}, "a.htm": {Data: []byte(page)},
		"bare": {Data: []byte(page)}, "odd.kind": {Data: []byte(page)}, "text": {Data: []byte("only text")},
		"x.js": {Data: []byte("<!doctype html>")}, "x.txt": {Data: []byte(page)},
	}
	f := newFront(t, Config{Pages: files, BasePath: "/app", Amend: func(b []byte) []byte { return append(bytes.Clone(b), '+') }}, pipe.Settings{})
	for path, want := range map[string]string{
		"/": amended, "/sub/": amended, "/a.htm": amended, "/bare": amended, "/odd.kind": amended,
		"/text": "only text", "/x.js": "<!doctype html>", "/x.txt": page,
	} {
		res, body := f.ask("GET /app" + path + " HTTP/1.1\nHost: " + f.addr)
		if body != want || res.ContentLength != int64(len(want)) {
			t.Errorf("%s: %q of %d bytes, want %q", path, body, res.ContentLength, want)
		}
		if want != amended {
			continue
		}
		tag := res.Header.Get("ETag")
		res, body = f.ask("GET /app" + path + " HTTP/1.1\nHost: " + f.addr + "\nIf-None-Match: " + tag)
		if tag == "" || res.StatusCode != http.StatusNotModified || body != "" {
			t.Errorf("%s again, by its tag %s: %s %q", path, tag, res.Status, body)
		}
		res, body = f.ask(fmt.Sprintf("GET /app%s HTTP/1.1\nHost: %s\nRange: bytes=%d-", path, f.addr, len(page)))
		if res.StatusCode != http.StatusPartialContent || body != "+" {
			t.Errorf("the end of %s: %s %q", path, res.Status, body)
		}
	}
	for path, want := range map[string]int{"/sub": 301, "/index.html": 301, "/sub/index.html": 301, "/none.html": 404, "/.index.html": 404} {
		if res, _ := f.ask("GET /app" + path + " HTTP/1.1\nHost: " + f.addr); res.StatusCode != want {
			t.Errorf("%s: %s, want %d", path, res.Status, want)
		}
	}
}

// What is served besides stands behind the guard.
func TestAlso(t *testing.T) {
	also := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "also") })
	f := newFront(t, Config{BasePath: "/app", Also: map[string]http.Handler{"/x.js": also}}, pipe.Settings{})
	for head, want := range map[string]int{
		"GET /app/x.js HTTP/1.1\nHost: " + f.addr:                                        200,
		"GET /app/x.js HTTP/1.1\nHost: " + f.addr + "\nOrigin: http://" + f.addr:         200,
		"GET /app/x.js HTTP/1.1\nHost: " + f.addr + "\nSec-Fetch-Site: cross-site":       403,
		"GET /app/x.js HTTP/1.1\nHost: " + f.addr + "\nOrigin: http://elsewhere.example": 403,
		"GET /app/x.js HTTP/1.1\nHost: elsewhere.example":                                421,
		"POST /app/x.js HTTP/1.1\nHost: " + f.addr + "\nOrigin: http://" + f.addr:        405,
		"GET /app/y.js HTTP/1.1\nHost: " + f.addr:                                        404,
		"GET /x.js HTTP/1.1\nHost: " + f.addr:                                            404,
	} {
		if res, body := f.ask(head); res.StatusCode != want || want == 200 && body != "also" {
			t.Errorf("%s: %s %q, want %d", head, res.Status, body, want)
		}
	}
}
