(ns sente-lite.core
  "Events between a script, its pages and its programs, the same on Babashka, the
  JVM, nbb and Scittle.

      (require '[sente-lite.core :as s])
      (s/start! {:port 8090})                                 ; a script: spawns the sidecar, serves public/
      (s/on! :chat/say (fn [{:keys [uid data]}]               ; what pages and programs send
                         (s/broadcast! [:chat/said (assoc data :from uid)])))

      (s/connect!)                                            ; a page: to the server that it came from
      (s/on! :chat/said (fn [{:keys [data]}] (show data)))
      (s/send! [:chat/say {:text \"hello\"}])

  An event is [:namespace/name data]. Every function works on the client that was
  started or connected last, or on one that is given first. Nothing blocks, save
  start! on the JVM and Babashka until the sidecar is ready; what takes a while
  gives a promise: deref it there, p/let or .then in JavaScript.

  Statuses of what was sent, in {:status … :queue-size n}: :ok, :frame-full (goes
  with the next bundle), :queued (waits for the link), :backpressure (refused: too much waits), :too-large, :closed.
  Replies are values; error? tells those that stand for a failure: :chsk/timeout,
  :chsk/closed and [:sente-lite/error {:category :code :message :hint :retry?}].

  Mistakes of the caller, such as an event that is none or a value that does not
  print as EDN, are thrown as ex-info with :given and :expected."
  (:require #?@(:scittle [] :default [[sente-lite.buffered :as buffered]])
            [sente-lite.client :as client]
            [sente-lite.handlers :as handlers]
            [sente-lite.intake :as intake]
            [sente-lite.life :as life]
            [sente-lite.options :as options]
            [sente-lite.out :as out]
            [sente-lite.views :as views]
            [sente-lite.wire :as wire]
            #?(:bb                [sente-lite.jvm :as host]
               :clj               [sente-lite.jvm :as host]
               :org.babashka/nbb  [sente-lite.node :as host]
               :scittle           [sente-lite.browser :as host])))

(def ^:private current life/current)

(defn client
  "The client that functions work on where none is given: the one started or
  connected last, nil before.

      (client)  ;=> nil"
  []
  @current)

(defn client?
  "Is x a client, as start! and connect! return it?

      (client? {})  ;=> false"
  [x]
  (client/client? x))

(defn error?
  "Does a reply stand for a failure?

      (error? :chsk/timeout)                      ;=> true
      (error? [:sente-lite/error {:message \"\"}])  ;=> true
      (error? {:name \"Ada\"})                      ;=> false"
  [reply]
  (wire/error? reply))

(defn error-map
  "The map of a failure: {:category :code :message :hint :retry? …}, nil of any
  other reply.

      (:category (error-map :chsk/timeout))  ;=> :unavailable
      (error-map 42)                         ;=> nil"
  [reply]
  (wire/error-map reply))

(defn ok!
  "The reply, or an ex-info with the failure's map where it is one.

      (ok! 42)                                                         ;=> 42
      (try (ok! :chsk/closed) (catch #?(:clj Exception :cljs :default) e (:code (ex-data e))))  ;=> :chsk/closed"
  [reply]
  (if-let [e (wire/error-map reply)]
    (throw (ex-info (:message e "failed") e))
    reply))

;; Who functions work on: (f x …) or (f client x …).

(defn- client-arg?
  "Does an argument stand for a client? So does nil: a client that is not there
  yet takes everything, and sends nothing."
  [x]
  (or (nil? x) (client/client? x)))

(defn- with-client
  "[client args]: the first of args where it is a client, or nil given for one."
  [args]
  (if (and (seq args) (client-arg? (first args)))
    [(first args) (rest args)]
    [@current args]))

(defn- settled
  "A promise that has its value, of the client's kind."
  [c v]
  ((if (client/client? c) (:settled (:platform c)) host/settled) v))

(def ^:private closed life/closed)

;; Handlers.

(defmulti handle-event
  "Handles what no function of on! takes: another way to say the same, by
  defmethod on the event's id. The argument is that of on!.

      (defmethod handle-event :greet/me [{:keys [data reply!]}] (reply! (str \"Hello, \" data)))"
  :id)

(defmethod handle-event :default [msg] (intake/unhandled! msg))

(defn on!
  "Calls (f msg) for each event with this id; :chat/* is all of a namespace, :*
  everything. Returns the handler, for off!. Where there is no client, or it has
  ended, it is the next one's, so that nothing is missed.

  msg is {:event [id data], :id, :data, :uid (who sent it, of a handler or
  owner), :client-id, :reply! (fn [value]), :?reply-fn (the same, nil where
  nobody waits for a reply), :client}; ?data is data, as in Sente.

  Instead of an id, a map asks for more: {:event-id :chat/msg, :pred (fn [msg]),
  :once? true, :timeout-ms 1000, :on-timeout (fn [])}.

      (on! :chat/msg (fn [{:keys [data uid]}] (println uid \"says\" (:text data))))
      (on! {:event-id :job/done :once? true :timeout-ms 50} (fn [msg] (:data msg)))"
  ([what f] (on! (life/listener) what f))
  ([c what f]
   (when c
     (let [key (handlers/key-of what)]
       (cond
         (not (map? what)) (handlers/add! c key nil f)
         (client/client? c) (handlers/add-timed! c key what f (when-let [t (:on-timeout what)] #(intake/later! c [key] t)) nil)
         :else (throw (ex-info "sente-lite: on!: before start! and connect! there is no clock for a handler that ends; expected an event id"
                               {:category :incorrect :code :sente-lite/no-client :given what :expected "an event id, or a client first"})))))))

(defn off!
  "Ends a handler that on! has returned, or all of an event's.

      (off! (on! :chat/msg identity))
      (off! :chat/msg)"
  ([what] (off! (life/listener) what))
  ([c what]
   (when c (handlers/drop! c what))
   nil))

(defn take!
  "A promise of the next msg of an event; :chsk/timeout where none comes in time,
  :chsk/closed once off! has ended the waiting.
  Options: :timeout-ms (the client's :call-timeout-ms), :pred (fn [msg]).

      (take! :job/done {:timeout-ms 20 :pred #(= 7 (:job (:data %)))})"
  ([what] (take! @current what nil))
  ([a b] (if (client-arg? a) (take! a b nil) (take! @current a b)))
  ([c what {:keys [timeout-ms pred]}]
   (if (client/client? c) (handlers/take! c what timeout-ms pred) (settled c :chsk/closed))))

(defn handler-count
  "How many handlers on! has registered, of one event or in all.

      (handler-count :chat/msg)"
  ([] (handler-count (life/listener) nil))
  ([what] (if (client-arg? what) (handler-count what nil) (handler-count (life/listener) what)))
  ([c what] (if c (handlers/size c what) 0)))

;; Out.

(declare ask!)

(defn send-to-client!
  "Sends an event to somebody: a uid, and for owners also a set of uids, :all,
  {:channel \"c\"}, {:client-id \"c\"} or {:role :client}; with {:except #{uid}}.
  Between clients it arrives as :msg/receive {:from-uid :message}. Options and
  what is returned are those of send!: how it is with this client's own queue. With
  {:confirm? true} an owner gets a promise of how it is with the queues of those who
  are to get it, {:status :ok|:frame-full|:backpressure :queue-size :peers}, the
  worst of them, or of an error; :timeout-ms is its life.

      (send-to-client! \"ada\" [:chat/said {:text \"hi\"}])
      (send-to-client! {:channel \"lobby\"} [:chat/said {:text \"hi\"}] {:except #{\"ada\"}})
      (send-to-client! \"ada\" [:chat/said {:text \"hi\"}] {:confirm? true})"
  ([to event] (send-to-client! @current to event nil))
  ([a b d] (if (client-arg? a) (send-to-client! a b d nil) (send-to-client! @current a b d)))
  ([c to event opts]
   (if (:confirm? opts)
     (ask! c [:sente-lite/send (merge {:to to :event event} (select-keys opts [:except]))] (select-keys opts [:timeout-ms]))
     (out/put-to! c to event opts))))

(defn send!
  "Sends an event: to the handler and the modules, or with a uid first to that
  user's peers. With a time-out and a function behind the event it is ask!, as
  in Sente. Returns {:status :queue-size}.

  Options, behind the event: :expires-ms, how long it is worth sending; :on-full,
  what happens where the queue is full: :notify (it is refused), :drop-oldest,
  :drop-newest, :coalesce (an older one with its id makes room), :block (it waits
  for room in its turn, at most :block-ms; the call blocks on the JVM and
  Babashka, and gives a promise of the status in JavaScript).

      (send! [:chat/say {:text \"hello\"}])
      (send! [:mouse/at [10 20]] {:on-full :coalesce :expires-ms 1000})
      (send! \"ada\" [:chat/said {:text \"hello\"}])
      (send! [:greet/me \"Ada\"] 1000 (fn [reply] (println reply)))"
  ([event] (out/put! @current event nil))
  ([a b] (cond
           (client-arg? a) (out/put! a b nil)
           (and (vector? a) (map? b)) (out/put! @current a b)
           :else (send-to-client! @current a b nil)))
  ([a b d] (cond
             (and (client-arg? a) (vector? b) (or (nil? d) (map? d))) (out/put! a b d)
             (client-arg? a) (send-to-client! a b d nil)
             (fn? d) (send! @current a b d)
             :else (send-to-client! @current a b d)))
  ([c event timeout-ms f]
   (cond
     (not (client/client? c)) closed
     (vector? timeout-ms) (send-to-client! c event timeout-ms f)
     :else (do (ask! c event {:timeout-ms timeout-ms :cb f})
               (let [s @(:state c)]
                 {:status (if (= :closed (:phase s)) :closed :ok) :queue-size (count (:out s))})))))

(defn broadcast!
  "Sends an event to every client, with {:except #{uid}} to all others. Owners
  only. Returns {:status :queue-size}.

      (broadcast! [:chat/said {:text \"hello, all\"}])"
  ([event] (broadcast! @current event nil))
  ([a b] (if (client-arg? a) (broadcast! a b nil) (broadcast! @current a b)))
  ([c event opts] (send-to-client! c :all event opts)))

(defn ask!
  "Asks, and returns a promise of the reply: any value, or one that error? knows.
  With a uid first an owner asks that user's peer. Options: :timeout-ms (30000),
  :cb (fn [reply]), called where handlers run.

      (ask! [:greet/me \"Ada\"])
      (ask! [:greet/me \"Ada\"] {:timeout-ms 1000 :cb println})
      (ask! \"ada\" [:ui/confirm \"Really?\"])"
  [& args]
  (let [[c args] (with-client args)]
    (if (nil? c) (settled c :chsk/closed) (out/ask! c args))))

(defn flush!
  "A promise of {:status :ok} once everything that was sent so far has been
  written to the link; with a uid (owners) once the sidecar has written what it
  queued for that user. Options: :timeout-ms; :acked? true waits until the other
  side has said that it has it (where there is recovery), and gives :chsk/closed
  where that can no longer be known.

      (flush!)
      (flush! {:acked? true})
      (flush! \"ada\" {:timeout-ms 1000})"
  [& args]
  (let [[c args] (with-client args)
        [uid opts] (if (string? (first args)) args [nil (first args)])
        ms (or (:timeout-ms opts) (get-in c [:options :call-timeout-ms]))]
    (cond
      (or (nil? c) (= :closed (:phase @(:state c)))) (settled c :chsk/closed)
      uid   (ask! c [:sente-lite/flush (cond-> {:to uid :timeout-ms ms} (:acked? opts) (assoc :acked? true))] {:timeout-ms ms})
      :else (life/flush! c ms (boolean (:acked? opts))))))

;; Channels.

(defn subscribe!
  "Joins a channel, and again after each reconnect. f gets {:channel-id :data
  :from} for each publication; without it they are events :sente-lite/channel-msg.

      (subscribe! \"lobby\" (fn [{:keys [data from]}] (println from data)))"
  ([channel] (subscribe! @current channel nil))
  ([a b] (if (client-arg? a) (subscribe! a b nil) (subscribe! @current a b)))
  ([c channel f] (when (client/client? c) (out/subscribe! c channel f))))

(defn unsubscribe!
  "Leaves a channel.

      (unsubscribe! \"lobby\")"
  ([channel] (unsubscribe! @current channel))
  ([c channel] (when (client/client? c) (out/unsubscribe! c channel))))

(defn publish!
  "Publishes to a channel, joined or not. Options: :exclude-sender? true leaves
  this client out. Returns {:status :queue-size}.

      (publish! \"lobby\" {:text \"hello\"})"
  ([channel data] (publish! @current channel data nil))
  ([a b d] (if (client-arg? a) (publish! a b d nil) (publish! @current a b d)))
  ([c channel data opts]
   (out/put! c [:sente-lite/publish (merge {:channel-id channel :data data} (select-keys opts [:exclude-sender?]))] nil)))

;; Who is there.

(defn connected-uids
  "An atom of who is connected, for the handler, in Sente's form: {:any #{uid}
  :ws #{uid} :unix #{uid} … :counts {uid peers} :peers {client-id peer}}. Watch it.

      (connected-uids)"
  ([] (connected-uids @current))
  ([c] (if (client/client? c) (:connected c) (atom (handlers/view {})))))

(defn connected
  "The value of connected-uids now.

      (:any (connected))"
  ([] (connected @current))
  ([c] @(connected-uids c)))

(defn get-connected-uids
  "The uids of who is connected, a set.

      (get-connected-uids)"
  ([] (get-connected-uids @current))
  ([c] (:any (connected c))))

(defn state
  "Where the link is: {:phase :idle|:connecting|:greeting|:open|:waiting|:closed
  :open? :uid :session :reason :last-close :tries}. Its changes are events
  [:chsk/state [old new]].

      (:open? (state))"
  ([] (state @current))
  ([c] (views/state c)))

(defn inbox
  "What waits for handlers: {:size :refused :handling (the id being handled)}.

      (:size (inbox))"
  ([] (inbox @current))
  ([c] (views/inbox c)))

(defn stats
  "Numbers: {:sent :received :unacked :queue-size :queue-chars :open-calls :inbox :handled
  :unhandled :refused :handler-errors :late-replies :unreadable :reconnects}.

      (:queue-size (stats))"
  ([] (stats @current))
  ([c] (views/stats c)))

;; Flow: what waits, what got lost, what is held.

(defn pending
  "What has not safely left: {:count :queued :unacked :oldest-ms :safe-to-close?}.
  :unacked are written and not yet acknowledged (where there is recovery).

      (:safe-to-close? (pending))"
  ([] (pending @current))
  ([c] (views/pending c)))

(defn queues
  "Both queues as plain data: {:out {:count :chars :unacked :credit :oldest-ms :top
  :status} :in {:count :bytes :paused? :dead :oldest-ms :top :status}}. :top are
  the event ids that wait most, [[id n] …]; :status is :ok, :slow (more than 100)
  or :backpressure (full). With :on-inbox-full :persist, :persisted are the bytes of
  its files that are not in memory.

      (get-in (queues) [:in :status])"
  ([] (queues @current))
  ([c] (views/queues c)))

(defn ledger
  "The events that were accepted and did not safely arrive, oldest first: {:rows
  [{:event-id :why :at}] :why {:expired n …} :lost-rows n}. :why is :drop-oldest,
  :drop-newest, :coalesce, :expired, :inbox-full, :closed or :unacked (written, and
  the session was lost before it was acknowledged). :at is in the milliseconds of
  the client's clock. The last 1000 rows are kept.

      (:rows (ledger))"
  ([] (ledger @current))
  ([c] (if (client/client? c) (:ledger @(:state c)) {:rows [] :why {} :lost-rows 0})))

(defn pause!
  "What is received waits from now on, until resume!; whoever sends is slowed down
  once half of the inbox is full.

      (pause!)"
  ([] (pause! @current))
  ([c] (when (client/client? c) (intake/pause! c))))

(defn resume!
  "What has waited since pause! is handled, in its order.

      (resume!)"
  ([] (resume! @current))
  ([c] (when (client/client? c) (intake/resume! c))))

(defn dead-letters
  "The events whose handlers have thrown, oldest first: [{:id :event :uid :error
  :at :tries}]. The last 100 are kept.

      (map :event (dead-letters))"
  ([] (dead-letters @current))
  ([c] (if (client/client? c) (:dead @(:inbox c)) [])))

(defn retry-dead-letter!
  "Hands the event of a dead letter to its handlers again. {:status :ok}, or
  :not-found.

      (run! #(retry-dead-letter! (:id %)) (dead-letters))"
  ([id] (retry-dead-letter! @current id))
  ([c id] (if (client/client? c) (intake/retry! c id) {:status :not-found})))

(defn discard-dead-letter!
  "Forgets a dead letter. {:status :ok}, or :not-found.

      (discard-dead-letter! 0)"
  ([id] (discard-dead-letter! @current id))
  ([c id] {:status (if (and (client/client? c) (intake/exhume! c id)) :ok :not-found)}))

(defn make-buffered-sender
  "A function that gathers events and hands them on together: (f events), with a
  vector of them, or to a client's send! where f is a client. What f returns may
  be {:status :backpressure}: then they are kept, and tried again with the next.

  (sender event) returns {:status :queue-size}: :ok, :frame-full (it begins the
  next bundle), :backpressure, :closed. (sender :flush!) hands on what waits now,
  (sender :close!) does so for the last time.
  Options: :event-buffer-ms (25), :event-buffer-size (100), :max-buffer-size (1000).

      (def out (make-buffered-sender (fn [events] (println (count events)))))
      (out [:log/line \"one\"])
      (out :close!)"
  ([f] (make-buffered-sender f nil))
  ([f options]
   (#?(:scittle (host/more :buffered "make-buffered-sender") :default buffered/buffered)
                 (if (client/client? f) (fn [events] (last (mapv #(out/put! f % nil) events))) f)
                 (:after (or (:platform options) (:platform (if (client/client? f) f @current)) (host/platform)))
                 options)))

;; Beginning and end.

(defn- make! [platform target opts on-message]
  (life/make! platform target opts {:fallback handle-event :send-fn send! :on-message on-message}))

(defn connect!
  "Connects to a sidecar, and again whenever the link is lost. Returns the client
  at once; what is sent meanwhile waits. The argument is an address or a map of
  options; without one it is, in a browser, the server of the page, elsewhere
  SENTE_LITE_URL or the newest live socket of this user. A program that a sidecar
  has started says :stdio: it speaks on its own stdin and stdout then, and what
  it prints goes to stderr.

      (connect! \"unix:/tmp/chat.sock\")
      (connect! {:url \"ws://127.0.0.1:8090\" :on-open (fn [{:keys [uid]}] (println \"I am\" uid))})"
  ([] (connect! {}))
  ([options]
   (let [given    (if (or (string? options) (keyword? options)) {:url options} options)
         opts     (options/check options/connecting given)
         platform (or (:platform opts) (host/platform))
         opts     ((:form platform identity) opts)
         target   ((:target platform) opts)
         c        (make! platform target (life/connect-options opts target) (fn [f {:keys [id data]}] (f id data)))]
     (client/open! c)
     c)))

(declare stop!)

(defn start!
  "Spawns a sidecar and becomes its handler: what pages and programs send comes to
  this script. Blocks on the JVM and Babashka until it is ready and returns the
  client, with :port :url :listen :send! :broadcast! :stop! :connected-uids; gives a
  promise of it in nbb. Throws (or rejects) with an ex-info that has the sidecar's
  last lines where it cannot start. A sidecar that dies is started again, at the
  same addresses, and every call that waits is told so.

      (start! {:port 0 :static \"public\"})
      (start! {:listen [\"unix:/tmp/chat.sock\"] :config {:flow {:max-buffer-size 5000}}})"
  ([] (start! {}))
  ([options]
   (let [given    (:platform options)
         platform (if (map? given) given (host/platform))]
     ((:start platform) platform options
                        {:make! make! :stop! stop! :send-to-client! send-to-client!
                         :begun! (fn [c]
                                   (reset! current (assoc c :send! (partial send-to-client! c) :send-fn (partial send-to-client! c)
                                                          :broadcast! (partial broadcast! c) :stop! (partial stop! c))))
                         :ended! life/ended!}))))

(defn stop!
  "Ends a client: what waits is written, then the link is closed, and a sidecar of
  ours ends. Open calls get :chsk/closed. Returns a promise of {:status :closed},
  which a sidecar of ours has left its addresses by.

      (stop!)"
  ([] (stop! @current))
  ([c]
   (if (client/client? c) (life/stop! c) (settled c closed))))

(defn wait!
  "Blocks until the client is closed for good, so that a script lives on:
  {:status :closed :why {:code :reason}}. In JavaScript, where nothing blocks, a
  promise of that. Its last line in a script:

      (on! :chat/say (fn [{:keys [data]}] (println data)))
      (comment (wait!))"
  ([] (wait! @current))
  ([c] (if (client/client? c) ((:wait (:platform c)) (:closed c)) (settled c closed))))

(defn reconnect!
  "Opens the link anew, whatever its state; Sente's chsk-reconnect!.

      (reconnect!)"
  ([] (reconnect! @current))
  ([c]
   (when (client/client? c) (life/reconnect! c))))

(defn after!
  "Calls f in ms milliseconds, where handlers run, by the client's clock: in a
  test that is a virtual one. Returns a function that takes it back.

      (after! 1000 (fn [] (send! [:job/tick])))"
  ([ms f] (after! @current ms f))
  ([c ms f] (if (client/client? c) ((:after (:platform c)) ms #(intake/later! c [:sente-lite/after] f)) (fn []))))

(def ^{:doc "Sente's name of reconnect!.\n\n      (chsk-reconnect!)"} chsk-reconnect! reconnect!)
(def ^{:doc "Sente's name of stop!.\n\n      (chsk-disconnect!)"} chsk-disconnect! stop!)
(def ^{:doc "sente_lite's name of stop!.\n\n      (close!)"} close! stop!)
