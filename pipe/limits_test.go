package pipe_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sente-lite/sente-lite/pipe"
)

// Each limit of a queue alone makes it full.
func TestLimits(t *testing.T) {
	tests := []struct {
		name string
		flow pipe.Flow
		size int // of an event
		most int // events that wait: as many and none more
		wait time.Duration
	}{
		{"count", pipe.Flow{MaxBufferSize: 20}, 2000, 20, 0},
		{"bytes", pipe.Flow{MaxBufferBytes: 40_000}, 2000, 40_000 / 2015, 0},
		{"one larger than all bytes", pipe.Flow{MaxBufferBytes: 1000}, 70_000, 1, 0},
		{"age", pipe.Flow{MaxBufferAge: time.Second}, 2000, -1, 990 * time.Millisecond},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newTestHub(t, pipe.HubConfig{}, pipe.Settings{Flow: tt.flow})
				o := join(t, h, "owner", asOwner, bare, false)
				deaf := join(t, h, "deaf", asClient, bare, true)
				send := func() string {
					reply, _ := o.ask(t, fmt.Sprintf(`[:sente-lite/send {:to %q :event [:x/y %q]}]`, deaf.uid, strings.Repeat("p", tt.size)))
					return reply
				}
				queued := func() (n int) {
					queues, _ := o.ask(t, fmt.Sprintf(`[:sente-lite/queues {:to %q}]`, deaf.uid))
					fmt.Sscan(regexp.MustCompile(`:queued (\d+)`).FindStringSubmatch(queues)[1], &n)
					return n
				}
				if tt.most < 0 { // by age: what waits makes it full once it is old enough
					for queued() < 3 {
						send()
					}
					time.Sleep(tt.wait)
					if got := send(); !strings.Contains(got, ":status :ok") {
						t.Fatalf("the queue is young, and a send answered by %s", got)
					}
					time.Sleep(10 * time.Millisecond)
					if got := send(); !strings.Contains(got, ":status :backpressure") {
						t.Errorf("the oldest has waited for 1 s, and a send is answered by %s", got)
					}
				} else {
					for range 200 {
						if strings.Contains(send(), ":status :backpressure") {
							break
						}
					}
					if n := queued(); n != tt.most {
						t.Errorf("%d events wait where there is no room, not %d", n, tt.most)
					}
				}
				go deaf.read()
				synctest.Wait()
				if got := send(); !strings.Contains(got, ":status :ok") {
					t.Errorf("it has read everything, and a send is answered by %s", got)
				}
				o.leave()
				deaf.leave()
			})
		})
	}
}

// The handler hears once that a queue is at 80 %, and once that it is half empty, with
// what waits there most.
func TestWaterMarks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newTestHub(t, pipe.HubConfig{}, pipe.Settings{Flow: pipe.Flow{MaxBufferSize: 50}})
		hd := join(t, h, "handler", asOwner, "[:sente-lite/hello {:handler true}]", false)
		o := join(t, h, "owner", asOwner, bare, false)
		deaf := join(t, h, "deaf", asClient, bare, true)
		expect(t, hd, `[:sente-lite/open …]`, `[:sente-lite/open …]`)
		for range 3 { // once each time
			for i := range 200 {
				o.send(t, fmt.Sprintf(`[:sente-lite/send {:to %q :event [:x/e%d %q]}]`, deaf.uid, min(i%4, 1), strings.Repeat("p", 2000)))
			}
			synctest.Wait()
			expect(t, hd, fmt.Sprintf(`[:queue/high-water {:uid %q :client-id "…" :queue-size 40 :max 50 :bytes … :busiest :x/e1}]`, deaf.uid))
			if len(hd.in) > 0 {
				t.Fatalf("and then %s", <-hd.in)
			}
			stop := make(chan struct{})
			go func() { // reads until it is empty
				defer close(stop)
				for range 1 << 20 {
					if m, err := deaf.conn.Read(nil); err != nil || string(m.Data) == "[:x/last]" {
						return
					}
				}
			}()
			synctest.Wait()
			o.send(t, fmt.Sprintf(`[:sente-lite/send {:to %q :event [:x/last]}]`, deaf.uid))
			<-stop
			synctest.Wait()
			expect(t, hd, fmt.Sprintf(`[:queue/low-water {:uid %q :client-id "…" :queue-size …}]`, deaf.uid))
			if len(hd.in) > 0 {
				t.Fatalf("and then %s", <-hd.in)
			}
		}
		deaf.conn.Close(pipe.Reason{Code: pipe.CloseNormal})
		o.leave()
		hd.leave()
	})
}

