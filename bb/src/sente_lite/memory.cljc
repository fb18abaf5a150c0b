(ns sente-lite.memory
  "A sidecar in memory, for tests: the part of the contract that a client sees,
  with the real one's shapes, codes and order. It has no links and no clock of
  its own: what they do is given to `hub` and `attach!`, and it is told by
  `receive!` and `detach!` what they bring."
  {:no-doc true}
  (:require [sente-lite.memory-hub :as hub]
            [sente-lite.memory-peer :as peer]
            [sente-lite.wire :as wire]))

(def ^:private most-subscriptions 1000)

(defn hub
  "A sidecar without peers. `clock` has :now and :after."
  [clock config]
  {:now   (:now clock)
   :after (:after clock)
   :state (atom {:config (or config {}) :sessions {} :handler nil :channels {} :calls {} :notes {} :next 0})})

;; Events.

(defn- bad-data [id data want]
  (wire/error :incorrect :sente-lite/bad-data (str "the data of " id " must be " want ", not " (if (nil? data) "nothing" (pr-str data))) {:event-id id}))

(defn- forbidden [id why] (wire/error :forbidden :sente-lite/forbidden why {:event-id id}))

(defn- recv [s event] [:sente-lite/recv {:uid (:uid s) :client-id (:client-id s) :event event}])

(defn- deliver!
  "Wraps an event of a peer for others; a call is passed on."
  [h s event cb to]
  (if cb
    (when-let [e (hub/pass! h s cb (:call-timeout-ms (hub/limits h)) to (recv s event))]
      (hub/refuse! s cb (hub/about e (nth event 0) nil)))
    (hub/send-all! h s nil (nth event 0) (recv s event) to)))

