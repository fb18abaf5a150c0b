//go:build peers

package main_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"

	"github.com/sente-lite/sente-lite/bb"
)

// TestOutboxSurvivesReload cuts a Scittle page off, lets it write, and reloads
// it: what waited is sent once there is a sidecar again, in order and once.
func TestOutboxSurvivesReload(t *testing.T) {
	// The pages must be there while the sidecar is not.
	bundle, err := bb.Scittle("test")
	if err != nil {
		t.Fatal(err)
	}
	files := http.NewServeMux()
	files.Handle("/", http.FileServer(http.Dir(e2eFile(t))))
	files.HandleFunc("/sente-lite.cljs", func(w http.ResponseWriter, _ *http.Request) { w.Write(bundle) })
	pages := httptest.NewServer(files)
	defer pages.Close()

	listen := "http://127.0.0.1:0"
	sidecar := func() *parent {
		return startPipe(t, fmt.Sprintf(":listen [%q] :static \"\" :allowed-origins #{%q}", listen, pages.URL))
	}
	p := sidecar()
	listen = p.url
	b := startBrowser(t)
	b.open("tab", pages.URL+"/e2e/pages/outbox.html?to="+p.url)
	b.wait("tab", `window.phase && phase() === "open"`)
	b.eval("tab", "say(0, 3)")
	for n := range 3 {
		p.await(fmt.Sprintf(`:note/kept \{:n %d,`, n))
	}

	p.signal(syscall.SIGKILL)
	b.wait("tab", `phase() !== "open"`)
	if got := string(b.eval("tab", "say(3, 203)")); got != "200" {
		t.Fatalf("200 notes were written without a link, and %s wait", got)
	}
	for reload := range 2 { // also what an earlier page has left
		b.wait("tab", stored, 200+10*reload)
		b.eval("tab", "window.phase = null, location.reload()")
		b.wait("tab", `window.phase && waiting() === %d`, 200+10*reload)
		b.eval("tab", "say(%d, %d)", 203+10*reload, 213+10*reload)
	}

	p = sidecar()
	for n := 3; n < 223; n++ {
		line := p.await(`:note/kept .*`)[0]
		if want := fmt.Sprintf(`:note/kept {:n %d, :text "note %d ½ \"quoted\""}`, n, n); !strings.HasPrefix(line, want) {
			t.Fatalf("got %s, want %s", line, want)
		}
	}
	// Nothing is left behind for a later page.
	b.wait("tab", stored, 0)
	b.eval("tab", "window.phase = null, location.reload()")
	b.wait("tab", `window.phase && phase() === "open"`)
	b.eval("tab", "say(1000, 1001)")
	if line := p.await(`:note/kept .*`)[0]; !strings.Contains(line, ":n 1000,") {
		t.Errorf("a note came twice: %s", line)
	}
	if all := b.complaints(); len(all) > 0 {
		for _, c := range all {
			// The first three may not have been acknowledged when the sidecar was killed, and the page says so.
			if !strings.Contains(c, "ERR_CONNECTION") && !strings.Contains(c, "not acknowledged before the session was lost") {
				t.Errorf("the page complains: %s", c)
			}
		}
	}
}

// stored is an expression: does the page's store hold so many events that wait?
const stored = `new Promise((done) => {
	const asked = indexedDB.open("sente-lite", 1);
	asked.onsuccess = () => {
		const all = asked.result.transaction("outbox").objectStore("outbox").getAll();
		all.onsuccess = () => { asked.result.close(); done((all.result.join("").split(" :session ")[0].match(/{:text "/g) ?? []).length === %d); };
	};
})`
