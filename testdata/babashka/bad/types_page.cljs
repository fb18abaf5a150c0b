(ns sente-lite.types-page)
(defrecord A [x])
;; 2: defrecord does not
