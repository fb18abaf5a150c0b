(ns sente-lite.given
  "What suites share. Everything here is plain Clojure, for all four platforms.")

(defn failure
  "What f throws: its ex-data with :message, nil where it throws nothing."
  [f]
  (try (f) nil
       (catch #?(:clj Throwable :cljs :default) e
         (assoc (ex-data e) :message (ex-message e)))))

(defn lcg
  "A source of numbers that is the same each time: (next! n) is one below n."
  [seed]
  (let [x (atom seed)]
    (fn next! [n]
      ;; Small enough for JavaScript's numbers.
      (mod (quot (swap! x (fn [x] (mod (+ (* x 16807) 11) 2147483647))) 7) n))))

(defn pick [next! xs] (nth xs (next! (count xs))))
