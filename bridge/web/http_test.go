package web

import (
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sente-lite/sente-lite/bridge/web/client"
	"github.com/sente-lite/sente-lite/pipe"
)

// folder is what pages are served from, and what must not be.
func folder(t *testing.T) (pages *os.Root) {
	t.Helper()
	top := t.TempDir()
	dir := filepath.Join(top, "public")
	for name, text := range map[string]string{
		"public/index.html": "the index", "public/app.js": "the script", "public/sub/index.html": "the sub index",
		"public/bare/x.txt": "x", "public/.env": "SECRET", "public/.git/config": "SECRET", "public/sub/.hidden/x": "SECRET",
		"secret.txt": "SECRET", "other/x.txt": "SECRET",
		"public/ws": "SHADOW", "public/chsk": "SHADOW", "public/sente-lite.js": "SHADOW", "public/healthz": "SHADOW",
		"public/readyz": "SHADOW", "public/metrics": "SHADOW", "public/dashboard/index.html": "SHADOW",
		"public/blob/x": "SHADOW", "public/_nrepl": "SHADOW",
	} {
		path := filepath.Join(top, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for link, to := range map[string]string{
		"out.txt": "../secret.txt", "out": "../other", "absolute": top, "passwd": "/etc/passwd", "self": "self", "in.js": "app.js",
	} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return root
}

func TestPages(t *testing.T) {
	pages := folder(t).FS()
	for _, base := range []string{"", "/app"} {
		f := newFront(t, Config{Pages: pages, BasePath: base, Headers: http.Header{"Referrer-Policy": {"no-referrer"}}}, pipe.Settings{})
		for path, want := range map[string]string{
			"/": "the index", "/?a=b": "the index", "/app.js": "the script", "/in.js": "the script", "/sub/": "the sub index",
			"/%61pp.js": "the script", "/bare/x.txt": "x",
			"/sub": "301", "/index.html": "301",

			"/none": "404", "/bare/": "404", "/bare": "404",
			"/.env": "404", "/.git/config": "404", "/.git/": "404", "/sub/.hidden/x": "404", "/%2eenv": "404", "/sub/..%2f.env": "404",
			"/../secret.txt": "404", "/..%2fsecret.txt": "404", "/%2e%2e/secret.txt": "404", "/%2e%2e%2fsecret.txt": "404",
			"/sub/../../secret.txt": "404", "/..\\secret.txt": "404", "/%5c..%5csecret.txt": "404", "/....//secret.txt": "404",
			"/%252e%252e/secret.txt": "404", "/app.js%00.html": "404", "/%00": "404", "//secret.txt": "404",
			"/out.txt": "404", "/out/x.txt": "404", "/absolute/secret.txt": "404", "/passwd": "404", "/self": "404", "/out/": "404",

			"/healthz": "404", "/readyz": "404", "/metrics": "404", "/dashboard": "404", "/dashboard/": "404",
			"/dashboard/index.html": "404", "/blob/x": "404", "/_nrepl": "404", "/ws": "426", "/chsk": "426",
			"//ws": "404", "/./ws": "404", "/x/../healthz": "404", "/%68ealthz": "404", "//metrics": "404", "/ws/": "404",
		} {
			res, body := f.ask("GET " + base + path + " HTTP/1.1\nHost: " + f.addr)
			if got := res.Status[:3]; got != want && (got != "200" || body != want) {
				t.Errorf("%s%s: %s %.80q, expected %s", base, path, res.Status, body, want)
			}
			if strings.Contains(body, "SECRET") || strings.Contains(body, "SHADOW") || strings.Contains(body, "root:") {
				t.Errorf("%s%s: %q was served", base, path, body)
			}
			if res.Header.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("%s%s: no nosniff", base, path)
			}
			if res.StatusCode == 200 && res.Header.Get("Referrer-Policy") != "no-referrer" {
				t.Errorf("%s%s: the page's own headers are missing", base, path)
			}
		}
		if res, body := f.ask("GET " + base + "/sente-lite.js HTTP/1.1\nHost: " + f.addr); res.StatusCode != 200 || body != string(clientJS().data) {
			t.Errorf("the client: %s, %d bytes", res.Status, len(body))
		} else if again, _ := f.ask("GET " + base + "/sente-lite.js HTTP/1.1\nHost: " + f.addr + "\nIf-None-Match: " + res.Header.Get("ETag")); again.StatusCode != 304 {
			t.Errorf("the client once more: %s, expected 304", again.Status)
		}
		if res, body := f.ask("GET " + base + "/sente-lite-msgpack.js HTTP/1.1\nHost: " + f.addr); res.StatusCode != 200 || body != string(client.Msgpack()) {
			t.Errorf("the client's MessagePack: %s, %d bytes", res.Status, len(body))
		}
		if base == "" {
			continue
		}
		if res, _ := f.ask("GET /app HTTP/1.1\nHost: " + f.addr); res.StatusCode != 301 || res.Header.Get("Location") != "/app/" {
			t.Errorf("the base path without its slash: %s to %s", res.Status, res.Header.Get("Location"))
		}
		for _, path := range []string{"/", "/ws", "/apple", "/application/ws", "/sente-lite.js"} {
			if res, _ := f.ask("GET " + path + " HTTP/1.1\nHost: " + f.addr); res.StatusCode != 404 {
				t.Errorf("%s beside the base path: %s, expected 404", path, res.Status)
			}
		}
	}
}

func TestRequests(t *testing.T) {
	f := newFront(t, Config{Pages: folder(t).FS()}, pipe.Settings{})
	host := "\nHost: " + f.addr
	for _, tt := range []struct {
		name, request string
		status        int
	}{
		{"a page that rebinds", "GET / HTTP/1.1\nHost: evil.example", 421},
		{"a page that rebinds, with a port", "GET /app.js HTTP/1.1\nHost: evil.example:8090", 421},
		{"an absolute URL of another", "GET http://evil.example/ HTTP/1.1" + host, 421},
		{"no host", "GET / HTTP/1.1", 400},
		{"an empty host", "GET / HTTP/1.1\nHost: ", 421},
		{"two hosts", "GET / HTTP/1.1\nHost: localhost\nHost: evil.example", 400},
		{"another name of ours", "GET / HTTP/1.1\nHost: localhost:1", 200},
		{"an address", "GET / HTTP/1.1\nHost: 10.0.0.7", 200},
		{"HEAD", "HEAD / HTTP/1.1" + host, 200},
		{"POST", "POST / HTTP/1.1\nContent-Length: 0" + host, 405},
		{"POST from elsewhere", "POST / HTTP/1.1\nContent-Length: 0\nOrigin: https://evil.example" + host, 403},
		{"POST from nowhere", "POST / HTTP/1.1\nContent-Length: 0\nOrigin: null" + host, 403},
		{"PUT", "PUT /x HTTP/1.1\nContent-Length: 0" + host, 405},
		{"DELETE", "DELETE /app.js HTTP/1.1" + host, 405},
		{"OPTIONS", "OPTIONS / HTTP/1.1" + host, 405},
		{"OPTIONS *", "OPTIONS * HTTP/1.1" + host, 404},
		{"TRACE", "TRACE / HTTP/1.1" + host, 405},
		{"CONNECT", "CONNECT evil.example:80 HTTP/1.1\nHost: evil.example:80", 421},
		{"no method", "/ HTTP/1.1" + host, 400},
		{"HTTP/3.0", "GET / HTTP/3.0" + host, 505},
		{"a huge header", "GET / HTTP/1.1\nX: " + strings.Repeat("x", 1<<20) + host, 431},
		{"many headers", "GET / HTTP/1.1\n" + strings.Repeat("X: y\n", 20000) + host[1:], 431},
		{"two lengths", "POST / HTTP/1.1\nContent-Length: 5\nContent-Length: 6" + host, 400},
		{"a negative length", "POST / HTTP/1.1\nContent-Length: -1" + host, 400},
		{"a list of lengths", "POST / HTTP/1.1\nContent-Length: 5, 5" + host, 400},
		{"an unknown coding", "POST / HTTP/1.1\nTransfer-Encoding: xchunked" + host, 501},
		{"two codings", "POST / HTTP/1.1\nTransfer-Encoding: chunked\nTransfer-Encoding: chunked" + host, 501},
		{"a space before the colon", "GET / HTTP/1.1\nContent-Length : 5" + host, 400},
		{"a folded header", "GET / HTTP/1.1\nX: a\n b" + host, 200},
		{"a control character", "GET / HTTP/1.1\nX: a\x00b" + host, 400},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := f.dial()
			l.t = t
			defer l.Close()
			l.method, _, _ = strings.Cut(tt.request, " ")
			// The answer may come, and the link be closed, before all is written.
			go io.WriteString(l, strings.ReplaceAll(tt.request, "\n", "\r\n")+"\r\n\r\n")
			if res, body := l.response(); res.StatusCode != tt.status {
				t.Errorf("%s %.200s, expected %d", res.Status, body, tt.status)
			}
		})
	}
}

