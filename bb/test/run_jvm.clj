(ns run-jvm
  "Runs suites on the JVM or Babashka: all of this folder, or those named.

      clojure -M -m run-jvm                     ; with bb/src and bb/test on the class path
      bb -cp bb/src:bb/test -m run-jvm session  ; sente-lite.session-test alone"
  (:require [clojure.java.io :as io]
            [clojure.string :as str]
            [clojure.test :as test]))

(defn suites
  "The names of all suites of this platform."
  []
  (sort (for [f (.listFiles (io/file (.getParentFile (io/file (.getPath (io/resource "run_jvm.clj")))) "sente_lite"))
              :let [n (.getName ^java.io.File f)]
              :when (re-find #"_test\.cljc?$" n)]
          (str/replace n #"_test\.cljc?$" ""))))

(defn -main [& names]
  (let [spaces (mapv #(symbol (str "sente-lite." (str/replace % "_" "-") "-test")) (or (seq names) (suites)))]
    (run! require spaces)
    (let [{:keys [fail error test]} (binding [test/*stack-trace-depth* 12] (apply test/run-tests spaces))]
      (shutdown-agents)
      (System/exit (if (and (pos? test) (zero? (+ fail error))) 0 1)))))
