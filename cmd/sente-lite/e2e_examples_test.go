//go:build peers && unix

package main_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Every example runs as its README says, from a folder of its own, on each
// platform that it is for; pages in Chromium see what it promises.

var platforms = []string{"jvm", "nbb"}

// An exampleRun is the script of an example, and where its page is.
type exampleRun struct {
	*program
	url string
}

// exampleFolder copies an example, with the library and Scittle, and goes there.
func exampleFolder(t *testing.T, name string) {
	t.Helper()
	scittle, err := os.ReadFile(e2eFile(t, "npm", "node_modules", "scittle", "dist", "scittle.js"))
	if err != nil {
		t.Fatal(err)
	}
	files := os.DirFS(filepath.Join(repository(t), "bb", "examples", name))
	scriptFolder(t, map[string]string{"pages/scittle.js": string(scittle)})
	if err := os.CopyFS(".", files); err != nil {
		t.Fatal(err)
	}
}

// commandOf is what runs the script of a folder that has the library in src.
func commandOf(t *testing.T, platform string) []string {
	t.Helper()
	switch platform {
	case "nbb":
		return []string{"node", e2eFile(t, "npm", "node_modules", "nbb", "cli.js"), "--classpath", "src", "server.cljc"}
	case "bb":
		return []string{"bb", "--classpath", "src", "server.cljc"}
	}
	return []string{"java", "-XX:TieredStopAtLevel=1", "-Dfile.encoding=UTF-8", "-cp", clojureJars + ":src", "clojure.main", "server.cljc"}
}

func (e *exampleRun) port() string { return e.url[strings.LastIndex(e.url, ":")+1:] }

// interrupt is ctrl-C.
func (e *exampleRun) interrupt() {
	e.t.Helper()
	e.signal(syscall.SIGINT)
	if code := e.exits(); code != 130 && code != -1 { // Java's, and a signal's
		e.t.Errorf("exit code %d after ctrl-C", code)
	}
}

// looks shoots a page, and looks for what overflows or has no name.
func (b *browser) looks(page, name string) {
	b.t.Helper()
	for _, width := range []int{400, 1280} {
		b.do("size", page, map[string]any{"width": width, "height": 800})
		for _, scheme := range []string{"dark", "light"} {
			b.do("scheme", page, map[string]any{"scheme": scheme})
			b.shoot(page, fmt.Sprintf("%s-%d-%s", name, width, scheme))
		}
		if wide := b.overflows(page); wide != "" {
			b.t.Errorf("%s, %d pixels wide: %s", name, width, wide)
		}
	}
	if mute := b.text(page, `[...document.querySelectorAll("button, input, [role=log], [role=img], canvas")].filter((e) =>
		!e.innerText && !e.ariaLabel && !(e.labels && e.labels.length)).map((e) => e.outerHTML).join(", ")`); mute != "" {
		b.t.Errorf("%s: no name for who cannot see it: %s", name, mute)
	}
}

// onPlatforms runs an example on each platform, in a browser that they share.
// run starts its script.
func onPlatforms(t *testing.T, name string, on []string, use func(t *testing.T, b *browser, platform string, run func(port string) *exampleRun)) {
	b := startBrowser(t)
	for _, platform := range on {
		t.Run(platform, func(t *testing.T) {
			b.t = t
			command := commandOf(t, platform)
			exampleFolder(t, name)
			use(t, b, platform, func(port string) *exampleRun {
				t.Helper()
				t.Setenv("PORT", port)
				p := start(t, "server.cljc on "+platform, command...)
				return &exampleRun{p, p.await(`^Open (http://\S+)`)[1]}
			})
		})
	}
	b.t = t
	if all := b.complaints(noSidecar...); all != nil {
		t.Errorf("the pages' consoles:\n%s", strings.Join(all, "\n"))
	}
}

