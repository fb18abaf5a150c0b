(ns sente-lite.form-test
  "What packers and layers put around a link, on a platform made for the test: its
  other side is this file."
  (:require #?(:clj [clojure.test :refer [deftest is testing]] :cljs [cljs.test :refer [deftest is testing async]])
            [clojure.string :as str]
            [sente-lite.bytes :as bytes]
            [sente-lite.cipher :as cipher]
            [sente-lite.core :as s]
            [sente-lite.form :as form]
            [sente-lite.given :as given]
            [sente-lite.gzip :as gzip]
            [sente-lite.msgpack :as msgpack]
            [sente-lite.wire :as wire]))

(defn- platform
  "One whose link leaves its callbacks in `on` and what is written in `out`."
  [{:keys [on out ended stream?]}]
  (let [pump (fn [handlers]
               (swap! out into ((:take handlers)))
               ((:written handlers)))]
    {:now     (fn [] 0)
     :luck    (fn [] 0.5)
     :after   (fn [_ _] (fn []))
     :promise (fn [] (let [p (atom nil)] {:promise p :deliver (fn [v] (reset! p v))}))
     :settled atom
     :wait    identity
     :form    form/of
     :lane    (fn [] {:put! (fn [f] (f)) :size (fn [] 0) :close! (fn [])})
     :target  (fn [_] {:kind :test :hello? stream?})
     :print   (fn [_])
     :link    (fn [_ handlers]
                (reset! on handlers)
                {:wake! (fn [_] (pump handlers)) :close! (fn [code why] (reset! ended [code why]))})}))

(defn- connected
  "A client whose link is there: {:client :on :out :ended}."
  [stream? options]
  (let [world {:on (atom nil) :out (atom []) :ended (atom nil) :stream? stream?}
        c     (s/connect! (merge {:platform (platform world) :recover? false} options))]
    ((:linked @(:on world)))
    (assoc world :client c)))

(defn- receive! [{:keys [on]} m] ((:text @on) m))

(defn- until
  "Calls (k) once (ready?) is so: at once where nothing is asynchronous."
  ([ready? k] (until ready? k 2000))
  ([ready? k left]
   #?(:clj  (do (is (ready?)) (k))
      :cljs (if (or (ready?) (zero? left))
              (do (is (ready?)) (k))
              (js/setTimeout (fn [] (until ready? k (dec left))) 1)))))

