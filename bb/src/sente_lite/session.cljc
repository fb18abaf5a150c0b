(ns sente-lite.session
  "One link's life as a pure function: (step state input) → [state outputs].

  No I/O, no clock, no randomness: a time comes with each input that needs one
  (milliseconds), and luck as a number from 0 to 1. So Babashka, the JVM, nbb and
  Scittle share every decision, and a test needs no second to watch ten.

  Phases, and what leads from one to the next:

    :idle       → :connecting                  [:connect now]
    :connecting → :greeting                    [:linked now]
    :greeting   → :open                        ready, or a handshake
    any of them → :waiting                     [:lost info now luck], and again :connecting by [:tick now]
    any of them → :closed                      [:stop now], a close code from 4500 on, too many failed tries

  Inputs beside those: [:value v now] what was read, [:unreadable why], [:send text id now],
  [:ask text id timeout-ms k now], [:reply text turn cb id], [:subscribe c], [:unsubscribe c],
  [:flush] what may be written now, [:wake now] try at once, [:restore texts].

  Outputs, to be performed in their order: [:connect turn], [:disconnect code reason error],
  [:wake] there is something to flush, [:write text] (of [:flush] only),
  [:deliver event cb extra turn], [:settle k value], [:hook name data], [:state new old]."
  {:no-doc true}
  (:require [sente-lite.retry :as retry]
            [sente-lite.wire :as wire]))

(def defaults
  "Bounds and times; all may be options. Times in milliseconds."
  {:max-queue         1000
   :max-queue-bytes   8388608
   :max-calls         1000
   :call-timeout-ms   30000
   :connect-timeout-ms 10000
   :kalive-ms         5000
   :ping-timeout-ms   10000
   :bundle-size       100
   :bundle-chars      65536
   :stable-ms         5000
   :wake-ping-ms      2000
   :reconnect?        true
   :max-tries         nil})

(defn create
  "The state of a link that has not been opened. `options` are those of
  `defaults`, and :hello, the map of a stream's hello (nil where the other side
  speaks first), :heartbeat? where silence is to be probed, :backoff-ms-fn."
  [options]
  (let [o (merge defaults options)]
    {:o o :phase :idle :turn 0 :tries 0
     :out [] :chars 0 :control []
     :calls {} :next-cb 0 :subs {}
     :limits {} :small 0 :received 0 :sent 0 :late-replies 0 :unreadable 0
     :room? true :woken? false
     :due nil :fx []}))

(defn- emit [s fx] (assoc s :fx (conj (:fx s) fx)))

(defn- due [s at] (if (or (nil? (:due s)) (< at (:due s))) (assoc s :due at) s))

(defn- wake [s]
  (if (or (:woken? s) (not= :open (:phase s)))
    s
    (emit (assoc s :woken? true) [:wake])))

(defn- public
  "What a user sees of a state."
  [s]
  (select-keys s [:phase :uid :session :reason :last-close :ever-opened? :tries :retry-at]))

(defn- phase [s to reason]
  (let [old (public s)
        s   (assoc s :phase to :reason reason)]
    (emit s [:state (public s) old])))

;; Out.

(defn- too-large? [s text]
  (let [most (get-in s [:limits :max-message-bytes] 16777215)]
    (and (> (* 3 (count text)) most) (> (wire/byte-length text) most))))

(defn- refusal
  "Why an item cannot be queued, or nil."
  [s text id]
  (let [n (count (:out s))]
    (cond
      (= :closed (:phase s))
      {:status :closed :queue-size n
       :error (wire/error :unavailable :chsk/closed (str id " was not sent: the link is closed") {:event-id id})}

      (or (>= n (:max-queue (:o s)))
          (and (pos? n) (> (+ (:chars s) (count text)) (:max-queue-bytes (:o s)))))
      {:status :backpressure :queue-size n
       :error (wire/error :busy :sente-lite/backpressure
                          (str id " was not queued: " n " wait already, and the limits are " (:max-queue (:o s)) " events and "
                               (:max-queue-bytes (:o s)) " characters")
                          {:event-id id :retry? true :hint "wait for (flush!), or raise :max-queue or :max-queue-bytes"})}

      (too-large? s text)
      {:status :too-large :queue-size n
       :error (wire/error :incorrect :sente-lite/too-large
                          (str id " was not queued: it has more than the " (get-in s [:limits :max-message-bytes] 16777215) " bytes that one message may have")
                          {:event-id id :hint "send less at once, or raise :flow :max-message-bytes"})})))

