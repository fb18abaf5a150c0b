//go:build peers

package main_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/sente-lite/sente-lite/pipe/chaos"
)

// These tests run sente-lite.js against the sidecar through a network that is
// bad: the same in Chromium and, over npm's ws, in Node.

var drivers = []struct{ name, script string }{{"node", "node.mjs"}, {"chromium", "browser.mjs"}}

// A network is the way of pages to a sidecar. Until it is bad it does nothing to
// what goes through.
type network struct {
	*chaos.Proxy
	url string
	bad atomic.Bool
}

func startNetwork(t *testing.T, p *parent, seed uint64, o chaos.Options) *network {
	t.Helper()
	n := &network{}
	n.Proxy = chaos.New(seed, chaos.Options{Plan: func(conn uint64) chaos.Plan {
		if !n.bad.Load() {
			return chaos.Plan{}
		}
		return chaos.MakePlan(seed, o, conn)
	}})
	t.Cleanup(n.Close)
	if err := n.Listen("http://127.0.0.1:0", p.url); err != nil {
		t.Fatal(err)
	}
	n.url = n.Addr()
	return n
}

// A flowTest is a sidecar whose handler is the test, a page, and the network
// between them.
type flowTest struct {
	*browser
	p   *parent
	net *network
	uid string // of the page
}

func startFlow(t *testing.T, driver, flow, options string) *flowTest {
	t.Helper()
	f := &flowTest{p: startPipe(t, static(t)+" :flow {"+flow+"}")}
	f.net = startNetwork(t, f.p, 1, chaos.Options{})
	f.browser = startDriver(t, driver)
	f.open("a", f.net.url+"/e2e/pages/blank.html")
	f.connect("a", options)
	return f
}

// connect makes a page's client, s there, which comes back within 10 ms. What it hears as
// n/n is in heard.
func (f *flowTest) connect(page, options string) {
	f.t.Helper()
	f.dial(page, options)
	f.uid = f.p.await(`^\[:sente-lite/open .*:uid "([^"]+)"`)[1]
}

// dial is connect where the handler need not hear of it.
func (f *flowTest) dial(page, options string) {
	f.t.Helper()
	f.eval(page, `(heard = [], errors = [], told = [], states = [], s = SenteLite.connect({backoff: () => 10, onError: (e) => errors.push(e.code),
		onReconnect: (_, r) => told.push(r), onState: (now, old) => now.status !== old.status && states.push(now.reason), %s}), s.on("n/n", (n) => heard.push(n)), true)`, options)
	f.wait(page, `s.state.open`)
}

// send sends the page an event.
func (f *flowTest) send(event string, args ...any) {
	f.t.Helper()
	f.p.say("[:sente-lite/send {:to %q :event %s}]", f.uid, fmt.Sprintf(event, args...))
}

// awaits takes what the handler hears as page/n until it has the numbers from one to below
// another, each once and in order.
func (f *flowTest) awaits(from, to int) {
	f.t.Helper()
	for n := from; n < to; n++ {
		if got := f.p.await(`:event \[:page/n (\d+)\]`)[1]; got != strconv.Itoa(n) {
			f.t.Fatalf("the handler got %s, expected %d", got, n)
		}
	}
}

// hears waits until the page has heard the numbers from 0 to below n, each once and in order.
func (f *flowTest) hears(page string, n int) {
	f.t.Helper()
	f.wait(page, `heard.length >= %d`, n)
	f.is(page, `heard.length === %d && heard.every((n, i) => n === i) || heard`, "true", n)
}

// is compares what an expression gives in the page, as JSON.
func (f *flowTest) is(page, js, want string, args ...any) {
	f.t.Helper()
	if got := clip(string(f.eval(page, js, args...))); got != want {
		f.t.Errorf("page %s: %s\n  is       %s\n  expected %s", page, clip(fmt.Sprintf(js, args...)), got, want)
	}
}

func inBoth(t *testing.T, test func(t *testing.T, driver string)) {
	for _, d := range drivers {
		t.Run(d.name, func(t *testing.T) { test(t, d.script) })
	}
}

const wide = ":max-buffer-size 100000 :connection-state-recovery {:backup-secs 30 :max-msgs 100000}"

