(ns run-nbb
  "Runs suites on nbb: all that JavaScript can run, or those named.

      npx nbb -cp bb/src:bb/test bb/test/run_nbb.cljs           ; all
      npx nbb -cp bb/src:bb/test bb/test/run_nbb.cljs session   ; sente-lite.session-test alone"
  (:require ["fs" :as fs]
            ["path" :as path]
            [cljs.test :as test]
            [clojure.string :as str]
            [nbb.core :as nbb]
            [promesa.core :as p]))

(defn suites
  "The names of all suites of this platform."
  []
  (sort (keep #(second (re-find #"^(.*)_test\.clj[cs]$" %))
              (fs/readdirSync (path/join (path/dirname nbb/*file*) "sente_lite")))))

(defmethod test/report [:cljs.test/default :end-run-tests] [{:keys [fail error test]}]
  (set! (.-exitCode js/process) (if (and (pos? test) (zero? (+ fail error))) 0 1)))

(let [spaces (mapv #(symbol (str "sente-lite." (str/replace % "_" "-") "-test")) (or (seq *command-line-args*) (suites)))]
  (p/do (p/run! #(require %) spaces)
        (apply (resolve 'cljs.test/run-tests) spaces)))