(defn- route! [h s event cb]
  (let [id (nth event 0)
        hd (hub/session h (:handler @(:state h)))]
    (cond
      (= (:n hd) (:n s))
      (hub/refuse! s cb (wire/error :not-found :sente-lite/no-taker
                                    (str "nothing takes " id " from the handler: what no module takes goes to the handler, and that is you")
                                    {:event-id id :hint (str "to reach a peer, wrap it: [:sente-lite/send {:to \"uid\" :event [" id " …]}]")}))
      hd (deliver! h s event cb [hd])
      :else
      (if-let [rule (first (filter #(hub/matches? (str (:event %)) (str id)) (:relay (hub/config h))))]
        (let [to (hub/resolve-target h (:to rule) nil)]
          (cond
            (wire/error? to)            (hub/refuse! s cb (hub/about to id nil))
            (and cb (empty? to))        (hub/refuse! s cb (wire/error :unavailable :sente-lite/nobody-there (str "the :relay rule for " id " reaches nobody right now") {:event-id id :retry? true}))
            :else                       (deliver! h s event cb to)))
        (hub/refuse! s cb (wire/error :unavailable :sente-lite/no-handler
                                      (str "nothing takes " id ": there is no handler, and no :relay rule matches")
                                      {:event-id id :retry? true
                                       :hint (str "connect a handler (a parent, or an owner whose hello says :handler true), or configure :relay [{:event " id " :to :all}]")}))))))

(defn- subscribed! [s cb m]
  (hub/answer! s cb (if cb m [:sente-lite/subscribed m])))

(defn- channel-event! [h s id data cb]
  (let [c (:channel-id data)]
    (if (or (not (map? data)) (nil? c))
      (hub/refuse! s cb (bad-data id data "a map with a :channel-id, like {:channel-id \"room\"}"))
      (let [members (get-in @(:state h) [:channels c] [])
            mine    (count (filter #(some #{(:n s)} %) (vals (:channels @(:state h)))))]
        (case id
          :sente-lite/subscribe
          (cond
            (not (hub/allowed? h s :subscribe c))
            (do (subscribed! s cb {:channel-id c :success false :error :forbidden})
                (when-not cb (hub/refuse! s nil (forbidden id (str "the :policy of this sidecar does not let clients subscribe to " (pr-str c))))))
            (some #{(:n s)} members)
            (subscribed! s cb {:channel-id c :success true})
            (and (= :client (:role s)) (>= mine most-subscriptions))
            (subscribed! s cb {:channel-id c :success false :error :max-subscriptions-per-conn})
            :else
            (do (subscribed! s cb {:channel-id c :success true})
                (swap! (:state h) assoc-in [:channels c] (conj members (:n s)))))

          :sente-lite/unsubscribe
          (if (some #{(:n s)} members)
            (do (swap! (:state h) update :channels
                       (fn [all] (let [left (filterv #(not= (:n s) %) members)] (if (seq left) (assoc all c left) (dissoc all c)))))
                (subscribed! s cb {:channel-id c :success true}))
            (subscribed! s cb {:channel-id c :success nil :error :not-subscribed}))

          :sente-lite/publish
          (if (hub/allowed? h s :publish c)
            (hub/send-all! h s cb id [:sente-lite/channel-msg {:channel-id c :data (:data data) :from (:uid s)}]
                       (keep #(hub/session h %) (if (true? (:exclude-sender? data)) (remove #{(:n s)} members) members)))
            (hub/refuse! s cb (forbidden id (str "the :policy of this sidecar does not let clients publish to " (pr-str c))))))))))

(defn- send-to-client! [h s id {:keys [to-uid message] :as data} cb]
  (cond
    (not (and (map? data) (string? to-uid) (contains? data :message)))
    (hub/refuse! s cb (bad-data id data "{:to-uid \"uid\" :message any}"))
    (not (hub/allowed? h s :send-to-client to-uid))
    (hub/refuse! s cb (forbidden id (str "the :policy of this sidecar does not let clients send to " (pr-str to-uid))))
    :else
    (let [to (hub/resolve-target h to-uid nil)]
      (if (wire/error? to)
        (hub/refuse! s cb (hub/about to id nil))
        (hub/send-all! h s cb id [:msg/receive {:from-uid (:uid s) :message message}] to)))))

(declare depart! away!)

(defn shut!
  "Closes a peer for a reason, after what is queued for it. It may come again for
  what it has missed, unless the reason is one that it had better stay away for."
  [h n code reason]
  (when-let [s (hub/session h n)]
    (when-let [link (:link @(:flow s))] ((:shut! link) code reason))
    (if (and (:recover? @(:flow s)) (<= 4000 code 4499))
      (away! h n code reason)
      (depart! h n code reason))))

(defn- peer-map [h s]
  {:uid (:uid s) :client-id (:client-id s) :role (:role s) :transport (:transport s) :since (:since s)
   :queue {:size (hub/waiting s) :bytes 0} :rtt-ms nil :away-ms nil})

(defn- flushed! [h s cb life to]
  (let [done   (atom false)
        finish (fn [v] (when (and (compare-and-set! done false true) (hub/session h (:n s)) cb) (hub/answer! s cb v)))
        cancel ((:after h) life #(finish :chsk/timeout))
        left   (atom (count to))]
    (doseq [t to]
      ((:when-written (:link @(:flow t)) (fn [f] (f false)))
       (fn [written?]
                           (cond
                             (not written?)             (do (cancel) (finish :chsk/closed))
                             (zero? (swap! left dec))   (do (cancel) (finish {:status :ok :peers (count to)}))))))))

(defn- bad-event
  "What is wrong with the :event of an owner event, or nil."
  [event]
  (cond
    (nil? event)
    (wire/error :incorrect :sente-lite/bad-data "the data must be a map with :to and :event, like {:to \"uid\" :event [:chat/msg {}]}" {})
    (or (not (wire/event? event)) (= :chsk/reply (nth event 0)))
    (wire/error :incorrect :sente-lite/bad-event ":event must be one event [:ns/name data], not a call, reply or bundle" {})
    (or (= "chsk" (namespace (nth event 0))) (= :batch/events (nth event 0)))
    (wire/error :forbidden :sente-lite/reserved (str (nth event 0) " belongs to the link itself and cannot be sent to a peer") {})))

(defn- owner-event! [h s id data cb]
  (let [{:keys [to event except timeout-ms reason]} (when (map? data) data)
        life   (or timeout-ms (:call-timeout-ms (hub/limits h)))
        no!    (fn [e] (hub/refuse! s cb (hub/about e (get-in e [1 :event-id] id) nil)))
        target (fn [f] (let [all (hub/resolve-target h to except)] (if (wire/error? all) (no! all) (f all))))]
    (case id
      :sente-lite/send
      (if-let [e (bad-event event)] (no! e) (target #(hub/send-all! h s cb (nth event 0) event %)))

      :sente-lite/request
      (if-let [e (or (bad-event event)
                     (when-not (string? to) (hub/bad-target (str ":to of a request must be one uid, a string, not " (pr-str to)))))]
        (no! e)
        (target #(when-let [e (hub/pass! h s cb life % event)] (no! e))))

      :sente-lite/flush
      (if (string? to) (target #(flushed! h s cb life %)) (no! (bad-data id data "a map with one uid, like {:to \"uid\"}")))

      :sente-lite/peers
      (when cb (hub/answer! s cb (mapv #(peer-map h %) (hub/peers h))))

      :sente-lite/kick
      (if (contains? data :to)
        (target (fn [all]
                  (when cb (hub/answer! s cb {:peers (count all)}))
                  (doseq [t (doall all)] (shut! h (:n t) 4504 (or reason "kicked")))))
        (no! (bad-data id data "a map with :to, like {:to \"uid\" :reason \"…\"}")))

      :sente-lite/configure
      (no! (wire/error :unsupported :sente-lite/fixed-configuration "the configuration of this sidecar cannot be changed while it runs" {}))

      :sente-lite/spawn
      (no! (wire/error :unsupported :sente-lite/no-spawn "a sidecar in memory starts no programs" {}))

      (no! (wire/error :not-found :sente-lite/unknown-event (str "there is no event " id " that an owner may send") {})))))

(defn- event! [h s event cb]
  (let [id (nth event 0) data (nth event 1 nil)]
    (case id
      :chsk/ws-ping                 (if cb (hub/answer! s cb "pong") (peer/direct! (:flow s) [:chsk/ws-pong]))
      :chsk/close                   (swap! (:state h) assoc-in [:sessions (:n s) :gone?] true)
      (:chsk/ws-pong :chsk/handshake :sente-lite/ack :sente-lite/credit :sente-lite/error) nil
      :sente-lite/hello             (hub/refuse! s cb (wire/error :conflict :sente-lite/hello-again "this link has had its hello; it is taken once, as the first value"
                                                                  {:event-id id :hint "open another link to say another hello"}))
      (:sente-lite/subscribe :sente-lite/unsubscribe :sente-lite/publish) (channel-event! h s id data cb)
      :msg/send-to-client           (send-to-client! h s id data cb)
      (cond
        (not (contains? #{"sente-lite" "chsk"} (namespace id))) (route! h s event cb)
        (= :owner (:role s))                                    (owner-event! h s id data cb)
        :else                                                   (hub/refuse! s cb (forbidden id (str id " is not a client's to send")))))))

(defn- item! [h n v]
  (when-let [s (hub/session h n)]
    (cond
      (and (vector? v) (= :chsk/reply (nth v 0 nil)) (= 3 (count v))) (hub/reply! h s v)
      (and (vector? v) (vector? (nth v 0 nil)) (wire/event? (nth v 0))) (event! h s (nth v 0) (nth v 1 nil))
      (wire/event? v)                                                 (event! h s v nil)
      :else (hub/refuse! s nil (wire/error :incorrect :sente-lite/bad-event (str "expected an event [:ns/name data], a call or a reply, not " (pr-str v)) {})))))

;; Coming and going.

(defn- told! [h hd s]
  (when (and hd (not= (:n hd) (:n s)))
    (swap! (:state h) assoc-in [:sessions (:n s) :told] (:n hd))
    (hub/write! hd [:sente-lite/open (peer-map h s)])))

(defn- heartbeat!
  "Pings a silent peer, and closes one that does not answer."
  [h n]
  (let [{:keys [ws-kalive-ms ws-ping-timeout-ms]} (hub/limits h)]
    ((:after h) ws-kalive-ms
     (fn look []
       (when-let [s (hub/session h n)]
         (let [now ((:now h)) {:keys [heard pinged away]} s]
           (cond
             away ((:after h) ws-kalive-ms look)
             (and pinged (>= now (+ pinged ws-ping-timeout-ms))) (shut! h n 4000 "ping timeout")
             pinged ((:after h) (- (+ pinged ws-ping-timeout-ms) now) look)
             (>= now (+ heard ws-kalive-ms)) (do (peer/direct! (:flow s) [:chsk/ws-ping])
                                                 (swap! (:state h) assoc-in [:sessions n :pinged] now)
                                                 ((:after h) ws-ping-timeout-ms look))
             :else ((:after h) (- (+ heard ws-kalive-ms) now) look))))))))

(defn- claim-of [h token]
  (some #(when (and token (= token (:token %))) %) (get-in (hub/config h) [:auth :tokens])))

(defn- claim-to
  "The session that a hello wants to go on with, and why it cannot: [session why]."
  [h claim {:keys [session seen recover]}]
  (when session
    (let [s (first (filter #(and (:uid %) (= session (:session %))) (vals (:sessions @(:state h)))))]
      (cond
        (nil? s)                                   [nil (if (contains? (:ended @(:state h)) session) :expired :unknown)]
        (not= claim (:claimed s))                  [nil :credentials]
        (not (and recover (:recover? @(:flow s)))) [s :unknown]
        :else                                      [s (peer/trouble (:flow s) seen)]))))

(defn- ready! [h s hello more]
  (peer/direct! (:flow s)
                [:sente-lite/ready
                 (merge {:uid (:uid s) :session (:session s) :version "memory" :protocol 1 :now ((:now h))
                         :limits (hub/limits h)}
                        more
                        (when (:credit hello) {:credit peer/granted})
                        (when (= :owner (:role s)) {:pid 0 :listen (vec (:listen (hub/config h))) :modules []}))]))

(defn- resume!
  "The link n is the next one of a session that goes on."
  [h n s hello]
  (let [link (:link @(:flow (hub/session h n)))
        old  (:link @(:flow s))]
    (when old ((:shut! old) 4500 "replaced by another connection"))
    (swap! (:state h) (fn [st]
                        (-> (update st :sessions dissoc n)
                            (assoc-in [:links n] (:n s))
                            (update-in [:sessions (:n s)] merge {:link-n n :away nil :heard ((:now h)) :pinged nil}))))
    (peer/resume! (:flow s) link (:seen hello) (:credit hello))
    (ready! h s hello {:seen (:received @(:flow s)) :recovered? true :missed 0})
    (peer/pump! (:flow s))
    (when-let [hd (and (:told s) (hub/session h (:told s)))]
      (hub/write! hd [:sente-lite/reconnect {:uid (:uid s) :client-id (:client-id s) :recovered? true :missed 0}]))))

(defn- begin!
  "The link n begins a session; `why` it is not the one that was asked for."
  [h n hello claim [old why]]
  (let [s    (hub/session h n)
        role (cond (:parent? s) :owner (:role claim) (:role claim) :else :client)
        uid  (cond (:parent? s) "owner" (:uid claim) (:uid claim) old (:uid old) :else (str "conn-" n))
        hd   (hub/session h (:handler @(:state h)))
        id   (str "session-" (hub/next-number! h))
        missed (cond old (- (peer/top (:flow old)) (:seen hello))
                     why (when-let [top (get (:ended @(:state h)) (:session hello))] (- top (:seen hello)))
                     :else 0)]
    (when old (depart! h (:n old) 1006 "its session could not be gone on with"))
    (swap! (:flow s) assoc :recover? (boolean (and (:recover hello) (pos? (:backup-secs (hub/limits h))) (not (:parent? s))))
           :window (:credit hello) :credit? (some? (:credit hello)))
    (swap! (:state h) update-in [:sessions n] merge
           {:uid uid :role role :client-id (str "client-" n) :since ((:now h)) :hello hello
            :session id :claimed claim :max-msgs (:max-msgs (hub/limits h))})
    (let [s (hub/session h n)]
      (told! h hd s)
      (ready! h s hello (merge {:seen 0 :recovered? false :missed missed} (when why {:reason why})))
      (when (:heartbeat? s) (heartbeat! h n))
      (when (or (:parent? s) (:handler hello))
        (if hd
          (hub/refuse! s nil (wire/error :conflict :sente-lite/handler-taken (str (pr-str (:uid hd)) " is the handler, and there is one at a time")
                                         {:hint "this link goes on without: leave :handler out of the hello, or end the other one first"}))
          (do (swap! (:state h) assoc :handler n)
              (doseq [p (hub/peers h)] (told! h s p))))))))

(defn- greet! [h n hello]
  (when (:parent? (hub/session h n))
    (swap! (:state h) update :config merge (:config hello)))
  (let [s     (hub/session h n)
        auth  (:auth (hub/config h))
        claim (or (:claim s) (claim-of h (:auth hello)))]
    (if (and auth (not (:anonymous auth)) (not claim) (not (:parent? s)))
      (shut! h n 4501 (if (:auth hello) "the :auth token of the hello is not one that this sidecar knows" "the first value must be a hello with a token"))
      (let [[old why :as wanted] (claim-to h claim hello)]
        (if (and old (nil? why))
          (resume! h n old hello)
          (begin! h n hello claim wanted))))))

(defn attach!
  "A link is there. `link` has :parent? :claim :heartbeat? :transport, and the
  functions :put! (text), :shut! (code, reason), :waiting (how many texts wait)
  and :when-written (f). Returns the number that receive! and detach! take."
  [h link]
  (let [n (hub/next-number! h)]
    (swap! (:state h) assoc-in [:sessions n]
           (assoc (select-keys link [:parent? :claim :heartbeat? :transport])
                  :n n :link-n n :heard ((:now h))
                  :flow (peer/create (select-keys link [:put! :shut! :waiting :when-written]) (select-keys h [:now :after]))))
    n))

(defn- of-link
  "The session of a link, which may be an earlier one's."
  [h n]
  (let [n (get-in @(:state h) [:links n] n)]
    (hub/session h n)))

(defn receive!
  "A text came over the link n."
  [h n text]
  (when-let [s (of-link h n)]
    (let [m    (:n s)
          item (fn [v] (when-not (peer/read! (:flow s) v) (item! h m v)))]
      (swap! (:state h) update-in [:sessions m] assoc :heard ((:now h)) :pinged nil)
      (let [v (wire/read-text text)]
        (cond
          (not= n (:link-n s))                                 nil
          (:uid s)                                             (if (and (vector? v) (= :batch/events (nth v 0 nil)))
                                                                 (doseq [i (nth v 1)] (item i))
                                                                 (item v))
          (and (vector? v) (= :sente-lite/hello (nth v 0 nil))) (greet! h n (nth v 1 nil))
          :else                                                (do (greet! h n {}) (item v)))))))

(defn- depart!
  "A peer has gone: who waits for its answers hears so, and the handler last."
  [h n code reason]
  (when-let [s (hub/session h n)]
    (swap! (:state h) (fn [st]
                        (-> (update st :sessions dissoc n)
                            (update :links (fn [all] (into {} (remove #(= n (val %))) all)))
                            (update :ended (fn [all] (assoc (if (> (count all) 1000) {} all) (:session s) (peer/top (:flow s)))))
                            (update :handler #(when-not (= n %) %))
                            (update :channels (fn [all] (reduce-kv (fn [m c ns] (let [left (filterv #(not= n %) ns)] (if (seq left) (assoc m c left) m))) {} all))))))
    (doseq [[id call] (:calls @(:state h)) :when (contains? (:legs call) n)]
      (hub/drop-leg! h id n :chsk/closed))
    (when-let [hd (and (:told s) (hub/session h (:told s)))]
      (hub/write! hd [:sente-lite/close {:uid (:uid s) :client-id (:client-id s) :reason reason :code code}]))))

(defn- away!
  "A peer has no link. It may come again, for a while."
  [h n code reason]
  (let [mark (hub/next-number! h)
        s    (hub/session h n)]
    (swap! (:flow s) assoc :link nil)
    (swap! (:state h) update-in [:sessions n] assoc :away mark :link-n nil)
    ((:after h) (* 1000 (:backup-secs (hub/limits h)))
     (fn [] (when (= mark (:away (hub/session h n))) (depart! h n code reason))))))

(defn detach!
  "The link n has ended."
  [h n code reason]
  (when-let [s (of-link h n)]
    (cond
      (not= n (:link-n s))                                                          nil
      (and (:recover? @(:flow s)) (not= 1000 code) (not (:gone? s)))                (away! h (:n s) code reason)
      :else                                                                         (depart! h (:n s) code reason))))

(defn end!
  "The end of the sidecar: everybody is closed."
  [h code reason]
  (doseq [n (keys (:sessions @(:state h)))] (shut! h n code reason)))

(defn ready?
  "May peers connect?"
  [h]
  (or (some :uid (vals (:sessions @(:state h)))) (:serve? @(:state h))))
