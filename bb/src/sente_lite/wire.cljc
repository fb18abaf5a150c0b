(ns sente-lite.wire
  "Values as they travel: the shapes of events, calls and replies, how they are
  printed and read. Pure."
  {:no-doc true}
  (:require [clojure.edn :as edn]
            [clojure.string :as str]))

;; Shapes (what a value is, by its form alone).

(defn event-id?
  "A keyword with a namespace."
  [x]
  (qualified-keyword? x))

(defn event?
  "[:ns/name] or [:ns/name data]."
  [x]
  (and (vector? x) (<= 1 (count x) 2) (qualified-keyword? (nth x 0))))

(defn error
  "The value that stands for a failure: [:sente-lite/error {…}]."
  [category code message more]
  [:sente-lite/error (merge {:category category :code code :message message :retry? false} more)])

(defn error?
  "Is a reply one of the values that stand for a failure?"
  [x]
  (or (= x :chsk/timeout) (= x :chsk/closed) (= x :chsk/error)
      (and (vector? x) (= :sente-lite/error (nth x 0 nil)))))

(defn error-map
  "The map of a failure, nil of anything else."
  [x]
  (cond
    (= x :chsk/timeout) {:category :unavailable :code :chsk/timeout :message "no reply in time" :retry? false}
    (= x :chsk/closed)  {:category :interrupted :code :chsk/closed :message "the link was closed before a reply came" :retry? false}
    (= x :chsk/error)   {:category :fault :code :chsk/error :message "the reply could not be brought here" :retry? false}
    (error? x)          (nth x 1 {})))

;; Printing. What has been printed is checked first: a function, a record or a
;; keyword with a blank in it would reach the other side as something else, or
;; as an error that names no place.

(def max-nodes
  "The most values in one event: beyond it a value is taken for infinite."
  1000000)

(def ^:private scalar?
  #?(:clj  (some-fn string? keyword? number? nil? boolean? symbol? char? uuid?
                    #(instance? java.util.Date %))
     :cljs (some-fn string? keyword? number? nil? boolean? symbol? uuid? inst?)))

(declare fine?)

(defn- fine-tag?
  "A tag and what it stands before, which the walk over collections does not see."
  [x]
  (and (tagged-literal? x) (fine? (take 10000 (tree-seq coll? seq [(:tag x) (:form x)])))))

(def ^:private readable? (some-fn scalar? map? vector? set? seq? fine-tag?))

(def ^:private bad-names
  "What the printed name of a keyword or symbol must not contain."
  #"[\s,;\"\\\[\](){}@^`~]|::|:$")

(defn- nodes [x] (tree-seq coll? seq x))

(defn- fine?
  "The whole of a value prints as EDN. All loops here are the platform's own:
  in a script each step of one would cost a thousand times as much."
  [all]
  (and (every? readable? all)
       (not-any? record? all)
       (not (re-find bad-names (apply str (filter ident? all))))))

(defn- kind-of [x]
  (cond
    (record? x)  (str "a record, " #?(:clj (.getName (class x)) :cljs (pr-str (type x))))
    (fn? x)      "a function"
    (tagged-literal? x) (str "the tag #" (:tag x) " before what is no EDN")
    (ident? x)   (str "the " (if (keyword? x) "keyword" "symbol") " " (pr-str (str x)) ", which does not read back as one")
    (var? x)     "a var"
    #?@(:cljs [(object? x) "a JavaScript object"
               (array? x)  "a JavaScript array"
               (instance? js/Promise x) "a promise"])
    :else        #?(:clj (if (instance? clojure.lang.IDeref x)
                           (str "a reference (" (.getSimpleName (class x)) ")")
                           (str "a " (.getName (class x))))
                    :cljs (if (satisfies? IDeref x) "a reference, like an atom" "an object of the host"))))

