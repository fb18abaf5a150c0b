(ns suite
  "Reports what clojure.test and cljs.test find, one line each, to whoever runs
  them: @begin NAME, then @pass NAME or @fail NAME \"text\"; at last @end COUNT.
  The text is a string as Clojure prints it. Other lines are the tests' own."
  {:no-doc true}
  (:require [clojure.string :as str]
            #?(:clj [clojure.test :as t] :cljs [cljs.test :as t])))

(def ^:private current (atom nil)) ; of the test that runs: :asserted, and :problems

(defn- say! [& words]
  #?(:clj  (locking current (print (str "\n" (str/join " " words) "\n")) (flush))
     :cljs (println (str/join " " words))))

(defn- clip [s] (if (< 4000 (count s)) (str (subs s 0 4000) " …") s))

(defn- problem [m]
  (let [context (t/testing-contexts-str)]
    (str/join "\n" (remove nil? [(str (if (= :error (:type m)) "error" "failure")
                                      (when (:line m) (str " at " (when (:file m) (str (:file m) ":")) (:line m))))
                                 (when (seq context) context)
                                 (:message m)
                                 (when (:expected m) (str "expected: " (clip (pr-str (:expected m)))))
                                 (str "  actual: " (clip (pr-str (:actual m))))]))))

(defn- begin! [m]
  (reset! current {:asserted 0 :problems []})
  (say! "@begin" (subs (str (:var m)) 2)))

(defn- passed! [] (swap! current update :asserted inc))

(defn- failed! [m]
  (swap! current #(-> % (update :asserted inc) (update :problems conj (problem m)))))

(defn- end! [m]
  (let [{:keys [asserted problems]} @current
        problems (if (zero? asserted) ["it asserts nothing"] problems)
        name (subs (str (:var m)) 2)]
    (if (seq problems)
      (say! "@fail" name (pr-str (str/join "\n\n" problems)))
      (say! "@pass" name))))

#?(:clj
   (do
     (defmethod t/report :begin-test-ns [_])
     (defmethod t/report :begin-test-var [m] (begin! m))
     (defmethod t/report :pass [_] (t/inc-report-counter :pass) (passed!))
     (defmethod t/report :fail [m] (t/inc-report-counter :fail) (failed! m))
     (defmethod t/report :error [m] (t/inc-report-counter :error) (failed! m))
     (defmethod t/report :end-test-var [m] (end! m))
     (defmethod t/report :summary [m] (say! "@end" (:test m))))
   :cljs
   (do
     (defmethod t/report [:cljs.test/default :begin-test-ns] [_])
     (defmethod t/report [:cljs.test/default :begin-test-var] [m] (begin! m))
     (defmethod t/report [:cljs.test/default :pass] [_] (t/inc-report-counter! :pass) (passed!))
     (defmethod t/report [:cljs.test/default :fail] [m] (t/inc-report-counter! :fail) (failed! m))
     (defmethod t/report [:cljs.test/default :error] [m] (t/inc-report-counter! :error) (failed! m))
     (defmethod t/report [:cljs.test/default :end-test-var] [m] (end! m))
     (defmethod t/report [:cljs.test/default :summary] [m] (say! "@end" (:test m)))
     ;; nbb would wait for what a test has left open.
     (defmethod t/report [:cljs.test/default :end-run-tests] [_]
       #?(:org.babashka/nbb (js/process.exit 0) :default nil))))
