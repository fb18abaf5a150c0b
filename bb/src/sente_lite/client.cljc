(ns sente-lite.client
  "A client: the pure session, and what performs its outputs on a platform.

  A platform is a map of functions, the only thing that differs between
  Babashka, nbb, Scittle and tests:

    :now     (fn [])          milliseconds, monotonic
    :luck    (fn [])          a number from 0 to 1
    :after   (fn [ms f])      calls f later; returns what takes that back
    :promise (fn [])          {:promise p :deliver f}
    :lane    (fn [])          where handlers run, in order: {:put! (fn [f]), :size, :close!}
    :link    (fn [target on]) opens a link: {:wake! (fn [urgent?]), :close! (fn [code reason])}
    :print   (fn [text])      for what nobody else takes
    :target  (fn [options])   where connect! goes: a map with :hello? where we speak first, :heartbeat?, :keep
    :start   (fn [platform options core])  what start! does: sente-lite.start's, or an error
    :spawn   (fn [options])   where that goes, as :target
    :browse! (fn [url])       opens a page for the user
    :wakes   (fn [wake!])     optional: calls it when it is worth trying at once
    :spill   (fn [options inbox]) what keeps the inbox of :persist in files: see sente-lite.spill/functions
    :after-ready (fn [c f])   gives f the outcome of start!'s first try, waiting or by a promise
    :settled (fn [v])         a promise that has its value
    :form    (fn [options])   optional: those of a client with what is around its links, as sente-lite.form/of
    :rejected (fn [e])        optional: a promise that has failed; without it start! throws
    :wait    (fn [promise])   blocks, where that can be

  A link calls (:linked on), (:text on) with a message, (:lost on) with
  {:code :reason :error} once, and ((:take on)), which gives the messages that
  are to be written now, on whatever thread may write; :wake! asks it to. Messages
  are texts; where on has :bytes? they may be bytes as well, both ways."
  {:no-doc true}
  (:require [clojure.string :as str]
            [sente-lite.address :as address]
            [sente-lite.handlers :as handlers]
            [sente-lite.inbox :as inbox]
            [sente-lite.intake :as intake]
            [sente-lite.recovery :as recovery]
            [sente-lite.session :as session]
            [sente-lite.wire :as wire]))

(defn client?
  "Is it a client, as start! and connect! return?"
  [x]
  (and (map? x) (contains? x :sente-lite/client)))

(declare step! perform!)

(defn- arm!
  "Sees to it that the session gets a tick when it next wants one."
  [c due]
  (let [armed @(:armed c)]
    (when (and armed (or (nil? due) (< due (:at armed))))
      ((:cancel armed))
      (reset! (:armed c) nil))
    (when (and due (nil? @(:armed c)))
      (let [{:keys [now after]} (:platform c)
            tick (fn []
                   (let [fx #?(:clj  (locking (:lock c)
                                       (reset! (:armed c) nil)
                                       (step! c [:tick (now)]))
                               :cljs (do (reset! (:armed c) nil)
                                         (step! c [:tick (now)])))]
                     (perform! c fx)))]
        (reset! (:armed c) {:at due :cancel (after (max 0 (- due (now))) tick)})))))

(defn- step!
  "One step; returns the outputs. One at a time: on threads the lock is held."
  [c input]
  (let [[s fx] (session/step @(:state c) input)]
    (reset! (:state c) s)
    (when-not (= (:due s) (:at @(:armed c)))
      (arm! c (:due s)))
    (when-let [keep (:keep c)] ((:changed keep) s))
    fx))

(defn input!
  "Gives the session an input and does what it says."
  [c input]
  (let [fx #?(:clj (locking (:lock c) (step! c input)) :cljs (step! c input))]
    (when (seq fx) (perform! c fx))
    nil))

(defn- input-of-turn!
  "As input!, unless a later link has taken over."
  [c turn input]
  (let [fx #?(:clj  (locking (:lock c) (when (= turn (:turn @(:state c))) (step! c input)))
              :cljs (when (= turn (:turn @(:state c))) (step! c input)))]
    (when (seq fx) (perform! c fx))
    nil))

(defn result!
  "As input!, and returns what became of it: {:status :queue-size}."
  [c input]
  (let [[fx res] #?(:clj  (locking (:lock c)
                            (let [fx (step! c input)] [fx (:result @(:state c))]))
                    :cljs (let [fx (step! c input)] [fx (:result @(:state c))]))]
    (when (seq fx) (perform! c fx))
    (when (>= (:queue-size res 0) 100)
      (let [s @(:state c)]
        (when (and (>= (:queue-size res 0) (:bundle-size s)) (not (:blocked? s)))
          (when-let [l @(:link c)] ((:wake! l) true)))))
    res))

