package pipe_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sente-lite/sente-lite/pipe"
	"github.com/sente-lite/sente-lite/pipe/transport"
)

// A returning is a client with recovery: the test does the counting.
type returning struct {
	*player
	session  string
	greeting string
}

// comeIn connects with a hello that may name a session.
func comeIn(t *testing.T, h *pipe.Hub, server pipe.ConnInfo, hello string) *returning {
	t.Helper()
	c, s := transport.Mem(transport.MemOptions{Server: server})
	if !h.Attach(s) {
		t.Fatal("the hub takes no more")
	}
	p := &player{name: "returning", conn: c, in: make(chan string, 8192)}
	p.send(t, "[:sente-lite/hello {"+hello+"}]")
	m, err := c.Read(nil)
	if err != nil {
		t.Fatal(err)
	}
	r := &returning{player: p, greeting: string(m.Data)}
	r.session = regexp.MustCompile(`:session "([0-9a-f]{32})"`).FindStringSubmatch(r.greeting)[1]
	p.uid = regexp.MustCompile(`:uid "([^"]*)"`).FindStringSubmatch(r.greeting)[1]
	go p.read()
	return r
}

// cut ends the link as a network does.
func (r *returning) cut() {
	r.conn.Close(pipe.Reason{Code: pipe.CloseLost})
	for range r.in {
	}
}

func (r *returning) back(t *testing.T, h *pipe.Hub, server pipe.ConnInfo, seen int, more string) *returning {
	t.Helper()
	return comeIn(t, h, server, fmt.Sprintf(":recover true :session %q :seen %d %s", r.session, seen, more))
}

func (r *returning) told(t *testing.T, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(r.greeting, w) {
			t.Errorf("the greeting is %s, without %s", r.greeting, w)
		}
	}
}

// What a peer has missed while it was away comes first when it is back, from the first
// item on; and what it has sent counts as received.
func TestResume(t *testing.T) {
	for _, missed := range []int{0, 1, 100} {
		t.Run(fmt.Sprint(missed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newTestHub(t, pipe.HubConfig{}, pipe.Settings{})
				o := join(t, h, "owner", asOwner, "[:sente-lite/hello {:handler true}]", false)
				defer o.leave()
				a := comeIn(t, h, asClient, ":recover true")
				a.told(t, ":seen 0", ":recovered? false :missed 0")
				expect(t, o, `[:sente-lite/open …]`)
				for round := range 3 {
					a.send(t, `[:x/up 1]`)
					expect(t, o, `[:sente-lite/recv {… :event [:x/up 1]}]`)
					a.cut()
					synctest.Wait()
					for i := range missed {
						o.send(t, fmt.Sprintf(`[:sente-lite/send {:to %q :event [:x/down %d]}]`, a.uid, i))
					}
					time.Sleep(4 * time.Second)
					b := a.back(t, h, asClient, round*missed, "")
					b.told(t, `:session "`+a.session+`"`, fmt.Sprintf(":seen %d ", round+1), ":recovered? true :missed 0")
					for i := range missed {
						expect(t, b.player, fmt.Sprintf(`[:x/down %d]`, i))
					}
					expect(t, o, `[:sente-lite/reconnect {:uid "…" :client-id "…" :recovered? true :missed 0}]`)
					a = b
				}
				a.leave()
				expect(t, o, `[:sente-lite/close {… :code 1000}]`)
			})
		})
	}
}

// Beyond the window nothing old is delivered, and the peer hears how much it has
// missed, and why.
func TestResumeRefused(t *testing.T) {
	tests := []struct {
		name, why, missed string
		between           func(t *testing.T, h *pipe.Hub, o *player, a *returning) (seen int, as pipe.ConnInfo)
	}{
		{"expired", "expired", "50", func(t *testing.T, h *pipe.Hub, o *player, a *returning) (int, pipe.ConnInfo) {
			a.cut()
			synctest.Wait()
			for i := range 50 {
				o.send(t, fmt.Sprintf(`[:sente-lite/send {:to %q :event [:x/down %d]}]`, a.uid, i))
			}
			time.Sleep(6 * time.Second)
			expect(t, o, `[:sente-lite/close …]`)
			return 0, asClient
		}},
		{"overwritten", "overwritten", "150", func(t *testing.T, h *pipe.Hub, o *player, a *returning) (int, pipe.ConnInfo) {
			a.cut()
			synctest.Wait()
			for i := range 150 {
				o.send(t, fmt.Sprintf(`[:sente-lite/send {:to %q :event [:x/down %d]}]`, a.uid, i))
			}
			synctest.Wait()
			return 0, asClient
		}},
		{"ahead", "ahead", "0", func(t *testing.T, h *pipe.Hub, o *player, a *returning) (int, pipe.ConnInfo) {
			a.cut()
			return 7, asClient
		}},
		{"unknown", "unknown", "nil", func(t *testing.T, h *pipe.Hub, o *player, a *returning) (int, pipe.ConnInfo) {
			a.session = strings.Repeat("0", 32)
			return 0, asClient
		}},
		{"credentials", "credentials", "nil", func(t *testing.T, h *pipe.Hub, o *player, a *returning) (int, pipe.ConnInfo) {
			return 0, pipe.ConnInfo{Claim: &pipe.Claim{UID: "eve"}}
		}},
		{"uncounted", "uncounted", "1", func(t *testing.T, h *pipe.Hub, o *player, a *returning) (int, pipe.ConnInfo) {
			a.send(t, `[:batch/events [[:x/y 1] [:x/y }]]]`)
			expect(t, a.player, `[:sente-lite/error …]`)
			a.cut()
			return 0, asClient
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newTestHub(t, pipe.HubConfig{}, pipe.Settings{})
				o := join(t, h, "owner", asOwner, "[:sente-lite/hello {:handler true}]", false)
				defer o.leave()
				a := comeIn(t, h, asClient, ":recover true")
				expect(t, o, `[:sente-lite/open …]`)
				seen, as := tt.between(t, h, o, a)
				b := a.back(t, h, as, seen, "")
				defer b.leave()
				b.told(t, ":seen 0 ", ":recovered? false :missed "+tt.missed+" :reason :"+tt.why)
				if b.session == a.session {
					t.Error("the session is the old one")
				}
				if same := b.uid == a.uid; same != (tt.missed != "nil") {
					t.Errorf("the uid is %s after %s", b.uid, a.uid)
				}
				synctest.Wait()
				if len(b.in) > 0 {
					t.Errorf("it still gets %s", <-b.in)
				}
				if as.Claim.UID == "" && tt.why != "unknown" {
					if tt.why != "expired" {
						expect(t, o, `[:sente-lite/close …]`)
					}
					expect(t, o, `[:sente-lite/open {:uid "`+a.uid+`" …}]`, `[:sente-lite/reconnect {… :recovered? false :missed `+tt.missed+` :reason :`+tt.why+`}]`)
				}
				balanced(t, h, o)
			})
		})
	}
}

