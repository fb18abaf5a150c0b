package pipe_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sente-lite/sente-lite/pipe"
	"github.com/sente-lite/sente-lite/pipe/pack"
	"github.com/sente-lite/sente-lite/pipe/pipetest"
	"github.com/sente-lite/sente-lite/pipe/transport"
)

// recovering runs a test in a bubble, with a handler that has seen a's coming.
func recovering(t *testing.T, flow pipe.Flow, test func(t *testing.T, h *pipe.Hub, o *player, a *returning)) {
	synctest.Test(t, func(t *testing.T) {
		h := newTestHub(t, pipe.HubConfig{Packers: []pipe.Packer{pack.JSON}}, pipe.Settings{Flow: flow})
		o := join(t, h, "owner", asOwner, "[:sente-lite/hello {:handler true}]", false)
		a := comeIn(t, h, asClient, ":recover true")
		expect(t, o, `[:sente-lite/open …]`)
		test(t, h, o, a)
		synctest.Wait()
		balanced(t, h, o)
		o.leave()
	})
}

func (o *player) sendTo(t *testing.T, uid string, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		o.send(t, fmt.Sprintf(`[:sente-lite/send {:to %q :event [:x/down %d]}]`, uid, i))
	}
	synctest.Wait()
}

func (r *returning) gets(t *testing.T, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		expect(t, r.player, fmt.Sprintf(`[:x/down %d]`, i))
	}
}

// What an ack must not be is answered, or passed over, and costs nobody anything.
func TestBadAcks(t *testing.T) {
	recovering(t, pipe.Flow{}, func(t *testing.T, h *pipe.Hub, o *player, a *returning) {
		o.sendTo(t, a.uid, 0, 10)
		a.gets(t, 0, 10)
		for _, bad := range []string{`"5"`, "-1", "1.5", "18446744073709551616", "nil", "[1]", ":x"} {
			a.send(t, "[:sente-lite/ack "+bad+"]")
			expect(t, a.player, `[:sente-lite/error {:category :incorrect …}]`)
		}
		a.send(t, "[:sente-lite/ack]")
		expect(t, a.player, `[:sente-lite/error {:category :incorrect …}]`)
		for _, ahead := range []string{"1000", "9223372036854775808", "18446744073709551615"} {
			a.send(t, "[:sente-lite/ack "+ahead+"]")
			expect(t, a.player, `[:sente-lite/error {… :code :sente-lite/ack-ahead …}]`)
		}
		// 10 events, and 11 errors. Backwards is nothing new.
		for _, n := range []int{4, 3, 0, 4} {
			a.send(t, fmt.Sprintf("[:sente-lite/ack %d]", n))
		}
		a.cut()
		b := a.back(t, h, asClient, 4, "")
		b.told(t, ":seen 0 ", ":recovered? true")
		b.gets(t, 4, 10)
		for range 11 {
			expect(t, b.player, `[:sente-lite/error …]`)
		}
		b.leave()
		expect(t, o, `[:sente-lite/reconnect …]`, `[:sente-lite/close …]`)
	})
}

// A peer that never acknowledges gets everything all the same, after the patience for
// it; only what it has not kept up with cannot be had again.
func TestNeverAcks(t *testing.T) {
	recovering(t, pipe.Flow{MaxBufferSize: 100}, func(t *testing.T, h *pipe.Hub, o *player, a *returning) {
		o.sendTo(t, a.uid, 0, 100)
		a.gets(t, 0, 100)
		began := time.Now()
		for i := 100; i < 400; i += 50 {
			o.sendTo(t, a.uid, i, i+50)
			a.gets(t, i, i+50)
		}
		if waited := time.Since(began); waited > 3*time.Second {
			t.Errorf("what is not acknowledged holds everything up for %v", waited)
		}
		// One ack, and it is patient again, for as long as none comes.
		a.send(t, "[:sente-lite/ack 400]")
		synctest.Wait()
		o.sendTo(t, a.uid, 400, 500)
		a.gets(t, 400, 500)
		began = time.Now()
		o.sendTo(t, a.uid, 500, 510)
		a.gets(t, 500, 510)
		if waited := time.Since(began); waited < time.Second || waited > 3*time.Second {
			t.Errorf("after an ack it waits %v for the next", waited)
		}
		a.cut()
		b := a.back(t, h, asClient, 401, "")
		b.told(t, ":recovered? false", ":missed 109 :reason :overwritten")
		b.leave()
	})
}

