(ns sente-lite.session-test
  (:require #?(:clj [clojure.test :refer [deftest is testing]] :cljs [cljs.test :refer [deftest is testing]])
            [clojure.string :as str]
            [sente-lite.given :as given]
            [sente-lite.retry :as retry]
            [sente-lite.session :as session]
            [sente-lite.wire :as wire]))

(defn- run
  "Gives inputs one after another: [state all-outputs]."
  [s inputs]
  (reduce (fn [[s out] i] (let [[s fx] (session/step s i)] [s (into out fx)])) [s []] inputs))

(defn- after [s & inputs] (first (run s inputs)))
(defn- outputs [s & inputs] (second (run s inputs)))
(defn- of [kind fx] (filterv #(= kind (nth % 0)) fx))
(defn- writes [s] (mapv second (of :write (outputs s [:flush]))))
(defn- hooks [fx] (mapv second (of :hook fx)))
(defn- settled [fx] (mapv (fn [[_ k v]] [k v]) (of :settle fx)))

(def ready [:sente-lite/ready {:uid "ada" :session "s1" :limits {:max-message-bytes 1000}}])

(defn- open
  "A state whose link is open at `now`, its hello written."
  ([] (open {} 0))
  ([options now]
   (after (session/create (merge {:hello {:bundle true}} options))
          [:connect now] [:linked now] [:flush] [:value ready now])))

(deftest phases
  (let [s (session/create {:hello {:bundle true}})]
    (is (= :idle (:phase s)))
    (let [[s fx] (run s [[:connect 0]])]
      (is (= :connecting (:phase s)))
      (is (= [[:connect 1]] (of :connect fx)))
      (let [[s fx] (run s [[:linked 1]])]
        (is (= :greeting (:phase s)))
        (is (= [[:wake]] (of :wake fx)))
        (is (= ["[:sente-lite/hello {:bundle true}]"] (writes s)))
        (let [[s fx] (run s [[:value ready 2]])]
          (is (= :open (:phase s)))
          (is (= "ada" (:uid s)))
          (is (= [:on-open :on-ready] (hooks fx)))
          (let [[s fx] (run s [[:lost {:code 1006 :reason "gone"} 3 0.5]])]
            (is (= :waiting (:phase s)))
            (is (= :lost (get-in s [:last-close :why])))
            (is (= [:on-close] (hooks fx)))
            (is (= 203 (:retry-at s)))
            (is (empty? (of :connect (outputs s [:tick 202]))))
            (let [[s fx] (run s [[:tick 203] [:linked 204] [:flush] [:value ready 205]])]
              (is (= [[:connect 2]] (of :connect fx)))
              (is (= [:on-reconnect :on-ready] (hooks fx)))
              (is (= :open (:phase s)))
              (let [[s fx] (run s [[:stop 300]])]
                (is (= :closed (:phase s)))
                (is (= [:on-close] (hooks fx)))
                (is (= 1 (count (of :disconnect fx))))
                (is (empty? (outputs s [:stop 301])))))))))))

(deftest a-handshake-opens-too
  (let [[s fx] (run (session/create {}) [[:connect 0] [:linked 0] [:value [:chsk/handshake ["u" nil {:session "x"} true]] 1]])]
    (is (= [:open "u"] [(:phase s) (:uid s)]))
    (is (true? (:first? (nth (first (of :hook fx)) 2))))))

(deftest every-change-of-phase-is-told
  (let [fx (outputs (session/create {:hello {}}) [:connect 0] [:linked 1] [:value ready 2] [:lost {} 3 0] [:stop 4])]
    (is (= [:connecting :greeting :open :waiting :closed] (mapv #(:phase (nth % 1)) (of :state fx))))
    (is (= [:idle :connecting :greeting :open :waiting] (mapv #(:phase (nth % 2)) (of :state fx))))))

(deftest nothing-leaves-before-open
  (let [[s fx] (run (session/create {:hello {}}) [[:send "[:a/b 1]" :a/b] [:connect 0] [:send "[:a/b 2]" :a/b] [:linked 1] [:flush]])]
    (is (= :queued (get-in s [:result :status])))
    (is (= ["[:sente-lite/hello {}]"] (mapv second (of :write fx))))
    (is (= ["[:batch/events [[:a/b 1] [:a/b 2]]]"] (writes (after s [:value ready 2]))))))

(deftest the-queue-is-bounded
  (testing "in events"
    (let [s (after (session/create {:max-queue 2}) [:send "[:a/b]" :a/b] [:send "[:a/b]" :a/b] [:send "[:a/b]" :a/b])]
      (is (= :backpressure (get-in s [:result :status])))
      (is (= :sente-lite/backpressure (:code (wire/error-map (get-in s [:result :error])))))
      (is (= 2 (count (:out s))))))
  (testing "in characters, though one event always has room"
    (let [s (after (session/create {:max-queue-bytes 5}) [:send "[:a/long-name]" :a/long-name])]
      (is (= :queued (get-in s [:result :status])))
      (is (= :backpressure (get-in (after s [:send "[:a/b]" :a/b]) [:result :status])))))
  (testing "in the size of one message"
    (let [s (after (open) [:send (str "[:a/b \"" (apply str (repeat 1000 "x")) "\"]") :a/b])]
      (is (= :too-large (get-in s [:result :status])))
      (is (empty? (:out s)))))
  (testing "in calls"
    (let [[s fx] (run (session/create {:max-calls 1}) [[:ask "[:a/b]" :a/b 10 :k1 0] [:ask "[:a/b]" :a/b 10 :k2 0]])]
      (is (= 1 (count (:calls s))))
      (is (= [[:k2 :sente-lite/too-many-calls]] (mapv (fn [[k v]] [k (:code (wire/error-map v))]) (settled fx)))))))

(deftest bundles
  (testing "of many"
    (let [s (reduce (fn [s n] (after s [:send (str "[:a/b " n "]") :a/b])) (open {:bundle-size 2} 0) (range 5))]
      (is (= ["[:batch/events [[:a/b 0] [:a/b 1]]]" "[:batch/events [[:a/b 2] [:a/b 3]]]" "[:a/b 4]"] (writes s)))))
  (testing "within the characters of one; what is larger goes alone"
    (let [s (after (open {:bundle-chars 10} 0) [:send "[:a/b 1]" :a/b] [:send "[:a/bcdefghij 1]" :a/b] [:send "[:a/b 2]" :a/b])]
      (is (= ["[:a/b 1]" "[:a/bcdefghij 1]" "[:a/b 2]"] (writes s)))))
  (testing "come apart in order"
    (is (= [[:a/b 1] [:a/b 2]] (mapv second (of :deliver (outputs (open) [:value [:batch/events [[:a/b 1] [:a/b 2]]] 1])))))))

(deftest waking-is-said-once
  (let [[s fx] (run (open) [[:send "[:a/b]" :a/b] [:send "[:a/b]" :a/b]])]
    (is (= 1 (count (of :wake fx))))
    (is (= 1 (count (of :wake (outputs (after s [:flush]) [:send "[:a/b]" :a/b])))))))

(deftest calls
  (let [s (after (open) [:ask "[:a/b]" :a/b 100 :k 0])]
    (is (= ["[[:a/b] \"c1\"]"] (writes s)))
    (testing "reply"
      (let [[s fx] (run s [[:value [:chsk/reply "c1" {:n 1}] 5]])]
        (is (= [[:k {:n 1}]] (settled fx)))
        (is (empty? (:calls s)))
        (is (= 1 (:late-replies (after s [:value [:chsk/reply "c1" 2] 6]))))))
    (testing "time-out, and what never left does not leave any more"
      (let [[s2 fx] (run s [[:tick 100]])]
        (is (= [[:k :chsk/timeout]] (settled fx)))
        (is (empty? (writes s2)))
        (is (empty? (settled (outputs s [:tick 99]))))))
    (testing "the link ends: what was sent fails with what the link says, what waits goes on"
      (let [sent   (after s [:flush] [:ask "[:a/b]" :a/b 1000 :k2 0])
            why    (wire/error :unavailable :sente-lite/sidecar-ended "ended" {})
            [s fx] (run sent [[:lost {:error why} 1 0]])]
        (is (= [[:k why]] (settled fx)))
        (is (= ["[:sente-lite/hello {:bundle true}]" "[[:a/b] \"c2\"]"]
               (mapv second (of :write (outputs s [:tick 101] [:linked 101] [:flush] [:value ready 101] [:flush])))))))
    (testing "the client ends: all are closed"
      (is (= [[:k :chsk/closed]] (settled (outputs s [:stop 1]))))
      (is (= [[:k3 :chsk/closed]] (settled (outputs (after s [:stop 1]) [:ask "[:a/b]" :a/b 10 :k3 2])))))))

(deftest a-reply-belongs-to-its-link
  (let [s (open)]
    (is (= ["[:chsk/reply \"x1\" 1]"] (writes (after s [:reply "[:chsk/reply \"x1\" 1]" 1]))))
    (testing "one that waited when the link was lost"
      (let [s (after s [:reply "[:chsk/reply \"x1\" 1]" 1] [:lost {} 1 0] [:tick 101] [:linked 101] [:flush] [:value ready 102])]
        (is (empty? (writes s)))))
    (testing "one that is made while there is none"
      (let [s (after s [:lost {} 1 0] [:reply "[:chsk/reply \"x1\" 1]" 1] [:tick 101] [:linked 101] [:flush] [:value ready 102])]
        (is (empty? (writes s)))
        (is (= 1 (:late-replies s)))))
    (testing "one that comes after the next is there"
      (let [s (after s [:lost {} 1 0] [:tick 101] [:linked 101] [:flush] [:value ready 102] [:reply "[:chsk/reply \"x1\" 1]" 1])]
        (is (empty? (writes s)))
        (is (= 1 (:late-replies s)))))))

(deftest backoff
  (is (= [100 300] [(retry/backoff-ms 0 0) (retry/backoff-ms 0 1)]))
  (is (= [[500 1000] [1000 2000] [15000 30000] [15000 30000]]
         (mapv (fn [n] [(retry/backoff-ms n 0) (retry/backoff-ms n 1)]) [1 2 6 60])))
  (testing "grows with failures, and begins anew after a link that was stable"
    (let [fail   (fn [s] (let [at (:retry-at s)] (after s [:tick at] [:lost {} at 0])))
          delays (fn [s n] (mapv second (take n (iterate (fn [[s _]] (let [at (:retry-at s) s (fail s)] [s (- (:retry-at s) at)]))
                                                         [s (- (:retry-at s) 10)]))))]
      (is (= [100 500 1000 2000] (delays (after (open) [:lost {} 10 0]) 4)))
      (let [s  (fail (fail (after (open) [:lost {} 10 0])))
            at (:retry-at s)
            again (after s [:tick at] [:linked at] [:value ready at])]
        (is (= 2000 (- (:retry-at (after again [:lost {} (+ at 10) 0])) (+ at 10))))
        (is (= 100 (- (:retry-at (after again [:lost {} (+ at 5000) 0])) (+ at 5000)))))))
  (testing "the user's own"
    (is (= 51 (:retry-at (after (open {:backoff-ms-fn (fn [tries luck] (+ 40 tries (* 10 luck)))} 0) [:lost {} 1 1])))))
  (testing "an overloaded sidecar is not asked again at once, a draining one when it says so"
    (is (= 510 (:retry-at (after (open) [:lost {:code 4001} 10 0]))))
    (is (= 2010 (:retry-at (after (open) [:lost {:code 4002 :reason "spread-ms=4000"} 10 0.5])))))
  (testing "a limit of tries"
    (is (= :closed (:phase (after (open {:max-tries 2} 0) [:lost {} 10 0] [:tick 110] [:lost {} 110 0]))))))

(deftest codes-that-end-it
  (doseq [code [4500 4501 4502 4503 4504 4505 4506 4507 4508]]
    (let [[s fx] (run (open) [[:lost {:code code :reason "r"} 1 0]])]
      (is (= :closed (:phase s)) (str code))
      (is (true? (:final? (nth (first (of :hook fx)) 2))))
      (is (nil? (:due s)))))
  (testing "the code that the other side said last counts"
    (let [s (after (open) [:value [:chsk/close {:code 4504 :reason "out"}] 1] [:lost {:code 1006} 2 0])]
      (is (= [:closed {:code 4504 :reason "out" :why :kicked}] [(:phase s) (:last-close s)]))))
  (doseq [code [1001 1006 4000 4001 4002]]
    (is (= :waiting (:phase (after (open) [:lost {:code code} 1 0]))) (str code)))
  (testing "connect opens it again"
    (is (= :connecting (:phase (after (open) [:lost {:code 4504} 1 0] [:connect 2]))))))

(deftest a-refused-hello
  (let [no (wire/error :forbidden :sente-lite/bad-token "no" {})
        [s fx] (run (session/create {:hello {}}) [[:connect 0] [:linked 0] [:value no 1]])]
    (is (= 1 (count (of :disconnect fx))))
    (let [s (after s [:lost {:code 1000} 1 0])]
      (is (= [:closed no] [(:phase s) (:error s)])))
    (testing "so is another protocol"
      (doseq [v [[:sente-lite/ready {:uid "a" :version "9.0" :protocol 2}] [:chsk/handshake ["a" nil {:version "9.0" :protocol 2} true]]]]
        (let [s (after (session/create {:hello {}}) [:connect 0] [:linked 0] [:value v 1])
              e (wire/error-map (:fatal s))]
          (is (= :sente-lite/version (:code e)))
          (is (str/includes? (:message e) "9.0 speaks protocol 2, and this library 1")))))
    (testing "so is an answer that is no sente-lite's"
      (doseq [v [[:sente-lite/hello {}] "x" 1 {:a 1} [[:a/b] "1"]]]
        (is (= :sente-lite/not-ready (:code (wire/error-map (:fatal (after (session/create {:hello {}}) [:connect 0] [:linked 0] [:value v 1])))))
            (pr-str v)))
      (is (= :sente-lite/not-ready (:code (wire/error-map (:fatal (after (session/create {:hello {}}) [:connect 0] [:linked 0] [:unreadable "EOF"])))))))))

(deftest the-first-time-must-succeed-for-a-sidecar
  (let [s (session/create {:hello {} :first-must? true})]
    (is (= :closed (:phase (after s [:connect 0] [:lost {} 1 0]))))
    (let [s (after s [:connect 0] [:linked 0] [:value [:sente-lite/ready {:uid "owner" :listen ["http://127.0.0.1:41234"]}] 1])]
      (is (= :waiting (:phase (after s [:lost {} 2 0]))))
      (testing "and it is started again where it was"
        (is (= ["[:sente-lite/hello {:config {:listen [\"http://127.0.0.1:41234\"]}}]"]
               (mapv second (of :write (outputs (after s [:lost {} 2 0]) [:tick 102] [:linked 102] [:flush])))))))))

(deftest no-answer-in-time
  (let [s (after (session/create {:connect-timeout-ms 50}) [:connect 0])]
    (is (= 50 (:due s)))
    (is (empty? (of :disconnect (outputs s [:tick 49]))))
    (is (= [[:disconnect 1006 "no answer in time" :sente-lite/no-answer]]
           (mapv (fn [fx] (update fx 3 #(:code (wire/error-map %)))) (of :disconnect (outputs s [:tick 50])))))
    (is (= 1 (count (of :disconnect (outputs s [:linked 10] [:tick 50])))))
    (is (empty? (of :disconnect (outputs s [:linked 10] [:value ready 20] [:tick 50]))))))

(deftest channels
  (let [s (after (open) [:subscribe "a"])]
    (is (= ["[[:sente-lite/subscribe {:channel-id \"a\"}] \"c1\"]"] (writes s)))
    (is (= [] (writes (after s [:flush] [:subscribe "a"]))))
    (testing "are joined again ahead of what waits"
      (let [s (after s [:flush] [:lost {} 1 0] [:send "[:a/b 1]" :a/b] [:tick 101] [:linked 101] [:flush] [:value ready 102])]
        (is (= ["[:batch/events [[[:sente-lite/subscribe {:channel-id \"a\"}] \"c2\"] [:a/b 1]]]"] (writes s)))))
    (testing "are left"
      (let [s (after s [:flush] [:unsubscribe "a"])]
        (is (= ["[[:sente-lite/unsubscribe {:channel-id \"a\"}] \"c2\"]"] (writes s)))
        (is (empty? (:subs s)))))
    (testing "that are refused are no longer wanted, and it is said"
      (let [[s fx] (run s [[:value [:chsk/reply "c1" {:channel-id "a" :success false :error :forbidden}] 1]])]
        (is (empty? (:subs s)))
        (is (= [:on-error] (hooks fx)))))))

(deftest silence
  (let [s (open {:heartbeat? true :kalive-ms 10 :ping-timeout-ms 20} 0)]
    (is (empty? (writes (after s [:tick 29]))))
    (let [asked (after s [:tick 30])]
      (is (= ["[:chsk/ws-ping]"] (writes asked)))
      (is (= [[:disconnect 4000 "ping timeout"]] (of :disconnect (outputs asked [:tick 50]))))
      (testing "anything that comes is an answer"
        (is (empty? (of :disconnect (outputs asked [:value [:a/b] 40] [:tick 50]))))))
    (testing "is not doubted on a pipe"
      (is (empty? (writes (after (open {} 0) [:tick 1000000])))))
    (testing "the other side's ping is answered ahead of all"
      (is (= ["[:chsk/ws-pong]" "[:a/b]"] (writes (after s [:send "[:a/b]" :a/b] [:value [:chsk/ws-ping] 1])))))))

(deftest waking-up
  (is (= [[:connect 2]] (of :connect (outputs (after (open) [:lost {} 1 0]) [:wake 2 :online]))))
  (let [s (after (open {:heartbeat? true :wake-ping-ms 5} 0) [:wake 100 :visible])]
    (is (= ["[:chsk/ws-ping]"] (writes s)))
    (is (= [[:disconnect 4000 "no pong after waking up"]] (of :disconnect (outputs s [:tick 105]))))
    (is (empty? (of :disconnect (outputs s [:value [:chsk/ws-pong] 104] [:tick 105]))))))

(deftest what-an-earlier-page-left
  (let [texts (fn [s] (mapv :text (:out (session/stored s))))
        s     (after (session/create {:hello {}}) [:send "[:a/b 2]" :a/b] [:restore {:out [{:text "[:a/b 0]" :id :a/b} {:text "[:a/b 1]" :id :a/b}]}])]
    (is (= ["[:a/b 0]" "[:a/b 1]" "[:a/b 2]"] (texts s)))
    (is (= (reduce + (map count (texts s))) (:chars s)))
    (testing "calls are not kept: nobody would hear the reply"
      (is (= 3 (count (texts (after s [:ask "[:a/b]" :a/b 10 :k 0]))))))))

(deftest what-cannot-be-read-is-counted-and-told
  (let [[s fx] (run (open) [[:unreadable "EOF while reading"] [:value "x" 1] [:value [:sente-lite/recv {:event 1}] 1]])]
    (is (= 3 (:unreadable s)))
    (is (= [:on-error] (hooks fx)))))

;; Whatever happens, in whatever order.

(defn- random-input [next! now n]
  (case (next! 16)
    (0 1 2 3) [:send (str "[:n/n " n "]") :n/n]
    (4 5)     [:ask (str "[:n/n " n "]") :n/n (inc (next! 300)) n now]
    6         [:linked now]
    (7 8)     [:flush]
    9         [:value ready now]
    10        [:lost {:code (given/pick next! [1006 1001 4000 4002 4504])} now (/ (next! 100) 100)]
    11        [:tick now]
    12        [:value [:chsk/reply (str "c" (inc (next! 40))) n] now]
    13        (given/pick next! [[:subscribe (next! 3)] [:unsubscribe (next! 3)] [:reply "[:chsk/reply \"x\" 1]" (next! 5)] [:wake now :online]])
    14        (given/pick next! [[:connect now] [:connect now] [:connect now] [:stop now]])
    15        [:value (given/pick next! [[:a/b 1] [[:a/b 1] "x1"] "junk" [:chsk/ws-ping] [:batch/events [[:a/b 1] [:a/b 2]]]
                                         [:chsk/reply "c1" 1]]) now]))

(defn- numbers
  "The numbers of the events in a text, calls included."
  [text]
  (mapv #(second %) (filter #(and (vector? %) (= :n/n (first %)))
                            (map #(if (vector? (first %)) (first %) %)
                                 (let [v (wire/read-text text)] (if (= :batch/events (first v)) (second v) [v]))))))

(defn- broken
  "What a step has broken, or nil. `seen` knows what was asked, settled and written."
  [{:keys [asked settled written]} was s fx]
  (let [texts (mapv second (of :write fx))
        nums  (mapcat numbers texts)]
    (cond
      (> (count (:out s)) (+ 20 (count (:subs s)) 3 (count (filter :turn (:out s))))) "the queue has grown beyond its bound"
      (not= (:chars s) (reduce + 0 (map #(count (:text %)) (:out s))))
      (str "the characters of the queue are counted as " (:chars s))
      (> (count (filter :k (vals (:calls s)))) 5)                        "more calls are open than may be"
      (and (seq nums) (not= :open (:phase was)))                         "an event was written on a link that is not open"
      (not= nums (sort nums))                                            "events have changed places"
      (some #(<= % (apply max -1 written)) nums)                         "an event was written twice, or late"
      (not (every? asked (map #(nth % 1) (of :settle fx))))              "something was settled that nobody asked"
      (some settled (map #(nth % 1) (of :settle fx)))                    "a call was settled twice"
      (and (= :closed (:phase s)) (some :k (vals (:calls s))))           "a call is open on a closed client"
      (and (:retry-at s) (or (nil? (:due s)) (> (:due s) (:retry-at s)))) "nothing will wake it for its next try")))

(defn- play [seed steps]
  (let [next! (given/lcg seed)]
    (loop [n 0 now 0 s (session/create {:hello {} :max-queue 20 :max-calls 5 :bundle-size 3}) seen {:asked #{} :settled #{} :written []}]
      (if (= n steps)
        (let [[s fx] (session/step s [:stop now])
              seen   (update seen :settled into (map #(nth % 1) (of :settle fx)))]
          (when-not (= (:asked seen) (:settled seen))
            (str "seed " seed ": never settled: " (pr-str (remove (:settled seen) (:asked seen))))))
        (let [input  (random-input next! now n)
              seen   (if (= :ask (first input)) (update seen :asked conj n) seen)
              [s2 fx] (session/step s input)]
          (if-let [what (broken seen s s2 fx)]
            (str "seed " seed ", step " n ", " (pr-str input) ": " what)
            (recur (inc n) (+ now (next! 60)) s2
                   (-> (update seen :settled into (map #(nth % 1) (of :settle fx)))
                       (update :written into (mapcat numbers (map second (of :write fx))))))))))))

(deftest whatever-happens
  (is (= [] (into [] (keep #(play % 300)) (range 1 #?(:clj 200 :cljs 30))))))

(deftest a-broken-invariant-is-seen
  (testing "or else the test above could not fail"
    (is (str/includes? (str (broken {:asked #{} :settled #{} :written []} {:phase :open} {:out [] :chars 1} [])) "characters"))
    (is (str/includes? (str (broken {:asked #{1} :settled #{1} :written []} {:phase :open} {:out [] :chars 0} [[:settle 1 nil]])) "twice"))
    (is (str/includes? (str (broken {:asked #{} :settled #{} :written [7]} {:phase :open} {:out [] :chars 0} [[:write "[:n/n 7]"]])) "twice"))))

;; What is too large for the other side's limits, which are known once the link is open.

(def big (str "[:a/big \"" (apply str (repeat 2000 "x")) "\"]"))

(deftest a-reply-that-is-too-large
  (let [s (open)
        s (after s [:value [[:a/ask 1] "x1"] 1])
        s (after s [:reply (str "[:chsk/reply \"x1\" \"" (apply str (repeat 2000 "x")) "\"]") 1 "x1" :a/ask])
        [written] (map wire/read-text (writes s))]
    (is (= :too-large (:status (:result s))))
    (is (= [:chsk/reply "x1"] (take 2 written)))
    (is (= :sente-lite/too-large (:code (wire/error-map (nth written 2)))) "who asked hears so")
    (is (= :open (:phase s)))))

(deftest a-call-is-measured-as-it-is-written
  (let [fits (fn [n] (str "[:a/b \"" (apply str (repeat n "x")) "\"]"))
        room (- 1000 (count (fits 0)))]
    (is (= :ok (:status (:result (after (open) [:send (fits room) :a/b])))))
    (is (= :too-large (:status (:result (after (open) [:ask (fits room) :a/b 1000 :k 0])))))))

(deftest what-waited-and-is-too-large
  (let [s  (session/create {:hello {:bundle true}})
        s  (after s [:connect 0] [:send big :a/big] [:ask big :a/big 10000 :k 0] [:send "[:a/b]" :a/b] [:linked 1] [:flush])
        [s fx] (run s [[:value ready 2]])]
    (is (some #{:on-error} (hooks fx)))
    (is (= [[:k :sente-lite/too-large]] (map (fn [[k v]] [k (:code (wire/error-map v))]) (settled fx))))
    (is (= ["[:a/b]"] (writes s)) "the rest still leaves")))
