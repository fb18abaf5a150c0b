(ns sente-lite.flow
  "When what waits is written: bundles and the window in which they gather, credit
  both ways, acknowledgements. Pure functions of a session's state.

  The window: nothing is held unless the last bundle had more than one item and
  was written less than :hold-ms ago. Then what comes waits until that long after
  it, or until it is a full bundle, or a call, a reply or a flush comes."
  {:no-doc true}
  (:require [sente-lite.queue :as queue]
            [sente-lite.wire :as wire]))

(defn emit [s fx] (assoc s :fx (conj (:fx s) fx)))

(defn due
  "It wants a tick at that time."
  [s at]
  (if (or (nil? (:due s)) (< at (:due s))) (assoc s :due at) s))

(defn wake
  "There is something to write; said once."
  [s]
  (if (or (:woken? s) (not= :open (:phase s)))
    s
    (emit (assoc s :woken? true) [:wake])))

(defn go-on
  "What held the queue back is gone."
  [s]
  (if (or (:blocked? s) (:hold-until s))
    (wake (assoc s :blocked? false :hold-until nil :woken? false))
    s))

(defn hurry
  "What waits is not to wait for others."
  [s]
  (if (seq (:out s))
    (let [s (assoc s :hurry? true)]
      (if (:hold-until s) (go-on s) (wake s)))
    s))

(defn control
  "Ahead of everything that waits, whatever the phase."
  [s text]
  (let [s (assoc s :control (conj (:control s) text))]
    (if (and (:woken? s) (not (:blocked? s)) (not (:hold-until s))) s (emit (assoc s :woken? true) [:wake]))))

(defn- told
  "A link has been opened: its rules, where the user has made none."
  [o limits]
  {:hold-ms      (or (:event-buffer-ms o) (:event-buffer-ms limits) 25)
   :bundle-size  (or (:bundle-size o) (:event-buffer-size limits) 100)
   :bundle-chars (or (:bundle-chars o) (:max-frame-size limits) 65536)})

(defn begin
  "A link is open. Both windows of credit are new."
  [s {:keys [limits credit]}]
  (merge s (told (:o s) limits)
         {:window credit :blocked? false :hold-until nil :hurry? false :last-size 0
          :credited (- (:received s) (:free-in s))}))

;; Out.

(def ^:private least-kept
  "How many may be unacknowledged, however small the queue is: twice of what the
  other side waits for."
  64)

(defn- room
  "How many of those that wait may be written, from the first on: nothing
  overtakes what waits for credit, or for an acknowledgement."
  [s]
  (let [{:keys [out window kept recover?]} s
        {:keys [max-queue max-queue-bytes]} (:o s)
        most (max max-queue least-kept)
        n    (count out)]
    (if (and (or (nil? window) (>= window n))
             (or (not recover?) (and (<= (+ n (count kept)) most) (<= (+ (:chars s) (:kept-chars s)) max-queue-bytes))))
      n
      (loop [i 0 window window held (count kept) chars (:kept-chars s)]
        (if (= i n)
          n
          (let [{:keys [text free?]} (nth out i)
                more (+ chars (count text))]
            (if (or (and window (not free?) (zero? window))
                    (and recover? (pos? held) (or (>= held most) (> more max-queue-bytes))))
              i
              (recur (inc i) (if (and window (not free?)) (dec window) window) (inc held) more))))))))

(defn- bundles
  "Messages of items, and the size of the last."
  [s items chars]
  (let [{:keys [bundle-size bundle-chars]} s]
    (if (and (<= (count items) bundle-size) (<= chars bundle-chars))
      [(when (seq items) [(wire/bundle (map :text items))]) (count items)]
      (loop [left items now [] chars 0 done []]
        (if-let [item (first left)]
          (let [n (count (:text item))]
            (if (and (seq now) (or (>= (count now) bundle-size) (> (+ chars n) bundle-chars)))
              (recur left [] 0 (conj done (wire/bundle now)))
              (recur (rest left) (conj now (:text item)) (+ chars n) done)))
          [(if (seq now) (conj done (wire/bundle now)) done) (count now)])))))

(defn- keep-back
  "What may be lost with the link stays until it is acknowledged."
  [s items chars]
  (if (:recover? s)
    (assoc s :kept (into (:kept s) items) :kept-chars (+ (:kept-chars s) chars))
    s))

