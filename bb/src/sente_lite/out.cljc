(ns sente-lite.out
  "What core's functions that send do: an event as its text, addressed where it is
  for somebody, into the queue, or a call; and a sender that gathers events and hands
  them on together."
  {:no-doc true}
  (:require [sente-lite.client :as client]
            [sente-lite.handlers :as handlers]
            [sente-lite.inbox :as inbox]
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

(defn buffered
  "See sente-lite.core/make-buffered-sender. `after` is a platform's."
  [f after {:keys [event-buffer-ms event-buffer-size max-buffer-size]
            :or {event-buffer-ms 25 event-buffer-size 100 max-buffer-size 1000}}]
  (let [state (atom {:items [] :closed? false :timer nil})
        hand! (fn []
                (let [[{:keys [items timer]} _] (inbox/swap-both! state assoc :items [] :timer nil)
                      back! (fn [] (swap! state update :items #(into (vec items) %)))]
                  (when timer (timer))
                  (when (seq items)
                    (try
                      (when (= :backpressure (:status (f items))) (back!))
                      (catch #?(:clj Exception :cljs :default) e
                        (back!)
                        (throw e))))))
        wait! (fn wait! []
                (when (and (seq (:items @state)) (nil? (:timer @state)))
                  (swap! state assoc :timer
                         (after event-buffer-ms (fn []
                                                  (swap! state assoc :timer nil)
                                                  (try (hand!) (finally (wait!))))))))
        status (fn [s] {:status s :queue-size (count (:items @state))})]
    (fn [event]
      (case event
        :flush! (do (hand!) (wait!) (status (if (seq (:items @state)) :backpressure :ok)))
        :close! (do (swap! state assoc :closed? true)
                    (hand!)
                    (status :closed))
        (let [[old new] (inbox/swap-both! state (fn [{:keys [items closed?] :as s}]
                                            (if (or closed? (>= (count items) max-buffer-size)) s (assoc s :items (conj items event)))))
              n (count (:items new))]
          (cond
            (:closed? new)         (status :closed)
            (identical? old new)   (status :backpressure)
            (>= n event-buffer-size) (do (hand!) (wait!) {:status (if (> n event-buffer-size) :frame-full :ok) :queue-size n})
            :else                  (do (wait!) {:status :ok :queue-size n})))))))
