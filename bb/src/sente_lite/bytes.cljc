(ns sente-lite.bytes
  "Byte arrays: byte[] on the JVM and Babashka, Uint8Array in JavaScript, where a
  Buffer of Node's is one. In EDN text they are #sente-lite/bytes \"base64\"."
  {:no-doc true})

(defn is? [x]
  #?(:clj  (bytes? x)
     :cljs (instance? js/Uint8Array x)))

;; A loop of our own over a million bytes takes seconds in a page: these are the
;; platform's.

(defn base64
  "The text of bytes, with padding."
  [b]
  #?(:clj              (.encodeToString (java.util.Base64/getEncoder) ^bytes b)
     :org.babashka/nbb (.toString (js/Buffer.from (.-buffer b) (.-byteOffset b) (.-byteLength b)) "base64")
     :cljs             (js/btoa (apply str (map (fn [i] (js/String.fromCharCode.apply nil (.subarray b i (+ i 32768))))
                                                (range 0 (.-length b) 32768))))))

(defn unbase64
  "The bytes of such a text; throws where it is none."
  [s]
  #?(:clj  (.decode (java.util.Base64/getDecoder) ^String s)
     :cljs (let [t (js/atob s)]
             (js/Uint8Array.from (.keys (js/Array. (count t))) (.bind (.-charCodeAt t) t)))))

(defn reader
  "What the tag #sente-lite/bytes reads as: itself where it holds no base64."
  [form]
  (or (when (string? form)
        (try (unbase64 form)
             (catch #?(:clj IllegalArgumentException :cljs :default) _ nil)))
      (tagged-literal 'sente-lite/bytes form)))

(defn tagged
  "Bytes as what prints as their EDN text."
  [b]
  (tagged-literal 'sente-lite/bytes (base64 b)))

(defn utf8
  "The bytes of a text."
  [s]
  #?(:clj  (.getBytes ^String s "UTF-8")
     :cljs (.encode (js/TextEncoder.) s)))

(defn text
  "The text of bytes, which must be UTF-8."
  [b]
  #?(:clj  (let [s (String. ^bytes b "UTF-8")]
             ;; What is no UTF-8 reads as this, and so does itself.
             (if (and (.contains s "\ufffd") (not (java.util.Arrays/equals ^bytes b (.getBytes s "UTF-8"))))
               (throw (ex-info "it is not UTF-8" {:category :incorrect :code :sente-lite/bad-utf8}))
               s))
     :cljs (.decode (js/TextDecoder. "utf-8" #js {:fatal true :ignoreBOM true}) b)))

(defn size [b]
  #?(:clj (alength ^bytes b) :cljs (.-length b)))