func TestExampleChat(t *testing.T) {
	onPlatforms(t, "chat", platforms, func(t *testing.T, b *browser, platform string, run func(string) *exampleRun) {
		script := run("0")
		ann, bob := "ann on "+platform, "bob on "+platform
		for _, tab := range []string{ann, bob} {
			b.do("open", tab, map[string]any{"url": script.url, "context": platform})
			b.sees(tab, "#link", "connected")
			b.enter(tab, "#name", tab)
		}
		b.sees(ann, "#names", bob)
		b.sees(bob, "#names", ann)

		b.enter(ann, "#text", `hello <b>"bob"</b> &amp; \ ☕`)
		for _, tab := range []string{ann, bob} {
			b.sees(tab, "#log", `hello <b>"bob"</b> &amp; \ ☕`)
			b.wait(tab, `document.querySelectorAll("#log li").length === 1 && !document.querySelector("#log .waiting")`)
		}
		b.enter(ann, "#room", "tea")
		b.sees(ann, "#title", "# tea")
		b.enter(ann, "#text", "milk?")
		b.sees(bob, "#rooms", "tea")
		b.click(bob, `#rooms button:text-is("tea")`)
		b.sees(bob, "#log", "milk?")
		b.enter(bob, "#text", "yes")
		b.sees(ann, "#log", "yes")
		b.looks(ann, "chat")

		// What is written while the script is away waits, and comes once and in order.
		script.interrupt()
		b.sees(ann, "#banner", "Offline")
		for i := range 3 {
			b.enter(ann, "#text", fmt.Sprintf("while it was away %d", i))
		}
		b.sees(ann, "#log .waiting", "waiting for the link")
		b.sees(ann, "#banner", "3 messages wait")
		b.shoot(ann, "chat-offline")
		again := run(script.port())
		b.sees(ann, "#banner", "Back, and all is sent")
		b.wait(bob, `[...document.querySelectorAll("#log li")].map((e) => e.querySelector(".text").innerText).join() === "milk?,yes,while it was away 0,while it was away 1,while it was away 2"`)
		b.wait(ann, `document.querySelector("#banner").hidden && !document.querySelector("#log .waiting")`)
		b.sees(ann, "#names", bob)
		b.close(bob)
		b.wait(ann, `document.querySelectorAll("#names li").length === 1`)
		again.interrupt()
	})
}

// TestExampleChatReload loads the page again while messages wait: they are the
// tab's, and leave once there is a script.
func TestExampleChatReload(t *testing.T) {
	onPlatforms(t, "chat", []string{"nbb"}, func(t *testing.T, b *browser, platform string, run func(string) *exampleRun) {
		script := run("0")
		for _, tab := range []string{"ann", "bob"} {
			b.do("open", tab, map[string]any{"url": script.url, "context": platform})
			b.sees(tab, "#link", "connected")
		}
		script.interrupt()
		b.sees("ann", "#banner", "Offline")
		for i := range 50 {
			b.enter("ann", "#text", fmt.Sprintf("kept %d", i))
		}
		b.sees("ann", "#banner", "50 messages wait")
		b.wait("ann", `new Promise((done) => {
			const open = indexedDB.open("sente-lite");
			open.onsuccess = () => {
				const all = open.result.transaction("outbox").objectStore("outbox").getAll();
				all.onsuccess = () => { open.result.close(); done(all.result.some((kept) => kept.split("[:chat/say ").length > 50)) };
			};
		})`)
		b.eval("ann", `setTimeout(() => location.reload()), true`)
		b.wait("ann", `document.querySelector("#log") === null`) // nobody is there to serve it
		again := run(script.port())
		b.eval("ann", `setTimeout(() => location.reload()), true`)
		b.wait("bob", `[...document.querySelectorAll("#log .text")].map((e) => e.innerText).join() === [...Array(50).keys()].map((i) => "kept " + i).join()`)
		b.sees("ann", "#log", "kept 49")
		again.interrupt()
	})
}

// TestExampleWithoutScittle is what a newcomer may meet first.
func TestExampleWithoutScittle(t *testing.T) {
	b := startBrowser(t)
	command := commandOf(t, "nbb")
	exampleFolder(t, "chat")
	if err := os.Remove("pages/scittle.js"); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PORT", "0")
	b.open("page", start(t, "server.cljc", command...).await(`^Open (http://\S+)`)[1])
	b.sees("page", "#none", "npm install scittle")
	b.looks("page", "chat-without-scittle")
}