(defn- push [s item]
  (wake (assoc s :out (conj (:out s) item) :chars (+ (:chars s) (count (:text item))))))

(defn- queued [s]
  (assoc s :result {:status (if (= :open (:phase s)) :ok :queued) :queue-size (count (:out s))}))

(defn- send-event
  "The way of almost everything, so the usual case comes first and in few steps."
  [s text id]
  (let [out   (:out s)
        n     (inc (count out))
        chars (+ (:chars s) (count text))
        o     (:o s)]
    (if (and (= :open (:phase s)) (<= n (:max-queue o)) (<= chars (:max-queue-bytes o)) (<= (count text) (:small s)))
      (wake (assoc s :out (conj out {:text text}) :chars chars :result {:status :ok :queue-size n}))
      (if-let [no (refusal s text id)]
        (assoc s :result no)
        (queued (push s {:text text}))))))

(defn- next-cb [s]
  (let [n (inc (:next-cb s))]
    [(str "c" n) (assoc s :next-cb n)]))

(defn- call-text [text cb] (str "[" text " \"" cb "\"]"))

(defn- ask [s text id timeout-ms k now]
  (if-let [no (or (refusal s (call-text text "c99999999999") id)
                  (when (>= (count (:calls s)) (:max-calls (:o s)))
                    {:status :backpressure
                     :error (wire/error :busy :sente-lite/too-many-calls
                                        (str id " was not asked: " (:max-calls (:o s)) " calls wait for their replies already")
                                        {:event-id id :retry? true})}))]
    (emit (assoc s :result no) [:settle k (if (= :closed (:status no)) :chsk/closed (:error no))])
    (let [[cb s]  (next-cb s)
          expires (+ now timeout-ms)]
      (-> (assoc-in s [:calls cb] {:k k :expires expires :id id})
          (due expires)
          (push {:text (call-text text cb) :cb cb})
          queued))))