// A second link that never acknowledges is waited for anew.
func TestNeverAcksTwice(t *testing.T) {
	recovering(t, pipe.Flow{MaxBufferSize: 100}, func(t *testing.T, h *pipe.Hub, o *player, a *returning) {
		o.sendTo(t, a.uid, 0, 150)
		a.gets(t, 0, 100)
		a.cut() // while the patience runs
		b := a.back(t, h, asClient, 100, "")
		b.told(t, ":recovered? true")
		b.gets(t, 100, 150)
		o.sendTo(t, a.uid, 150, 230)
		b.gets(t, 150, 230)
		b.leave()
	})
}

// Who acknowledges in time loses nothing, however long the queue is always full.
func TestAcksUnderLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newTestHub(t, pipe.HubConfig{}, pipe.Settings{Flow: pipe.Flow{MaxBufferSize: 100}})
		o := join(t, h, "owner", asOwner, "[:sente-lite/hello {}]", false)
		a := comeIn(t, h, asClient, ":recover true")
		o.sendTo(t, a.uid, 0, 100)
		a.gets(t, 0, 100)
		o.sendTo(t, a.uid, 100, 200)     // which wait for acks
		for n := 10; n <= 600; n += 10 { // for 6 s
			time.Sleep(100 * time.Millisecond)
			a.send(t, fmt.Sprintf("[:sente-lite/ack %d]", n))
			a.gets(t, 90+n, 100+n)
			synctest.Wait()
			o.sendTo(t, a.uid, 190+n, 200+n)
		}
		synctest.Wait()
		if n := balanced(t, h, o); n != 0 {
			t.Errorf("%d were lost to a peer that acknowledges", n)
		}
		a.leave()
		o.leave()
	})
}

// Ids and numbers that nobody was given open nothing, and cost no live session anything.
func TestForged(t *testing.T) {
	recovering(t, pipe.Flow{}, func(t *testing.T, h *pipe.Hub, o *player, a *returning) {
		for _, id := range []string{"", "x", strings.Repeat("0", 32), a.session[:31], a.session + "0", strings.ToUpper(a.session), strings.Repeat("f", 100_000)} {
			b := comeIn(t, h, asClient, fmt.Sprintf(":recover true :session %q :seen 0", id))
			if id == "" {
				b.told(t, ":recovered? false :missed 0}")
			} else {
				b.told(t, ":recovered? false :missed nil :reason :unknown")
			}
			if b.uid == a.uid {
				t.Error("it has the uid of another")
			}
			b.leave()
			expect(t, o, `[:sente-lite/open …]`)
			if id != "" {
				expect(t, o, `[:sente-lite/reconnect …]`)
			}
			expect(t, o, `[:sente-lite/close …]`)
		}
		for _, seen := range []string{"-1", "18446744073709551616", "1.0", `"0"`} {
			c, s := transport.Mem(transport.MemOptions{Server: asClient})
			h.Attach(s)
			b := &player{name: "forger", conn: c, in: make(chan string, 10)}
			go b.read()
			b.send(t, fmt.Sprintf("[:sente-lite/hello {:recover true :session %q :seen %s}]", a.session, seen))
			expect(t, b, `[:sente-lite/error {… :code :sente-lite/bad-hello …}]`)
			b.leave()
		}
		a.send(t, `[:x/alive]`)
		expect(t, o, `[:sente-lite/recv {… :event [:x/alive]}]`)
		for _, seen := range []string{"9223372036854775808", "18446744073709551615"} {
			b := comeIn(t, h, asClient, fmt.Sprintf(":recover true :session %q :seen %s", a.session, seen))
			b.told(t, ":recovered? false :missed 0 :reason :ahead")
			expect(t, o, `[:sente-lite/close …]`, `[:sente-lite/open …]`, `[:sente-lite/reconnect …]`)
			a = b
		}
		a.leave()
		expect(t, o, `[:sente-lite/close …]`)
	})
}

