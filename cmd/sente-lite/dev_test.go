//go:build unix

package main

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestWithScript(t *testing.T) {
	const tag = "<TAG>"
	for page, want := range map[string]string{
		"": tag,
		"<!doctype html><html><head><title>x</title></head><body>y</body></html>": "<!doctype html><html><head><title>x</title><TAG></head><body>y</body></html>",
		"<HTML><HEAD>\n</HEAD >":                                               "<HTML><HEAD>\n<TAG></HEAD >",
		"<!doctype html><p>no head":                                            "<!doctype html><p>no head<TAG>",
		"<p>text</body></html>\n":                                              "<p>text<TAG></body></html>\n",
		"<body>a</body> b </body>":                                             "<body>a</body> b <TAG></body>",
		"<!-- </head> --><head></head>":                                        "<!-- </head> --><head><TAG></head>",
		"<head><title></head></title></head>":                                  "<head><title></head></title><TAG></head>",
		`<head><script>let s = "</head>";</script></head>`:                     `<head><script>let s = "</head>";</script><TAG></head>`,
		`<script data-x="a > </head>">1</script><style></head></style></body>`: `<script data-x="a > </head>">1</script><style></head></style><TAG></body>`,
		"<textarea></body></textarea>":                                         "<textarea></body></textarea><TAG>",
		"<scripts></head>":                                                     "<scripts><TAG></head>",
		"<header></header><p>":                                                 "<header></header><p><TAG>",
		"<head></head><head></head></body>":                                    "<head><TAG></head><head></head></body>",
		"<script>never ended </head>":                                          "<script>never ended <TAG></head>",

		// These are left alone.
		`<script src="/sente-lite-dev.js"></script></head>`:      "",
		`<SCRIPT async SRC='../sente-lite-dev.js?x=1'></SCRIPT>`: "",
		"<script defer src=sente-lite-dev.js></script>":          "",
		"<\x00h\x00e\x00a\x00d\x00>\x00":                         "",
	} {
		if want == "" {
			want = page
		}
		if got := string(withScript([]byte(page), tag)); got != want {
			t.Errorf("%q:\n got %q\nwant %q", page, got, want)
		}
	}
	for page := range map[string]bool{
		"<!-- <script src=/sente-lite-dev.js></script> --></head>": true, `<script>"src=sente-lite-dev.js"</script>`: true,
	} {
		if got := string(withScript([]byte(page), tag)); strings.Count(got, tag) != 1 {
			t.Errorf("%q has the script already?", page)
		}
	}
}

// site makes a folder of pages.
func site(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		put(t, dir, name, text)
	}
	return dir
}

func put(t *testing.T, dir, name, text string) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	// In one step: what is half written might be seen.
	beside := filepath.Join(t.TempDir(), "x")
	if err := os.WriteFile(beside, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(beside, path); err != nil {
		t.Fatal(err)
	}
}

// devServer starts "dev" and returns it with its address.
func devServer(t *testing.T, dir string, args ...string) (*process, string) {
	t.Helper()
	p := begin(t, append([]string{"dev", dir}, args...)...)
	return p, addresses(t, p.hear("[:sente-lite/ready "))["http"]
}

// A devStream is what an open page listens to.
type devStream struct {
	t    *testing.T
	body io.Closer
	in   *bufio.Reader
}

func listen(t *testing.T, url string) *devStream {
	t.Helper()
	res, err := http.Get(url + devEventsPath)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { res.Body.Close() })
	if res.StatusCode != 200 || res.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("the stream is %s, %s", res.Status, res.Header)
	}
	return &devStream{t, res.Body, bufio.NewReader(res.Body)}
}

func (d *devStream) next() (c folderChange) {
	d.t.Helper()
	late := time.AfterFunc(patience, func() { d.body.Close() })
	defer late.Stop()
	for {
		line, err := d.in.ReadString('\n')
		if err != nil {
			d.t.Fatalf("the stream has ended: %v", err)
		}
		if data, ok := strings.CutPrefix(line, "data: "); ok {
			if err := json.Unmarshal([]byte(data), &c); err != nil {
				d.t.Fatal(err)
			}
			return c
		}
	}
}

func get(t *testing.T, url string) string {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != 200 {
		t.Fatalf("%s: %s, %v", url, res.Status, err)
	}
	return string(body)
}

