;; Reads [:exact "…" "…"] or [:json "…" "…"], one a line: a value as it was sent, and as
;; it arrived. Answers "ok" if both are = and print alike, or if the second is what
;; pipe/pack/README.md says that JSON makes of the first; else what they are.

(require '[clojure.edn :as edn]
         '[clojure.instant :as instant]
         '[clojure.string :as str]
         '[clojure.walk :as walk])

(import '(java.io BufferedReader InputStreamReader OutputStreamWriter BufferedWriter))

(defn decode
  "Instants keep their nanoseconds."
  [text]
  (edn/read-string {:default tagged-literal :readers {'inst instant/read-instant-timestamp}} text))

(defn nan? [x] (and (double? x) (Double/isNaN x)))

(defn without-nan
  "NaN is = to nothing: a name in its place is."
  [v]
  (walk/postwalk #(cond (nan? %) ::nan
                        (tagged-literal? %) [::tagged (.tag %) (without-nan (.form %))]
                        :else %)
                 v))

(defn exactly?
  "Also tells lists from vectors, 1 from 1N, 0.0 from -0.0, 1.5M from 1.50M."
  [a b]
  (and (= (without-nan a) (without-nan b)) (= (pr-str a) (pr-str b))))

(defn instant= [t text]
  (try (= t (instant/read-instant-timestamp text)) (catch Exception _ false)))

(defn word
  "What stands for a value that is text in JSON, nil for others."
  [v]
  (cond (string? v)  v
        (keyword? v) (subs (str v) 1)
        (or (symbol? v) (char? v) (uuid? v) (ratio? v)) (str v)))

(declare json=)

(defn word= [v text]
  (and (string? text)
       (cond (uuid? v)  (= (str v) (str/lower-case text))
             (ratio? v) (= v (try (edn/read-string text) (catch Exception _ nil))) ; 2/4, too
             :else      (= (word v) text))))

(defn key= [k got]
  (let [text (if (keyword? got) (subs (str got) 1) got)]
    (try
      (cond (inst? k) (instant= k text)
            (word k)  (word= k text)
            :else     (exactly? k (decode text)))
      (catch Exception _ false))))

(defn taken
  "coll without its first x that pred is true of, nil if there is none."
  [pred coll]
  (let [[before [x & after]] (split-with (complement pred) coll)]
    (when (or x (< (count before) (count coll)))
      (concat before after))))

(defn matched? [same? as bs]
  (cond (empty? as) (empty? bs)
        :else (if-let [left (taken #(same? (first as) %) bs)]
                (recur same? (rest as) left)
                false)))

(defn json= [v got]
  (cond
    (nil? v)     (nil? got)
    (boolean? v) (= v got)
    (inst? v)    (instant= v got)
    (word v)     (word= v got)
    (double? v)  (if (or (nan? v) (Double/isInfinite v)) (nil? got) (and (number? got) (= v (double got))))
    (decimal? v) (and (string? got) (= v (bigdec got)))
    (integer? v) (if (<= -9007199254740992 v 9007199254740992)
                   (or (and (integer? got) (= v got))
                       (and (string? got) (str/includes? got "/") (= v (edn/read-string got)))) ; 4/2
                   (or (= (str v) got)
                       (and (string? got) (str/includes? got "/") (= v (edn/read-string got)))))
    (tagged-literal? v) (json= (.form v) got)
    (map? v)     (and (map? got) (= (count v) (count got))
                      (matched? (fn [[k x] [gk gx]] (and (key= k gk) (json= x gx))) (seq v) (or (seq got) [])))
    (set? v)     (and (vector? got) (= (count v) (count got)) (matched? json= (seq v) got))
    (sequential? v) (and (vector? got) (= (count v) (count got)) (every? true? (map json= v got)))
    :else        false))

(defn says [[kind a b]]
  (try
    (let [x (decode a)
          y (try (decode b) (catch Throwable e (str "unreadable: " (.getMessage e))))]
      (if (case kind :exact (exactly? x y) :json (json= x y))
        "ok"
        (str (pr-str x) " is not " (pr-str y))))
    (catch Throwable e
      (str "refused: " (.getMessage e)))))

(with-open [in  (BufferedReader. (InputStreamReader. System/in "UTF-8"))
            out (BufferedWriter. (OutputStreamWriter. System/out "UTF-8"))]
  (doseq [line (line-seq in)]
    (.write out (str (str/replace (says (edn/read-string line)) #"[\r\n]" " ") "\n"))))