// TestSmuggling sends a length and chunks. Whatever the answer, nothing that a
// proxy may have taken for a body is taken for a request.
func TestSmuggling(t *testing.T) {
	f := newFront(t, Config{Pages: folder(t).FS()}, pipe.Settings{})
	for _, method := range []string{"GET", "POST", "HEAD"} {
		for _, path := range []string{"/", "/ws", "/chsk"} {
			l := f.dial()
			l.send(method + " " + path + " HTTP/1.1\nHost: " + f.addr + "\nContent-Length: 6\nTransfer-Encoding: chunked")
			io.WriteString(l, "0\r\n\r\nGET /app.js HTTP/1.1\r\nHost: "+f.addr+"\r\n\r\n")
			rest, _ := io.ReadAll(l.r) // the other side closes, in whichever way
			if n := strings.Count(string(rest), "HTTP/1.1 "); n != 1 || strings.Contains(string(rest), "the script") {
				t.Errorf("%s %s: %d answers, expected one, and the end:\n%s", method, path, n, rest)
			}
		}
	}
}

// TestSlowHeads keeps connections open without ever finishing a request.
func TestSlowHeads(t *testing.T) {
	t.Parallel()
	f := newFront(t, Config{Pages: folder(t).FS()}, pipe.Settings{})
	begun := time.Now()
	var all []*link
	for n := range 50 {
		l := f.dial()
		io.WriteString(l, "GET /ws HTTP/1.1\r\nHost: "[:10+n%10])
		all = append(all, l)
	}
	// Meanwhile others are served.
	if res, _ := f.ask("GET / HTTP/1.1\nHost: " + f.addr); res.StatusCode != 200 {
		t.Errorf("another request: %s", res.Status)
	}
	for _, l := range all {
		io.ReadAll(l.r) // to its end
	}
	if took := time.Since(begun); took > 2*headTime {
		t.Errorf("it took %v until they were closed, expected %v", took, headTime)
	}
}