// A link whose hello is read after that of a later one does not get the session.
func TestStaleLink(t *testing.T) {
	recovering(t, pipe.Flow{}, func(t *testing.T, h *pipe.Hub, o *player, a *returning) {
		o.sendTo(t, a.uid, 0, 5)
		a.gets(t, 0, 5)
		a.cut()
		c, s := transport.Mem(transport.MemOptions{Server: asClient})
		h.Attach(s) // and its hello is under way
		stale := &player{name: "stale", conn: c, in: make(chan string, 10)}
		go stale.read()
		b := a.back(t, h, asClient, 3, "")
		b.told(t, ":recovered? true")
		b.gets(t, 3, 5)
		b.send(t, `[:sente-lite/ack 5]`)
		synctest.Wait()
		stale.send(t, fmt.Sprintf("[:sente-lite/hello {:recover true :session %q :seen 3}]", a.session))
		expect(t, stale, `[:chsk/close {:code 4500 …}]`)
		o.sendTo(t, a.uid, 5, 6)
		b.gets(t, 5, 6)
		b.leave()
		expect(t, o, `[:sente-lite/reconnect …]`, `[:sente-lite/close {… :code 1000}]`)
	})
}

// A second hello is refused, and changes nothing.
func TestHelloTwice(t *testing.T) {
	recovering(t, pipe.Flow{}, func(t *testing.T, h *pipe.Hub, o *player, a *returning) {
		hello := fmt.Sprintf(":sente-lite/hello {:recover true :session %q :seen 0}", a.session)
		a.send(t, "["+hello+"]")
		expect(t, a.player, `[:sente-lite/error {:category :conflict :code :sente-lite/hello-again …}]`)
		a.cut()
		b := a.back(t, h, asClient, 1, "")
		b.told(t, ":seen 1 ", ":recovered? true") // it has counted
		b.cut()
		c, s := transport.Mem(transport.MemOptions{Server: asClient})
		h.Attach(s)
		p := &player{name: "caller", conn: c, in: make(chan string, 10)}
		go p.read()
		p.send(t, "[["+strings.Replace(hello, ":seen 0", ":seen 1", 1)+`] "h"]`)
		expect(t, p, `[:sente-lite/ready {… :recovered? true …}]`, `[:chsk/reply "h" true]`)
		p.leave()
		expect(t, o, `[:sente-lite/reconnect …]`, `[:sente-lite/reconnect …]`, `[:sente-lite/close …]`)
	})
}

// What was said before the greeting has no number, and holds nothing once its link is
// another session's.
func TestBeforeTheGreeting(t *testing.T) {
	recovering(t, pipe.Flow{}, func(t *testing.T, h *pipe.Hub, o *player, a *returning) {
		held := h.Held()
		a.cut()
		c, s := transport.Mem(transport.MemOptions{Server: asClient})
		h.Attach(s)
		p := &player{name: "second try", conn: c, in: make(chan string, 10)}
		go p.read()
		send := func(texts ...string) {
			var batch []pipe.Message
			for _, text := range texts {
				batch = append(batch, pipe.Message{Data: []byte(text), Text: true})
			}
			c.Write(batch)
		}
		send("[:sente-lite/hello {:packer :nope}]", fmt.Sprintf("[:sente-lite/hello {:recover true :session %q :seen 0}]", a.session))
		expect(t, p, `[:sente-lite/error …]`, `[:sente-lite/ready {… :recovered? true …}]`)
		o.sendTo(t, a.uid, 0, 1)
		expect(t, p, `[:x/down 0]`)
		p.send(t, "[:sente-lite/ack 1]")
		synctest.Wait()
		if h.Held() != held {
			t.Errorf("%d bytes are held, %d before", h.Held(), held)
		}
		p.leave()
		expect(t, o, `[:sente-lite/reconnect …]`, `[:sente-lite/close …]`)

		c, s = transport.Mem(transport.MemOptions{Server: asClient})
		h.Attach(s)
		p = &player{name: "new", conn: c, in: make(chan string, 10)}
		go p.read()
		send("[:sente-lite/hello {:packer :nope}]", "[:sente-lite/hello {:recover true}]")
		got, _ := p.next(t, "an error")
		if !strings.HasPrefix(got, "[:sente-lite/error") {
			t.Errorf("it gets %s first", got)
		}
		got, _ = p.next(t, "ready")
		r := &returning{player: p, greeting: got}
		_, rest, _ := strings.Cut(got, `:session "`)
		r.session, _, _ = strings.Cut(rest, `"`)
		r.cut()
		b := r.back(t, h, asClient, 0, "")
		b.told(t, ":recovered? true")
		b.leave()
		expect(t, o, `[:sente-lite/open …]`, `[:sente-lite/reconnect …]`, `[:sente-lite/close …]`)
	})
}