(defn- keep-queued
  "Of what waits, that which is wanted."
  [s wanted?]
  (let [out (filterv wanted? (:out s))]
    (assoc s :out out :chars (transduce (map #(count (:text %))) + 0 out))))

(defn- large
  "What is told where something has more bytes than one message may have."
  [s what more]
  (wire/error :incorrect :sente-lite/too-large
              (str what " has more than the " (get-in s [:limits :max-message-bytes]) " bytes that one message may have")
              (merge {:hint "send less at once, or raise :flow :max-message-bytes"} more)))

(defn- reply
  "Answers a call of this very link; what is too large for it is an error to whoever asked."
  [s text turn cb id]
  (cond
    (not (and (= turn (:turn s)) (= :open (:phase s))))
    (assoc (update s :late-replies inc) :result {:status :closed})

    (too-large? s text)
    (assoc (push s {:text (wire/text [:chsk/reply cb (large s (str "the reply to " id) {:event-id id})]) :turn turn})
           :result {:status :too-large})

    :else
    (assoc (push s {:text text :turn turn}) :result {:status :ok})))

(defn- take-queue
  "Everything that waits, as messages: what goes ahead first, the rest in
  bundles within the limits of one."
  [s]
  (let [{:keys [out control]} s
        {:keys [bundle-size bundle-chars]} (:o s)
        texts (if (and (<= (count out) bundle-size) (<= (:chars s) bundle-chars))
                (when (seq out) [(wire/bundle (map :text out))])
                (loop [left out now [] chars 0 done []]
                  (if-let [item (first left)]
                    (let [n (count (:text item))]
                      (if (and (seq now) (or (>= (count now) bundle-size) (> (+ chars n) bundle-chars)))
                        (recur left [] 0 (conj done (wire/bundle now)))
                        (recur (rest left) (conj now (:text item)) (+ chars n) done)))
                    (if (seq now) (conj done (wire/bundle now)) done))))
        s     (reduce (fn [s cb] (if (get-in s [:calls cb]) (assoc-in s [:calls cb :sent?] true) s))
                      s (keep :cb out))
        s     (assoc s :out [] :control [] :chars 0 :woken? false :sent (+ (:sent s) (count out)))]
    (reduce (fn [s t] (emit s [:write t])) s (concat control texts))))

(defn- flush-out [s]
  (cond
    (= :open (:phase s))    (take-queue s)
    (seq (:control s))      (reduce (fn [s t] (emit s [:write t])) (assoc s :control [] :woken? false) (:control s))
    :else                   (assoc s :woken? false)))

(defn- control
  "Ahead of everything that waits, whatever the phase."
  [s text]
  (let [s (assoc s :control (conj (:control s) text))]
    (if (:woken? s) s (emit (assoc s :woken? true) [:wake]))))

;; Channels.

(defn- join [s channel]
  (let [[cb s] (next-cb s)]
    [(-> s (assoc-in [:subs channel] cb)
         (assoc-in [:calls cb] {:channel channel :id :sente-lite/subscribe}))
     {:text (call-text (wire/text [:sente-lite/subscribe {:channel-id channel}]) cb) :cb cb}]))

(defn- subscribe [s channel]
  (if (contains? (:subs s) channel)
    s
    (let [[s item] (if (= :open (:phase s)) (join s channel) [(assoc-in s [:subs channel] nil) nil])]
      (if item (push s item) s))))

(defn- unsubscribe [s channel]
  (if (contains? (:subs s) channel)
    (let [s (update s :subs dissoc channel)]
      (if (= :open (:phase s))
        (let [[cb s] (next-cb s)]
          (-> (assoc-in s [:calls cb] {:left channel :id :sente-lite/unsubscribe})
              (push {:text (call-text (wire/text [:sente-lite/unsubscribe {:channel-id channel}]) cb) :cb cb})))
        s))
    s))

(defn- joined
  "What became of a subscription."
  [s {:keys [channel left]} value]
  (let [{:keys [success error]} (if (map? value) value {:success false :error (:code (wire/error-map value))})]
    (cond
      left                       s
      (= :chsk/closed value)     s
      success                    (emit s [:hook :on-subscribed {:channel-id channel}])
      :else                      (-> (update s :subs dissoc channel)
                                     (emit [:hook :on-error (second (wire/error :forbidden :sente-lite/not-subscribed
                                                                                (str "the channel " (pr-str channel) " could not be joined: " error)
                                                                                {:data {:channel-id channel :error error}}))])))))

(defn- rejoin
  "After a reconnect: joins go ahead of what waited, so that nothing published
  from now on is missed."
  [s]
  (let [waited (:out s)
        s      (assoc s :out [] :chars 0)
        s      (reduce (fn [s c] (let [[s item] (join s c)] (push s item))) s (keys (:subs s)))]
    (reduce push s waited)))

;; In.

(defn- settle [s cb value]
  (if-let [call (get-in s [:calls cb])]
    (let [s (update s :calls dissoc cb)]
      (if (:k call)
        (emit s [:settle (:k call) value])
        (joined s call value)))
    (update s :late-replies inc)))

(defn- drop-large
  "What waited before the limits were known, and would end the link."
  [s]
  (let [over? #(too-large? s (:text %))]
    (reduce (fn [s {:keys [cb]}]
              (let [e (large s "what waited for the link" {})]
                (if (get-in s [:calls cb]) (settle s cb e) (emit s [:hook :on-error (second e)]))))
            (keep-queued s (complement over?))
            (filterv over? (:out s)))))

(defn- opened [s data first? now]
  (let [again? (:ever-opened? s)
        old    (select-keys s [:uid :session])
        info   (merge data {:first? first?})
        s      (-> (merge s {:uid (:uid data) :session (:session data) :limits (or (:limits data) {})
                             :small (quot (get-in data [:limits :max-message-bytes] 16777215) 3) ; characters that surely fit
                             :ready data :since now :heard now :retry-at nil :connect-by nil :ever-opened? true})
                   (phase :open (if again? :reopened :opened)))
        ;; A sidecar that is started again listens where its pages know it.
        s      (if (and (:first-must? (:o s)) (seq (:listen data)))
                 (assoc-in s [:o :hello :config :listen] (vec (:listen data)))
                 s)
        s      (drop-large s)
        s      (if (seq (:subs s)) (rejoin s) s)
        s      (if (:heartbeat? (:o s)) (due s (+ now (:kalive-ms (:o s)) (:ping-timeout-ms (:o s)))) s)
        s      (if (seq (:out s)) (wake s) s)]
    (-> s
        (emit (if again?
                [:hook :on-reconnect (merge info {:old old :recovered? (boolean (:recovered? data)) :missed (:missed data)})]
                [:hook :on-open info]))
        (emit [:hook :on-ready info]))))

(defn- hand-over [s event cb]
  (let [id (nth event 0)]
    (if (= :sente-lite/recv id)
      (let [{:keys [uid client-id event]} (nth event 1 nil)]
        (if (wire/event? event)
          (emit s [:deliver event cb {:uid uid :client-id client-id} (:turn s)])
          (update s :unreadable inc)))
      (emit s [:deliver event cb nil (:turn s)]))))

(defn- refused
  "An error in answer to our hello: nothing else can come."
  [s e]
  (-> (assoc s :fatal e)
      (emit [:disconnect 1000 "the hello was refused"])))

(def protocol
  "The version of the protocol that this library speaks."
  1)

(defn- greeted
  "The other side has said who it is, and what it speaks."
  [s data first? now]
  (if (= protocol (:protocol data protocol))
    (opened s data first? now)
    (refused s (wire/error :unsupported :sente-lite/version
                           (str "the sidecar " (:version data) " speaks protocol " (:protocol data) ", and this library " protocol)
                           {:hint "use a sidecar and a library of one version"}))))

(defn- item [s v now]
  (let [id (when (vector? v) (nth v 0 nil))]
    (cond
      (keyword? id)
      (case id
        :chsk/reply        (settle (assoc s :received (inc (:received s))) (nth v 1 nil) (nth v 2 nil))
        :chsk/ws-ping      (control s "[:chsk/ws-pong]")
        :chsk/ws-pong      (assoc s :probed nil :hasty nil)
        :chsk/handshake    (if (= :greeting (:phase s))
                             (let [[uid _ data first?] (nth v 1 nil)]
                               (greeted s (merge {:uid uid} data) first? now))
                             s)
        :sente-lite/ready  (if (= :greeting (:phase s)) (greeted s (nth v 1 nil) (not (:ever-opened? s)) now) s)
        :chsk/close        (assoc s :bye (nth v 1 nil))
        :sente-lite/error  (if (= :greeting (:phase s))
                             (refused s v)
                             (-> (assoc s :received (inc (:received s)))
                                 (emit [:hook :on-error (nth v 1 nil)])))
        (cond
          (= :greeting (:phase s))
          (refused s (wire/error :unsupported :sente-lite/not-ready
                                 (str "the other side answered the hello by " (pr-str id) " and not by :sente-lite/ready") {:hint "is it sente-lite?"}))
          (wire/event? v) (hand-over (assoc s :received (inc (:received s))) v nil)
          :else           (update s :unreadable inc)))

      (and (not= :greeting (:phase s)) (vector? id) (wire/event? id))
      (let [cb (nth v 1 nil)]
        (hand-over (assoc s :received (inc (:received s))) id cb))

      (= :greeting (:phase s))
      (refused s (wire/error :unsupported :sente-lite/not-ready "the other side answered the hello by something else than :sente-lite/ready" {:hint "is it sente-lite?"}))

      :else (update s :unreadable inc))))

(defn- value [s v now]
  (let [s (assoc s :heard now :probed nil :hasty nil)]
    (if (and (vector? v) (= :batch/events (nth v 0 nil)))
      (reduce (fn [s v] (item s v now)) s (nth v 1 nil))
      (item s v now))))

;; The link.

(defn- connect [s now reason]
  (let [turn (inc (:turn s))
        by   (+ now (:connect-timeout-ms (:o s)))]
    (-> (assoc s :turn turn :retry-at nil :connect-by by :bye nil :control [] :woken? false)
        (phase :connecting reason)
        (due by)
        (emit [:connect turn]))))

(defn- linked [s now]
  (let [s (assoc (phase s :greeting nil) :heard now)]
    (if-let [hello (:hello (:o s))]
      (control s (wire/text [:sente-lite/hello hello]))
      s)))

(defn- fail-calls
  "What was sent over a link that has gone gets no reply; what waits still may,
  unless `all?`."
  [s value all?]
  (reduce-kv (fn [s cb {:keys [sent? k]}]
               (if (or all? sent? (nil? k))
                 (let [s (update s :calls dissoc cb)]
                   (if k (emit s [:settle k value]) s))
                 s))
             s (:calls s)))

(defn- drop-calls
  "Leaves out what meant something to the link that has gone: replies, and calls
  that are settled."
  [s]
  (keep-queued s (fn [{:keys [cb turn]}] (and (nil? turn) (or (nil? cb) (contains? (:calls s) cb))))))

(defn- end [s why value]
  (let [open? (:ever-opened? s)]
    (-> (assoc s :retry-at nil :connect-by nil :due nil :last-close why :control [])
        (phase :closed (:why why))
        (fail-calls value true)
        (keep-queued (fn [i] (and (nil? (:cb i)) (nil? (:turn i)))))
        (assoc :error value)
        (emit [:hook :on-close (assoc why :final? true :ever-opened? (boolean open?))]))))

(defn- lost [s {:keys [code reason error] :as info} now luck]
  (let [bye   (:bye s)
        code  (or (:code bye) code 1006)
        why   (merge (dissoc info :error)
                     {:code code :reason (or (:reason bye) reason) :why (get retry/words code :closed)})
        open? (= :open (:phase s))
        value (or (:fatal s) error :chsk/closed)
        tries (if (and open? (>= (- now (:since s now)) (:stable-ms (:o s)))) 0 (:tries s))
        tries (if (and (= 4001 code) (zero? tries)) 1 tries)]
    (cond
      (contains? #{:closed :waiting :idle} (:phase s)) s

      (or (:fatal s) (retry/final? code) (not (:reconnect? (:o s)))
          (and (:first-must? (:o s)) (not (:ever-opened? s)))
          (and (:max-tries (:o s)) (>= (inc tries) (:max-tries (:o s)))))
      (end s why value)

      :else
      (let [spread (when (= 4002 code) (second (re-find #"spread-ms=(\d{1,9})" (str (:reason why)))))
            delay  (if spread
                     (long (* luck #?(:clj (Long/parseLong spread) :cljs (js/parseInt spread))))
                     ((:backoff-ms-fn (:o s) retry/backoff-ms) tries luck))
            at     (+ now delay)]
        (-> (fail-calls s value false)
            drop-calls
            (assoc :tries (inc tries) :retry-at at :connect-by nil :last-close why :probed nil :control [] :woken? false)
            (phase :waiting (:why why))
            (due at)
            (cond-> open? (emit [:hook :on-close why])))))))

(defn- probe
  "Silence beyond the other side's own pings is asked about; no answer ends the
  link."
  [s now]
  (let [{:keys [kalive-ms ping-timeout-ms heartbeat?]} (:o s)
        kalive  (get-in s [:limits :ws-kalive-ms] kalive-ms)
        timeout (get-in s [:limits :ws-ping-timeout-ms] ping-timeout-ms)]
    (cond
      (not (and heartbeat? (= :open (:phase s))))  s
      (and (:probed s) (:hasty s) (>= now (+ (:probed s) (:hasty s))))
      (emit s [:disconnect 4000 "no pong after waking up"])
      (and (:probed s) (>= now (+ (:probed s) timeout)))
      (emit s [:disconnect 4000 "ping timeout"])
      (:probed s)                                  (due s (+ (:probed s) (or (:hasty s) timeout)))
      (>= now (+ (:heard s) kalive timeout))       (-> (assoc s :probed now) (control "[:chsk/ws-ping]") (due (+ now timeout)))
      :else                                        (due s (+ (:heard s) kalive timeout)))))

(defn- expire [s now]
  (let [old (reduce-kv (fn [all cb {:keys [expires]}] (if (and expires (<= expires now)) (conj all cb) all)) [] (:calls s))
        s   (reduce (fn [s cb] (settle s cb :chsk/timeout)) s old)]
    ;; A call that never left must not leave after its caller has given up.
    (if (seq old)
      (let [gone (set old)] (keep-queued s #(not (contains? gone (:cb %)))))
      s)))

(defn- tick [s now]
  (let [s (expire (assoc s :due nil) now)
        s (reduce-kv (fn [s _ {:keys [expires]}] (if expires (due s expires) s)) s (:calls s))
        s (probe s now)]
    (cond
      (and (:retry-at s) (>= now (:retry-at s)))     (connect s now :retry)
      (:retry-at s)                                  (due s (:retry-at s))
      (and (:connect-by s) (>= now (:connect-by s))) (emit (assoc s :connect-by nil)
                                                           [:disconnect 1006 "no answer in time"
                                                            (wire/error :unavailable :sente-lite/no-answer
                                                                        (str "nobody answered within " (:connect-timeout-ms (:o s)) " ms") {:retry? true})])
      (:connect-by s)                                (due s (:connect-by s))
      :else                                          s)))

(defn- stop [s]
  (if (contains? #{:closed} (:phase s))
    s
    (-> (end s {:code 1000 :reason "closed" :why :closed} :chsk/closed)
        (emit [:disconnect 1000 "closed"]))))

(defn waiting-texts
  "What waits for the link, as it would be kept: plain events, in order. Calls
  are not among them, since nobody is left to hear the reply."
  [s]
  (into [] (comp (remove :cb) (remove :turn) (map :text)) (:out s)))

(defn- handle [s [kind a b c d e]]
  (case kind
    :value       (value s a b)
    :flush       (flush-out s)
    :ask         (ask s a b c d e)
    :reply       (reply s a b c d)
    :tick        (tick s a)
    :subscribe   (subscribe s a)
    :unsubscribe (unsubscribe s a)
    :connect     (if (contains? #{:idle :closed :waiting} (:phase s))
                   (connect (if (= :closed (:phase s)) (assoc s :tries 0 :fatal nil) s) a :connect)
                   s)
    :linked      (if (= :connecting (:phase s)) (linked s a) s)
    :unreadable  (if (= :greeting (:phase s))
                   (refused s (wire/error :unsupported :sente-lite/not-ready (str "the other side answered the hello by what is no EDN: " a) {:hint "is it sente-lite?"}))
                   (emit (update s :unreadable inc)
                         [:hook :on-error (second (wire/error :incorrect :sente-lite/bad-edn (str "a message could not be read: " a) {}))]))
    :lost        (lost s a b c)
    :wake        (cond
                   (= :waiting (:phase s)) (connect s a (or b :wake))
                   ;; After sleep or a change of network somebody is looking: decide soon whether the link still is one.
                   (and (= :open (:phase s)) (:heartbeat? (:o s)) (nil? (:probed s)))
                   (-> (assoc s :probed a :hasty (:wake-ping-ms (:o s))) (control "[:chsk/ws-ping]") (due (+ a (:wake-ping-ms (:o s)))))
                   :else s)
    :restore     (let [later (:out s)]
                   (reduce push (assoc s :out [] :chars 0) (concat (map (fn [t] {:text t}) a) later)))
    :stop        (stop s)))

(defn step
  "Takes one input. Returns the new state and what is to be done, in its order."
  [state input]
  (let [s (if (seq (:fx state)) (assoc state :fx []) state)
        s (if (= :send (nth input 0))
            (send-event s (nth input 1) (nth input 2))
            (handle s input))]
    [s (:fx s)]))
