(ns sente-lite.gzip
  "gzip, under the same names everywhere: gzip, ungzip, gzip-string, ungzip-string.
  On the JVM and Babashka they return values, in JavaScript promises of them, since
  a page's own gzip is asynchronous.

  The JVM and Babashka use java.util.zip, nbb Node's zlib. A page uses the browser's
  CompressionStream, or where it has none pako, if the page has loaded it
  (<script src=\"pako.min.js\">, from npm's pako 2 or 3); without either it says so.

  What is read must be one gzip member and nothing behind it, with the right
  checksum, and may not become larger than a limit: a bomb costs the limit at most."
  (:require [sente-lite.bytes :as bytes]
            #?(:org.babashka/nbb ["zlib" :as zlib]))
  #?(:clj (:import (java.io ByteArrayOutputStream)
                   (java.util.zip CRC32 GZIPOutputStream Inflater))))

(def ^:private most "The limit that holds where none is given, in bytes: that of a message." 16777215)

(defn- bad [what expected more]
  (ex-info (str "sente-lite: " what "; expected " expected) (merge {:category :incorrect :code :sente-lite/bad-gzip :expected expected} more)))

(defn- not-gzip [] (bad "this is no gzip, or it is damaged" "one gzip member, complete and with nothing behind it" nil))

(defn- bomb [limit]
  (bad (str "what was compressed has more than " limit " bytes") (str "at most " limit " bytes") {:code :sente-lite/too-large :limit limit}))

(def ^:private surely
  "What may come of a few bytes, and how much larger than them the result may be
  beyond it."
  [1048576 256])

(defn- bound
  "What n bytes may become."
  [n limit]
  (min limit (max (first surely) (* (second surely) n))))