// TestFlowCuts cuts the link at bytes that nobody has chosen, again and again, while both
// directions are busy with events, calls and replies: nothing is lost, doubled or reordered.
func TestFlowCuts(t *testing.T) {
	inBoth(t, func(t *testing.T, driver string) {
		for seed := range uint64(3) {
			t.Run(fmt.Sprint(seed), func(t *testing.T) { flowCuts(t, driver, seed) })
		}
	})
}

func flowCuts(t *testing.T, driver string, seed uint64) {
	const total = 4000
	f := &flowTest{p: startPipe(t, static(t)+" :flow {"+wide+"}")}
	f.net = startNetwork(t, f.p, seed, chaos.Options{Cut: chaos.Range{From: 300, To: 12000}, Torn: 500})
	f.browser = startDriver(t, driver)
	f.open("a", f.net.url+"/e2e/pages/blank.html")
	f.net.bad.Store(true) // from here on: also greetings are cut
	f.connect("a", `timeoutMs: 1e6, maxQueue: 1e5`)
	f.eval("a", `(answers = [], failed = [], s.on("n/ask", async (n) => n), (async () => {
		for (let n = 0; n < %d; n++) {
			if (s.send("page/n", n).status === "rejected") failed.push("rejected " + n);
			if (n %% 50 === 0) s.ask("page/echo", n).then((v) => answers.push(v), (e) => failed.push(e.code + n));
			if (n %% 20 === 0) await new Promise((go) => setTimeout(go, 1));
		}
	})(), true)`, total)

	go func() {
		for n := range total {
			f.p.say("[:sente-lite/send {:to %q :event [:n/n %d]}]", f.uid, n)
			if n%50 == 0 {
				f.p.say("[[:sente-lite/request {:to %q :event [:n/ask %d] :timeout-ms 60000}] \"ask-%d\"]", f.uid, n, n)
			}
		}
	}()
	echo := regexp.MustCompile(`:event \[:page/echo (\d+)\]\}\] ("[^"]+")\]`)
	event := regexp.MustCompile(`:event \[:page/n (\d+)\]`)
	reply := regexp.MustCompile(`^\[:chsk/reply "ask-(\d+)" (.*)\]$`)
	for next, echoes, replies := 0, 0, 0; next < total || echoes < total/50 || replies < total/50; {
		line, more := f.p.next()
		if !more {
			t.Fatal("the sidecar has ended")
		}
		if m := event.FindStringSubmatch(line); m != nil {
			if m[1] != strconv.Itoa(next) {
				t.Fatalf("the handler got %s, expected %d", m[1], next)
			}
			next++
		} else if m := echo.FindStringSubmatch(line); m != nil {
			echoes++
			f.p.say("[:chsk/reply %s %s]", m[2], m[1])
		} else if m := reply.FindStringSubmatch(line); m != nil {
			replies++
			if m[1] != m[2] {
				t.Errorf("the reply to %s is %s", m[1], m[2])
			}
		} else if strings.Contains(line, ":sente-lite/reconnect") && !strings.Contains(line, ":recovered? true") || strings.Contains(line, ":sente-lite/error") || strings.Contains(line, ":sente-lite/close") {
			t.Fatal(clip(line))
		}
	}
	f.hears("a", total)
	f.wait("a", `answers.length === %d`, total/50)
	f.is("a", `[answers.every((v, i) => v === 50 * i), failed, errors, s.lateReplies]`, `[true,[],[],0]`)
	f.net.bad.Store(false)
	f.wait("a", `s.pending.safeToClose`)
	f.is("a", `told.length > 3 && told.every((r) => r.recovered) || told`, "true")
	t.Logf("%d connections", f.net.Stats().Conns)
}

// TestFlowResumes cuts after the first item, after none, and after many.
func TestFlowResumes(t *testing.T) {
	inBoth(t, func(t *testing.T, driver string) {
		f := startFlow(t, driver, wide, "")
		up, down := 0, 0
		for _, n := range []int{0, 1, 0, 1, 500, 2} {
			f.eval("a", `{ for (let n = %d; n < %d; n++) s.send("page/n", n); }`, up, up+n)
			for range n {
				f.send("[:n/n %d]", down)
				down++
			}
			f.awaits(up, up+n)
			up += n
			f.hears("a", down)
			was := string(f.eval("a", `told.length`))
			f.net.CutAll(chaos.RST)
			f.wait("a", `told.length > %s && s.state.open`, was)
		}
		f.is("a", `[told.every((r) => r.recovered && r.missed === 0 && r.unsure === 0), told.length, s.state.reason, errors]`, `[true,6,"resumed",[]]`)
		f.eval("a", `(done = s.flush({acked: true}), s.send("page/n", %d), done)`, up)
		f.awaits(up, up+1)
	})
}

