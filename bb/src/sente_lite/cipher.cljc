(ns sente-lite.cipher
  "AES-GCM around the messages of one link, with a key that both sides have. Each
  is nonce(12) || ciphertext || tag(16). A nonce is 8 random bytes of one direction
  of one link, and a counter from 1: a message that comes again, late or from
  another link is refused.

  What is written once something of the other side has been opened is bound to it:
  its additional data are the 8 bytes of the other side's nonces. So nobody can play
  what was said on one link on another."
  {:no-doc true}
  (:require [sente-lite.bytes :as bytes]
            #?(:org.babashka/nbb ["crypto" :as crypto]))
  #?(:clj (:import (java.nio ByteBuffer)
                   (java.security SecureRandom)
                   (java.util Arrays)
                   (javax.crypto Cipher)
                   (javax.crypto.spec GCMParameterSpec SecretKeySpec))))

(defn- refuse [what expected]
  (throw (ex-info (str "sente-lite: " what "; expected " expected) {:category :incorrect :code :sente-lite/bad-cipher :expected expected})))

(defn key-of
  "The bytes of a key that is bytes or base64, or an ex-info."
  [k]
  (let [b (cond
            (bytes/is? k) k
            (string? k)   (try (bytes/unbase64 k) (catch #?(:clj IllegalArgumentException :cljs :default) _ nil)))]
    (if (and b (contains? #{16 24 32} (bytes/size b)))
      b
      (throw (ex-info "sente-lite: option :key: :aes-gcm needs a key; expected 16, 24 or 32 bytes, as an array or in base64"
                      {:category :incorrect :code :sente-lite/bad-option :option :key :expected "16, 24 or 32 bytes, as an array or in base64"})))))

(defn- part [b from to]
  #?(:clj (Arrays/copyOfRange ^bytes b (int from) (int to)) :cljs (.slice b from to)))

(defn- same? [a b]
  #?(:clj (Arrays/equals ^bytes a ^bytes b) :cljs (= (vec a) (vec b))))

(defn- sidecars?
  "Whether a nonce is of the sidecar's side: its first bit says so."
  [nonce]
  (>= #?(:clj (bit-and 255 (aget ^bytes nonce 0)) :cljs (aget nonce 0)) 128))

(defn- of-side
  "8 bytes as the first of one side's nonces."
  [b sidecar?]
  #?(:clj  (aset-byte b 0 (unchecked-byte (if sidecar? (bit-or (aget ^bytes b 0) 128) (bit-and (aget ^bytes b 0) 127))))
     :cljs (aset b 0 (if sidecar? (bit-or (aget b 0) 128) (bit-and (aget b 0) 127))))
  b)

(defn- random-8 []
  #?(:clj              (let [b (byte-array 8)] (.nextBytes (SecureRandom.) b) b)
     :org.babashka/nbb (js/Uint8Array.from (crypto/randomBytes 8))
     :cljs             (js/crypto.getRandomValues (js/Uint8Array. 8))))

(defn- joined [& parts]
  #?(:clj  (let [b (ByteBuffer/allocate (reduce + (map bytes/size parts)))]
             (run! (fn [^bytes p] (.put b p)) parts)
             (.array b))
     :cljs (let [all (js/Uint8Array. (reduce + (map bytes/size parts)))]
             (reduce (fn [at p] (.set all p at) (+ at (.-length p))) 0 parts)
             all)))

(defn- counter [n]
  #?(:clj  (.array (.putInt (ByteBuffer/allocate 4) (unchecked-int n)))
     :cljs (let [b (js/Uint8Array. 4)] (.setUint32 (js/DataView. (.-buffer b)) 0 n) b)))

(defn- count-of [nonce]
  #?(:clj  (bit-and 4294967295 (.getInt (ByteBuffer/wrap ^bytes nonce) 8))
     :cljs (.getUint32 (js/DataView. (.-buffer nonce) (.-byteOffset nonce)) 8)))

(def ^:private nothing #?(:clj (byte-array 0) :cljs (js/Uint8Array. 0)))

#?(:org.babashka/nbb nil
   :cljs
   (defn- subtle
     "A page's promise of the outcome of encrypt or decrypt."
     [way k nonce aad b]
     (-> (js/crypto.subtle.importKey "raw" k "AES-GCM" false #js [way])
         (.then (fn [k]
                  (let [params #js {:name "AES-GCM" :iv nonce :additionalData aad}]
                    (if (= "encrypt" way) (js/crypto.subtle.encrypt params k b) (js/crypto.subtle.decrypt params k b)))))
         (.then (fn [a] (js/Uint8Array. a))))))

#?(:clj
   (defn- run-cipher [mode k nonce aad b]
     (let [c (Cipher/getInstance "AES/GCM/NoPadding")]
       (.init c (int mode) (SecretKeySpec. ^bytes k "AES") (GCMParameterSpec. 128 ^bytes nonce))
       (.updateAAD c ^bytes aad)
       (.doFinal c ^bytes b))))

(defn- seal
  "The ciphertext and its tag, or a promise of them."
  [k nonce aad b]
  #?(:clj              (run-cipher Cipher/ENCRYPT_MODE k nonce aad b)
     :org.babashka/nbb (let [c (doto (crypto/createCipheriv (str "aes-" (* 8 (.-length k)) "-gcm") k nonce) (.setAAD aad))
                             a (.update c b)
                             z (.final c)]
                         (joined a z (.getAuthTag c)))
     :cljs             (subtle "encrypt" k nonce aad b)))

(defn- unseal
  "What is in it, nil where it cannot be opened, or a promise of either."
  [k nonce aad b]
  #?(:clj              (try (run-cipher Cipher/DECRYPT_MODE k nonce aad b)
                            (catch Exception _ nil))
     :org.babashka/nbb (try (let [n (- (.-length b) 16)
                                  c (doto (crypto/createDecipheriv (str "aes-" (* 8 (.-length k)) "-gcm") k nonce)
                                      (.setAAD aad)
                                      (.setAuthTag (.slice b n)))
                                  a (.update c (.slice b 0 n))]
                              (joined a (.final c)))
                            (catch :default _ nil))
     :cljs             (.catch (subtle "decrypt" k nonce aad b) (fn [_] nil))))

(defn- then [v f]
  #?(:clj (f v) :cljs (if (instance? js/Promise v) (.then v f) (f v))))

(defn coder
  "The two halves of one link: {:encode (fn [bytes]) :decode (fn [bytes limit])}.
  Each is called in the order of messages, and gives bytes or a promise of them.
  `sidecar?` is for its side, which tests play."
  [k & [sidecar?]]
  (let [mine   (of-side (random-8) sidecar?)
        sent   (volatile! 0)
        theirs (volatile! nil)     ; the 8 bytes of the first that was opened
        last   (volatile! 0)
        bound? (volatile! false)]  ; whether the other side has opened something of ours
    {:encode (fn [b]
               (when (>= @sent 4294967295) (refuse "this link has encrypted all the messages that one key and nonce are good for" "a new link"))
               (let [nonce (joined mine (counter (vswap! sent inc)))]
                 (then (seal k nonce (or @theirs nothing) b) (fn [sealed] (joined nonce sealed)))))
     :decode (fn [b _]
               (when (< (bytes/size b) 28) (refuse "a message came that is not encrypted" "nonce, ciphertext and tag"))
               (let [nonce (part b 0 12) eight (part nonce 0 8) n (count-of nonce) sealed (part b 12 (bytes/size b))
                     fail  (fn [] (refuse "a message cannot be opened: it has another key, was changed, or is not of this link" "the key of the other side"))
                     take  (fn [aad-bound? content]
                             (when aad-bound? (vreset! bound? true))
                             (when-not @theirs (vreset! theirs eight))
                             (vreset! last n)
                             content)]
                 (when (= (sidecars? nonce) (boolean sidecar?))
                   (refuse "a message came that is one of this side's own, perhaps of another link" "one of the other side's"))
                 (when (or (<= n @last) (and @theirs (not (same? eight @theirs))))
                   (refuse "a message came again, or out of its order" "each message once"))
                 (then (unseal k nonce mine sealed)
                       (fn [content]
                         (cond
                           content (take true content)
                           @bound? (fail)
                           :else   (then (unseal k nonce nothing sealed)
                                         (fn [content] (if content (take false content) (fail)))))))))}))
