(ns sente-lite.memory
  "A sidecar in memory, for tests: the part of the contract that a client sees,
  with the real one's shapes, codes and order. It has no links and no clock of
  its own: what they do is given to `hub` and `attach!`, and it is told by
  `receive!` and `detach!` what they bring."
  {:no-doc true}
  (:require [clojure.string :as str]
            [sente-lite.memory-peer :as peer]
            [sente-lite.wire :as wire]))

(def ^:private flow
  {:max-message-bytes 16777215 :max-depth 512 :max-buffer-size 1000 :max-buffer-bytes 8388608
   :call-timeout-ms 30000 :ws-kalive-ms 5000 :ws-ping-timeout-ms 10000
   :event-buffer-ms 0 :event-buffer-size 100 :max-frame-size 65536
   :max-recv-queue-size 5000 :max-recv-bytes 100000000 :on-recv-full :notify})

(def ^:private most-calls 1000)
(def ^:private most-subscriptions 1000)
(def ^:private pressure-ms 100)

(defn hub
  "A sidecar without peers. `clock` has :now and :after."
  [clock config]
  {:now   (:now clock)
   :after (:after clock)
   :state (atom {:config (or config {}) :sessions {} :handler nil :channels {} :calls {} :notes {} :next 0})})

(defn- config [h] (:config @(:state h)))
(defn- limits [h]
  (merge flow {:backup-secs 5 :max-msgs 100}
         (select-keys (:connection-state-recovery (:flow (config h))) [:backup-secs :max-msgs])
         (select-keys (:flow (config h)) (keys flow))))
(defn- session [h n] (get-in @(:state h) [:sessions n]))

(defn- next-number! [h] (:next (swap! (:state h) update :next inc)))