;; Links.

(defn- now [c] ((:now (:platform c))))

(declare serve-waiters! settle-flushes!)

(defn- take-messages [c turn]
  (let [fx #?(:clj  (locking (:lock c) (when (= turn (:turn @(:state c))) (step! c [:flush (now c)])))
              :cljs (when (= turn (:turn @(:state c))) (step! c [:flush (now c)])))
        out (mapv #(nth % 1) (filter #(= :write (nth % 0)) fx))
        fx  (remove #(= :write (nth % 0)) fx)]
    (when (seq fx) (perform! c fx))
    (when (seq @(:waiters c)) (serve-waiters! c))
    out))

(defn when-written!
  "Calls f with {:status :ok} once everything that waits now has been written, or
  acknowledged where `acked?`, with :chsk/closed where the client ends first, or
  the session whose acknowledgements are waited for."
  ([c f] (when-written! c f false))
  ([c f acked?]
   (let [add (fn []
               (let [s @(:state c)]
                 (swap! (:flushes c) conj {:up-to (+ (:written (recovery/position s)) (count (:out s)))
                                           :acked? acked? :era (:era s) :f f})))]
     #?(:clj (locking (:lock c) (add)) :cljs (add))
     (input! c [:hurry])
     (when acked? (settle-flushes! c)))))

(defn- take-those!
  "Takes those that `gone?` is true of out of an atom's vector, and returns them."
  [c a gone?]
  (let [take (fn []
               (let [all @a]
                 (reset! a (filterv (complement gone?) all))
                 (filterv gone? all)))]
    #?(:clj (locking (:lock c) (take)) :cljs (take))))

(defn- settle-flushes!
  "Tells those who wait in flush! that what they wait for has been written, or
  acknowledged."
  [c]
  (when (seq @(:flushes c))
    (let [s @(:state c)
          {:keys [written acked]} (recovery/position s)
          gone? (fn [{:keys [acked? era]}] (and acked? (:recover? s) (< 0 era (:era s))))]
      (when (= :open (:phase s))
        (run! #((:f %) :chsk/closed) (take-those! c (:flushes c) gone?))
        (run! #((:f %) {:status :ok})
              (take-those! c (:flushes c) (fn [{:keys [up-to acked?]}]
                                            (or (and (empty? (:out s)) (or (not acked?) (empty? (:kept s))))
                                                (>= (if acked? acked written) up-to)))))))))

;; Those who wait for room in the queue, in their order.

(defn send!
  "Gives the session an event. Where the queue is full and it is to wait, the
  result has :block?."
  [c text id opts]
  (result! c (if opts
               [:send text id (now c) opts]
               ;; Only the first of those that leave together needs the time.
               [:send text id (when-not (:woken? @(:state c)) (now c))])))

(defn- one-by-one
  "Waiters are let in by one thread at a time: each once, and in their order."
  [c f]
  #?(:clj (locking (:waiters c) (f)) :cljs (f)))

(defn- leave-line!
  "A waiter has its answer."
  [c w res]
  (swap! (:waiters c) (fn [all] (filterv #(not= (:n w) (:n %)) all)))
  ((:cancel w))
  ((:deliver w) (dissoc res :block?)))

(defn- serve-waiters!
  "Lets in those for whom there is room now, the first first."
  [c]
  (one-by-one c
              (fn []
                (loop []
                  (when-let [w (first @(:waiters c))]
                    (let [res (send! c (:text w) (:id w) (assoc (:opts w) :on-full :block))]
                      (when-not (:block? res)
                        (leave-line! c w res)
                        (recur))))))))

(defn- give-up!
  "A waiter has waited long enough: it has what there is to say now."
  [c n]
  (one-by-one c
              (fn []
                (when-let [w (first (filter #(= n (:n %)) @(:waiters c)))]
                  (leave-line! c w (send! c (:text w) (:id w) (assoc (:opts w) :on-full :notify)))))))

(defn wait-for-room!
  "A promise of what becomes of an event that waits until the queue has room for
  it, at most :block-ms."
  [c text id opts]
  (let [{:keys [promise deliver]} ((:promise (:platform c)))
        ms (or (:block-ms opts) (:block-ms (:options c)))]
    (one-by-one c
                (fn []
                  (let [n (inc (:n (peek @(:waiters c)) 0))]
                    (swap! (:waiters c) conj {:n n :text text :id id :opts opts :deliver deliver
                                              :cancel ((:after (:platform c)) ms (fn [] (give-up! c n)))}))))
    (serve-waiters! c)
    promise))

(defn forget-flush!
  "Takes back what when-written! was told."
  [c f]
  (take-those! c (:flushes c) #(identical? f (:f %))))

(defn- close-flushes! [c]
  (run! #((:f %) :chsk/closed) (take-those! c (:flushes c) (constantly true)))
  (serve-waiters! c))

(def ^:private end-ms
  "The longest that the end of a sidecar is waited for."
  8000)

(defn until-ended!
  "Calls end!, which ends the link, and then `then`: at once, or, where the link
  is a sidecar of ours, when that is no more."
  [c end! then]
  (if (and (= :spawn (:kind (:target c))) (contains? #{:connecting :greeting :open} (:phase @(:state c))))
    (let [once   (atom false)
          cancel (atom nil)
          go     (fn []
                   (when (compare-and-set! once false true)
                     (when-let [f @cancel] (f))
                     (then)))]
      (reset! cancel ((:after (:platform c)) end-ms go))
      (swap! (:ends c) conj go)
      (end!))
    (do (end!) (then))))

(defn- authorize!
  "The token for one try: one that is a function is asked each time, since tokens
  expire. It goes into the hello, where there is one."
  [c]
  (let [token (:token (:target c))]
    (if (fn? token)
      (try
        (let [t   (token)
              set (fn [] (swap! (:state c) (fn [s] (if (get-in s [:o :hello]) (assoc-in s [:o :hello :auth] t) s))))]
          #?(:clj (locking (:lock c) (set)) :cljs (set))
          {:token t})
        (catch #?(:clj Exception :cljs :default) e
          {:error (str "the token: " (ex-message e))}))
      {:token token})))

(defn- open-link! [c turn]
  (let [p    (:platform c)
        auth (authorize! c)
        gone (atom false)
        value (fn [v size]
                (input-of-turn! c turn [:value v ((:now p)) size])
                (when (seq @(:flushes c)) (settle-flushes! c)))
        unreadable (fn [why bundle?] (input-of-turn! c turn [:unreadable why bundle? ((:now p))]))
        on {:value value :unreadable unreadable
            :linked  (fn [] (input-of-turn! c turn [:linked ((:now p))]))
            :text    (fn [text]
                       (let [v (try (wire/read-text text)
                                    (catch #?(:clj Exception :cljs :default) e
                                      (unreadable (or (ex-message e) (str e)) (and (string? text) (str/starts-with? text "[:batch/events")))
                                      ::none))]
                         (when-not (= ::none v)
                           (value v (count text)))))
            :lost    (fn [info]
                       (reset! gone true)
                       (when (= turn @(:link-turn c))
                         (reset! (:link c) nil))
                       (input-of-turn! c turn [:lost (update info :reason address/without-query) ((:now p)) ((:luck p))])
                       (run! #(%) (take-those! c (:ends c) (constantly true))))
            :take    (fn [] (take-messages c turn))
            :written (fn [] (settle-flushes! c))}
        on (if-let [around (:around (:form (:options c)))]
             (around c on)
             on)]
    (reset! (:link-turn c) turn)
    (if (:error auth)
      ((:lost on) {:code 1006 :reason (:error auth)})
      (let [l ((:link p) (address/returning (assoc (:target c) :token (:token auth)) (recovery/greeting @(:state c))) on)
            _ (reset! (:link c) (when-not @gone l))
            s @(:state c)]
        (cond
          ;; It was ended before there was something to close.
          (or (not= turn (:turn s)) (= :closed (:phase s)))
          (do (when (identical? l @(:link c)) (reset! (:link c) nil))
              ((:close! l) 1000 "closed"))
          ;; It may have been linked before there was somebody to wake.
          (:woken? s) ((:wake! l) false))))))

(def ^:private handlers-ms
  "The longest that start! and wait! wait for handlers and hooks that come first."
  500)

(defn- adopt!
  "The sidecar's bounds of the inbox hold where the user has given none."
  [c {:keys [max-recv-queue-size max-recv-bytes]}]
  (let [{:keys [max-inbox max-inbox-bytes]} (:options c)]
    (swap! (:inbox c) (fn [b] (assoc b :max-inbox (or max-inbox max-recv-queue-size (:max-inbox b))
                                     :max-inbox-bytes (or max-inbox-bytes max-recv-bytes (:max-inbox-bytes b)))))))

(defn- perform-one! [c fx]
  (let [lane (:lane c)]
    (case (nth fx 0)
      :wake       (when-let [l @(:link c)] ((:wake! l) false))
      :deliver    (intake/take-in! c fx)
      :settle     ((nth fx 1) (nth fx 2))
      :hook       (let [[_ hook data] fx
                        done (atom false)]
                    (when (= :on-ready hook) (adopt! c (:limits data)))
                    ((:put! lane) (fn [] (intake/run-hook! c hook data) (reset! done true)))
                    #?(:scittle nil
                       :default (when-let [sp (when (= :on-ready hook) (:spill c))]
                                  ((:begin! sp) {:task!  (fn [] ((:put! lane) (fn [] (intake/take-next! c))))
                                                 :room!  (fn [yes?] (input! c [:room yes?]))
                                                 :error! (fn [e] ((:put! lane) (fn [] (intake/run-hook! c :on-error e))))})))
                    ;; Who waits for the beginning or the end waits for the handlers before it, but not
                    ;; for one that never returns.
                    (when (and (contains? #{:on-ready :on-close} hook) (not @done))
                      ((:after (:platform c)) handlers-ms (fn [] (when-not @done ((:settled c) hook data))))))
      :state      ((:put! lane) (fn [] (intake/dispatch! c [:chsk/state [(nth fx 2) (nth fx 1)]] nil nil nil)))
      :connect    (open-link! c (nth fx 1))
      ;; Our reason counts, and not what the end of the link looks like.
      :disconnect (let [[_ code reason error] fx turn (:turn @(:state c)) l @(:link c)]
                    (reset! (:link c) nil)
                    (input-of-turn! c turn [:lost (cond-> {:code code :reason reason} error (assoc :error error))
                                            (now c) ((:luck (:platform c)))])
                    (when l ((:close! l) code reason)))
      :write      nil)))

(defn- perform!
  "Does what a step has said, in its order. Where handlers run at once, what they
  cause comes behind it: on threads the lane sees to that."
  [c fx]
  #?(:clj  (run! #(perform-one! c %) fx)
     :cljs (let [q (:performing c)]
             (if (:busy? @q)
               (vswap! q update :waiting into fx)
               (do (vswap! q assoc :busy? true)
                   (try
                     (loop [fx fx]
                       (run! #(perform-one! c %) fx)
                       (when-let [more (seq (:waiting @q))]
                         (vswap! q assoc :waiting [])
                         (recur more)))
                     (finally
                       (vswap! q assoc :busy? false))))))))

(defn open!
  "Connects for the first time: once what an earlier page left is there."
  [c]
  (let [go (fn [kept]
             (when (map? kept) (input! c [:restore kept]))
             (input! c [:connect ((:now (:platform c)))]))]
    (when-let [wakes (:wakes (:platform c))]
      (wakes (fn [reason] (input! c [:wake ((:now (:platform c))) reason]))))
    (if-let [keep (:keep c)]
      ((:load keep) go)
      (go nil))))

(defn make
  "A client of a target, not yet connected. `more` has :fallback, :send-fn,
  :add-peer, :drop-peer, :nobody (who is connected at first), :on-message."
  [platform target options more]
  (let [ready ((:promise platform))
        gone  ((:promise platform))
        base  (merge
               {:sente-lite/client (str (random-uuid))
                :platform platform :target target :options options :input! input! :result! result!
                :state     (atom (session/create (select-keys options (concat (keys session/defaults) [:hello :heartbeat? :backoff-ms-fn :first-must?]))))
                :lock      #?(:clj (Object.) :cljs nil)
                :performing (volatile! {:busy? false :waiting []})
                :link      (atom nil) :link-turn (atom nil) :armed (atom nil) :flushes (atom []) :ends (atom []) :waiters (atom [])
                :inbox     (atom (inbox/create {:max-inbox (or (:max-inbox options) 5000) :max-inbox-bytes (or (:max-inbox-bytes options) 100000000)}))
                :handlers  (handlers/table)
                :stats     (atom {:handled 0 :unhandled 0 :refused 0 :handler-errors 0 :late-replies 0 :handling nil})
                :connected (atom (handlers/view {}))
                :lane      ((:lane platform))
                :keep      (when-let [k (:keep target)] (k))
                :ready     (:promise ready)
                :closed    (:promise gone)}
               more)
        base  #?(:scittle base
                 :default (if (= :persist (:on-inbox-full options))
                            (assoc base :spill ((:spill platform) options (:inbox base)))
                            base))
        ended (atom false)]
    (assoc base :settled
           (fn [hook data]
             (cond
               (= :on-ready hook) ((:deliver ready) {:status :ok :info data})
               (:final? data)     (when (compare-and-set! ended false true)
                                    ((:deliver gone) {:status :closed :why data})
                                    ((:deliver ready) {:status :closed :why data :error (:error @(:state base))})))
             (when (:final? data)
               (close-flushes! base)
               #?(:scittle nil
                  :default (when-let [sp (:spill base)] ((:put! (:lane base)) (:end! sp)))))))))
