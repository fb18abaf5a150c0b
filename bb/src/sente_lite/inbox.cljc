(ns sente-lite.inbox
  "What has been received and waits for handlers: plain data in an atom, its limits,
  a pause, and the events whose handlers have failed. Pure, but for the atom.

  An entry is the session's output [:deliver event cb extra era chars at]."
  {:no-doc true})

(defn swap-both!
  "swap-vals!, which Scittle lacks: [old new]."
  [a f & args]
  #?(:clj  (apply swap-vals! a f args)
     :cljs (let [old @a] [old (reset! a (apply f old args))])))

(def most-dead "Dead letters that are kept." 100)

(defn create
  "An empty one. `limits` are :max-inbox, :max-inbox-bytes, :on-inbox-full."
  [limits]
  (merge {:items [] :head 0 :bytes 0 :paused? false :full? false
          :dead [] :next-dead 0 :dead-lost 0}
         limits))

(defn size [{:keys [items head]}] (- (count items) head))

(defn- entry-bytes [entry] (nth entry 5 0))

(defn- ours? [entry] (= "sente-lite" (namespace (nth (nth entry 1) 0))))

(defn fits?
  "Has it room for an entry? What the sidecar itself tells always has."
  [{:keys [max-inbox max-inbox-bytes bytes] :as b} entry]
  (or (ours? entry)
      (and (< (size b) max-inbox)
           (or (zero? (size b)) (<= (+ bytes (entry-bytes entry)) max-inbox-bytes)))))

(defn put
  "With one more, :fit? says whether there was room. :room? turns false once no
  more credit is to be given."
  [b entry]
  (if (fits? b entry)
    (let [b (assoc b :items (conj (:items b) entry) :bytes (+ (:bytes b) (entry-bytes entry)) :fit? true)]
      (if (and (not (:full? b)) (or (> (* 2 (size b)) (:max-inbox b)) (> (* 2 (:bytes b)) (:max-inbox-bytes b))))
        (assoc b :full? true)
        b))
    (assoc b :fit? false)))

(defn front
  "The entry that is next, nil where there is none, or a pause."
  [{:keys [items head paused?]}]
  (when (and (not paused?) (< head (count items)))
    (nth items head)))

(defn pop-front
  "Without the next one."
  [b]
  (if-let [entry (front b)]
    (let [head  (inc (:head b))
          items (:items b)
          b     (assoc b :bytes (- (:bytes b) (entry-bytes entry)))
          b     (cond
                  (= head (count items)) (assoc b :items [] :head 0)
                  (> head 1000)          (assoc b :items (vec (subvec items head)) :head 0)
                  :else                  (assoc b :head head))]
      (if (and (:full? b) (<= (* 4 (size b)) (:max-inbox b)) (<= (* 4 (:bytes b)) (:max-inbox-bytes b)))
        (assoc b :full? false)
        b))
    b))

(defn bury
  "A dead letter more: an event whose handler has thrown."
  [b letter]
  (let [dead (conj (:dead b) (assoc letter :id (:next-dead b)))
        over (> (count dead) most-dead)]
    (assoc b :dead (if over (subvec dead 1) dead) :next-dead (inc (:next-dead b))
           :dead-lost (if over (inc (:dead-lost b)) (:dead-lost b)))))

(defn exhume
  "Without the dead letter of that id: [inbox letter]."
  [b id]
  [(assoc b :dead (filterv #(not= id (:id %)) (:dead b)))
   (first (filter #(= id (:id %)) (:dead b)))])

(defn view
  "How it is, for people and monitors."
  [{:keys [items head bytes paused? max-inbox max-inbox-bytes dead] :as b} now]
  (let [n     (size b)
        front (when (pos? n) (nth items head))]
    {:count n :bytes bytes :paused? paused? :dead (count dead)
     :oldest-ms (when (and front (nth front 6 nil)) (max 0 (- now (nth front 6))))
     :top (vec (take 10 (sort-by (fn [[id n]] [(- n) (str id)]) (frequencies (map #(nth (nth % 1) 0) (subvec items head))))))
     :status (cond (or (>= n max-inbox) (>= bytes max-inbox-bytes)) :backpressure
                   (> n 100) :slow
                   :else :ok)}))