// Nothing but heartbeats is written to a paused peer; its queue fills, and goes when it
// is resumed. The numbers of queues are those of who counts.
func TestPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newTestHub(t, pipe.HubConfig{}, pipe.Settings{Flow: pipe.Flow{MaxBufferSize: 120}})
		o := join(t, h, "owner", asOwner, bare, false)
		beat := asClient
		beat.Heartbeat = true
		a := join(t, h, "a", beat, "[:sente-lite/hello {:bundle true :credit 200}]", false)
		if reply, _ := o.ask(t, fmt.Sprintf(`[:sente-lite/pause {:to #{%q "nobody"}}]`, a.uid)); reply != "{:peers 1}" {
			t.Errorf("pause is answered by %s", reply)
		}
		if reply, _ := o.ask(t, fmt.Sprintf(`[:sente-lite/pause {:to #{%q}}]`, o.uid)); reply != "{:peers 0}" {
			t.Errorf("a pause of its own is answered by %s", reply)
		}
		queues := func() string {
			reply, _ := o.ask(t, fmt.Sprintf(`[:sente-lite/queues {:to %q}]`, a.uid))
			return reply
		}
		bytes := 0
		for i := range 130 {
			event := fmt.Sprintf(`[:x/e%d %d]`, min(i%3, 1), i)
			reply, _ := o.ask(t, fmt.Sprintf(`[:sente-lite/send {:to %q :event %s}]`, a.uid, event))
			status, size := "ok", i+1
			if i >= 120 {
				status, size = "backpressure", 120
			} else {
				bytes += len(event)
			}
			if want := fmt.Sprintf("{:status :%s :queue-size %d :peers 1}", status, size); reply != want {
				t.Fatalf("send %d is answered by %s, not %s", i, reply, want)
			}
			if i == 99 || i == 100 {
				want := map[int]string{99: ":status :ok :queued 100 ", 100: ":status :slow :queued 101 "}[i]
				if got := queues(); !strings.Contains(got, want) {
					t.Errorf("queues has %s, without %s", got, want)
				}
			}
		}
		time.Sleep(6 * time.Second)
		if got := <-a.in; got != "[:chsk/ws-ping]" || len(a.in) > 0 {
			t.Fatalf("a paused peer gets %s", got)
		}
		a.send(t, "[:chsk/ws-pong]")
		want := fmt.Sprintf(`[{:uid %q :client-id "…" :status :backpressure :queued 120 :bytes %d :oldest-ms 6000 :unacked 0 :spilled 0 :blocked 0 :credit 200 :paused? true :away-ms nil :top [[:x/e1 80] [:x/e0 40]]}]`, a.uid, bytes)
		if got := queues(); !like(want, got) {
			t.Errorf("queues has\n  %s\nnot\n  %s", got, want)
		}
		if reply, _ := o.ask(t, fmt.Sprintf(`[:sente-lite/resume {:to %q}]`, a.uid)); reply != "{:peers 1}" {
			t.Errorf("resume is answered by %s", reply)
		}
		if got := a.numbers(t); len(got) != 120 {
			t.Errorf("%d of 120 arrive", len(got))
		}
		if got := queues(); !strings.Contains(got, ":status :ok :queued 0 :bytes 0 :oldest-ms nil ") || !strings.Contains(got, ":credit 80 :paused? false :away-ms nil :top []}") {
			t.Errorf("queues has %s", got)
		}
		// Who is paused and sent away gets what is queued first.
		o.ask(t, fmt.Sprintf(`[:sente-lite/pause {:to %q}]`, a.uid))
		o.burst(t, a.uid, 0, 3, "")
		o.send(t, fmt.Sprintf(`[:sente-lite/kick {:to %q}]`, a.uid))
		if list, items := a.frames(); len(list) != 2 || items[0] != 3 || !strings.Contains(list[1], "4504") {
			t.Errorf("at its end a gets %q", list)
		}
		balanced(t, h, o)
		o.leave()
		a.leave()
	})
}

