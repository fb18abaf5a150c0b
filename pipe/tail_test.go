package pipe_test

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/sente-lite/sente-lite/pipe"
	"github.com/sente-lite/sente-lite/pipe/pipetest"
)

var tailScenarios = []scenario{
	{name: "what goes in and out", script: `
		h = handler
		a = client
		t = owner
		t > [[:sente-lite/tail {}] "t"]
		t < [:chsk/reply "t" {:tailing? true}]
		a > [:chat/msg {:n 1/2}]
		t < [:sente-lite/tailed {:at … :dir :in :uid "$a" :event [:chat/msg {:n 1/2}]}]
		t < [:sente-lite/tailed {:at … :dir :out :uid "$h" :event [:sente-lite/recv {:uid "$a" :client-id "…" :event [:chat/msg {:n 1/2}]}]}]
		a > [[:math/add [1 2]] "c1"]
		t < [:sente-lite/tailed {:at … :dir :in :uid "$a" :event [:math/add [1 2]] :cb "c1"}]
		t < [:sente-lite/tailed {:at … :dir :out :uid "$h" :event [:sente-lite/recv …] :cb "x1"}]
		h ~ [[:sente-lite/recv …] "x1"]
		h > [:chsk/reply "x1" 3]
		t < [:sente-lite/tailed {:at … :dir :in :uid "$h" :event [:chsk/reply "x1" 3]}]
		t < [:sente-lite/tailed {:at … :dir :out :uid "$a" :event [:chsk/reply "c1" 3]}]
		t > [[:sente-lite/tail nil] "t"]
		t < [:chsk/reply "t" {:tailing? false}]
		a > [:chat/msg 2]
		h < [:sente-lite/recv …]
		t > [[:sente-lite/send {:to "nobody" :event [:x/y]}] "e"]
		t < [:chsk/reply "e" [:sente-lite/error …]]`},

	{name: "filters", script: `
		h = handler
		a = client
		b = bob
		t = owner
		t > [[:sente-lite/tail {:events ["chat/*" :math/add] :dir :in :uids #{"bob"}}] "t"]
		t < [:chsk/reply "t" {:tailing? true}]
		a > [:chat/msg 1]
		b > [:draw/line 2]
		b > [:chat/msg 3]
		b > [:math/add 4]
		h ~ [:sente-lite/recv {:uid "bob" … [:math/add 4]}]
		t < [:sente-lite/tailed {:at … :dir :in :uid "bob" :event [:chat/msg 3]}]
		t < [:sente-lite/tailed {:at … :dir :in :uid "bob" :event [:math/add 4]}]
		t > [[:sente-lite/tail {:dir "out" :uids ["bob"]}] "t"]
		t < [:chsk/reply "t" {:tailing? true}]
		h > [:sente-lite/send {:to :all :event [:chat/said 5]}]
		a ~ [:chat/said 5]
		t < [:sente-lite/tailed {:at … :dir :out :uid "bob" :event [:chat/said 5]}]
		t > [[:sente-lite/tail false] "t"]
		t < [:chsk/reply "t" {:tailing? false}]`},

	{name: "two look, and do not see each other's rows", script: `
		t = owner
		u = owner
		a = client
		t > [[:sente-lite/tail {:events ["x/*" "sente-lite/tailed"]}] "t"]
		t < [:chsk/reply "t" {:tailing? true}]
		u > [[:sente-lite/tail {:events ["x/*" "sente-lite/tailed"]}] "t"]
		u < [:chsk/reply "t" {:tailing? true}]
		a > [:x/y]
		a < [:sente-lite/error {:category :unavailable …}]
		t < [:sente-lite/tailed {:at … :dir :in :uid "$a" :event [:x/y]}]
		u < [:sente-lite/tailed {:at … :dir :in :uid "$a" :event [:x/y]}]
		u x
		t > [[:sente-lite/send {:to :all :event [:x/z]}] "s"]
		a < [:x/z]
		t < [:sente-lite/tailed {:at … :dir :out :uid "$a" :event [:x/z]}]
		t < [:chsk/reply "s" {:status :ok …}]`},

	{name: "no secret is shown", config: pipe.HubConfig{Configure: func([]byte) ([]byte, *pipe.Error) { return []byte("{}"), nil }}, script: `
		t = owner
		t > [[:sente-lite/tail {}] "t"]
		t < [:chsk/reply "t" {:tailing? true}]
		o = owner
		b = bob
		b > [:sente-lite/hello {:auth "bob-token"}]
		b < [:sente-lite/error {:category :conflict …}]
		t < [:sente-lite/tailed {:at … :dir :out :uid "bob" :event [:sente-lite/error …]}]
		o > [[:sente-lite/configure {:config {:auth {:tokens [{:token "s3cret"}]}}}] "c"]
		o < [:chsk/reply "c" {}]
		t < [:sente-lite/tailed {:at … :dir :in :uid "$o" :event [:sente-lite/configure] :cb "c"}]
		t < [:sente-lite/tailed {:at … :dir :out :uid "$o" :event [:chsk/reply "c" {}]}]
		o > [:sente-lite/spawn {:env {"KEY" "s3cret"}}]
		t < [:sente-lite/tailed {:at … :dir :in :uid "$o" :event [:sente-lite/spawn]}]`},

	{name: "a large event's row has its size", script: `
		a = client
		t = owner
		t > [[:sente-lite/tail {:dir :in}] "t"]
		t < [:chsk/reply "t" {:tailing? true}]
		a > [:big/one "` + strings.Repeat("x", 20000) + `"]
		t < [:sente-lite/tailed {:at … :dir :in :uid "$a" :event [:big/one] :bytes 20013}]`},

	{name: "who may, and what is wrong", script: `
		a = client
		a > [[:sente-lite/tail {}] "t"]
		a < [:chsk/reply "t" [:sente-lite/error {:category :forbidden …}]]
		t = owner
		t > [[:sente-lite/tail {:event ["chat/*"]}] "t"]
		t < [:chsk/reply "t" [:sente-lite/error {:category :incorrect :code :sente-lite/bad-data …known are :events, :uids and :dir…}]]
		t > [[:sente-lite/tail {:events "chat/*"}] "t"]
		t < [:chsk/reply "t" [:sente-lite/error {:category :incorrect …vector or set of at most 100 strings…}]]
		t > [[:sente-lite/tail {:dir :up}] "t"]
		t < [:chsk/reply "t" [:sente-lite/error {:category :incorrect …}]]
		t > [[:sente-lite/tail "chat/*"] "t"]
		t < [:chsk/reply "t" [:sente-lite/error {:category :incorrect …}]]`},
}

