(ns sente-lite.channels
  "A session's subscriptions, which are calls of its own. Pure."
  {:no-doc true}
  (:require [sente-lite.flow :as flow :refer [emit hurry]]
            [sente-lite.recovery :as recovery]
            [sente-lite.wire :as wire]))

(defn push
  "One more that waits."
  [s item]
  (flow/wake (assoc s :out (conj (:out s) item) :chars (+ (:chars s) (count (:text item))))))

(defn next-cb
  "Another name for a call of ours: [cb state]."
  [s]
  (let [n (inc (:next-cb s))]
    [(str "c" n) (assoc s :next-cb n)]))

(defn call-text
  "An event's text as a call."
  [text cb]
  (str "[" text " \"" cb "\"]"))

(defn linked?
  "Is there a session that items may belong to, be its link there or not?"
  [s]
  (and (contains? #{:open :waiting :connecting :greeting} (:phase s))
       (or (= :open (:phase s)) (recovery/alive? s))))

(defn- join [s channel]
  (let [[cb s] (next-cb s)]
    [(-> s (assoc-in [:subs channel] cb)
         (assoc-in [:calls cb] {:channel channel :id :sente-lite/subscribe}))
     {:text (call-text (wire/text [:sente-lite/subscribe {:channel-id channel}]) cb) :cb cb :id :sente-lite/subscribe}]))

(defn subscribe
  "Joins a channel, now and after each reconnect to another session."
  [s channel]
  (if (contains? (:subs s) channel)
    s
    (let [[s item] (if (linked? s) (join s channel) [(assoc-in s [:subs channel] nil) nil])]
      (if item (hurry (push s item)) s))))

(defn unsubscribe
  "Leaves a channel."
  [s channel]
  (if (contains? (:subs s) channel)
    (let [s (update s :subs dissoc channel)]
      (if (linked? s)
        (let [[cb s] (next-cb s)]
          (-> (assoc-in s [:calls cb] {:left channel :id :sente-lite/unsubscribe})
              (push {:text (call-text (wire/text [:sente-lite/unsubscribe {:channel-id channel}]) cb) :cb cb :id :sente-lite/unsubscribe})
              hurry))
        s))
    s))

(defn joined
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

(defn rejoin
  "After a reconnect to another session: joins go ahead of what waited, so that
  nothing published from now on is missed."
  [s]
  (let [waited (:out s)
        s      (assoc s :out [] :chars 0)
        s      (reduce (fn [s c] (let [[s item] (join s c)] (push s item))) s (keys (:subs s)))]
    (reduce push s waited)))
