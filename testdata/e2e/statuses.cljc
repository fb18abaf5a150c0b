(ns statuses
  "An owner that sends to somebody who does not read, and writes what it hears of
  that, and of somebody else meanwhile."
  (:require [sente-lite.core :as s]))

(defn say! [& words] (println (apply str (interpose " " words))) #?(:clj (flush)))

(defn then [p f] #?(:clj (future (f @p)) :cljs (.then p f)))

(def filler (apply str (repeat 10000 "x")))

(defn blocked!
  "One that is to wait does, and nobody waits for it."
  [c slow fast]
  (let [waits (s/send-to-client! c slow [:wait/x filler] {:confirm? true})
        other (s/send-to-client! c fast [:x/y 1] {:confirm? true})]
    (then other (fn [r]
                  (say! "fast" (:status r))
                  (then waits (fn [r] (say! "waited" (:status r))))))))

(defn fill!
  "Until it is refused."
  [c slow n k]
  (then (s/send-to-client! c slow [:x/y filler] {:confirm? true})
        (fn [{:keys [status] :as r}]
          (cond
            (= :backpressure status)               (do (say! "backpressure after" n) (k))
            (and (#{:ok :frame-full} status) (< n 5000)) (fill! c slow (inc n) k)
            :else                                  (say! "unexpected" n (pr-str r))))))

(defn begin! [url slow fast]
  (let [c (s/connect! {:url url :on-error (fn [e] (say! "error" (:code e) (:event-id e)))})]
    (fill! c slow 0
           (fn []
             ;; One that nobody asks about is told as an error.
             (say! "sent" (:status (s/send-to-client! c slow [:told/x filler])))
             (blocked! c slow fast)))
    (s/wait! c)))

#?(:clj  (apply begin! *command-line-args*)
   :cljs (apply begin! (take-last 3 (js->clj (.-argv js/process)))))
