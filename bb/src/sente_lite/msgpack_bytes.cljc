(ns sente-lite.msgpack-bytes
  "What sente-lite.msgpack writes to and reads from, on each platform by that
  platform's own means: a step of a loop of ours costs a script a thousand times
  what one of the platform's does."
  {:no-doc true}
  (:require [sente-lite.bytes :as bytes])
  #?(:clj (:import (java.io ByteArrayOutputStream)
                   (java.nio ByteBuffer)
                   (java.util Date HashMap)
                   (java.util.concurrent ConcurrentHashMap))))

;; Numbers.

(defn numeric?
  "Is it a number with a form of its own: an integer of at most 64 bits, a float?"
  [x]
  #?(:clj (or (int? x) (float? x)) :cljs (number? x)))

(defn whole?
  "Has it the form of an integer?"
  [x]
  #?(:clj (int? x) :cljs (and (js/Number.isInteger x) (< -9223372036854775808 x 9223372036854775807))))

(defn single?
  "Has a float the same value in four bytes?"
  [x]
  #?(:clj (== (.doubleValue ^Number x) (.floatValue ^Number x)) :cljs (== x (js/Math.fround x))))

#?(:clj
   (defn narrow
     "A long, where a big integer is one."
     [n]
     (if (and (integer? n) (<= Long/MIN_VALUE n Long/MAX_VALUE)) (long n) n)))

(defn inst [secs nanos]
  (let [ms (+ (* 1000 secs) (quot nanos 1000000))]
    #?(:clj (Date. (long ms)) :cljs (js/Date. ms))))

;; Writing. What is written to is a stream on the JVM, and in JavaScript an array of
;; numbers, whose `push` takes several in one step.

(defn out []
  #?(:clj (ByteArrayOutputStream. 256) :cljs #js []))

(defn finish
  "All that has been written."
  [out]
  #?(:clj (.toByteArray ^ByteArrayOutputStream out) :cljs (js/Uint8Array. out)))

(defn u8!
  "Writes bytes."
  ([out a] #?(:clj (.write ^ByteArrayOutputStream out (int a)) :cljs (.push out a)))
  ([out a b] #?(:clj (do (u8! out a) (u8! out b)) :cljs (.push out a b)))
  ([out a b c] #?(:clj (do (u8! out a) (u8! out b) (u8! out c)) :cljs (.push out a b c))))

(def ^:private push-most "How many arguments a function surely takes." 8192)

(defn raw!
  "Writes an array of bytes; in JavaScript also one of numbers."
  [out b]
  #?(:clj  (.write ^ByteArrayOutputStream out ^bytes b 0 (alength ^bytes b))
     :cljs (let [n (.-length b)]
             (if (<= n push-most)
               (.apply (.-push out) out b)
               (run! (fn [i] (.apply (.-push out) out (.slice b i (+ i push-most)))) (range 0 n push-most))))))

(defn u16!
  "A byte, and the low 16 bits of a number."
  [out tag n]
  #?(:clj  (u8! out tag (bit-and (bit-shift-right n 8) 255) (bit-and n 255))
     :cljs (.push out tag (bit-and (bit-shift-right n 8) 255) (bit-and n 255))))

(defn int32!
  "The low 32 bits of a number."
  [out n]
  #?(:clj  (do (u8! out (bit-and (bit-shift-right n 24) 255) (bit-and (bit-shift-right n 16) 255))
               (u8! out (bit-and (bit-shift-right n 8) 255) (bit-and n 255)))
     :cljs (.push out (bit-and (bit-shift-right n 24) 255) (bit-and (bit-shift-right n 16) 255)
                  (bit-and (bit-shift-right n 8) 255) (bit-and n 255))))

(defn u32! [out tag n] (u8! out tag) (int32! out n))

#?(:cljs (def ^:private scratch (js/DataView. (js/ArrayBuffer. 8))))
#?(:cljs (def ^:private scratch-8 (js/Uint8Array. (.-buffer scratch))))
#?(:cljs (def ^:private scratch-4 (js/Uint8Array. (.-buffer scratch) 0 4)))

(defn int64! [out n]
  #?(:clj  (raw! out (.array (.putLong (ByteBuffer/allocate 8) (long n))))
     :cljs (do (.setBigInt64 scratch 0 (js/BigInt n)) (raw! out scratch-8))))

(defn i64! [out tag n] (u8! out tag) (int64! out n))

(defn f32! [out x]
  (u8! out 0xca)
  #?(:clj  (raw! out (.array (.putFloat (ByteBuffer/allocate 4) (.floatValue ^Number x))))
     :cljs (do (.setFloat32 scratch 0 x) (raw! out scratch-4))))

(defn f64! [out x]
  (u8! out 0xcb)
  #?(:clj  (raw! out (.array (.putDouble (ByteBuffer/allocate 8) (.doubleValue ^Number x))))
     :cljs (do (.setFloat64 scratch 0 x) (raw! out scratch-8))))

(defn nan!
  "The one NaN that all write."
  [out]
  (u8! out 0xcb 0x7f 0xf8)
  (int32! out 0)
  (u8! out 0 0))

(defn ext-head!
  "What stands before the n bytes of an extension."
  [out id n]
  (case (long n)
    1  (u8! out 0xd4 id)
    2  (u8! out 0xd5 id)
    4  (u8! out 0xd6 id)
    8  (u8! out 0xd7 id)
    16 (u8! out 0xd8 id)
    (do (cond
          (< n 256)   (u8! out 0xc7 n)
          (< n 65536) (u16! out 0xc8 n)
          :else       (u32! out 0xc9 n))
        (u8! out id))))

(defn ext-of!
  "An extension with what (f out) writes."
  [to id f]
  (let [inner (out)]
    (f inner)
    #?(:clj  (let [b (finish inner)] (ext-head! to id (bytes/size b)) (raw! to b))
       :cljs (do (ext-head! to id (.-length inner)) (raw! to inner)))))

(def ^:private most-names 4096)
(def ^:private names
  "The bytes of names that have been written, as long as they are not too many."
  #?(:clj (ConcurrentHashMap.) :cljs (js/Map.)))

(defn name-bytes
  "Those of a keyword or symbol, remembered, or what (f) makes."
  [x f]
  #?(:clj  (or (.get ^ConcurrentHashMap names x)
               (let [b (f)]
                 (when (>= (.size ^ConcurrentHashMap names) most-names) (.clear ^ConcurrentHashMap names))
                 (.put ^ConcurrentHashMap names x b)
                 b))
     :cljs (let [k (str x)]
             (or (.get names k)
                 (let [b (f)]
                   (when (>= (.-size names) most-names) (.clear names))
                   (.set names k b)
                   b)))))

(defn cache
  "Of the keys of one message."
  []
  #?(:clj (HashMap.) :cljs (js/Map.)))

(defn cached
  "The number of a key that has been written, or nil: from now on it has one."
  [cache k most]
  #?(:clj  (or (.get ^HashMap cache k)
               (let [n (.size ^HashMap cache)]
                 (when (< n most) (.put ^HashMap cache k n))
                 nil))
     :cljs (let [k (if (keyword? k) (str k) (str "\"" k))
                 i (.get cache k)]
             (if (nil? i)
               (do (when (< (.-size cache) most) (.set cache k (.-size cache)))
                   nil)
               i))))

