(ns sente-lite.out
  "What core's functions that send do: an event as its text, addressed where it is
  for somebody, into the queue, or a call."
  {:no-doc true}
  (:require [sente-lite.client :as client]
            [sente-lite.handlers :as handlers]
            [sente-lite.intake :as intake]
            [sente-lite.life :as life]
            [sente-lite.wire :as wire]))

(defn- put-text!
  "Sends a text, or waits until there is room for it, where that was asked for."
  [c text id opts]
  (let [res (client/send! c text id opts)]
    (if (:block? res)
      ((:wait (:platform c)) (client/wait-for-room! c text id opts))
      res)))

(defn put!
  "See sente-lite.core/send!."
  [c event opts]
  (if (client/client? c)
    (put-text! c (wire/event-text "send!" event) (nth event 0) opts)
    life/closed))

(defn- owner?
  "Does the sidecar take owner events from this client?"
  [c]
  (or (:owner? (:options c)) (= :spawn (:kind (:target c))) (contains? (:ready @(:state c)) :pid)))

(defn- wrapped
  "The text of an event for somebody, around the event's own: an owner addresses
  anyone, a client one uid."
  [c to text more]
  (cond
    (owner? c)   (str "[:sente-lite/send {:to " (wire/text to) " :event " text
                      (when-let [x (:except more)] (str " :except " (wire/text x))) "}]")
    (string? to) (str "[:msg/send-to-client {:to-uid " (wire/text to) " :message " text "}]")
    :else (throw (ex-info (str "sente-lite: send-to-client!: " (pr-str to) ": a client may address one uid; a set, :all or a map is an owner's")
                          {:category :forbidden :code :sente-lite/forbidden :given to :expected "a uid, a string"}))))

(defn put-to!
  "See sente-lite.core/send-to-client!."
  [c to event opts]
  (if (client/client? c)
    (put-text! c (wrapped c to (wire/event-text "send-to-client!" event) opts) (nth event 0) (not-empty (dissoc opts :except)))
    life/closed))

(defn ask!
  "See sente-lite.core/ask!."
  [c args]
  (let [to       (when-not (vector? (first args)) (first args))
        [event opts] (if (vector? (first args)) args (rest args))
        {:keys [promise deliver]} ((:promise (:platform c)))
        {:keys [timeout-ms cb]} opts
        timeout-ms (or timeout-ms (:call-timeout-ms (:options c)))
        text  (wire/event-text "ask!" event)
        text  (if to
                (wire/text [:sente-lite/request {:to to :event event :timeout-ms timeout-ms}])
                text)
        k     (if cb
                (fn [v] (deliver v) (intake/later! c event #(cb v)))
                deliver)]
    (client/result! c [:ask text (nth event 0) timeout-ms k ((:now (:platform c)))])
    promise))

(defn subscribe!
  "See sente-lite.core/subscribe!."
  [c channel f]
  (wire/text channel)
  (when f (handlers/join! c channel f))
  (client/input! c [:subscribe channel])
  {:status (if (= :open (:phase @(:state c))) :ok :queued)})

(defn unsubscribe!
  "See sente-lite.core/unsubscribe!."
  [c channel]
  (handlers/leave! c channel)
  (client/input! c [:unsubscribe channel])
  {:status :ok})
