(ns sente-lite.docs-test
  "Every public var has a docstring with an example, and every example runs: in a
  test's world, with a script `host` and a page `page` of the user ada. What
  stands behind ;=> is what it gives."
  (:require [clojure.edn :as edn]
            [clojure.java.io :as io]
            [clojure.string :as str]
            [clojure.test :refer [deftest is testing]]
            [sente-lite.core :as s]
            [sente-lite.jvm :as jvm]
            [sente-lite.test :as t])
  (:import (java.io StringReader)))

(defn- spaces
  "The public namespaces of the library."
  []
  (let [dir (.getParentFile (io/file (.getPath (io/resource "sente_lite/core.cljc"))))
        all (for [f (.listFiles dir)
                  :let [n (.getName ^java.io.File f)]
                  :when (re-find #"\.cljc?$" n)]
              (symbol (str "sente-lite." (str/replace (str/replace n #"\.cljc?$" "") "_" "-"))))]
    (run! require all)
    (sort (remove #(:no-doc (meta (find-ns %))) all))))

(defn- examples
  "The indented lines of a docstring, as one text."
  [doc]
  (->> (str/split-lines (or doc ""))
       (filter #(re-find #"^ {6,}\S" %))
       (str/join "\n")))

(defn- forms
  "[form expected?] of a text; expected is the text behind ;=>, where there is one."
  [text]
  (loop [text text out []]
    (if (str/blank? text)
      out
      (let [[form consumed] (read+string {:read-cond :allow :eof ::end}
                                         (clojure.lang.LineNumberingPushbackReader. (StringReader. text)))]
        (if (= ::end form)
          out
          (let [left (subs text (+ (str/index-of text consumed) (count consumed)))
                [_ expected] (re-find #"^\s*;=> (.*)" left)]
            (recur left (conj out [form expected]))))))))

(defn- in-space
  "Evaluates forms where `sp` is referred, and s, t, w, host, page are what the
  docstrings say."
  [sp {:keys [w host page]} f]
  (let [env (create-ns (gensym "docs"))]
    (binding [*ns* env]
      (refer-clojure)
      (alias 's 'sente-lite.core)
      (alias 't 'sente-lite.test)
      (when-not (= 'sente-lite.test sp) (refer sp))
      (run! (fn [[n v]] (intern env n v)) {'w w 'host host 'page page})
      (try (f) (finally (remove-ns (ns-name env)))))))

(defn- platform-of
  "What start! and connect! of an example run on."
  [w net]
  (fn [] (#'t/platform w (#'t/new-net! w net))))

(defn- run-example [sp var-name text]
  (let [w     (t/world)
        start? (= 'start! var-name)
        host  (when-not start? (t/start! w))
        page  (when-not start? (t/connect! w {:uid "ada"}))]
    (when host
      (s/on! host :greet/me (fn [{:keys [data reply!]}] (reply! (str "Hello, " data)))))
    (reset! @#'s/current (when-not (= 'client var-name) host))
    (with-redefs [jvm/platform (platform-of w (when start? {:parent? true}))]
      (in-space sp {:w w :host host :page page}
                (fn []
                  (with-out-str
                    (doseq [[form expected] (forms text)]
                      (testing (str sp "/" var-name ": " (pr-str form))
                        (let [v (try (eval form) (catch Throwable e e))]
                          (is (not (instance? Throwable v)) (str v))
                          (when expected
                            (is (= (edn/read-string {:default tagged-literal} expected) (if (seq? v) (doall v) v)))))
                        (when start? (s/stop!))
                        (t/settle! w)))))))
    (reset! @#'s/current nil)
    (run! #(remove-method s/handle-event %) (remove #{:default} (filter #(= "greet" (namespace %)) (keys (methods s/handle-event)))))))

(deftest there-is-something-to-document
  (is (= '[sente-lite.core sente-lite.test] (filterv '#{sente-lite.core sente-lite.test} (spaces)))))

(deftest every-public-var-has-a-docstring-with-an-example-that-runs
  (doseq [sp (spaces)
          [var-name v] (sort-by key (ns-publics sp))
          :when (not (:no-doc (meta v)))]
    (testing (str sp "/" var-name)
      (let [doc (:doc (meta v))]
        (is (not (str/blank? doc)) "has no docstring")
        (when (and (is (seq (forms (examples doc))) "has no example")
                   (contains? '#{sente-lite.core sente-lite.test sente-lite.gzip sente-lite.msgpack} sp))
          (run-example sp var-name (examples doc)))))))

(deftest every-namespace-says-what-it-is
  (doseq [sp (spaces)]
    (is (< 100 (count (:doc (meta (find-ns sp))))) (str sp))))

(deftest the-first-page-of-the-kit-runs
  (run-example 'sente-lite.test 'ns (examples (:doc (meta (find-ns 'sente-lite.test))))))

(deftest an-example-that-is-wrong-is-seen
  (is (= [['(+ 1 2) "3"] ['(+ 1 1) "3"] ['(inc 1) nil]] (forms "      (+ 1 2)   ;=> 3\n      (+ 1 1)\n      ;=> 3\n      (inc 1) ; two"))))
