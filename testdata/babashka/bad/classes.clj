(ns sente-lite.classes
  (:import (java.util Timer UUID)
           java.util.concurrent.Flow)
  (:require [clojure.xml :as xml] [my.library] ["net" :as net]))
(defn- f [^java.util.concurrent.atomic.LongAdder x ^Unheard y]
  (java.util.concurrent.Phaser. 1)
  (AtomicBoolean. true)
  (new CyclicBarrier 1)
  (Timer.)
  (DelayQueue/take)
  (instance? Missing x)
  (try 1 (catch NoException e e))
  (requiring-resolve 'clojure.core.reducers/fold)
  (require '[clojure.inspector :as i])
  (js/alert UUID))
;; 2: import: the class java.util.Timer is not in Babashka, which would refuse the whole file; use java.util.concurrent.ScheduledThreadPoolExecutor
;; 3: the class java.util.concurrent.Flow is not in Babashka
;; 4: the namespace clojure.xml is not in Babashka; use clojure.data.xml
;; 4: the namespace my.library is not in Babashka; use another that it has, or #?(:bb
;; 4: a module of JavaScript's is required
;; 5: type hint: the class java.util.concurrent.atomic.LongAdder is not in Babashka
;; 5: type hint: no class Unheard is imported or in java.lang
;; 6: the class java.util.concurrent.Phaser is not in Babashka, which would refuse the whole file; use java.util.concurrent.CountDownLatch
;; 7: use: no class AtomicBoolean is imported
;; 8: new: no class CyclicBarrier is imported
;; 9: use: the class java.util.Timer
;; 10: use: no class DelayQueue
;; 11: instance?: no class Missing
;; 12: catch: no class NoException
;; 13: the namespace clojure.core.reducers is not in Babashka; use transducers
;; 14: the namespace clojure.inspector
;; 15: js/alert is JavaScript's
