(ns sente-lite.memory-peer
  "How the sidecar in memory writes to one peer and reads from it: numbers,
  acknowledgements, credit, and what waits while the peer is away. A flow is an
  atom, since it outlives the links of its peer."
  {:no-doc true}
  (:require [sente-lite.wire :as wire]))

(def ^:private uncounted
  #{:sente-lite/hello :sente-lite/ready :chsk/handshake :chsk/ws-ping :chsk/ws-pong :sente-lite/ack :sente-lite/credit :chsk/close})

(def ^:private free
  #{:sente-lite/error :sente-lite/open :sente-lite/close :sente-lite/reconnect})

(def granted
  "Events and calls that a peer with credit may have on their way here."
  256)

(defn- id-of
  "The id of an event, or of a call's."
  [v]
  (let [id (when (vector? v) (nth v 0 nil))]
    (if (vector? id) (nth id 0 nil) id)))

(defn counts? [v] (not (contains? uncounted (id-of v))))

(defn costs? [v]
  (let [id (id-of v)]
    (not (or (contains? free id) (contains? uncounted id) (and (keyword? id) (= "chsk" (namespace id)))))))

(defn create
  "Of a link: {:put! :shut! :waiting :when-written}."
  [link clock]
  (atom {:link link :clock clock :queue [] :kept [] :seq 0 :window nil :dropped 0
         :received 0 :acked-in 0 :spent 0 :recover? false :credit? false :ack-timer? false}))

(defn waiting [f]
  (let [{:keys [queue link]} @f]
    (+ (count queue) (if link ((:waiting link)) 0))))

(defn direct!
  "Ahead of everything, without a number."
  [f value]
  (when-let [link (:link @f)] ((:put! link) (wire/text value))))

(defn- takeable [{:keys [queue window]}]
  (loop [i 0 w window]
    (if (or (= i (count queue)) (and w (zero? w) (:costs? (nth queue i))))
      i
      (recur (inc i) (if (and w (:costs? (nth queue i))) (dec w) w)))))

(defn pump!
  "Writes what may be written."
  [f]
  (let [{:keys [queue link] :as st} @f
        n    (if link (takeable st) 0)
        now  (subvec queue 0 n)]
    (when (pos? n)
      (swap! f (fn [st]
                 (-> (assoc st :queue (vec (subvec (:queue st) n)) :seq (+ (:seq st) n))
                     (cond-> (:recover? st) (update :kept into now)
                             (:window st) (update :window - (count (filter :costs? now)))))))
      (run! (fn [part] ((:put! link) (wire/bundle (map :text part)))) (partition-all 100 now)))))

(defn write!
  "An item of the peer's, in its turn. While it is away at most max-msgs wait, and
  the oldest go."
  [f value max-msgs]
  (swap! f (fn [{:keys [link queue] :as st}]
             (let [over? (and (nil? link) (>= (count queue) max-msgs))]
               (-> (assoc st :queue (conj (if over? (vec (rest queue)) queue) {:text (wire/text value) :costs? (costs? value)}))
                   (cond-> over? (update :dropped inc))))))
  (pump! f))

;; From the peer.

(defn- ack! [f]
  (let [{:keys [received acked-in]} @f]
    (when (> received acked-in)
      (swap! f assoc :acked-in received)
      (direct! f [:sente-lite/ack received]))))

(defn read!
  "Notes an item that has come. Whether it is one that the flow itself takes."
  [f v]
  (let [{:keys [clock]} @f
        n (when (vector? v) (nth v 1 nil))]
    (case (id-of v)
      :sente-lite/ack    (do (swap! f (fn [{:keys [kept] :as st}]
                                        (let [left (- (:seq st) n)]
                                          (if (<= 0 left (count kept)) (assoc st :kept (vec (subvec kept (- (count kept) left)))) st))))
                             true)
      :sente-lite/credit (do (swap! f (fn [st] (if (:window st) (update st :window + n) st)))
                             (pump! f)
                             true)
      (do
        (when (counts? v)
          (swap! f update :received inc))
        (when (and (costs? v) (:credit? @f))
          (let [spent (:spent (swap! f update :spent inc))]
            (when (>= spent (quot granted 2))
              (swap! f assoc :spent 0)
              (direct! f [:sente-lite/credit spent]))))
        (when (:recover? @f)
          (cond
            (>= (- (:received @f) (:acked-in @f)) 32) (ack! f)
            (not (:ack-timer? @f)) (do (swap! f assoc :ack-timer? true)
                                       ((:after clock) 1000 (fn [] (swap! f assoc :ack-timer? false) (ack! f))))))
        false))))

;; Coming back.

(defn top "The highest number given." [f]
  (let [{:keys [seq queue dropped]} @f] (+ seq (count queue) dropped)))

(defn trouble
  "Why a peer that has seen so many cannot go on, or nil."
  [f seen]
  (let [{:keys [seq kept dropped]} @f]
    (cond
      (> seen seq)                   :ahead
      (pos? dropped)                 :overwritten
      (< seen (- seq (count kept)))  :overwritten)))

(defn resume!
  "Another link for the same peer, which has seen so many."
  [f link seen credit]
  (swap! f (fn [{:keys [seq kept queue] :as st}]
             (assoc st :link link :seq seen :kept [] :queue (into (vec (take-last (- seq seen) kept)) queue)
                    :window credit :spent 0 :acked-in (:received st)))))