func TestExampleCounter(t *testing.T) {
	onPlatforms(t, "counter", platforms, func(t *testing.T, b *browser, platform string, run func(string) *exampleRun) {
		script := run("0")
		one, two := "one on "+platform, "two on "+platform
		b.open(one, script.url)
		b.open(two, script.url)
		b.sees(one, "#link", "2 pages")
		for _, step := range []string{"10", "1", "1", "-1"} {
			b.click(one, `[data-step="`+step+`"]`)
		}
		b.sees(two, "#value", "11")
		b.sees(two, "#by", "Changed 4 times, last by another page")
		b.eval(two, `dispatchEvent(new KeyboardEvent("keydown", {key: "PageDown"})), dispatchEvent(new KeyboardEvent("keydown", {key: "ArrowDown"}))`)
		b.sees(one, "#value", "0")
		b.sees(two, "#by", "Changed 6 times, last by this page")
		if code := b.text(one, `s.ask("counter/add", 1000).then(() => "counted", (e) => e.code)`); code != "counter/bad-step" {
			t.Errorf("a step of 1000: %s", code)
		}
		b.looks(one, "counter")

		script.interrupt()
		b.wait(one, `[...document.querySelectorAll("[data-step]")].every((e) => e.disabled)`)
		again := run(script.port())
		b.sees(one, "#by", "Nobody has changed it yet")
		b.wait(one, `![...document.querySelectorAll("[data-step]")].some((e) => e.disabled)`)
		b.close(two)
		b.sees(one, "#link", "one page")
		again.interrupt()
		b.wait(one, `s.state.lastClose?.code === 1001`)
	})
}

func TestExampleWorker(t *testing.T) {
	onPlatforms(t, "worker", platforms, func(t *testing.T, b *browser, platform string, run func(string) *exampleRun) {
		script := run("0")
		page := "page on " + platform
		b.open(page, script.url)
		pid := func(starts string) (pid int) {
			t.Helper()
			b.sees(page, "#worker-facts", starts)
			b.sees(page, "#worker-state", "The worker is here")
			if err := json.Unmarshal(b.eval(page, `Number(/process (\d+)/.exec(document.querySelector("#worker-facts").innerText)[1])`), &pid); err != nil {
				t.Fatal(err)
			}
			return pid
		}
		first := pid("once")
		b.click(page, `[data-upto="100000"]`)
		b.sees(page, "#jobs .done", "9\u2009592 primes")

		b.click(page, `[data-upto="5000000"]`)
		b.wait(page, `Number(document.querySelector("#jobs .running .bar")?.ariaValueNow) > 0`)
		b.looks(page, "worker")
		b.click(page, "#crash")
		b.sees(page, "#jobs .lost", "lost")
		second := pid("2 times")
		b.click(page, `[data-upto="100000"]`)
		b.wait(page, `document.querySelectorAll("#jobs .done").length === 2`)

		if err := syscall.Kill(second, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		third := pid("3 times")
		if first == second || second == third {
			t.Errorf("the processes are %d, %d and %d", first, second, third)
		}
		script.interrupt()
		gone(t, third)
	})
}

// gone waits for the end of a process.
func gone(t *testing.T, pid int) {
	t.Helper()
	for end := time.Now().Add(stepTime); !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("process %d lives on", pid)
		}
	}
}

