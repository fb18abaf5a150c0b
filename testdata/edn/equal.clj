;; Reads string literals, one a line, in pairs: answers "ok" twice if Clojure
;; reads both as the same value, else what they are.

(require '[clojure.edn :as edn]
         '[clojure.string :as str])

(import '(java.io BufferedReader InputStreamReader OutputStreamWriter BufferedWriter))

(defn value [text]
  (try
    (pr-str (edn/read-string {:default tagged-literal} text))
    (catch Throwable e
      (str "refused: " (.getMessage e)))))

(with-open [in  (BufferedReader. (InputStreamReader. System/in "UTF-8"))
            out (BufferedWriter. (OutputStreamWriter. System/out "UTF-8"))]
  (doseq [pair (partition 2 (line-seq in))]
    (let [[a b] (map (comp value edn/read-string) pair)
          says  (if (= a b) "ok" (str/replace (str a " is not " b) #"[\r\n]" " "))]
      (.write out (str says "\n" says "\n")))))
