(ns sente-lite.gzip-test
  (:require #?(:clj [clojure.test :refer [deftest is]] :cljs [cljs.test :refer [deftest is async]])
            [clojure.string :as str]
            [sente-lite.bytes :as bytes]
            [sente-lite.gzip :as gzip]))

(defn- outcome
  "What f gives, or the :code of its failure: in JavaScript a promise of either."
  [f]
  #?(:clj  (try (f) (catch Exception e (:code (ex-data e))))
     :cljs (-> (js/Promise.resolve) (.then f) (.catch (fn [e] (:code (ex-data e)))))))

(defn- all
  "Calls (check outcome expected what) for each, then done."
  [cases check done]
  #?(:clj  (doseq [[f expected what] cases] (check (outcome f) expected what))
     :cljs (-> (reduce (fn [p [f expected what]]
                         (-> p (.then (fn [] (outcome f))) (.then (fn [v] (check v expected what)))))
                       (js/Promise.resolve) cases)
               (.then done done))))

(def ^:private text "Grüße, 世界 😀")

(def ^:private fixtures
  "The same text by others: Python's with a file name, Go's with a comment and more,
  Node's, Java's."
  {"python" "H4sICADxU2UC/25hbWUudHh0AHMvOrzn8PxUHYUnO6Y9n9qj8GH+jAYAFXalCBQAAAA="
   "go"     "H4sIFAAAAAAA/wMAAQIDYSBjb21tZW50AAAUAOv/R3LDvMOfZSwg5LiW55WMIPCfmIABAAD//xV2pQgUAAAA"
   "node"   "H4sIAAAAAAAAA3MvOrzn8PxUHYUnO6Y9n9qj8GH+jAYAFXalCBQAAAA="
   "java"   "H4sIAAAAAAAA/3MvOrzn8PxUHYUnO6Y9n9qj8GH+jAYAFXalCBQAAAA="})

(defn- changed [b i]
  (let [n (bytes/size b) i (mod i n)
        at (fn [k] (bit-and 255 (aget #?(:clj ^bytes b :cljs b) k)))
        all (map #(if (= % i) (bit-xor 1 (at %)) (at %)) (range n))]
    #?(:clj (byte-array (map unchecked-byte all)) :cljs (js/Uint8Array. (clj->js all)))))

(defn- concatenated [& bs]
  (let [all (mapcat (fn [b] (map #(bit-and 255 (aget #?(:clj ^bytes b :cljs b) %)) (range (bytes/size b)))) bs)]
    #?(:clj (byte-array (map unchecked-byte all)) :cljs (js/Uint8Array. (clj->js all)))))

(defn- zeros [n] #?(:clj (byte-array n) :cljs (js/Uint8Array. n)))

(defn- then [v f] #?(:clj (f v) :cljs (.then v f)))

(def ^:private java (bytes/unbase64 (fixtures "java")))

(def cases
  (concat
   (for [[who b] fixtures] [#(gzip/ungzip-string (bytes/unbase64 b)) text who])
   [[#(then (gzip/gzip-string text) gzip/ungzip-string) text "our own"]
    [#(then (gzip/gzip-string "") gzip/ungzip-string) "" "nothing"]
    [#(then (gzip/gzip-string (str/join (repeat 100000 "abc"))) gzip/ungzip-string) (str/join (repeat 100000 "abc")) "a large text"]
    [#(then (then (gzip/gzip (zeros 1000000)) gzip/ungzip) bytes/size) 1000000 "bytes"]
    [#(then (then (gzip/gzip (zeros 1000000)) gzip/gzip?) identity) true "gzip?"]
    [#(then (gzip/gzip (zeros 3000000)) gzip/ungzip) :sente-lite/too-large "more than 256 times as large"]
    [#(then (gzip/gzip (zeros 1000)) (fn [b] (gzip/ungzip b 999))) :sente-lite/too-large "more than the limit"]
    [#(then (then (gzip/gzip (zeros 1000)) (fn [b] (gzip/ungzip b 1000))) bytes/size) 1000 "the limit"]
    [#(gzip/ungzip (concatenated java java)) :sente-lite/bad-gzip "two members"]
    [#(gzip/ungzip (concatenated java (zeros 1))) :sente-lite/bad-gzip "a byte behind it"]
    [#(gzip/ungzip (changed java 30)) :sente-lite/bad-gzip "damaged"]
    [#(gzip/ungzip (changed java -8)) :sente-lite/bad-gzip "another checksum"]
    [#(gzip/ungzip (changed java -1)) :sente-lite/too-large "another length"]
    [#(gzip/ungzip (bytes/utf8 text)) :sente-lite/bad-gzip "no gzip"]
    [#(gzip/ungzip (zeros 0)) :sente-lite/bad-gzip "empty"]]
   (for [n [1 5 17 18 30 40]] [#(gzip/ungzip #?(:clj (java.util.Arrays/copyOf ^bytes java (int n)) :cljs (.slice java 0 n))) :failed (str n " bytes of it")])))

(defn- check [found expected what]
  (is (if (= :failed expected) (contains? #{:sente-lite/bad-gzip :sente-lite/too-large} found) (= expected found)) what))

(deftest the-same-everywhere
  #?(:clj (all cases check nil) :cljs (async done (all cases check done))))
