(ns sample.shared)

(defn add [a b] (+ a b))
