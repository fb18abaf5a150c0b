package pipe_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sente-lite/sente-lite/pipe"
	"github.com/sente-lite/sente-lite/pipe/journal"
)

// account is what the ledger says of a peer.
type account struct{ accepted, delivered, queued, undelivered int }

var accountOf = regexp.MustCompile(`\{:accepted (\d+) :delivered (\d+) :queued (\d+) :undelivered (\d+)\}`)

// account asks for a peer's books; what came before the answer is returned, too.
func (p *player) account(t *testing.T, uid string) (a account, before []string) {
	t.Helper()
	reply, before := p.ask(t, fmt.Sprintf(`[:sente-lite/ledger {:peer %q :limit 10000}]`, uid))
	_, peers, _ := strings.Cut(reply, ":peers ")
	m := accountOf.FindStringSubmatch(peers)
	if m == nil {
		t.Fatalf("no books of %s in %s", uid, reply)
	}
	for i, to := range []*int{&a.accepted, &a.delivered, &a.queued, &a.undelivered} {
		fmt.Sscan(m[i+1], to)
	}
	if a.accepted != a.delivered+a.queued+a.undelivered {
		t.Errorf("the books of %s do not balance: %+v", uid, a)
	}
	if rows := strings.Count(reply, ":event-id"); rows != a.undelivered {
		t.Errorf("there are %d rows for %d events that were not delivered", rows, a.undelivered)
	}
	return a, before
}

// ask sends a call and returns its reply, and what came before that.
func (p *player) ask(t *testing.T, event string) (reply string, before []string) {
	t.Helper()
	p.asked++
	cb := fmt.Sprintf("ask-%d", p.asked)
	p.send(t, fmt.Sprintf(`[%s %q]`, event, cb))
	prefix := fmt.Sprintf(`[:chsk/reply %q `, cb)
	for {
		got, ok := p.next(t, "a reply to "+event)
		if !ok {
			t.Fatalf("%s has ended (%v), where a reply to %s was expected", p.name, p.end, event)
		}
		if rest, is := strings.CutPrefix(got, prefix); is {
			return rest[:len(rest)-1], before
		}
		before = append(before, got)
	}
}

var countOf = regexp.MustCompile(` :count (\d+)`)

// refusals counts the events that a sender was told were refused.
func refusals(t *testing.T, told []string) (n int) {
	t.Helper()
	for _, got := range told {
		switch {
		case strings.HasPrefix(got, "[:chsk/reply ") && !strings.Contains(got, ":status :backpressure") && !strings.Contains(got, ":sente-lite/error"):
		case strings.HasPrefix(got, "[:chsk/reply "):
			n++
		default:
			one := 1
			if m := countOf.FindStringSubmatch(got); m != nil {
				fmt.Sscan(m[1], &one)
			}
			n += one
		}
	}
	return n
}

var numberOf = regexp.MustCompile(`\[:[a-z]+/[a-z0-9]+ \[?(\d+)`)

// numbers are those of the events that have come to a peer, which is waited for.
func (p *player) numbers(t *testing.T) (list []int) {
	t.Helper()
	synctest.Wait()
	for len(p.in) > 0 {
		got := <-p.in
		for _, m := range numberOf.FindAllStringSubmatch(got, -1) {
			n := 0
			fmt.Sscan(m[1], &n)
			list = append(list, n)
		}
	}
	return list
}