(defn- sent-calls [s items]
  (reduce (fn [s cb] (if (get-in s [:calls cb]) (assoc-in s [:calls cb :sent?] true) s))
          s (keep :cb items)))

(defn- write-out
  "Writes the first n of what waits."
  [s n now]
  (let [out   (:out s)
        all?  (= n (count out))
        items (if all? out (subvec out 0 n))
        chars (if all? (:chars s) (queue/chars-of items))
        [texts size] (bundles s items chars)
        s     (-> (if all? (assoc s :out [] :chars 0) (queue/put-all s (vec (subvec out n))))
                  (assoc :sent (+ (:sent s) n) :hurry? false :hold-until nil
                         :woken? (not all?) :blocked? (not all?))
                  (cond-> (pos? n) (assoc :last-size size :last-at now)
                          (:window s) (update :window - (count (remove :free? items))))
                  (sent-calls items)
                  (keep-back items chars))]
    (reduce (fn [s t] (emit s [:write t])) s texts)))

(defn- holds-until
  "The time until which a bundle gathers, nil where it leaves now."
  [{:keys [last-size last-at hold-ms hurry? out bundle-size chars bundle-chars]} now]
  (when (and (not hurry?) (> last-size 1) (seq out) (< (count out) bundle-size) (< chars bundle-chars)
             now (< now (+ last-at hold-ms)))
    (+ last-at hold-ms)))

(defn- notes
  "Acknowledgement and credit that are to go out."
  [s]
  (let [{:keys [ack-now? renew received]} s]
    (-> s
        (cond-> ack-now? (-> (assoc :ack-now? false :ack-at nil :acked-in received)
                             (emit [:write (str "[:sente-lite/ack " received "]")]))
                renew    (-> (assoc :renew nil)
                             (emit [:write (str "[:sente-lite/credit " renew "]")]))))))

(defn flush-out
  "What may be written now, first what goes ahead."
  [s now]
  (let [s (reduce (fn [s t] (emit s [:write t])) (assoc s :control []) (:control s))]
    (if (= :open (:phase s))
      (let [s (notes (if (and now (:expiring s) (<= (:expiring s) now)) (queue/expire s now) s))]
        (if-let [until (holds-until s now)]
          (due (assoc s :hold-until until :woken? true) until)
          (write-out s (room s) now)))
      (assoc s :woken? false))))

(defn credited
  "The other side takes n more events and calls."
  [s n]
  (if (and (:window s) (int? n) (pos? n))
    (go-on (update s :window + n))
    s))

;; In.

(def ^:private ack-after
  "Items, and milliseconds, after which what has come is acknowledged."
  [32 1000])

(defn- note
  "Something of ours is to be told soon."
  [s]
  (if (and (:woken? s) (not (:blocked? s)) (not (:hold-until s))) s (emit (assoc s :woken? true) [:wake])))

(defn- acknowledge [s now]
  (let [n (- (:received s) (:acked-in s))
        [items ms] ack-after]
    (cond
      (or (zero? n) (:ack-now? s)) s
      (or (>= n items) (and (:ack-at s) (>= now (:ack-at s)))) (note (assoc s :ack-now? true))
      (:ack-at s)                                              (due s (:ack-at s))
      :else                                                    (due (assoc s :ack-at (+ now ms)) (+ now ms)))))

(defn renew
  "Gives credit anew for what has been taken, once that is half of it and the
  inbox has room."
  [s]
  (let [given (:credit (:o s))
        used  (when given (- (:received s) (:free-in s) (:credited s)))]
    (if (and given (:room? s) (>= used (max 1 (quot given 2))))
      (note (assoc s :renew (+ used (or (:renew s) 0)) :credited (+ (:credited s) used)))
      s)))

(defn taken
  "A message has been taken in."
  [s now]
  (if (= :open (:phase s))
    (cond-> s
      (:recover? s)   (acknowledge now)
      (:credit (:o s)) renew)
    s))

(defn tick
  "Its own times."
  [s now]
  (let [until (:hold-until s)
        s     (cond
                (nil? until)   s
                (>= now until) (go-on s)
                :else          (due s until))
        s     (if (and (:recover? s) (= :open (:phase s))) (acknowledge s now) s)]
    (if-let [at (:expiring s)]
      (if (<= at now) (let [s (queue/expire s now)] (if (:expiring s) (due s (:expiring s)) s)) (due s at))
      s)))
