(ns sente-lite.scittle
  (:require [clojure.pprint :as pp]
            #?(:cljs [promesa.core :as p])))
(defn- f [x]
  (println (format "%s" x))
  (swap-vals! x inc)
  (try 1 (catch Exception e e))
  (java.util.UUID/randomUUID)
  (instance? String x)
  (Math/abs x)
  #(tap> %)
  (clojure.core/slurp "x"))
(defn- ^String g [] "")
;; 2: the namespace clojure.pprint is not in Scittle; use one of
;; 3: the namespace promesa.core is not in Scittle
;; 5: format is not in Scittle's clojure.core; do without
;; 6: swap-vals! is not
;; 7: catch: a page has no class Exception; use #?(:clj Exception :cljs :default)
;; 8: a page has no class java.util.UUID; put it behind #?(:clj
;; 9: instance?: a page has no class String
;; 10: a page has no class Math
;; 11: tap> is not
;; 12: slurp is not
;; 13: Scittle evaluates the type hint String before the name of a var
