(ns sente-lite.address-test
  (:require #?(:clj [clojure.test :refer [deftest is testing]] :cljs [cljs.test :refer [deftest is testing]])
            [clojure.string :as str]
            [sente-lite.address :as address]
            [sente-lite.given :as given]))

(deftest addresses
  (doseq [[url wanted]
          [#?@(:scittle [] :default
          [["unix:/tmp/a.sock"       {:kind :unix :path "/tmp/a.sock" :hello? true}]
           ["unix:///tmp/a.sock"     {:kind :unix :path "/tmp/a.sock" :hello? true}]
           ["/tmp/a.sock"            {:kind :unix :path "/tmp/a.sock" :hello? true}]
           ["tcp://127.0.0.1:7000"   {:kind :tcp :host "127.0.0.1" :port 7000 :hello? true :heartbeat? true}]
           ["tcp://[::1]:7000"       {:kind :tcp :host "::1" :port 7000 :hello? true :heartbeat? true}]
           ["tcp://example.org:1/"   {:kind :tcp :host "example.org" :port 1 :hello? true :heartbeat? true}]
           [:stdio                   {:kind :stdio :hello? true}]])
           ["ws://h:1"               {:kind :ws :url "ws://h:1/ws?v=1&bundle=1" :heartbeat? true}]
           ["http://h:1/"            {:kind :ws :url "ws://h:1/ws?v=1&bundle=1" :heartbeat? true}]
           ["https://h"              {:kind :ws :url "wss://h/ws?v=1&bundle=1" :heartbeat? true}]
           ["wss://h/base/chsk"      {:kind :ws :url "wss://h/base/chsk?v=1&bundle=1" :heartbeat? true}]
           ["ws://h:1/ws?room=1#top" {:kind :ws :url "ws://h:1/ws?room=1&v=1&bundle=1" :heartbeat? true}]]]
    (is (= wanted (address/parse url {})) (str url))))

(deftest what-a-query-carries
  (let [url (:url (address/parse "ws://h" {:client-id "a b&c" :params {:room "ü" :v 2}}))
        got (set (str/split (second (str/split url #"\?")) #"&"))]
    (is (contains? got "v=1") "v is ours")
    (is (contains? got "room=%C3%BC"))
    (is (some #{"client-id=a+b%26c" "client-id=a%20b%26c"} got)))
  (testing "never the token"
    (is (not (str/includes? (:url (address/parse "ws://h" {:token "secret"})) "secret")))))

(deftest what-is-no-address
  (doseq [url ["" "localhost:8090" "ftp://h" "tcp://h" "tcp://h:x" "ws://" nil 8090 {} #?@(:scittle [:stdio "unix:/tmp/a.sock"])]]
    (let [e (given/failure #(address/parse url {}))]
      (is (= :sente-lite/bad-address (:code e)) (pr-str url))
      (is (= url (:given e)))
      (is (str/includes? (:message e) "expected"))
      (is (seq (:expected e))))))

(deftest tokens-as-subprotocols
  (is (= ["sente-lite" "sente-lite.token.abc-123._~"] (address/token-protocols "abc-123._~" identity)))
  (testing "what a header cannot carry is encoded"
    (is (= ["sente-lite" "sente-lite.token.<a b>"] (address/token-protocols "a b" #(str "<" % ">"))))))

(deftest texts-without-queries
  (doseq [[text wanted]
          [["the URL 'ws://h/ws?v=1&session=abc&seen=3' is invalid" "the URL 'ws://h/ws' is invalid"]
           ["invalid URI wss://h:1/ws?session=abc, WS://g?client-id=x" "invalid URI wss://h:1/ws WS://g"]
           ["is it there? ws://h/ws" "is it there? ws://h/ws"]
           ["" ""] [nil nil]]]
    (is (= wanted (address/without-query text)))))