(defn- then [v f] #?(:clj (f v) :cljs (if (instance? js/Promise v) (.then v f) (f v))))

(def ^:private ready [:sente-lite/ready {:uid "ada" :session "s" :limits {}}])
(def ^:private handshake [:chsk/handshake ["ada" nil {:uid "ada" :session "s"} true]])
(def ^:private large (str/join (repeat 1000 "large ")))
(def ^:private a-key (bytes/utf8 "0123456789abcdef0123456789abcdef"))

;; Each takes what is called at its end.

(defn- chain-on-a-stream [done]
  (let [{:keys [client out] :as w} (connected true {:packer [:msgpack :gzip :aes-gcm] :key a-key})
        seen   (atom [])
        theirs (cipher/coder a-key true)
        send!  (fn [b] (then ((:encode theirs) b) (fn [m] (receive! w m))))
        open   (fn [m] ((:decode theirs) m 1000000))]
    (s/on! client :t/in (fn [{:keys [data]}] (swap! seen conj data)))
    (is (= {:packer [:msgpack :gzip :aes-gcm] :bundle true} (select-keys (second (wire/read-text (first @out))) [:packer :gzip :bundle])) "hello is plain")
    (receive! w (bytes/utf8 (wire/text ready)))
    (is (= :open (:phase (s/state client))) "ready is plain")
    (reset! out [])
    (then (gzip/squeezed (msgpack/pack [:t/in large]))
          (fn [z]
            (then (send! z)
                  (fn [_]
                    (then (send! (msgpack/pack [:batch/events [[:t/in 2] [:t/in 3.5]]]))
                          (fn [_]
                            (until #(= 3 (count @seen))
                                   (fn []
                                     (is (= [large 2 3.5] @seen) "in their order")
                                     (s/send! client [:t/out large])
                                     (s/send! client [:t/out {:b a-key}])
                                     (until #(= 2 (count @out))
                                            (fn []
                                              (is (every? bytes/is? @out))
                                              (is (not-any? #(str/includes? (str (mapv (fn [i] (aget #?(:clj ^bytes % :cljs %) i)) (range (bytes/size %)))) "108 97 114 103 101") @out) "opaque")
                                              (then (open (first @out))
                                                    (fn [z]
                                                      (is (gzip/gzip? z))
                                                      (then (gzip/expanded z 100000)
                                                            (fn [b]
                                                              (is (= [:t/out large] (msgpack/unpack b)))
                                                              (then (open (second @out))
                                                                    (fn [b]
                                                                      (is (= (seq (vec a-key)) (seq (vec (:b (second (msgpack/unpack b)))))))
                                                                      (done)))))))))))))))))))

(deftest a-chain-on-a-stream
  #?(:clj (chain-on-a-stream (fn [])) :cljs (async done (chain-on-a-stream done))))

(defn- flush-waits [done]
  (let [{:keys [client out] :as w} (connected false {:gzip true})]
    (receive! w (wire/text handshake))
    (s/send! client [:t/small 1])
    (is (= ["[:t/small 1]"] @out) "what is small goes as it is")
    (s/send! client [:t/large large])
    (s/send! client [:t/small 2])
    (let [flushed (s/flush! client)]
      #?(:scittle (is (nil? @flushed) "what is being compressed has not been written") :default nil)
      (until #(some? @flushed)
             (fn []
               (is (= {:status :ok} @flushed))
               (is (= 3 (count @out)))
               (is (< (bytes/size (second @out)) 200))
               (is (= "[:t/small 2]" (last @out)) "nothing overtakes")
               (then (gzip/expanded (second @out) 100000)
                     (fn [b]
                       (is (= [:t/large large] (wire/read-text (bytes/text b))))
                       (done))))))))

(deftest flush-waits-for-compression
  #?(:clj (flush-waits (fn [])) :cljs (async done (flush-waits done))))

(defn- lost-comes-last [done]
  (let [{:keys [client on] :as w} (connected false {:gzip true})
        seen (atom [])]
    (receive! w (wire/text handshake))
    (s/on! client :t/in (fn [{:keys [data]}] (swap! seen conj data)))
    (s/on! client :chsk/state (fn [{[_ new] :data}] (swap! seen conj (:phase new))))
    (then (gzip/squeezed (bytes/utf8 (wire/text [:t/in large])))
          (fn [z]
            (receive! w z)
            (receive! w "[:t/in 2]")
            ((:lost @on) {:code 1006 :reason "gone"})
            (until #(= 3 (count @seen))
                   (fn []
                     (is (= [large 2 :waiting] @seen))
                     (done)))))))

(deftest what-came-before-the-end-is-taken-first
  #?(:clj (lost-comes-last (fn [])) :cljs (async done (lost-comes-last done))))

(defn- wrong-key [done]
  (let [{:keys [client] :as w} (connected false {:packer [:edn :aes-gcm] :key "MDEyMzQ1Njc4OWFiY2RlZg=="})]
    (then ((:encode (cipher/coder a-key true)) (bytes/utf8 (wire/text handshake)))
          (fn [m]
            (receive! w m)
            (until #(= :closed (:phase (s/state client)))
                   (fn []
                     (is (str/includes? (:message (second (:error @(:state client)))) "cannot be opened"))
                     (done)))))))

(deftest another-key-is-refused
  #?(:clj (wrong-key (fn [])) :cljs (async done (wrong-key done))))

(defn- replayed [done]
  (let [a (cipher/coder a-key) b (cipher/coder a-key true) c (cipher/coder a-key)
        code (fn [f] #?(:clj (try (f) :opened (catch Exception e (:code (ex-data e) :failed)))
                        :cljs (-> (js/Promise.resolve) (.then f) (.then (fn [_] :opened)) (.catch (fn [_] :sente-lite/bad-cipher)))))]
    (then ((:encode a) (bytes/utf8 "one"))
          (fn [one]
            (then ((:encode a) (bytes/utf8 "two"))
                  (fn [two]
                    (then (code #((:decode b) two 100))
                          (fn [first-time]
                            (is (= :opened first-time))
                            (then (code #((:decode b) two 100))
                                  (fn [again]
                                    (is (= :sente-lite/bad-cipher again) "twice")
                                    (then (code #((:decode b) one 100))
                                          (fn [late]
                                            (is (= :sente-lite/bad-cipher late) "out of order")
                                            ;; b has opened something of a: what it says is for a alone.
                                            (then ((:encode b) (bytes/utf8 "back"))
                                                  (fn [back]
                                                    (then (code #((:decode c) back 100))
                                                          (fn [elsewhere]
                                                            (is (= :sente-lite/bad-cipher elsewhere) "on another link")
                                                            (then (code #((:decode a) back 100))
                                                                  (fn [here]
                                                                    (is (= :opened here))
                                                                    (done)))))))))))))))))))

(deftest each-message-once
  #?(:clj (replayed (fn [])) :cljs (async done (replayed done))))

(deftest what-cannot-be-unpacked
  (testing "one message is counted and told"
    (let [told (atom [])
          {:keys [client] :as w} (connected false {:packer :msgpack :on-error (fn [e] (swap! told conj (:code e)))})]
      (receive! w (msgpack/pack handshake))
      (receive! w (bytes/utf8 "\u0001trailing"))
      (is (= [:sente-lite/bad-edn] @told))
      (is (= :open (:phase (s/state client))))
      (testing "of a bundle nobody knows the number"
        (let [b (msgpack/pack [:batch/events [[:a/b 1] [:a/b 2]]])]
          (receive! w #?(:clj (java.util.Arrays/copyOf ^bytes b (int (dec (bytes/size b)))) :cljs (.slice b 0 (dec (.-length b))))))
        (is (= :waiting (:phase (s/state client))))))))

(deftest packers-of-ones-own
  (let [broken? (atom true)
        told    (atom [])
        {:keys [client out] :as w}
        (connected false {:packer :mine :on-error (fn [e] (swap! told conj e))
                          :packers {:mine {:text? true
                                           :pack   (fn [v] (if (and @broken? (str/includes? (pr-str v) ":bad"))
                                                             (throw (ex-info "no form for it" {:path [1]}))
                                                             (str "mine " (pr-str v))))
                                           :unpack (fn [text] (wire/read-text (subs text 5)))}}})
        reply (atom nil)]
    (receive! w (str "mine " (wire/text handshake)))
    (is (= :open (:phase (s/state client))))
    (s/send! client [:t/good 1])
    (is (= "mine [:t/good 1]" (last @out)))
    (s/send! client [:t/of :bad])
    (testing "the event is named, and a dead letter"
      (is (= [[:t/of :bad] "no form for it"]
             (let [{:keys [event error]} (first (s/dead-letters client))] [event (last (str/split error #": "))])))
      (is (= [:t/of :sente-lite/not-packed [1]] ((juxt :event-id :code :path) (first @told))))
      (is (= :sente-lite/error (first (wire/read-text (subs (last @out) 5)))) "something is counted in its place"))
    (s/ask! client [:t/ask :bad] {:cb (fn [v] (reset! reply v))})
    (is (= :sente-lite/not-packed (:code (s/error-map @reply))) "who asks is told")
    (reset! broken? false)
    (is (= {:status :ok} (s/retry-dead-letter! client (:id (first (s/dead-letters client))))))
    (is (= "mine [:t/of :bad]" (last @out)) "and sent again")))

(defn- packers-that-promise [done]
  (let [later (fn [v] #?(:clj (future v) :cljs (js/Promise.resolve v)))
        {:keys [client out] :as w}
        (connected false {:packer :mine :packers {:mine {:pack   (fn [v] (later (if (str/includes? (pr-str v) ":bad") (throw (ex-info "no form" {})) (bytes/utf8 (pr-str v)))))
                                                         :unpack (fn [b] (later (wire/read-text (bytes/text b))))}}
                          :on-error (fn [_])})
        seen  (atom [])]
    (s/on! client :t/in (fn [{:keys [data]}] (swap! seen conj data)))
    (receive! w (bytes/utf8 (wire/text handshake)))
    (doseq [n [1 2 3]] (receive! w (bytes/utf8 (wire/text [:t/in n]))))
    (until #(= [1 2 3] @seen)
           (fn []
             (s/send! client [:t/out 1])
             (s/send! client [:t/of :bad])
             (s/send! client [:t/out 2])
             (until #(str/includes? (str/join (map bytes/text @out)) "[:t/out 2]")
                    (fn []
                      (is (re-find #"(?s)t/out 1.*not-packed.*t/out 2" (str/join (map bytes/text @out))))
                      (is (= [[:t/of :bad]] (map :event (s/dead-letters client))))
                      (done)))))))

(deftest packers-may-promise
  #?(:clj (packers-that-promise (fn [])) :cljs (async done (packers-that-promise done))))

(deftest layers-of-ones-own
  (let [flip (fn [b] #?(:clj (byte-array (map #(unchecked-byte (bit-xor 255 %)) b)) :cljs (js/Uint8Array.from (clj->js (mapv #(bit-xor 255 (aget b %)) (range (.-length b)))))))
        {:keys [client out] :as w} (connected false {:packer [:edn :flip] :layers {:flip {:encode flip :decode (fn [b _] (flip b))}}})]
    (receive! w (flip (bytes/utf8 (wire/text handshake))))
    (is (= :open (:phase (s/state client))))
    (s/send! client [:t/out 1])
    (is (= "[:t/out 1]" (bytes/text (flip (last @out)))))))

(deftest what-is-asked-for
  (doseq [[options params hello] [[{:packer :msgpack} {:packer "msgpack"} {:packer :msgpack}]
                                  [{:gzip true} {:packer "edn" :gzip 1} {:packer :edn :gzip true}]
                                  [{:packer :msgpack :gzip true} {:packer "msgpack" :gzip 1} {:packer :msgpack :gzip true}]
                                  [{:packer [:msgpack :gzip]} {:packer "msgpack" :gzip 1} {:packer :msgpack :gzip true}]
                                  [{:packer [:edn :gzip :aes-gcm] :key a-key} {:packer "edn,gzip,aes-gcm"} {:packer [:edn :gzip :aes-gcm]}]
                                  [{:packer [:msgpack :aes-gcm] :gzip true :key a-key} {:packer "msgpack,gzip,aes-gcm"} {:packer [:msgpack :gzip :aes-gcm]}]]]
    (let [found (form/of options)]
      (is (= params (:params found)))
      (is (= hello (:hello (:form found))))))
  (doseq [plain [{} {:packer :edn} {:packer [:edn]} {:gzip false}]]
    (is (= plain (form/of plain)))))

(deftest mistakes
  (doseq [[options what] [[{:packer :transit} ":transit"] [{:packer "edn"} "found \"edn\""] [{:packer []} "found []"] [{:packer [:gzip :edn]} "no packer :gzip"]
                          [{:packer [:edn :msgpack]} "nothing called :msgpack"] [{:packer [:edn :aes-gcm]} "16, 24 or 32 bytes"]
                          [{:packer [:edn :aes-gcm] :key "short"} "16, 24 or 32 bytes"] [{:packer [:edn :aes-gcm :gzip] :key a-key} "right behind the packer"]
                          [{:packer [:edn :aes-gcm :aes-gcm] :key a-key} "twice"] [{:packer :mine :packers {:mine {:pack identity}}} "lacks a function"]
                          [{:packer [:edn :mine] :layers {:mine {}}} "lacks a function"]]]
    (let [e (given/failure #(form/of options))]
      (is (= :sente-lite/bad-option (:code e)) what)
      (is (str/includes? (str (:message e)) what))
      (is (seq (:expected e))))))
