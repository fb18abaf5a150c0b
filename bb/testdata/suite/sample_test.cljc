(ns sample-test
  (:require [sample.shared :as shared]
            #?(:clj [clojure.test :refer [are deftest is testing]]
               :cljs [cljs.test :refer [are async deftest is testing]])))

(deftest passes
  (is (= 3 (shared/add 1 2)))
  (is (string? "é \" \\ \n") "a message")
  (is (thrown? #?(:clj Exception :cljs js/Error) (throw (ex-info "x" {}))))
  (is (thrown-with-msg? #?(:clj Exception :cljs js/Error) #"lost" (throw (ex-info "it is lost" {}))))
  (are [x y] (= x (* y y))
    1 1
    4 2))

(deftest fails
  (testing "outer"
    (testing "inner"
      (is (= 1 (shared/add 1 1)) "told \"why\"")))
  (is (or nil false)))

(deftest throws-nothing
  (is (thrown? #?(:clj Exception :cljs js/Error) 1)))

(deftest throws
  (is true)
  (throw (ex-info "boom" {})))

(deftest throws-in-assertion
  (is (= 1 (throw (ex-info "boom" {})))))

(deftest asserts-nothing)

(deftest speaks
  (println "@noise @pass nothing/at-all")
  (is true))

#?(:cljs
   (deftest later
     (async done (js/setTimeout #(do (is true) (done)) 1))))

#?(:cljs
   (deftest fails-later
     (async done (js/setTimeout #(do (is (= 1 2)) (done)) 1))))
