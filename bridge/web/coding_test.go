package web

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/andybalholm/brotli"
)

func TestAccepted(t *testing.T) {
	ours := []string{"br", "gzip"}
	for header, want := range map[string]string{
		"":                              "",
		"gzip":                          "gzip",
		"br":                            "br",
		"gzip, br":                      "br",
		"br, gzip":                      "br",
		"gzip, deflate, br, zstd":       "br",
		"gzip, deflate":                 "gzip",
		"GZIP":                          "gzip",
		"x-gzip":                        "gzip",
		"deflate":                       "",
		"identity":                      "",
		"*":                             "br",
		"*;q=0":                         "",
		"*;q=0, gzip":                   "gzip",
		"br;q=0, *":                     "gzip",
		"br;q=0, gzip;q=0, *":           "",
		"gzip;q=0":                      "",
		"gzip;q=0.0":                    "",
		"gzip;q=0.000, br;q=0":          "",
		"br;q=0, gzip":                  "gzip",
		"br;q=0.5, gzip;q=0.8":          "gzip",
		"br;q=0.8, gzip;q=0.5":          "br",
		"gzip;q=0.5, br;q=0.5":          "br",
		"gzip ; Q=0.5 , br ; q = 0.9":   "br",
		"identity, gzip;q=0.5":          "",
		"identity;q=0.5, gzip":          "gzip",
		"identity;q=0.5, gzip;q=0.5":    "gzip",
		"identity;q=0":                  "",
		"identity;q=0, gzip;q=0.1":      "gzip",
		"gzip;q=2":                      "",
		"gzip;q=-1":                     "",
		"gzip;q=NaN":                    "",
		"gzip;q=":                       "",
		"gzip;q=x, br":                  "br",
		"gzip;level=9":                  "gzip",
		",, ;q=1,gzip,":                 "gzip",
		strings.Repeat("x,", 5000) + "": "",
	} {
		if got := accepted([]string{header}, ours); got != want {
			t.Errorf("%.60q is answered in %q, expected %q", header, got, want)
		}
	}
	if got := accepted([]string{"gzip;q=0.5", "br;q=0.4"}, ours); got != "gzip" {
		t.Errorf("two lines are answered in %q, expected gzip", got)
	}
	if got := accepted(nil, ours); got != "" {
		t.Errorf("no line is answered in %q", got)
	}
}

// codedFront is a server with files of each kind.
func codedFront(t *testing.T) (s *Server, dir string, files map[string][]byte) {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, 5000)
	for i := range noise {
		noise[i] = byte(r.Uint32())
	}
	var text []byte
	for i := range 200 {
		text = fmt.Appendf(text, "(defn f%d [x] (* x %d)) ; a line of text\n", i, r.IntN(1000))
	}
	page := append([]byte("<!doctype html><title>t</title>\n"), text...)
	files = map[string][]byte{
		"/index.html": page, "/app.js": text, "/style.css": text, "/core.cljs": text, "/data.edn": text, "/logo.svg": append([]byte("<svg>"), text...),
		"/small.js": text[:1024], "/photo.png": append([]byte("\x89PNG\r\n\x1a\n"), text...), "/font.woff2": text, "/lib.zip": text,
		"/noise.txt": noise, "/what": text, "/binary.edn": noise,
	}
	dir = t.TempDir()
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	files["/lib.cljs"] = text
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return New(Config{Pages: root.FS(), Assets: map[string]Asset{
		"/lib.cljs": {Type: "text/plain; charset=utf-8", Make: func() ([]byte, error) { return text, nil }},
	}}), dir, files
}

func fetch(s *Server, method, path string, headers ...string) *http.Response {
	r := httptest.NewRequest(method, "http://127.0.0.1"+path, nil)
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Add(name, value)
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w.Result()
}

