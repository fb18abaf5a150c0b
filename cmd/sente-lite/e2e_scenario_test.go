//go:build peers

package main_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden transcript anew")

// TestScenario runs one scenario over every link, in every dialect, with both
// kinds of pages in both parts: what each takes part in must look the same.
func TestScenario(t *testing.T) {
	golden := e2eFile(t, "e2e", "transcript.txt")
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		want = nil
	}
	b := startBrowser(t)
	for _, link := range []string{"pipe text", "pipe frames", "unix text", "unix frames", "unix json"} {
		for _, pages := range [][2]string{{"scittle", "plain"}, {"plain", "scittle"}} {
			t.Run(fmt.Sprintf("%s %s", link, pages[0]), func(t *testing.T) {
				got := scenario(t, b, link, pages)
				if want == nil {
					want = got
					if err := os.WriteFile(golden, got, 0o644); err != nil {
						t.Fatal(err)
					}
				}
				if !bytes.Equal(got, want) {
					t.Errorf("the transcript is not that of %s:\n%s", filepath.Base(golden), difference(want, got))
				}
			})
		}
	}
	if all := b.complaints(); all != nil {
		t.Errorf("the pages' consoles:\n%s", strings.Join(all, "\n"))
	}
}

// scenario runs it and returns the transcript: what the handler, then each of
// the pages has seen, in its own order.
func scenario(t *testing.T, b *browser, link string, pages [2]string) []byte {
	b.t = t
	h := startHandler(t, link)
	var url string
	var all transcript
	all.section("the handler")
	opened := map[string]string{} // part → kind
	for done := false; !done; {
		line, more := h.next()
		if !more {
			t.Fatal("the handler has ended early")
		}
		var said struct {
			Log  json.RawMessage
			URL  string
			Open string
			Done bool
		}
		if err := json.Unmarshal([]byte(line), &said); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		switch {
		case said.URL != "":
			url = said.URL
		case said.Open != "":
			opened[said.Open] = pages[len(opened)]
			b.open(said.Open, url+"/e2e/pages/"+opened[said.Open]+".html")
		case said.Log != nil:
			all.add(t, said.Log)
		}
		done = said.Done
	}
	if code := h.exits(); code != 0 {
		t.Errorf("the handler has ended with %d", code)
	}
	for _, part := range []string{"one", "other"} {
		b.wait(part, `log.some(([what]) => what === "closed")`)
		all.section("the page " + part)
		var lines []json.RawMessage
		if err := json.Unmarshal(b.eval(part, "log"), &lines); err != nil {
			t.Fatal(err)
		}
		for _, l := range lines {
			all.add(t, l)
		}
		b.close(part)
	}
	return all.text()
}

func startHandler(t *testing.T, link string) *program {
	nbb, script := e2eFile(t, "npm", "node_modules", "nbb", "cli.js"), e2eFile(t, "e2e", "handler.cljs")
	over, dialect, _ := strings.Cut(link, " ")
	if over == "pipe" {
		return start(t, "handler", "node", nbb, script, over, dialect, "[:sente-lite/hello {:config {"+static(t)+"}}]")
	}
	socket := filepath.Join(t.TempDir(), "s.sock")
	startServe(t, "serve", "--listen", "http://127.0.0.1:0", "--listen", "unix:"+socket, "--static", e2eFile(t))
	if dialect == "json" {
		return start(t, "handler", "node", e2eFile(t, "e2e", "handler.mjs"), socket)
	}
	return start(t, "handler", "node", nbb, script, over, dialect, "[:sente-lite/hello {:handler true}]", socket)
}

// A transcript is lines of JSON without what differs from run to run.
type transcript struct {
	buf   bytes.Buffer
	names []string // pairs for strings.NewReplacer
}

func (tr *transcript) section(title string) { fmt.Fprintf(&tr.buf, "\n%s\n", title) }

func (tr *transcript) add(t *testing.T, line json.RawMessage) {
	t.Helper()
	var v []any
	if err := json.Unmarshal(line, &v); err != nil {
		t.Fatal(err)
	}
	if v[0] == "ready" {
		role := `"role":"owner"` // which is no uid
		tr.names = []string{role, role, `"` + v[1].(string) + `"`, `"<handler>"`}
	}
	var s strings.Builder
	e := json.NewEncoder(&s)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil { // maps come out sorted
		t.Fatal(err)
	}
	tr.buf.WriteString("  " + s.String())
}

var varying = []struct {
	re *regexp.Regexp
	to string
}{
	{regexp.MustCompile(`"(since|now|rtt-ms|queue-size|bytes|unacked|messages|unpacked)":[0-9.]+`), `"$1":"<n>"`},
	{regexp.MustCompile(`"client-id":"[0-9a-f]+"`), `"client-id":"<client-id>"`},
	{regexp.MustCompile(`"packer":"(edn|json)"`), `"packer":"<its own>"`},
	{regexp.MustCompile(`"transport":"(stdio|pipe|unix)"`), `"transport":"<the link>"`},
}

var connUID = regexp.MustCompile(`conn-\d+-\d+`)

func (tr *transcript) text() []byte {
	text := strings.NewReplacer(tr.names...).Replace(tr.buf.String())
	uids := map[string]string{}
	text = connUID.ReplaceAllStringFunc(text, func(uid string) string {
		if uids[uid] == "" {
			uids[uid] = []string{"<one>", "<other>", "<a third>"}[min(len(uids), 2)]
		}
		return uids[uid]
	})
	for _, v := range varying {
		text = v.re.ReplaceAllString(text, v.to)
	}
	return []byte(strings.TrimPrefix(text, "\n"))
}

// difference shows the lines that differ.
func difference(want, got []byte) string {
	a, b := strings.Split(string(want), "\n"), strings.Split(string(got), "\n")
	var s strings.Builder
	for i := range max(len(a), len(b)) {
		var x, y string
		if i < len(a) {
			x = a[i]
		}
		if i < len(b) {
			y = b[i]
		}
		if x != y {
			fmt.Fprintf(&s, "line %d\n  want %s\n  got  %s\n", i+1, x, y)
		}
	}
	return s.String()
}
