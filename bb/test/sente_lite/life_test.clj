(ns sente-lite.life-test
  "The lives of sidecars, scripts and handlers, with real processes."
  (:require [clojure.java.io :as io]
            [clojure.string :as str]
            [clojure.test :refer [deftest is testing]]
            [sente-lite.core :as s]
            [sente-lite.given :as given])
  (:import (java.util.concurrent TimeUnit)))

(defn- soon
  "What a promise gives within ten seconds."
  [p]
  (deref p 10000 :deadline))

(defn- new-dir []
  (str (java.nio.file.Files/createTempDirectory "sl" (into-array java.nio.file.attribute.FileAttribute []))))

(defn- program
  "A shell script in a file of its own. Returns its path."
  [text]
  (let [f (io/file (new-dir) "sidecar")]
    (spit f (str "#!/bin/sh\n" text "\n"))
    (.setExecutable f true)
    (str f)))

(def quiet {:port nil :on-stderr (fn [_]) :on-error (fn [_]) :on-handler-error (fn [_])})

(defn- start! [options] (s/start! (merge quiet options)))

(defn- refusal
  "Why start! does not start, as ex-data with :message."
  [options]
  (given/failure #(s/stop! (start! (merge {:start-timeout-ms 5000} options)))))

(defn- phase-reached [c phase]
  (let [p     (promise)
        check #(when (= phase (:phase %)) (deliver p phase))]
    (s/on! c :chsk/state (fn [{[_ state] :data}] (check state)))
    (check (s/state c))
    p))

(defn- pid [host] (get-in @(:state host) [:ready :pid]))

(defn- ended
  "A process's end, awaited."
  [pid]
  (let [h (java.lang.ProcessHandle/of pid)]
    (if (.isPresent h)
      (try (.get (.onExit ^java.lang.ProcessHandle (.get h)) 10 TimeUnit/SECONDS) :ended
           (catch java.util.concurrent.TimeoutException _ :alive))
      :ended)))

(defn- kill! [pid]
  (.destroyForcibly ^java.lang.ProcessHandle (.get (java.lang.ProcessHandle/of pid))))

;; Sidecars that are none.

(deftest no-program
  (let [dir (new-dir)
        e   (refusal {:bin (str dir "/none")})]
    (is (= [:unavailable :sente-lite/no-binary] ((juxt :category :code) e)))
    (is (str/includes? (:message e) "no such file"))
    (spit (io/file dir "text") "x")
    (is (str/includes? (:message (refusal {:bin (str dir "/text")})) "not executable"))
    (testing "executable, but nothing that this system runs"
      (let [f (io/file dir "odd")]
        (spit f "#!/no/such/interpreter\n")
        (.setExecutable f true)
        (is (= :sente-lite/not-started (:code (refusal {:bin (str f)}))))))))

(defn- frame-file
  "A file with one frame. Returns its path."
  [text]
  (let [f (io/file (new-dir) "frame")]
    (with-open [out (java.io.DataOutputStream. (io/output-stream f))]
      (let [b (.getBytes ^String text "UTF-8")]
        (.writeInt out (alength b))
        (.write out b 0 (alength b))))
    (str f)))

(deftest no-sidecar
  (doseq [[what text code]
          [["says what it hears" "exec cat" :sente-lite/not-ready]
           ["prints a line" "echo 'usage: something else [options]'; while read -r x; do :; done" :sente-lite/not-ready]
           ["answers in frames that are no EDN" (str "cat " (frame-file "[1 2") "; while read -r x; do :; done") :sente-lite/not-ready]
           ["answers in frames that are no ready" (str "cat " (frame-file "{:hello 1}") "; while read -r x; do :; done") :sente-lite/not-ready]
           ["speaks another protocol" (str "cat " (frame-file "[:sente-lite/ready {:uid \"owner\" :version \"9.0\" :protocol 9}]") "; while read -r x; do :; done") :sente-lite/version]
           ["refuses" (str "cat " (frame-file "[:sente-lite/error {:category :forbidden :code :sente-lite/no :message \"not today\" :retry? false}]") "; while read -r x; do :; done") :sente-lite/no]
           ["ends without a word" "exit 0" :sente-lite/sidecar-ended]]]
    (testing what
      (is (= code (:code (refusal {:bin (program text)})))))))

(deftest one-that-says-nothing
  (let [e (refusal {:bin (program "while read -r x; do :; done") :start-timeout-ms 300})]
    (is (= :sente-lite/no-answer (:code e)))
    (is (str/includes? (:message e) "within 300 ms"))))

(deftest one-that-dies-at-once
  (let [lines (atom [])
        e (refusal {:bin (program "echo first >&2; echo boom >&2; exit 3") :on-stderr #(swap! lines conj %)})]
    (is (= [:unavailable :sente-lite/sidecar-ended {:exit 3 :stderr ["first" "boom"]}] ((juxt :category :code :data) e)))
    (is (str/includes? (:message e) "exit code 3; it said last: first | boom"))
    (is (= ["first" "boom"] @lines))))

(deftest a-bad-configuration
  (let [e (refusal {:config {:flow {:max-bufer-size 5}}})]
    (is (= :sente-lite/bad-config (:code e)) (pr-str e))
    (is (str/includes? (str (:message e)) ":max-bufer-size"))
    (is (str/includes? (str (:message e) (:hint e)) ":max-buffer-size")))
  (let [e (refusal {:listen ["http://0.0.0.0:0"]})]
    (is (some? (:code e)))
    (is (str/includes? (str (:message e) (:hint e)) ":auth"))))

;; Sidecars that die.

(deftest handlers-outlive-a-start-that-failed
  (s/on! :rest/ask (fn [{:keys [reply!]}] (reply! :here)))
  (is (some? (refusal {:config {:nonsense 1}})))
  (let [host (start! {})]
    (is (= 1 (s/handler-count host :rest/ask)))
    (is (= :closed (:status (soon (s/stop! host)))))))

(deftest nobody-waits-for-a-handler-that-never-returns
  (let [release (promise)
        entered (promise)]
    (try
      (testing "at the beginning"
        (let [host (start! {:start-timeout-ms 5000 :on-open (fn [_] (deliver entered true) @release)})]
          (is (true? (soon entered)))
          (testing "nor at the end"
            (let [over (future (s/wait! host))]
              (s/stop! host)
              (is (= :closed (:status (soon over))))))))
      (finally (deliver release true)))))

(deftest an-end-in-the-middle-of-a-new-beginning
  (let [host    (start! {:backoff-ms-fn (constantly 1)})
        first-  (pid host)
        stopped (promise)]
    (s/on! host :chsk/state
           (fn [{[_ {:keys [phase reason]}] :data}]
             (when (and (= :connecting phase) (= :retry reason)) (deliver stopped (s/stop! host)))))
    (kill! first-)
    (is (= :closed (:status (soon (soon stopped)))))
    (is (empty? (filter #(.isAlive ^java.lang.ProcessHandle %)
                        (filter (fn [^java.lang.ProcessHandle p] (re-find #"sente-lite$" (.orElse (.command (.info p)) "")))
                                (iterator-seq (.iterator (.children (java.lang.ProcessHandle/current)))))))
        "no sidecar is left")))

(deftest flushes-from-many-threads
  (let [host (start! {})
        all  (doall (for [n (range 4)]
                      (future (frequencies (doall (for [_ (range 500)]
                                                    (do (s/send-to-client! host {:channel "none"} [:t/n n])
                                                        (:status (soon (s/flush! host {:timeout-ms 5000}))))))))))]
    (is (= {:ok 2000} (apply merge-with + (map soon all))))
    (soon (s/stop! host))))

(deftest a-dial-that-fails-leaves-no-thread
  (let [threads #(count (filter (fn [^Thread t] (= "sente-lite writer" (.getName t))) (.keySet (Thread/getAllStackTraces))))
        before  (threads)
        tries   (atom 0)
        enough  (promise)
        c       (s/connect! {:url "ws://127.0.0.1:1" :backoff-ms-fn (fn [_ _] (when (< 20 (swap! tries inc)) (deliver enough true)) 1)})]
    (is (true? (soon enough)))
    (soon (s/stop! c))
    (is (< (threads) (+ before 5)))))

(deftest a-sidecar-is-killed-in-the-middle-of-a-call
  (let [dir   (new-dir)
        hooks (atom [])
        back  (promise)
        host  (start! {:listen [(str "unix:" dir "/s.sock") "http://127.0.0.1:0"]
                       :args ["--log-level" "debug"]
                       :on-open (fn [_] (swap! hooks conj :open))
                       :on-close (fn [why] (swap! hooks conj [:close (:final? why)]))
                       :on-reconnect (fn [_] (swap! hooks conj :reconnect))
                       :on-ready (fn [_] (swap! hooks conj :ready) (when (some #{:reconnect} @hooks) (deliver back true)))})
        page  (s/connect! (merge (dissoc quiet :port :on-stderr) {:url (str "unix:" dir "/s.sock")}))
        asked (promise)]
    (try
      (s/on! page :test/never (fn [_] (deliver asked true)))
      (s/on! host :test/echo (fn [{:keys [data reply!]}] (reply! data)))
      (is (= 1 (soon (s/ask! page [:test/echo 1]))))
      (let [old     (pid host)
            of-host (s/ask! host (:uid (s/state page)) [:test/never])
            lost    (phase-reached page :waiting)
            began   (System/nanoTime)]
        (is (true? (soon asked)))
        (kill! old)
        (let [e (s/error-map (soon of-host))]
          (is (= [:unavailable :sente-lite/sidecar-ended 137] ((juxt :category :code #(get-in % [:data :exit])) e)))
          (is (seq (get-in e [:data :stderr])) "with its last lines"))
        (is (< (/ (- (System/nanoTime) began) 1e6) 5000) "at once, not at the call's time-out")
        (is (= :waiting (soon lost)))
        (is (true? (soon back)))
        (is (= [:open :ready [:close nil] :reconnect :ready] @hooks))
        (is (not= old (pid host)))
        (is (= (:listen host) (get-in @(:state host) [:ready :listen])) "at the same addresses")
        (testing "who was connected comes back"
          (is (= :open (soon (phase-reached page :open))))
          (is (= 2 (soon (s/ask! page [:test/echo 2]))))
          (is (= #{(:uid (s/state page))} (s/get-connected-uids host)))))
      (finally
        (soon (s/stop! page))
        (let [last-pid (pid host)]
          (soon (s/stop! host))
          (is (= :ended (ended last-pid))))))))

(deftest its-addresses-are-free-once-it-is-stopped
  (let [host (start! {:listen ["http://127.0.0.1:0"]})
        at   (:listen host)]
    (is (= :closed (:status (soon (s/stop! host)))))
    (let [again (start! {:listen at})]
      (is (= at (:listen again)))
      (testing "and free for the next one of a reconnect!"
        (let [old (pid again) lost (phase-reached again :waiting)]
          (s/reconnect! again)
          (is (= :waiting (soon lost)))
          (is (= :open (soon (phase-reached again :open))))
          (is (not= old (pid again)))
          (is (= at (get-in @(:state again) [:ready :listen])))))
      (soon (s/stop! again)))))

(deftest a-script-is-killed
  (let [code   "(require '[sente-lite.core :as s]) (let [h (s/start! {:port nil})] (println (get-in @(:state h) [:ready :pid])) (flush) @(promise))"
        own    (-> (java.lang.ProcessHandle/current) .info .command (.orElse "java"))
        paths  (str/join java.io.File/pathSeparator
                         (distinct (map #(str (.getParentFile (.getParentFile (io/file (.getPath (io/resource %)))))) ["sente_lite/core.cljc"])))
        script (.start (ProcessBuilder. ^java.util.List
                                        (if (System/getProperty "babashka.version")
                                          [own "-cp" paths "-e" code]
                                          [own "-cp" (System/getProperty "java.class.path") "clojure.main" "-e" code])))
        sidecar (parse-long (str/trim (.readLine (io/reader (.getInputStream script)))))]
    (is (.isPresent (java.lang.ProcessHandle/of sidecar)))
    (.destroyForcibly script)
    (is (.waitFor script 10 TimeUnit/SECONDS))
    (is (= :ended (ended sidecar)) "no sidecar is left")))

;; Calls from everywhere.

(defn- pair
  "[host page stop] over a WebSocket."
  [of-host of-page]
  (let [host (start! (merge {:listen ["http://127.0.0.1:0"]} of-host))
        page (s/connect! (merge (dissoc quiet :port :on-stderr) {:url (:url host)} of-page))]
    (is (= :open (soon (phase-reached page :open))))
    [host page (fn [] (soon (s/stop! page)) (soon (s/stop! host)))]))

(deftest calls-from-a-handler
  (let [[host page stop] (pair {} {})]
    (try
      (s/on! page :ui/name (fn [{:keys [reply!]}] (reply! "Ada")))
      (s/on! host :greet/me (fn [{:keys [uid reply!]}] (reply! (str "Hello, " (soon (s/ask! host uid [:ui/name]))))))
      (is (= "Hello, Ada" (soon (s/ask! page [:greet/me]))) "a handler may wait for a reply")
      (finally (stop)))))

(deftest calls-from-many-threads
  (let [[host page stop] (pair {} {})]
    (try
      (s/on! host :test/echo (fn [{:keys [data reply!]}] (reply! data)))
      (let [threads (mapv (fn [t] (future (mapv (fn [n] (s/ask! page [:test/echo [t n]])) (range 100)))) (range 8))
            wanted  (mapv (fn [t] (mapv (fn [n] [t n]) (range 100))) (range 8))]
        (is (= wanted (mapv (fn [f] (mapv soon (deref f 10000 []))) threads))))
      (finally (stop)))))

(deftest calls-after-the-end
  (let [[host page stop] (pair {} {})]
    (stop)
    (doseq [c [host page]]
      (is (= :closed (:status (s/send! c [:a/b]))))
      (is (= :chsk/closed (soon (s/ask! c [:a/b]))))
      (is (= {:status :closed :queue-size 0} (soon (s/stop! c))))
      (is (= :closed (:status (soon (future (s/wait! c)))))))))

;; Handlers.

(deftest a-handler-that-never-returns
  (let [refusals (atom [])
        told     (promise)
        [host page stop] (pair {:max-inbox 10}
                               {:on-error (fn [e] (when (= 5 (count (swap! refusals conj (:code e)))) (deliver told true)))})
        entered (promise)
        release (promise)]
    (try
      (s/on! page :test/echo (fn [{:keys [data reply!]}] (reply! data)))
      (s/on! host :test/block (fn [_] (deliver entered true) @release))
      (s/send! page [:test/block])
      (is (true? (soon entered)))
      (is (= :test/block (:handling (s/inbox host))))
      (testing "replies still come"
        (is (= 1 (soon (s/ask! host (:uid (s/state page)) [:test/echo 1])))))
      (testing "what comes in is bounded, and who sent it hears of it"
        (dotimes [n 30] (s/send! page [:test/flood n]))
        (is (true? (soon told)))
        (is (= #{:sente-lite/inbox-full} (set @refusals)))
        (is (= :sente-lite/inbox-full (:code (s/error-map (soon (s/ask! page [:test/flood 31]))))))
        (is (<= 10 (:size (s/inbox host)) 12))
        (is (= 21 (:refused (s/inbox host)))))
      (deliver release true)
      (testing "and goes on when it does return"
        (let [drained (promise)]
          (s/on! host :test/echo (fn [{:keys [data reply!]}] (reply! data)))
          (s/after! host 0 #(deliver drained true)) ; behind what waits
          (is (true? (soon drained)))
          (is (= 2 (soon (s/ask! page [:test/echo 2]))))))
      (finally (deliver release true) (stop)))))

(defn- rtt
  "The milliseconds that the first ping of a peer took, asked for until it has been
  answered or ten seconds have passed."
  [host uid]
  (let [late (+ (System/nanoTime) 10000000000)]
    (loop []
      (let [ms (:rtt-ms (first (filter #(= uid (:uid %)) (soon (s/ask! host [:sente-lite/peers {}])))))]
        (if (or ms (> (System/nanoTime) late)) ms (recur))))))

(deftest pings-are-answered-while-a-handler-does-not-return
  (let [[host page stop] (pair {:config {:flow {:ws-kalive-ms 200}}} {})
        entered (promise)
        release (promise)]
    (try
      (s/on! page :test/block (fn [_] (deliver entered true) @release))
      (s/send! host (:uid (s/state page)) [:test/block])
      (is (true? (soon entered)))
      (is (number? (rtt host (:uid (s/state page)))))
      (finally (deliver release true) (stop)))))

(deftest handlers-that-throw-an-error
  (let [[host page stop] (pair {} {})]
    (try
      (s/on! host :test/throw (fn [_] (throw (StackOverflowError.))))
      (s/on! host :test/echo (fn [{:keys [data reply!]}] (reply! data)))
      (is (= :sente-lite/handler-failed (:code (s/error-map (soon (s/ask! page [:test/throw]))))))
      (is (= 1 (soon (s/ask! page [:test/echo 1]))))
      (finally (stop)))))
