package pipe_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sente-lite/sente-lite/pipe"
)

func blocking(t *testing.T, rules ...pipe.FullRule) *pipe.Hub {
	f := pipe.Flow{MaxBufferSize: 10, BlockFor: 3 * time.Second,
		OnFull: append(rules, pipe.FullRule{Event: "*", Policy: pipe.FullBlock})}
	return newTestHub(t, pipe.HubConfig{}, pipe.Settings{Flow: f})
}

// fill sends until the peer's queue is full, and returns how many events that took.
func (p *player) fill(t *testing.T, uid string, most int) (n int) {
	t.Helper()
	for ; ; n++ {
		queues, _ := p.ask(t, fmt.Sprintf(`[:sente-lite/queues {:to %q}]`, uid))
		if strings.Contains(queues, fmt.Sprintf(":queued %d ", most)) {
			return n
		}
		p.send(t, fmt.Sprintf(`[:sente-lite/send {:to %q :event [:x/fill [%d %q]]}]`, uid, n, strings.Repeat("p", 20000)))
	}
}

// replies are the cbs and statuses of the replies that have come, in their order.
func (p *player) replies() (list []string) {
	synctest.Wait()
	for len(p.in) > 0 {
		got := <-p.in
		if rest, ok := strings.CutPrefix(got, `[:chsk/reply "`); ok {
			cb, rest, _ := strings.Cut(rest, `" {:status :`)
			status, _, _ := strings.Cut(rest, " ")
			if status == "" {
				status = "error"
			}
			list = append(list, cb+" "+status)
		} else {
			list = append(list, got)
		}
	}
	return list
}

// A hundred sends of ten senders wait for room, and are let in one after the other, each
// reply as its event goes in. Nothing else waits for them.
func TestBlockedWakeInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := pipe.Flow{MaxBufferSize: 100, BlockFor: 10 * time.Second, OnFull: []pipe.FullRule{{Event: "*", Policy: pipe.FullBlock}}}
		h := newTestHub(t, pipe.HubConfig{}, pipe.Settings{Flow: f})
		o := join(t, h, "owner", asOwner, "[:sente-lite/hello {}]", false)
		deaf := join(t, h, "deaf", asClient, "[:sente-lite/hello {}]", true)
		fast := join(t, h, "fast", asClient, "[:sente-lite/hello {}]", false)
		filled := o.fill(t, deaf.uid, 100)
		var senders []*player
		for range 10 {
			senders = append(senders, join(t, h, "sender", asOwner, "[:sente-lite/hello {}]", false))
		}
		for i := range 100 {
			senders[i%10].send(t, fmt.Sprintf(`[[:sente-lite/send {:to %q :event [:x/late %d]}] "%d"]`, deaf.uid, 1000+i, i))
			synctest.Wait()
		}
		for i, s := range senders {
			if got := s.replies(); len(got) > 0 {
				t.Fatalf("sender %d has replies while nothing is read: %q", i, got)
			}
			s.send(t, fmt.Sprintf(`[[:sente-lite/send {:to %q :event [:x/other]}] "other"]`, fast.uid))
			if got := s.replies(); len(got) != 1 || got[0] != "other ok" {
				t.Fatalf("a send to another peer is answered by %q", got)
			}
		}
		queues, _ := o.ask(t, fmt.Sprintf(`[:sente-lite/queues {:to %q}]`, deaf.uid))
		if !strings.Contains(queues, ":blocked 100 ") || !strings.Contains(queues, ":status :backpressure") {
			t.Errorf("queues has %s", queues)
		}
		go deaf.read()
		got := deaf.numbers(t)
		if len(got) != filled+100 {
			t.Errorf("%d events arrive, of %d", len(got), filled+100)
		}
		for i, n := range got[min(filled, len(got)):] {
			if n != 1000+i {
				t.Fatalf("event %d of those that waited is %d", i, n)
			}
		}
		for i, s := range senders {
			var want []string
			for n := i; n < 100; n += 10 {
				want = append(want, fmt.Sprint(n, " ok"))
			}
			if got := s.replies(); fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("sender %d has %q, not %q", i, got, want)
			}
		}
		for _, p := range append(senders, o, deaf, fast) {
			p.leave()
		}
	})
}

