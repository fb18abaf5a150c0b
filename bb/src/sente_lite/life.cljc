(ns sente-lite.life
  "How clients begin and end: what core's connect!, stop! and reconnect! do."
  {:no-doc true}
  (:require [sente-lite.client :as client]
            [sente-lite.handlers :as handlers]))

(def current "The client that was started or connected last." (atom nil))

(def ^:private next-client
  "The handlers that were registered before there was a client: the next one's."
  (atom {:handlers (handlers/table)}))

(defn listener
  "Whose handlers on! and off! work on, where no client is given."
  []
  (let [c @current]
    (if (and c (not= :closed (:phase @(:state c)))) c @next-client)))

(defn make!
  "The current client from now on, with the handlers that waited for it."
  [platform target opts more]
  (let [c (client/make platform target opts (merge more @next-client))]
    (reset! next-client {:handlers (handlers/table)})
    (reset! current c)
    c))

(defn ended!
  "It could not start: its handlers are for whoever starts it again, corrected."
  [c]
  (reset! current nil)
  (reset! next-client (select-keys c [:handlers])))

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
                    (merge {:bundle true} (:hello (:form opts))
                           (when recover? {:recover true})
                           (when credit {:credit credit})
                           (when (:handler? opts) {:handler true})
                           (when-let [t (:token target)] (when-not (fn? t) {:auth t})))))))

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
