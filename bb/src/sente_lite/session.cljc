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

  Inputs beside those: [:value v now chars] what was read, [:unreadable why bundle?],
  [:send text id now opts], [:ask text id timeout-ms k now], [:reply text era cb id],
  [:subscribe c], [:unsubscribe c], [:flush now] what may be written now, [:hurry] what
  waits is not to wait for others, [:fail cb error] a call that could not be written, [:room yes? now] whether the inbox takes more,
  [:leave] the other side is told that we go for good, [:wake now] try at once,
  [:restore kept].

  Outputs, to be performed in their order: [:connect turn], [:disconnect code reason error],
  [:wake] there is something to flush, [:write text] (of [:flush] only),
  [:deliver event cb extra era chars now], [:settle k value], [:hook name data], [:state new old].

  What waits is sente-lite.queue's, when it is written sente-lite.flow's, what
  outlives a link sente-lite.recovery's. A turn is the number of a link, an era
  that of a session on the other side."
  {:no-doc true}
  (:require [sente-lite.channels :as channels :refer [call-text linked? next-cb push]]
            [sente-lite.flow :as flow :refer [control due emit hurry wake]]
            [sente-lite.queue :as queue]
            [sente-lite.recovery :as recovery]
            [sente-lite.retry :as retry]
            [sente-lite.wire :as wire]))

(def defaults
  "Bounds and times; all may be options. Times in milliseconds; nil is what the
  sidecar says, or has no bound."
  {:max-queue         1000
   :max-queue-bytes   8388608
   :max-queue-age-ms  nil
   :on-full           :notify
   :max-calls         1000
   :call-timeout-ms   30000
   :connect-timeout-ms 10000
   :kalive-ms         5000
   :ping-timeout-ms   10000
   :event-buffer-ms   nil
   :bundle-size       nil
   :credit            nil
   :recover?          false
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
     :out [] :chars 0 :control [] :at nil :expiring nil
     :kept [] :kept-chars 0 :base 0 :sent 0 :era 0 :recover? false
     :received 0 :free-in 0 :acked-in 0 :credited 0
     :window nil :hold-until nil :blocked? false :hurry? false :last-size 0 :last-at 0
     :hold-ms 25 :bundle-size (or (:bundle-size o) 100) :bundle-chars 65536
     :calls {} :next-cb 0 :subs {}
     :limits {} :small 0 :late-replies 0 :unreadable 0
     :room? true :woken? false :ledger {:rows [] :why {} :lost-rows 0}
     :due nil :fx []}))

(defn- public
  "What a user sees of a state."
  [s]
  (select-keys s [:phase :uid :session :reason :last-close :ever-opened? :tries :retry-at]))

(defn- phase [s to reason]
  (let [old (public s)
        s   (assoc s :phase to :reason reason)]
    (emit s [:state (public s) old])))

;; Out.

(defn- queued [s]
  (let [n (count (:out s))]
    (assoc s :result {:status (cond (not= :open (:phase s)) :queued
                                    (or (> n (:bundle-size s)) (> (:chars s) (:bundle-chars s))) :frame-full
                                    :else :ok)
                      :queue-size n})))

