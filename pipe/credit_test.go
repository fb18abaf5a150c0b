package pipe_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sente-lite/sente-lite/pipe"
)

// What a hello and a credit may say.
func TestCreditIsAsked(t *testing.T) {
	for hello, want := range map[string]string{
		":credit 1":                    `[:sente-lite/ready {… :credit 1024 …}]`,
		":credit 9223372036854775807":  `[:sente-lite/ready {… :credit 1024 …}]`,
		"":                             `[:sente-lite/ready {… :max-msgs 100} :recovered? …}]`, // and no credit
		":credit 0":                    `[:sente-lite/error {…:credit of the hello must be a whole number from 1…}]`,
		":credit -1":                   `[:sente-lite/error {…:credit of the hello must be a whole number from 1…}]`,
		":credit 1.5":                  `[:sente-lite/error {…:credit of the hello must be a whole number from 1…}]`,
		":credit 92233720368547758070": `[:sente-lite/error {…:credit of the hello must be a whole number from 1…}]`,
	} {
		synctest.Test(t, func(t *testing.T) {
			h := newTestHub(t, pipe.HubConfig{}, pipe.Settings{})
			p := join(t, h, "p", asOwner, bare, false)
			p.leave()
			c := dialMem(t, h)
			c.send(t, "[:sente-lite/hello {"+hello+"}]")
			expect(t, c, want)
			c.leave()
		})
	}
	synctest.Test(t, func(t *testing.T) {
		h := newTestHub(t, pipe.HubConfig{}, pipe.Settings{})
		a := join(t, h, "a", asClient, "[:sente-lite/hello {:credit 2}]", false)
		for _, k := range []string{"0", "-5", "nil", `"5"`, "1.5", "92233720368547758070", ""} {
			a.send(t, "[:sente-lite/credit "+k+"]")
			expect(t, a, `[:sente-lite/error {:category :incorrect :code :sente-lite/bad-data … a whole number from 1…}]`)
		}
		a.send(t, "[:sente-lite/credit 9223372036854775807]")
		a.send(t, "[:sente-lite/credit 9223372036854775807]")
		synctest.Wait()
		o := join(t, h, "owner", asOwner, bare, false)
		if queues, _ := o.ask(t, fmt.Sprintf(`[:sente-lite/queues {:to %q}]`, a.uid)); !strings.Contains(queues, ":credit 1073741824 ") {
			t.Errorf("a window of more than all is %s", queues)
		}
		// Credit without a window of its own changes nothing.
		o.send(t, "[:sente-lite/credit 5]")
		if queues, _ := o.ask(t, fmt.Sprintf(`[:sente-lite/queues {:to %q}]`, o.uid)); !strings.Contains(queues, ":credit nil ") {
			t.Errorf("who gave no credit has %s", queues)
		}
		o.leave()
		a.leave()
	})
}

// What costs a peer's credit: events and calls. What is free passes none of them, and
// comes without.
func TestCreditCosts(t *testing.T) {
	tests := []struct {
		name, what string // what is sent to the peer, beside $a and $h
		by         string // a, by the peer itself; else the handler
		cost       int
	}{
		{"an event", `[:sente-lite/send {:to "$a" :event [:x/y]}]`, "h", 1},
		{"a call", `[[:sente-lite/request {:to "$a" :event [:x/y]}] "c"]`, "h", 1},
		{"a reply of the hub's", `[[:chsk/ws-ping] "p"]`, "a", 0},
		{"a pong", `[:chsk/ws-ping]`, "a", 0},
		{"an error", `[:sente-lite/nope]`, "a", 0},
		{"an error as the reply", `[[:sente-lite/nope] "c"]`, "a", 0},
		{"subscribed", `[:sente-lite/subscribe {:channel-id "c"}]`, "a", 1},
		{"the reply to a subscription", `[[:sente-lite/subscribe {:channel-id "c"}] "c"]`, "a", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newTestHub(t, pipe.HubConfig{}, pipe.Settings{})
				hd := join(t, h, "handler", asOwner, "[:sente-lite/hello {:handler true}]", false)
				a := join(t, h, "a", asClient, "[:sente-lite/hello {:credit 10}]", false)
				text := strings.NewReplacer("$a", a.uid, "$h", hd.uid).Replace(tt.what)
				if tt.by == "a" {
					a.send(t, text)
				} else {
					hd.send(t, text)
				}
				synctest.Wait()
				if len(a.in) != 1 {
					t.Errorf("%d messages come", len(a.in))
				}
				queues, _ := hd.ask(t, fmt.Sprintf(`[:sente-lite/queues {:to %q}]`, a.uid))
				if want := fmt.Sprintf(":credit %d ", 10-tt.cost); !strings.Contains(queues, want) {
					t.Errorf("of 10 there is left %s, not %s", queues, want)
				}
				hd.leave()
				a.leave()
			})
		})
	}
	// A handler with credit: open, close and reconnect are free, recv is not.
	synctest.Test(t, func(t *testing.T) {
		h := newTestHub(t, pipe.HubConfig{}, pipe.Settings{})
		o := join(t, h, "owner", asOwner, bare, false)
		hd := join(t, h, "handler", asOwner, "[:sente-lite/hello {:handler true :credit 2}]", false)
		expect(t, hd, `[:sente-lite/open …]`)
		a := comeIn(t, h, asClient, ":recover true")
		expect(t, hd, `[:sente-lite/open …]`)
		a.send(t, `[:x/y 1]`)
		expect(t, hd, `[:sente-lite/recv …]`)
		a.cut()
		a = a.back(t, h, asClient, 0, "")
		expect(t, hd, `[:sente-lite/reconnect …]`)
		a.send(t, `[[:x/y 2] "c"]`)
		expect(t, hd, `[[:sente-lite/recv …] "x1"]`)
		a.send(t, `[:x/y 3]`)
		a.leave() // its close waits behind the event
		synctest.Wait()
		if len(hd.in) > 0 {
			t.Fatalf("without credit there comes %s", <-hd.in)
		}
		if queues, _ := o.ask(t, fmt.Sprintf(`[:sente-lite/queues {:to %q}]`, hd.uid)); !strings.Contains(queues, ":queued 1 ") || !strings.Contains(queues, ":credit 0 ") {
			t.Errorf("queues has %s", queues)
		}
		hd.send(t, "[:sente-lite/credit 1]")
		expect(t, hd, `[:sente-lite/recv {… [:x/y 3]}]`, `[:sente-lite/close …]`)
		hd.leave()
		o.leave()
	})
}