func TestAssets(t *testing.T) {
	made := 0
	assets := func() map[string]Asset {
		made = 0
		return map[string]Asset{
			"/lib.cljs":   {Type: "text/plain; charset=utf-8", Make: func() ([]byte, error) { made++; return []byte("(ns lib) ; ü"), nil }},
			"/app.js":     {Type: "text/plain", Make: func() ([]byte, error) { return []byte("OURS"), nil }},
			"/out.txt":    {Type: "text/plain", Make: func() ([]byte, error) { return []byte("OURS"), nil }},
			"/broken.txt": {Type: "text/plain", Make: func() ([]byte, error) { return nil, errors.New("no lib") }},
		}
	}
	for _, base := range []string{"", "/app"} {
		for _, pages := range []fs.FS{nil, folder(t).FS()} {
			f := newFront(t, Config{Pages: pages, BasePath: base, Assets: assets()}, pipe.Settings{})
			get := "GET " + base
			host := " HTTP/1.1\nHost: " + f.addr
			if made != 0 {
				t.Error("an asset was made before anybody has asked for it")
			}
			res, body := f.ask(get + "/lib.cljs" + host)
			if res.StatusCode != 200 || body != "(ns lib) ; ü" || res.Header.Get("Content-Type") != "text/plain; charset=utf-8" {
				t.Errorf("%s %q %v", res.Status, body, res.Header)
			}
			if again, _ := f.ask(get + "/lib.cljs?x" + host + "\nIf-None-Match: " + res.Header.Get("ETag")); again.StatusCode != 304 {
				t.Errorf("once more: %s, expected 304", again.Status)
			}
			if made != 1 {
				t.Errorf("it was made %d times, expected once", made)
			}
			if res, _ := f.ask("POST " + base + "/lib.cljs HTTP/1.1\nContent-Length: 0\nHost: " + f.addr); res.StatusCode != 405 {
				t.Errorf("POST: %s, expected 405", res.Status)
			}
			if res, body := f.ask(get + "/broken.txt" + host); res.StatusCode != 500 || strings.Contains(body, "no lib") {
				t.Errorf("an asset that cannot be made: %s %q", res.Status, body)
			}
			if !strings.Contains(f.log.String(), "no lib") {
				t.Error("why it cannot be made is not in the log")
			}
			for path, want := range map[string]string{"/app.js": "the script", "/out.txt": "404", "/lib.cljs/": "404", "/none.cljs": "404"} {
				if pages == nil && (path == "/app.js" || path == "/out.txt") {
					want = "OURS"
				}
				if res, body := f.ask(get + path + host); body != want && res.Status[:3] != want {
					t.Errorf("pages %v: %s%s: %s %q, expected %s", pages != nil, base, path, res.Status, body, want)
				}
			}
		}
	}
}
