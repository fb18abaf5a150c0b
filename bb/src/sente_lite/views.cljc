(ns sente-lite.views
  "How a client is: its link, its queues, its numbers, for people and monitors."
  {:no-doc true}
  (:require [sente-lite.client :as client]
            [sente-lite.inbox :as inbox]
            [sente-lite.queue :as queue]
            [sente-lite.recovery :as recovery]))

(defn- out-view [c] (queue/view @(:state c) ((:now (:platform c)))))

(defn state
  "See sente-lite.core/state."
  [c]
  (let [s (if (client/client? c) @(:state c) {:phase :idle})]
    (assoc (select-keys s [:phase :uid :session :reason :last-close :tries :retry-at]) :open? (= :open (:phase s)))))

(defn inbox
  "See sente-lite.core/inbox."
  [c]
  (if (client/client? c)
    {:size (inbox/size @(:inbox c)) :refused (:refused @(:stats c)) :handling (:handling @(:stats c))}
    {:size 0 :refused 0 :handling nil}))

(defn stats
  "See sente-lite.core/stats."
  [c]
  (if (client/client? c)
    (let [s @(:state c) n @(:stats c)]
      (merge (select-keys s [:received :unreadable])
             {:sent (:written (recovery/position s)) :unacked (count (:kept s))}
             (select-keys n [:handled :unhandled :refused :handler-errors])
             {:queue-size (count (:out s)) :queue-chars (:chars s) :open-calls (count (:calls s))
              :inbox (inbox/size @(:inbox c)) :late-replies (+ (:late-replies s) (:late-replies n))
              :reconnects (max 0 (dec (:turn s)))}))
    {:sent 0 :received 0 :queue-size 0 :inbox 0}))

(defn pending
  "See sente-lite.core/pending."
  [c]
  (let [{:keys [count unacked oldest-ms]} (if (client/client? c) (out-view c) {:count 0 :unacked 0})
        n (+ count unacked)]
    {:count n :queued count :unacked unacked :oldest-ms oldest-ms :safe-to-close? (zero? n)}))

(defn queues
  "See sente-lite.core/queues."
  [c]
  (when (client/client? c)
    {:out (out-view c)
     :in  (let [in (inbox/view @(:inbox c) ((:now (:platform c))))]
            #?(:scittle in
               :default (if-let [sp (:spill c)] (assoc in :persisted ((:waiting sp))) in)))}))
