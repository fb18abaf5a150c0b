;; Judges EDN texts for scan_peers_test.go, as compare.clj does, with the reader
;; that ClojureScript has. It tells nothing of what follows the first value, so
;; the text is read inside a vector with something behind it.

(ns compare
  (:require ["fs" :as fs]
            [clojure.edn :as edn]
            [clojure.string :as str]))

(defn judge [text]
  (try
    (let [[values end & more] (edn/read-string {:default vector} (str "[[" text "\n] :compare/end]"))]
      (cond
        (or more (not= :compare/end end)) "refused: it closes a bracket"
        (= 1 (count values))              "ok"
        :else                             (str "refused: " (count values) " values")))
    (catch :default e
      (str "refused: " (str/replace (str (ex-message e)) #"[\r\n]" " ")))))

(doseq [line (str/split (str/trim-newline (fs/readFileSync 0 "utf8")) #"\n")]
  (println (judge (edn/read-string line))))
