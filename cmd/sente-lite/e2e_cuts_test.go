//go:build peers

package main_test

import (
	"fmt"
	"net/url"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sente-lite/sente-lite/pipe/chaos"
)

// A cutHandler is the script of a sidecar: it checks that what comes is in order,
// sends each number back, and asks about some.
type cutHandler struct {
	*parent
	t       *testing.T
	uid     string
	up, ask int // numbers that are due, and calls that have come
	replies int
}

var (
	cutUp    = regexp.MustCompile(`^\[:sente-lite/recv \{:uid "([^"]+)".* :event \[:n/up (\d+)\]`)
	cutAsk   = regexp.MustCompile(`^\[\[:sente-lite/recv .* :event \[:n/ask (\d+)\].*"([^"]+)"\]$`)
	cutReply = regexp.MustCompile(`^\[:chsk/reply "a(\d+)" (.*)\]$`)
)

// take handles lines until done says so.
func (h *cutHandler) take(done func() bool) {
	h.t.Helper()
	for !done() {
		line, more := h.next()
		if !more {
			h.t.Fatal("the sidecar has ended")
		}
		if m := cutUp.FindStringSubmatch(line); m != nil {
			h.uid = m[1]
			n, _ := strconv.Atoi(m[2])
			if n != h.up {
				h.t.Fatalf("the handler got %d, expected %d", n, h.up)
			}
			h.up++
			h.down(n)
			if n%20 == 0 {
				h.say(`[[:sente-lite/request {:to %q :event [:n/asked %d] :timeout-ms 60000}] "a%d"]`, h.uid, n, n)
			}
		} else if m := cutAsk.FindStringSubmatch(line); m != nil {
			h.ask++
			h.say(`[:chsk/reply %q [:got %s]]`, m[2], m[1])
		} else if m := cutReply.FindStringSubmatch(line); m != nil {
			if m[2] != "[:got "+m[1]+"]" {
				h.t.Fatalf("the handler asked about %s and got %s", m[1], m[2])
			}
			h.replies++
		} else if strings.Contains(line, "sente-lite/error") {
			h.t.Fatal(line)
		}
	}
}

func (h *cutHandler) down(n int) {
	h.say(`[:sente-lite/send {:to %q :event [:n/down %d]}]`, h.uid, n)
}

// balances checks that the books of the sidecar do, and nothing was lost.
func (h *cutHandler) balances() {
	h.t.Helper()
	h.say(`[[:sente-lite/ledger {}] "books"]`)
	m := h.await(`"books" .*:totals \{:accepted (\d+) :delivered (\d+) :queued (\d+) :undelivered (\d+)\}`)
	var n [4]int
	for i := range n {
		n[i], _ = strconv.Atoi(m[i+1])
	}
	if n[0] != n[1]+n[2]+n[3] || n[3] != 0 || n[0] < 2*2000 {
		h.t.Errorf("the books say: accepted %d, delivered %d, queued %d, undelivered %d", n[0], n[1], n[2], n[3])
	}
}

// sidecarOfCuts is a sidecar that keeps much for who is away, its addresses and a
// proxy before the one that a client takes.
func sidecarOfCuts(t *testing.T, over string) (h *cutHandler, restart func() *cutHandler, proxy *chaos.Proxy, address string) {
	dir := t.TempDir()
	socket := filepath.Join(dir, "s.sock")
	listen := fmt.Sprintf(`["http://127.0.0.1:0" "unix:%s"]`, socket)
	restart = func() *cutHandler {
		p := startPipe(t, fmt.Sprintf(`:listen %s :data-dir %q :flow {:max-buffer-size 5000 :ws-kalive-ms 200 :ws-ping-timeout-ms 400
			:connection-state-recovery {:backup-secs 60 :max-msgs 5000}}`, strings.ReplaceAll(listen, "\n", " "), filepath.Join(dir, "data")))
		listen = fmt.Sprintf(`[%q "unix:%s"]`, p.url, socket)
		return &cutHandler{parent: p, t: t}
	}
	h = restart()
	proxy = chaos.New(1, chaos.Options{})
	t.Cleanup(func() { proxy.Close() })
	own := "unix:" + filepath.Join(dir, "p.sock")
	target := "unix:" + socket
	if over == "ws" {
		own, target = "tcp://127.0.0.1:0", h.url
	}
	if err := proxy.Listen(own, target); err != nil {
		t.Fatal(err)
	}
	address = own
	if over == "ws" {
		u, err := url.Parse(proxy.Addr())
		if err != nil {
			t.Fatal(err)
		}
		address = "ws://" + u.Host
	}
	return h, restart, proxy, address
}

