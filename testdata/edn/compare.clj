;; Judges EDN texts for scan_peers_test.go: reads one string literal a line on
;; stdin, answers each with a line, "ok" if clojure.edn finds exactly one value
;; in it, else "refused" and why.

(require '[clojure.edn :as edn]
         '[clojure.string :as str])

(import '(java.io BufferedReader InputStreamReader OutputStreamWriter
                  BufferedWriter PushbackReader StringReader))

(defn judge [text]
  (try
    (let [in   (PushbackReader. (StringReader. text))
          read #(edn/read {:default tagged-literal :eof ::end} in)]
      (cond
        (= ::end (read)) "refused: empty"
        (= ::end (read)) "ok"
        :else            "refused: a second value"))
    (catch Throwable e
      (str "refused: " (str/replace (str (.getMessage e)) #"[\r\n]" " ")))))

(with-open [in  (BufferedReader. (InputStreamReader. System/in "UTF-8"))
            out (BufferedWriter. (OutputStreamWriter. System/out "UTF-8"))]
  (doseq [line (line-seq in)]
    (.write out (str (judge (edn/read-string line)) "\n"))))
