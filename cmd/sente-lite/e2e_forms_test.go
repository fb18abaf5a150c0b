//go:build peers

package main_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
)

// formsPage has a link of each form, by name, and notes how many bytes each has
// written and read.
const formsPage = `<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,">
<script src="%[1]s/sente-lite.js"></script><script src="%[1]s/sente-lite-msgpack.js"></script><script src="/pako.js"></script>
<script>
  const links = {}, sizes = {}, errors = [];
  function link(name, options) {
    const size = sizes[name] = {out: [], in: []};
    class Counted extends WebSocket {
      constructor(...args) {
        super(...args);
        this.addEventListener("message", ({data}) => size.in.push(data.byteLength ?? data.length));
      }
      send(data) {
        size.out.push(data.byteLength ?? data.length);
        super.send(data);
      }
    }
    links[name] = SenteLite.connect({url: "%[1]s/ws", WebSocket: Counted, onError: (e) => errors.push(e.message), ...options});
  }
  const text = JSON.stringify(Array.from({length: 3000}, (_, n) => ({id: n, name: "row " + n, ok: true})));
  const jpeg = crypto.getRandomValues(new Uint8Array(60000));
</script>`

// TestWireForms sends 100 KB of text and 60 KB of noise over each form that the
// client has, from a page to itself by way of the sidecar's parent.
func TestWireForms(t *testing.T) {
	pako, err := os.ReadFile(e2eFile(t, "npm", "node_modules", "pako", "dist", "pako.min.js"))
	if err != nil {
		t.Fatal(err)
	}
	var base string
	pages := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/pako.js" {
			w.Write(pako)
			return
		}
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, formsPage, base)
	}))
	defer pages.Close()
	p := startPipe(t, fmt.Sprintf(":listen [\"http://127.0.0.1:0\"] :static \"\" :allowed-origins #{%q}", pages.URL))
	base = p.url
	b := startBrowser(t)
	b.open("tab", pages.URL)
	for _, form := range []struct {
		name, before, options string
		zips, bytes           bool
	}{
		{"json", "", "{}", false, false},
		{"gzip", "", "{gzip: true}", true, false},
		{"pako", "CompressionStream = DecompressionStream = undefined, ", "{gzip: true}", true, false},
		{"msgpack", "", `{packer: "msgpack"}`, false, true},
		{"msgpack gzip by pako", "", `{packer: "msgpack", gzip: true}`, true, true},
		{"neither", "pako = undefined, ", "{gzip: true}", false, false},
	} {
		b.eval("tab", "(%slink(%q, %s), true)", form.before, form.name, form.options)
		b.eval("tab", "(answer = null, links[%q].ask(\"page/echo\", text).then((v) => answer = v === text ? \"same\" : String(v), (e) => answer = e.message), true)", form.name)
		p.echo(1)
		b.wait("tab", "answer")
		if got := b.text("tab", "answer.slice(0, 200)"); got != "same" {
			t.Errorf("%s: the text came back as %s", form.name, got)
		}
		for _, way := range []string{"out", "in"} {
			size := largest(b, form.name, way)
			if len(b.text("tab", "text")) < 100_000 || form.zips != (size < 30_000) {
				t.Errorf("%s: the text has %d bytes on the way %s", form.name, size, way)
			}
		}
		if !form.bytes {
			continue
		}
		b.eval("tab", "(answer = null, sizes[%[1]q].out.length = sizes[%[1]q].in.length = 0, links[%[1]q].ask(\"page/echo\", jpeg).then((v) => answer = v instanceof Uint8Array && v.every((x, i) => x === jpeg[i]) ? \"same\" : String(v), (e) => answer = e.message), true)", form.name)
		p.echo(1)
		b.wait("tab", "answer")
		if got := b.text("tab", "answer.slice(0, 200)"); got != "same" {
			t.Errorf("%s: the bytes came back as %s", form.name, got)
		}
		for _, way := range []string{"out", "in"} {
			if size := largest(b, form.name, way); size < 60_000 || size > 60_600 {
				t.Errorf("%s: 60000 bytes of noise have %d bytes on the way %s", form.name, size, way)
			}
		}
	}
	// What JSON says is the same in MessagePack.
	const event = `["page/note", {id: 1, "x/y": [null, true, -1, 1.5, 0.1, 1e300, 4294967296, -2147483649, 9007199254740991], "no key": {"é/漢": "é漢😀"},
		"a:b": "", "a:": 0, "1": 0, "1/a": 0, "a/1": 0, "a/b/c": 0, "": 0, "#a": 0, "a#": 0, "a::b": 0, "+": 0, "a@b": 0, "'a": 0, "a'": 0, none: undefined,
		list: [undefined, ["page/note", {event: "page/note"}]], date: {toJSON: () => "today"}, zero: 0}]`
	var said []string
	for _, name := range []string{"json", "msgpack"} {
		b.eval("tab", "(links[%q].send(%s), true)", name, event)
		line := ""
		for more := true; !strings.Contains(line, ":event [:page/note "); {
			if line, more = p.next(); !more {
				t.Fatal("the sidecar has ended")
			}
		}
		_, note, _ := strings.Cut(line, ":event ")
		said = append(said, note)
	}
	if said[0] != said[1] {
		t.Errorf("the sidecar reads\n%s in JSON and\n%s in MessagePack", said[0], said[1])
	}
	// And so is what comes, written as JSON again; unknown tags aside, which MessagePack keeps in text.
	b.eval("tab", `(values = {}, ["json", "msgpack gzip by pako"].forEach((name) => links[name].on("page/values", (v) => values[name] = JSON.stringify(v))), true)`)
	p.say("%s", `[:sente-lite/send {:to :all :event [:page/values {:a :b/c, d/e f, "s" \é, :uuid #uuid "11111111-2222-3333-4444-555555555555",
		:inst #inst "2024-01-02T03:04:05.678-00:00", :half 1/2, :set #{1}, :list (1 (2 ())), :big 9007199254740993, :huge 18446744073709551616N,
		:decimal 1.50M, :nan ##NaN, :inf ##-Inf, :double 1.0, :small 1e-7, :regex #"a+", :none nil, nil 1, true 2, 1 3, 1/3 4, \x 5, [1 :a] 6,
		#{:k} 7, {:n {:m "t"}} 8, #inst "2024-01-02T03:04:05Z" 9, #uuid "21111111-2222-3333-4444-555555555555" 10, 1.5 11, -1 12, ##Inf 13, :maps [{:id 1 :id2 2} {:id 3 :id2 4}]}]}]`)
	b.wait("tab", "Object.keys(values).length === 2")
	if json, msgpack := b.text("tab", "values.json"), b.text("tab", `values["msgpack gzip by pako"]`); json != msgpack {
		t.Errorf("the page reads\n%s in JSON and\n%s in MessagePack", json, msgpack)
	}
	if got := b.text("tab", "errors.join()"); !strings.Contains(got, "pako") || strings.Contains(got, ",") {
		t.Errorf("the errors are %q, expected one that names pako", got)
	}
}

// largest is how many bytes the largest message of a link had.
func largest(b *browser, name, way string) (n int) {
	b.t.Helper()
	if err := json.Unmarshal(b.eval("tab", "Math.max(...sizes[%q].%s)", name, way), &n); err != nil {
		b.t.Fatal(err)
	}
	return n
}
