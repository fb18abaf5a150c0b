(ns sente-lite.reify
  (:import (java.util Iterator) (java.util.concurrent ThreadFactory)))
(def ^:private a (reify Runnable (run [_]) java.io.Closeable (close [_])))
(def ^:private b (reify Comparable (compareTo [_ x] 1)))
(def ^:private c [(reify Iterator (hasNext [_] false)) (reify ThreadFactory (newThread [_ r] r))])
;; 3: one Java interface at a time, found java.lang.Runnable, java.io.Closeable; use a reify for each
;; 4: Babashka does not reify java.lang.Comparable; use a fn
