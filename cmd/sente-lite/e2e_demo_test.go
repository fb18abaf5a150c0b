//go:build peers

package main_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

var shots = flag.String("shots", "", "a folder for screenshots of the demo and the examples")

// TestDemo uses the demo as two people would, each in a tab.
func TestDemo(t *testing.T) {
	b := startBrowser(t)
	socket := filepath.Join(t.TempDir(), "demo.sock")
	demo := startServe(t, "demo", "--listen", "http://127.0.0.1:0", "--listen", "unix:"+socket)
	for _, tab := range []string{"ann", "bob"} {
		b.do("open", tab, map[string]any{"url": demo.url, "context": "the window"})
		b.sees(tab, "#pill-text", "connected")
		b.enter(tab, "#name", tab)
	}
	b.sees("ann", "#peers", "bob")
	b.sees("bob", "#peers", "ann")

	// From tab to tab, each message once.
	b.enter("ann", "#text", `hello "bob" <b>&amp;`)
	b.sees("bob", "#log .msg .text", `hello "bob" <b>&amp;`)
	b.wait("ann", `document.querySelectorAll("#log .msg").length === 1 && !document.querySelector("#log .pending")`)
	b.sees("ann", "#log .msg .who", "you")

	// A room that one makes and the other enters.
	b.enter("ann", "#room-name", "tea")
	b.sees("ann", "#title", "# tea")
	b.sees("bob", "#rooms", "tea")
	b.click("bob", "#rooms li:last-child button")
	b.sees("bob", "#title", "# tea")
	b.sees("ann", "#log .note", "bob joined")
	b.enter("bob", "#text", "milk?")
	b.sees("ann", "#log .text", "milk?")

	// A direct message: found in the list of peers, and counted while unread.
	b.click("ann", `#peers button:text-is("bob")`)
	b.enter("ann", "#text", "psst")
	b.sees("bob", "#threads .badge", "1")
	b.click("bob", "#threads button")
	b.sees("bob", "#log .text", "psst")
	b.enter("bob", "#text", "what?")
	b.sees("ann", "#log .text", "what?")

	// Who is there, over what, and how far away.
	link, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer link.Close()
	if _, err := link.Write([]byte("[:demo/name {:name \"a program\"}]\n")); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"a program", "unix", "ws", "ann", "bob", "mem"} {
		b.sees("bob", "#peers", want)
	}
	link.Close()
	b.wait("bob", `!document.querySelector("#peers").innerText.includes("a program")`)
	b.wait("bob", `/^\d+(\.\d+)?$/.test(document.querySelector("#rtt").innerText) && document.querySelector("#spark .line").getAttribute("d")`)

	b.click("bob", `#rooms li:first-child button`)
	pasted(t, b)
	tidy(t, b, "bob")

	// The link is cut; what was said meanwhile waits, and the page says so.
	b.click("ann", `#rooms li:first-child button`)
	b.click("ann", "#cut")
	b.sees("ann", "#recovered", "the link is down")
	b.enter("ann", "#text", "while it was cut")
	b.sees("ann", "#safe", "not safe to close")
	b.shoot("ann", "cut")
	b.sees("bob", "#log .text", "while it was cut")
	b.sees("ann", "#recovered", "resumed, nothing lost")
	b.wait("ann", `document.querySelector("#safe").dataset.safe === "true" && !document.querySelector("#log .pending")`)
	for _, width := range []int{375, 1280} {
		b.do("size", "ann", map[string]any{"width": width, "height": 760})
		for _, scheme := range []string{"dark", "light"} {
			b.do("scheme", "ann", map[string]any{"scheme": scheme})
			if width < 861 {
				b.click("ann", `.tabs button[data-view="link"]`)
			}
			b.shoot("ann", fmt.Sprintf("%d-resumed-%s", width, scheme))
		}
	}
	b.do("size", "ann", map[string]any{"width": 1280, "height": 800})

	// The sidecar goes and comes back; so does it then.
	demo.signal(syscall.SIGKILL)
	b.sees("ann", "#banner", "Offline, reconnecting")
	b.enter("ann", "#text", "while it was away")
	b.sees("ann", "#log .pending", "waiting for the link")
	b.sees("ann", "#banner", "1 message waiting")
	b.shoot("ann", "offline")
	again := startServe(t, "demo", "--listen", demo.url, "--listen", "unix:"+socket)
	b.sees("ann", "#banner", "Back, all sent")
	b.sees("bob", "#log .text", "while it was away")
	b.wait("ann", `!document.querySelector("#log .pending")`)
	b.wait("ann", `document.querySelector("#banner").hidden`)
	b.sees("ann", "#peers", "bob")
	if got := b.text("bob", `[...document.querySelectorAll("#log .text")].filter((e) => e.innerText === "while it was away").length + " times"`); got != "1 times" {
		t.Errorf("what waited came %s", got)
	}
	again.signal(syscall.SIGTERM)
	if code := again.exits(); code != 0 {
		t.Errorf("exit code %d after SIGTERM", code)
	}

	if all := b.complaints(noSidecar...); all != nil {
		t.Errorf("the consoles:\n%s", strings.Join(all, "\n"))
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	host := strings.TrimPrefix(demo.url, "http://")
	for _, r := range b.requests {
		if !strings.HasPrefix(r.Request, "http://"+host+"/") && !strings.HasPrefix(r.Request, "ws://"+host+"/") {
			t.Errorf("the page %s has asked for %s", r.Page, r.Request)
		}
	}
}