// A bundle that cannot be read ends the count, in each form; anything else counts one.
func TestUncounted(t *testing.T) {
	for _, tt := range []struct {
		name, hello, bad string
		text, gone       bool
	}{
		{"frames", "", `[:batch/events [[:x/y 1] [:x/y }]]]`, false, true},
		{"frames, one item", "", `[:x/y }]`, false, false},
		{"frames, with a comment", "", "; hi\n[ #_no :batch/events [[:x/y }]]]", false, true},
		{"text", "", `[:batch/events [[:x/y 1] [:x/y }]]]`, true, true},
		{"text, behind blanks", "", ` ,; hi ` + "\n" + ` [ :batch/events [[:x/y }]]]`, true, true},
		{"text, one item", "", `[:x/y [:batch/events }]]`, true, false},
		{"json", ":packer :json", `["batch/events", [["x/y", 1], ["x/y" }]]]`, false, true},
		{"json, escaped", ":packer :json", `["batch\/events", [["x/y", 1], ["x/y" }]]]`, false, true},
		{"json, one item", ":packer :json", `["x/y" }]`, false, false},
		{"msgpack", ":packer :msgpack", "\x92\xc7\x0c\x00batch/events\x91\xc1", false, true},
		{"msgpack, in other sizes", ":packer :msgpack", "\xdc\x00\x02\xc8\x00\x0c\x00batch/events\x91\xc1", false, true},
		{"msgpack, as EDN", ":packer :msgpack", "\x92\xc7\x0d\x11:batch/events\x91\xc1", false, true},
		{"msgpack, items that are none", ":packer :msgpack", "\x92\xc7\x0c\x00batch/events\x01", false, true},
		{"msgpack, one item", ":packer :msgpack", "\x92\xc7\x03\x00x/y\xc1", false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newTestHub(t, pipe.HubConfig{Packers: []pipe.Packer{pack.JSON, pack.Msgpack}}, pipe.Settings{})
				c, s := transport.Mem(transport.MemOptions{Server: asClient, Text: tt.text})
				h.Attach(s)
				p := &player{name: "broken", conn: c, in: make(chan string, 10)}
				go p.read()
				p.send(t, "[:sente-lite/hello {:recover true "+tt.hello+"}]")
				got, _ := p.next(t, "ready")
				r := &returning{player: p, greeting: got}
				_, rest, _ := strings.Cut(got, `:session "`)
				r.session, _, _ = strings.Cut(rest, `"`)
				p.send(t, tt.bad)
				if got, _ := p.next(t, "an error"); !strings.Contains(got, "sente-lite/error") {
					t.Errorf("it gets %s", got)
				}
				r.cut()
				b := r.back(t, h, asClient, 1, "")
				if tt.gone {
					b.told(t, ":recovered? false", ":reason :uncounted")
				} else {
					b.told(t, ":seen 1 ", ":recovered? true")
				}
				b.leave()
			})
		})
	}
}

