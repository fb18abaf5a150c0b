(ns sente-lite.options-test
  (:require #?(:clj [clojure.test :refer [deftest is testing]] :cljs [cljs.test :refer [deftest is testing]])
            [clojure.string :as str]
            [sente-lite.given :as given]
            [sente-lite.option-docs :as option-docs]
            [sente-lite.options :as options]
            [sente-lite.start :as start]))

(def ^:private rules {:start start/rules :connect options/connecting})

(deftest defaults
  (let [o (options/check start/rules nil)]
    (is (= [0 "127.0.0.1" {} true] ((juxt :port :host :config :reconnect?) o)))
    (is (not (contains? o :url))))
  (let [o (options/check options/connecting {})]
    (is (= [1000 30000 true] ((juxt :max-queue :call-timeout-ms :reconnect?) o)))
    (is (not (contains? o :port)))))

(deftest nil-is-the-default-and-no-port-where-it-is-the-port
  (is (= 1000 (:max-queue (options/check options/connecting {:max-queue nil}))))
  (is (nil? (:port (options/check start/rules {:port nil})))))

(deftest names-of-others
  (doseq [[what given path value]
          [[:connect {:uri "ws://h"} [:url] "ws://h"]
           [:connect {:on-channel-ready identity} [:on-ready] identity]
           [:connect {:auto-reconnect? false} [:reconnect?] false]
           [:connect {:ws-kalive-ms 7} [:kalive-ms] 7]
           [:connect {:ws-ping-timeout-ms 7} [:ping-timeout-ms] 7]
           [:connect {:timeout-ms 7} [:call-timeout-ms] 7]
           [:connect {:send-queue {:max-depth 9}} [:max-queue] 9]
           [:connect {:backoff-ms-fn identity} [:backoff-ms-fn] identity]
           [:start {:binary "/bin/x"} [:bin] "/bin/x"]
           [:start {:ws-kalive-ms 7} [:config :flow :ws-kalive-ms] 7]
           [:start {:send-buf-ms-ws 7} [:config :flow :event-buffer-ms] 7]
           [:start {:allowed-origins #{"http://x"}} [:config :allowed-origins] #{"http://x"}]]]
    (is (= value (get-in (options/check (rules what) given) path)) (pr-str given)))
  (testing "beside the configuration that they belong to"
    (is (= {:flow {:ws-kalive-ms 7 :max-buffer-size 9}}
           (:config (options/check start/rules {:ws-kalive-ms 7 :config {:flow {:max-buffer-size 9}}})))))
  (testing "what is so anyway may be said"
    (is (map? (options/check options/connecting {:type :auto :protocol :ws :packer :edn :wrap-recv-evs? false}))))
  (testing "what would be something else is not ignored"
    (doseq [given [{:type :ajax} {:wrap-recv-evs? true}]]
      (is (= :sente-lite/bad-option (:code (given/failure #(options/check options/connecting given)))) (pr-str given))))
  (testing "what has another place is told so"
    (doseq [[k hint] {:user-id-fn "tokens" :csrf-token-fn "origins" :handshake-data-fn ":sente-lite/open" :headers ":token"}]
      (let [e (given/failure #(options/check start/rules {k identity}))]
        (is (= k (:option e)))
        (is (str/includes? (:message e) hint))))))

(deftest files-of-the-inbox
  #?(:scittle (let [e (given/failure #(options/check options/connecting {:on-inbox-full :persist}))]
                (is (= :on-inbox-full (:option e)))
                (is (str/includes? (:message e) "which a page has not")))
     :default (do (is (= :data-dir (:option (given/failure #(options/check options/connecting {:on-inbox-full :persist})))))
                  (is (= "inbox" (:data-dir (options/check start/rules {:on-inbox-full :persist :data-dir "inbox"})))))))

(deftest mistakes
  (doseq [[what given option text]
          [[:start {:prot 1} :prot "did you mean :port?"]
           [:start {:confg {}} :confg "did you mean :config?"]
           [:start {:url "ws://h"} :url "unknown"]
           [:connect {:on-opne identity} :on-opne "did you mean :on-open?"]
           [:connect {:recconect? true} :recconect? "did you mean :reconnect?"]
           [:connect {:zzzzzzzzzz 1} :zzzzzzzzzz "known are"]
           [:start {:port "8090"} :port "expected a port from 0 to 65535"]
           [:start {:port 65536} :port "expected a port"]
           [:start {:config []} :config "expected a map"]
           [:start {:static :public} :static "expected a string"]
           [:start {:listen "unix:/x"} :listen "expected a vector"]
           [:connect {:on-open 1} :on-open "expected a function"]
           [:connect {:max-queue 0} :max-queue "expected a whole number above 0"]
           [:connect {:call-timeout-ms 1.5} :call-timeout-ms "expected a whole number"]
           [:connect [1] :options "expected a map of options"]]]
    (let [e (given/failure #(options/check (rules what) given))]
      (is (= [:incorrect :sente-lite/bad-option option] ((juxt :category :code :option) e)) (pr-str given))
      (is (str/includes? (str (:message e)) text) (:message e))
      (is (contains? e :given))
      (is (seq (:expected e))))))

(deftest nearest-names
  (is (= :port (options/nearest :prot [:port :host])))
  (is (nil? (options/nearest :abcdef [:port :host]))))

(deftest the-reference-has-every-option
  (doseq [what [:start :connect]
          [name] (:rows (rules what))]
    (is (str/includes? (option-docs/reference what) (str "`" name "`")))
    (is (seq (option-docs/docs name)))))
