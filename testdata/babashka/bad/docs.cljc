(ns sente-lite.docs "Documented.")
(def a 1)
(def b "no doc but a value")
(defn c [] "no doc")
(defn- d [] 1)
(defmulti e :id)
(do (defmacro g [x] x))
(defonce h (atom 1))
#?(:cljs (defn i [] 1))
(defn ^{:doc "Said."} j [] 1)
(defn k "Said." {:added "1"} [] 1)
(defn ^{:private false} l [] 1)
;; 2: def a is public and has no docstring: write one, or mark it ^:private or ^:no-doc
;; 3: def b is
;; 4: defn c is
;; 6: defmulti e is
;; 7: defmacro g is
;; 8: defonce h is
;; 9: defn i is
;; 12: defn l is