// TestFlowNotResumed lets a page be away for too long, and miss more than is kept.
func TestFlowNotResumed(t *testing.T) {
	inBoth(t, func(t *testing.T, driver string) {
		f := startFlow(t, driver, ":connection-state-recovery {:backup-secs 1 :max-msgs 5}", "")
		f.eval("a", `(sub = [], s.subscribe("room", (n) => sub.push(n)))`)
		f.send("[:n/n 0]")
		f.hears("a", 1)

		f.net.Refuse(true)
		f.net.CutAll(chaos.FIN)
		f.wait("a", `s.state.status === "waiting"`)
		f.send("[:n/lost 1]")
		f.eval("a", `s.send("page/n", 0)`)
		f.p.await(`^\[:sente-lite/close .*`)
		f.net.Refuse(false)
		f.wait("a", `told.length === 1`)
		f.is("a", `told[0]`, `{"recovered":false,"missed":1,"unsure":0,"reason":"expired"}`)
		f.awaits(0, 1)
		f.eval("a", `s.flush({acked: true})`)

		f.net.Refuse(true)
		f.net.CutAll(chaos.FIN)
		f.wait("a", `s.state.status === "waiting"`)
		for n := range 7 {
			f.send("[:n/lost %d]", n)
		}
		f.p.say(`[[:sente-lite/peers {}] "now"]`)
		f.p.await(`:chsk/reply "now"`)
		f.net.Refuse(false)
		f.wait("a", `told.length === 2`)
		f.is("a", `[told[1], s.state.reason]`, `[{"recovered":false,"missed":7,"unsure":0,"reason":"overwritten"},"reopened"]`)
		f.is("a", `[heard, errors]`, `[[0],[]]`)
		f.p.say(`[:sente-lite/publish {:channel-id "room" :data 1}]`)
		f.wait("a", `sub.length === 1`)
	})
}

// TestFlowTakenOver gives a session that is live to a second page: the first is closed and
// stays away.
func TestFlowTakenOver(t *testing.T) {
	inBoth(t, func(t *testing.T, driver string) {
		f := startFlow(t, driver, "", "")
		f.send("[:n/n 0]")
		f.hears("a", 1)
		url := f.net.url + "/e2e/pages/blank.html"
		f.open("b", url)
		f.eval("b", `(got = [], ws = new WebSocket(%q), ws.onmessage = (m) => got.push(JSON.parse(m.data)), true)`,
			"ws"+strings.TrimPrefix(f.net.url, "http")+"/ws?v=1&packer=json&recover=1&seen=0&session="+f.text("a", `s.state.session`))
		f.wait("b", `got.length === 2`)
		f.is("b", `[got[0][0], got[0][1][2]["recovered?"], got[1]]`, `["chsk/handshake",true,["n/n",0]]`)
		f.wait("a", `s.state.status === "closed"`)
		f.is("a", `[s.state.reason, s.state.lastClose.code, s.send("a/b").status, states]`, `["replaced",4500,"rejected",["connect","opened","replaced"]]`)
	})
}

// TestFlowRestart ends the sidecar, by its own hand or not, and starts another on the same
// folder: sessions go on.
func TestFlowRestart(t *testing.T) {
	inBoth(t, func(t *testing.T, driver string) {
		for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
			t.Run(sig.String(), func(t *testing.T) {
				flow := fmt.Sprintf("%s} :data-dir %q :log-level :debug :policy {", wide, t.TempDir())
				f := startFlow(t, driver, flow, "timeoutMs: 60000")
				f.eval("a", `(sub = [], s.subscribe("room", (n) => sub.push(n)))`)
				f.eval("a", `{ for (let n = 0; n < 100; n++) s.send("page/n", n); }`)
				for n := range 100 {
					f.send("[:n/n %d]", n)
				}
				f.awaits(0, 100)
				f.hears("a", 100)
				f.eval("a", `s.flush({acked: true})`)
				f.net.Refuse(true)
				f.net.CutAll(chaos.RST)
				f.wait("a", `s.state.status === "waiting"`)
				f.eval("a", `{ for (let n = 100; n < 200; n++) s.send("page/n", n); }`)
				f.eval("a", `(answer = s.ask("page/echo", 7), true)`)
				for n := 100; n < 150; n++ {
					f.send("[:n/n %d]", n)
				}
				f.p.say(`[[:sente-lite/flush {:to "owner"}] "there"]`)
				f.p.await(`:chsk/reply "there"`)
				f.p.signal(sig)
				f.p.exits()
				f.p = startPipe(t, strings.Replace(static(t), "http://127.0.0.1:0", f.p.url, 1)+" :flow {"+flow+"}")
				f.net.Refuse(false)
				f.awaits(100, 200)
				f.p.echo(1)
				f.is("a", `answer`, "7")
				f.hears("a", 150)
				f.is("a", `[told, errors]`, `[[{"recovered":true,"missed":0,"unsure":0,"reason":null}],[]]`)
				f.p.say(`[:sente-lite/publish {:channel-id "room" :data 1}]`)
				f.wait("a", `sub.length === 1`)
			})
		}
	})
}

