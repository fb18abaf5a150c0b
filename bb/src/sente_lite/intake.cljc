(ns sente-lite.intake
  "The way in: what a client has received waits in its inbox, or in files, goes to
  its handlers in its order, and is answered; and what those handlers and hooks
  have thrown. Its client's :input! and :result! give the session its inputs."
  {:no-doc true}
  (:require [sente-lite.handlers :as handlers]
            [sente-lite.inbox :as inbox]
            [sente-lite.wire :as wire]))

(defn- now [c] ((:now (:platform c))))

;; What is told to the user.

(defn- report!
  "To a hook, or else as a line of text."
  [c hook data text]
  (if-let [f (get-in c [:options hook])]
    (try (f data)
         (catch #?(:clj Throwable :cljs :default) e
           ((:print (:platform c)) (str "sente-lite: " hook " has thrown: " (ex-message e)))))
    ((:print (:platform c)) (str "sente-lite: " text))))

(defn- handler-failed! [c event e]
  (swap! (:stats c) update :handler-errors inc)
  (report! c :on-handler-error {:event event :error e}
           (str "the handler of " (nth event 0) " has thrown: " (or (ex-message e) (str e)))))

(defn later!
  "Calls f where handlers run. What it throws is told as a handler's failure."
  [c event f]
  ((:put! (:lane c))
   (fn [] (try (f) (catch #?(:clj Throwable :cljs :default) e (handler-failed! c event e)))))
  nil)

(defn run-hook!
  "Calls the function of an option such as :on-ready."
  [c hook data]
  ;; Who was there comes again from the next link.
  (when (= :on-close hook)
    (reset! (:connected c) (handlers/view {})))
  (case hook
    :on-error      (report! c :on-error data (str (:message data) (when (:hint data) (str " (" (:hint data) ")"))))
    :on-subscribed nil
    (when-let [f (get-in c [:options hook])]
      (try (f data)
           (catch #?(:clj Throwable :cljs :default) e
             (handler-failed! c [hook] e)))))
  (when (contains? #{:on-ready :on-close} hook)
    ((:settled c) hook data)))

;; Handlers.

(defn- run-handler! [c f msg]
  (try (f msg)
       (catch #?(:clj Throwable :cljs :default) e
         (when-not (= "chsk" (namespace (:id msg)))
           (swap! (:inbox c) inbox/bury {:event (:event msg) :uid (:uid msg) :client-id (:client-id msg)
                                         :error (or (ex-message e) (str e)) :at (now c) :tries (inc (:tries msg 0))}))
         (handler-failed! c (:event msg) e)
         (when-let [reply (:?reply-fn msg)]
           (reply (wire/error :fault :sente-lite/handler-failed
                              (str "the handler of " (:id msg) " has thrown: " (or (ex-message e) (str e)))
                              {:event-id (:id msg)}))))))

(defn- replier
  "Answers a call: the first value counts."
  [c id cb turn]
  (let [open (atom true)]
    (fn reply [value]
      (if (compare-and-set! open true false)
        (let [text (try (wire/text [:chsk/reply cb value])
                        (catch #?(:clj Exception :cljs :default) e
                          ((:input! c) c [:reply (wire/text [:chsk/reply cb (wire/error :fault :sente-lite/not-edn
                                                                                         (str "the reply to " id " is no EDN: " (ex-message e)) {:event-id id})]) turn cb id])
                          (throw e)))]
          ((:result! c) c [:reply text turn cb id]))
        (do (swap! (:stats c) update :late-replies inc)
            {:status :late})))))

(defn- message [c event cb extra turn]
  (let [id    (nth event 0)
        data  (nth event 1 nil)
        reply (when cb (replier c id cb turn))]
    {:event event :id id :data data :?data data
     :uid (if extra (:uid extra) (:uid @(:state c)))
     :client-id (:client-id extra)
     :tries (:tries extra 0)
     :?reply-fn reply
     :reply! (or reply (fn [_] {:status :no-call}))
     :send-fn (:send-fn c)
     :client c}))

(defn dispatch!
  "Calls the handlers of an event, with a reply that goes to the call `cb`."
  [c event cb extra turn]
  (let [id  (nth event 0)
        msg (message c event cb extra turn)]
    (swap! (:stats c) assoc :handling id)
    (handlers/seen! c id (:data msg))
    (when-let [f (get-in c [:options :on-message])]
      (when-not (= "chsk" (namespace id))
        (run-handler! c (fn [m] ((:on-message c) f m)) msg)))
    (if-let [fs (and (= :sente-lite/channel-msg id) (handlers/joined c (:channel-id (:data msg))))]
      (run! (fn [f] (run-handler! c (fn [m] (f (assoc (:data m) :event event))) msg)) fs)
      (let [hs (handlers/takers! c msg (fn [e] (handler-failed! c event e)))]
        (if (seq hs)
          (run! (fn [h] (run-handler! c (:f h) msg)) hs)
          (run-handler! c (:fallback c) msg))))
    (swap! (:stats c) (fn [s] (-> (assoc s :handling nil) (update :handled inc))))
    nil))

;; What waits for them.

(defn- refuse-full!
  "The inbox is full: the sender hears so, and the event is counted."
  [c event cb {:keys [uid]} turn]
  (swap! (:stats c) update :refused inc)
  (let [id (nth event 0)
        e  (wire/error :busy :sente-lite/inbox-full
                       (str id " was refused: " (inbox/size @(:inbox c)) " events wait for this peer's handlers already")
                       {:event-id id :retry? true})]
    (cond
      cb  ((:input! c) c [:reply (wire/text [:chsk/reply cb e]) turn cb id])
      uid ((:input! c) c [:send (wire/text [:sente-lite/send {:to uid :event e}]) :sente-lite/error]))))

(defn take-next!
  "Handles the next of the inbox, unless it pauses."
  [c]
  (let [[old new] (inbox/swap-both! (:inbox c) inbox/pop-front)]
    (when-let [[_ event cb extra era :as entry] (inbox/front old)]
      (when (and (:full? old) (not (:full? new)) (nil? (:spill c)))
        ((:input! c) c [:room true]))
      (dispatch! c event cb extra era)
      #?(:scittle nil
         :default (when-let [sp (:spill c)] ((:handled! sp) entry))))))

(defn- take-in-memory! [c fx]
  (let [[old new] (inbox/swap-both! (:inbox c) inbox/put fx)]
    (when (and (:full? new) (not (:full? old)))
      ((:input! c) c [:room false]))
    (if (:fit? new)
      ((:put! (:lane c)) (fn [] (take-next! c)))
      (let [[_ event cb extra era] fx]
        (if (and (= :drop (:on-inbox-full (:options c))) (nil? cb))
          ((:input! c) c [:lose :inbox-full (now c) (nth event 0)])
          (refuse-full! c event cb extra era))))))

(defn take-in!
  "Puts what was received where it waits for its handlers."
  [c fx]
  #?(:scittle (take-in-memory! c fx)
     :default (if-let [sp (:spill c)]
                (let [[_ event cb extra era] fx]
                  (case ((:put! sp) fx)
                    :memory ((:put! (:lane c)) (fn [] (take-next! c)))
                    :full   (refuse-full! c event cb extra era)
                    nil))
                (take-in-memory! c fx))))

(defn pause!
  "What is received waits; credit is given until half of the inbox is full."
  [c]
  (swap! (:inbox c) assoc :paused? true)
  {:status :paused})

(defn resume!
  "What waits is handled, in its order."
  [c]
  (let [b (swap! (:inbox c) assoc :paused? false)]
    (dotimes [_ (inbox/size b)]
      ((:put! (:lane c)) (fn [] (take-next! c))))
    {:status :ok :queue-size (inbox/size b)}))

;; What has failed, or is taken by nobody.

(defn exhume!
  "Takes a dead letter out: [inbox letter], nil where there is none of that id."
  [c id]
  (let [[old _] (inbox/swap-both! (:inbox c) #(first (inbox/exhume % id)))
        taken   (inbox/exhume old id)]
    (when (second taken) taken)))

(defn retry!
  "Hands an event of the dead letters to its handlers again, or sends it again
  where it could not be packed."
  [c id]
  (if-let [{:keys [event uid client-id tries out?]} (second (exhume! c id))]
    (do (if out? ((:send-fn c) c event) (later! c event (fn [] (dispatch! c event nil {:uid uid :client-id client-id :tries tries} nil))))
        {:status :ok})
    {:status :not-found}))

(defn unhandled!
  "Nobody takes an event: a call is told so, what the user sent is counted."
  [{:keys [id client ?reply-fn]}]
  (when ?reply-fn
    (?reply-fn (wire/error :not-found :sente-lite/no-handler (str id ": no handler here") {:event-id id})))
  (when-not (contains? #{"chsk" "sente-lite"} (namespace id))
    (swap! (:stats client) update :unhandled inc)))