;; Reading.

(defn in [b]
  #?(:clj  (ByteBuffer/wrap ^bytes b)
     :cljs #js {:view (js/DataView. (.-buffer b) (.-byteOffset b) (.-byteLength b)) :bytes b :at 0}))

(defn at [in] #?(:clj (.position ^ByteBuffer in) :cljs (.-at in)))
(defn left [in] #?(:clj (.remaining ^ByteBuffer in) :cljs (- (.-length (.-bytes in)) (.-at in))))

#?(:cljs
   (defn- step
     "Where n bytes are that are taken now."
     [in n]
     (let [at (.-at in)]
       (set! (.-at in) (+ at n))
       at)))

(defn take-u8! [in] #?(:clj (bit-and (.get ^ByteBuffer in) 255) :cljs (.getUint8 (.-view in) (step in 1))))
(defn take-u16! [in] #?(:clj (bit-and (.getShort ^ByteBuffer in) 65535) :cljs (.getUint16 (.-view in) (step in 2))))
(defn take-u32! [in] #?(:clj (bit-and (.getInt ^ByteBuffer in) 4294967295) :cljs (.getUint32 (.-view in) (step in 4))))
(defn take-i8! [in] #?(:clj (long (.get ^ByteBuffer in)) :cljs (.getInt8 (.-view in) (step in 1))))
(defn take-i16! [in] #?(:clj (long (.getShort ^ByteBuffer in)) :cljs (.getInt16 (.-view in) (step in 2))))
(defn take-i32! [in] #?(:clj (long (.getInt ^ByteBuffer in)) :cljs (.getInt32 (.-view in) (step in 4))))
(defn take-i64! [in] #?(:clj (.getLong ^ByteBuffer in) :cljs (js/Number (.getBigInt64 (.-view in) (step in 8)))))
(defn take-u64! [in]
  #?(:clj  (let [n (.getLong ^ByteBuffer in)] (if (neg? n) (+ 18446744073709551616N n) n))
     :cljs (js/Number (.getBigUint64 (.-view in) (step in 8)))))
(defn take-f32! [in] #?(:clj (double (.getFloat ^ByteBuffer in)) :cljs (.getFloat32 (.-view in) (step in 4))))
(defn take-f64! [in] #?(:clj (.getDouble ^ByteBuffer in) :cljs (.getFloat64 (.-view in) (step in 8))))

(defn take-bytes!
  "The next n bytes, a copy."
  [in n]
  (when (> n (left in))
    (throw (ex-info (str "sente-lite: " n " bytes are to come at byte " (at in) " of the message, which has " (left in))
                    {:category :incorrect :code :sente-lite/bad-msgpack :at (at in) :expected "MessagePack"})))
  #?(:clj  (let [b (byte-array n)]
             (.get ^ByteBuffer in b 0 (int n))
             b)
     :cljs (let [at (step in n)] (.slice (.-bytes in) at (+ at n)))))

(defn take-text! [in n] (bytes/text (take-bytes! in n)))

(defn cached-next?
  "Does a name come that has been a key?"
  [in]
  #?(:clj  (let [at (.position ^ByteBuffer in)]
             (and (>= (.remaining ^ByteBuffer in) 3) (= -44 (.get ^ByteBuffer in at)) (= 8 (.get ^ByteBuffer in (inc at)))))
     :cljs (and (= 0xd4 (aget (.-bytes in) (.-at in))) (= 8 (aget (.-bytes in) (inc (.-at in)))))))