// TestFlowSlowPage sends to a page faster than it can handle: its queue fills at the sender,
// who hears of it, and what was taken comes.
func TestFlowSlowPage(t *testing.T) {
	inBoth(t, func(t *testing.T, driver string) {
		for how, handler := range map[string]string{
			"busy":    `() => { const end = performance.now() + 2; while (performance.now() < end); }`,
			"waiting": `() => new Promise((go) => setTimeout(go, 10))`,
		} {
			t.Run(how, func(t *testing.T) {
				f := startFlow(t, driver, ":max-buffer-size 200", "credit: 16")
				f.eval("a", `s.on("n/n", %s)`, handler)
				taken := 0
				for n := 0; n < 2000; n++ {
					f.p.say("[[:sente-lite/send {:to %q :event [:n/n %d]}] \"s%d\"]", f.uid, taken, n)
					if m := f.p.await(`:chsk/reply "s\d+" (.*)`); strings.Contains(m[1], ":status :ok") {
						taken++
					} else if !strings.Contains(m[1], ":backpressure") {
						t.Fatal(m[0])
					}
				}
				if taken == 2000 {
					t.Error("a page that handles some hundred events a second has taken 2000 of them at once")
				}
				f.hears("a", taken)
				f.is("a", `[errors, states]`, `[[],["connect","opened"]]`)
			})
		}
	})
}

// TestFlowBundles looks at what goes over the wire, and at what pages are told.
func TestFlowBundles(t *testing.T) {
	inBoth(t, func(t *testing.T, driver string) {
		f := startFlow(t, driver, "", `WebSocket: class extends WebSocket {
			constructor(...args) { super(...args); this.addEventListener("message", ({data}) => (globalThis.frames ??= []).push(data)); }
			send(data) { (globalThis.sent ??= []).push(data); super.send(data); }
		}`)
		f.eval("a", `(globalThis.sent = [], frames = [], true)`)
		f.is("a", `(statuses = new Set(Array.from({length: 500}, (_, n) => s.send("page/n", n).status)), [...statuses])`, `["ok"]`)
		f.awaits(0, 500)
		f.is("a", `sent.length < 20`, "true")
		for n := range 500 {
			f.send("[:n/n %d]", n)
		}
		f.hears("a", 500)
		var counts []int
		if err := json.Unmarshal(f.eval("a", `frames.map((t) => JSON.parse(t)).filter((v) => v[0] === "batch/events").map((v) => v[1].length)`), &counts); err != nil || len(counts) == 0 {
			t.Errorf("500 events in a burst came in bundles of %v, %v", counts, err)
		}
		f.eval("a", `s.flush({acked: true})`)
		f.is("a", `[s.pending, s.queued]`, `[{"count":0,"safeToClose":true,"oldestMs":0},0]`)

		f.net.Refuse(true)
		f.net.CutAll(chaos.RST)
		f.wait("a", `s.state.status === "waiting"`)
		f.is("a", `[s.send("page/short", 1, {expiresMs: 20}), s.send("page/n", 500), s.pending.safeToClose]`,
			`[{"status":"queued","queueSize":1},{"status":"queued","queueSize":2},false]`)
		f.wait("a", `errors.length > 0`)
		f.is("a", `[errors, s.pending.count]`, `[["sente-lite/expired"],1]`)
		f.net.Refuse(false)
		f.awaits(500, 501)
		f.wait("a", `s.pending.safeToClose`)
	})
}
