(ns sente-lite.wire-test
  (:require #?(:clj [clojure.test :refer [deftest is testing]] :cljs [cljs.test :refer [deftest is testing]])
            [clojure.string :as str]
            [sente-lite.given :as given]
            [sente-lite.wire :as wire])
  #?(:clj (:import (java.time Instant))))

#?(:clj (defrecord Point [x y]))

(def fine
  "Values that print as EDN and read back as they were."
  (into [nil true false 0 -1 1.5 "" "text \"quoted\" \\ \n" "ünï😀" :a :a/b 'sym 'ns/sym [] {} #{} [1 [2 [3]]] '(1 2) {:a {:b [1 #{2}]}}
         {[1 2] 3 nil 4 "s" 5} {:a/b 1 :a/c 2} #uuid "f81d4fae-7dec-11d0-a765-00a0c91e6bf6" #inst "2024-01-02T03:04:05.678-00:00"
         (tagged-literal 'my/tag [1 2]) (range 1000) (map inc [1 2 3]) (vec (range 5000)) :ünï :a-b.c/d*e!? :1]
        #?(:clj [1/3 12345678901234567890N 1.50M \a \newline Long/MIN_VALUE] :cljs [])))

(deftest values-that-print
  (doseq [v fine]
    (is (= v (wire/read-text (wire/text v))) (wire/text v)))
  (doseq [v [##NaN ##Inf ##-Inf]]
    (is (= (str v) (str (wire/read-text (wire/text v)))))))

(def not-fine
  "[value, path, what it is called]."
  (into [[inc [] "a function"]
         [[:a/b {:f inc}] [1 :f] "a function"]
         [[:a/b {:xs [1 2 (atom 1)]}] [1 :xs 2] "a reference"]
         [[:a/b #{(atom 1)}] nil "a reference"]
         [[:a/b {(keyword "a b") 1}] nil "the keyword \":a b\""]
         [{:json (keyword "")} [:json] "the keyword"]
         [[(symbol "a b")] [0] "the symbol"]
         [[(keyword "a" "")] [0] "the keyword"]
         [[(keyword "1/2")] [0] "the keyword"]
         [[(symbol "nil")] [0] "the symbol"]
         [[(symbol "12")] [0] "the symbol"]
         [[(symbol "1a")] [0] "the symbol"]
         [[(symbol "#x")] [0] "the symbol"]
         [[(symbol "")] [0] "the symbol"]
         [[(keyword "a\u2003b")] [0] "the keyword"]
         [[(keyword "a\u0001b")] [0] "the keyword"]
         [[:a/b (conj (vec (range 20000)) inc)] [1 20000] "a function"]
         [[inc dec] [0] "a function"]
         [{:a {:b {:c [(delay 1)]}}} [:a :b :c 0] "a"]
         [[#"regex"] [0] "a"]
         [[(tagged-literal 'x inc)] [0] "the tag #x"]]
        #?(:clj  [[(->Point 1 2) [] "a record, sente_lite.wire_test.Point"]
                  [[:a/b [(->Point 1 2)]] [1 0] "a record"]
                  [[#'inc] [0] "a var"]
                  [[(future 1)] [0] "a reference (CompletableFuture)"]
                  [[(Instant/now)] [0] "a java.time.Instant"]
                  [[(int-array 2)] [0] "a [I"]
                  [[(java.util.ArrayList. [1])] [0] "a java.util.ArrayList"]
                  [[(Object.)] [0] "a java.lang.Object"]
                  [[(java.util.concurrent.atomic.AtomicLong. 1)] [0] "a java.util.concurrent.atomic.AtomicLong"]
                  [[:a/b (repeatedly (fn [] inc))] [1 0] "a function"]]
           :cljs [[[#js {:a 1}] [0] "a JavaScript object"]
                  [{:a #js [1]} [:a] "a JavaScript array"]
                  [[(js/Promise.resolve 1)] [0] "a promise"]])))

(deftest values-that-do-not
  (doseq [[v path given] not-fine]
    (let [e (given/failure #(wire/text v))
          what (str (pr-str path) " " given)]
      (is (= :sente-lite/not-edn (:code e)) what)
      (is (= :incorrect (:category e)))
      (when path (is (= path (:path e)) what))
      (is (or (str/includes? (:given e "") (first (str/split given #" \(")))) (str what " is called " (:given e)))
      (is (str/includes? (:message e) (:given e)))
      (is (seq (:hint e)))
      (is (= "a value that prints as EDN" (:expected e))))))

(deftest what-to-do-instead
  (is (= "send what it holds: @it" #?(:clj (:hint (given/failure #(wire/text (atom 1)))) :cljs "send what it holds: @it")))
  (is (str/includes? (:hint (given/failure #(wire/text {(keyword "a b") 1}))) "json"))
  #?(:clj (is (str/includes? (:hint (given/failure #(wire/text (->Point 1 2)))) "(into {} record)"))
     :cljs (is (str/includes? (:hint (given/failure #(wire/text #js {}))) "js->clj"))))

(deftest infinite-values-are-named-in-time
  (doseq [v [(range) [:a/b (repeat 1)] {:a (iterate inc 0)} (cycle [[1 2]])]]
    (let [e (given/failure #(wire/text v))]
      (is (= :sente-lite/too-large (:code e)))
      (is (str/includes? (:message e) "infinite"))
      (is (= "(take n xs)" (:hint e))))))

(deftest very-deep-values-are-named
  (let [deep (nth (iterate vector 1) #?(:clj 100000 :cljs 100000))]
    (is (= :sente-lite/too-deep (:code (given/failure #(wire/text deep)))))))

(deftest printing-is-not-the-callers
  (let [v {:a/b [1 2 3 4] :a/c (with-meta [1] {:m 1})}
        t (binding [*print-length* 2 *print-level* 1 *print-meta* true *print-namespace-maps* true *print-readably* false]
            (wire/text v))]
    (is (= v (wire/read-text t)))
    (is (not (str/includes? t "#:a")))
    (is (not (str/includes? t "^")))))

(deftest events
  (is (= "[:a/b]" (wire/event-text "send!" [:a/b])))
  (is (= "[:a/b nil]" (wire/event-text "send!" [:a/b nil])))
  (doseq [[v what] [[nil "nil"] [:a/b ":a/b"] [[:a 1] "begins with :a"] [["a/b" 1] "begins with \"a/b\""] [[:a/b 1 2] "has 3 parts"]
                    [[] "has 0 parts"] [{:a 1} "a map"] [['a/b] "begins with a/b"] [inc "a function"] [[[:a/b]] "begins with [:a/b]"]]]
    (let [e (given/failure #(wire/event-text "send!" v))]
      (is (= :sente-lite/bad-event (:code e)) (pr-str what))
      (is (str/includes? (:message e) what) (:message e))
      (is (str/starts-with? (:message e) "sente-lite: send!: "))
      (is (= "[:namespace/name] or [:namespace/name data]" (:expected e)))
      (is (= v (:given e))))))

(deftest failures-as-values
  (doseq [x [:chsk/timeout :chsk/closed :chsk/error (wire/error :fault :a/b "m" {})]]
    (is (wire/error? x))
    (is (every? #(contains? (wire/error-map x) %) [:category :code :message :retry?])))
  (doseq [x [nil 1 :chsk/other [] [:a/b] {} "x"]]
    (is (not (wire/error? x)))
    (is (nil? (wire/error-map x)))))

(deftest reading
  (is (= (tagged-literal 'my/tag 1) (wire/read-text "#my/tag 1")))
  (is (some? (given/failure #(wire/read-text "[1"))))
  (testing "evaluates nothing"
    (is (not= 3 (try (wire/read-text "#=(+ 1 2)") (catch #?(:clj Exception :cljs :default) _ nil))))))

(deftest bundles
  (is (= "[:a/b]" (wire/bundle ["[:a/b]"])))
  (is (= [:batch/events [[:a/b] [:c/d]]] (wire/read-text (wire/bundle ["[:a/b]" "[:c/d]"])))))

(deftest lengths-are-in-bytes
  (is (= [0 1 2 3 4] (mapv wire/byte-length ["" "a" "ü" "€" "😀"]))))
