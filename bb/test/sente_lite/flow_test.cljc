(ns sente-lite.flow-test
  "Queues that are full, events that are too old, handlers that fail or pause:
  clients in a test's world."
  (:require #?(:clj [clojure.test :refer [deftest is testing]] :cljs [cljs.test :refer [deftest is testing]])
            [sente-lite.core :as s]
            [sente-lite.test :as t]))

(defn- recorder [f] (let [seen (atom [])] [seen (fn [x] (swap! seen conj (f x)))]))

(defn- world
  "A page, and a host that hears :n/up."
  [of-host of-page]
  (let [w    (t/world)
        host (t/start! w of-host)
        page (t/connect! w (merge {:uid "ada"} of-page))
        [heard note] (recorder :data)]
    (s/on! host :n/up note)
    {:w w :host host :page page :heard heard}))

(defn- away
  "As world, and the page's link is gone, with two events in its queue, which
  takes no more."
  [options]
  (let [{:keys [w page] :as all} (world {} (merge {:max-queue 2} options))]
    (t/cut! w page)
    (run! #(s/send! page [:n/up %]) [0 1])
    all))

(defn- back [{:keys [w heard]}] (t/advance! w 4000) @heard)
(defn- whys [c] (mapv (juxt :event-id :why) (:rows (s/ledger c))))

(deftest what-happens-to-an-event-that-finds-the-queue-full
  (testing "it is refused"
    (let [{:keys [page] :as a} (away {})]
      (is (= {:status :backpressure :queue-size 2} (dissoc (s/send! page [:n/up 2]) :error)))
      (is (= [0 1] (back a)))
      (is (= [] (whys page)))))
  (testing "the oldest goes"
    (let [{:keys [page] :as a} (away {:on-full :drop-oldest})]
      (is (= {:status :queued :queue-size 2} (s/send! page [:n/up 2])))
      (is (= [1 2] (back a)))
      (is (= [[:n/up :drop-oldest]] (whys page)))))
  (testing "it is left out, and there is a row"
    (let [{:keys [page] :as a} (away {})]
      (is (= :backpressure (:status (s/send! page [:n/up 2] {:on-full :drop-newest}))))
      (is (= [0 1] (back a)))
      (is (= [[:n/up :drop-newest]] (whys page)))))
  (testing "an older one of its name makes room, another's does not"
    (let [{:keys [page] :as a} (away {:on-full {:n/* :coalesce}})]
      (is (= :backpressure (:status (s/send! page [:other/name 2] {:on-full :coalesce}))))
      (is (= :queued (:status (s/send! page [:n/up 3]))))
      (is (= [1 3] (back a)))
      (is (= [[:n/up :coalesce]] (whys page)))))
  (testing "calls are not dropped for it"
    (let [{:keys [w page]} (world {} {:max-queue 1 :on-full :drop-oldest})]
      (t/cut! w page)
      (s/ask! page [:n/ask])
      (is (= :backpressure (:status (s/send! page [:n/up 1])))))))

(deftest waiters-are-let-in-in-their-order
  (let [{:keys [w host page heard]} (world {} {:max-queue 3 :block-ms 60000})
        results (atom [])]
    (t/stall! w page)
    (run! #(s/send! page [:n/up %]) (range 3))
    (let [waiting (mapv #(s/send! page [:n/up %] {:on-full :block}) (range 3 103))]
      (is (= (repeat 100 t/pending) (map deref waiting)))
      (t/heal! w page)
      (t/advance! w 5000)
      (is (= (range 103) @heard))
      (is (= #{:ok} (set (map #(:status (deref %)) waiting))))
      (t/advance! w 5000))
    (testing "or have waited long enough"
      (t/stall! w page)
      (run! #(s/send! page [:n/up %]) (range 3))
      (let [late (s/send! page [:n/up 9] {:on-full :block :block-ms 50})]
        (t/advance! w 49)
        (is (= t/pending @late))
        (t/advance! w 1)
        (is (= :backpressure (:status @late)))))
    (testing "or the client ends"
      (let [never (s/send! page [:n/up 9] {:on-full :block})]
        (s/stop! page)
        (t/advance! w 3000)
        (is (= :closed (:status @never)))))
    (is (= [] @results))
    (s/stop! host)))

(deftest events-that-are-too-old
  (let [{:keys [w page] :as a} (away {:max-queue 10 :backoff-ms-fn (fn [_ _] 1000)})]
    (s/send! page [:n/up 2] {:expires-ms 500})
    (s/send! page [:n/up 3] {:expires-ms 5000})
    (is (= 4 (:count (s/pending page))))
    (t/advance! w 600)
    (is (= 3 (:count (s/pending page))))
    (is (= [0 1 3] (back a)))
    (is (= [[:n/up :expired]] (whys page)))))

(deftest each-limit-alone
  (testing "events" (is (= :backpressure (:status (s/send! (:page (away {})) [:n/up 1])))))
  (testing "characters"
    (is (= :backpressure (:status (s/send! (:page (away {:max-queue 100 :max-queue-bytes 25})) [:n/up "0123456789"])))))
  (testing "age"
    (let [{:keys [w page]} (away {:max-queue 100 :max-queue-age-ms 50 :backoff-ms-fn (fn [_ _] 10000)})]
      (is (= :queued (:status (s/send! page [:n/up 2]))))
      (t/advance! w 51)
      (is (= :backpressure (:status (s/send! page [:n/up 3])))))))

(deftest queues-are-data
  (let [{:keys [w host page]} (world {} {:max-queue 1000})]
    (s/pause! page)
    (dotimes [n 150] (s/send-to-client! host "ada" [:n/down n]))
    (dotimes [_ 3] (s/send-to-client! host "ada" [:n/other]))
    (t/settle! w)
    (t/cut! w page)
    (dotimes [_ 120] (s/send! page [:n/up]))
    (t/advance! w 50)
    (let [{:keys [in out]} (s/queues page)]
      (is (= {:count 153 :paused? true :status :slow :oldest-ms 50 :top [[:n/down 150] [:n/other 3]]}
             (select-keys in [:count :paused? :status :oldest-ms :top])))
      (is (= {:count 120 :status :slow :oldest-ms 50 :top [[:n/up 120]]} (select-keys out [:count :status :oldest-ms :top])))
      (is (= (* 120 (count "[:n/up]")) (:chars out)))
      (is (pos? (:bytes in))))
    (is (= {:count 120 :queued 120 :unacked 0 :oldest-ms 50 :safe-to-close? false} (s/pending page)))))

(deftest a-pause
  (let [{:keys [w host page]} (world {} {})
        [heard note] (recorder :data)]
    (s/on! page :n/down note)
    (is (= {:status :paused} (s/pause! page)))
    (dotimes [n 100] (s/send-to-client! host "ada" [:n/down n]))
    (t/settle! w)
    (is (= [] @heard))
    (is (= {:status :ok :queue-size 100} (s/resume! page)))
    (t/settle! w)
    (is (= (range 100) @heard))))

(deftest an-inbox-that-is-full
  (testing "drops, and has a row"
    (let [{:keys [w host page]} (world {:max-inbox 3 :on-inbox-full :drop} {})]
      (s/pause! host)
      (dotimes [n 5] (s/send! page [:n/up n]))
      (t/settle! w)
      (is (= [[:n/up :inbox-full] [:n/up :inbox-full]] (whys host)))
      (is (= :backpressure (get-in (s/queues host) [:in :status])))))
  (testing "by the sidecar's bounds, where there are no others"
    (let [w    (t/world)
          host (t/start! w {:config {:flow {:max-recv-queue-size 2}} :on-inbox-full :drop})
          page (t/connect! w {:uid "ada"})]
      (s/pause! host)
      (dotimes [n 5] (s/send! page [:n/up n]))
      (t/settle! w)
      (is (= 2 (get-in (s/queues host) [:in :count]) (- 5 (count (whys host)))))))
  (testing "in characters"
    (let [{:keys [w host page heard]} (world {:max-inbox-bytes 100 :on-inbox-full :drop} {})]
      (s/pause! host)
      (dotimes [n 5] (s/send! page [:n/up (apply str (repeat 30 n))]))
      (t/settle! w)
      (s/resume! host)
      (t/settle! w)
      (is (= 5 (+ (count @heard) (count (whys host)))))
      (is (pos? (count (whys host)))))))

(deftest dead-letters
  (let [{:keys [w host page]} (world {} {})
        broken (atom true)
        [handled note] (recorder identity)]
    (s/on! host :n/odd (fn [{:keys [data]}] (if (and @broken (zero? (mod data 10))) (throw (ex-info "no" {})) (note data))))
    (dotimes [n 100] (s/send! page [:n/odd n]))
    (t/settle! w)
    (is (= 90 (count @handled)))
    (let [dead (s/dead-letters host)]
      (is (= (map #(* 10 %) (range 10)) (map #(second (:event %)) dead)))
      (is (= {:uid "ada" :error "no" :tries 1 :id 0} (select-keys (first dead) [:uid :error :tries :id])))
      (is (= {:status :ok} (s/retry-dead-letter! host 0)))
      (t/settle! w)
      (is (= 2 (:tries (last (s/dead-letters host)))) "it has failed again")
      (reset! broken false)
      (is (= {:status :ok} (s/discard-dead-letter! host 1)))
      (is (= [:not-found :not-found] (map :status [(s/discard-dead-letter! host 1) (s/retry-dead-letter! host 77)])))
      (run! #(s/retry-dead-letter! host (:id %)) (s/dead-letters host))
      (t/settle! w)
      (is (= [99 []] [(count @handled) (s/dead-letters host)])))
    (testing "are bounded"
      (reset! broken true)
      (dotimes [_ 130] (s/send! page [:n/odd 0]))
      (t/settle! w)
      (is (= 100 (count (s/dead-letters host)))))))

(deftest a-buffered-sender
  (let [w     (t/world)
        host  (t/start! w)
        taken (atom []) full? (atom false)
        out   (s/make-buffered-sender (fn [events] (if @full? {:status :backpressure} (do (swap! taken conj events) nil)))
                                      {:event-buffer-ms 25 :event-buffer-size 3 :max-buffer-size 5 :platform (:platform host)})]
    (is (= {:status :ok :queue-size 1} (out [:a/b 1])))
    (t/advance! w 24)
    (is (= [] @taken))
    (t/advance! w 1)
    (is (= [[[:a/b 1]]] @taken))
    (testing "by count"
      (run! #(out [:a/b %]) (range 3))
      (is (= [[:a/b 0] [:a/b 1] [:a/b 2]] (last @taken))))
    (testing "what is not taken is kept, in its order"
      (reset! full? true)
      (is (= [:ok :ok :ok :frame-full :frame-full :backpressure] (mapv #(:status (out [:a/b %])) (range 6))))
      (is (= :backpressure (:status (out :flush!))))
      (reset! full? false)
      (t/advance! w 25)
      (is (= (mapv (fn [n] [:a/b n]) (range 5)) (last @taken))))
    (testing "the end hands on what waits"
      (out [:a/b 9])
      (is (= :closed (:status (out :close!))))
      (is (= [[:a/b 9]] (last @taken)))
      (is (= :closed (:status (out [:a/b 10])))))
    (testing "around a client"
      (let [page (t/connect! w {:uid "ada"}) ours (s/make-buffered-sender page) [heard note] (recorder :data)]
        (s/on! host :a/b note)
        (run! #(ours [:a/b %]) (range 7))
        (ours :flush!)
        (t/settle! w)
        (is (= (range 7) @heard))))))

(deftest the-window-adapts
  (let [{:keys [w page]} (world {:config {:flow {:event-buffer-ms 25}}} {})
        messages (fn [] (count (filter #(and (= 2 (:client %)) (= :sent (:direction %))) (t/log w))))
        before   (messages)]
    (dotimes [n 1000] (s/send! page [:n/up n]) (t/settle! w) (when (zero? (mod n 40)) (t/advance! w 1)))
    (is (<= (- (messages) before) 1010) "one by one, where each has left before the next comes")
    (let [before (messages)]
      (dotimes [n 1000] (s/send! page [:n/up n]) (when (zero? (mod n 40)) (t/advance! w 1)))
      (t/advance! w 30)
      (is (< (- (messages) before) 60) "together, where many come"))))