// body returns what an answer holds, without its coding.
func body(t *testing.T, res *http.Response) []byte {
	t.Helper()
	r := io.Reader(res.Body)
	switch res.Header.Get("Content-Encoding") {
	case "br":
		r = brotli.NewReader(r)
	case "gzip":
		var err error
		if r, err = gzip.NewReader(r); err != nil {
			t.Fatal(err)
		}
	}
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestCodings(t *testing.T) {
	s, _, files := codedFront(t)
	files["/sente-lite.js"], files["/"] = clientJS().data, files["/index.html"]
	delete(files, "/index.html")
	plain := map[string]bool{"/small.js": true, "/photo.png": true, "/font.woff2": true, "/lib.zip": true, "/noise.txt": true, "/what": true, "/binary.edn": true}
	for path, data := range files {
		for accept, coding := range map[string]string{"": "", "gzip": "gzip", "gzip, deflate, br": "br", "br;q=0, gzip": "gzip", "gzip;q=0": "", "identity": ""} {
			if plain[path] {
				coding = ""
			}
			res := fetch(s, "GET", path, "Accept-Encoding: "+accept)
			whole := res.Header.Get("Content-Type")
			if got := res.Header.Get("Content-Encoding"); got != coding || res.StatusCode != 200 {
				t.Errorf("%s for %q: %s in %q, expected %q", path, accept, res.Status, got, coding)
			}
			if got := body(t, res); !bytes.Equal(got, data) {
				t.Errorf("%s for %q: %d bytes, expected %d", path, accept, len(got), len(data))
			}
			if varies := res.Header.Get("Vary") == "Accept-Encoding"; !varies && !plain[path] {
				t.Errorf("%s for %q: Vary is %q", path, accept, res.Header.Values("Vary"))
			}
			if length := res.Header.Get("Content-Length"); coding == "" && length != fmt.Sprint(len(data)) || coding != "" && length == fmt.Sprint(len(data)) {
				t.Errorf("%s for %q: Content-Length %q of %d", path, accept, length, len(data))
			}
			if as := fetch(s, "GET", path).Header.Get("Content-Type"); as != whole {
				t.Errorf("%s for %q has the type %q, otherwise %q", path, accept, whole, as)
			}
			head := fetch(s, "HEAD", path, "Accept-Encoding: "+accept)
			if b, _ := io.ReadAll(head.Body); len(b) > 0 || head.Header.Get("Content-Encoding") != coding || head.Header.Get("ETag") != res.Header.Get("ETag") {
				t.Errorf("HEAD of %s for %q: %d bytes, %v", path, accept, len(b), head.Header)
			}
		}
	}
}

func TestCodingsAndCaches(t *testing.T) {
	s, _, files := codedFront(t)
	tags := map[string]string{}
	for _, coding := range []string{"", "gzip", "br"} {
		tag := fetch(s, "GET", "/sente-lite.js", "Accept-Encoding: "+coding).Header.Get("ETag")
		for other, has := range tags {
			if has == tag {
				t.Errorf("%q and %q share the tag %s", coding, other, tag)
			}
		}
		tags[coding] = tag
	}
	for has, tag := range tags {
		for asks := range tags {
			res := fetch(s, "GET", "/sente-lite.js", "Accept-Encoding: "+asks, "If-None-Match: "+tag)
			if want := map[bool]int{true: 304, false: 200}[has == asks]; res.StatusCode != want {
				t.Errorf("has %q, asks for %q: %s, expected %d", has, asks, res.Status, want)
			}
			if res.Header.Get("Vary") != "Accept-Encoding" {
				t.Errorf("%s without Vary", res.Status)
			}
		}
	}
	modified := fetch(s, "GET", "/app.js", "Accept-Encoding: gzip").Header.Get("Last-Modified")
	if res := fetch(s, "GET", "/app.js", "Accept-Encoding: gzip", "If-Modified-Since: "+modified); res.StatusCode != 304 {
		t.Errorf("a file that has not changed: %s", res.Status)
	}

	// A part is one of the file as it is.
	for _, path := range []string{"/app.js", "/sente-lite.js"} {
		data := files[path]
		if data == nil {
			data = clientJS().data
		}
		res := fetch(s, "GET", path, "Accept-Encoding: gzip, br", "Range: bytes=100-199")
		if got := body(t, res); res.StatusCode != 206 || !bytes.Equal(got, data[100:200]) || res.Header.Get("Content-Encoding") != "" {
			t.Errorf("a part of %s: %s, %v, %q", path, res.Status, res.Header, got)
		}
	}
}

// A file that changes is served as it is now.
func TestCodingsOfAChangedFile(t *testing.T) {
	s, dir, files := codedFront(t)
	ask := func() []byte { return body(t, fetch(s, "GET", "/app.js", "Accept-Encoding: br")) }
	if got := ask(); !bytes.Equal(got, files["/app.js"]) {
		t.Fatal("another file")
	}
	now := bytes.ReplaceAll(files["/app.js"], []byte("defn"), []byte("defm"))
	name := filepath.Join(dir, "app.js")
	if err := os.WriteFile(name, now, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(name, time.Time{}, time.Unix(2e9, 0)); err != nil {
		t.Fatal(err)
	}
	if got := ask(); !bytes.Equal(got, now) {
		t.Error("what was there before is served")
	}
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	if res := fetch(s, "GET", "/app.js", "Accept-Encoding: br"); res.StatusCode != 404 {
		t.Errorf("a file that is gone: %s", res.Status)
	}
}

// A file is compressed once however many ask, and what is kept is bounded.
func TestCodingsAreKept(t *testing.T) {
	var c codings
	text := bytes.Repeat([]byte("some text "), 1000)
	loads := 0 // under c.working
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			got := c.coded("gzip", "one", func() (string, []byte, error) { loads++; return "text/plain", text, nil })
			if got.data == nil {
				t.Error("it is not compressed")
			}
		})
	}
	all.Wait()
	if loads != 1 {
		t.Errorf("it was loaded %d times", loads)
	}
	if got := c.coded("gzip", "bad", func() (string, []byte, error) { return "", nil, io.ErrUnexpectedEOF }); got.data != nil || len(c.kept) != 1 {
		t.Error("what could not be read is kept")
	}
	c.size = codedKept
	c.coded("gzip", "two", func() (string, []byte, error) { return "text/plain", text, nil })
	if len(c.kept) != 1 || c.size > 1000 {
		t.Errorf("%d files of %d bytes are kept beyond the bound", len(c.kept), c.size)
	}
}
