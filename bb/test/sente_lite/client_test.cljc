(ns sente-lite.client-test
  "What performs a session's outputs, on a platform made for the test: a link that
  hands over what it is told to."
  (:require #?(:clj [clojure.test :refer [deftest is]] :cljs [cljs.test :refer [deftest is]])
            [sente-lite.core :as s]
            [sente-lite.wire :as wire]))

(defn- platform
  "One whose link leaves its callbacks in `on` and what is written in `out`."
  [on out]
  {:now     (fn [] 0)
   :luck    (fn [] 0.5)
   :after   (fn [_ _] (fn []))
   :promise (fn [] (let [p (atom nil)] {:promise p :deliver (fn [v] (reset! p v))}))
   :settled atom
   :wait    identity
   :lane    (fn [] {:put! (fn [f] (f)) :size (fn [] 0) :close! (fn [])})
   :target  (fn [_] {:kind :test})
   :print   (fn [_])
   :link    (fn [_ handlers]
              (reset! on handlers)
              {:wake! (fn [_] (swap! out into ((:take handlers)))) :close! (fn [_ _])})})

(defn- opened
  "A client whose link is open: {:client :on :out}."
  []
  (let [on (atom nil) out (atom [])
        c  (s/connect! {:platform (platform on out)})]
    ((:linked @on))
    ((:text @on) "[:chsk/handshake [\"ada\" nil {:uid \"ada\" :session \"s\"} true]]")
    {:client c :on on :out out}))

(deftest a-bundle-is-read-once
  (let [{:keys [client on]} (opened)
        seen  (atom [])
        reads (atom 0)
        read  wire/read-text]
    (s/on! client :t/n (fn [{:keys [data]}] (swap! seen conj data)))
    (with-redefs [wire/read-text (fn [text] (swap! reads inc) (read text))]
      ((:text @on) (str "[:batch/events [" (apply str (for [n (range 100)] (str "[:t/n " n "] "))) "]]")))
    (is (= 1 @reads))
    (is (= (range 100) @seen))))

(deftest a-lone-event-leaves-at-once
  (let [{:keys [client out]} (opened)]
    (dotimes [n 3] (s/send! client [:t/n n]))
    (is (= ["[:t/n 0]" "[:t/n 1]" "[:t/n 2]"] @out))))

(deftest a-late-link-is-not-listened-to
  (let [{:keys [client on]} (opened)
        old  @on
        seen (atom 0)]
    (s/on! client :t/n (fn [_] (swap! seen inc)))
    (s/reconnect! client)
    ((:text old) "[:t/n 1]")
    ((:lost old) {:code 1006 :reason "late"})
    (is (= 0 @seen))
    (is (= :connecting (:phase (s/state client))))))

(deftest why-a-link-has-gone-does-not-tell-of-its-session
  (let [{:keys [client on]} (opened)
        told (atom [])]
    (s/on! client :chsk/state (fn [{:keys [data]}] (swap! told conj data)))
    ((:lost @on) {:code 1006 :reason "cannot connect to 'ws://h/ws?v=1&session=SECRET&seen=3': refused"})
    (is (= "cannot connect to 'ws://h/ws': refused" (:reason (:last-close (s/state client)))))
    (is (seq @told))
    (is (not (re-find #"SECRET" (pr-str @told (s/state client)))))))
