(ns sente-lite.load-test
  (:require [sente-lite.core]
            #?(:clj [clojure.test :refer [deftest is]]
               :cljs [cljs.test :refer [deftest is]])))

(deftest the-library-loads
  (is (some? (find-ns 'sente-lite.core))))
