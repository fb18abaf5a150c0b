(ns sente-lite.open)
(def a [1 2)
;; 2: found ), expected ] for what is opened in line 2