(defn- send-slowly
  "Any event, whatever is said of it or in its way."
  [s text id now {:keys [expires-ms on-full]}]
  (let [how (queue/policy (:o s) id on-full)
        s   (if (and now (:expiring s) (<= (:expiring s) now)) (queue/expire s now) s)
        s   (if (and (not= :notify how) (not= :closed (:phase s)) (queue/full? s text now) (not (queue/too-large? s text)))
              (queue/make-room s how text id now)
              s)]
    (if-let [no (queue/refusal s text id now)]
      ;; What is held for others makes room first.
      (assoc (if (:hold-until s) (hurry s) s) :result (if (= :block how) (assoc no :block? (= :backpressure (:status no))) no))
      (let [expires (when expires-ms (+ now expires-ms))]
        (cond-> (queued (push s (cond-> {:text text :id id :at now} expires (assoc :expires expires))))
          expires (-> (update :expiring #(if % (min % expires) expires)) (due expires)))))))

(defn- send-event
  "The way of almost everything, so the usual case comes first and in few steps.
  The time is given where it matters: of the first that waits."
  [s text id now opts]
  (let [out   (:out s)
        n     (inc (count out))
        chars (+ (:chars s) (count text))
        o     (:o s)]
    (if (and (= :open (:phase s)) (<= n (:max-queue o)) (<= chars (:max-queue-bytes o)) (<= (count text) (:small s)) (nil? opts))
      (wake (assoc s :out (conj out {:text text :id id :at (or now (:at s))}) :chars chars :at (or now (:at s))
                   :result {:status (if (and (<= n (:bundle-size s)) (<= chars (:bundle-chars s))) :ok :frame-full) :queue-size n}))
      (send-slowly s text id (or now (:at s)) opts))))

(defn- ask [s text id timeout-ms k now]
  (if-let [no (or (queue/refusal s (call-text text "c99999999999") id now)
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
          (push {:text (call-text text cb) :cb cb :id id :at now})
          hurry
          queued))))

(defn- reply
  "Answers a call of this very session; what is too large for it is an error to
  whoever asked."
  [s text era cb id]
  (cond
    (not (and (= era (:era s)) (linked? s)))
    (assoc (update s :late-replies inc) :result {:status :closed})

    (queue/too-large? s text)
    (assoc (hurry (push s {:text (wire/text [:chsk/reply cb (queue/large s (str "the reply to " id) {:event-id id})])
                           :id :chsk/reply :era era :free? true :at (:at s)}))
           :result {:status :too-large})

    :else
    (assoc (hurry (push s {:text text :id :chsk/reply :era era :free? true :at (:at s)})) :result {:status :ok})))

;; In.

(defn- settle [s cb value]
  (if-let [call (get-in s [:calls cb])]
    (let [s (update s :calls dissoc cb)]
      (if (:k call)
        (emit s [:settle (:k call) value])
        (channels/joined s call value)))
    (update s :late-replies inc)))

(defn- drop-large
  "What waited before the limits were known, and would end the link."
  [s]
  (let [over? #(queue/too-large? s (:text %))]
    (reduce (fn [s {:keys [cb]}]
              (let [e (queue/large s "what waited for the link" {})]
                (if (get-in s [:calls cb]) (settle s cb e) (emit s [:hook :on-error (second e)]))))
            (queue/keep-those s (complement over?))
            (filterv over? (:out s)))))

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

(defn- opened [s data first? now]
  (let [again? (:ever-opened? s)
        old    (select-keys s [:uid :session])
        info   (merge data {:first? first?})
        s      (merge s {:limits (or (:limits data) {})
                         :small (quot (get-in data [:limits :max-message-bytes] 16777215) 3)}) ; characters that surely fit
        [s resumed? unacked] (recovery/opened s data now #(fail-calls % :chsk/closed false))
        s      (-> (merge s {:uid (:uid data) :ready data :since now :heard now :retry-at nil :connect-by nil :ever-opened? true})
                   (flow/begin data)
                   (phase :open (if again? :reopened :opened)))
        ;; A sidecar that is started again listens where its pages know it.
        s      (if (and (:first-must? (:o s)) (seq (:listen data)))
                 (assoc-in s [:o :hello :config :listen] (vec (:listen data)))
                 s)
        s      (if resumed? s (drop-large s))
        s      (if (and (seq (:subs s)) (not resumed?)) (channels/rejoin s) s)
        s      (if (:heartbeat? (:o s)) (due s (+ now (:kalive-ms (:o s)) (:ping-timeout-ms (:o s)))) s)
        s      (if (seq (:out s)) (wake s) s)]
    (-> s
        (emit (if again?
                [:hook :on-reconnect (merge info {:old old :recovered? resumed? :missed (if resumed? 0 (:missed data)) :unacked unacked})]
                [:hook :on-open info]))
        (emit [:hook :on-ready info]))))

(defn- hand-over [s event cb]
  (let [id (nth event 0)]
    (if (= :sente-lite/recv id)
      (let [{:keys [uid client-id event]} (nth event 1 nil)]
        (if (wire/event? event)
          (emit s [:deliver event cb {:uid uid :client-id client-id} (:era s) (:each s) (:heard s)])
          (update s :unreadable inc)))
      (emit s [:deliver event cb nil (:era s) (:each s) (:heard s)]))))

(defn- counted
  "Something that has a number. What costs no credit is counted once more."
  [s free?]
  (if free?
    (assoc s :received (inc (:received s)) :free-in (inc (:free-in s)))
    (assoc s :received (inc (:received s)))))

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
        :chsk/reply        (settle (counted s true) (nth v 1 nil) (nth v 2 nil))
        :sente-lite/ack    (recovery/acked s (nth v 1 nil))
        :sente-lite/credit (flow/credited s (nth v 1 nil))
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
                             (-> (counted s true)
                                 (emit [:hook :on-error (nth v 1 nil)])))
        (cond
          (= :greeting (:phase s))
          (refused s (wire/error :unsupported :sente-lite/not-ready
                                 (str "the other side answered the hello by " (pr-str id) " and not by :sente-lite/ready") {:hint "is it sente-lite?"}))
          (wire/event? v) (hand-over (counted s (contains? #{:sente-lite/open :sente-lite/close :sente-lite/reconnect} id)) v nil)
          :else           (update (counted s false) :unreadable inc)))

      (and (not= :greeting (:phase s)) (vector? id) (wire/event? id))
      (if (= :chsk/ws-ping (nth id 0))
        (reply s (wire/text [:chsk/reply (nth v 1 nil) "pong"]) (:era s) (nth v 1 nil) :chsk/ws-ping) ; which has a number, as replies do
        (hand-over (counted s false) id (nth v 1 nil)))

      (= :greeting (:phase s))
      (refused s (wire/error :unsupported :sente-lite/not-ready "the other side answered the hello by something else than :sente-lite/ready" {:hint "is it sente-lite?"}))

      :else (update (counted s false) :unreadable inc))))

(defn- value [s v now chars]
  (let [s (assoc s :heard now :at now :probed nil :hasty nil)]
    (flow/taken
     (if (and (vector? v) (= :batch/events (nth v 0 nil)))
       (let [items (nth v 1 nil)]
         (reduce (fn [s v] (item s v now)) (assoc s :each (quot (or chars 0) (max 1 (count items)))) items))
       (item (assoc s :each (or chars 0)) v now))
     now)))

;; The link.

(defn- connect [s now reason]
  (let [turn (inc (:turn s))
        by   (+ now (:connect-timeout-ms (:o s)))]
    (-> (assoc s :turn turn :retry-at nil :connect-by by :bye nil :control [] :woken? false :blocked? false :hold-until nil)
        (phase :connecting reason)
        (due by)
        (emit [:connect turn]))))

(defn- linked [s now]
  (let [s (assoc (phase s :greeting nil) :heard now)]
    (if-let [hello (:hello (:o s))]
      (control s (wire/text [:sente-lite/hello (merge hello (recovery/greeting s))]))
      s)))

(defn- let-go
  "A link has gone whose session cannot be gone on with: what was sent over it
  gets no reply, and replies that wait have nobody to hear them."
  [s value]
  (let [s (fail-calls s value false)]
    (queue/keep-those s (fn [{:keys [cb era]}] (and (nil? era) (or (nil? cb) (contains? (:calls s) cb)))))))

(defn- end [s why value now]
  (let [open? (:ever-opened? s)
        kept  (:kept s)]
    (-> (assoc s :retry-at nil :connect-by nil :due nil :last-close why :control []
               :kept [] :kept-chars 0 :base (+ (:base s) (:sent s)) :sent 0)
        recovery/forget
        (queue/lose :closed (or now (:at s)) (remove :free? kept))
        (phase :closed (:why why))
        (fail-calls value true)
        (queue/keep-those queue/plain?)
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
        tries (if (and (contains? #{1001 4001} code) (zero? tries)) 1 tries)]
    (cond
      (contains? #{:closed :waiting :idle} (:phase s)) s

      (or (:fatal s) (retry/final? code) (not (:reconnect? (:o s)))
          (and (:first-must? (:o s)) (not (:ever-opened? s)))
          (and (:max-tries (:o s)) (>= (inc tries) (:max-tries (:o s)))))
      (end s why value now)

      :else
      (let [spread (when (= 4002 code) (second (re-find #"spread-ms=(\d{1,9})" (str (:reason why)))))
            delay  (if spread
                     (long (* luck #?(:clj (Long/parseLong spread) :cljs (js/parseInt spread))))
                     ((:backoff-ms-fn (:o s) retry/backoff-ms) tries luck))
            at     (+ now delay)]
        (-> (if (recovery/alive? s) s (let-go s value))
            (assoc :tries (inc tries) :retry-at at :connect-by nil :last-close why :probed nil :control []
                   :woken? false :blocked? false :hold-until nil :ack-now? false :renew nil)
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
      (let [gone (set old)] (queue/keep-those s #(not (contains? gone (:cb %)))))
      s)))

(defn- tick [s now]
  (let [s (expire (assoc s :due nil :at now) now)
        s (reduce-kv (fn [s _ {:keys [expires]}] (if expires (due s expires) s)) s (:calls s))
        s (flow/tick (probe s now) now)]
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
    (-> (end s {:code 1000 :reason "closed" :why :closed} :chsk/closed (:at s))
        (emit [:disconnect 1000 "closed"]))))

(defn- leave
  "Behind all that waits goes the word that we do not come back; a WebSocket says
  so by its close."
  [s]
  (if (and (= :open (:phase s)) (:recover? s) (:hello (:o s)))
    (hurry (push s {:text "[:chsk/close {:code 1000}]" :id :chsk/close :free? true}))
    (hurry s)))

(defn- unreadable
  "A message counts one; how many a bundle would have been nobody knows, so the
  session is over."
  [s why bundle? now]
  (let [s (if bundle?
            (emit (recovery/forget s) [:disconnect 1006 "a bundle could not be read"])
            (flow/taken (counted s false) (or now (:heard s))))]
    (emit (update s :unreadable inc)
          [:hook :on-error (second (wire/error :incorrect :sente-lite/bad-edn (str "a message could not be read: " why) {}))])))

(defn stored
  "What a page keeps, so that the next one goes on where it ended: plain data.
  Calls and replies are not sent by another page, since nobody is left to hear:
  they are kept for their numbers alone."
  [s]
  (let [plain (fn [items] (mapv #(select-keys % [:text :id :expires :cb :era]) items))]
    (cond-> {:out (filterv queue/plain? (:out s))}
      (recovery/alive? s) (assoc :session (:session s) :sent (- (:sent s) (count (:kept s))) :received (:received s) :uid (:uid s)
                                 :kept (plain (:kept s)) :next-cb (:next-cb s)))))

(defn- restore
  "Goes on where an earlier page has ended."
  [s {:keys [out kept session sent received uid next-cb]}]
  (let [s (if session
            (merge s {:session session :recover? true :received received :acked-in received :uid uid
                      :sent (+ sent (count kept)) :kept (vec kept) :kept-chars (queue/chars-of kept) :next-cb next-cb
                      :era 1})
            s)
        later (:out s)]
    (reduce push (assoc s :out [] :chars 0) (concat out later))))

(defn- handle [s [kind a b c d e]]
  (case kind
    :value       (value s a b c)
    :flush       (flow/flush-out s a)
    :hurry       (hurry s)
    :room        (if a (flow/renew (assoc s :room? true)) (assoc s :room? false))
    :leave       (leave s)
    :lose        (queue/lose s a b [{:id c}])
    :fail        (settle s a b)
    :ask         (ask s a b c d e)
    :reply       (reply s a b c d)
    :tick        (tick s a)
    :subscribe   (channels/subscribe s a)
    :unsubscribe (channels/unsubscribe s a)
    :connect     (if (contains? #{:idle :closed :waiting} (:phase s))
                   (connect (if (= :closed (:phase s)) (assoc s :tries 0 :fatal nil) s) a :connect)
                   s)
    :linked      (if (= :connecting (:phase s)) (linked s a) s)
    :unreadable  (if (= :greeting (:phase s))
                   (refused s (wire/error :unsupported :sente-lite/not-ready (str "the answer to the hello could not be read: " a) {:hint "is it sente-lite, with the same :packer and :key?"}))
                   (unreadable s a b c))
    :lost        (lost s a b c)
    :wake        (cond
                   (= :waiting (:phase s)) (connect s a (or b :wake))
                   ;; After sleep or a change of network somebody is looking: decide soon whether the link still is one.
                   (and (= :open (:phase s)) (:heartbeat? (:o s)) (nil? (:probed s)))
                   (-> (assoc s :probed a :hasty (:wake-ping-ms (:o s))) (control "[:chsk/ws-ping]") (due (+ a (:wake-ping-ms (:o s)))))
                   :else s)
    :restore     (restore s a)
    :stop        (stop s)))

(defn step
  "Takes one input. Returns the new state and what is to be done, in its order."
  [state input]
  (let [s (if (seq (:fx state)) (assoc state :fx []) state)
        s (if (= :send (nth input 0))
            (send-event s (nth input 1) (nth input 2) (nth input 3 nil) (nth input 4 nil))
            (handle s input))]
    [s (:fx s)]))
