(ns sente-lite.queue
  "What waits for a link, as plain data: its limits, what happens to an event that
  finds it full, how long an event is worth sending, and the ledger of those that
  were not. Pure; an item is {:text :id :at}, and :cb of a call, :era of a reply,
  :free? where it costs no credit, :expires, :on-full."
  {:no-doc true}
  (:require [sente-lite.wire :as wire]))

(def most-rows
  "Of a ledger. Older ones are counted only."
  1000)

(defn lose
  "Notes events that do not reach the other side: why, and when. Calls and replies
  have no row: who asked is told."
  [s why now items]
  (reduce (fn [s {:keys [id cb era]}]
            (if (or cb era)
              s
              (let [rows (conj (get-in s [:ledger :rows] []) {:event-id id :why why :at now})
                    over (> (count rows) most-rows)]
                (-> s
                    (assoc-in [:ledger :rows] (if over (subvec rows 1) rows))
                    (update-in [:ledger :why why] (fnil inc 0))
                    (cond-> over (update-in [:ledger :lost-rows] (fnil inc 0)))))))
          s items))

(defn chars-of [items] (transduce (map #(count (:text %))) + 0 items))

(defn put-all
  "The queue, anew."
  [s items]
  (assoc s :out items :chars (chars-of items)))

(defn keep-those
  "Of what waits, that which is wanted."
  [s wanted?]
  (put-all s (filterv wanted? (:out s))))

(defn without
  "The first of what waits that `unwanted?` says, taken out: [state item]."
  [s unwanted?]
  (let [out  (:out s)
        i    (first (keep-indexed (fn [i item] (when (unwanted? item) i)) out))
        item (when i (nth out i))]
    (if i
      [(assoc s :out (into (subvec out 0 i) (subvec out (inc i))) :chars (- (:chars s) (count (:text item)))) item]
      [s nil])))

(defn plain?
  "Is it an event of the user's, no call or reply and no word of the link's own?"
  [{:keys [cb era free?]}]
  (not (or cb era free?)))

;; Limits.

(defn most-bytes [s] (get-in s [:limits :max-message-bytes] 16777215))

(defn too-large? [s text]
  (let [most (most-bytes s)]
    (and (> (* 3 (count text)) most) (> (wire/byte-length text) most))))

(defn large
  "What is told where something has more bytes than one message may have."
  [s what more]
  (wire/error :incorrect :sente-lite/too-large
              (str what " has more than the " (most-bytes s) " bytes that one message may have")
              (merge {:hint "send less at once, or raise :flow :max-message-bytes"} more)))

(defn full?
  "Has it no room for a text? One event always has."
  [s text now]
  (let [{:keys [max-queue max-queue-bytes max-queue-age-ms]} (:o s)
        n (count (:out s))]
    (or (>= n max-queue)
        (and (pos? n)
             (or (> (+ (:chars s) (count text)) max-queue-bytes)
                 (boolean (and max-queue-age-ms now (:at (nth (:out s) 0)) (> (- now (:at (nth (:out s) 0))) max-queue-age-ms))))))))

(defn refusal
  "Why an item cannot be queued, or nil."
  [s text id now]
  (let [n (count (:out s))]
    (cond
      (= :closed (:phase s))
      {:status :closed :queue-size n
       :error (wire/error :unavailable :chsk/closed (str id " was not sent: the link is closed") {:event-id id})}

      (full? s text now)
      {:status :backpressure :queue-size n
       :error (wire/error :busy :sente-lite/backpressure
                          (str id " was not queued: " n " wait already, and the limits are " (:max-queue (:o s)) " events and "
                               (:max-queue-bytes (:o s)) " characters"
                               (when-let [ms (:max-queue-age-ms (:o s))] (str ", none older than " ms " ms")))
                          {:event-id id :retry? true :hint "wait for (flush!), send with {:on-full :block}, or raise :max-queue or :max-queue-bytes"})}

      (too-large? s text)
      {:status :too-large :queue-size n
       :error (wire/error :incorrect :sente-lite/too-large
                          (str id " was not queued: it has more than the " (most-bytes s) " bytes that one message may have")
                          {:event-id id :hint "send less at once, or raise :flow :max-message-bytes"})})))

(defn policy
  "What happens to an event that finds the queue full: what was said of this one,
  of its id, of its namespace, or of all."
  [{:keys [on-full]} id own]
  (or own
      (if (map? on-full)
        (or (get on-full id) (get on-full (keyword (namespace id) "*")) (:default on-full))
        on-full)
      :notify))

(defn make-room
  "Applies a policy. Returns the state, in which there is room or still none."
  [s how text id now]
  (case how
    :drop-oldest (loop [s s]
                   (if (full? s text now)
                     (let [[s item] (without s plain?)]
                       (if item (recur (lose s :drop-oldest now [item])) s))
                     s))
    :coalesce    (let [[s item] (without s #(and (plain? %) (= id (:id %))))]
                   (if item (lose s :coalesce now [item]) s))
    :drop-newest (lose s :drop-newest now [{:id id}])
    s))

(defn expire
  "Leaves out the events whose time has passed."
  [s now]
  (let [old? #(and (:expires %) (<= (:expires %) now))
        old  (filterv old? (:out s))
        s    (if (seq old) (lose (keep-those s (complement old?)) :expired now old) s)
        left (keep :expires (:out s))]
    (assoc s :expiring (when (seq left) (reduce min left)))))

(defn view
  "How it is, for people and monitors."
  [s now]
  (let [all (into (vec (:kept s)) (:out s))
        at  (:at (first all))]
    {:count (count (:out s)) :chars (:chars s) :unacked (count (:kept s)) :credit (:window s)
     :oldest-ms (when at (max 0 (- now at)))
     :top (vec (take 10 (sort-by (fn [[id n]] [(- n) (str id)]) (frequencies (map :id all)))))
     :status (if (or (>= (count (:out s)) (:max-queue (:o s))) (>= (:chars s) (:max-queue-bytes (:o s))))
               :backpressure
               (if (> (count (:out s)) 100) :slow :ok))}))
