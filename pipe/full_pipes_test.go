package pipe_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sente-lite/sente-lite/pipe"
	"github.com/sente-lite/sente-lite/pipe/transport"
)

// Two peers send to each other and do not read: both pipes are full in both directions,
// and neither the sidecar nor anybody else waits for them.
func TestTwoFullPipes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newTestHub(t, pipe.HubConfig{}, pipe.Settings{})
		o := join(t, h, "owner", asOwner, bare, false)
		a := join(t, h, "a", asClient, bare, true)
		b := join(t, h, "b", asClient, "[:sente-lite/hello {:credit 1000 :bundle true}]", true)
		var wg sync.WaitGroup
		for _, p := range [][2]*player{{a, b}, {b, a}} {
			wg.Go(func() {
				for i := range 900 {
					p[0].send(t, fmt.Sprintf(`[:msg/send-to-client {:to-uid %q :message [%d %q]}]`, p[1].uid, i, strings.Repeat("p", 1000)))
					if i%10 == 0 {
						p[0].send(t, fmt.Sprintf(`[[:msg/send-to-client {:to-uid %q :message %q}] "c%d"]`, p[1].uid, strings.Repeat("p", 1000), i))
					}
				}
			})
		}
		wg.Wait() // all of it is read, though nobody reads what comes of it
		if reply, _ := o.ask(t, `[:sente-lite/peers]`); !strings.Contains(reply, a.uid) || !strings.Contains(reply, b.uid) {
			t.Errorf("peers are %s", reply)
		}
		go a.read()
		go b.read()
		for _, p := range []*player{a, b} {
			if reply, _ := o.ask(t, fmt.Sprintf(`[:sente-lite/flush {:to %q}]`, p.uid)); reply != "{:status :ok :peers 1}" {
				t.Errorf("flush is answered by %s", reply)
			}
			books, _ := o.account(t, p.uid)
			if books.queued != 0 {
				t.Errorf("%s has %+v", p.name, books)
			}
		}
		for _, p := range []*player{o, a, b} {
			p.leave()
		}
	})
}

// Who handles an event asks another peer before it answers, with a credit of one: what
// it waits for needs no credit.
func TestAskInAHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newTestHub(t, pipe.HubConfig{}, pipe.Settings{})
		hd := join(t, h, "handler", asOwner, "[:sente-lite/hello {:handler true :credit 1}]", false)
		a := join(t, h, "a", asClient, "[:sente-lite/hello {:credit 1}]", false)
		expect(t, hd, `[:sente-lite/open …]`)
		for range 3 {
			a.send(t, `[[:x/outer] "outer"]`)
			outer, _ := hd.next(t, "a call")
			hd.send(t, fmt.Sprintf(`[[:sente-lite/request {:to %q :event [:x/inner]}] "inner"]`, a.uid))
			got, _ := a.next(t, "a call")
			a.send(t, fmt.Sprintf(`[:chsk/reply %s 7]`, cbOf(got)))
			expect(t, hd, `[:chsk/reply "inner" 7]`)
			hd.send(t, fmt.Sprintf(`[:chsk/reply %s 8]`, cbOf(outer)))
			expect(t, a, `[:chsk/reply "outer" 8]`)
			a.send(t, `[:x/next]`) // waits for the handler's credit
			a.send(t, `[:sente-lite/credit 1]`)
			synctest.Wait()
			hd.send(t, `[[:chsk/ws-ping] "p"]`)
			synctest.Wait()
			if len(hd.in) > 0 {
				t.Fatalf("without credit the handler gets %s", <-hd.in) // nothing passes what waits
			}
			hd.send(t, `[:sente-lite/credit 2]`)
			expect(t, hd, `[:sente-lite/recv {… [:x/next]}]`, `[:chsk/reply "p" "pong"]`)
		}
		hd.leave()
		a.leave()
	})
}

func cbOf(call string) string {
	_, cb, _ := strings.Cut(call, `] "`)
	return `"` + strings.TrimSuffix(cb, `]`)
}