// The handler itself may come back: it stays the handler, and what came meanwhile waits.
func TestHandlerComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newTestHub(t, pipe.HubConfig{}, pipe.Settings{})
		o := comeIn(t, h, asOwner, ":recover true :handler true")
		a := comeIn(t, h, asClient, ":recover true")
		expect(t, o.player, `[:sente-lite/open …]`)
		a.send(t, `[:x/up 1]`)
		expect(t, o.player, `[:sente-lite/recv {… :event [:x/up 1]}]`)
		a.send(t, `[[:x/ask] "q"]`)
		call, _ := o.next(t, "a call")
		o.cut()
		synctest.Wait()
		a.send(t, `[:x/up 2]`)
		synctest.Wait()
		a.cut()
		a = a.back(t, h, asClient, 0, "")
		a.told(t, ":seen 3 ", ":recovered? true")
		a.send(t, `[:x/up 3]`)
		synctest.Wait()
		b := comeIn(t, h, asClient, "")
		other := comeIn(t, h, asOwner, "")
		o = o.back(t, h, asOwner, 3, ":handler true")
		o.told(t, ":recovered? true")
		expect(t, o.player, `[:sente-lite/recv {… :event [:x/up 2]}]`, `[:sente-lite/reconnect {… :recovered? true :missed 0}]`,
			`[:sente-lite/recv {… :event [:x/up 3]}]`, `[:sente-lite/open {:uid "`+b.uid+`" …}]`, `[:sente-lite/open {:uid "`+other.uid+`" …}]`)
		cb := call[strings.LastIndex(call, " ")+1 : len(call)-1]
		o.send(t, `[:chsk/reply `+cb+` 42]`)
		expect(t, a.player, `[:chsk/reply "q" 42]`)
		for _, r := range []*returning{a, b, other, o} {
			r.leave()
		}
	})
}

// Calls of and to a peer that comes back go on waiting, and it stays in its channels.
func TestCallsWaitForReturn(t *testing.T) {
	recovering(t, pipe.Flow{}, func(t *testing.T, h *pipe.Hub, o *player, a *returning) {
		a.send(t, `[[:sente-lite/subscribe {:channel-id "c"}] "s"]`)
		expect(t, a.player, `[:chsk/reply "s" …]`)
		a.send(t, `[[:x/ask 1] "a1"]`)
		call, _ := o.next(t, "a call")
		o.send(t, fmt.Sprintf(`[[:sente-lite/request {:to %q :event [:x/ask 2]}] "o1"]`, a.uid))
		asked, _ := a.next(t, "a call")
		a.cut()
		synctest.Wait()
		o.send(t, `[:chsk/reply `+call[strings.LastIndex(call, " ")+1:len(call)-1]+` 1]`)
		o.send(t, `[:sente-lite/publish {:channel-id "c" :data 7}]`)
		o.send(t, fmt.Sprintf(`[[:sente-lite/request {:to %q :event [:x/ask 3]}] "o2"]`, a.uid))
		synctest.Wait()
		a = a.back(t, h, asClient, 2, "")
		a.told(t, ":seen 2 ", ":recovered? true")
		expect(t, a.player, `[:chsk/reply "a1" 1]`, `[:sente-lite/channel-msg …]`)
		asked2, _ := a.next(t, "another call")
		for n, call := range []string{asked, asked2} {
			a.send(t, fmt.Sprintf(`[:chsk/reply %s %d]`, call[strings.LastIndex(call, " ")+1:len(call)-1], n))
		}
		expect(t, o, `[:sente-lite/reconnect …]`, `[:chsk/reply "o1" 0]`, `[:chsk/reply "o2" 1]`)
		a.leave()
		expect(t, o, `[:sente-lite/close …]`)
	})
}

