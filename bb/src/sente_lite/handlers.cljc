(ns sente-lite.handlers
  "Who wants which events: a client's table of what on!, take! and subscribe! have
  registered, an atom under :handlers."
  {:no-doc true})

(defn table
  "An empty one."
  []
  (atom {:by-id {} :subs {} :next 0 :wide? false}))

(defn key-of
  "The event id of what on! was given, or an ex-info."
  [what]
  (let [id (if (map? what) (:event-id what :*) what)]
    (when-not (and (keyword? id) (or (= :* id) (namespace id)))
      (throw (ex-info (str "sente-lite: on!: " (pr-str id) " is no event id; expected :namespace/name, :namespace/* or :*")
                      {:category :incorrect :code :sente-lite/bad-event :given id :expected ":namespace/name, :namespace/* or :*"})))
    id))

(defn add!
  "Registers a handler {:id :key :f …} and returns it."
  [c key more f]
  (let [h (atom nil)]
    (swap! (:handlers c)
           (fn [t]
             (let [n (inc (:next t))]
               (reset! h (merge {:id n :key key :f f} more))
               (-> (assoc t :next n)
                   (assoc :wide? (or (:wide? t) (= "*" (name key))))
                   (update-in [:by-id key] (fnil conj []) @h)))))
    @h))

(defn remove!
  "Ends a handler."
  [c h]
  (when-let [cancel (:cancel h)] (cancel))
  (swap! (:handlers c)
         (fn [t]
           (let [left (filterv #(not= (:id h) (:id %)) (get-in t [:by-id (:key h)]))]
             (if (seq left)
               (assoc-in t [:by-id (:key h)] left)
               (update t :by-id dissoc (:key h)))))))

(defn add-timed!
  "Registers one of on!'s map. `late` is called when its time has passed,
  `dropped` when drop! has ended it before."
  [c key {:keys [pred once? timeout-ms]} f late dropped]
  (let [done   (atom false)
        cancel (atom nil)
        h      (add! c key {:pred pred :once? once? :done done :dropped dropped
                            :cancel (fn [] (when-let [f @cancel] (f)))} f)]
    (when timeout-ms
      (reset! cancel ((:after (:platform c)) timeout-ms
                      (fn []
                        (when (compare-and-set! done false true)
                          (remove! c h)
                          (when late (late)))))))
    h))

(defn take!
  "See sente-lite.core/take!."
  [c what timeout-ms pred]
  (let [{:keys [promise deliver]} ((:promise (:platform c)))]
    (add-timed! c (key-of what)
                {:pred pred :once? true :timeout-ms (or timeout-ms (:call-timeout-ms (:options c)))}
                deliver #(deliver :chsk/timeout) #(deliver :chsk/closed))
    promise))

(defn drop!
  "Ends a handler, or all of an event's, and tells who waits for them."
  [c what]
  (run! (fn [h]
          (remove! c h)
          (when-let [dropped (:dropped h)] (dropped)))
        (if (map? what) [what] (get-in @(:handlers c) [:by-id what]))))

(defn size
  "How many there are, of one event or (nil) in all."
  [c what]
  (let [by-id (:by-id @(:handlers c))]
    (if what (count (get by-id what)) (reduce + 0 (map count (vals by-id))))))

(defn- wanting
  "Those of an event, in the order of their registration."
  [table id]
  (let [by-id (:by-id table)
        exact (get by-id id)]
    (if (:wide? table)
      (sort-by :id (concat exact (get by-id (keyword (namespace id) "*")) (get by-id :*)))
      exact)))

(defn- claim!
  "A handler that wants one event gets one, whoever else is looking."
  [c h]
  (or (not (:once? h))
      (when (compare-and-set! (:done h) false true)
        (remove! c h)
        true)))

(defn takers!
  "The handlers that take a msg now. (failed e) hears what a predicate throws."
  [c msg failed]
  (filterv (fn [h]
             (and (or (nil? (:pred h))
                      (try ((:pred h) msg) (catch #?(:clj Throwable :cljs :default) e (failed e) false)))
                  (claim! c h)))
           (wanting @(:handlers c) (:id msg))))

;; Channels.

(defn join! [c channel f] (swap! (:handlers c) update-in [:subs channel] (fnil conj []) f))
(defn leave! [c channel] (swap! (:handlers c) update :subs dissoc channel))
(defn joined [c channel] (get-in @(:handlers c) [:subs channel]))

;; Who is connected, for those who want to see it.

(defn view
  "Sente's connected-uids, with counts: {:any #{uid} :ws #{uid} … :peers
  {client-id peer} :counts {uid n}}."
  [peers]
  (let [all (vals peers)]
    (merge (reduce (fn [m p] (update m (:transport p) (fnil conj #{}) (:uid p))) {} all)
           {:any    (into #{} (map :uid) all)
            :peers  peers
            :counts (frequencies (map :uid all))})))

(defn seen!
  "Notes who comes and goes."
  [c id {:keys [client-id] :as peer}]
  (case id
    :sente-lite/open  (swap! (:connected c) (fn [v] (view (assoc (:peers v) client-id peer))))
    :sente-lite/close (swap! (:connected c) (fn [v] (view (dissoc (:peers v) client-id))))
    nil))
