(ns sente-lite.types (:gen-class))
(defrecord A [x])
(deftype B [x])
(defprotocol P (f [_]))
(extend-protocol P String (f [_]))
(extend-type A P (f [_]))
#?(:clj (definterface I))
(defn- g [] (proxy [Object] []))
;; 1: gen-class does not work alike on all platforms: use a map of functions, or defmulti
;; 2: defrecord does not
;; 3: deftype does not
;; 4: defprotocol does not
;; 5: extend-protocol does not
;; 6: extend-type does not
;; 7: definterface does not
;; 8: proxy does not
;; 8: proxy is not in Scittle's clojure.core
