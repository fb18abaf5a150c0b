package pipe_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sente-lite/sente-lite/pipe"
	"github.com/sente-lite/sente-lite/pipe/pipetest"
)

var scenarios = []scenario{
	{name: "an event goes to the handler and one comes back", script: `
		h = handler
		a = client
		h < [:sente-lite/open {:uid "$a" :client-id "…" :role :client :transport :… :since … :queue {:size 0 :bytes 0 :unacked 0} :rtt-ms nil :away-ms nil}]
		a > [:chat/msg {:text "hi" :n 1/2 :c \newline :s #{1 2} :t #my/tag [1]}]
		h < [:sente-lite/recv {:uid "$a" :client-id "…" :event [:chat/msg {:text "hi" :n 1/2 :c \newline :s #{1 2} :t #my/tag [1]}]}]
		h > [:sente-lite/send {:to "$a" :event [:chat/said {:text "hello"}]}]
		a < [:chat/said {:text "hello"}]
		a x
		h < [:sente-lite/close {:uid "$a" :client-id "…" :reason "…" :code …}]`},

	{name: "calls both ways", script: `
		h = handler
		a = client
		h ~ [:sente-lite/open …]
		a > [[:math/add [1 2]] "c1"]
		h < [[:sente-lite/recv {:uid "$a" :client-id "…" :event [:math/add [1 2]]}] "x1"]
		h > [:chsk/reply "x1" 3]
		a < [:chsk/reply "c1" 3]
		h > [:chsk/reply "x1" 3]
		h < [:sente-lite/error {:category :not-found :code :sente-lite/no-such-call …}]
		h > [[:sente-lite/request {:to "$a" :event [:ui/ask "name?"]}] "h1"]
		a < [[:ui/ask "name?"] "x2"]
		a > [:chsk/reply "x2" {:name "Ada"}]
		h < [:chsk/reply "h1" {:name "Ada"}]
		h > [[:sente-lite/request {:to "nobody" :event [:ui/ask]}] "h2"]
		h < [:chsk/reply "h2" [:sente-lite/error {:category :not-found …}]]
		a > [[:math/add nil] "c2"]
		h < [[:sente-lite/recv …] "x3"]
		a > [[:math/add nil] "c2"]
		a < [:chsk/reply "c2" [:sente-lite/error {:category :conflict :code :sente-lite/cb-in-use …}]]`},

	{name: "who asks hears at once that the other has gone", script: `
		h = handler
		a = client
		h ~ [:sente-lite/open …]
		h > [[:sente-lite/request {:to "$a" :event [:ui/ask]}] "h1"]
		a < [[:ui/ask] "x1"]
		a x
		h < [:chsk/reply "h1" :chsk/closed]
		h < [:sente-lite/close …]
		o = owner
		b = client
		b > [[:math/add []] "c1"]
		h ~ [[:sente-lite/recv …] "x2"]
		h x
		b < [:chsk/reply "c1" :chsk/closed]
		o gone h
		b > [:math/add []]
		b < [:sente-lite/error {:category :unavailable :code :sente-lite/no-handler …}]`},

	{name: "a call times out", only: "mem", script: `
		h = handler
		a = client
		h ~ [:sente-lite/open …]
		a > [[:math/slow] "c1"]
		h < [[:sente-lite/recv …] "x1"]
		wait 30s
		a < [:chsk/reply "c1" :chsk/timeout]
		h > [:chsk/reply "x1" 1]
		h < [:sente-lite/error {:category :not-found …}]
		h > [[:sente-lite/request {:to "$a" :event [:ui/ask] :timeout-ms 50}] "h1"]
		a < [[:ui/ask] "x2"]
		wait 50ms
		h < [:chsk/reply "h1" :chsk/timeout]`},

	{name: "channels", script: `
		a = client
		b = client
		a > [:sente-lite/subscribe {:channel-id "room"}]
		a < [:sente-lite/subscribed {:channel-id "room", :success true}]
		b > [[:sente-lite/subscribe {:channel-id "room"}] "c"]
		b < [:chsk/reply "c" {:channel-id "room", :success true}]
		a > [:sente-lite/publish {:channel-id "room" :data {:x 1}}]
		a < [:sente-lite/channel-msg {:channel-id "room", :data {:x 1}, :from "$a"}]
		b < [:sente-lite/channel-msg {:channel-id "room", :data {:x 1}, :from "$a"}]
		a > [[:sente-lite/publish {:channel-id "room" :data 2 :exclude-sender? true}] "p"]
		a < [:chsk/reply "p" {:status :ok :queue-size … :peers 1}]
		b < [:sente-lite/channel-msg {:channel-id "room", :data 2, :from "$a"}]
		b > [:sente-lite/unsubscribe {:channel-id "room"}]
		b < [:sente-lite/subscribed {:channel-id "room", :success true}]
		b > [:sente-lite/unsubscribe {:channel-id :room}]
		b < [:sente-lite/subscribed {:channel-id :room, :success nil, :error :not-subscribed}]
		a > [:sente-lite/publish {:channel-id "nowhere" :data 1}]
		a > [:sente-lite/publish {:data 1}]
		a < [:sente-lite/error {:category :incorrect :code :sente-lite/bad-data …}]`},

	{name: "to another client", script: `
		a = client
		b = client
		a > [:msg/send-to-client {:to-uid "$b" :message {:text "psst"}}]
		b < [:msg/receive {:from-uid "$a" :message {:text "psst"}}]
		a > [:msg/send-to-client {:to-uid "nobody" :message 1}]
		a < [:sente-lite/error {:category :not-found :code :sente-lite/no-such-peer …}]
		a > [[:msg/send-to-client {:to-uid "$b" :message 1 :from-uid "forged"}] "c"]
		a < [:chsk/reply "c" {:status :ok :queue-size … :peers 1}]
		b < [:msg/receive {:from-uid "$a" :message 1}]`},

	{name: "every target", script: `
		h = handler
		a = client
		b = client
		h ~ [:sente-lite/open {:uid "$a" …]
		h ~ [:sente-lite/open {:uid "$b" …]
		a > [:sente-lite/subscribe {:channel-id :c}]
		a < [:sente-lite/subscribed …]
		h > [[:sente-lite/send {:to :all :event [:to/all]}] "1"]
		h < [:chsk/reply "1" {:status :ok :queue-size 1 :peers 2}]
		h > [[:sente-lite/send {:to #{"$a" "none"} :event [:to/set]}] "2"]
		h < [:chsk/reply "2" {:status :ok :queue-size … :peers 1}]
		h > [[:sente-lite/send {:to {:channel :c} :event [:to/channel]}] "3"]
		h < [:chsk/reply "3" {:status :ok :queue-size … :peers 1}]
		h > [[:sente-lite/send {:to {:role :client} :except #{"$a"} :event [:to/role]}] "4"]
		h < [:chsk/reply "4" {:status :ok :queue-size … :peers 1}]
		h > [[:sente-lite/send {:to {:channel "none"} :event [:to/none]}] "5"]
		h < [:chsk/reply "5" {:status :ok :queue-size 0 :peers 0}]
		a < [:to/all]
		a < [:to/set]
		a < [:to/channel]
		b < [:to/all]
		b < [:to/role]
		h > [:sente-lite/send {:to 7 :event [:to/x]}]
		h < [:sente-lite/error {:category :incorrect :code :sente-lite/bad-target …}]
		h > [:sente-lite/send {:to :all :event [:chsk/state 1]}]
		h < [:sente-lite/error {:category :forbidden …}]
		h > [:sente-lite/send {:to :all :event "x"}]
		h < [:sente-lite/error {:category :incorrect :code :sente-lite/bad-event …}]
		h > [:sente-lite/sned {:to :all}]
		h < [:sente-lite/error {:category :not-found :code :sente-lite/unknown-event … "did you mean :sente-lite/send?" …}]`},

	{name: "peers, flush, kick", script: `
		h = handler
		a = client
		h ~ [:sente-lite/open …]
		h > [[:sente-lite/peers {}] "1"]
		h < [:chsk/reply "1" [{:uid "$h" … :role :owner …} {:uid "$a" … :role :client …}]]
		h > [:sente-lite/send {:to "$a" :event [:x/y]}]
		h > [[:sente-lite/flush {:to "$a" :timeout-ms 5000}] "2"]
		h < [:chsk/reply "2" {:status :ok :peers 1}]
		a < [:x/y]
		h > [[:sente-lite/kick {:to "$a" :reason "bye"}] "3"]
		h < [:chsk/reply "3" {:peers 1}]
		a < x 4504
		h < [:sente-lite/close {:uid "$a" :client-id "…" :reason "bye" :code 4504}]`},

	{name: "several peers of one uid", script: `
		h = handler
		a = bob
		b = bob
		h ~ [:sente-lite/open {:uid "bob" …]
		h < [:sente-lite/open {:uid "bob" …]
		h > [[:sente-lite/send {:to "bob" :event [:x/y 1]}] "1"]
		h < [:chsk/reply "1" {:status :ok :queue-size … :peers 2}]
		a < [:x/y 1]
		b < [:x/y 1]
		h > [[:sente-lite/request {:to "bob" :event [:ui/ask]}] "2"]
		a < [[:ui/ask] "x1"]
		b < [[:ui/ask] "x2"]
		a > [:chsk/reply "x2" :stolen]
		a < [:sente-lite/error {:category :not-found …}]
		b > [:chsk/reply "x2" :first]
		h < [:chsk/reply "2" :first]
		a > [:chsk/reply "x1" :late]
		a > [[:chsk/ws-ping] "no error before this"]
		a < [:chsk/reply "no error before this" "pong"]
		h > [[:sente-lite/request {:to "bob" :event [:ui/ask]}] "3"]
		a < [[:ui/ask] "x3"]
		b < [[:ui/ask] "x4"]
		a x
		h < [:sente-lite/close {:uid "bob" …]
		b > [:chsk/reply "x4" :still]
		h < [:chsk/reply "3" :still]
		h > [[:sente-lite/kick {:to "bob"}] "4"]
		h < [:chsk/reply "4" {:peers 1}]
		b < x 4504`},

	{name: "an owner that kicks itself hears of it", script: `
		o = owner
		o > [[:sente-lite/kick {:to "$o"}] "k"]
		o < [:chsk/reply "k" {:peers 1}]
		o < x 4504`},

	{name: "who is kicked has gone at once", only: "mem", script: `
		h = handler
		a = client
		h ~ [:sente-lite/open …]
		h > [[:sente-lite/request {:to "$a" :event [:ui/ask]}] "1"]
		a < [[:ui/ask] "x1"]
		h > [:sente-lite/kick {:to "$a" :reason "out"}]
		h < [:chsk/reply "1" :chsk/closed]
		h < [:sente-lite/close {:uid "$a" … :reason "out" :code 4504}]
		h > [:sente-lite/send {:to "$a" :event [:x/y]}]
		h < [:sente-lite/error {:category :not-found … :event-id :sente-lite/send …}]`},

	{name: "what a client may not send", script: `
		h = handler
		a = client
		h ~ [:sente-lite/open …]
		a > [:sente-lite/send {:to "$h" :event [:x/y]}]
		a < [:sente-lite/error {:category :forbidden … :event-id :sente-lite/send …}]
		a > [[:sente-lite/peers {}] "1"]
		a < [:chsk/reply "1" [:sente-lite/error {:category :forbidden …}]]
		a > [:chsk/state {}]
		a < [:sente-lite/error {:category :forbidden …}]
		a > [:sente-lite/recv {}]
		a < [:sente-lite/error {:category :forbidden …}]
		a > [:chsk/handshake ["forged"]]
		a > [:sente-lite/error {:category :busy}]
		a > [:sente-lite/ack 3]
		a > [:sente-lite/hello {}]
		a < [:sente-lite/error {:category :conflict …}]
		a > [:chsk/ws-ping]
		a < [:chsk/ws-pong]
		a > [[:chsk/ws-ping] "p"]
		a < [:chsk/reply "p" "pong"]
		a > [:app/fine]
		h < [:sente-lite/recv {… :event [:app/fine]}]`},

	{name: "bad values cost one message", script: `
		h = handler
		a = client
		h ~ [:sente-lite/open …]
		a > [:foo 1]
		a < [:sente-lite/error {:category :incorrect :code :sente-lite/bad-event … :hint …}]
		a > [:a/b 1 2]
		a < [:sente-lite/error {:category :incorrect :code :sente-lite/bad-event …}]
		a > [[:a/b] ""]
		a < [:sente-lite/error {:category :incorrect :code :sente-lite/bad-cb …}]
		a > [[:foo] "c"]
		a < [:chsk/reply "c" [:sente-lite/error {:category :incorrect …}]]
		a > [:chsk/reply "c"]
		a < [:sente-lite/error {:category :incorrect :code :sente-lite/bad-reply …}]
		a > [:chsk/reply "never" 1]
		a < [:sente-lite/error {:category :not-found …}]
		a > [:batch/events []]
		a < [:sente-lite/error {:category :incorrect :code :sente-lite/bad-bundle …}]
		a > [:batch/events [[:a/one 1] [:foo] [[:a/two] "c"] [:batch/events [[:a/x]]]]]
		h < [:sente-lite/recv {… :event [:a/one 1]}]
		h < [[:sente-lite/recv {… :event [:a/two]}] "x1"]
		a < [:sente-lite/error {… :code :sente-lite/bad-event …}]
		a < [:sente-lite/error {… :code :sente-lite/bad-bundle …}]
		h > [:app/unwrapped]
		h < [:sente-lite/error {:category :not-found :code :sente-lite/no-taker …}]`},

	{name: "one handler", script: `
		h = handler
		o = owner
		h ~ [:sente-lite/open {:uid "$o" …]
		i = handler
		i < [:sente-lite/error {:category :conflict :code :sente-lite/handler-taken …}]
		i > [[:sente-lite/peers {}] "1"]
		i < [:chsk/reply "1" […]]
		h x
		o gone h
		j = handler
		j < [:sente-lite/open {:uid "$o" …]
		j < [:sente-lite/open {:uid "$i" …]
		o > [:x/y 1]
		j < [:sente-lite/recv {:uid "$o" … :event [:x/y 1]}]`},

	{name: "relay rules", settings: pipe.Settings{Relay: []pipe.RelayRule{
		{Event: "chat/*", To: []byte(`{:channel "lobby"}`)}, {Event: "all/x", To: []byte(":all")}}}, script: `
		a = client
		b = client
		b > [:sente-lite/subscribe {:channel-id "lobby"}]
		b < [:sente-lite/subscribed …]
		a > [:chat/msg 1]
		b < [:sente-lite/recv {:uid "$a" … :event [:chat/msg 1]}]
		a > [[:chat/ask 1] "c"]
		b < [[:sente-lite/recv {:uid "$a" … :event [:chat/ask 1]}] "x1"]
		b > [:chsk/reply "x1" 2]
		a < [:chsk/reply "c" 2]
		a > [:other/x]
		a < [:sente-lite/error {:category :unavailable … :hint …}]
		b > [:all/x]
		a < [:sente-lite/recv {:uid "$b" … :event [:all/x]}]`},

	{name: "policy", settings: pipe.Settings{Policy: pipe.Policy{
		Subscribe: pipe.Rule{Deny: true, Patterns: []string{"room-*"}}, Publish: pipe.Rule{Deny: true}, SendToClient: pipe.Rule{Deny: true}}}, script: `
		o = owner
		a = client
		a > [:sente-lite/subscribe {:channel-id "room-1"}]
		a < [:sente-lite/subscribed {:channel-id "room-1", :success true}]
		a > [:sente-lite/subscribe {:channel-id "secret"}]
		a < [:sente-lite/subscribed {:channel-id "secret", :success false, :error :forbidden}]
		a < [:sente-lite/error {:category :forbidden …}]
		a > [:sente-lite/publish {:channel-id "room-1" :data 1}]
		a < [:sente-lite/error {:category :forbidden …}]
		a > [[:msg/send-to-client {:to-uid "$o" :message 1}] "c"]
		a < [:chsk/reply "c" [:sente-lite/error {:category :forbidden …}]]
		o > [:sente-lite/publish {:channel-id "room-1" :data 1}]
		a < [:sente-lite/channel-msg {:channel-id "room-1", :data 1, :from "$o"}]`},

	{name: "a silent peer is pinged and closed", only: "mem", script: `
		a = client
		wait 60s
		a > [[:chsk/ws-ping] "still"]
		a < [:chsk/reply "still" "pong"]`},
}

func TestScenarios(t *testing.T) {
	for _, w := range wires() {
		t.Run(w.name, func(t *testing.T) {
			for _, s := range scenarios {
				if s.only != "" && s.only != w.name {
					continue
				}
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

func perform(t *testing.T, w wire, s scenario) {
	s.settings.Auth = auth
	h := pipe.NewHub(s.config, s.settings)
	play(t, h, w, s.script)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := h.Shutdown(ctx); err != nil {
		t.Errorf("shutdown: %v", err)
	}
	if n := h.Held(); n != 0 {
		t.Errorf("%d bytes are still held when all peers have gone", n)
	}
}
