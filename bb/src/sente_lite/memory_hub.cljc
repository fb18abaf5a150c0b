(ns sente-lite.memory-hub
  "Who is there in the sidecar in memory, and how something reaches them: whom a
  target names, what becomes of an event to many, and the calls that wait for a
  reply. A hub is a map; what changes is in the atom :state."
  {:no-doc true}
  (:require [clojure.string :as str]
            [sente-lite.memory-peer :as peer]
            [sente-lite.wire :as wire]))

(def ^:private flow
  {:max-message-bytes 16777215 :max-depth 512 :max-buffer-size 1000 :max-buffer-bytes 8388608
   :call-timeout-ms 30000 :ws-kalive-ms 5000 :ws-ping-timeout-ms 10000
   :event-buffer-ms 0 :event-buffer-size 100 :max-frame-size 65536
   :max-recv-queue-size 5000 :max-recv-bytes 100000000 :on-recv-full :notify})

(def ^:private most-calls 1000)
(def ^:private pressure-ms 100)

(defn config [h] (:config @(:state h)))
(defn limits [h]
  (merge flow {:backup-secs 5 :max-msgs 100}
         (select-keys (:connection-state-recovery (:flow (config h))) [:backup-secs :max-msgs])
         (select-keys (:flow (config h)) (keys flow))))
(defn session [h n] (get-in @(:state h) [:sessions n]))

(defn next-number! [h] (:next (swap! (:state h) update :next inc)))

