//go:build peers

package main_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"syscall"
	"testing"
)

// echo answers n calls of :page/echo with their data.
func (p *parent) echo(n int) {
	p.t.Helper()
	for range n {
		line := ""
		for more := true; !strings.HasPrefix(line, "[[:sente-lite/recv "); {
			if line, more = p.next(); !more {
				p.t.Fatal("the sidecar has ended")
			}
		}
		_, data, ok := strings.Cut(line, ":event [:page/echo ")
		end := strings.LastIndex(data, "]}] ")
		if !ok || end < 0 {
			p.t.Fatalf("no call of :page/echo: %s", clip(line))
		}
		p.say("[:chsk/reply %s %s]", strings.TrimSuffix(data[end+len("]}] "):], "]"), data[:end])
	}
}

// TestLargeMessages sends what Chromium cuts into fragments, both ways, as text
// and as binary messages.
func TestLargeMessages(t *testing.T) {
	b := startBrowser(t)
	p := startPipe(t, static(t))
	b.open("a", p.url+"/e2e/pages/blank.html")
	b.eval("a", `(link = dial("/ws?v=1"), link.opened)`)
	b.wait("a", `link.got.length === 1`)
	for _, size := range []int{1 << 20, 15 << 20} {
		// Of 15 MiB, those in the text of a message; a character has up to 3 bytes each.
		chars := size * 100 / 128
		for _, kind := range []string{"text", "(new TextEncoder).encode(text)"} {
			b.eval("a", `(what = long(%d), text = '[[:page/echo "' + what + '"] "x"]', link.got = [], link.ws.send(%s), (new TextEncoder).encode(text).length)`, chars, kind)
			p.echo(1)
			b.wait("a", `link.got.length > 0`)
			got := b.text("a", `typeof link.got[0] === "string" ? link.got[0] === '[:chsk/reply "x" "' + what + '"]' ? "same" : link.got[0].slice(0, 300) : "binary"`)
			if got != "same" {
				t.Errorf("%d characters as %s came back as %s", chars, kind, got)
			}
		}
		b.eval("a", `(what = long(%d), answer = null, globalThis.s ||= SenteLite.connect(), s.ask("page/echo", what).then((v) => answer = v === what ? "same" : v, (e) => answer = e.message), true)`, chars)
		p.echo(1)
		b.wait("a", `answer`)
		if got := b.text("a", `answer.slice(0, 300)`); got != "same" {
			t.Errorf("%d characters came back to sente-lite.js as %s", chars, got)
		}
	}
	if all := b.complaints(); all != nil {
		t.Error(all)
	}
}