// A peer may be sent away, paused and looked at while it is not there.
func TestWhileAway(t *testing.T) {
	recovering(t, pipe.Flow{}, func(t *testing.T, h *pipe.Hub, o *player, a *returning) {
		a.cut()
		synctest.Wait()
		o.send(t, fmt.Sprintf(`[[:sente-lite/pause {:to %q}] "p"]`, a.uid))
		expect(t, o, `[:chsk/reply "p" {:peers 1}]`)
		o.sendTo(t, a.uid, 0, 3)
		b := a.back(t, h, asClient, 0, "")
		expect(t, o, `[:sente-lite/reconnect …]`)
		time.Sleep(time.Second)
		if len(b.in) > 0 {
			t.Errorf("a paused peer gets %s", <-b.in)
		}
		o.send(t, fmt.Sprintf(`[[:sente-lite/resume {:to %q}] "r"]`, a.uid))
		expect(t, o, `[:chsk/reply "r" {:peers 1}]`)
		b.gets(t, 0, 3)
		b.cut()
		synctest.Wait()
		o.send(t, fmt.Sprintf(`[[:sente-lite/kick {:to %q}] "k"]`, a.uid))
		expect(t, o, `[:chsk/reply "k" {:peers 1}]`, `[:sente-lite/close {… :code 4504}]`)
		c := b.back(t, h, asClient, 3, "")
		c.told(t, ":recovered? false")
		expect(t, o, `[:sente-lite/open …]`, `[:sente-lite/reconnect …]`)
		c.cut()
	})
}

// The end of the sidecar does not wait for who is away.
func TestShutdownWhileAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := pipe.NewHub(pipe.HubConfig{}, pipe.Settings{})
		o := join(t, h, "owner", asOwner, "[:sente-lite/hello {}]", false)
		a := comeIn(t, h, asClient, ":recover true")
		a.cut()
		synctest.Wait()
		o.sendTo(t, a.uid, 0, 5)
		o.leave()
		synctest.Wait()
		began := time.Now()
		if err := h.Shutdown(context.Background()); err != nil || time.Since(began) > 0 || h.Held() != 0 {
			t.Errorf("shutdown: %v, after %v, %d bytes held", err, time.Since(began), h.Held())
		}
	})
}

// Who comes back may speak another form, and what waits takes it.
func TestReturnInAnotherForm(t *testing.T) {
	recovering(t, pipe.Flow{}, func(t *testing.T, h *pipe.Hub, o *player, a *returning) {
		o.sendTo(t, a.uid, 0, 2)
		a.gets(t, 0, 2)
		a.cut()
		synctest.Wait()
		o.sendTo(t, a.uid, 2, 4)
		b := a.back(t, h, asClient, 1, ":packer :json")
		b.told(t, ":recovered? true")
		for i := 1; i < 4; i++ {
			expect(t, b.player, fmt.Sprintf(`["x/down",%d]`, i))
		}
		b.send(t, `["x/up",1]`)
		expect(t, o, `[:sente-lite/reconnect …]`, `[:sente-lite/recv {… :event [:x/up 1]}]`)
		b.cut()
		c := b.back(t, h, asClient, 2, "")
		c.gets(t, 2, 4)
		c.leave()
		expect(t, o, `[:sente-lite/reconnect …]`, `[:sente-lite/close …]`)
	})
}

// A new link is a new window, and what is sent again costs again.
func TestCreditAfterReturn(t *testing.T) {
	recovering(t, pipe.Flow{}, func(t *testing.T, h *pipe.Hub, o *player, a *returning) {
		a.leave()
		expect(t, o, `[:sente-lite/close …]`)
		a = comeIn(t, h, asClient, ":recover true :credit 3")
		expect(t, o, `[:sente-lite/open …]`)
		o.sendTo(t, a.uid, 0, 10)
		a.gets(t, 0, 3)
		if len(a.in) > 0 {
			t.Errorf("beyond its credit it gets %s", <-a.in)
		}
		a.cut()
		b := a.back(t, h, asClient, 1, ":credit 4")
		b.gets(t, 1, 5)
		synctest.Wait()
		if len(b.in) > 0 {
			t.Errorf("beyond its credit it gets %s", <-b.in)
		}
		b.send(t, "[:sente-lite/credit 100]")
		b.gets(t, 5, 10)
		b.leave()
		expect(t, o, `[:sente-lite/reconnect …]`, `[:sente-lite/close …]`)
	})
}