// pasted runs the lines that the page offers for a terminal. That for nc is
// what its echo writes, then the end of input; that for bb needs a bb.
func pasted(t *testing.T, b *browser) {
	t.Helper()
	b.wait("bob", `document.querySelectorAll("#paste li").length === 3`)
	var lines map[string]string
	if err := json.Unmarshal(b.eval("bob", `Object.fromEntries([...document.querySelectorAll("#paste li")].map((li) => [li.querySelector(".for").innerText, li.querySelector("code").innerText]))`), &lines); err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`^echo '(.+)' \| nc -NU (\S+)$`).FindStringSubmatch(lines["a shell with nc"])
	if m == nil {
		t.Fatalf("the lines are %q", lines)
	}
	c, err := net.Dial("unix", m[2])
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte(m[1] + "\n")); err != nil {
		t.Fatal(err)
	}
	c.(*net.UnixConn).CloseWrite()
	c.SetReadDeadline(time.Now().Add(stepTime))
	for n, err := 1, error(nil); err == nil; { // nc -N ends once the other side has
		if n, err = c.Read(make([]byte, 4096)); n == 0 && os.IsTimeout(err) {
			t.Error("the link of nc does not end")
		}
	}
	b.sees("bob", "#log .text", "hello from a shell")

	cmd := exec.Command("sh", "-c", strings.Replace(lines["nbb"], "npx nbb", "node "+e2eFile(t, "npm", "node_modules", "nbb", "cli.js"), 1))
	cmd.WaitDelay = stepTime
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%s: %v\n%s", lines["nbb"], err, out)
	}
	b.sees("bob", "#log .text", "hello from nbb")
}

// tidy looks for what overflows, in both widths.
func tidy(t *testing.T, b *browser, page string) {
	t.Helper()
	for _, width := range []int{375, 1280} {
		b.do("size", page, map[string]any{"width": width, "height": 760})
		views := []string{"chat"}
		if width < 861 {
			views = []string{"rooms", "link", "chat"}
		}
		for _, view := range views {
			if width < 861 {
				b.click(page, `.tabs button[data-view="`+view+`"]`)
			}
			for _, scheme := range []string{"light", "dark"} {
				b.do("scheme", page, map[string]any{"scheme": scheme})
				b.shoot(page, fmt.Sprintf("%d-%s-%s", width, view, scheme))
			}
			wide := b.overflows(page)
			if wide != "" {
				t.Errorf("%d pixels wide, view %s: %s", width, view, wide)
			}
		}
	}
}

// overflows names the elements that are wider than what is seen of them.
func (b *browser) overflows(page string) string {
	b.t.Helper()
	return b.text(page, `[document.documentElement, ...document.querySelectorAll("body *")].filter((e) => e.scrollWidth > e.clientWidth
		&& ["auto", "scroll", "visible"].includes(getComputedStyle(e).overflowX) && e.clientWidth > 0 && getComputedStyle(e).display !== "inline")
		.map((e) => e.tagName + "#" + e.id + "." + e.className + " " + e.scrollWidth + " > " + e.clientWidth).join(", ")`)
}

func (b *browser) shoot(page, name string) {
	if *shots != "" {
		b.do("shot", page, map[string]any{"path": filepath.Join(*shots, name+".png")})
	}
}
