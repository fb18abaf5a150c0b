(ns sente-lite.recovery-test
  "What survives the end of a link: clients in a test's world that is cut at any
  point."
  (:require #?(:clj [clojure.test :refer [deftest is testing]] :cljs [cljs.test :refer [deftest is testing]])
            [sente-lite.core :as s]
            [sente-lite.given :as given]
            [sente-lite.test :as t]))

(defn- recorder [f] (let [seen (atom [])] [seen (fn [x] (swap! seen conj (f x)))]))

(defn- world
  "[world host page], and what each of them hears: {:host [n …] :page [n …]}."
  [of-host of-page]
  (let [w    (t/world)
        host (t/start! w of-host)
        page (t/connect! w (merge {:uid "ada"} of-page))
        [at-host note-host] (recorder :data)
        [at-page note-page] (recorder :data)]
    (s/on! host :n/up note-host)
    (s/on! page :n/down note-page)
    (s/on! host :n/ask (fn [{:keys [data reply!] :as m}] (note-host m) (reply! [:got data])))
    (s/on! page :n/asked (fn [{:keys [data reply!] :as m}] (note-page m) (reply! [:got data])))
    {:w w :host host :page page :at-host at-host :at-page at-page}))

(deftest nothing-is-lost-doubled-or-reordered
  (let [{:keys [w host page at-host at-page]} (world {} {})]
    (dotimes [n 3] (s/send! page [:n/up n]) (s/send! host "ada" [:n/down n]))
    (t/settle! w)
    (t/stall! w page)
    (dotimes [n 3] (s/send! page [:n/up (+ 3 n)]) (s/send! host "ada" [:n/down (+ 3 n)]))
    (t/settle! w)
    (t/cut! w page)
    (t/heal! w page)
    (t/advance! w 4000)
    (is (= [(range 6) (range 6)] [@at-host @at-page]))
    (is (= [true 0] [(:open? (s/state page)) (:count (s/pending page))]))))