func keepIn(t *testing.T, h *pipe.Hub, dir string) {
	t.Helper()
	store, err := journal.Open(dir, journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Keep(store); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
}

// Whatever the policy: each event that was sent is delivered, has a row in the ledger,
// or was refused to its sender.
func TestEveryPolicyAddsUp(t *testing.T) {
	const sent = 400
	for _, policy := range []pipe.FullPolicy{pipe.FullNotify, pipe.FullDropOldest, pipe.FullDropNewest, pipe.FullCoalesce,
		pipe.FullBlock, pipe.FullQueue, pipe.FullDisconnect} {
		for _, pattern := range []string{"*", "x/*"} {
			for _, bundle := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s %s bundle=%t", policy, pattern, bundle), func(t *testing.T) {
					dir := t.TempDir()
					synctest.Test(t, func(t *testing.T) {
						f := pipe.Flow{MaxBufferSize: 50, BlockFor: 100 * time.Millisecond,
							OnFull: []pipe.FullRule{{Event: pattern, Policy: policy}, {Event: "*", Policy: pipe.FullNotify}}}
						h := pipe.NewHub(pipe.HubConfig{}, pipe.Settings{Flow: f})
						keepIn(t, h, dir)
						o := join(t, h, "owner", asOwner, "[:sente-lite/hello {}]", false)
						deaf := join(t, h, "deaf", asClient, fmt.Sprintf("[:sente-lite/hello {:bundle %t}]", bundle), true)
						pad := strings.Repeat("p", 2000)
						var told []string
						for i := range sent {
							event := fmt.Sprintf(`[:sente-lite/send {:to %q :event [:x/e%d [%d %q]]}]`, deaf.uid, i%2, i, pad)
							if i%3 == 0 {
								event = fmt.Sprintf("[%s \"c%d\"]", event, i)
							}
							o.send(t, strings.Replace(event, ":x/e0", ":x/e", 1))
						}
						time.Sleep(time.Second)
						synctest.Wait()
						if n := h.Held(); n > 50*2100*2+64<<10 {
							t.Errorf("%d bytes are held for a queue of 50 events of 2 KB", n)
						}
						for len(o.in) > 0 {
							told = append(told, <-o.in)
						}
						go deaf.read()
						if policy != pipe.FullDisconnect {
							reply, before := o.ask(t, fmt.Sprintf(`[:sente-lite/flush {:to %q}]`, deaf.uid))
							if told = append(told, before...); reply != "{:status :ok :peers 1}" {
								t.Errorf("the flush is answered by %s", reply)
							}
						}
						arrived := deaf.numbers(t)
						books, before := o.account(t, deaf.uid)
						told = append(told, before...)
						refused := refusals(t, told)
						if policy == pipe.FullDropNewest { // its replies say :backpressure, and the ledger has it
							refused = 0
						}
						if books.accepted+refused != sent {
							t.Errorf("of %d events %d were accepted and %d refused", sent, books.accepted, refused)
						}
						if policy != pipe.FullDisconnect && len(arrived) != books.delivered {
							t.Errorf("%d events arrived, %d are delivered in the books", len(arrived), books.delivered)
						}
						if books.queued != 0 {
							t.Errorf("%d are still queued", books.queued)
						}
						for i := 1; i < len(arrived); i++ {
							if arrived[i] <= arrived[i-1] {
								t.Errorf("%d arrives after %d", arrived[i], arrived[i-1])
							}
						}
						last := 0
						if n := len(arrived); n > 0 {
							last = arrived[n-1]
						}
						switch policy {
						case pipe.FullDropOldest, pipe.FullQueue:
							if last != sent-1 || refused > 0 {
								t.Errorf("the last that arrives is %d of %d, and %d were refused", last, sent, refused)
							}
						case pipe.FullDisconnect:
							if deaf.end == nil || books.undelivered == 0 || !strings.Contains(fmt.Sprint(told), "closed") {
								t.Errorf("deaf ends with %v, %d events undelivered; the sender hears %s", deaf.end, books.undelivered, told)
							}
						}
						if policy == pipe.FullQueue && len(arrived) != sent {
							t.Errorf("%d of %d spilled events arrive", len(arrived), sent)
						}
						for _, p := range []*player{o, deaf} {
							p.leave()
						}
						if err := h.Shutdown(t.Context()); err != nil || h.Held() != 0 {
							t.Errorf("%v, and %d bytes are held", err, h.Held())
						}
					})
				})
			}
		}
	}
}
