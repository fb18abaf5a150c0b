(ns sente-lite.matrix
  "Scenarios as data, and what plays them. The same steps run where one may block
  (JVM, Babashka), where there are promises (nbb, Scittle) and in a test's world,
  over every transport; a scenario's :gives is what all of them must give.

  A stage is what a run has: {:await (fn [promise k]), :connect (fn [name options]),
  :host-do (fn [operation]) → promise}. The script `host` is on a pipe always; the
  peers ada and bob are on the transport that is tried.

  Steps, and what each adds to the transcript:

    [:ask who …]        the reply to s/ask!, errors as [:error code]
    [:send who …]       the status of s/send!; :publish and :to (send-to-client!) likewise
    [:subscribe who c]  and :unsubscribe: nothing
    [:echo who]         what did not come back as it was, asked of the host; :echoed: asked by it
    [:burst who n]      nothing; n events [:test/n i]
    [:events who]       what has come to it since, hooks included where the scenario wants them
    [:until who phase]  [phase close-code]
    [:reconnect who]    and [:gone who]: nothing; [:stop who]: the status"
  (:require [sente-lite.core :as s]
            [sente-lite.wire :as wire]))

(def tokens
  "Of the peers that are clients, of those that are owners, and of who controls a
  host from afar."
  [{:token "client-control" :uid "control"}
   {:token "client-ada" :uid "ada"} {:token "client-bob" :uid "bob"}
   {:token "owner-ada" :uid "ada" :role :owner} {:token "owner-bob" :uid "bob" :role :owner}])

(def config
  "What the host gives its sidecar."
  {:auth {:anonymous true :tokens tokens}})

