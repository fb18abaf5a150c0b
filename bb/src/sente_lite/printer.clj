(ns sente-lite.printer
  "EDN text on the JVM, checked and printed in one pass: about ten times as fast
  as pr-str, which is what a script that sends a hundred thousand events a second
  would wait for. Babashka, where own code is interpreted, uses pr-str."
  {:no-doc true}
  (:require [sente-lite.bytes :as bytes]
            [sente-lite.names :as names])
  (:import (clojure.lang IPersistentMap IPersistentSet IPersistentVector IRecord ISeq Keyword Symbol TaggedLiteral)
           (java.util Date Iterator Map$Entry UUID)
           (java.util.concurrent ConcurrentHashMap)))

(set! *warn-on-reflection* true)

(defn- put-string [^StringBuilder sb ^String s]
  (.append sb \")
  (let [n (.length s)]
    (loop [i 0 from 0]
      (if (< i n)
        (let [c   (int (.charAt s i))
              esc (cond
                    (> c 92)    nil
                    (== c 34)   "\\\""
                    (== c 92)   "\\\\"
                    (> c 13)    nil
                    (== c 10)   "\\n"
                    (== c 13)   "\\r"
                    (== c 9)    "\\t"
                    (== c 12)   "\\f"
                    (== c 8)    "\\b")]
          (if esc
            (do (.append sb s from i) (.append sb ^String esc) (recur (inc i) (inc i)))
            (recur (inc i) from)))
        (.append sb s from n))))
  (.append sb \"))

(def ^:private ^ConcurrentHashMap known
  "Names that have been found to read back, as long as they are not too many."
  (ConcurrentHashMap.))

(defn- sound? [x]
  (or (.containsKey known x)
      (when (names/sound? x)
        (when (> (.size known) 8192) (.clear known))
        (.put known x true)
        true)))

(def ^:private no-edn (ex-info "not EDN" {}))
(def ^:private too-many (ex-info "too many parts" {}))

(declare put)

(defn- put-all [^StringBuilder sb ^Iterator it ^longs left]
  (when (.hasNext it)
    (put sb (.next it) left)
    (while (.hasNext it)
      (.append sb \space)
      (put sb (.next it) left))))

(defn- put-map [^StringBuilder sb ^Iterable m ^longs left]
  (let [it (.iterator m)]
    (.append sb \{)
    (when (.hasNext it)
      (loop []
        (let [^Map$Entry e (.next it)]
          (put sb (.getKey e) left)
          (.append sb \space)
          (put sb (.getValue e) left)
          (when (.hasNext it)
            (.append sb ", ")
            (recur)))))
    (.append sb \})))

(defn- put [^StringBuilder sb x ^longs left]
  (when (neg? (aset left 0 (dec (aget left 0)))) (throw too-many))
  (cond
    (nil? x)                          (.append sb "nil")
    (instance? String x)              (put-string sb x)
    (instance? Keyword x)             (let [s (.toString ^Keyword x)]
                                        (if (sound? x) (.append sb s) (throw no-edn)))
    (instance? Long x)                (.append sb (.longValue ^Long x))
    (instance? Boolean x)             (.append sb (.booleanValue ^Boolean x))
    (instance? IPersistentMap x)      (if (instance? IRecord x) (throw no-edn) (put-map sb x left))
    (instance? IPersistentVector x)   (do (.append sb \[) (put-all sb (.iterator ^Iterable x) left) (.append sb \]))
    (instance? IPersistentSet x)      (do (.append sb "#{") (put-all sb (.iterator ^Iterable x) left) (.append sb \}))
    (instance? ISeq x)                (do (.append sb \() (put-all sb (.iterator ^Iterable x) left) (.append sb \)))
    (instance? Symbol x)              (let [s (.toString ^Symbol x)]
                                        (if (sound? x) (.append sb s) (throw no-edn)))
    (instance? TaggedLiteral x)       (let [^TaggedLiteral x x]
                                        (.append sb \#) (put sb (.-tag x) left) (.append sb \space) (put sb (.-form x) left))
    (bytes? x)                        (do (.append sb "#sente-lite/bytes \"") (.append sb ^String (bytes/base64 x)) (.append sb \"))
    (or (integer? x) (float? x) (decimal? x) (ratio? x) (char? x) (instance? Date x) (instance? UUID x))
    (.append sb ^String (binding [*print-dup* false] (pr-str x)))
    :else                             (throw no-edn)))

(defn text
  "The EDN text of a value, nil where it has none, :too-many where it has more
  than `most` parts."
  [x most]
  (let [sb (StringBuilder. 192)]
    (try
      (put sb x (long-array [most]))
      (.toString sb)
      (catch clojure.lang.ExceptionInfo e
        (cond
          (identical? e no-edn)   nil
          (identical? e too-many) :too-many
          :else                   (throw e))))))
