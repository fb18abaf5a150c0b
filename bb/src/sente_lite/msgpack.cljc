(ns sente-lite.msgpack
  "Clojure values as MessagePack, as Sente writes it: its extension types and its
  cache of map keys, and two more that lose nothing between our own peers. pack
  and unpack are what the option :packer :msgpack of connect! and start! uses.

  Integers take their smallest form, floats four bytes where that is exact. A
  list is extension 16, what has no form of its own (big integers, decimals,
  tagged literals) its EDN text in extension 17. Metadata is left out. Extensions
  that are unknown are read as #sente-lite/ext [id \"base64\"], and written back.

  JavaScript has one kind of number, and no characters: 1.0 is written as 1, and a
  ratio or a character is read there as a number or a string."
  (:require [clojure.string :as str]
            [sente-lite.bytes :as bytes]
            [sente-lite.msgpack-bytes :as mb]
            [sente-lite.wire :as wire]))

;; Sente's extension types, and ours.

(def ^:private key-ext "Where a name that has been a key stands again." 8)
(def ^:private most-keys 256)
(def ^:private most-depth 512)

;; Writing. An `out` has the bytes, a `cache` the keys that have been written. In
;; sets and keys (`exact?`) a float has eight bytes: a reader that makes a Float
;; of four would look for another hash.

(declare put!)

(defn- put-int! [out n]
  (cond
    (neg? n)           (cond
                         (>= n -32)         (mb/u8! out (bit-and n 255))
                         (>= n -128)        (mb/u8! out 0xd0 (bit-and n 255))
                         (>= n -32768)      (mb/u16! out 0xd1 n)
                         (>= n -2147483648) (mb/u32! out 0xd2 n)
                         :else              (mb/i64! out 0xd3 n))
    (< n 128)          (mb/u8! out n)
    (< n 256)          (mb/u8! out 0xcc n)
    (< n 65536)        (mb/u16! out 0xcd n)
    (<= n 4294967295)  (mb/u32! out 0xce n)
    :else              (mb/i64! out 0xd3 n)))

(defn- put-number! [out x exact?]
  (cond
    (mb/whole? x)                       (put-int! out x)
    (not (== x x))                      (mb/nan! out)
    (and (not exact?) (mb/single? x))   (mb/f32! out x)
    :else                               (mb/f64! out x)))

(defn- put-string! [out s]
  (let [b (bytes/utf8 s) n (bytes/size b)]
    (cond
      (< n 32)    (mb/u8! out (bit-or 0xa0 n))
      (< n 256)   (mb/u8! out 0xd9 n)
      (< n 65536) (mb/u16! out 0xda n)
      :else       (mb/u32! out 0xdb n))
    (mb/raw! out b)))

(defn- put-bytes! [out b]
  (let [n (bytes/size b)]
    (cond
      (< n 256)   (mb/u8! out 0xc4 n)
      (< n 65536) (mb/u16! out 0xc5 n)
      :else       (mb/u32! out 0xc6 n))
    (mb/raw! out b)))

(defn- put-ext! [out id b]
  (mb/ext-head! out id (bytes/size b))
  (mb/raw! out b))

(defn- put-text-ext! [out id text] (put-ext! out id (bytes/utf8 text)))

(defn- put-name! [out x]
  (mb/raw! out (mb/name-bytes x (fn []
                                  (let [out (mb/out)]
                                    (if (keyword? x)
                                      (put-text-ext! out 0 (subs (str x) 1))
                                      (put-text-ext! out 1 (str x)))
                                    (mb/finish out))))))

(defn- put-count!
  "The head of a collection of n: `small` for up to 15, else `wide` or the next."
  [out n small wide]
  (cond
    (< n 16)    (mb/u8! out (bit-or small n))
    (< n 65536) (mb/u16! out wide n)
    :else       (mb/u32! out (inc wide) n)))

(defn- put-array! [out cache xs exact?]
  (put-count! out (count xs) 0x90 0xdc)
  (run! (fn [x] (put! out cache x exact?)) xs))

(defn- put-key! [out cache k]
  (if (or (keyword? k) (string? k))
    (if-let [i (mb/cached cache k most-keys)]
      (mb/u8! out 0xd4 key-ext i)
      (put! out cache k true))
    (put! out cache k true)))

(defn- put-map! [out cache m exact?]
  (put-count! out (count m) 0x80 0xde)
  (reduce-kv (fn [_ k v] (put-key! out cache k) (put! out cache v exact?)) nil m))

(defn- put-inst! [out x]
  (let [ms (inst-ms x) rest-ms (mod ms 1000)]
    (mb/u8! out 0xc7 12 255)
    (mb/int32! out (* 1000000 rest-ms))
    (mb/int64! out (quot (- ms rest-ms) 1000))))