(def odd-values
  "Values that a relay could spoil."
  (into [nil true false 0 -1 1.5 9007199254740991 "" "ünï😀" "a\nb\r\n\"\\\t" :a :a/b 'sym 'ns/sym [] {} #{} '() '(1 (2)) #{1 #{2}}
         {:a/b 1 :a/c {"s" [nil]}} {[1 2] 3 nil 4} #uuid "f81d4fae-7dec-11d0-a765-00a0c91e6bf6" #inst "2024-01-02T03:04:05.678-00:00"
         (tagged-literal 'my/tag {:a 1}) [:chsk/timeout] [:sente-lite/recv 1] (vec (range 300)) (apply str (repeat 5000 "x"))]
        #?(:clj  [1/3 12345678901234567890N 1.50M \a \newline \u20ac Long/MIN_VALUE 1e300 -0.0]
           :cljs [])))

(def scenarios
  [{:name :values :peers ["ada"]
    :steps [[:echo "ada"] [:echoed "ada"]]
    :gives [[] []]}

   {:name :calls :peers ["ada"]
    :steps [[:ask "ada" [:test/who]] [:ask :host "ada" [:test/echo 1]] [:ask "ada" [:test/twice 1]] [:ask "ada" [:test/echo]]]
    :gives ["ada" 1 [:first 1] nil]}

   {:name :errors :peers ["ada"]
    :steps [[:ask "ada" [:test/none 1]]
            [:ask "ada" [:test/throw 1]]
            [:ask "ada" [:test/bad]]
            [:ask "ada" [:test/never] {:timeout-ms 50}]
            [:ask :host "ada" [:test/none]]
            [:ask :host "ada" [:test/throw 1]]
            [:ask :host "ada" [:test/never] {:timeout-ms 50}]
            [:ask :host "nobody" [:test/echo 1]]
            [:ask :host [:sente-lite/request {:to :all :event [:a/b]}]]
            [:ask :host [:sente-lite/send {:to "ada" :event [:chsk/state 1]}]]
            [:ask :host [:sente-lite/send {:to 1 :event [:a/b]}]]
            [:ask :host [:sente-lite/send {:to "ada"}]]
            [:ask :host [:sente-lite/nonsense {}]]
            [:ask :host [:not/mine 1]]
            [:ask "ada" [:test/echo :still-there]]]
    :gives [[:error :sente-lite/no-handler] [:error :sente-lite/handler-failed] [:error :sente-lite/not-edn] :chsk/timeout
            [:error :sente-lite/no-handler] [:error :sente-lite/handler-failed] :chsk/timeout
            [:error :sente-lite/no-such-peer] [:error :sente-lite/bad-target] [:error :sente-lite/reserved] [:error :sente-lite/bad-target]
            [:error :sente-lite/bad-data] [:error :sente-lite/unknown-event] [:error :sente-lite/no-taker] :still-there]}

   {:name :targets :peers ["ada" "bob"]
    :steps [[:send :host "ada" [:t/a 1]]
            [:to :host #{"ada" "bob"} [:t/a 2]]
            [:to :host #{"ada" "bob" "nobody"} [:t/a 3] {:except #{"bob"}}]
            [:ask :host [:sente-lite/send {:to #{"ada" "bob"} :event [:t/a 4]}]]
            [:ask :host [:sente-lite/send {:to #{"nobody"} :event [:t/a 5]}]]
            [:ask :host [:sente-lite/send {:to {:channel "empty"} :event [:t/a 6]}]]
            [:events "ada"] [:events "bob"]]
    :gives [:ok :ok :ok {:status :ok :peers 2} {:status :ok :peers 0} {:status :ok :peers 0}
            [[:t/a 1] [:t/a 2] [:t/a 3] [:t/a 4]] [[:t/a 2] [:t/a 4]]]}

   {:name :everybody :peers ["ada" "bob"] :roles #{:client}
    :steps [[:to :host :all [:t/a 1]] [:to :host {:role :client} [:t/a 2] {:except #{"ada"}}] [:events "ada"] [:events "bob"]]
    :gives [:ok :ok [[:t/a 1]] [[:t/a 1] [:t/a 2]]]}

   {:name :channels :peers ["ada" "bob"]
    :steps [[:subscribe "ada" "room"] [:subscribe "bob" "room"] [:events "ada"] [:events "bob"]
            [:publish "ada" "room" {:n 1}]
            [:publish "ada" "room" {:n 2} {:exclude-sender? true}]
            [:ask "ada" [:test/echo :published]]
            [:publish :host "room" {:n 3}]
            [:to :host {:channel "room"} [:t/a 4]]
            [:publish "bob" "elsewhere" {:n 5}]
            [:events "ada"] [:events "bob"]
            [:unsubscribe "bob" "room"] [:events "bob"]
            [:publish "ada" "room" {:n 6}]
            [:events "ada"] [:events "bob"]]
    :gives [[] [] :ok :ok :published :ok :ok :ok
            [[:sente-lite/channel-msg {:channel-id "room" :data {:n 1} :from "ada"}]
             [:sente-lite/channel-msg {:channel-id "room" :data {:n 3} :from "owner"}] [:t/a 4]]
            [[:sente-lite/channel-msg {:channel-id "room" :data {:n 1} :from "ada"}]
             [:sente-lite/channel-msg {:channel-id "room" :data {:n 2} :from "ada"}]
             [:sente-lite/channel-msg {:channel-id "room" :data {:n 3} :from "owner"}] [:t/a 4]]
            [] :ok
            [[:sente-lite/channel-msg {:channel-id "room" :data {:n 6} :from "ada"}]] []]}

   {:name :client-to-client :peers ["ada" "bob"] :roles #{:client}
    :steps [[:send "ada" "bob" [:t/hi {:n 1}]] [:events "bob"]
            [:ask "ada" [:msg/send-to-client {:to-uid "nobody" :message 1}]]
            [:ask "ada" [:sente-lite/peers {}]] [:ask "ada" "bob" [:test/echo 1]]
            [:ask "ada" [:sente-lite/kick {:to "bob"}]]]
    :gives [:ok [[:msg/receive {:from-uid "ada" :message [:t/hi {:n 1}]}]]
            [:error :sente-lite/no-such-peer] [:error :sente-lite/forbidden] [:error :sente-lite/forbidden] [:error :sente-lite/forbidden]]}

   {:name :owner-to-peer :peers ["ada" "bob"] :roles #{:owner}
    :steps [[:send "ada" "bob" [:t/hi {:n 1}]] [:ask "ada" "bob" [:test/echo 2]] [:to "ada" #{"bob"} [:t/hi 3]]
            [:events "ada"] [:events "bob"]]
    :gives [:ok 2 :ok [] [[:t/hi {:n 1}] [:t/hi 3]]]}

   {:name :order :peers ["ada"]
    :steps [[:events :host] [:burst "ada" 300] [:events "ada"] [:events :host] [:burst :host 300] [:events "ada"]]
    :gives [[[:sente-lite/open "ada"]] [] (mapv (fn [n] [:test/n n "ada"]) (range 300)) (mapv (fn [n] [:test/n n]) (range 300))]}

   {:name :kick :peers ["ada" "bob"]
    :steps [[:ask :host [:sente-lite/kick {:to "ada" :reason "out"}]] [:until "ada" :closed] [:gone "ada"]
            [:send "ada" [:a/b 1]] [:ask "ada" [:test/echo 1]] [:ask :host "ada" [:test/echo 1]] [:ask "bob" [:test/echo 1]]]
    :gives [{:peers 1} [:closed 4504] :closed :chsk/closed [:error :sente-lite/no-such-peer] 1]}

   {:name :reconnect :peers ["ada"] :hooks? true
    :steps [[:subscribe "ada" "room"] [:events "ada"]
            [:reconnect "ada"] [:until "ada" :open] [:events "ada"]
            [:publish :host "room" 1] [:events "ada"]]
    :gives [[[:on-open "ada"] [:on-ready "ada"]] [:open nil]
            [[:on-close] [:on-reconnect "ada" "ada"] [:on-ready "ada"]]
            :ok [[:sente-lite/channel-msg {:channel-id "room" :data 1 :from "owner"}]]]}

   {:name :stop :peers ["ada"] :hooks? true
    :steps [[:events "ada"] [:events :host] [:send "ada" [:t/last 1]] [:stop "ada"] [:gone "ada"]
            [:events :host] [:send "ada" [:a/b]] [:ask "ada" [:test/echo 1]] [:stop "ada"]]
    :gives [[[:on-open "ada"] [:on-ready "ada"]] [[:sente-lite/open "ada"]] :ok :closed
            [[:t/last 1 "ada"] [:sente-lite/close "ada"]] :closed :chsk/closed :closed]}])

;; What every peer does.

(def ^:private quiet
  "What the recorder leaves out, and what the sidecar tells its owners."
  #{"chsk"})

(defn- entry
  "An event as it stands in a transcript."
  [host? {:keys [id data event uid]}]
  (case id
    (:sente-lite/open :sente-lite/close) [id (:uid data)]
    (if host? (conj (if (= 1 (count event)) [id nil] event) uid) event)))

(defn- handle-all!
  "The handlers of the scenarios. Returns the atom of what else came."
  [c host?]
  (let [seen (atom [])]
    (s/on! c :test/echo (fn [{:keys [data reply!]}] (reply! data)))
    (s/on! c :test/who (fn [{:keys [uid reply!]}] (reply! uid)))
    (s/on! c :test/twice (fn [{:keys [data reply!]}] (reply! [:first data]) (reply! [:second data])))
    (s/on! c :test/never (fn [_]))
    (s/on! c :test/bad (fn [{:keys [reply!]}] (reply! {:f identity})))
    (s/on! c :test/throw (fn [_] (throw (ex-info "thrown by the scenario" {}))))
    (s/on! c {:event-id :* :pred (fn [{:keys [id ?reply-fn]}]
                                   (not (or ?reply-fn (contains? quiet (namespace id))
                                            (contains? #{:test/never :test/do} id))))}
           (fn [m] (swap! seen conj (entry host? m))))
    seen))

(defn- take-all! [seen]
  (let [all @seen]
    (reset! seen [])
    all))

(defn- result [v]
  (cond
    (= :sente-lite/error (when (vector? v) (nth v 0 nil))) [:error (:code (nth v 1))]
    (and (map? v) (contains? v :queue-size))               (dissoc v :queue-size)
    :else                                                  v))

;; The host, here or elsewhere.

(defn- promised [c]
  ((:promise (:platform c))))

(defn- done [c v]
  (let [{:keys [promise deliver]} (promised c)] (deliver v) promise))

(defn- operate!
  "Performs an operation on a client. Returns a promise of what it gives."
  [c seen [op & args]]
  (case op
    :ask     (let [{:keys [promise deliver]} (promised c)
                   [to more] (if (vector? (first args)) [nil args] [(first args) (rest args)])
                   [event opts] more
                   opts (assoc opts :cb #(deliver (result %)))]
               (if to (s/ask! c to event opts) (s/ask! c event opts))
               promise)
    :send    (done c (:status (apply s/send! c args)))
    :to      (done c (:status (apply s/send-to-client! c args)))
    :publish (done c (:status (apply s/publish! c args)))
    :burst   (done c (last (map (fn [n] (:status (s/send! c (first args) [:test/n n]))) (range (second args)))))
    ;; Behind what waits for handlers already.
    :events  (let [{:keys [promise deliver]} (promised c)]
               (s/after! c 0 #(deliver (take-all! seen)))
               promise)
    :gone    (let [{:keys [promise deliver]} (promised c)
                   uid   (first args)
                   check (fn [v] (when-not (contains? (:any v) uid) (deliver :gone)))]
               (add-watch (s/connected-uids c) [::gone uid] (fn [_ _ _ v] (check v)))
               (check (s/connected c))
               promise)))

(defn play-host!
  "Makes a script's client the host of the scenarios. Returns its :host-do. Who
  cannot call that, a page, asks by [:test/do operation]."
  [c]
  (let [seen (handle-all! c true)]
    (s/on! c :test/do (fn [{:keys [data reply!]}]
                        (if (= :ask (first data))
                          (let [[to more] (if (vector? (second data)) [nil (rest data)] [(second data) (drop 2 data)])
                                opts (assoc (second more) :cb #(reply! (result %)))]
                            (if to (s/ask! c to (first more) opts) (s/ask! c (first more) opts)))
                          (case (first data)
                            :events (s/after! c 0 #(reply! (take-all! seen)))
                            :gone   (let [k [::gone reply!]
                                          check (fn [v] (when-not (contains? (:any v) (second data))
                                                          (remove-watch (s/connected-uids c) k)
                                                          (reply! :gone)))]
                                      (add-watch (s/connected-uids c) k (fn [_ _ _ v] (check v)))
                                      (check (s/connected c)))
                            (:send :to :publish) (reply! (:status (apply (case (first data) :send s/send! :to s/send-to-client! :publish s/publish!) c (rest data))))
                            :burst  (do (dotimes [n (nth data 2)] (s/send! c (second data) [:test/n n])) (reply! :ok))))))
    (fn [operation] (operate! c seen operation))))

(defn remote-host
  "The :host-do of a host that is elsewhere: `control` is a client of its sidecar."
  [control]
  (fn [operation]
    (s/ask! control [:test/do (vec operation)])))

;; Peers, and the play.

(defn- hooks-into [seen]
  {:on-open      #(swap! seen conj [:on-open (:uid %)])
   :on-ready     #(swap! seen conj [:on-ready (:uid %)])
   :on-reconnect #(swap! seen conj [:on-reconnect (:uid %) (get-in % [:old :uid])])
   :on-close     (fn [_] (swap! seen conj [:on-close]))
   :on-error     (fn [_])
   :on-handler-error (fn [_])})

(defn- phase-reached [c phase]
  (let [{:keys [promise deliver]} (promised c)
        check (fn [{now :phase why :last-close}]
                (when (= phase now) (deliver [phase (when (= :closed now) (:code why))])))]
    (s/on! c :chsk/state (fn [{[_ state] :data}] (check state)))
    (check (s/state c))
    promise))

(defn- await-all
  "Runs (f x) for each, whose promise is awaited; gives k all values."
  [{:keys [await]} f xs k]
  (if (seq xs)
    (await (f (first xs)) (fn [v] (await-all {:await await} f (rest xs) #(k (cons v %)))))
    (k [])))

(defn- play-step [{:keys [await peers host-do] :as stage} [op who & args :as step] k]
  (let [{:keys [client seen]} (get peers who)
        unlike (fn [vs] (vec (remove nil? (map (fn [v w] (when-not (= v w) [v w])) odd-values vs))))]
    (cond
      (= :echo op)   (await-all stage #(operate! client seen [:ask [:test/echo %]]) odd-values #(k (unlike %)))
      (= :echoed op) (await-all stage #(host-do [:ask who [:test/echo %]]) odd-values #(k (unlike %)))
      (= :gone op)   (await (host-do [:gone who]) (fn [_] (k ::nothing)))
      (and (= :burst op) (= :host who)) (await (host-do [:burst "ada" (first args)]) (fn [_] (k ::nothing)))
      (= :burst op)  (do (dotimes [n (first args)] (s/send! client [:test/n n])) (k ::nothing))
      (= :host who)  (if (= :events op)
                       ;; What peers have said is there once the host has answered them.
                       (await-all stage (fn [[_ p]] (if (:open? (s/state (:client p))) (operate! (:client p) (:seen p) [:ask [:test/echo]]) (host-do [:gone "nobody"]))) peers
                                  (fn [_] (await (host-do [:events]) k)))
                       (await (host-do (into [op] args)) k))
      (= :events op) (await-all stage (fn [[_ p]] (operate! (:client p) (:seen p) [:ask [:test/echo]])) peers
                                (fn [_] (await (operate! client seen [:events]) k)))
      (= :until op)  (await (phase-reached client (first args)) k)
      (= :subscribe op)   (do (s/subscribe! client (first args)) (k ::nothing))
      (= :unsubscribe op) (do (s/unsubscribe! client (first args)) (k ::nothing))
      (= :reconnect op)   (do (s/reconnect! client) (k ::nothing))
      (= :stop op)        (await (s/stop! client) #(k (:status %)))
      :else               (await (operate! client seen (into [op] args)) k))))

(defn- play-steps [stage steps transcript k]
  (if (seq steps)
    (play-step stage (first steps)
               (fn [v] (play-steps stage (rest steps) (if (= ::nothing v) transcript (conj transcript v)) k)))
    (k transcript)))

(defn- enter! [{:keys [connect]} hooks? uid]
  (let [hooks  (atom [])
        opts   (hooks-into hooks)
        client (connect uid (if hooks? opts (select-keys opts [:on-error :on-handler-error])))
        seen   (handle-all! client false)]
    ;; Hooks and events in one list, in the order that they came in.
    (when hooks?
      (reset! seen (into @hooks @seen))
      (add-watch hooks ::into (fn [_ _ _ all] (swap! seen conj (peek all)))))
    {:client client :seen seen}))

(defn play
  "Plays a scenario on a stage and gives k its transcript."
  [{:keys [await host-do] :as stage} {:keys [peers steps hooks?]} k]
  (await (host-do [:events])
         (fn [_]
           (let [entered (into {} (map (fn [uid] [uid (enter! stage hooks? uid)])) peers)
                 stage   (assoc stage :peers entered)]
             (await-all stage (fn [[_ p]] (phase-reached (:client p) :open)) entered
                        (fn [_]
                          (play-steps stage steps []
                                      (fn [transcript]
                                        (await-all stage (fn [[_ p]] (s/stop! (:client p))) entered
                                                   (fn [_]
                                                     (await-all stage #(host-do [:gone %]) peers
                                                                (fn [_] (k transcript)))))))))))))

(defn for-role
  "The scenarios of peers that are :client or :owner."
  [role]
  (filterv #(contains? (:roles % #{:client :owner}) role) scenarios))
