(ns worker
  "Counts primes, a slice at a time, so that it hears what else is asked of it."
  (:require [sente-lite.core :as s]))

(def slice "Numbers between two breaths." 2000)

(defn prime? [n]
  (cond (< n 2) false
        (< n 4) true
        (even? n) false
        :else (loop [d 3]
                (cond (> (* d d) n) true
                      (zero? (rem n d)) false
                      :else (recur (+ d 2))))))

(defn count! [{:keys [id upto] :as job} from found reply!]
  (let [to    (min upto (+ from slice))
        found (+ found (count (filter prime? (range from to))))]
    (if (= to upto)
      (reply! found)
      (do (when (zero? (rem to (max slice (quot upto 100))))
            (s/send! [:work/progress {:id id :done to}]))
          (s/after! 0 #(count! job to found reply!))))))

(s/on! :work/count
  (fn [{:keys [data reply!]}]
    (count! data 0 0 reply!)))

(s/on! :work/crash
  (fn [_]
    #?(:clj (System/exit 1) :cljs (js/process.exit 1))))

(def pid #?(:clj (.pid (java.lang.ProcessHandle/current)) :cljs js/process.pid))

(s/connect! {:url :stdio :on-ready (fn [_] (s/send! [:work/hello {:pid pid}]))})
(s/wait!)