// What waits for room goes before what comes while its receiver is away.
func TestBlockedWhileAway(t *testing.T) {
	recovering(t, pipe.Flow{MaxBufferSize: 2, OnFull: []pipe.FullRule{{Event: "*", Policy: pipe.FullBlock}}, BlockFor: time.Hour}, func(t *testing.T, h *pipe.Hub, o *player, a *returning) {
		a.leave()
		expect(t, o, `[:sente-lite/close …]`)
		a = comeIn(t, h, asClient, ":recover true :credit 1")
		expect(t, o, `[:sente-lite/open …]`)
		for i := range 5 {
			o.send(t, fmt.Sprintf(`[[:sente-lite/send {:to %q :event [:x/down %d]}] "b"]`, a.uid, i))
		}
		synctest.Wait()
		a.gets(t, 0, 1)
		a.cut()
		synctest.Wait()
		o.sendTo(t, a.uid, 5, 9)
		b := a.back(t, h, asClient, 1, "")
		b.gets(t, 1, 9)
		b.leave()
	})
}

// Ten thousand come and go, with and without recovery, and nothing of them is left.
func TestNothingIsLeft(t *testing.T) {
	const each = 2500
	synctest.Test(t, func(t *testing.T) {
		h := pipe.NewHub(pipe.HubConfig{}, pipe.Settings{})
		o := join(t, h, "owner", asOwner, "[:sente-lite/hello {}]", false)
		synctest.Wait()
		before, held := runtime.NumGoroutine(), h.Held()
		for i := range each {
			plain := comeIn(t, h, asClient, "")
			plain.cut()
			a := comeIn(t, h, asClient, ":recover true")
			o.send(t, fmt.Sprintf(`[:sente-lite/send {:to %q :event [:x/down %d]}]`, a.uid, i))
			a.gets(t, i, i+1)
			a.cut()
			b := a.back(t, h, asClient, i%2, "")
			b.told(t, ":recovered? true")
			switch i % 3 {
			case 0:
				b.leave() // as one that has lost its link: there is no goodbye
			case 1:
				b.send(t, "[:chsk/close {:code 1000}]")
				b.leave()
			case 2:
				b.cut()
				c := b.back(t, h, asClient, 99, "")
				c.told(t, ":recovered? false")
				c.cut()
			}
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := runtime.NumGoroutine(); n > before {
			t.Errorf("%d goroutines, %d before", n, before)
		}
		if h.Held() != held {
			t.Errorf("%d bytes are held, %d before", h.Held(), held)
		}
		sessions, users, resumable, calls, alarms := pipe.Left(h)
		if sessions != 1 || users != 1 || resumable != 0 || calls != 0 || alarms != 0 {
			t.Errorf("of one peer there are %d sessions, %d users, %d to be resumed, %d calls, %d alarms", sessions, users, resumable, calls, alarms)
		}
		balanced(t, h, o)
		o.leave()
		if err := h.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

// The client of these tests, without cuts: what it sends arrives, and so does all else.
func TestRecoveringClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newTestHub(t, pipe.HubConfig{}, pipe.Settings{})
		o := join(t, h, "owner", asOwner, "[:sente-lite/hello {:handler true}]", false)
		var got atomic.Int64
		c := &pipetest.Client{
			Dial: func(string, uint64) (pipe.Conn, error) {
				c, s := transport.Mem(transport.MemOptions{Server: asClient})
				h.Attach(s)
				return c, nil
			},
			Handle: func(i pipe.Item, b []byte) { got.Add(1) },
		}
		c.Start()
		c.Send("[:x/up 1]")
		expect(t, o, `[:sente-lite/open …]`, `[:sente-lite/recv {… :event [:x/up 1]}]`)
		o.sendTo(t, c.UID(), 0, 40)
		c.Cut()
		synctest.Wait()
		time.Sleep(2 * time.Second)
		if c.Unacknowledged() != 0 || got.Load() != 40 {
			t.Errorf("%d are not acknowledged, and %d of 40 have come", c.Unacknowledged(), got.Load())
		}
		c.Close()
		o.leave()
	})
}