var sums = regexp.MustCompile(`:totals \{:accepted (\d+) :delivered (\d+) :queued (\d+) :undelivered (\d+)\}`)

// balanced asks for the ledger.
func balanced(t *testing.T, h *pipe.Hub, o *player) (undelivered int) {
	t.Helper()
	o.send(t, `[[:sente-lite/ledger] "books"]`)
	for got := range o.in {
		if !strings.HasPrefix(got, `[:chsk/reply "books"`) {
			continue
		}
		var n [4]int
		for i, s := range sums.FindStringSubmatch(got)[1:] {
			fmt.Sscan(s, &n[i])
		}
		if n[0] != n[1]+n[2]+n[3] {
			t.Errorf("the books do not balance: %s", got)
		}
		return n[3]
	}
	t.Fatal("no ledger")
	return 0
}

// A second link with a live session's id takes over: the first is closed first, and
// told to stay away.
func TestTakeOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newTestHub(t, pipe.HubConfig{}, pipe.Settings{})
		o := join(t, h, "owner", asOwner, "[:sente-lite/hello {:handler true}]", false)
		defer o.leave()
		a := comeIn(t, h, asClient, ":recover true")
		expect(t, o, `[:sente-lite/open …]`)
		o.send(t, fmt.Sprintf(`[:sente-lite/send {:to %q :event [:x/down 1]}]`, a.uid))
		expect(t, a.player, `[:x/down 1]`)
		b := a.back(t, h, asClient, 0, "")
		b.told(t, ":recovered? true")
		expect(t, b.player, `[:x/down 1]`)
		var last string
		for last = range a.in {
		}
		if !strings.Contains(last, ":code 4500") {
			t.Errorf("the first link ends with %s", last)
		}
		b.send(t, `[:x/up]`)
		expect(t, o, `[:sente-lite/reconnect …]`, `[:sente-lite/recv {… :event [:x/up]}]`)
		b.leave()
		expect(t, o, `[:sente-lite/close {… :code 1000}]`)
	})
}

// A handler that was killed and is started again is not kept out by what it has left.
func TestAwayHandlerMakesRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newTestHub(t, pipe.HubConfig{}, pipe.Settings{})
		first := comeIn(t, h, asOwner, ":recover true :handler true")
		first.cut()
		synctest.Wait() // the sidecar knows, too
		second := comeIn(t, h, asOwner, ":recover true :handler true")
		defer second.leave()
		c := comeIn(t, h, asClient, "")
		defer c.leave()
		expect(t, second.player, fmt.Sprintf(`[:sente-lite/open {:uid %q …]`, c.uid))
		first2 := first.back(t, h, asOwner, 0, ":handler true")
		first2.told(t, ":recovered? false", ":reason :expired")
		expect(t, first2.player, `[:sente-lite/error {… :code :sente-lite/handler-taken …}]`)
		first2.leave()
	})
}

// Who is away keeps nobody out: the one who has been away longest makes room.
func TestAwayMakesRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newTestHub(t, pipe.HubConfig{}, pipe.Settings{Flow: pipe.Flow{MaxPeers: 2}})
		a := comeIn(t, h, asClient, ":recover true")
		a.cut()
		time.Sleep(time.Second)
		b := comeIn(t, h, asClient, ":recover true")
		b.cut()
		time.Sleep(time.Second)
		c := comeIn(t, h, asClient, ":recover true")
		defer c.leave()
		b2 := b.back(t, h, asClient, 0, "")
		b2.told(t, ":recovered? true")
		defer b2.leave()
		if !h.Full() {
			t.Error("two peers are there, and it is not full")
		}
		b2.cut()
		synctest.Wait() // the sidecar knows, too
		a2 := a.back(t, h, asClient, 0, "")
		a2.told(t, ":recovered? false", ":reason :expired")
		defer a2.leave()
	})
}