// A peer that gave a credit is renewed at half of its own window, and closed beyond all
// of it. While the handler is behind it waits.
func TestCreditIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newTestHub(t, pipe.HubConfig{}, pipe.Settings{Flow: pipe.Flow{MaxBufferSize: 600}})
		hd := join(t, h, "handler", asOwner, "[:sente-lite/hello {:handler true}]", false)
		o := join(t, h, "owner", asOwner, bare, false)
		a := join(t, h, "a", asClient, "[:sente-lite/hello {:credit 10}]", false)
		for i := range 511 {
			a.send(t, fmt.Sprintf(`[:x/y %d]`, i))
		}
		a.send(t, `[:chsk/ws-pong]`)
		a.send(t, `[:sente-lite/credit 1]`)
		synctest.Wait()
		if len(a.in) > 0 {
			t.Fatalf("before half is used there comes %s", <-a.in)
		}
		a.send(t, `[:x/y]`)
		expect(t, a, `[:sente-lite/credit 512]`)
		// The handler is behind: nothing is renewed.
		o.ask(t, fmt.Sprintf(`[:sente-lite/pause {:to %q}]`, hd.uid))
		for i := range 512 {
			a.send(t, fmt.Sprintf(`[:x/y %d]`, i))
		}
		for range 60 {
			a.send(t, `[:x/more]`)
		}
		synctest.Wait()
		if len(a.in) > 0 {
			t.Fatalf("while the handler is behind there comes %s", <-a.in)
		}
		o.ask(t, fmt.Sprintf(`[:sente-lite/resume {:to %q}]`, hd.uid))
		expect(t, a, `[:sente-lite/credit 572]`)
		// The handler goes while a waits for it.
		o.ask(t, fmt.Sprintf(`[:sente-lite/pause {:to %q}]`, hd.uid))
		for i := range 540 {
			a.send(t, fmt.Sprintf(`[:x/y %d]`, i))
		}
		synctest.Wait()
		if len(a.in) > 0 {
			t.Fatalf("while the handler is behind there comes %s", <-a.in)
		}
		hd.leave()
		expect(t, a, `[:sente-lite/credit 540]`)
		// Too much. It is refused by the policy of the sidecar, and counts all the same.
		join(t, h, "handler", asOwner, "[:sente-lite/hello {:handler true}]", true)
		for range 3 {
			o.send(t, `[:sente-lite/pause {:to {:role :owner}}]`)
		}
		synctest.Wait()
		for range 1025 {
			done, err := a.conn.Write([]pipe.Message{{Data: []byte(`[:x/y "pppppppppppppppppppppppppppp"]`), Text: true}})
			if err != nil || !done && a.conn.Flush() != nil {
				break
			}
		}
		time.Sleep(2 * time.Second)
		got := ""
		for len(a.in) > 0 {
			got = <-a.in
		}
		if !strings.Contains(got, ":code 4508") {
			t.Errorf("one too many, and a gets %s", got)
		}
		o.leave()
		a.leave()
	})
}
