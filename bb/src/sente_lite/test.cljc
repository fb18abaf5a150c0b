(ns sente-lite.test
  "Tests without a sidecar, a network or a wait: a world in memory, with a clock
  that stands still until a test moves it.

      (require '[sente-lite.core :as s] '[sente-lite.test :as t])

      (def w (t/world))
      (def host (t/start! w))                                  ; as s/start!
      (def page (t/connect! w {:uid \"ada\"}))                   ; as s/connect!
      (s/on! host :greet/me (fn [{:keys [data reply!]}] (reply! (str \"Hello, \" data))))

      (def reply (s/ask! page [:greet/me \"Ada\"]))
      @reply                                                   ;=> :sente-lite.test/pending
      (t/settle! w)
      @reply                                                   ;=> \"Hello, Ada\"

  Nothing happens by itself. settle! runs what is due now: links, handlers,
  replies; advance! does so for a stretch of virtual time, in order: time-outs,
  reconnects, heartbeats, s/after!. So ten seconds take milliseconds, and a test
  that passed once passes always.

  The clients are those of sente-lite.core, with their queues, calls, hooks and
  reconnects; only what they run on is different. What the sidecar does is the
  contract's: roles, uids, targets, channels, calls, errors and their codes,
  heartbeats, :policy, :relay and :auth with plain :token. It starts no programs
  and has no modules. A world has one sidecar, and is used by one thread.

  It is the same on Babashka, the JVM, nbb and Scittle. A promise here is an atom
  that holds pending first; in JavaScript it can be awaited as well."
  (:require [sente-lite.core :as s]
            [sente-lite.memory :as memory]
            [sente-lite.sidecar :as sidecar]
            [sente-lite.start :as start]
            [sente-lite.wire :as wire]))

(def pending
  "What a promise holds before it has its value.

      (let [reply (s/ask! page [:greet/me \"Ada\"])]
        [(= t/pending @reply) (do (t/settle! w) @reply)])  ;=> [true \"Hello, Ada\"]"
  ::pending)

(def ^:private most-log 10000)

(defn world
  "A world with nobody in it. Options: :config, a sidecar's configuration: with
  it one is there already, without a script; :luck, the number from 0 to 1 that
  delays of reconnects are made with (0.5); :max-steps, after which advance! and
  settle! take what goes on for endless (100000).

      (t/now (t/world))                                                 ;=> 0
      (let [w (t/world {:config {:relay [{:event :chat/* :to :all}]}})]
        (:open? (s/state (t/connect! w))))                              ;=> true"
  ([] (world nil))
  ([{:keys [config luck max-steps]}]
   (let [w (atom {:now 0 :seq 0 :due (sorted-map) :hub nil :luck (or luck 0.5) :max-steps (or max-steps 100000) :clients 0 :nets [] :log [] :printed []})]
     (when config
       (swap! w assoc :hub (-> (memory/hub {:now (fn [] (:now @w)) :after (fn [ms f] ((::after @w) ms f))} config)
                               (as-> h (do (swap! (:state h) assoc :serve? true) h)))))
     (swap! w assoc ::after
            (fn [ms f]
              (let [k (:last (swap! w (fn [st]
                                        (let [n (inc (:seq st)) k [(+ (:now st) (max 0 ms)) n]]
                                          (-> (assoc st :seq n :last k) (assoc-in [:due k] f))))))]
                (fn [] (swap! w update :due dissoc k)))))
     w)))

;; The clock.

(defn- after! [w ms f] ((::after @w) ms f))

(defn- next-due!
  "Takes out what is due next, and sets the clock to it."
  [w until]
  (let [st    @w
        [k f] (first (:due st))]
    (cond
      (or (nil? k) (> (nth k 0) until)) nil
      (compare-and-set! w st (assoc (update st :due dissoc k) :now (max (:now st) (nth k 0)))) f
      :else (recur w until))))

(defn- run-until! [w until done?]
  (loop [n 0]
    (when (> n (:max-steps @w))
      (throw (ex-info (str "sente-lite: advance!: " (:max-steps @w) " steps, and still something is due: do two handlers send to each other for ever?")
                      {:category :incorrect :code :sente-lite/no-end :now (:now @w)})))
    (when-not (done?)
      (when-let [f (next-due! w until)]
        (f)
        (recur (inc n))))))

(defn now
  "The virtual time: milliseconds since the world began.

      (let [w (t/world)] (t/advance! w 250) (t/now w))  ;=> 250"
  [w]
  (:now @w))

(defn advance!
  "Moves the clock by ms milliseconds and runs everything that is due on the way,
  in its order. Returns the new time.

      (let [reply (s/ask! page [:slow/job] {:timeout-ms 10000})]
        (s/on! host :slow/job (fn [_]))
        (t/advance! w 10000)
        @reply)                         ;=> :chsk/timeout"
  [w ms]
  (let [until (+ (:now @w) ms)]
    (run-until! w until (constantly false))
    (swap! w update :now max until)
    (now w)))

(defn settle!
  "Runs everything that is due now, and what that brings about at once.

      (let [heard (atom nil)]
        (s/on! host :chat/say (fn [{:keys [data]}] (reset! heard data)))
        (s/send! page [:chat/say \"hello\"])
        (t/settle! w)
        @heard)                          ;=> \"hello\""
  [w]
  (advance! w 0))

(defn step!
  "Runs the one thing that is due next, if something is due now: true, or false
  where nothing was. For what may happen between any two things.

      (let [_       (s/send! page [:chat/say \"hello\"])
            written (t/step! w)]   ; it has not arrived
        (t/cut! w page)
        written)                   ;=> true"
  [w]
  (if-let [f (next-due! w (:now @w))]
    (do (f) true)
    false))

;; What a client runs on.

(defn- a-promise []
  (let [p (atom pending)]
    #?(:cljs (js/Object.assign p #js {:then (fn [done _]
                                              (if (= pending @p)
                                                (add-watch p (gensym "then") (fn [_ _ _ v] (done v)))
                                                (done @p)))}))
    {:promise p :deliver (fn [v] (compare-and-set! p pending v))}))

(defn- settled [v]
  (let [{:keys [promise deliver]} (a-promise)] (deliver v) promise))

(defn- lane
  "Handlers run one by one, each when the world gets to it."
  [w]
  (let [waiting (atom 0)]
    {:put!   (fn [f]
               (swap! waiting inc)
               (after! w 0 (fn [] (swap! waiting dec) (f))))
     :size   (fn [] @waiting)
     :close! (fn [])}))

(defn- note! [w net direction text]
  (let [v (wire/read-text text)]
    (swap! w (fn [st]
               (let [log (:log st)
                     log (if (>= (count log) most-log) (vec (drop (quot most-log 10) log)) log)]
                 (assoc st :log (conj log {:at (:now st) :client (:number net) :direction direction :value v})))))))

;; A net is one client's way to the sidecar. In its state: :link, what is open
;; there; :stalled?; :in and :out, what is under way.

(defn- drain-in! [w net]
  (loop []
    (let [{:keys [stalled? in]} @(:state net)]
      (when (and (not stalled?) (seq in))
        (swap! (:state net) update :in subvec 1)
        ((nth in 0))
        (recur)))))

(defn- drain-out! [w net]
  (let [{:keys [stalled? out]} @(:state net)]
    (when (and (not stalled?) (seq out))
      (swap! (:state net) update :out subvec 1)
      ((nth out 0))
      (when (empty? (:out @(:state net)))
        (let [fs (:written @(:state net))]
          (swap! (:state net) assoc :written [])
          (run! #(% true) fs)))
      (after! w 0 #(drain-out! w net)))))

(defn- to-sidecar! [w net f]
  (swap! (:state net) update :in conj f)
  (after! w 0 #(drain-in! w net)))

(defn- to-client! [w net f]
  (swap! (:state net) update :out conj f)
  (after! w 0 #(drain-out! w net)))

(defn- open? [net link] (= link (:link @(:state net))))

(defn- lose!
  "The link ends on the client's side."
  [net link info]
  (when (open? net link)
    (let [fs (:written @(:state net))]
      (swap! (:state net) assoc :link nil :out [] :written [])
      (run! #(% false) fs)
      ((:lost (:on link)) info))))

(defn- attach! [w net link]
  (memory/attach! (:hub @w)
                  {:parent?      (:parent? net)
                   :claim        (:claim net)
                   :heartbeat?   (not (:parent? net))
                   :transport    (if (:parent? net) :stdio :memory)
                   :put!         (fn [text]
                                   (to-client! w net (fn []
                                                       (when (open? net link)
                                                         (note! w net :received text)
                                                         ((:text (:on link)) text)))))
                   :waiting      (fn [] (count (:out @(:state net))))
                   :when-written (fn [f]
                                   (if (empty? (:out @(:state net)))
                                     (f true)
                                     (swap! (:state net) update :written conj f)))
                   :shut!        (fn [code reason]
                                   (to-client! w net #(lose! net link {:code code :reason reason})))}))

(defn- pump! [w net link]
  (when (and (open? net link) @(:number link) (not (:stalled? @(:state net))))
    (doseq [text ((:take (:on link)))]
      (note! w net :sent text)
      (let [n @(:number link) hub (:hub @w)]
        (to-sidecar! w net #(memory/receive! hub n text))))
    ((:written (:on link)))))

(defn- dial!
  "The link comes about, or does not."
  [w net link]
  (when (and (open? net link) (nil? @(:number link)))
    (cond
      (:stalled? @(:state net)) nil ; heal! tries again

      (and (:parent? net) (:hub @w))
      (lose! net link {:code 4505 :reason "one world has one sidecar"
                       :error (wire/error :conflict :sente-lite/one-sidecar "this world has its sidecar; make another world for another one" {})})

      (or (:parent? net) (and (:hub @w) (memory/ready? (:hub @w))))
      (do (when (:parent? net)
            (swap! w assoc :hub (memory/hub {:now (fn [] (:now @w)) :after (fn [ms f] (after! w ms f))} nil)))
          (reset! (:number link) (attach! w net link))
          ((:linked (:on link)))
          (pump! w net link))

      :else (lose! net link {:code 1006 :reason "cannot connect: there is no sidecar in this world"}))))

(defn- end-sidecar! [w code reason]
  (when-let [hub (:hub @w)]
    (swap! w assoc :hub nil)
    (memory/end! hub code reason)))

(defn- link [w net on]
  (let [l {:number (atom nil) :on on :wanted? (atom false)}]
    (swap! (:state net) assoc :link l :in [] :out [])
    (after! w 0 #(dial! w net l))
    {:wake!  (fn [urgent?]
               (cond
                 urgent? (pump! w net l)
                 (compare-and-set! (:wanted? l) false true)
                 (after! w 0 (fn [] (reset! (:wanted? l) false) (pump! w net l)))))
     :close! (fn [code reason]
               (when (open? net l)
                 (swap! (:state net) assoc :link nil :out [])
                 (let [n @(:number l) hub (:hub @w)]
                   (cond
                     (nil? n)       nil
                     (:parent? net) (to-sidecar! w net (fn []
                                                         (end-sidecar! w 1001 "shutdown")
                                                         ((:lost on) {:code 1006 :reason "the sidecar has ended"})))
                     :else          (to-sidecar! w net #(memory/detach! hub n code reason))))))}))

(defn- platform [w net]
  {:now      (fn [] (:now @w))
   :luck     (fn [] (:luck @w))
   :after    (fn [ms f] (after! w ms f))
   :promise  a-promise
   :settled  settled
   :wait     identity
   :lane     (fn [] (lane w))
   :link     (fn [_ on] (link w net on))
   :print    (fn [text] (swap! w update :printed conj text))
   :target   (fn [{:keys [token]}] {:kind :memory :hello? true :heartbeat? true :token token})
   :start    start/start!
   :spawn    (fn [_] {:kind :spawn :hello? true})
   :browse!  (fn [_])
   :exists?  (constantly false)
   :after-ready (fn [c f]
                  (run-until! w (+ (:now @w) (:start-timeout-ms (:options c))) #(not= pending @(:ready c)))
                  (f (if (= pending @(:ready c)) {:status :timeout} @(:ready c))))
   ::net     net})

(defn- new-net! [w more]
  (let [net (merge {:state (atom {:link nil :stalled? false :in [] :out [] :written []})
                    :number (:clients (swap! w update :clients inc))}
                   more)]
    (swap! w update :nets conj net)
    net))

(defn- net-of [client]
  (or (get-in client [:platform ::net])
      (throw (ex-info "sente-lite: this is no client of a test's world; expected what t/start! or t/connect! has returned"
                      {:category :incorrect :code :sente-lite/bad-client :expected "a client of t/start! or t/connect!"}))))

(defn start!
  "s/start! in this world, with its options: the script, whose sidecar it is.
  Never waits, and returns the client on every platform.

      (let [w (t/world)]
        (:uid (t/start! w {:config {:flow {:max-buffer-size 10}}})))  ;=> \"owner\""
  ([w] (start! w {}))
  ([w options]
   (s/start! (assoc options :platform (platform w (new-net! w {:parent? true}))))))

(defn connect!
  "s/connect! in this world, with its options and two more: :uid and :role
  (:client or :owner), as if a token had said so. It is open when it returns,
  where there is a sidecar.

      (:uid (s/state (t/connect! w {:uid \"bob\"})))  ;=> \"bob\""
  ([w] (connect! w {}))
  ([w options]
   (let [claim (not-empty (select-keys options [:uid :role]))
         c     (s/connect! (assoc (dissoc options :uid :role)
                                  :platform (platform w (new-net! w {:claim claim}))))]
     (settle! w)
     c)))

;; Trouble.

(defn cut!
  "Loses a client's link, without a word to either side. The client connects
  again after its backoff (advance!). Of a script it is the end of its sidecar, as
  by kill -9: every client loses its link, and it is started again.

      (let [page (t/connect! w)]
        (t/cut! w page)
        [(:phase (s/state page)) (do (t/advance! w 1000) (:phase (s/state page)))])  ;=> [:waiting :open]"
  [w client]
  (let [net  (net-of client)
        lose (fn [net info]
               (when-let [l (:link @(:state net))]
                 (swap! (:state net) assoc :in [])
                 (when-let [n @(:number l)]
                   (when-let [hub (:hub @w)] (memory/detach! hub n 1006 "connection lost")))
                 (lose! net l info)))]
    (if (:parent? net)
      (do (swap! w assoc :hub nil)
          (doseq [n (:nets @w)]
            (lose n (if (:parent? n) (sidecar/ended nil ["cut by the test"]) {:code 1006 :reason "the sidecar has ended"}))))
      (lose net {:code 1006 :reason "the link was cut"}))
    (settle! w)
    nil))

(defn stall!
  "From now on nothing gets through between a client and the sidecar, in either
  direction, and neither is told: a network that swallows. What one of them
  cannot write waits, within its limits.

      (let [page (t/connect! w)]
        (t/stall! w page)
        (t/advance! w 60000)
        (:open? (s/state page)))  ;=> false"
  [w client]
  (settle! w)
  (swap! (:state (net-of client)) assoc :stalled? true)
  nil)

(defn heal!
  "Ends a stall!: what waited gets through.

      (let [page (t/connect! w)]
        (t/stall! w page)
        (let [reply (s/ask! page [:greet/me \"Ada\"])]
          (t/heal! w page)
          @reply))                  ;=> \"Hello, Ada\""
  [w client]
  (let [net (net-of client)]
    (swap! (:state net) assoc :stalled? false)
    (drain-in! w net)
    (after! w 0 #(drain-out! w net))
    (when-let [l (:link @(:state net))]
      (dial! w net l)
      (pump! w net l))
    (settle! w)
    nil))

;; What happened.

(defn log
  "Every value that has crossed a link, in order: {:at ms, :client n, :direction
  :sent or :received, :value v}; n is the client's number in this world, from 1.
  The last ten thousand are kept.

      (let [w (t/world)]
        (t/start! w)
        (map (fn [e] [(:direction e) (first (:value e))]) (t/log w)))
      ;=> ([:sent :sente-lite/hello] [:received :sente-lite/ready])"
  [w]
  (:log @w))

(defn- events [w client direction]
  (let [n (:number (net-of client))]
    (into []
          (comp (filter #(and (= n (:client %)) (= direction (:direction %))))
                (mapcat (fn [{v :value}] (if (= :batch/events (nth v 0 nil)) (nth v 1) [v])))
                (map (fn [v] (if (vector? (nth v 0 nil)) (nth v 0) v)))
                (remove #(contains? #{:sente-lite/hello :sente-lite/ready :chsk/ws-ping :chsk/ws-pong :chsk/reply} (nth % 0 nil))))
          (log w))))

(defn sent
  "The events that a client has sent, those of its calls among them.

      (let [page (t/connect! w)]
        (s/send! page [:chat/say \"hello\"])
        (t/settle! w)
        (t/sent w page))           ;=> [[:chat/say \"hello\"]]"
  [w client]
  (events w client :sent))

(defn received
  "The events that a client has received, those of its calls among them.

      (let [page (t/connect! w {:uid \"eve\"})]
        (s/send-to-client! host \"eve\" [:chat/said \"hello\"])
        (t/settle! w)
        (t/received w page))       ;=> [[:chat/said \"hello\"]]"
  [w client]
  (events w client :received))

(defn printed
  "What the library would have printed: failures that no hook has taken.

      (let [w (t/world) host (t/start! w) page (t/connect! w)]
        (s/on! host :chat/say (fn [_] (throw (ex-info \"oh\" {}))))
        (s/send! page [:chat/say 1])
        (t/settle! w)
        (t/printed w))             ;=> [\"sente-lite: the handler of :chat/say has thrown: oh\"]"
  [w]
  (:printed @w))