// Links go and come back while their queues are full, and many send to them, with every
// policy: nothing is lost from the books, and what arrives is in order.
func TestLinksThatGoWhileFull(t *testing.T) {
	for _, policy := range []pipe.FullPolicy{pipe.FullNotify, pipe.FullDropOldest, pipe.FullBlock, pipe.FullQueue, pipe.FullCoalesce} {
		t.Run(string(policy), func(t *testing.T) {
			dir := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				h := newTestHub(t, pipe.HubConfig{}, pipe.Settings{Flow: pipe.Flow{MaxBufferSize: 8, BlockFor: 3 * time.Millisecond,
					OnFull: []pipe.FullRule{{Event: "*", Policy: policy}}}})
				keepIn(t, h, dir)
				o := join(t, h, "owner", asOwner, bare, false)
				a := comeIn(t, h, asClient, ":recover true")
				uid := a.uid
				var wg sync.WaitGroup
				for n := range 4 {
					s := join(t, h, "sender", asOwner, bare, false)
					wg.Go(func() {
						for i := range 300 {
							event := fmt.Sprintf(`[:sente-lite/send {:to %q :event [:x/e%d [%d %q]]}]`, uid, n, i, strings.Repeat("p", 3000))
							if i%2 == 0 {
								event = fmt.Sprintf(`[%s "c%d"]`, event, i)
							}
							s.send(t, event)
							time.Sleep(time.Duration(n+1) * 100 * time.Microsecond)
						}
						s.leave()
					})
				}
				last := map[string]string{}
				seen := 0
				for round := range 20 {
					for end := time.Now().Add(time.Duration(round%3+1) * time.Millisecond); time.Now().Before(end); {
						select {
						case got := <-a.in:
							seen++
							key, rest, _ := strings.Cut(got, " [")
							n, _, _ := strings.Cut(rest, " ")
							if n = fmt.Sprintf("%5s", n); n <= last[key] {
								t.Fatalf("%s of %s comes after %s", n, key, last[key])
							}
							last[key] = n
						case <-time.After(time.Millisecond):
						}
					}
					a.conn.Close(pipe.Reason{Code: pipe.CloseLost})
					for got := range a.in {
						seen++
						key, rest, _ := strings.Cut(got, " [")
						n, _, _ := strings.Cut(rest, " ")
						last[key] = fmt.Sprintf("%5s", n)
					}
					time.Sleep(time.Millisecond)
					a = a.back(t, h, asClient, seen, "")
					if !strings.Contains(a.greeting, ":recovered? true") {
						t.Fatalf("round %d: %s", round, a.greeting)
					}
				}
				go func() {
					for got := range a.in {
						if seen++; strings.HasPrefix(got, "[:x/e") {
							a.conn.Write([]pipe.Message{{Data: fmt.Appendf(nil, "[:sente-lite/ack %d]", seen), Text: true}})
						}
					}
				}()
				wg.Wait()
				if reply, _ := o.ask(t, fmt.Sprintf(`[:sente-lite/flush {:to %q :acked? true}]`, a.uid)); reply != "{:status :ok :peers 1}" {
					t.Errorf("flush is answered by %s", reply)
				}
				books, _ := o.account(t, a.uid)
				if books.delivered != seen || books.queued != 0 {
					t.Errorf("%d events arrived; the books have %+v", seen, books)
				}
				if policy == pipe.FullQueue && books.delivered != 1200 {
					t.Errorf("%d of 1200 events that may be spilled arrived", books.delivered)
				}
				a.conn.Close(pipe.Reason{Code: pipe.CloseNormal})
				o.leave()
			})
		})
	}
}

// A hooked Conn does something before its next write.
type hooked struct {
	pipe.Conn
	hook func()
}

func (h *hooked) Write(batch []pipe.Message) (bool, error) {
	if f := h.hook; f != nil {
		h.hook = nil
		f()
	}
	return h.Conn.Write(batch)
}

// The link of a full queue goes in the very moment in which somebody writes it to make
// room for an event.
func TestLinkGoesWhileRoomIsMade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newTestHub(t, pipe.HubConfig{}, pipe.Settings{Flow: pipe.Flow{MaxBufferSize: 5}})
		o := join(t, h, "owner", asOwner, bare, false)
		c, s := transport.Mem(transport.MemOptions{Server: asClient})
		link := &hooked{Conn: s}
		h.Attach(link)
		p := &player{name: "p", conn: c, in: make(chan string, 64)}
		go p.read()
		p.send(t, "[:sente-lite/hello {:recover true}]")
		greeting, _ := p.next(t, "ready")
		_, session, _ := strings.Cut(greeting, `:session "`)
		_, uid, _ := strings.Cut(greeting, `:uid "`)
		uid, _, _ = strings.Cut(uid, `"`)
		synctest.Wait()
		link.hook = func() {
			c.Close(pipe.Reason{Code: pipe.CloseLost})
			time.Sleep(time.Millisecond)
		}
		o.burst(t, uid, 0, 6, "") // the sixth finds the queue full
		time.Sleep(time.Second)
		if link.hook != nil {
			t.Fatal("nothing was written to make room")
		}
		a := &returning{player: p, session: session[:32]}
		a = a.back(t, h, asClient, 0, "")
		a.told(t, ":recovered? true")
		got := a.numbers(t)
		a.send(t, "[:sente-lite/ack 5]") // as many as may be kept
		if got = append(got, a.numbers(t)...); fmt.Sprint(got) != "[0 1 2 3 4 5]" {
			t.Errorf("got %v", got)
		}
		balanced(t, h, o)
		a.leave()
		o.leave()
	})
}

// A peer that reads and acknowledges nothing loses the oldest of what is kept for it,
// and gets the rest.
func TestNothingIsAcknowledged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newTestHub(t, pipe.HubConfig{}, pipe.Settings{Flow: pipe.Flow{MaxBufferSize: 100}})
		o := join(t, h, "owner", asOwner, bare, false)
		a := comeIn(t, h, asClient, ":recover true")
		o.burst(t, a.uid, 0, 90, "")
		o.burst(t, a.uid, 90, 180, "")
		time.Sleep(3 * time.Second) // as long as it holds them up
		o.burst(t, a.uid, 180, 270, "")
		got := a.numbers(t)
		books, _ := o.account(t, a.uid)
		if books.accepted != len(got) || books.undelivered != len(got)-100 || len(got) != 270 {
			t.Errorf("%d events arrive; the books have %+v", len(got), books)
		}
		a.leave()
		o.leave()
	})
}