// TestCloseCodes looks at refusals from inside a page, where an upgrade that
// fails shows no status: so the link must open, and close with the reason.
func TestCloseCodes(t *testing.T) {
	b := startBrowser(t)
	p := startPipe(t, static(t)+` :flow {:max-message-bytes 65536}`)
	locked := startPipe(t, static(t)+` :auth {:tokens [{:token "plain-token" :uid "ann"} {:token "nöt plain, (but) long" :uid "bob"}]}`)
	page, err := os.ReadFile(e2eFile(t, "e2e", "pages", "blank.html"))
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" {
			w.Write(page)
		} else {
			http.Redirect(w, r, p.url+r.URL.Path, http.StatusFound)
		}
	}))
	defer elsewhere.Close()
	b.open("ours", p.url+"/e2e/pages/blank.html")
	b.open("locked", locked.url+"/e2e/pages/blank.html")
	b.open("foreign", elsewhere.URL)
	ws := func(p *parent) string { return "ws" + strings.TrimPrefix(p.url, "http") }

	for _, c := range []struct{ page, url, then, closed string }{
		{"foreign", ws(p) + "/ws?v=1", "", `4503 pages of "` + elsewhere.URL + `" may not connect here; add it to :allowed-origins if they should`},
		{"foreign", ws(p) + "/ws", "", "1006 "},
		{"foreign", ws(p) + "/ws?client-id=abc", "", "1006 "},
		{"ours", ws(p) + "/ws?v=2", "", "4506 v must be 1: that is the protocol of this version"},
		{"ours", ws(p) + "/ws?v=1&packer=xml", "", "4505 "},
		{"ours", ws(p) + "/ws?v=1&credit=many", "", "4505 credit must be a whole number from 1"},
		{"ours", ws(p) + "/ws?v=1", `"[:a/b \"" + "x".repeat(65536) + "\"]"`, "4507 "},
		{"ours", ws(p) + "/ws?v=1", `(new TextEncoder).encode("[:a/b \"" + "é".repeat(40000) + "\"]")`, "4507 "},
		{"ours", ws(p) + "/?v=1", `"x".repeat(10000000)`, "4507 "},
		{"locked", ws(locked) + "/ws?v=1", `"[:a/b]"`, "4501 the first value must be a hello with a token"},
		{"locked", ws(locked) + "/ws?v=1", `"[:sente-lite/hello {:auth \"wrong\"}]"`, "4501 the :auth token of the hello is not one that this sidecar knows"},
	} {
		then := "true"
		if c.then != "" {
			then = "link.opened.then(() => link.ws.send(" + c.then + "))"
		}
		b.eval(c.page, `(link = dial(%q), %s)`, c.url, then)
		b.wait(c.page, `link.closed`)
		if got := b.text(c.page, `link.closed.slice(0, 2).join(" ")`); !strings.HasPrefix(got, c.closed) {
			t.Errorf("%s from the page %s with %s: closed with %q, expected %q", c.url, c.page, c.then, got, c.closed)
		}
	}

	// The client's view: it stays away, and says why.
	b.eval("locked", `(wrong = SenteLite.connect({token: "wrong"}), true)`)
	b.wait("locked", `wrong.state.status === "closed" && wrong.state.reason === "unauthorized" && wrong.state.lastClose.code === 4501`)
	for token, uid := range map[string]string{"plain-token": "ann", "nöt plain, (but) long": "bob"} {
		b.eval("locked", `(right = SenteLite.connect({token: async () => %q}), true)`, token)
		b.wait("locked", `right.state.open && right.state.uid === %q`, uid)
	}
	b.eval("ours", `(s = SenteLite.connect(), true)`)
	b.wait("ours", `s.state.open`)
	if got := b.text("ours", `s.send("a/b", "x".repeat(65536)).error.code`); got != "sente-lite/too-large" {
		t.Errorf("a message that is too large: %s", got)
	}
	b.eval("ours", `(link = dial("/ws?v=1"), link.opened)`)
	p.signal(syscall.SIGTERM)
	b.wait("ours", `link.closed && link.closed.join() === "1001,shutdown,true"`)
	b.wait("ours", `s.state.lastClose?.code === 1001 && s.state.lastClose.why === "shutdown"`)
	if code := p.exits(); code != 0 {
		t.Errorf("exit code %d after SIGTERM", code)
	}
	if all := b.complaints("WebSocket connection to"); all != nil {
		t.Error(all)
	}
}

// TestComesBack kills a sidecar under a page, and starts another at the same
// port: the page comes back by itself, with its subscription and with what
// waited, each once and in order.
func TestComesBack(t *testing.T) {
	b := startBrowser(t)
	first := startPipe(t, static(t))
	b.open("a", first.url+"/e2e/pages/blank.html")
	b.eval("a", `(s = SenteLite.connect(), heard = [], s.subscribe("room", (data) => heard.push(data)))`)
	b.eval("a", `s.send("page/n", 0).status`)
	first.await(`:event \[:page/n 0\]`)
	b.eval("a", `s.flush({acked: true})`) // or the page would say that it may not have arrived
	first.signal(syscall.SIGKILL)
	b.wait("a", `s.state.status === "waiting"`)
	if got := b.text("a", `[1, 2, 3].map((n) => s.send("page/n", n).status).join(" ")`); got != "queued queued queued" {
		t.Errorf("sent while there is no sidecar: %s", got)
	}
	b.eval("a", `(answer = s.ask("page/echo", 4), true)`)

	second := startPipe(t, strings.Replace(static(t), "http://127.0.0.1:0", first.url, 1))
	for n := 1; n <= 3; n++ {
		if got := second.await(`:event \[:page/n (\d+)\]`)[1]; got != fmt.Sprint(n) {
			t.Errorf("event %s, expected %d", got, n)
		}
	}
	second.echo(1)
	if got := string(b.eval("a", `answer`)); got != "4" {
		t.Errorf("the answer of a call that waited: %s", got)
	}
	second.say(`[:sente-lite/publish {:channel-id "room" :data "welcome back"}]`)
	b.wait("a", `heard.join() === "welcome back"`)
	b.eval("a", `s.send("page/n", 5)`)
	if got := second.await(`:event \[:page/n (\d+)\]`)[1]; got != "5" {
		t.Errorf("event %s came again", got)
	}
	if got := b.text("a", `s.state.reason`); got != "reopened" {
		t.Errorf("the reason of the state is %s", got)
	}
	if all := b.complaints(noSidecar...); all != nil {
		t.Error(all)
	}
}