// Events of a lane keep their order, are passed by those of others, and leave the first
// lane its room; a reply goes by the lane of its call.
func TestLanes(t *testing.T) {
	flow := pipe.Flow{MaxBufferSize: 100, MaxFrameSize: 4096, Lanes: []pipe.Lane{{Name: "bulk", Events: []string{"blob/*"}}},
		OnFull: []pipe.FullRule{{Event: "log/*", Policy: pipe.FullDropOldest}}}
	for _, hello := range []string{bare, bundled, "[:sente-lite/hello {:bundle true :recover true}]"} {
		t.Run(hello, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newTestHub(t, pipe.HubConfig{}, pipe.Settings{Flow: flow})
				o := join(t, h, "owner", asOwner, bare, false)
				a := join(t, h, "a", asClient, hello, true)
				send := func(event string) string {
					reply, _ := o.ask(t, fmt.Sprintf(`[:sente-lite/send {:to %q :event %s}]`, a.uid, event))
					return strings.Fields(reply)[1]
				}
				bulk := 0
				for ; send(fmt.Sprintf(`[:blob/part [%d %q]]`, bulk, strings.Repeat("p", 2000))) != ":backpressure"; bulk++ {
				}
				for i := range 25 {
					if got := send(fmt.Sprintf(`[:chat/msg [%d]]`, 1000+i)); got == ":backpressure" {
						t.Fatalf("the bulk lane is full, and event %d of the other gets %s", i, got)
					}
				}
				if got := send(`[:chat/msg [0]]`); got != ":backpressure" {
					t.Errorf("one more than all get %s", got)
				}
				go a.read()
				got := a.numbers(t)
				if strings.Contains(hello, ":recover") { // as much as may be kept has been written
					a.send(t, fmt.Sprintf("[:sente-lite/ack %d]", len(got)))
					got = append(got, a.numbers(t)...)
				}
				if len(got) != bulk+25 {
					t.Errorf("%d of %d arrive", len(got), bulk+25)
				}
				last := [2]int{-1, 999}
				var lastChat, lastBulk int
				for at, n := range got {
					lane := min(n/1000, 1)
					if n != last[lane]+1 {
						t.Fatalf("%d comes after %d", n, last[lane])
					}
					if last[lane] = n; lane == 1 {
						lastChat = at
					} else {
						lastBulk = at
					}
				}
				if lastBulk-lastChat < 20 {
					t.Errorf("the last event of the first lane is number %d of %d", lastChat, len(got))
				}
				balanced(t, h, o)
				o.leave()
				a.leave()
			})
		})
	}
}

// A reply leaves behind what is in the lane of its call, and no further.
func TestReplyLane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		flow := pipe.Flow{Lanes: []pipe.Lane{{Name: "bulk", Events: []string{"blob/*"}}}}
		h := newTestHub(t, pipe.HubConfig{}, pipe.Settings{Flow: flow})
		hd := join(t, h, "handler", asOwner, "[:sente-lite/hello {:handler true}]", false)
		a := join(t, h, "a", asClient, bare, true)
		expect(t, hd, `[:sente-lite/open …]`)
		a.send(t, `[[:blob/get 1] "bulk"]`)
		expect(t, hd, `[[:sente-lite/recv {… [:blob/get 1]}] "x1"]`)
		a.send(t, `[[:chat/get 1] "chat"]`)
		expect(t, hd, `[[:sente-lite/recv {… [:chat/get 1]}] "x2"]`)
		for i := range 200 {
			hd.send(t, fmt.Sprintf(`[:sente-lite/send {:to %q :event [:blob/part [%d %q]]}]`, a.uid, i, strings.Repeat("p", 2000)))
		}
		hd.send(t, `[:chsk/reply "x1" 1]`)
		hd.send(t, `[:chsk/reply "x2" 2]`)
		synctest.Wait()
		go a.read()
		synctest.Wait()
		at := map[string]int{}
		for n := 0; len(a.in) > 0; n++ {
			got := <-a.in
			at[got[:min(len(got), 20)]] = n
		}
		bulk, chat := at[`[:chsk/reply "bulk" `], at[`[:chsk/reply "chat" `]
		if bulk != 201 || chat == 0 || chat > 100 {
			t.Errorf("of 202 messages the bulk lane's reply is number %d, the other's %d", bulk, chat)
		}
		hd.leave()
		a.leave()
	})
}