(defn- byte-at [b i] (bit-and 255 (aget #?(:clj ^bytes b :cljs b) i)))

(defn gzip?
  "Do bytes begin as gzip does? Nothing else that travels begins so.

      (gzip? (sente-lite.bytes/utf8 \"text\"))  ;=> false"
  [b]
  (and (> (bytes/size b) 17) (= 0x1f (byte-at b 0)) (= 0x8b (byte-at b 1))))

(defn- said-length
  "What the last four bytes say of the length of all: of one member it is the
  length."
  [b]
  (let [n (bytes/size b)]
    (+ (byte-at b (- n 4)) (* 256 (byte-at b (- n 3))) (* 65536 (byte-at b (- n 2))) (* 16777216 (byte-at b (- n 1))))))

;; The JVM and Babashka.

#?(:clj
   (defn- head-end
     "Where the header of a member ends, nil where there is none."
     [b]
     (let [n     (bytes/size b)
           flags (byte-at b 3)
           text  (fn [i] (when (and i (< i n)) (if (zero? (byte-at b i)) (inc i) (recur (inc i)))))]
       (when (and (gzip? b) (= 8 (byte-at b 2)) (zero? (bit-and flags 0xe0)))
         (cond->> 10
           (bit-test flags 2) (+ 2 (byte-at b 10) (* 256 (byte-at b 11)))
           (bit-test flags 3) text
           (bit-test flags 4) text
           (bit-test flags 1) (#(when % (+ 2 %))))))))

#?(:clj
   (defn- inflated
     "The content, as far as the limit, and whether it is whole and right."
     [b from limit]
     (let [inflater (Inflater. true)
           chunk    (byte-array 65536)
           to       (ByteArrayOutputStream. (int (min limit 65536)))
           crc      (CRC32.)]
       (try
         (.setInput inflater b from (- (bytes/size b) from))
         (loop []
           (let [n (.inflate inflater chunk)]
             (.write to chunk 0 n)
             (.update crc chunk 0 n)
             (cond
               (> (.size to) limit)                              (throw (bomb limit))
               (.finished inflater)                              nil
               (and (zero? n) (.needsInput inflater))            (throw (not-gzip))
               (and (zero? n) (.needsDictionary inflater))       (throw (not-gzip))
               :else                                             (recur))))
         (let [left (.getRemaining inflater)
               at   (- (bytes/size b) left)]
           (if (and (= 8 left)
                    (= (said-length b) (bit-and 4294967295 (.size to)))
                    (= (.getValue crc) (+ (byte-at b at) (* 256 (byte-at b (+ 1 at))) (* 65536 (byte-at b (+ 2 at))) (* 16777216 (byte-at b (+ 3 at))))))
             (.toByteArray to)
             (throw (not-gzip))))
         (catch Exception e (throw (if (ex-data e) e (not-gzip))))
         (finally (.end inflater))))))

;; Pages.

#?(:org.babashka/nbb nil
   :cljs
   (defn- through
     "A promise of what comes out of a stream that bytes are put into, up to the limit."
     [stream b limit]
     (let [reader (.getReader (.-readable stream))
           writer (.getWriter (.-writable stream))
           parts  (js/Array.)
           quiet  (fn [p] (.catch p (fn [_])))]
       (quiet (.write writer b))
       (quiet (.close writer))
       ((fn more [n]
          (.then (.read reader)
                 (fn [r]
                   (if (.-done r)
                     (.then (.arrayBuffer (js/Blob. parts)) (fn [a] (js/Uint8Array. a)))
                     (let [n (+ n (.-length (.-value r)))]
                       (.push parts (.-value r))
                       (if (> n limit)
                         (do (quiet (.cancel reader)) (js/Promise.reject (bomb limit)))
                         (more n)))))))
        0))))

#?(:org.babashka/nbb nil
   :cljs
   (defn- pako-inflated [b limit]
     (let [inflate (js/pako.Inflate. #js {:chunkSize 65536})
           parts   (js/Array.)
           n       (volatile! 0)]
       (set! (.-onData inflate) (fn [part]
                                  (.push parts part)
                                  (when (> (vswap! n + (.-length part)) limit) (throw (bomb limit)))))
       (.push inflate b true)
       (when (or (not (zero? (.-err inflate))) (not (.-ended inflate))) (throw (not-gzip)))
       (let [all (js/Uint8Array. @n)]
         (reduce (fn [at part] (.set all part at) (+ at (.-length part))) 0 parts)
         all))))

#?(:cljs
   (defn- right?
     "Has the content the length that is said? Of several members it is the last one's."
     [content b]
     (= (said-length b) (bytes/size content))))

(defn ^:no-doc unavailable
  "Why there is no gzip here, nil where there is."
  []
  #?(:org.babashka/nbb nil
     :clj  nil
     :cljs (when-not (or (.-CompressionStream js/globalThis) (.-pako js/globalThis))
             "this browser has no CompressionStream, and the page has not loaded pako: put <script src=\"pako.min.js\"></script> (npm install pako) before the page's scripts")))

(defn- need! []
  (when-let [why (unavailable)]
    (throw (ex-info (str "sente-lite: gzip: " why)
                    {:category :unsupported :code :sente-lite/no-gzip :expected "CompressionStream, or pako" :hint "load pako"}))))

(defn ^:no-doc squeezed
  "The bytes in gzip: at once, or a promise of them, as the platform has it."
  [b]
  #?(:org.babashka/nbb (zlib/gzipSync b)
     :clj  (let [to (ByteArrayOutputStream. 256)]
             (with-open [z (GZIPOutputStream. to)] (.write z ^bytes b 0 (alength ^bytes b)))
             (.toByteArray to))
     :cljs (do (need!)
               (if (.-CompressionStream js/globalThis)
                 (through (js/CompressionStream. "gzip") b js/Infinity)
                 (js/pako.gzip b)))))

(defn ^:no-doc expanded
  "What is in gzip, `limit` bytes at the most: at once, or a promise of it, as the
  platform has it."
  [b limit]
  (when-not (gzip? b) (throw (not-gzip)))
  (let [limit (bound (bytes/size b) limit)]
    (when (> (said-length b) limit) (throw (bomb limit)))
    #?(:org.babashka/nbb (try
                           (let [r (zlib/gunzipSync b #js {:maxOutputLength limit :info true})]
                             (if (and (= (.-length b) (.-bytesWritten (.-engine r))) (right? (.-buffer r) b))
                               (.-buffer r)
                               (throw (not-gzip))))
                           (catch :default e
                             (throw (cond
                                      (ex-data e)                             e
                                      (= "ERR_BUFFER_TOO_LARGE" (.-code e))   (bomb limit)
                                      :else                                   (not-gzip)))))
       :clj  (if-let [from (head-end b)] (inflated b from limit) (throw (not-gzip)))
       :cljs (do (need!)
                 (if (.-DecompressionStream js/globalThis)
                   (-> (through (js/DecompressionStream. "gzip") b limit)
                       (.then (fn [content] (if (right? content b) content (js/Promise.reject (not-gzip)))))
                       (.catch (fn [e] (js/Promise.reject (if (ex-data e) e (not-gzip))))))
                   (try (let [content (pako-inflated b limit)] (if (right? content b) content (throw (not-gzip))))
                        (catch :default e (throw (if (ex-data e) e (not-gzip))))))))))

(defn- given
  "What f gives: in JavaScript always a promise."
  [f]
  #?(:clj (f) :cljs (try (js/Promise.resolve (f)) (catch :default e (js/Promise.reject e)))))

(defn gzip
  "Bytes, compressed: a byte array, in JavaScript a promise of a Uint8Array. Where a
  page has no gzip at all, the promise fails and says what to load.

      (gzip (sente-lite.bytes/utf8 \"text\"))"
  [b]
  (given #(squeezed b)))

(defn ungzip
  "What gzip has compressed, `limit` bytes at the most (16777215); in JavaScript a
  promise. What is damaged, has more behind it or becomes larger is an ex-info with
  :code :sente-lite/bad-gzip or :sente-lite/too-large. So is, beyond 1 MiB, what
  becomes more than 256 times as large.

      #?(:clj (seq (ungzip (gzip (byte-array [1 2 3])))) :cljs (.then (gzip (js/Uint8Array. #js [1 2 3])) ungzip))"
  ([b] (ungzip b most))
  ([b limit] (given #(expanded b limit))))

(defn gzip-string
  "A text in UTF-8, compressed: as gzip.

      (gzip-string \"a long text\")"
  [s]
  (gzip (bytes/utf8 s)))

(defn ungzip-string
  "The text of what gzip-string has made: as ungzip.

      #?(:clj (ungzip-string (gzip-string \"text\")) :cljs (.then (gzip-string \"text\") ungzip-string))"
  ([b] (ungzip-string b most))
  ([b limit] (given #(let [content (expanded b limit)]
                       #?(:clj  (bytes/text content)
                          :cljs (if (instance? js/Promise content) (.then content bytes/text) (bytes/text content)))))))