(defn peers
  "Peers in the order of their coming."
  ([h] (peers h (constantly true)))
  ([h wanted] (sort-by :n (filter #(and (:uid %) (wanted %)) (vals (:sessions @(:state h)))))))

;; Out.

(defn write! [s value] (peer/write! (:flow s) value (:max-msgs s 100)))
(defn waiting [s] (peer/waiting (:flow s)))

(defn- put!
  "Queues an event: :ok, :backpressure or :gone."
  [h s value]
  (cond
    (nil? (session h (:n s)))                                 :gone
    (>= (waiting s) (:max-buffer-size (limits h)))         :backpressure
    :else                                                     (do (write! s value) :ok)))

(defn answer!
  "A reply, or the bare value where nobody asked."
  [s cb value]
  (write! s (if cb [:chsk/reply cb value] value)))

(defn refuse! [s cb e] (answer! s cb e))

(defn- full [h s]
  (wire/error :busy :sente-lite/backpressure
              (str (pr-str (:uid s)) " has " (waiting s) " events queued and does not take more: the limit is "
                   (:max-buffer-size (limits h)) " events or " (:max-buffer-bytes (limits h)) " bytes")
              {:retry? true :hint "wait until it has read, or raise :flow :max-buffer-size or :max-buffer-bytes"
               :data {:status :backpressure :queue-size (waiting s) :uid (:uid s)}}))

(defn- gone [id]
  (wire/error :unavailable :sente-lite/closed "the peer's connection has just closed" {:retry? true :event-id id}))

(defn about
  "An error that names its event and how many it stands for."
  [e id count]
  (update e 1 (fn [m] (cond-> (assoc m :event-id id) count (assoc :count count :data (assoc (:data m) :count count))))))

(defn- pressed!
  "Tells a sender of what was refused: at once, and then at most once per
  receiver and 100 ms, with a count."
  [h from to id]
  (let [k [(:n from) (:n to)]]
    (if (get-in @(:state h) [:notes k])
      (swap! (:state h) update-in [:notes k :count] inc)
      (let [again (fn again []
                    (let [{:keys [count id]} (get-in @(:state h) [:notes k])]
                      (if (zero? count)
                        (swap! (:state h) update :notes dissoc k)
                        (do (swap! (:state h) assoc-in [:notes k :count] 0)
                            (when-let [s (session h (:n from))] (write! s (about (full h to) id count)))
                            ((:after h) pressure-ms again)))))]
        (swap! (:state h) assoc-in [:notes k] {:count 0 :id id})
        (write! from (about (full h to) id 1))
        ((:after h) pressure-ms again)))))

(defn send-all!
  "One event to many. A call's reply says how it went, a plain event's sender
  hears of refusals only."
  [h from cb id value to]
  (let [done (mapv (fn [s] [s (put! h s value)]) to)
        lone (= 1 (count to))]
    (if cb
      (let [bad? (some #(= :backpressure (second %)) done)
            here (remove #(= :gone (second %)) done)]
        (if (and lone (empty? here))
          (refuse! from cb (gone id))
          (answer! from cb {:status (if bad? :backpressure :ok) :queue-size (reduce max 0 (map #(waiting (first %)) here)) :peers (count here)})))
      (doseq [[s status] done]
        (case status
          :backpressure (pressed! h from s id)
          :gone         (when lone (refuse! from nil (gone id)))
          nil)))))

;; Who is meant.

(defn bad-target [message] (wire/error :incorrect :sente-lite/bad-target message {}))

(defn- nobody [uid]
  (wire/error :not-found :sente-lite/no-such-peer (str "nobody has the uid " (pr-str uid)) {:hint "[[:sente-lite/peers {}] \"cb\"] lists who is there"}))

(defn- of-uid [h uid] (peers h #(= uid (:uid %))))

(defn- named [h to]
  (cond
    (string? to)
    (let [all (of-uid h to)] (if (seq all) all (nobody to)))

    (or (set? to) (vector? to))
    (if-let [odd (first (remove string? to))]
      (bad-target (str "a uid in the set :to must be a string, not " (pr-str odd)))
      (mapcat #(of-uid h %) to))

    (= :all to)
    (peers h #(= :client (:role %)))

    (and (map? to) (= 1 (count to)) (contains? to :channel))
    (keep #(session h %) (get-in @(:state h) [:channels (:channel to)]))

    (and (map? to) (= 1 (count to)) (string? (:client-id to)))
    (let [all (peers h #(= (:client-id to) (:client-id %)))]
      (if (seq all) all (wire/error :not-found :sente-lite/no-such-peer "nobody has that :client-id" {})))

    (and (map? to) (= 1 (count to)) (contains? #{:owner :client "owner" "client"} (:role to)))
    (peers h #(= (keyword (:role to)) (:role %)))

    :else
    (bad-target (str ":to must be a uid, a set of uids, :all, {:channel \"c\"}, {:client-id \"c\"} or {:role :client}, not " (pr-str to)))))

(defn resolve-target
  "The peers that a target names, or an error."
  [h to except]
  (let [all (named h to)]
    (cond
      (wire/error? all)                                all
      (nil? except)                                    all
      (not (or (set? except) (vector? except)))        (bad-target (str ":except must be a set of uids, not " (pr-str except)))
      :else                                            (remove #(contains? (set except) (:uid %)) all))))

(defn matches? [pattern text]
  (if (str/ends-with? pattern "*")
    (str/starts-with? text (subs pattern 0 (dec (count pattern))))
    (= pattern text)))

(defn allowed? [h s what x]
  (let [p (get-in (config h) [:policy what] true)]
    (or (= :owner (:role s)) (true? p)
        (and (sequential? p) (boolean (some #(matches? % (if (string? x) x (pr-str x))) p))))))

;; Calls.

(defn- settle!
  "Brings a call its value, once."
  [h id value]
  (let [{:keys [from cb settled? cancel]} (get-in @(:state h) [:calls id])]
    (when (and from (not settled?))
      (cancel)
      (swap! (:state h) update :calls dissoc id)
      (when-let [s (and cb (session h from))]
        (answer! s cb value)))))

(defn drop-leg!
  "One who was asked is out of it; after the last one the caller gets `value`."
  [h id n value]
  (swap! (:state h) (fn [st] (if (get-in st [:calls id]) (update-in st [:calls id :legs] disj n) st)))
  (when (empty? (get-in @(:state h) [:calls id :legs]))
    (settle! h id value)))

(defn- open-calls [h n] (count (filter #(= n (:from %)) (vals (:calls @(:state h))))))

(defn pass!
  "Passes a call on to peers: the first reply counts. Returns an error where it
  cannot be passed."
  [h from cb life to event]
  (cond
    (>= (open-calls h (:n from)) most-calls)
    (wire/error :busy :sente-lite/too-many-calls "1000 calls of this peer are open; wait for replies before asking more" {:retry? true})

    (some #(and (= (:n from) (:from %)) cb (= cb (:cb %))) (vals (:calls @(:state h))))
    (wire/error :conflict :sente-lite/cb-in-use (str "a call with the cb " (pr-str cb) " is still open; each open call needs a cb of its own") {})

    :else
    (let [id (str "x" (next-number! h))]
      (swap! (:state h) assoc-in [:calls id]
             {:from (:n from) :cb cb :legs (set (map :n to)) :cancel ((:after h) life #(settle! h id :chsk/timeout))})
      (doseq [s to]
        (case (put! h s [event id])
          :ok           nil
          :backpressure (drop-leg! h id (:n s) (full h s))
          :gone         (drop-leg! h id (:n s) (gone (nth event 0)))))
      nil)))

(defn reply! [h s [_ id value]]
  (let [call (get-in @(:state h) [:calls id])]
    (cond
      (not (contains? (:legs call) (:n s)))
      (refuse! s nil (wire/error :not-found :sente-lite/no-such-call
                                 (str "no call with the cb " (pr-str id) " waits for a reply of this peer: it timed out, has been answered, or never was")
                                 {:hint "answer each call once, within :call-timeout-ms"}))

      (nil? (session h (:from call)))
      (do ((:cancel call))
          (swap! (:state h) update :calls dissoc id)
          (refuse! s nil (wire/error :unavailable :sente-lite/caller-gone (str "who asked has gone; the reply to " (pr-str id) " reaches nobody") {})))

      :else (settle! h id value))))
