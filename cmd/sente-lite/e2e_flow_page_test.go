//go:build peers

package main_test

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/sente-lite/sente-lite/pipe/chaos"
)

// What only a browser does to a page: the network goes, the page is frozen, loaded anew,
// opened twice, closed.

// TestFlowOffline takes the network from a page and gives it back.
func TestFlowOffline(t *testing.T) {
	f := startFlow(t, "browser.mjs", wide, "backoff: () => 1e6") // it comes back by the event alone
	f.send("[:n/n 0]")
	f.hears("a", 1)
	f.do("offline", "a", map[string]any{"on": true})
	f.wait("a", `s.state.offline`)
	f.net.CutAll(chaos.RST) // what a network that is gone comes to in the end
	f.wait("a", `s.state.status === "waiting"`)
	f.eval("a", `{ for (let n = 0; n < 50; n++) s.send("page/n", n); }`)
	for n := 1; n < 50; n++ {
		f.send("[:n/n %d]", n)
	}
	f.do("offline", "a", map[string]any{"on": false})
	f.awaits(0, 50)
	f.hears("a", 50)
	f.is("a", `[told.map((r) => r.recovered), s.state.offline, states.filter((r) => r === "online").length, errors]`, `[[true],false,1,[]]`)
}

// TestFlowFrozen freezes a page for longer than the sidecar waits for its pongs: thawed, it
// goes on with its session.
func TestFlowFrozen(t *testing.T) {
	f := startFlow(t, "browser.mjs", wide+" :ws-kalive-ms 200 :ws-ping-timeout-ms 300", "")
	f.send("[:n/n 0]")
	f.hears("a", 1)
	f.do("freeze", "a", map[string]any{"on": true})
	for n := 1; n < 300; n++ {
		f.send("[:n/n %d]", n)
	}
	f.p.say(`[[:sente-lite/flush {:to %q :timeout-ms 1500 :acked? true}] "frozen"]`, f.uid)
	if m := f.p.await(`:chsk/reply "frozen".*`); !strings.Contains(m[0], "timeout") {
		t.Errorf("a page that is frozen has acknowledged: %s", m[0])
	}
	f.do("freeze", "a", map[string]any{"on": false})
	f.hears("a", 300)
	f.eval("a", `s.send("page/n", 0)`)
	f.awaits(0, 1)
	f.is("a", `[told.length, told.every((r) => r.recovered), states[2], errors]`, `[1,true,"ping-timeout",[]]`)
}

// TestFlowReload loads a page anew while events wait, some of them written and not
// acknowledged: each goes once.
func TestFlowReload(t *testing.T) {
	const options = `store: true, backoff: () => 1e6` // the page that is left does not come back
	f := startFlow(t, "browser.mjs", wide, options)
	sent := func(from, to int) { f.eval("a", `{ for (let n = %d; n < %d; n++) s.send("page/n", n); }`, from, to) }
	for round := range 4 {
		from := 100 * round
		sent(from, from+30)
		f.awaits(from, from+30)
		f.net.HalfOpen(chaos.Down) // no acknowledgement arrives
		sent(from+30, from+60)
		f.awaits(from+30, from+60)
		f.net.CutAll(chaos.RST)
		f.wait("a", `s.state.status === "waiting"`)
		sent(from+60, from+100)
		f.wait("a", storedLast, from+99)
		f.send("[:n/n %d]", round)
		f.do("reload", "a", nil)
		f.dial("a", options)
		f.awaits(from+60, from+100)
		f.wait("a", `heard.length > 0`)
		f.is("a", `[heard, told, errors]`, fmt.Sprintf(`[[%d],[{"recovered":true,"missed":0,"unsure":0,"reason":null}],[]]`, round))
	}
	f.eval("a", `s.flush({acked: true})`)
	f.send("[:n/n 4]")
	f.wait("a", `heard.length === 2`)
}

// TestFlowReloadBusy loads a page anew in the middle of what it sends, at no particular moment:
// what it has sent in its last milliseconds may not be on disk and so go with it, the end of
// what it sent. Nothing else is missing, nothing comes twice, all is in order.
func TestFlowReloadBusy(t *testing.T) {
	const options = `store: true`
	f := startFlow(t, "browser.mjs", wide, options)
	last, gaps := -1, 0
	for range 5 {
		f.eval("a", `(n = +(localStorage.n ?? 0), timer = setInterval(() => { for (let k = 0; k < 7; k++) { s.send("page/n", n++); localStorage.n = n; } }, 1), true)`)
		for range 200 {
			n, err := strconv.Atoi(f.p.await(`:event \[:page/n (\d+)\]`)[1])
			if err != nil || n <= last {
				t.Fatalf("%d came after %d", n, last)
			}
			if n > last+1 {
				gaps++
			}
			last = n
		}
		f.do("reload", "a", nil)
		f.dial("a", options)
		f.is("a", `[told.map((r) => r.recovered), errors]`, `[[true],[]]`)
	}
	if gaps > 4 { // as many as there were reloads before the last numbers
		t.Errorf("%d gaps", gaps)
	}
}

// TestFlowTwoTabs has two pages want one store: the second does without, until the first is gone.
func TestFlowTwoTabs(t *testing.T) {
	f := startFlow(t, "browser.mjs", ":connection-state-recovery {:backup-secs 1}", `store: "one", backoff: () => 1e6`)
	first := f.uid
	f.do("open", "b", map[string]any{"url": f.net.url + "/e2e/pages/blank.html", "context": "a"})
	f.connect("b", `store: "one"`)
	if f.uid == first {
		t.Errorf("two pages are %s", first)
	}
	f.is("b", `errors`, `["sente-lite/no-store"]`)
	f.eval("b", `s.send("page/n", 0)`)
	f.awaits(0, 1)

	// The first is closed for good: the handler hears of it once it is not coming back, and
	// what it has left is sent by the next page that has its store.
	f.net.CutAll(chaos.RST)
	f.wait("a", `s.state.status === "waiting"`)
	f.eval("a", `s.send("page/n", 1)`)
	f.wait("a", storedLast, 1)
	f.close("a")
	f.p.await(`^\[:sente-lite/close .*:uid "` + regexp.QuoteMeta(first) + `".*`)
	f.do("reload", "b", nil)
	f.dial("b", `store: "one"`)
	f.awaits(1, 2)
	f.is("b", `[told, errors]`, `[[{"recovered":false,"missed":0,"unsure":0,"reason":"expired"}],[]]`)
}

// TestFlowClosedPage closes a page without a word to its client: the handler hears of it after
// :backup-secs.
func TestFlowClosedPage(t *testing.T) {
	f := startFlow(t, "browser.mjs", ":connection-state-recovery {:backup-secs 1}", "")
	f.close("a")
	f.p.await(`^\[:sente-lite/close .*:uid "` + regexp.QuoteMeta(f.uid) + `".*`)
}

// storedLast is an expression: is page/n with this number the last that a store of
// sente-lite.js has?
const storedLast = `new Promise((done) => {
	const asked = indexedDB.open("sente-lite.js", 1);
	asked.onsuccess = () => {
		const all = asked.result.transaction("outbox").objectStore("outbox").getAll();
		all.onsuccess = () => { asked.result.close(); done(all.result.some((r) => r.items.at(-1)?.text === '["page/n",%d]')); };
	};
})`
