(ns sente-lite.life-test
  "The lives of sidecars and scripts under nbb, with real processes."
  (:require ["child_process" :as child]
            ["fs" :as fs]
            ["os" :as os]
            ["path" :as path]
            [cljs.test :refer [deftest is testing async]]
            [clojure.string :as str]
            [promesa.core :as p]
            [sente-lite.core :as s]))

(defn- new-dir [] (fs/mkdtempSync (path/join (os/tmpdir) "sl")))

(defn- program
  "A shell script in a file of its own. Returns its path."
  [text]
  (let [f (path/join (new-dir) "sidecar")]
    (fs/writeFileSync f (str "#!/bin/sh\n" text "\n") #js {:mode 493})
    f))

(def quiet {:port nil :on-stderr (fn [_]) :on-error (fn [_]) :on-handler-error (fn [_])})

(defn- start! [options] (s/start! (merge quiet options)))

(defn- refusal
  "A promise of why start! does not start, as ex-data with :message."
  [options]
  (-> (p/do (start! (merge {:start-timeout-ms 5000} options)))
      (p/then (fn [host] (p/do (s/stop! host) nil)))
      (p/catch (fn [e] (assoc (ex-data e) :message (ex-message e))))))

(defn- phase-reached [c phase]
  (js/Promise. (fn [done]
                 (let [check #(when (= phase (:phase %)) (done phase))]
                   (s/on! c :chsk/state (fn [{[_ state] :data}] (check state)))
                   (check (s/state c))))))

(defn- pid [host] (get-in @(:state host) [:ready :pid]))

(defn- alive? [pid] (try (js/process.kill pid 0) true (catch :default _ false)))

(defn- ended
  "A promise that a process which is not our child is no more, within ten seconds."
  [pid]
  (js/Promise. (fn [done]
                 (let [look (fn look [n] (cond (not (alive? pid)) (done :ended)
                                               (zero? n)          (done :alive)
                                               :else              (js/setTimeout #(look (dec n)) 20)))]
                   (look 500)))))

(defn- failed [e] (is (nil? e) (str (ex-message e))))

(def hold "while read -r x; do :; done")

(defn- frame-file [text]
  (let [f (path/join (new-dir) "frame") n (js/Buffer.byteLength text) b (js/Buffer.alloc (+ 4 n))]
    (.writeUInt32BE b n 0)
    (.write b text 4)
    (fs/writeFileSync f b)
    f))

(deftest no-sidecar
  (async done
    (let [dir (new-dir)]
      (fs/writeFileSync (path/join dir "text") "x")
      (-> (p/loop [cases [[(path/join dir "none") :sente-lite/no-binary "no such file"]
                          [(path/join dir "text") :sente-lite/no-binary "not executable"]
                          [(program "exec cat") :sente-lite/not-ready ":sente-lite/hello"]
                          [(program (str "echo 'usage: something else [options]'; " hold)) :sente-lite/not-ready "no frame"]
                          [(program (str "cat " (frame-file "[1 2") "; " hold)) :sente-lite/not-ready "could not be read"]
                          [(program (str "cat " (frame-file "[:sente-lite/ready {:uid \"owner\" :version \"9.0\" :protocol 9}]") "; " hold)) :sente-lite/version "protocol 9"]
                          [(program "echo boom >&2; exit 3") :sente-lite/sidecar-ended "exit code 3; it said last: boom"]
                          [(program "exit 0") :sente-lite/sidecar-ended "said nothing"]
                          [(program hold) :sente-lite/no-answer "within 500 ms"]]]
            (when-let [[bin code text] (first cases)]
              (p/let [e (refusal (cond-> {:bin bin} (= :sente-lite/no-answer code) (assoc :start-timeout-ms 500)))]
                (is (= code (:code e)) (:message e))
                (is (str/includes? (str (:message e)) text))
                (p/recur (rest cases)))))
          (p/catch failed)
          (p/finally (fn [_ _] (done)))))))

(deftest a-bad-configuration
  (async done
    (-> (p/let [e (refusal {:config {:flow {:max-bufer-size 5}}})]
          (is (= :sente-lite/bad-config (:code e)))
          (is (str/includes? (str (:message e)) ":max-bufer-size")))
        (p/catch failed)
        (p/finally (fn [_ _] (done))))))

(deftest a-sidecar-is-killed-in-the-middle-of-a-call
  (async done
    (let [hooks (atom [])
          back  (p/deferred)
          asked (p/deferred)
          url   (str "unix:" (new-dir) "/s.sock")]
      (-> (p/let [host  (start! {:listen [url "http://127.0.0.1:0"]
                                 :args ["--log-level" "debug"]
                                 :on-open (fn [_] (swap! hooks conj :open))
                                 :on-close (fn [why] (swap! hooks conj [:close (:final? why)]))
                                 :on-reconnect (fn [_] (swap! hooks conj :reconnect))
                                 :on-ready (fn [_] (swap! hooks conj :ready) (when (some #{:reconnect} @hooks) (p/resolve! back true)))})
                  page  (s/connect! (merge (dissoc quiet :port :on-stderr) {:url url}))
                  _     (s/on! page :test/never (fn [_] (p/resolve! asked true)))
                  _     (s/on! host :test/echo (fn [{:keys [data reply!]}] (reply! data)))
                  one   (s/ask! page [:test/echo 1])
                  old   (pid host)
                  call  [(s/ask! host (:uid (s/state page)) [:test/never])]
                  _     asked
                  _     (js/process.kill old "SIGKILL")
                  reply (first call)
                  _     back
                  _     (phase-reached page :open)
                  two   (s/ask! page [:test/echo 2])]
            (is (= [1 2] [one two]))
            (is (= [:unavailable :sente-lite/sidecar-ended] ((juxt :category :code) (s/error-map reply))))
            (is (seq (get-in (s/error-map reply) [:data :stderr])))
            (is (= [:open :ready [:close nil] :reconnect :ready] @hooks))
            (is (not= old (pid host)))
            (is (= (:listen host) (get-in @(:state host) [:ready :listen])))
            (p/let [_    (s/stop! page)
                    last-pid (pid host)
                    _    (s/stop! host)
                    gone (ended last-pid)]
              (is (= :ended gone))))
          (p/catch failed)
          (p/finally (fn [_ _] (done)))))))

(deftest its-addresses-are-free-once-it-is-stopped
  (async done
    (-> (p/let [host  (start! {:listen ["http://127.0.0.1:0"]})
                _     (s/stop! host)
                again (start! {:listen (:listen host)})
                old   (pid again)
                lost  [(phase-reached again :waiting)]
                _     (s/reconnect! again)
                _     (first lost)
                _     (phase-reached again :open)]
          (is (= (:listen host) (:listen again) (get-in @(:state again) [:ready :listen])))
          (is (not= old (pid again)))
          (s/stop! again))
        (p/catch failed)
        (p/finally (fn [_ _] (done))))))

(deftest a-script-is-killed
  (async done
    (let [code   "(ns x (:require [sente-lite.core :as s] [promesa.core :as p])) (p/let [h (s/start! {:port nil})] (println (get-in @(:state h) [:ready :pid])))"
          file   (path/join (new-dir) "script.cljs")
          _      (fs/writeFileSync file code)
          argv   js/process.argv
          at     (.indexOf argv "--classpath")
          paths  (aget argv (inc (if (neg? at) (.indexOf argv "-cp") at)))
          script (child/spawn js/process.execPath #js [(aget argv 1) "--classpath" paths file] #js {:stdio #js ["ignore" "pipe" "inherit"]})
          exited (js/Promise. (fn [ok] (.on script "exit" ok)))]
      (-> (p/let [line    (js/Promise. (fn [ok] (.on (.-stdout script) "data" (fn [d] (ok (str d))))))
                  sidecar (parse-long (str/trim line))
                  was     (alive? sidecar)
                  _       (.kill script "SIGKILL")
                  _       exited
                  gone    (ended sidecar)]
            (is (true? was))
            (is (= :ended gone) "no sidecar is left"))
          (p/catch failed)
          (p/finally (fn [_ _] (done)))))))