(defn- put-tagged! [out x]
  (let [[id text] (when (and (= 'sente-lite/ext (:tag x)) (vector? (:form x))) (:form x))
        b (when (and (int? id) (<= -128 id 127) (string? text)) (try (bytes/unbase64 text) (catch #?(:clj Exception :cljs :default) _ nil)))]
    (if b
      (put-ext! out (bit-and id 255) b)
      (put-text-ext! out 17 (wire/text x)))))

(def ^:private no-form (ex-info "no form" {}))

(defn- put! [out cache x exact?]
  (cond
    (string? x)         (put-string! out x)
    (keyword? x)        (put-name! out x)
    (mb/numeric? x)      (put-number! out x exact?)
    (nil? x)            (mb/u8! out 0xc0)
    (true? x)           (mb/u8! out 0xc3)
    (false? x)          (mb/u8! out 0xc2)
    (vector? x)         (put-array! out cache x exact?)
    (map? x)            (if (record? x) (throw no-form) (put-map! out cache x exact?))
    (set? x)            (mb/ext-of! out 4 (fn [out] (put-array! out cache x true)))
    (seq? x)            (mb/ext-of! out 16 (fn [out] (put-array! out cache x exact?)))
    (symbol? x)         (put-name! out x)
    (bytes/is? x)       (put-bytes! out x)
    (uuid? x)           (put-text-ext! out 9 (str/lower-case (str x)))
    (inst? x)           (put-inst! out x)
    (tagged-literal? x) (put-tagged! out x)
    #?@(:clj [(char? x)    (put-text-ext! out 2 (str x))
              (and (ratio? x) (int? (mb/narrow (numerator x))) (int? (mb/narrow (denominator x))))
              (mb/ext-of! out 3 (fn [out]
                                  (put-int! out (mb/narrow (numerator x)))
                                  (put-int! out (mb/narrow (denominator x)))))
              (or (integer? x) (decimal? x) (ratio? x)) (put-text-ext! out 17 (wire/text x))])
    :else               (throw no-form)))

(defn ^:no-doc unchecked
  "The bytes of a value of which wire/text has found that it is one of ours."
  [x]
  (let [out (mb/out)]
    (put! out (mb/cache) x false)
    (mb/finish out)))

(defn pack
  "The bytes of a value: a byte array, in JavaScript a Uint8Array. A value that has
  no form (a function, a record, an atom) is an ex-info with :path, :given,
  :expected and :hint, as send! has it.

      (unpack (pack {:a [1 2.5 \"three\"] :b #{:c}}))  ;=> {:a [1 2.5 \"three\"] :b #{:c}}"
  [x]
  (wire/check x)
  (unchecked x))

;; Reading. An `in` has the bytes and where we are, `keys` the names that have been
;; keys so far.

(defn- bad [in what]
  (throw (ex-info (str "sente-lite: " what " at byte " (mb/at in) " of the message; expected MessagePack")
                  {:category :incorrect :code :sente-lite/bad-msgpack :at (mb/at in) :expected "MessagePack"})))

(declare take!)

(defn- take-array! [in keys n depth]
  (when (> n (mb/left in)) (bad in (str "an array of " n " begins, which has no room")))
  (when (neg? depth) (bad in (str "more than " most-depth " levels begin")))
  (loop [i 0 v (transient [])]
    (if (< i n)
      (recur (inc i) (conj! v (take! in keys (dec depth))))
      (persistent! v))))

(defn- take-key! [in keys depth]
  (if (mb/cached-next? in)
    (take! in keys depth)
    (let [k (take! in keys depth)]
      (when (and (or (keyword? k) (string? k)) (< (count @keys) most-keys))
        (vswap! keys conj k))
      k)))

(defn- take-map! [in keys n depth]
  (when (> (* 2 n) (mb/left in)) (bad in (str "a map of " n " begins, which has no room")))
  (when (neg? depth) (bad in (str "more than " most-depth " levels begin")))
  (let [m (loop [i 0 m (transient {})]
            (if (< i n)
              (let [k (take-key! in keys (dec depth))]
                (recur (inc i) (assoc! m k (take! in keys (dec depth)))))
              (persistent! m)))]
    (if (= n (count m)) m (bad in "a map with one key twice ends"))))

(defn- take-int! [in keys]
  (let [n (take! in keys 0)]
    (if (int? n) n (bad in "a ratio has no whole number"))))

(defn- ratio [in n d]
  (if (zero? d) (bad in "a ratio has the denominator 0") (/ n d)))

(defn- take-named!
  "The value of one of the extensions that are known, ::unknown of others."
  [in keys id n depth]
  (case (long id)
    0   (if (zero? n) (bad in "an empty keyword is") (keyword (mb/take-text! in n)))
    1   (if (zero? n) (bad in "an empty symbol is") (symbol (mb/take-text! in n)))
    2   (let [s (mb/take-text! in n)]
          #?(:clj (if (= 1 (count s)) (first s) (bad in "no character is")) :cljs s))
    3   (let [a (take-int! in keys)] (ratio in a (take-int! in keys)))
    4   (let [xs (take! in keys (dec depth))
              s  (if (vector? xs) (set xs) (bad in "a set without an array ends"))]
          (if (= (count s) (count xs)) s (bad in "a set with one value twice ends")))
    8   (let [i (mb/take-u8! in)] (if (< i (count @keys)) (nth @keys i) (bad in (str "key " i " has not been there"))))
    9   (let [s (mb/take-text! in n)] (or (when (= n 36) (parse-uuid s)) (bad in "no UUID is")))
    16  (let [xs (take! in keys (dec depth))] (if (vector? xs) (apply list xs) (bad in "a list without an array ends")))
    17  (wire/read-text (mb/take-text! in n))
    -1  (let [nanos (if (= n 12) (mb/take-u32! in) 0)]
          (case (long n)
            4  (mb/inst (mb/take-u32! in) 0)
            8  (let [a (mb/take-u32! in) b (mb/take-u32! in)] (mb/inst (+ b (* 4294967296 (mod a 4))) (quot a 4)))
            12 (mb/inst (mb/take-i64! in) nanos)
            (bad in (str "an instant of " n " bytes is"))))
    ::unknown))

(defn- take-ext! [in keys n depth]
  (let [id    (mb/take-i8! in)
        _     (when (> n (mb/left in)) (bad in (str "an extension of " n " bytes begins, which has no room")))
        _     (when (neg? depth) (bad in (str "more than " most-depth " levels begin")))
        end   (+ n (mb/at in))
        value (take-named! in keys id n depth)]
    (cond
      (= ::unknown value) (tagged-literal 'sente-lite/ext [id (bytes/base64 (mb/take-bytes! in n))])
      (= end (mb/at in))  value
      :else               (bad in (str "extension " id " has not the length that it says")))))

(defn- take! [in keys depth]
  (let [t (long (mb/take-u8! in))]
    (cond
      (< t 0x80)  t
      (< t 0x90)  (take-map! in keys (- t 0x80) depth)
      (< t 0xa0)  (take-array! in keys (- t 0x90) depth)
      (< t 0xc0)  (mb/take-text! in (- t 0xa0))
      (>= t 0xe0) (- t 256)
      :else
      (case t
        0xc0 nil
        0xc2 false
        0xc3 true
        0xc4 (mb/take-bytes! in (mb/take-u8! in))
        0xc5 (mb/take-bytes! in (mb/take-u16! in))
        0xc6 (mb/take-bytes! in (mb/take-u32! in))
        0xc7 (take-ext! in keys (mb/take-u8! in) depth)
        0xc8 (take-ext! in keys (mb/take-u16! in) depth)
        0xc9 (take-ext! in keys (mb/take-u32! in) depth)
        0xca (mb/take-f32! in)
        0xcb (mb/take-f64! in)
        0xcc (mb/take-u8! in)
        0xcd (mb/take-u16! in)
        0xce (mb/take-u32! in)
        0xcf (mb/take-u64! in)
        0xd0 (mb/take-i8! in)
        0xd1 (mb/take-i16! in)
        0xd2 (mb/take-i32! in)
        0xd3 (mb/take-i64! in)
        0xd4 (take-ext! in keys 1 depth)
        0xd5 (take-ext! in keys 2 depth)
        0xd6 (take-ext! in keys 4 depth)
        0xd7 (take-ext! in keys 8 depth)
        0xd8 (take-ext! in keys 16 depth)
        0xd9 (mb/take-text! in (mb/take-u8! in))
        0xda (mb/take-text! in (mb/take-u16! in))
        0xdb (mb/take-text! in (mb/take-u32! in))
        0xdc (take-array! in keys (mb/take-u16! in) depth)
        0xdd (take-array! in keys (mb/take-u32! in) depth)
        0xde (take-map! in keys (mb/take-u16! in) depth)
        0xdf (take-map! in keys (mb/take-u32! in) depth)
        (bad in (str "the byte " t " is"))))))

(defn unpack
  "The value of bytes, which hold exactly one; anything else is an ex-info with
  :code :sente-lite/bad-msgpack and :at, a byte. Nothing is taken on trust: what
  the bytes say of their lengths is compared with what there is, and they may have
  512 levels.

      (unpack (pack '(1 2)))  ;=> (1 2)"
  [b]
  (let [in (mb/in b)
        v  (try (take! in (volatile! []) most-depth)
                (catch #?(:clj Throwable :cljs :default) e
                  (if (ex-data e) (throw e) (bad in "it ends, or is nested too deeply for this platform,"))))]
    (if (zero? (mb/left in))
      v
      (bad in (str (mb/left in) " bytes too many begin")))))