(defn- peers
  "Peers in the order of their coming."
  ([h] (peers h (constantly true)))
  ([h wanted] (sort-by :n (filter #(and (:uid %) (wanted %)) (vals (:sessions @(:state h)))))))

;; Out.

(defn- write! [s value] (peer/write! (:flow s) value (:max-msgs s 100)))
(defn- waiting [s] (peer/waiting (:flow s)))

(defn- put!
  "Queues an event: :ok, :backpressure or :gone."
  [h s value]
  (cond
    (nil? (session h (:n s)))                                 :gone
    (>= (waiting s) (:max-buffer-size (limits h)))         :backpressure
    :else                                                     (do (write! s value) :ok)))

(defn- answer!
  "A reply, or the bare value where nobody asked."
  [s cb value]
  (write! s (if cb [:chsk/reply cb value] value)))

(defn- refuse! [s cb e] (answer! s cb e))

(defn- full [h s]
  (wire/error :busy :sente-lite/backpressure
              (str (pr-str (:uid s)) " has " (waiting s) " events queued and does not take more: the limit is "
                   (:max-buffer-size (limits h)) " events or " (:max-buffer-bytes (limits h)) " bytes")
              {:retry? true :hint "wait until it has read, or raise :flow :max-buffer-size or :max-buffer-bytes"
               :data {:status :backpressure :queue-size (waiting s) :uid (:uid s)}}))

(defn- gone [id]
  (wire/error :unavailable :sente-lite/closed "the peer's connection has just closed" {:retry? true :event-id id}))

(defn- about
  "An error that names its event and how many it stands for."
  [e id count]
  (update e 1 (fn [m] (cond-> (assoc m :event-id id) count (assoc :count count :data (assoc (:data m) :count count))))))

(defn- pressed!
  "Tells a sender of what was refused: at once, and then at most once per
  receiver and 100 ms, with a count."
  [h from to id]
  (let [k [(:n from) (:n to)]]
    (if (get-in @(:state h) [:notes k])
      (swap! (:state h) update-in [:notes k :count] inc)
      (let [again (fn again []
                    (let [{:keys [count id]} (get-in @(:state h) [:notes k])]
                      (if (zero? count)
                        (swap! (:state h) update :notes dissoc k)
                        (do (swap! (:state h) assoc-in [:notes k :count] 0)
                            (when-let [s (session h (:n from))] (write! s (about (full h to) id count)))
                            ((:after h) pressure-ms again)))))]
        (swap! (:state h) assoc-in [:notes k] {:count 0 :id id})
        (write! from (about (full h to) id 1))
        ((:after h) pressure-ms again)))))

(defn- send-all!
  "One event to many. A call's reply says how it went, a plain event's sender
  hears of refusals only."
  [h from cb id value to]
  (let [done (mapv (fn [s] [s (put! h s value)]) to)
        lone (= 1 (count to))]
    (if cb
      (let [bad? (some #(= :backpressure (second %)) done)
            here (remove #(= :gone (second %)) done)]
        (if (and lone (empty? here))
          (refuse! from cb (gone id))
          (answer! from cb {:status (if bad? :backpressure :ok) :queue-size (reduce max 0 (map #(waiting (first %)) here)) :peers (count here)})))
      (doseq [[s status] done]
        (case status
          :backpressure (pressed! h from s id)
          :gone         (when lone (refuse! from nil (gone id)))
          nil)))))

;; Who is meant.

(defn- bad-target [message] (wire/error :incorrect :sente-lite/bad-target message {}))

(defn- nobody [uid]
  (wire/error :not-found :sente-lite/no-such-peer (str "nobody has the uid " (pr-str uid)) {:hint "[[:sente-lite/peers {}] \"cb\"] lists who is there"}))

(defn- of-uid [h uid] (peers h #(= uid (:uid %))))

(defn- named [h to]
  (cond
    (string? to)
    (let [all (of-uid h to)] (if (seq all) all (nobody to)))

    (or (set? to) (vector? to))
    (if-let [odd (first (remove string? to))]
      (bad-target (str "a uid in the set :to must be a string, not " (pr-str odd)))
      (mapcat #(of-uid h %) to))

    (= :all to)
    (peers h #(= :client (:role %)))

    (and (map? to) (= 1 (count to)) (contains? to :channel))
    (keep #(session h %) (get-in @(:state h) [:channels (:channel to)]))

    (and (map? to) (= 1 (count to)) (string? (:client-id to)))
    (let [all (peers h #(= (:client-id to) (:client-id %)))]
      (if (seq all) all (wire/error :not-found :sente-lite/no-such-peer "nobody has that :client-id" {})))

    (and (map? to) (= 1 (count to)) (contains? #{:owner :client "owner" "client"} (:role to)))
    (peers h #(= (keyword (:role to)) (:role %)))

    :else
    (bad-target (str ":to must be a uid, a set of uids, :all, {:channel \"c\"}, {:client-id \"c\"} or {:role :client}, not " (pr-str to)))))

(defn- resolve-target
  "The peers that a target names, or an error."
  [h to except]
  (let [all (named h to)]
    (cond
      (wire/error? all)                                all
      (nil? except)                                    all
      (not (or (set? except) (vector? except)))        (bad-target (str ":except must be a set of uids, not " (pr-str except)))
      :else                                            (remove #(contains? (set except) (:uid %)) all))))

(defn- matches? [pattern text]
  (if (str/ends-with? pattern "*")
    (str/starts-with? text (subs pattern 0 (dec (count pattern))))
    (= pattern text)))

(defn- allowed? [h s what x]
  (let [p (get-in (config h) [:policy what] true)]
    (or (= :owner (:role s)) (true? p)
        (and (sequential? p) (boolean (some #(matches? % (if (string? x) x (pr-str x))) p))))))

;; Calls.

(defn- settle!
  "Brings a call its value, once."
  [h id value]
  (let [{:keys [from cb settled? cancel]} (get-in @(:state h) [:calls id])]
    (when (and from (not settled?))
      (cancel)
      (swap! (:state h) update :calls dissoc id)
      (when-let [s (and cb (session h from))]
        (answer! s cb value)))))

(defn- drop-leg!
  "One who was asked is out of it; after the last one the caller gets `value`."
  [h id n value]
  (swap! (:state h) (fn [st] (if (get-in st [:calls id]) (update-in st [:calls id :legs] disj n) st)))
  (when (empty? (get-in @(:state h) [:calls id :legs]))
    (settle! h id value)))

(defn- open-calls [h n] (count (filter #(= n (:from %)) (vals (:calls @(:state h))))))

(defn- pass!
  "Passes a call on to peers: the first reply counts. Returns an error where it
  cannot be passed."
  [h from cb life to event]
  (cond
    (>= (open-calls h (:n from)) most-calls)
    (wire/error :busy :sente-lite/too-many-calls "1000 calls of this peer are open; wait for replies before asking more" {:retry? true})

    (some #(and (= (:n from) (:from %)) cb (= cb (:cb %))) (vals (:calls @(:state h))))
    (wire/error :conflict :sente-lite/cb-in-use (str "a call with the cb " (pr-str cb) " is still open; each open call needs a cb of its own") {})

    :else
    (let [id (str "x" (next-number! h))]
      (swap! (:state h) assoc-in [:calls id]
             {:from (:n from) :cb cb :legs (set (map :n to)) :cancel ((:after h) life #(settle! h id :chsk/timeout))})
      (doseq [s to]
        (case (put! h s [event id])
          :ok           nil
          :backpressure (drop-leg! h id (:n s) (full h s))
          :gone         (drop-leg! h id (:n s) (gone (nth event 0)))))
      nil)))

(defn- reply! [h s [_ id value]]
  (let [call (get-in @(:state h) [:calls id])]
    (cond
      (not (contains? (:legs call) (:n s)))
      (refuse! s nil (wire/error :not-found :sente-lite/no-such-call
                                 (str "no call with the cb " (pr-str id) " waits for a reply of this peer: it timed out, has been answered, or never was")
                                 {:hint "answer each call once, within :call-timeout-ms"}))

      (nil? (session h (:from call)))
      (do ((:cancel call))
          (swap! (:state h) update :calls dissoc id)
          (refuse! s nil (wire/error :unavailable :sente-lite/caller-gone (str "who asked has gone; the reply to " (pr-str id) " reaches nobody") {})))

      :else (settle! h id value))))

;; Events.

(defn- bad-data [id data want]
  (wire/error :incorrect :sente-lite/bad-data (str "the data of " id " must be " want ", not " (if (nil? data) "nothing" (pr-str data))) {:event-id id}))

(defn- forbidden [id why] (wire/error :forbidden :sente-lite/forbidden why {:event-id id}))

(defn- recv [s event] [:sente-lite/recv {:uid (:uid s) :client-id (:client-id s) :event event}])

(defn- deliver!
  "Wraps an event of a peer for others; a call is passed on."
  [h s event cb to]
  (if cb
    (when-let [e (pass! h s cb (:call-timeout-ms (limits h)) to (recv s event))]
      (refuse! s cb (about e (nth event 0) nil)))
    (send-all! h s nil (nth event 0) (recv s event) to)))

(defn- route! [h s event cb]
  (let [id (nth event 0)
        hd (session h (:handler @(:state h)))]
    (cond
      (= (:n hd) (:n s))
      (refuse! s cb (wire/error :not-found :sente-lite/no-taker
                                (str "nothing takes " id " from the handler: what no module takes goes to the handler, and that is you")
                                {:event-id id :hint (str "to reach a peer, wrap it: [:sente-lite/send {:to \"uid\" :event [" id " …]}]")}))
      hd (deliver! h s event cb [hd])
      :else
      (if-let [rule (first (filter #(matches? (str (:event %)) (str id)) (:relay (config h))))]
        (let [to (resolve-target h (:to rule) nil)]
          (cond
            (wire/error? to)            (refuse! s cb (about to id nil))
            (and cb (empty? to))        (refuse! s cb (wire/error :unavailable :sente-lite/nobody-there (str "the :relay rule for " id " reaches nobody right now") {:event-id id :retry? true}))
            :else                       (deliver! h s event cb to)))
        (refuse! s cb (wire/error :unavailable :sente-lite/no-handler
                                  (str "nothing takes " id ": there is no handler, and no :relay rule matches")
                                  {:event-id id :retry? true
                                   :hint (str "connect a handler (a parent, or an owner whose hello says :handler true), or configure :relay [{:event " id " :to :all}]")}))))))

(defn- subscribed! [s cb m]
  (answer! s cb (if cb m [:sente-lite/subscribed m])))

(defn- channel-event! [h s id data cb]
  (let [c (:channel-id data)]
    (if (or (not (map? data)) (nil? c))
      (refuse! s cb (bad-data id data "a map with a :channel-id, like {:channel-id \"room\"}"))
      (let [members (get-in @(:state h) [:channels c] [])
            mine    (count (filter #(some #{(:n s)} %) (vals (:channels @(:state h)))))]
        (case id
          :sente-lite/subscribe
          (cond
            (not (allowed? h s :subscribe c))
            (do (subscribed! s cb {:channel-id c :success false :error :forbidden})
                (when-not cb (refuse! s nil (forbidden id (str "the :policy of this sidecar does not let clients subscribe to " (pr-str c))))))
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
          (if (allowed? h s :publish c)
            (send-all! h s cb id [:sente-lite/channel-msg {:channel-id c :data (:data data) :from (:uid s)}]
                       (keep #(session h %) (if (true? (:exclude-sender? data)) (remove #{(:n s)} members) members)))
            (refuse! s cb (forbidden id (str "the :policy of this sidecar does not let clients publish to " (pr-str c))))))))))

(defn- send-to-client! [h s id {:keys [to-uid message] :as data} cb]
  (cond
    (not (and (map? data) (string? to-uid) (contains? data :message)))
    (refuse! s cb (bad-data id data "{:to-uid \"uid\" :message any}"))
    (not (allowed? h s :send-to-client to-uid))
    (refuse! s cb (forbidden id (str "the :policy of this sidecar does not let clients send to " (pr-str to-uid))))
    :else
    (let [to (resolve-target h to-uid nil)]
      (if (wire/error? to)
        (refuse! s cb (about to id nil))
        (send-all! h s cb id [:msg/receive {:from-uid (:uid s) :message message}] to)))))

(declare depart! away!)

(defn shut!
  "Closes a peer for a reason, after what is queued for it. It may come again for
  what it has missed, unless the reason is one that it had better stay away for."
  [h n code reason]
  (when-let [s (session h n)]
    (when-let [link (:link @(:flow s))] ((:shut! link) code reason))
    (if (and (:recover? @(:flow s)) (<= 4000 code 4499))
      (away! h n code reason)
      (depart! h n code reason))))

(defn- peer-map [h s]
  {:uid (:uid s) :client-id (:client-id s) :role (:role s) :transport (:transport s) :since (:since s)
   :queue {:size (waiting s) :bytes 0} :rtt-ms nil :away-ms nil})

(defn- flushed! [h s cb life to]
  (let [done   (atom false)
        finish (fn [v] (when (and (compare-and-set! done false true) (session h (:n s)) cb) (answer! s cb v)))
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
        life   (or timeout-ms (:call-timeout-ms (limits h)))
        no!    (fn [e] (refuse! s cb (about e (get-in e [1 :event-id] id) nil)))
        target (fn [f] (let [all (resolve-target h to except)] (if (wire/error? all) (no! all) (f all))))]
    (case id
      :sente-lite/send
      (if-let [e (bad-event event)] (no! e) (target #(send-all! h s cb (nth event 0) event %)))

      :sente-lite/request
      (if-let [e (or (bad-event event)
                     (when-not (string? to) (bad-target (str ":to of a request must be one uid, a string, not " (pr-str to)))))]
        (no! e)
        (target #(when-let [e (pass! h s cb life % event)] (no! e))))

      :sente-lite/flush
      (if (string? to) (target #(flushed! h s cb life %)) (no! (bad-data id data "a map with one uid, like {:to \"uid\"}")))

      :sente-lite/peers
      (when cb (answer! s cb (mapv #(peer-map h %) (peers h))))

      :sente-lite/kick
      (if (contains? data :to)
        (target (fn [all]
                  (when cb (answer! s cb {:peers (count all)}))
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
      :chsk/ws-ping                 (if cb (answer! s cb "pong") (peer/direct! (:flow s) [:chsk/ws-pong]))
      :chsk/close                   (swap! (:state h) assoc-in [:sessions (:n s) :gone?] true)
      (:chsk/ws-pong :chsk/handshake :sente-lite/ack :sente-lite/credit :sente-lite/error) nil
      :sente-lite/hello             (refuse! s cb (wire/error :conflict :sente-lite/hello-again "this link has had its hello; it is taken once, as the first value"
                                                              {:event-id id :hint "open another link to say another hello"}))
      (:sente-lite/subscribe :sente-lite/unsubscribe :sente-lite/publish) (channel-event! h s id data cb)
      :msg/send-to-client           (send-to-client! h s id data cb)
      (cond
        (not (contains? #{"sente-lite" "chsk"} (namespace id))) (route! h s event cb)
        (= :owner (:role s))                                    (owner-event! h s id data cb)
        :else                                                   (refuse! s cb (forbidden id (str id " is not a client's to send")))))))

(defn- item! [h n v]
  (when-let [s (session h n)]
    (cond
      (and (vector? v) (= :chsk/reply (nth v 0 nil)) (= 3 (count v))) (reply! h s v)
      (and (vector? v) (vector? (nth v 0 nil)) (wire/event? (nth v 0))) (event! h s (nth v 0) (nth v 1 nil))
      (wire/event? v)                                                 (event! h s v nil)
      :else (refuse! s nil (wire/error :incorrect :sente-lite/bad-event (str "expected an event [:ns/name data], a call or a reply, not " (pr-str v)) {})))))

;; Coming and going.

(defn- told! [h hd s]
  (when (and hd (not= (:n hd) (:n s)))
    (swap! (:state h) assoc-in [:sessions (:n s) :told] (:n hd))
    (write! hd [:sente-lite/open (peer-map h s)])))

(defn- heartbeat!
  "Pings a silent peer, and closes one that does not answer."
  [h n]
  (let [{:keys [ws-kalive-ms ws-ping-timeout-ms]} (limits h)]
    ((:after h) ws-kalive-ms
     (fn look []
       (when-let [s (session h n)]
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
  (some #(when (and token (= token (:token %))) %) (get-in (config h) [:auth :tokens])))

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
                         :limits (limits h)}
                        more
                        (when (:credit hello) {:credit peer/granted})
                        (when (= :owner (:role s)) {:pid 0 :listen (vec (:listen (config h))) :modules []}))]))

(defn- resume!
  "The link n is the next one of a session that goes on."
  [h n s hello]
  (let [link (:link @(:flow (session h n)))
        old  (:link @(:flow s))]
    (when old ((:shut! old) 4500 "replaced by another connection"))
    (swap! (:state h) (fn [st]
                        (-> (update st :sessions dissoc n)
                            (assoc-in [:links n] (:n s))
                            (update-in [:sessions (:n s)] merge {:link-n n :away nil :heard ((:now h)) :pinged nil}))))
    (peer/resume! (:flow s) link (:seen hello) (:credit hello))
    (ready! h s hello {:seen (:received @(:flow s)) :recovered? true :missed 0})
    (peer/pump! (:flow s))
    (when-let [hd (and (:told s) (session h (:told s)))]
      (write! hd [:sente-lite/reconnect {:uid (:uid s) :client-id (:client-id s) :recovered? true :missed 0}]))))

(defn- begin!
  "The link n begins a session; `why` it is not the one that was asked for."
  [h n hello claim [old why]]
  (let [s    (session h n)
        role (cond (:parent? s) :owner (:role claim) (:role claim) :else :client)
        uid  (cond (:parent? s) "owner" (:uid claim) (:uid claim) old (:uid old) :else (str "conn-" n))
        hd   (session h (:handler @(:state h)))
        id   (str "session-" (next-number! h))
        missed (cond old (- (peer/top (:flow old)) (:seen hello))
                     why (when-let [top (get (:ended @(:state h)) (:session hello))] (- top (:seen hello)))
                     :else 0)]
    (when old (depart! h (:n old) 1006 "its session could not be gone on with"))
    (swap! (:flow s) assoc :recover? (boolean (and (:recover hello) (pos? (:backup-secs (limits h))) (not (:parent? s))))
           :window (:credit hello) :credit? (some? (:credit hello)))
    (swap! (:state h) update-in [:sessions n] merge
           {:uid uid :role role :client-id (str "client-" n) :since ((:now h)) :hello hello
            :session id :claimed claim :max-msgs (:max-msgs (limits h))})
    (let [s (session h n)]
      (told! h hd s)
      (ready! h s hello (merge {:seen 0 :recovered? false :missed missed} (when why {:reason why})))
      (when (:heartbeat? s) (heartbeat! h n))
      (when (or (:parent? s) (:handler hello))
        (if hd
          (refuse! s nil (wire/error :conflict :sente-lite/handler-taken (str (pr-str (:uid hd)) " is the handler, and there is one at a time")
                                     {:hint "this link goes on without: leave :handler out of the hello, or end the other one first"}))
          (do (swap! (:state h) assoc :handler n)
              (doseq [p (peers h)] (told! h s p))))))))

(defn- greet! [h n hello]
  (when (:parent? (session h n))
    (swap! (:state h) update :config merge (:config hello)))
  (let [s     (session h n)
        auth  (:auth (config h))
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
  (let [n (next-number! h)]
    (swap! (:state h) assoc-in [:sessions n]
           (assoc (select-keys link [:parent? :claim :heartbeat? :transport])
                  :n n :link-n n :heard ((:now h))
                  :flow (peer/create (select-keys link [:put! :shut! :waiting :when-written]) (select-keys h [:now :after]))))
    n))

(defn- of-link
  "The session of a link, which may be an earlier one's."
  [h n]
  (let [n (get-in @(:state h) [:links n] n)]
    (session h n)))

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
  (when-let [s (session h n)]
    (swap! (:state h) (fn [st]
                        (-> (update st :sessions dissoc n)
                            (update :links (fn [all] (into {} (remove #(= n (val %))) all)))
                            (update :ended (fn [all] (assoc (if (> (count all) 1000) {} all) (:session s) (peer/top (:flow s)))))
                            (update :handler #(when-not (= n %) %))
                            (update :channels (fn [all] (reduce-kv (fn [m c ns] (let [left (filterv #(not= n %) ns)] (if (seq left) (assoc m c left) m))) {} all))))))
    (doseq [[id call] (:calls @(:state h)) :when (contains? (:legs call) n)]
      (drop-leg! h id n :chsk/closed))
    (when-let [hd (and (:told s) (session h (:told s)))]
      (write! hd [:sente-lite/close {:uid (:uid s) :client-id (:client-id s) :reason reason :code code}]))))

(defn- away!
  "A peer has no link. It may come again, for a while."
  [h n code reason]
  (let [mark (next-number! h)
        s    (session h n)]
    (swap! (:flow s) assoc :link nil)
    (swap! (:state h) update-in [:sessions n] assoc :away mark :link-n nil)
    ((:after h) (* 1000 (:backup-secs (limits h)))
     (fn [] (when (= mark (:away (session h n))) (depart! h n code reason))))))

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
