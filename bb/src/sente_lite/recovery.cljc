(ns sente-lite.recovery
  "What outlives a link: the numbers of what has been written and received, what is
  kept until it is acknowledged, and what becomes of it when the next link is
  there. Pure functions of a session's state.

  Numbers are not stored: :sent is that of the last item written, :kept are the
  last (count :kept) of them. :base is how many were written in earlier sessions,
  :era the number of this one."
  {:no-doc true}
  (:require [sente-lite.flow :as flow]
            [sente-lite.queue :as queue]
            [sente-lite.wire :as wire]))

(defn alive?
  "Is there a session that a next link may go on with?"
  [s]
  (boolean (and (:recover? s) (:session s))))

(defn greeting
  "What a returning client says of itself: nil, or {:session :seen}."
  [s]
  (when (alive? s) {:session (:session s) :seen (:received s)}))

(defn forget
  "The session is over: the next link begins another."
  [s]
  (assoc s :session nil))

(defn position
  "How many items have been written, and acknowledged, since the client began."
  [{:keys [base sent kept]}]
  {:written (+ base sent) :acked (- (+ base sent) (count kept))})

(defn acked
  "The other side has received the items up to n."
  [s n]
  (let [left (- (:sent s) (if (int? n) n 0))]
    (if (and (:recover? s) (<= 0 left) (< left (count (:kept s))))
      (let [kept (:kept s)
            kept (vec (subvec kept (- (count kept) left)))]
        (flow/go-on (assoc s :kept kept :kept-chars (queue/chars-of kept))))
      s)))

(defn- resume
  "The session goes on: what the other side lacks goes ahead of everything, under
  the numbers that it had."
  [s seen]
  (let [s    (if (> seen (:sent s)) ; a page that has crashed does not know of its last words
               (assoc s :sent seen :kept [] :kept-chars 0)
               (acked s seen))
        n    (count (:kept s))
        ;; A call whose caller has given up has not arrived: it does not any more.
        kept (filterv #(or (nil? (:cb %)) (contains? (:calls s) (:cb %))) (:kept s))
        s    (assoc s :sent (- (:sent s) n) :kept [] :kept-chars 0 :acked-in (:received s) :ack-now? false :ack-at nil)]
    (if (seq kept)
      (flow/hurry (queue/put-all s (into kept (:out s))))
      s)))

(defn- told-unacked
  "Those who wrote events that may or may not have arrived hear so, once."
  [s lost]
  (let [n (count lost)]
    (if (zero? n)
      s
      (flow/emit s [:hook :on-error
                    (second (wire/error :interrupted :sente-lite/unacknowledged
                                        (str n " events were written and not acknowledged before the session was lost: they may or may not have arrived")
                                        {:count n :hint "(ledger) names them; make handlers that can take an event twice, and send again"
                                         :data {:count n :event-ids (frequencies (map :id lost))}}))]))))

(defn- begin-anew
  "Another session: both counts from 0. What was never written is sent; calls that
  were written get `value`, replies have nobody left to hear them."
  [s now fail-calls]
  (let [lost (filterv queue/plain? (:kept s))
        gone (count (filter :era (:out s)))
        s    (-> (assoc s :base (+ (:base s) (:sent s)) :sent 0 :kept [] :kept-chars 0
                        :received 0 :free-in 0 :acked-in 0 :ack-now? false :ack-at nil :era (inc (:era s)))
                 (update :late-replies + gone)
                 (queue/lose :unacked now lost)
                 fail-calls)]
    (-> (queue/keep-those s (fn [{:keys [cb era]}] (and (nil? era) (or (nil? cb) (contains? (:calls s) cb)))))
        (told-unacked lost))))

(defn opened
  "The outcome of the next link: [state resumed? lost], lost the count of events
  that were written and not acknowledged. Recovery is on where we asked for it and
  the other side keeps sessions."
  [s data now fail-calls]
  (let [on?     (boolean (and (:recover? (:o s)) (pos? (get-in data [:limits :backup-secs] 0))))
        resumed (boolean (and (alive? s) (:recovered? data)))
        lost    (count (filter queue/plain? (:kept s)))
        s       (if resumed (resume s (:seen data 0)) (begin-anew s now fail-calls))]
    [(assoc s :recover? on? :session (:session data)) resumed (if resumed 0 lost)]))
