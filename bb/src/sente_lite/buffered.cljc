(ns sente-lite.buffered
  "A sender that gathers events and hands them on together. A page loads it with
  what few pages need."
  {:no-doc true}
  (:require [sente-lite.inbox :as inbox]))

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