(defn- hint-of [x]
  (cond
    (record? x)  "send a map: (into {} record)"
    (fn? x)      "send data, and let the other side call its own function"
    (ident? x)   "send a string, or keywords without blanks; (json with :keywords makes such keys)"
    #?@(:cljs [(or (object? x) (array? x)) "(js->clj x :keywordize-keys true)"])
    :else        #?(:clj (if (instance? clojure.lang.IDeref x) "send what it holds: @it"
                             "send strings, numbers, keywords, uuids, java.util.Dates and collections of them")
                    :cljs "send strings, numbers, keywords, uuids, dates and collections of them")))

(defn- culprit
  "Where in a value, which is finite, the first thing is that does not print as
  EDN: [path thing]."
  [x]
  (loop [left [[[] x]]]
    (when-let [[path x] (peek left)]
      (cond
        (or (record? x) (not (readable? x))
            (and (ident? x) (re-find bad-names (str x))))
        [path x]
        (map? x)              (recur (into (pop left) (mapcat (fn [[k v]] [[(conj path k) v] [(conj path k) k]])) (reverse x)))
        (or (vector? x) (seq? x)) (recur (into (pop left) (reverse (map-indexed (fn [i v] [(conj path i) v]) x))))
        (set? x)              (recur (into (pop left) (map (fn [v] [(conj path v) v])) (reverse x)))
        :else                 (recur (pop left))))))

(defn- refuse [what given expected more]
  (throw (ex-info (str "sente-lite: " what "; expected " expected)
                  (merge {:category :incorrect :given given :expected expected} more))))

(defn- unprintable [x]
  (let [[path thing] (culprit x)]
    (refuse (str "the value at " (pr-str (mapv #(if (scalar? %) % '…) path)) " is " (kind-of thing))
            (kind-of thing) "a value that prints as EDN"
            {:code :sente-lite/not-edn :path path :hint (hint-of thing)})))

(defn- too-many []
  (refuse (str "the value has more than " max-nodes " parts, or is infinite")
          "a very large value" (str "at most " max-nodes " parts: take some of a lazy sequence, or send it in pieces")
          {:code :sente-lite/too-large :hint "(take n xs)"}))

(defn- printed [x]
  (if (or *print-length* *print-level* *print-meta* *print-namespace-maps* (not *print-readably*))
    (binding [*print-length* nil *print-level* nil *print-meta* false *print-namespace-maps* false *print-readably* true]
      (pr-str x))
    (pr-str x)))

(defn text
  "The EDN text of a value, or an ex-info that says what in it is none:
  {:path [1 :f] :given \"a function\" :expected … :hint …}."
  [x]
  (try
    (let [few (vec (take 257 (nodes x)))]
      (cond
        (< (count few) 257)                                      (if (fine? few) (printed x) (unprintable x))
        (> (bounded-count (inc max-nodes) (nodes x)) max-nodes)  (too-many)
        (fine? (nodes x))                                        (printed x)
        :else                                                    (unprintable x)))
    (catch #?(:clj StackOverflowError :cljs :default) e
      (if #?(:clj true :cljs (and (nil? (ex-data e)) (instance? js/RangeError e)))
        (refuse "the value is nested too deeply" "a very deep value" "at most 512 levels" {:code :sente-lite/too-deep})
        (throw e)))))

(defn byte-length
  "Of a text in UTF-8."
  [^String s]
  #?(:clj  (alength (.getBytes s "UTF-8"))
     :cljs (.-length (.encode (js/TextEncoder.) s))))

(defn event-text
  "The text of an event, checked. `what` names the caller in errors."
  [what event]
  (when-not (event? event)
    (refuse (str what ": " (if (vector? event)
                             (str "the event begins with " (pr-str (first event)) " and has " (bounded-count 3 event) " parts")
                             (str "the event is " (cond (nil? event) "nil"
                                                        (scalar? event) (pr-str event)
                                                        (map? event) "a map"
                                                        :else (kind-of event)))))
            event "[:namespace/name] or [:namespace/name data]" {:code :sente-lite/bad-event}))
  (text event))

(defn read-text
  "Reads one value. Unknown tags stay what they are (tagged-literal)."
  [s]
  (edn/read-string {:default tagged-literal} s))

(defn bundle
  "One message of several items' texts."
  [texts]
  (if (next texts)
    (str "[:batch/events [" (str/join " " texts) "]]")
    (first texts)))