func TestTail(t *testing.T) {
	for _, w := range wires() {
		t.Run(w.name, func(t *testing.T) {
			for _, s := range tailScenarios {
				t.Run(s.name, func(t *testing.T) {
					if w.name == "mem" {
						synctest.Test(t, func(t *testing.T) { perform(t, w, s) })
						return
					}
					pipetest.NoLeaks(t)
					perform(t, w, s)
				})
			}
		})
	}
}

// Who tails and does not read costs itself rows, and nobody else anything; half
// of its queue is left for what it is there for.
func TestTailThatIsNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := pipe.NewHub(pipe.HubConfig{}, pipe.Settings{})
		deaf := join(t, h, "deaf", asOwner, "[:sente-lite/hello {}]", true)
		o := join(t, h, "owner", asOwner, "[:sente-lite/hello {}]", false)
		a := join(t, h, "client", asClient, "[:sente-lite/hello {}]", false)
		deaf.send(t, "[:sente-lite/tail {:dir :out :events [:x/y]}]")
		synctest.Wait()
		const sent = 5000
		for i := range sent {
			o.send(t, fmt.Sprintf(`[:sente-lite/send {:to %q :event [:x/y %q]}]`, a.uid, strings.Repeat("x", 100)))
			if got, _ := a.next(t, "its event"); !strings.HasPrefix(got, "[:x/y") {
				t.Fatalf("event %d is %s", i, got)
			}
		}
		if n := h.Stats.Backpressure.Load(); n != 0 {
			t.Errorf("%d events were refused", n)
		}
		// There is room for an event of its own.
		o.send(t, fmt.Sprintf(`[[:sente-lite/send {:to %q :event [:to/deaf]}] "s"]`, deaf.uid))
		if got, _ := o.next(t, "the status"); !strings.Contains(got, ":status :ok") {
			t.Errorf("an event to who tails: %s", got)
		}
		go deaf.read()
		synctest.Wait()
		o.send(t, fmt.Sprintf(`[:sente-lite/send {:to %q :event [:x/y 0]}]`, a.uid))
		synctest.Wait()
		rows, skipped, own := 0, 0, 0
		for len(deaf.in) > 0 {
			got := <-deaf.in
			if got == "[:to/deaf]" {
				own++
				continue
			}
			rows++
			if m := regexp.MustCompile(` :skipped (\d+)}]$`).FindStringSubmatch(got); m != nil {
				n, _ := strconv.Atoi(m[1])
				skipped += n
			}
		}
		if own != 1 || skipped == 0 || rows+skipped != sent+1 {
			t.Errorf("%d rows and %d skipped of %d events, %d of its own", rows, skipped, sent+1, own)
		}
		for _, p := range []*player{o, a, deaf} {
			p.leave()
		}
		if err := h.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
}