(deftest any-number-of-times-from-the-first-item-on
  (doseq [sent [0 1 150]]
    (let [[outcomes note] (recorder #(select-keys % [:recovered? :missed]))
          {:keys [w page at-host]} (world {} {:on-reconnect note})]
      (dotimes [_ 4]
        (dotimes [_ sent] (s/send! page [:n/up sent]))
        (t/step! w)
        (t/step! w)
        (t/cut! w page)
        (t/advance! w 4000))
      (is (= (* 4 sent) (count @at-host)))
      (is (= (repeat 4 {:recovered? true :missed 0}) @outcomes)))))

(deftest calls-wait
  (let [{:keys [w host page]} (world {} {})
        answer (atom nil)]
    (s/on! host :n/slow (fn [m] (reset! answer (:reply! m))))
    (let [mine (s/ask! page [:n/slow]) theirs (s/ask! host "ada" [:n/asked 1])]
      (t/settle! w)
      (t/cut! w page)
      (@answer :done)
      (is (= [t/pending [:got 1]] [@mine @theirs]))
      (t/advance! w 1000)
      (is (= :done @mine)))
    (testing "also for a reply that is made while there is no link"
      (let [reply (atom nil)]
        (s/on! page :n/later (fn [m] (reset! reply (:reply! m))))
        (let [asked (s/ask! host "ada" [:n/later])]
          (t/settle! w)
          (t/cut! w page)
          (is (= :ok (:status (@reply 7))))
          (t/advance! w 1000)
          (is (= 7 @asked)))))))

(deftest subscriptions-stay
  (let [{:keys [w host page]} (world {} {})
        [seen note] (recorder :data)]
    (s/subscribe! page "room" note)
    (t/settle! w)
    (t/cut! w page)
    (s/publish! host "room" 1)
    (t/advance! w 1000)
    (is (= [1] @seen))
    (is (= 1 (count (filter #(= :sente-lite/subscribe (first %)) (t/sent w page)))) "it is not joined again")))

(deftest what-cannot-be-recovered-is-told
  (let [[outcomes note] (recorder #(select-keys % [:recovered? :missed :reason :unacked]))
        [errors note-error] (recorder #(select-keys % [:code :count]))
        {:keys [w host page at-host at-page]} (world {} {:on-reconnect note :on-error note-error :backoff-ms-fn (fn [_ _] 6000)})]
    (s/send! page [:n/up :before])
    (t/settle! w)
    (t/advance! w 1000)
    (dotimes [n 2] (s/send! page [:n/up n]))
    (s/on! host :n/never (fn [_]))
    (let [asked (s/ask! page [:n/never])]
      (t/settle! w)
      (t/cut! w page)
      (dotimes [n 50] (s/send! host "ada" [:n/down n]))
      (s/send! page [:n/up :never-written])
      (t/advance! w 7000)
      (is (= :chsk/closed @asked)))
    (is (= [:sente-lite/unacknowledged] (distinct (map :code @errors))))
    (is (= [false :expired] ((juxt :recovered? :reason) (first @outcomes))))
    (is (= [] @at-page))
    (is (= :never-written (last @at-host)))
    (is (= #{:unacked} (set (map :why (:rows (s/ledger page))))))
    (is (= (count (:rows (s/ledger page))) (:unacked (first @outcomes)) (:count (first @errors))))))

(deftest too-much-has-waited
  (let [[outcomes note] (recorder #(select-keys % [:recovered? :missed :reason]))
        {:keys [w host page at-page]} (world {} {:on-reconnect note :backoff-ms-fn (fn [_ _] 3000)})]
    (t/cut! w page)
    (dotimes [n 150] (s/send! host "ada" [:n/down n]))
    (t/advance! w 4000)
    (is (= [{:recovered? false :missed 150 :reason :overwritten}] @outcomes))
    (is (= [] @at-page))
    (s/send! host "ada" [:n/down :new])
    (t/settle! w)
    (is (= [:new] @at-page))))

(deftest an-end-by-the-client-ends-the-session
  (let [{:keys [w host page]} (world {} {})
        [gone note] (recorder #(:uid (:data %)))]
    (s/on! host :sente-lite/close note)
    (t/settle! w)
    (s/stop! page)
    (t/settle! w)
    (is (= ["ada"] @gone) "at once")))

(deftest turned-off
  (let [{:keys [w host page]} (world {} {:recover? false :credit 0})]
    (is (= {:bundle true} (select-keys (second (:value (first (filter #(= 2 (:client %)) (t/log w))))) [:bundle :recover :credit])))
    (s/on! host :n/slow (fn [_]))
    (let [asked (s/ask! page [:n/slow])]
      (t/settle! w)
      (t/cut! w page)
      (is (= :chsk/closed @asked)))
    (t/advance! w 1000)
    (is (= [false 0] [(-> (s/ledger page) :rows seq some?) (:count (s/pending page))]))))

(deftest credit-both-ways
  (let [{:keys [w host page at-host at-page]} (world {:config {:flow {:max-buffer-size 100000}}} {:credit 10 :max-queue 5000})]
    (dotimes [n 1000] (s/send! page [:n/up n]) (s/send! host "ada" [:n/down n]))
    (t/settle! w)
    (is (= [(range 1000) (range 1000)] [@at-host @at-page]))
    (testing "a page that pauses is not sent more than it has given"
      (s/pause! page)
      (dotimes [n 6000] (s/send! host "ada" [:n/down n]) (when (zero? (mod n 500)) (t/settle! w)))
      (t/settle! w)
      (is (< 2400 (:count (:in (s/queues page))) 2600) "half of its inbox")
      (s/resume! page)
      (t/settle! w)
      (is (= (concat (range 1000) (range 6000)) @at-page)))))

(deftest acknowledgements
  (let [{:keys [w page]} (world {} {})]
    (dotimes [n 31] (s/send! page [:n/up n]))
    (t/settle! w)
    (is (= 31 (:unacked (s/pending page))))
    (s/send! page [:n/up 31])
    (t/settle! w)
    (is (= 0 (:unacked (s/pending page))) "after 32")
    (s/send! page [:n/up 32])
    (let [written (s/flush! page) taken (s/flush! page {:acked? true})]
      (t/settle! w)
      (is (= [{:status :ok} t/pending] [@written @taken]))
      (is (false? (:safe-to-close? (s/pending page))))
      (t/advance! w 1000)
      (is (= {:status :ok} @taken) "after a second")
      (is (true? (:safe-to-close? (s/pending page)))))))

;; Whatever happens, at any point.

(defn- play
  "Two that send to each other by a seed, cut and stalled at any point. What is
  wrong, or nil."
  [seed steps]
  (let [next! (given/lcg seed)
        {:keys [w host page at-host at-page]}
        (world {:config {:flow {:event-buffer-ms (given/pick next! [0 25])} }} {:credit (given/pick next! [0 2 256]) :bundle-size (given/pick next! [1 3 100])})
        up (atom 0) down (atom 0)
        asked (atom [])]
    (dotimes [_ steps]
      (case (next! 14)
        (0 1 2 3) (s/send! page [:n/up (dec (swap! up inc))])
        4         (swap! asked conj (s/ask! page [:n/ask (dec (swap! up inc))]))
        (5 6 7)   (when (= "ada" (:uid (s/state page))) (s/send! host "ada" [:n/down (dec (swap! down inc))]))
        8         (swap! asked conj (s/ask! host "ada" [:n/asked (dec (swap! down inc))]))
        9         (dotimes [_ (next! 12)] (t/step! w))
        10        (t/settle! w)
        11        (t/advance! w (next! 600))
        12        (t/cut! w page)
        13        (if (zero? (next! 2)) (t/stall! w page) (t/heal! w page))))
    (t/heal! w page)
    (t/advance! w 4000)
    (let [wrong (cond
                  (not= (range @up) @at-host)   (str "sent " @up ", the host has heard " (pr-str @at-host))
                  (not= (range @down) @at-page) (str "sent " @down ", the page has heard " (pr-str @at-page))
                  (some #(not= :got (and (vector? @%) (first @%))) @asked) (str "replies " (pr-str (map deref @asked)))
                  (not (:safe-to-close? (s/pending page)))     (str "pending " (pr-str (s/pending page)))
                  (seq (:rows (s/ledger page)))                (str "ledger " (pr-str (s/ledger page))))]
      (when wrong (str "seed " seed ": " wrong)))))

(deftest cut-at-any-point
  (is (= [] (into [] (keep #(play % 60)) (range 1 #?(:clj 150 :cljs 20))))))
