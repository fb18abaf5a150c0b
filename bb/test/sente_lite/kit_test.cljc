(ns sente-lite.kit-test
  "Clients in a test's world: handlers, hooks, calls, targets, trouble."
  (:require #?(:clj [clojure.test :refer [deftest is testing]] :cljs [cljs.test :refer [deftest is testing]])
            [clojure.string :as str]
            [sente-lite.core :as s]
            [sente-lite.given :as given]
            [sente-lite.test :as t]))

(defn- code [reply] (:code (s/error-map reply)))

(defn- pair
  "[world host page]."
  ([] (pair {} {}))
  ([of-host of-page]
   (let [w (t/world) host (t/start! w of-host)]
     [w host (t/connect! w (merge {:uid "ada"} of-page))])))

(defn- recorder
  "[atom f]: f puts what it is given there."
  ([] (recorder identity))
  ([f] (let [seen (atom [])] [seen (fn [x] (swap! seen conj (f x)))])))

;; Handlers (on!, off!, take!).

(deftest handlers-in-their-order
  (let [[w host page] (pair)
        [seen note] (recorder)]
    (s/on! host :chat/say (fn [_] (note :first)))
    (s/on! host :chat/* (fn [_] (note :namespace)))
    (s/on! host :* (fn [m] (when (= :chat/say (:id m)) (note :all))))
    (s/on! host :chat/say (fn [_] (note :last)))
    (s/on! host :chat/other (fn [_] (note :other)))
    (s/send! page [:chat/say 1])
    (t/settle! w)
    (is (= [:first :namespace :all :last] @seen))))

(deftest a-message-has-all-there-is-to-know
  (let [[w host page] (pair)
        [seen note] (recorder)]
    (s/on! host :chat/say note)
    (s/send! page [:chat/say {:n 1}])
    (s/send! page [:chat/say])
    (t/settle! w)
    (let [[m bare] @seen]
      (is (= [[:chat/say {:n 1}] :chat/say {:n 1} {:n 1} "ada" nil] ((juxt :event :id :data :?data :uid :?reply-fn) m)))
      (is (string? (:client-id m)))
      (is (s/client? (:client m)))
      (is (= {:status :no-call} ((:reply! m) 1)))
      (is (= [[:chat/say] nil] ((juxt :event :data) bare))))))

(deftest counts-of-handlers
  (let [[_ host _] (pair)]
    (is (= 0 (s/handler-count host)))
    (let [a (s/on! host :a/a identity) b (s/on! host :a/a identity)]
      (s/on! host :b/b identity)
      (is (= [2 1 0 3] [(s/handler-count host :a/a) (s/handler-count host :b/b) (s/handler-count host :c/c) (s/handler-count host)]))
      (s/off! host a)
      (is (= 1 (s/handler-count host :a/a)))
      (s/off! host a)
      (is (= 1 (s/handler-count host :a/a)))
      (s/off! host b)
      (s/on! host :b/b identity)
      (s/off! host :b/b)
      (is (= 0 (s/handler-count host))))))

(deftest once
  (let [[w host page] (pair)
        [seen note] (recorder :data)]
    (s/on! host {:event-id :a/a :once? true :pred #(even? (:data %))} note)
    (is (= 1 (s/handler-count host :a/a)))
    (run! #(s/send! page [:a/a %]) [1 2 3 4])
    (t/settle! w)
    (is (= [2] @seen))
    (is (= 0 (s/handler-count host)))))

(deftest handlers-with-a-time
  (testing "it passes"
    (let [[w host page] (pair)
          [seen note] (recorder)]
      (s/on! host {:event-id :a/a :once? true :timeout-ms 100 :on-timeout #(note :late)} (fn [m] (note (:data m))))
      (t/advance! w 99)
      (is (= [[] 1] [@seen (s/handler-count host)]))
      (t/advance! w 1)
      (s/send! page [:a/a 1])
      (t/settle! w)
      (is (= [[:late] 0] [@seen (s/handler-count host)]))))
  (testing "it is not needed"
    (let [[w host page] (pair)
          [seen note] (recorder)]
      (s/on! host {:event-id :a/a :once? true :timeout-ms 100 :on-timeout #(note :late)} (fn [m] (note (:data m))))
      (s/send! page [:a/a 1])
      (t/advance! w 1000)
      (is (= [1] @seen))))
  (testing "off! ends it too"
    (let [[w host _] (pair)
          [seen note] (recorder)]
      (s/off! host (s/on! host {:event-id :a/a :timeout-ms 100 :on-timeout #(note :late)} identity))
      (t/advance! w 1000)
      (is (= [] @seen)))))

(deftest taking
  (let [[w host page] (pair)
        next-a (s/take! host :a/a)
        big    (s/take! host :a/a {:pred #(< 10 (:data %))})
        never  (s/take! host :b/b {:timeout-ms 50})
        ended  (s/take! host :c/c)]
    (is (= 4 (s/handler-count host)))
    (s/off! host :c/c)
    (run! #(s/send! page [:a/a %]) [1 2 11 12])
    (t/settle! w)
    (is (= [1 11 t/pending :chsk/closed] [(:data @next-a) (:data @big) @never @ended]))
    (t/advance! w 50)
    (is (= :chsk/timeout @never))
    (is (= 0 (s/handler-count host)))))

(deftest what-is-no-event-id
  (let [[_ host _] (pair)]
    (doseq [id [:plain "a/b" nil 'a/b [:a/b] {:event-id :plain}]]
      (is (= :sente-lite/bad-event (:code (given/failure #(s/on! host id identity)))) (pr-str id)))))

(deftest handlers-that-throw
  (let [[seen note] (recorder)
        [w host page] (pair {:on-handler-error #(note [(:event %) (ex-message (:error %))])} {})]
    (s/on! host :a/a (fn [_] (throw (ex-info "oh" {}))))
    (s/on! host :a/a (fn [m] (note (:data m))))
    (s/send! page [:a/a 1])
    (t/settle! w)
    (is (= [[[:a/a 1] "oh"] 1] @seen) "the others still run")
    (is (= 1 (:handler-errors (s/stats host))))
    (testing "who asked hears so"
      (let [reply (s/ask! page [:a/a 2])]
        (t/settle! w)
        (is (= [:sente-lite/handler-failed :a/a] ((juxt :code :event-id) (s/error-map @reply))))
        (is (str/includes? (:message (s/error-map @reply)) "oh"))))
    (testing "nothing that a user gives ends the handlers"
      (s/ask! page [:nobody/home] {:cb (fn [_] (throw (ex-info "cb" {})))})
      (s/after! page 1 (fn [] (throw (ex-info "after" {}))))
      (s/on! page {:event-id :x/x :timeout-ms 1 :on-timeout (fn [] (throw (ex-info "on-timeout" {})))} identity)
      (s/on! page {:event-id :x/y :pred (fn [_] (throw (ex-info "pred" {})))} identity)
      (s/send! host "ada" [:x/y])
      (t/advance! w 10)
      (is (= 4 (:handler-errors (s/stats page))))
      (is (= ["after" "cb" "on-timeout" "pred"] (sort (map #(second (re-find #"thrown: (.*)$" %)) (t/printed w)))))
      (is (= :open (:phase (s/state page)))))))

(deftest what-nobody-handles
  (let [[w host page] (pair)
        reply (s/ask! page [:nobody/home 1])]
    (s/send! page [:nobody/home 2])
    (t/settle! w)
    (is (= [:not-found :sente-lite/no-handler :nobody/home] ((juxt :category :code :event-id) (s/error-map @reply))))
    (is (= 2 (:unhandled (s/stats host))))))

(defmethod s/handle-event ::by-method [{:keys [data reply!]}] (reply! [:method data]))

(deftest handlers-by-method
  (let [[w _ page] (pair)
        reply (s/ask! page [::by-method 1])]
    (t/settle! w)
    (is (= [:method 1] @reply))))

;; Calls.

(deftest replies
  (let [[w host page] (pair)
        [status note] (recorder)]
    (s/on! host :a/a (fn [{:keys [reply! data]}] (note (reply! data)) (note (reply! :again))))
    (doseq [v [nil false 0 "x" {:a [1 #{2}]} [:chsk/timeout]]]
      (let [reply (s/ask! page [:a/a v])]
        (is (= t/pending @reply))
        (t/settle! w)
        (is (= v @reply))))
    (is (= [{:status :ok} {:status :late}] (take 2 @status)))
    (is (= 6 (:late-replies (s/stats host))))
    (testing "later, and when nobody waits any more"
      (s/on! host :a/later (fn [{:keys [reply!]}] (s/after! host 200 #(note (reply! :late)))))
      (let [patient (s/ask! page [:a/later]) hasty (s/ask! page [:a/later] {:timeout-ms 100})]
        (t/advance! w 150)
        (is (= [t/pending :chsk/timeout] [@patient @hasty]))
        (t/advance! w 100)
        (is (= :late @patient))
        (is (= 1 (:late-replies (s/stats page))))))
    (testing "that are no EDN"
      (s/on! host :a/bad (fn [{:keys [reply!]}] (reply! {:f identity})))
      (let [reply (s/ask! page [:a/bad])]
        (t/settle! w)
        (is (= :sente-lite/not-edn (code @reply)))))))

(deftest callbacks
  (let [[w host page] (pair)
        [seen note] (recorder)]
    (s/on! host :a/a (fn [{:keys [?reply-fn data]}] (?reply-fn data)))
    (s/ask! page [:a/a 1] {:cb note})
    (is (= {:status :ok :queue-size 2} (s/send! page [:a/a 2] 1000 note)))
    (is (= [] @seen))
    (t/settle! w)
    (is (= [1 2] @seen))))

(deftest both-ways
  (let [[w host page] (pair)]
    (s/on! page :ui/confirm (fn [{:keys [reply! data]}] (reply! [:yes data])))
    (let [there (s/ask! host "ada" [:ui/confirm 1]) nobody (s/ask! host "eve" [:ui/confirm 1])
          not-mine (s/ask! page "ada" [:ui/confirm 1])]
      (t/settle! w)
      (is (= [:yes 1] @there))
      (is (= [:not-found :sente-lite/no-such-peer] ((juxt :category :code) (s/error-map @nobody))))
      (is (= :sente-lite/forbidden (code @not-mine))))
    (testing "of those that go"
      (s/on! page :ui/slow (fn [_]))
      (let [reply (s/ask! host "ada" [:ui/slow])]
        (t/settle! w)
        (t/cut! w page)
        (is (= t/pending @reply) "it may come again")
        (s/stop! page)
        (t/advance! w 5000)
        (is (= :chsk/closed @reply))))))

(deftest calls-end-with-their-sidecar
  (let [[w host page] (pair)]
    (s/on! page :ui/slow (fn [_]))
    (s/on! host :a/slow (fn [_]))
    (let [of-host (s/ask! host "ada" [:ui/slow]) of-page (s/ask! page [:a/slow])]
      (t/settle! w)
      (t/cut! w host)
      (is (= :sente-lite/sidecar-ended (code @of-host)))
      (is (= ["cut by the test"] (get-in (s/error-map @of-host) [:data :stderr])))
      (is (= t/pending @of-page) "the session might go on")
      (t/advance! w 5000)
      (is (= :chsk/closed @of-page) "the next sidecar knows nothing of it"))))

;; Hooks.

(defn- hooked [note]
  {:on-open      (fn [i] (note [:open (:uid i) (:first? i)]))
   :on-ready     (fn [i] (note [:ready (:uid i)]))
   :on-reconnect (fn [i] (note [:reconnect (get-in i [:old :uid]) (:recovered? i)]))
   :on-close     (fn [i] (note [:close (:code i) (:why i) (boolean (:final? i))]))})

(deftest hooks-once-each-in-their-order
  (let [[seen note] (recorder)
        [w _ page] (pair {} (hooked note))
        taken! (fn [] (let [v @seen] (reset! seen []) v))]
    (is (= [[:open "ada" true] [:ready "ada"]] (taken!)))
    (t/cut! w page)
    (is (= [[:close 1006 :lost false]] (taken!)))
    (t/advance! w 1000)
    (is (= [[:reconnect "ada" true] [:ready "ada"]] (taken!)))
    (s/reconnect! page)
    (t/settle! w)
    (is (= [[:close 1006 :lost false] [:reconnect "ada" true] [:ready "ada"]] (taken!)))
    (s/stop! page)
    (t/settle! w)
    (is (= [[:close 1000 :closed true]] (taken!)))))

(deftest hooks-of-a-script
  (let [[seen note] (recorder)
        w    (t/world)
        host (t/start! w (hooked note))]
    (t/settle! w)
    (t/cut! w host)
    (t/advance! w 1000)
    (is (= [[:open "owner" true] [:ready "owner"] [:close 1006 :lost false] [:reconnect "owner" false] [:ready "owner"]] @seen))))

(deftest states-are-events
  (let [[w _ page] (pair)
        [seen note] (recorder)]
    (s/on! page :chsk/state (fn [{[old new] :data}] (note [(:phase old) (:phase new)])))
    (t/cut! w page)
    (t/advance! w 1000)
    (is (= [[:open :waiting] [:waiting :connecting] [:connecting :greeting] [:greeting :open]] @seen))))

;; Who is there.

(deftest the-view-of-who-is-there
  (let [w (t/world) host (t/start! w)
        [seen note] (recorder)]
    (is (= {:any #{} :peers {} :counts {}} (s/connected host)))
    (add-watch (s/connected-uids host) :test (fn [_ _ old new] (note [(:any old) (:any new)])))
    (let [tab-1 (t/connect! w {:uid "ada" :recover? false}) tab-2 (t/connect! w {:uid "ada"}) bob (t/connect! w {:uid "bob"})]
      (is (= [#{"ada" "bob"} #{"ada" "bob"} {"ada" 2 "bob" 1}] ((juxt :any :memory :counts) (s/connected host))))
      (is (= #{"ada" "bob"} (s/get-connected-uids host)))
      (is (= 3 (count (:peers (s/connected host)))))
      (t/cut! w tab-1)
      (is (= {"ada" 1 "bob" 1} (:counts (s/connected host))))
      (s/stop! bob)
      (s/stop! tab-2)
      (t/settle! w)
      (is (= #{} (:any (s/connected host))))
      (is (= [#{} #{"ada"}] (first @seen)))
      (t/advance! w 1000)
      (is (= {"ada" 1} (:counts (s/connected host))) "tab-1 is back")
      (testing "nobody, while its own link is gone"
        (t/cut! w host)
        (is (= #{} (:any (s/connected host))))
        (t/advance! w 5000)
        (is (= {"ada" 1} (:counts (s/connected host))))))))

;; Statuses.

(deftest statuses
  (let [[w host page] (pair {:config {:flow {:max-buffer-size 3 :max-message-bytes 200}}} {:max-queue 2})]
    (is (= {:status :ok :queue-size 1} (s/send! page [:a/a 1])))
    (t/settle! w)
    (is (= :too-large (:status (s/send! page [:a/a (apply str (repeat 300 "x"))]))))
    (t/cut! w page)
    (is (= [:queued :queued :backpressure] (mapv (fn [n] (:status (s/send! page [:a/a n]))) (range 3))))
    (is (= 2 (:queue-size (s/stats page))))
    (t/advance! w 1000)
    (is (= 0 (:queue-size (s/stats page))))
    (testing "of a peer who does not read: once at once, then with a count"
      (t/stall! w page)
      (let [[errors note] (recorder #(select-keys % [:code :count]))
            asked (s/ask! host [:sente-lite/send {:to "ada" :event [:b/b]}])]
        (s/on! host :x/x identity)
        (dotimes [n 6] (s/send! host "ada" [:b/b n]))
        (t/settle! w)
        (is (= {:status :ok :queue-size 1 :peers 1} @asked))
        (let [again (s/ask! host [:sente-lite/send {:to "ada" :event [:b/b]}])]
          (t/settle! w)
          (is (= {:status :backpressure :queue-size 3 :peers 1} @again)))
        (t/advance! w 100)
        (is (= 2 (count (filter #(str/includes? % "does not take more") (t/printed w)))))))
    (s/stop! page)
    (t/heal! w page)
    (is (= {:status :closed :queue-size 0} (dissoc (s/send! page [:a/a 1]) :error)))))

(deftest the-inbox-is-bounded
  (let [[w host page] (pair {:max-inbox 3} {})
        [seen note] (recorder :data)]
    (s/on! host :a/a note)
    (dotimes [n 10] (s/send! page [:a/a n]))
    (let [asked (s/ask! page [:a/a 11])]
      (t/settle! w)
      (is (= [0 1 2] @seen))
      (is (= 8 (:refused (s/inbox host))))
      (is (= [:busy :sente-lite/inbox-full] ((juxt :category :code) (s/error-map @asked)))))
    (s/send! page [:a/a 12])
    (t/settle! w)
    (is (= [0 1 2 12] @seen))))

;; Channels.

(deftest channels-with-functions
  (let [[w host page] (pair)
        [seen note] (recorder #(select-keys % [:channel-id :data :from]))
        [events as-event] (recorder :data)]
    (is (= {:status :ok} (s/subscribe! page "room" note)))
    (s/subscribe! page "other")
    (s/on! page :sente-lite/channel-msg as-event)
    (t/settle! w)
    (s/publish! host "room" 1)
    (s/publish! page "other" 2)
    (t/settle! w)
    (is (= [{:channel-id "room" :data 1 :from "owner"}] @seen))
    (is (= [{:channel-id "other" :data 2 :from "ada"}] @events))
    (testing "are joined once a link is there"
      (let [w (t/world) early (t/connect! w {:uid "eve"}) [heard note] (recorder :data)]
        (is (= {:status :queued} (s/subscribe! early "room" note)))
        (let [host (t/start! w)]
          (t/advance! w 60000)
          (s/publish! host "room" 1)
          (t/settle! w)
          (is (= [1] @heard)))))
    (testing "and again after each"
      (t/cut! w page)
      (t/advance! w 1000)
      (s/publish! host "room" 3)
      (t/settle! w)
      (is (= [1 3] (map :data @seen))))
    (testing "and left"
      (s/unsubscribe! page "room")
      (t/settle! w)
      (s/publish! host "room" 4)
      (t/settle! w)
      (is (= [1 3] (map :data @seen))))
    (testing "a name that does not print joins nothing"
      (is (= :sente-lite/not-edn (:code (given/failure #(s/subscribe! page identity note)))))
      (s/publish! host "room" 5)
      (t/settle! w)
      (is (= 2 (count @seen))))))

(deftest flushing
  (let [[w host page] (pair)]
    (s/send! page [:a/a 1])
    (let [mine (s/flush! page) theirs (s/flush! host "ada")]
      (s/send! page [:a/a 2])
      (t/settle! w)
      (is (= [{:status :ok} {:status :ok :peers 1}] [@mine @theirs])))
    (testing "that takes too long"
      (t/stall! w page)
      (s/send! page [:a/a 3])
      (s/send! host "ada" [:b/b])
      (let [mine (s/flush! page {:timeout-ms 50}) theirs (s/flush! host "ada" {:timeout-ms 50}) patient (s/flush! page)]
        (t/advance! w 50)
        (is (= [:chsk/timeout :chsk/timeout t/pending] [@mine @theirs @patient]))
        (t/heal! w page)
        (is (= {:status :ok} @patient))))
    (testing "when the client ends first"
      (t/cut! w page)
      (s/send! page [:a/a 4])
      (let [never (s/flush! page)]
        (t/settle! w)
        (is (= t/pending @never))
        (s/stop! page)
        (t/settle! w)
        (is (= :chsk/closed @never))))))

(deftest what-every-event-passes
  (testing "sente_lite's :on-message; what it returns in a script goes back"
    (let [[seen note] (recorder)
          [w _ page] (pair {:on-message (fn [uid id data] (note [uid id data]) (when (= :a/a id) [:a/back data]))} {})
          [back note-back] (recorder :data)]
      (s/on! page :a/back note-back)
      (s/send! page [:a/a 1])
      (t/settle! w)
      (is (some #{["ada" :a/a 1]} @seen))
      (is (= [1] @back)))))

;; The end.

(deftest after-the-end
  (let [[w host page] (pair)
        waiting (s/ask! page [:a/slow]) flushed (do (t/stall! w page) (s/flush! page))]
    (s/on! host :a/slow (fn [_]))
    (t/heal! w page)
    (is (= {:status :ok} @flushed))
    (let [stopped (s/stop! page)]
      (t/settle! w)
      (is (= {:status :closed :queue-size 0} @stopped))
      (is (s/error? @waiting)))
    (is (= :closed (:status (s/send! page [:a/a]))))
    (is (= :closed (:status (s/publish! page "c" 1))))
    (is (= :chsk/closed @(s/ask! page [:a/a])))
    (is (= :chsk/closed @(s/flush! page)))
    (is (= {:status :closed :queue-size 0} (let [p (s/stop! page)] (t/settle! w) @p)))
    (is (= #{} (:any (s/connected host))))
    (testing "and a new beginning"
      (s/reconnect! page)
      (t/settle! w)
      (is (:open? (s/state page)))
      (s/on! host :a/a (fn [{:keys [reply!]}] (reply! 1)))
      (let [reply (s/ask! page [:a/a])]
        (t/settle! w)
        (is (= 1 @reply))))))

(deftest a-scripts-end-is-its-sidecars
  (let [[w host page] (pair)
        stopped (s/stop! host)]
    (t/settle! w)
    (is (= :closed (:status @stopped)))
    (is (= [1001 :shutdown] ((juxt :code :why) (:last-close (s/state page)))))
    (is (= [:closed 1000] ((juxt :status #(get-in % [:why :code])) @(s/wait! host))) "wait! is over")))

(deftest no-client
  (doseq [[what f] {"send!" #(s/send! nil [:a/b]), "send! to" #(s/send! nil "ada" [:a/b]), "broadcast!" #(s/broadcast! nil [:a/b])
                    "publish!" #(s/publish! nil "c" 1), "send-to-client!" #(s/send-to-client! nil "ada" [:a/b])}]
    (is (= {:status :closed :queue-size 0} (f)) what))
  (is (= [nil nil nil 0 false] [(s/on! nil :a/b identity) (s/off! nil :a/b) (s/subscribe! nil "c") (s/handler-count nil :a/b) (:open? (s/state nil))]))
  (is (= [#{} 0 0 nil] [(:any (s/connected nil)) (:size (s/inbox nil)) (:queue-size (s/stats nil)) (s/reconnect! nil)])))

;; Time.

(deftest ten-seconds-take-milliseconds
  (let [now-ms #?(:clj #(System/currentTimeMillis) :cljs #(js/Date.now))
        [w host page] (pair)
        [seen note] (recorder)
        tick (fn tick [] (note (t/now w)) (s/after! host 100 tick))
        began (now-ms)]
    (s/after! host 100 tick)
    ((s/after! host 50 #(note :taken-back)))
    (t/advance! w 10000)
    (is (= (range 100 10001 100) @seen))
    (is (= 10000 (t/now w)))
    (is (:open? (s/state page)) "heartbeats have gone on")
    (is (< (- (now-ms) began) 1000))))

(deftest a-dead-network-is-found-out
  (let [[w host page] (pair)
        [seen note] (recorder #(select-keys (:data %) [:uid :code :reason]))]
    (s/on! host :sente-lite/close note)
    (t/stall! w page)
    (t/advance! w 15000)
    (is (= [] @seen) "it may come again")
    (t/advance! w 5000)
    (is (= [{:uid "ada" :code 4000 :reason "ping timeout"}] @seen) "the sidecar's ping was not answered")
    (is (= #{} (:any (s/connected host))))
    (is (:open? (s/state page)) "the page waits a ping longer")
    (t/advance! w 10000)
    (is (= [false 4000] ((juxt :open? #(get-in % [:last-close :code])) (s/state page))))
    (t/heal! w page)
    (t/advance! w 60000)
    (is (:open? (s/state page)))))

(deftest handlers-without-end-are-told
  (let [w (t/world {:max-steps 1000}) host (t/start! w) page (t/connect! w)]
    (s/on! host :ping/pong (fn [{:keys [uid]}] (s/send! host uid [:ping/pong])))
    (s/on! page :ping/pong (fn [_] (s/send! page [:ping/pong])))
    (s/send! page [:ping/pong])
    (is (= :sente-lite/no-end (:code (given/failure #(t/settle! w)))))))

(deftest one-world-one-sidecar
  (let [[w _ _] (pair)]
    (is (= :sente-lite/one-sidecar (:code (given/failure #(t/start! w)))))
    (is (= :sente-lite/bad-client (:code (given/failure #(t/cut! w nil)))))))

(deftest tokens-and-policy
  (let [w    (t/world)
        host (t/start! w {:config {:auth {:tokens [{:token "t1" :uid "ada"} {:token "t2" :uid "boss" :role :owner}]}
                                   :policy {:subscribe ["room-*"] :send-to-client false}}})
        page (t/connect! w {:token "t1"})
        boss (t/connect! w {:token (fn [] "t2")})
        no   (t/connect! w {:token "wrong"})
        [errors note] (recorder :code)
        other (t/connect! w {:uid "eve" :on-error note})]
    (is (= ["ada" "boss"] (mapv #(:uid (s/state %)) [page boss])))
    (is (= [:closed 4501] ((juxt :phase #(get-in % [:last-close :code])) (s/state no))))
    (let [peers (s/ask! boss [:sente-lite/peers {}]) denied (s/ask! page [:sente-lite/peers {}])]
      (s/subscribe! other "lobby")
      (s/send-to-client! other "ada" [:a/a])
      (t/settle! w)
      (is (= #{"owner" "ada" "boss" "eve"} (set (map :uid @peers))))
      (is (= :sente-lite/forbidden (code @denied)))
      (is (= #{:sente-lite/not-subscribed :sente-lite/forbidden} (set @errors))))))

;; What a REPL does: again and again.

(deftest handlers-behind-an-end-are-the-next-ones
  (let [[seen note] (recorder :data)
        stopped (t/start! (t/world))]
    (s/stop! stopped)
    (s/on! :rest/say note)
    (is (= 0 (s/handler-count stopped :rest/say)))
    (let [w    (t/world)
          host (t/start! w)
          page (t/connect! w)]
      (is (= 1 (s/handler-count host :rest/say)))
      (s/send! page [:rest/say 1])
      (t/settle! w)
      (is (= [1] @seen)))))

(deftest hooks-keep-their-order-whatever-they-do
  (let [w     (t/world)
        host  (t/start! w)
        [seen note] (recorder)
        page  (t/connect! w {:on-open  (fn [_] (note :open) (s/stop! (s/client)))
                             :on-ready (fn [_] (note :ready))
                             :on-close (fn [_] (note :close))})]
    (t/settle! w)
    (t/advance! w 5000)
    (is (= [:open :ready :close] @seen))
    (is (= :closed (:phase (s/state page))))
    (s/stop! host)))

(deftest a-token-is-asked-for-at-each-try
  (let [w    (t/world)
        host (t/start! w)
        n    (atom 0)
        page (t/connect! w {:token (fn [] (str "token-" (swap! n inc)))})]
    (t/settle! w)
    (is (= 1 @n))
    (t/cut! w page)
    (t/advance! w 1000)
    (is (= 2 @n))
    (s/stop! host)))
