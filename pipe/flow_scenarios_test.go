package pipe_test

import "github.com/sente-lite/sente-lite/pipe"

// What the flow does is the same over every transport.
func init() { scenarios = append(scenarios, flowScenarios...) }

var flowScenarios = []scenario{
	{name: "a bundle, for who asked", script: `
		o = owner
		a = client :bundle true
		b = client
		o > [[:sente-lite/pause {:to :all}] "p"]
		o < [:chsk/reply "p" {:peers 2}]
		o > [:sente-lite/send {:to :all :event [:x/y 1]}]
		o > [[:sente-lite/send {:to :all :event [:x/y 2]}] "s"]
		o < [:chsk/reply "s" {:status :ok :queue-size 2 :peers 2}]
		o > [[:sente-lite/resume {:to :all}] "r"]
		o < [:chsk/reply "r" {:peers 2}]
		a < [:batch/events [[:x/y 1] [:x/y 2]]]
		b < [:x/y 1]
		b < [:x/y 2]
		a > [:batch/events [[[:chsk/ws-ping] "1"] [:nope] [[:chsk/ws-ping] "2"]]]
		a < [:batch/events [[:chsk/reply "1" "pong"] [:sente-lite/error …{:item 1}…] [:chsk/reply "2" "pong"]]]`},

	{name: "credit", script: `
		o = owner
		a = client :credit 2
		o > [:sente-lite/send {:to "$a" :event [:x/y 1]}]
		o > [:sente-lite/send {:to "$a" :event [:x/y 2]}]
		o > [:sente-lite/send {:to "$a" :event [:x/y 3]}]
		o > [[:sente-lite/send {:to "$a" :event [:x/y 4]}] "s"]
		o < [:chsk/reply "s" {:status :ok :queue-size … :peers 1}]
		a < [:x/y 1]
		a < [:x/y 2]
		o > [[:sente-lite/queues {:to "$a"}] "q"]
		o < [:chsk/reply "q" [{:uid "$a" :client-id "…" :status :ok :queued … :credit 0 …}]]
		a > [:sente-lite/credit 1]
		a < [:x/y 3]
		a > [[:chsk/ws-ping] "behind"]
		a > [:sente-lite/credit 5]
		a < [:x/y 4]
		a < [:chsk/reply "behind" "pong"]
		o > [[:sente-lite/queues {:to "$a"}] "q"]
		o < [:chsk/reply "q" [{… :credit 4 …}]]`},

	{name: "every policy in one queue", settings: pipe.Settings{Flow: pipe.Flow{MaxBufferSize: 3, OnFull: []pipe.FullRule{
		{Event: "cursor/*", Policy: pipe.FullCoalesce}, {Event: "log/*", Policy: pipe.FullDropOldest}, {Event: "hint/*", Policy: pipe.FullDropNewest},
		{Event: "kill/*", Policy: pipe.FullDisconnect}}}}, script: `
		h = handler
		a = client
		h ~ [:sente-lite/open …]
		h > [[:sente-lite/pause {:to "$a"}] "p"]
		h < [:chsk/reply "p" {:peers 1}]
		h > [:sente-lite/send {:to "$a" :event [:cursor/at 1]}]
		h > [:sente-lite/send {:to "$a" :event [:log/line 2]}]
		h > [:sente-lite/send {:to "$a" :event [:chat/msg 3]}]
		h > [[:sente-lite/send {:to "$a" :event [:chat/msg 4]}] "4"]
		h < [:chsk/reply "4" {:status :backpressure :queue-size 3 :peers 1}]
		h > [[:sente-lite/send {:to "$a" :event [:hint/at 5]}] "5"]
		h < [:chsk/reply "5" {:status :backpressure :queue-size 3 :peers 1}]
		h > [[:sente-lite/send {:to "$a" :event [:log/line 6]}] "6"]
		h < [:chsk/reply "6" {:status :ok :queue-size 3 :peers 1}]
		h > [[:sente-lite/send {:to "$a" :event [:cursor/at 7]}] "7"]
		h < [:chsk/reply "7" {:status :ok :queue-size 3 :peers 1}]
		h > [[:sente-lite/send {:to "$a" :event [:cursor/other 8]}] "8"]
		h < [:chsk/reply "8" {:status :backpressure :queue-size 3 :peers 1}]
		h > [[:sente-lite/ledger {:peer "$a"}] "l"]
		h < [:chsk/reply "l" {:rows [{:event-id :hint/at … :why :drop-newest …} {:event-id :log/line … :why :drop-oldest …} {:event-id :cursor/at … :why :coalesce …}] … :peers {"$a" {:accepted 6 :delivered 0 :queued 3 :undelivered 3}} :lost-rows 0}]
		h > [[:sente-lite/ledger {:why :coalesce :limit 1}] "l"]
		h < [:chsk/reply "l" {:rows [{:event-id :cursor/at :peer "$a" :why :coalesce :at …}] …}]
		h > [[:sente-lite/ledger {:nope 1}] "l"]
		h < [:chsk/reply "l" [:sente-lite/error {:category :incorrect …}]]
		h > [[:sente-lite/resume {:to "$a"}] "r"]
		h < [:chsk/reply "r" {:peers 1}]
		a < [:chat/msg 3]
		a < [:log/line 6]
		a < [:cursor/at 7]
		h > [[:sente-lite/flush {:to "$a"}] "f"]
		h < [:chsk/reply "f" {:status :ok :peers 1}]
		h > [[:sente-lite/pause {:to "$a"}] "p"]
		h < [:chsk/reply "p" {:peers 1}]
		h > [:sente-lite/send {:to "$a" :event [:chat/msg 1]}]
		h > [:sente-lite/send {:to "$a" :event [:chat/msg 2]}]
		h > [:sente-lite/send {:to "$a" :event [:chat/msg 3]}]
		h > [[:sente-lite/send {:to "$a" :event [:kill/it 4]}] "k"]
		h ~ [:sente-lite/close {:uid "$a" … :code 4001}]
		a < x 4001
		h > [[:sente-lite/ledger {:peer "$a" :why :disconnect}] "l"]
		h ~ [:chsk/reply "l" {:rows [{:event-id :chat/msg …} {:event-id :chat/msg …} {:event-id :chat/msg …}] …"$a" {:accepted 9 :delivered 3 :queued 0 :undelivered 6}…}]`},
}