// cutsSettled waits until a client has so many events and nothing that is not
// acknowledged.
func cutsSettled(t *testing.T, p *program, down int) {
	t.Helper()
	for want := fmt.Sprintf("has %d %d %d 0", down, (down+19)/20, (down+19)/20); ; {
		p.say("show")
		if got := p.await(`^(has .*|wrong .*|error .*)$`)[1]; got == want {
			return
		} else if !strings.HasPrefix(got, "has") {
			t.Fatal(got)
		}
		time.Sleep(20 * time.Millisecond) // it is asked, and not awaited: do not ask all the time
	}
}

// TestCuts sends 2,000 events each way, with calls, while the link is cut again and
// again, in every way: nothing is lost, doubled or reordered, and calls are answered.
func TestCuts(t *testing.T) {
	for _, platform := range []string{"jvm", "nbb"} {
		for _, over := range []string{"ws", "unix"} {
			t.Run(platform+" "+over, func(t *testing.T) {
				const events, cuts = 2000, 16
				h, _, proxy, address := sidecarOfCuts(t, over)
				p := start(t, "client", append(libraryScript(t, platform, "cuts.cljc"), address)...)
				p.await(`^open `)
				hows := []chaos.How{chaos.RST, chaos.FIN}
				if over == "ws" { // where silence is noticed
					hows = append(hows, chaos.Abandon)
				}
				for round := range cuts {
					// The cut comes in the middle of what is sent.
					p.say("send %d", (round+1)*events/cuts)
					h.take(func() bool { return h.up >= (2*round+1)*events/cuts/2 })
					if round%4 == 3 {
						// The old link may still be there when the new one comes: it is taken over.
						p.say("reconnect")
					} else if proxy.CutAll(hows[round%len(hows)]) == 0 {
						t.Fatalf("there was nothing to cut in round %d", round)
					}
				}
				h.take(func() bool { return h.up == events && h.ask == events/20 && h.replies == events/20 })
				cutsSettled(t, p, events)
				p.say("links")
				m := p.await(`^links (\d+) (\d+)$`)
				if again, _ := strconv.Atoi(m[1]); again < 10 || m[1] != m[2] {
					t.Errorf("the link came back %s times, %s of them with nothing missed; it was cut %d times", m[1], m[2], cuts)
				}
				h.balances()
			})
		}
	}
}

// TestSidecarRestarts ends the sidecar while both sides have something for each
// other, and starts it again with its :data-dir: the session goes on.
func TestSidecarRestarts(t *testing.T) {
	for _, platform := range []string{"jvm", "nbb"} {
		for _, over := range []string{"ws", "unix"} {
			for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
				t.Run(fmt.Sprint(platform, " ", over, " ", signal), func(t *testing.T) {
					h, restart, proxy, address := sidecarOfCuts(t, over)
					p := start(t, "client", append(libraryScript(t, platform, "cuts.cljc"), address)...)
					p.await(`^open `)
					p.say("send 100")
					h.take(func() bool { return h.up == 100 && h.ask == 5 && h.replies == 5 })
					cutsSettled(t, p, 100)

					// Nobody gets through, and both sides write on.
					proxy.Refuse(true)
					proxy.CutAll(chaos.RST)
					h.say(`[[:sente-lite/queues {:to %q}] "away"]`, h.uid)
					h.await(`"away" .*`)
					p.say("send 200")
					for n := 100; n < 150; n++ {
						h.say(`[[:sente-lite/send {:to %q :event [:n/down %d]}] "s%d"]`, h.uid, n, n)
						h.await(fmt.Sprintf(`^\[:chsk/reply "s%d" `, n))
					}
					h.signal(signal)
					h.exits()

					again := restart()
					again.up, again.uid = 100, h.uid
					proxy.Refuse(false)
					if m := p.await(`^(again .*|wrong .*|error .*)$`); m[1] != "again true 0 nil" && m[1] != "again true 0 " {
						t.Fatalf("the client says %q, expected to have missed nothing", m[1])
					}
					for again.up < 200 {
						line, more := again.next()
						if !more {
							t.Fatal("the sidecar has ended")
						}
						if m := cutUp.FindStringSubmatch(line); m != nil {
							if n, _ := strconv.Atoi(m[2]); n != again.up {
								t.Fatalf("the handler got %d, expected %d", n, again.up)
							}
							again.up++
						}
					}
					for p.say("show"); ; p.say("show") {
						m := p.await(`^(has (\d+) .*|wrong .*|error .*)$`)
						if !strings.HasPrefix(m[1], "has") {
							t.Fatal(m[1])
						}
						if m[2] == "150" {
							break
						}
					}
				})
			}
		}
	}
}