func TestDevTellsOfChanges(t *testing.T) {
	dir := site(t, map[string]string{"index.html": "<p>one</p>", "a.css": "p {}", "sub/b.css": "q {}"})
	p, url := devServer(t, dir, "--listen", "http://127.0.0.1:0", "--set", `:base-path="/app"`)
	url += "/app"
	page := listen(t, url)
	first := page.next()
	if want := `<p>one</p><script async src="/app/sente-lite-dev.js" data-state="` + first.State + `"></script>`; get(t, url+"/") != want {
		t.Errorf("the page is %s", get(t, url+"/"))
	}
	if got := get(t, url+"/a.css"); got != "p {}" {
		t.Errorf("the stylesheet is %s", got)
	}
	if got := get(t, url+devScriptPath); got != string(devScript) {
		t.Errorf("the script is %s", got)
	}
	put(t, dir, "sub/b.css", "q { color: red }")
	c := page.next()
	if c.Before != first.State || c.State == first.State || len(c.CSS) != 1 || c.CSS[0] != "sub/b.css" {
		t.Errorf("a stylesheet has changed: %+v", c)
	}
	put(t, dir, "index.html", "<p>two</p>")
	if c = page.next(); len(c.CSS) != 0 {
		t.Errorf("a page has changed: %+v", c)
	}
	// A folder that is new is watched too, and dotfiles are not.
	put(t, dir, ".git/index", "x")
	put(t, dir, "new/deep/x.html", "x")
	was := page.next()
	eventually(t, "what is in the new folder is seen", func() bool {
		put(t, dir, "new/deep/x.html", time.Now().String())
		now := page.next()
		defer func() { was = now }()
		return now.Before == was.State && len(now.CSS) == 0
	})
	// Somebody else is not told.
	req, err := http.NewRequest(http.MethodGet, url+devEventsPath, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Origin", "http://elsewhere.example")
	if res, err := http.DefaultClient.Do(req); err != nil || res.StatusCode != http.StatusForbidden {
		t.Errorf("a page from elsewhere: %v, %v", res, err)
	} else {
		res.Body.Close()
	}
	p.signal(syscall.SIGTERM)
	p.exits(exitDone, 5*time.Second)
	if _, err := io.ReadAll(page.in); err != nil {
		t.Errorf("the stream's end: %v", err)
	}
}

// The state is the folder's, not the process's.
func TestDevStateOutlivesTheProcess(t *testing.T) {
	dir := site(t, map[string]string{"index.html": "<p>one</p>"})
	p, url := devServer(t, dir, "--listen", "http://127.0.0.1:0")
	first := listen(t, url).next()
	p.signal(syscall.SIGTERM)
	p.exits(exitDone, 5*time.Second)
	p, url = devServer(t, dir, "--listen", "http://127.0.0.1:0")
	if again := listen(t, url).next(); again.State != first.State {
		t.Errorf("the state was %s and is %s", first.State, again.State)
	}
	p.signal(syscall.SIGTERM)
	p.exits(exitDone, 5*time.Second)
	put(t, dir, "index.html", "<p>two, meanwhile</p>")
	_, url = devServer(t, dir, "--listen", "http://127.0.0.1:0")
	if now := listen(t, url).next(); now.State == first.State {
		t.Error("what has changed meanwhile is not seen")
	}
}

func TestDevStreamsAreBounded(t *testing.T) {
	w := newWatch(site(t, map[string]string{"index.html": ""}))
	for range maxDevStreams {
		w.open[make(chan folderChange, 1)] = struct{}{}
	}
	rec := &recorder{header: http.Header{}}
	w.ServeHTTP(rec, &http.Request{Method: http.MethodGet})
	if rec.status != http.StatusServiceUnavailable {
		t.Errorf("one more is answered by %d", rec.status)
	}
}

type recorder struct {
	header http.Header
	status int
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(status int)      { r.status = status }
func (r *recorder) Write(b []byte) (int, error) { return len(b), nil }

func TestOnlyCSS(t *testing.T) {
	was := map[string]string{"a.css": "1", "b.css": "1", "x.html": "1"}
	for _, tt := range []struct {
		now  map[string]string
		want string
	}{
		{map[string]string{"a.css": "2", "b.css": "2", "x.html": "1"}, "a.css b.css"},
		{map[string]string{"a.css": "2", "b.css": "1", "x.html": "2"}, ""},
		{map[string]string{"a.css": "2", "b.css": "1", "x.html": "1", "c.css": "1"}, ""},
		{map[string]string{"a.css": "2", "x.html": "1"}, ""},
	} {
		if got := strings.Join(onlyCSS(was, tt.now), " "); got != tt.want {
			t.Errorf("%v: %q, want %q", tt.now, got, tt.want)
		}
	}
}