// What becomes of a send that waits for room in vain, or to several.
func TestBlocked(t *testing.T) {
	cursor := pipe.FullRule{Event: "cursor/*", Policy: pipe.FullDropOldest}
	tests := []struct {
		name  string
		rules []pipe.FullRule
		play  func(t *testing.T, o, deaf, fast *player)
	}{
		{"the time is over", nil, func(t *testing.T, o, deaf, fast *player) {
			o.send(t, fmt.Sprintf(`[[:sente-lite/send {:to %q :event [:x/y]}] "c"]`, deaf.uid))
			time.Sleep(2990 * time.Millisecond)
			if got := o.replies(); len(got) > 0 {
				t.Fatalf("too early: %q", got)
			}
			time.Sleep(20 * time.Millisecond)
			if got := o.replies(); len(got) != 1 || got[0] != "c backpressure" {
				t.Fatalf("after 3 s: %q", got)
			}
		}},
		{"the peer goes", nil, func(t *testing.T, o, deaf, fast *player) {
			o.send(t, fmt.Sprintf(`[[:sente-lite/send {:to %q :event [:x/y]}] "one"]`, deaf.uid))
			o.send(t, fmt.Sprintf(`[[:sente-lite/send {:to #{%q %q} :event [:x/y 1]}] "two"]`, deaf.uid, fast.uid))
			expect(t, fast, `[:x/y 1]`)
			deaf.conn.Close(pipe.Reason{Code: pipe.CloseNormal})
			expect(t, o, `[:chsk/reply "one" [:sente-lite/error {:category :unavailable :code :sente-lite/closed …}]]`,
				`[:chsk/reply "two" {:status :ok :queue-size … :peers 1}]`)
		}},
		{"one of several has no room", nil, func(t *testing.T, o, deaf, fast *player) {
			o.send(t, `[[:sente-lite/send {:to :all :event [:x/y 1]}] "all"]`)
			expect(t, fast, `[:x/y 1]`)
			if got := o.replies(); len(got) > 0 {
				t.Fatalf("too early: %q", got)
			}
			go deaf.read()
			expect(t, o, `[:chsk/reply "all" {:status :ok :queue-size … :peers 2}]`)
			if got := deaf.numbers(t); got[len(got)-1] != 1 {
				t.Errorf("the last is %d", got[len(got)-1])
			}
		}},
		{"nothing of its sender's passes it", []pipe.FullRule{cursor}, func(t *testing.T, o, deaf, fast *player) {
			o.send(t, fmt.Sprintf(`[[:sente-lite/send {:to %q :event [:x/y 1001]}] "c"]`, deaf.uid))
			o.send(t, fmt.Sprintf(`[[:sente-lite/send {:to %q :event [:cursor/at 1002]}] "d"]`, deaf.uid))
			if got := o.replies(); len(got) != 1 || got[0] != "d backpressure" {
				t.Fatalf("got %q", got)
			}
			go deaf.read()
			expect(t, o, `[:chsk/reply "c" {:status :ok …}]`)
			o.send(t, fmt.Sprintf(`[[:sente-lite/send {:to %q :event [:cursor/at 1003]}] "e"]`, deaf.uid))
			expect(t, o, `[:chsk/reply "e" {:status :ok …}]`)
			got := deaf.numbers(t)
			if n := len(got); got[n-2] != 1001 || got[n-1] != 1003 {
				t.Errorf("got %v", got)
			}
		}},
		{"what was accepted to be kept is not dropped for another", []pipe.FullRule{cursor}, func(t *testing.T, o, deaf, fast *player) {
			o.send(t, fmt.Sprintf(`[[:sente-lite/send {:to %q :event [:cursor/at 1]}] "c"]`, deaf.uid))
			if got := o.replies(); len(got) != 1 || got[0] != "c backpressure" {
				t.Fatalf("got %q", got)
			}
		}},
		{"events that are no calls are refused", nil, func(t *testing.T, o, deaf, fast *player) {
			o.send(t, fmt.Sprintf(`[:sente-lite/send {:to %q :event [:x/y]}]`, deaf.uid))
			expect(t, o, `[:sente-lite/error {:category :busy :code :sente-lite/backpressure …}]`)
		}},
		{"the peer is kicked", nil, func(t *testing.T, o, deaf, fast *player) {
			o.send(t, fmt.Sprintf(`[[:sente-lite/send {:to %q :event [:x/y]}] "c"]`, deaf.uid))
			o.send(t, fmt.Sprintf(`[:sente-lite/kick {:to %q}]`, deaf.uid))
			time.Sleep(2 * time.Second)
			expect(t, o, `[:chsk/reply "c" [:sente-lite/error …]]`)
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := blocking(t, tt.rules...)
				o := join(t, h, "owner", asOwner, "[:sente-lite/hello {}]", false)
				deaf := join(t, h, "deaf", asClient, "[:sente-lite/hello {}]", true)
				fast := join(t, h, "fast", asClient, "[:sente-lite/hello {}]", false)
				o.fill(t, deaf.uid, 10)
				tt.play(t, o, deaf, fast)
				balanced(t, h, o)
				deaf.conn.Close(pipe.Reason{Code: pipe.CloseNormal})
				for _, p := range []*player{o, fast} {
					p.leave()
				}
			})
		})
	}
}