func TestExamplePipeline(t *testing.T) {
	onPlatforms(t, "pipeline", platforms, func(t *testing.T, b *browser, platform string, run func(string) *exampleRun) {
		script := run("0")
		one, two := "one on "+platform, "two on "+platform
		for _, tab := range []string{one, two} {
			b.open(tab, script.url)
			b.sees(tab, "#pipelines", "tr '[:lower:]' '[:upper:]'")
		}
		b.enter(one, "#line", `the "quick" $(brown) fox`)
		for _, tab := range []string{one, two} {
			b.sees(tab, "#out-upper", `THE "QUICK" $(BROWN) FOX`)
			b.sees(tab, "#out-count", "4 words, 4 so far")
		}
		b.enter(two, "#line", "c b a")
		b.sees(one, "#out-sort", "a b c")
		b.sees(one, "#out-count", "3 words, 7 so far")
		b.looks(one, "pipeline")

		// A shell that is killed is started again, and counts anew.
		if err := syscall.Kill(programIn(t, "all=0; set -f"), syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		for n := 1; !strings.Contains(b.text(one, `document.querySelector("#out-count").innerText`), "1 words, 1 so far"); n++ {
			if n > 20 {
				t.Fatal("the counting shell does not come back")
			}
			b.enter(one, "#line", "again")
			b.wait(one, `document.querySelectorAll("#out-upper li").length === %d`, 2+n)
		}
		if bad := b.text(one, `document.querySelector("#said").innerText.trim()`); bad != "" {
			t.Errorf("the page says %q", bad)
		}
		script.interrupt()
		b.wait(one, `s.state.lastClose?.code === 1001`)
	})
}

// programIn finds a program that runs in our folder by what its command contains.
func programIn(t *testing.T, command string) int {
	t.Helper()
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		line, _ := os.ReadFile(filepath.Join("/proc", e.Name(), "cmdline"))
		cwd, _ := os.Readlink(filepath.Join("/proc", e.Name(), "cwd"))
		if name, _, _ := bytes.Cut(line, []byte{0}); filepath.Base(string(name)) == "sh" && cwd == here && bytes.Contains(line, []byte(command)) {
			return pid
		}
	}
	t.Fatalf("no program in %s has %q in its command", here, command)
	return 0
}

func TestExampleJVM(t *testing.T) {
	onPlatforms(t, "jvm", []string{"jvm"}, func(t *testing.T, b *browser, platform string, run func(string) *exampleRun) {
		script := run("0")
		b.open("page", script.url)
		// Of a copy, since a canvas that is read is drawn in another way.
		b.eval("page", `globalThis.pixels = (x, y, w, h) => {
			const c = document.querySelector("canvas"), copy = new OffscreenCanvas(c.width, c.height).getContext("2d", {willReadFrequently: true});
			copy.drawImage(c, 0, 0);
			return [...copy.getImageData(x * c.width, y * c.height, w, h || c.height).data];
		}, true`)
		drawn := func() string {
			t.Helper()
			b.wait("page", `/^\d+ × \d+, up to \d+ steps, \d+ ms on \d+ cores?$/.test(document.querySelector("#said").innerText)`)
			b.wait("page", `pixels(0, 0, 1).every((v, i) => i %% 4 !== 3 || v === 255)`) // every band
			return b.text("page", `pixels(0.5, 0, 1).join()`)
		}
		whole := drawn()
		if inside, outside := b.text("page", `pixels(0.6, 0.5, 1, 1).join()`), b.text("page", `pixels(0.02, 0.05, 1, 1).join()`); inside != "22,22,20,255" || outside == inside {
			t.Errorf("inside the set it is %s, outside %s", inside, outside)
		}
		b.looks("page", "jvm")
		b.do("size", "page", map[string]any{"width": 1280, "height": 800})
		b.wait("page", `document.querySelector("canvas").width === 1280`)
		drawn()
		b.eval("page", `document.querySelector("canvas").dispatchEvent(new MouseEvent("click", {clientX: 625, clientY: 455}))`)
		if drawn() == whole {
			t.Error("a click changes nothing")
		}
		b.shoot("page", "jvm-closer")
		// Quick presses: the last one counts.
		b.eval("page", `(() => { for (const key of ["+", "+", "ArrowLeft", "-", "Home"]) document.querySelector("canvas").dispatchEvent(new KeyboardEvent("keydown", {key})); return true })()`)
		if drawn() != whole {
			t.Error("Home does not show the whole")
		}
		if code := b.text("page", `new Promise((done) => { globalThis.done = done; scittle.core.eval_string("(sente-lite.core/ask! [:fractal/draw {:id 1 :width 1000000}] {:cb #(js/done (str (:code (sente-lite.core/error-map %))))})") })`); code != ":fractal/bad-drawing" {
			t.Errorf("a million pixels: %s", code)
		}
		script.interrupt()
		b.sees("page", "#link", "connecting")
	})
}
