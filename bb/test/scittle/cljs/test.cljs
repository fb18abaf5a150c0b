(ns cljs.test
  "What the suite needs of cljs.test, for Scittle, which has none."
  {:no-doc true}
  (:require [clojure.string :as str] [clojure.template]))

(def ^:private tests (atom []))      ; vars, in the order of their definition
(def ^:private fixtures (atom {}))   ; [namespace :each] → maps of :before and :after
(def ^:private counters (atom {}))
(def ^:private contexts (atom ()))

(defn inc-report-counter! [k] (swap! counters update k (fnil inc 0)))
(defn testing-contexts-str [] (str/join " " (reverse @contexts)))
(defmulti report (fn [m] [::default (:type m)]))
(defmethod report :default [_])
(defmethod report [::default :pass] [_] (inc-report-counter! :pass))
(defn do-report [m] (report m))
(defn- error! [e] (do-report {:type :error :message "Uncaught exception, not in assertion." :actual e}))

(defmacro testing [text & body]
  `(do (within! conj ~text) (try ~@body (finally (within! (fn [c# _#] (rest c#)) nil)))))
(defn within! [f text] (swap! contexts f text))

(defn- function? [x]
  (when-let [found (and (symbol? x) (resolve x))] (not (:macro (meta found)))))

(defn- asserts [form]
  (let [[head a b] (when (seq? form) form)
        thrown (fn [class test body]
                 `(try ~@body {:type :fail :actual "nothing was thrown"}
                       (catch ~class e# (if (~test e#) {:type :pass :value e#} {:type :fail :actual e#}))))]
    (cond
      (= 'thrown? head) (thrown a `(constantly true) (drop 2 form))
      (= 'thrown-with-msg? head) (thrown a `(fn [e#] (re-find ~b (ex-message e#))) (drop 3 form))
      (function? head) `(let [args# (list ~@(rest form)) v# (apply ~head args#)]
                          {:type (if v# :pass :fail) :value v# :actual (list '~'not (cons '~head args#))})
      :else `(let [v# ~form] {:type (if v# :pass :fail) :value v# :actual v#}))))

(defmacro is
  ([form] `(is ~form nil))
  ([form message]
   `(let [m# (try ~(asserts form) (catch :default e# {:type :error :actual e#}))]
      (do-report (assoc m# :message ~message :expected '~form :line ~(:line (meta form))))
      (:value m#))))

(defmacro are [names form & values]
  `(clojure.template/do-template ~names (is ~form) ~@values))

(defmacro async [done & body] `{::run (fn [~done] ~@body)})

(defmacro deftest [name & body]
  `(do (def ~(vary-meta name assoc :test `(fn [] ~@body)) (fn [] ((:test (meta (var ~name))))))
       (add! (var ~name))))
(defn add! [v] (swap! tests #(conj (filterv (complement #{v}) %) v)))

(defn- ns-of [v] (first (str/split (subs (str v) 2) #"/")))
(defn use-fixtures [kind & maps]
  (doseq [m maps]
    (when-not (map? m) (throw (js/Error. "a fixture is a map of :before and :after here"))))
  (swap! fixtures assoc [(str *ns*) kind] maps))
(defn- fix [ns kind k] (run! #(when-let [f (k %)] (f)) (get @fixtures [ns kind])))

(defn- run-test
  "Runs a test, and promises to be done."
  [v]
  (let [found (try (fix (ns-of v) :each :before) ((:test (meta v))) (catch :default e (error! e)))]
    (-> (js/Promise. (fn [resolve reject]
                       (if-let [run (::run (when (map? found) found))]
                         (try (run #(js/setTimeout resolve 0)) (catch :default e (reject e)))
                         (resolve))))
        (.catch error!)
        (.then #(fix (ns-of v) :each :after))
        (.catch error!))))

(defn run-tests [& names]
  (reset! counters {:test 0 :pass 0 :fail 0 :error 0})
  (let [then (fn [p f] (.then p (fn [_] (f))))]
    (-> (reduce (fn [p n]
                  (-> (reduce (fn [p v]
                                (-> p
                                    (then #(do (reset! contexts ()) (inc-report-counter! :test) (report {:type :begin-test-var :var v})))
                                    (then #(run-test v))
                                    (then #(report {:type :end-test-var :var v}))))
                              (then p #(fix n :once :before))
                              (filter #(= n (ns-of %)) @tests))
                      (then #(fix n :once :after))))
                (js/Promise.resolve)
                (map str names))
        (then #(report (assoc @counters :type :summary)))
        (.catch #(js/console.error "the run of the tests has failed" %)))))
