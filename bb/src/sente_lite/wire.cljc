(ns sente-lite.wire
  "Values as they travel: the shapes of events, calls and replies, how they are
  printed and read. Pure."
  {:no-doc true}
  (:require [clojure.edn :as edn]
            [clojure.string :as str]
            [clojure.walk :as walk]
            [sente-lite.bytes :as bytes]
            [sente-lite.names :as names]
            #?@(:bb [] :clj [[sente-lite.printer :as printer]])))

;; Shapes (what a value is, by its form alone).

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

(def ^:private edn-number?
  "AtomicLong and the like are numbers, too, and print as objects."
  #?(:clj (some-fn integer? float? (some-fn decimal? ratio?)) :cljs number?))

(def ^:private scalar?
  "Nested, since some-fn is fast with up to three."
  (some-fn (some-fn string? keyword? edn-number?)
           (some-fn nil? boolean? symbol?)
           (some-fn uuid? #?(:clj (some-fn char? #(instance? java.util.Date %)) :cljs inst?))))

(declare fine?)

(def ^:private readable?
  (some-fn scalar? (some-fn map? vector? set?) (some-fn seq? bytes/is? #(and (tagged-literal? %) (fine? % (volatile! 10000))))))

;; In a script a step of a loop of our own costs a thousand times what one of the
;; platform's costs. So a collection is checked by one call wherever all in it is
;; plain, and names that have been found good are remembered as a set, which is a
;; predicate.

(def ^:private most-names 4096)
(def ^:private known-names (atom #{}))

(defn- plain-with
  "A set must only be asked about names: to ask is to hash, and a sequence may
  have no end."
  [names]
  (some-fn (some-fn string? edn-number? boolean?) (some-fn nil? (every-pred ident? names) uuid?)))

(def ^:private plain? (atom (plain-with #{})))

(defn- good-name?
  [x]
  (when (names/sound? x)
    (let [known (swap! known-names (fn [n] (conj (if (< (count n) most-names) n #{}) x)))]
      (reset! plain? (plain-with known)))
    true))

(defn- fine?
  "The whole of a value prints as EDN, and has at most `left` parts."
  [x left]
  (let [plain @plain?]
    (cond
      (plain x) true
      (ident? x) (good-name? x)
      (map? x)  (and (not (record? x))
                     (>= (vswap! left - (count x)) 0)
                     (or (every? plain (keys x)) (every? #(fine? % left) (keys x)))
                     (or (every? plain (vals x)) (every? #(fine? % left) (vals x))))
      (or (vector? x) (set? x) (seq? x))
      (and (>= (vswap! left - (bounded-count (inc @left) x)) 0)
           (or (every? plain x) (every? #(fine? % left) x)))
      (tagged-literal? x) (and (fine? (:tag x) left) (fine? (:form x) left))
      (bytes/is? x) true
      :else (scalar? x))))

(defn- tagged
  "A value with its bytes as tagged text."
  [x]
  (walk/prewalk #(cond
                   (bytes/is? %)       (bytes/tagged %)
                   (tagged-literal? %) (tagged-literal (:tag %) (tagged (:form %)))
                   :else               %)
                x))

(defn- reference?
  "Has it a value that deref gives?"
  [x]
  #?(:clj  (or (instance? clojure.lang.IRef x) (delay? x) (future? x) (volatile? x))
     :cljs (satisfies? IDeref x)))

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
    (reference? x) "a reference, like an atom"
    :else        #?(:clj (str "a " (.getName (class x))) :cljs "an object of the host")))

(defn- hint-of [x]
  (cond
    (record? x)  "send a map: (into {} record)"
    (fn? x)      "send data, and let the other side call its own function"
    (ident? x)   "send a string, or keywords without blanks; (json with :keywords makes such keys)"
    #?@(:cljs [(or (object? x) (array? x)) "(js->clj x :keywordize-keys true)"])
    (reference? x) "send what it holds: @it"
    :else        "send strings, numbers, keywords, uuids, dates (java.util.Date), bytes and collections of them"))

(defn- bad?
  "Does a value itself, whatever is in it, not print as EDN?"
  [x]
  (or (record? x) (not (readable? x)) (and (ident? x) (not (names/sound? x)))))

(defn- culprits
  "The parts of a value that do not print as EDN, [path part] in order and only as
  far as somebody looks: it may have no end."
  [path x]
  (lazy-seq
   (cond
     (bad? x)               [[path x]]
     (map? x)               (mapcat (fn [[k v]] (concat (culprits (conj path k) k) (culprits (conj path k) v))) x)
     (set? x)               (mapcat (fn [v] (culprits (conj path v) v)) x)
     (sequential? x)        (mapcat (fn [i v] (culprits (conj path i) v)) (range) x))))

(defn- refuse [what given expected more]
  (throw (ex-info (str "sente-lite: " what "; expected " expected)
                  (merge {:category :incorrect :given given :expected expected} more))))

(defn- unprintable [x]
  (let [[path thing :as found] (first (culprits [] x))]
    (if found
      (refuse (str "the value at " (pr-str (mapv #(if (scalar? %) % '…) path)) " is " (kind-of thing))
              (kind-of thing) "a value that prints as EDN"
              {:code :sente-lite/not-edn :path path :hint (hint-of thing)})
      (refuse "the value does not print as EDN" (kind-of x) "a value that prints as EDN" {:code :sente-lite/not-edn :path []}))))

(defn- too-many []
  (refuse (str "the value has more than " max-nodes " parts, or is infinite")
          "a very large value" (str "at most " max-nodes " parts: take some of a lazy sequence, or send it in pieces")
          {:code :sente-lite/too-large :hint "(take n xs)"}))

(defn- printed
  "The text, whatever the printer is set to; bindings cost more than printing, so
  they are made only where they matter."
  [x]
  (let [text (when-not (or *print-length* *print-level* *print-meta* (not *print-readably*))
               (pr-str x))]
    (if (and text (not (and *print-namespace-maps* (str/includes? text "#:"))))
      text
      (binding [*print-length* nil *print-level* nil *print-meta* false *print-namespace-maps* false *print-readably* true]
        (pr-str x)))))

(defn- slowly-checked
  "By the platform's own loops and printer."
  [x]
  (let [left (volatile! max-nodes)]
    (cond
      (fine? x left) (let [text (printed x)]
                       ;; Of what has been checked, nothing but bytes prints so; a text may have it, too.
                       (if (str/includes? text "#object[") (printed (tagged x)) text))
      (neg? @left)   :too-many)))

(defn- checked
  "The text of a value, nil where it has none, :too-many where it has no end."
  [x]
  #?(:bb      (slowly-checked x)
     :clj     (printer/text x max-nodes)
     :default (slowly-checked x)))

(defn- too-deep []
  (refuse "the value is nested too deeply" "a very deep value" "at most 512 levels" {:code :sente-lite/too-deep}))

(defn text
  "The EDN text of a value, or an ex-info that says what in it is none:
  {:path [1 :f] :given \"a function\" :expected … :hint …}."
  [x]
  (let [text (try (checked x)
                  (catch #?(:clj StackOverflowError :cljs js/RangeError) _ (too-deep)))]
    (cond
      (string? text) text
      text           (too-many)
      :else          (unprintable x))))

(defn check
  "Throws what text throws for a value that has none."
  [x]
  (let [left (volatile! max-nodes)]
    (when-not (try (fine? x left)
                   (catch #?(:clj StackOverflowError :cljs js/RangeError) _ (too-deep)))
      (if (neg? @left) (too-many) (unprintable x)))))

(defn byte-length
  "Of a text in UTF-8."
  [s]
  (bytes/size (bytes/utf8 s)))

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
  (edn/read-string {:default tagged-literal :readers {'sente-lite/bytes bytes/reader}} s))

(defn bundle
  "One message of several items' texts."
  [texts]
  (if (next texts)
    (str "[:batch/events [" (str/join " " texts) "]]")
    (first texts)))
