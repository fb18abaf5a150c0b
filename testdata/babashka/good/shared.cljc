(ns sente-lite.shared
  "Read by all four."
  (:require [clojure.string :as str]
            [sente-lite.shared.more :as more]
            #?(:clj [clojure.test :as t] :cljs [cljs.test :as t]))
  #?(:clj (:import (java.util UUID)
                   (java.util.concurrent LinkedBlockingQueue TimeUnit)
                   java.util.Base64)))

(def limit "How many, at most." 10)
(def ^:private hidden 1)
(def ^:no-doc internal 2)
(defn- helper [x] x)
(defonce ^{:doc "What is known."} known (atom {}))

(defn send!
  "Sends. The name of an argument may be that of a function that Scittle lacks."
  [send {:keys [format]}]
  #?(:clj (deliver (promise) 1))
  (send (format 1)))

(defmulti handle "Handles." :id)
(defmethod handle :default [_] '(java.util.Timer. Timer/x))

#?(:bb (def runtime "Which." :bb)
   :clj (def runtime "Which." :jvm)
   :default (def runtime "Which." :js))

(defn guarded
  "Catches whatever comes."
  [f]
  (try (f) (catch #?(:clj Exception :cljs :default) e (ex-message e))))

#?(:clj
   (defn fresh
     "Makes one."
     ^UUID []
     (.put (LinkedBlockingQueue.) (Base64/getEncoder))
     (.poll (LinkedBlockingQueue. 10) 1 TimeUnit/SECONDS)
     (instance? IllegalArgumentException (BigDecimal. "1"))
     (Thread/sleep 1)
     (reify java.util.concurrent.Callable (call [_] (UUID/randomUUID)))
     (reify Runnable (run [_] (java.util.UUID/randomUUID)))))

(defn- hinted ^String [^java.util.UUID x] x)

(more/after #?(:scittle js/console :default (str/upper-case "x")))
