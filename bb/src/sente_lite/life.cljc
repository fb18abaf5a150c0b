(ns sente-lite.life
  "How clients begin and end: what core's connect!, start!, stop! and reconnect!
  do."
  {:no-doc true}
  (:require [sente-lite.client :as client]
            [sente-lite.wire :as wire]))

(def closed {:status :closed :queue-size 0})

(defn- wake! [c] (when-let [l @(:link c)] ((:wake! l) true)))

(defn- offers
  "What a client offers: recovery and credit, though not on the pipe of a parent,
  whose end is the end of both."
  [opts target]
  (if (= :stdio (:kind target))
    (assoc opts :recover? false :credit nil)
    (assoc opts :credit (when (pos? (:credit opts 0)) (:credit opts)))))

(defn connect-options
  "Those of connect! with the hello that they and the target ask for."
  [opts target]
  (let [{:keys [recover? credit] :as opts} (offers opts target)]
    (assoc opts :heartbeat? (:heartbeat? target)
           :hello (when (:hello? target)
                    (merge {:bundle true}
                           (when recover? {:recover true})
                           (when credit {:credit credit})
                           (when (:handler? opts) {:handler true})
                           (when-let [t (:token target)] (when-not (fn? t) {:auth t})))))))

(def ^:private compile-ms
  "The longest wait for a sidecar that a checkout's Go compiles first."
  180000)

(defn start-options
  "Those of start! with the hello that carries the sidecar's configuration."
  [opts target platform]
  (let [listen (or (:listen opts) (when (:port opts) [(str "http://" (if (re-find #":" (:host opts)) (str "[" (:host opts) "]") (:host opts)) ":" (:port opts))]) [])
        config (cond-> (merge {:listen (vec listen)} (:config opts))
                 (:static opts) (assoc :static ((:absolute platform identity) (:static opts)))
                 (and (:moved? target) (nil? (:static opts)) ((:exists? platform) "public"))
                 (assoc :static ((:absolute platform) "public")))]
    (merge {:max-tries 5} opts {:hello {:bundle true :config config} :first-must? true
                                :connect-timeout-ms (if (and (:moved? target) (= 10000 (:start-timeout-ms opts)))
                                                      compile-ms
                                                      (:start-timeout-ms opts))})))

(defn begun
  "A started client with the keys that Sente's server has."
  [c]
  (let [listen (get-in @(:state c) [:ready :listen])
        url    (first (filter #(re-find #"^http" %) listen))]
    (assoc c :listen listen :url url
           :port (some-> url (->> (re-find #"^https?://[^/]*:(\d+)")) second parse-long)
           :uid (:uid @(:state c))
           :connected-uids (:connected c))))

(defn failure
  "What start! failed by, an ex-info."
  [c outcome]
  (let [e (or (wire/error-map (:error outcome))
              {:category :unavailable :code :sente-lite/no-sidecar
               :message (str "the sidecar was not ready within " (:start-timeout-ms (:options c)) " ms")})]
    (ex-info (str "sente-lite: " (:message e) (when (:hint e) (str " (" (:hint e) ")"))) e)))

(defn fail!
  "Throws, or gives a promise that is rejected, where start! gives promises."
  [platform e]
  (if-let [rejected (:rejected platform)]
    (rejected e)
    (throw e)))

(defn flush!
  "A promise of {:status :ok} once what waits has been written, or acknowledged."
  [c ms acked?]
  (let [{:keys [promise deliver]} ((:promise (:platform c)))
        cancel  (atom nil)
        written (fn [v] (when-let [f @cancel] (f)) (deliver v))]
    (reset! cancel ((:after (:platform c)) ms (fn [] (client/forget-flush! c written) (deliver :chsk/timeout))))
    (client/when-written! c written acked?)
    (wake! c)
    promise))

(def ^:private flush-ms
  "The longest that the end of a client waits for what it has to say."
  2000)

(defn stop!
  "Writes what waits, closes the link, ends a sidecar of ours. A promise of closed."
  [c]
  (let [{:keys [promise deliver]} ((:promise (:platform c)))
        end (fn []
              (client/until-ended! c #(client/input! c [:stop]) #(deliver closed))
              ((:close! (:lane c))))]
    (if (and (= :open (:phase @(:state c))) @(:link c))
      (let [late (atom nil)
            once (atom false)
            end  (fn [_]
                   (when (compare-and-set! once false true)
                     (when-let [cancel @late] (cancel))
                     (end)))]
        (reset! late ((:after (:platform c)) flush-ms #(end nil)))
        (client/input! c [:leave])
        (client/when-written! c end)
        (wake! c))
      (end))
    promise))

(defn reconnect!
  "Opens the link anew, whatever its state."
  [c]
  (let [{:keys [now]} (:platform c)]
    (client/until-ended! c
                         (fn []
                           (when-let [l @(:link c)] ((:close! l) 4000 "reconnect"))
                           (client/input! c [:lost {:code 1006 :reason "reconnect"} (now) 0]))
                         (fn []
                           (client/input! c [:wake (now) :reconnect])
                           (client/input! c [:connect (now)])))
    {:status :ok}))
