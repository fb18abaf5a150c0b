(ns server
  "Rooms, what was said in them, and who is here. Pages send :chat/say and
  :chat/name, ask :chat/history, and hear :chat/here; each room is a channel."
  (:require [clojure.string :as str]
            [sente-lite.core :as s]))

(def kept "Messages that a room remembers." 50)
(def most-rooms 100)

(defonce house (atom {:names {} :rooms {"lobby" []} :n 0}))

(defn line
  "What a page has sent is anything at all: one line of text, cut to length."
  [x most]
  (let [t (str/trim (str/replace (str x) #"\s+" " "))]
    (subs t 0 (min most (count t)))))

(defn here! []
  (let [{:keys [names rooms]} @house]
    (s/broadcast! [:chat/here {:names (vec (sort (map #(get names % "somebody") (s/get-connected-uids))))
                               :rooms (vec (sort (keys rooms)))}])))

(defn now [] (inst-ms #?(:clj (java.util.Date.) :cljs (js/Date.))))

(defn remember
  "The house with one more message, unless it has that one already: a page sends
  again what may have been lost with its link. :n puts them in order, also after
  this script was started again."
  [{:keys [rooms n] :as h} room said]
  (if (and (or (contains? rooms room) (< (count rooms) most-rooms))
           (not-any? #(= (:id said) (:id %)) (get rooms room)))
    (let [n (max (inc n) (now))]
      (-> (assoc h :n n)
          (update-in [:rooms room] #(vec (take-last kept (conj (or % []) (assoc said :n n)))))))
    h))

(s/on! :chat/say
  (fn [{:keys [data]}]
    (let [room (line (:room data) 32)
          said {:id (line (:id data) 40) :name (line (:name data) 24) :text (line (:text data) 2000)}
          new? (not (contains? (:rooms @house) room))]
      (when-not (some str/blank? [room (:name said) (:text said)])
        (let [messages (get-in (swap! house remember room said) [:rooms room])]
          (when (= (:id said) (:id (peek messages)))
            (s/publish! room (peek messages))
            (when new? (here!))))))))

(s/on! :chat/history
  (fn [{:keys [data reply!]}]
    (reply! (get-in @house [:rooms data] []))))

(s/on! :chat/name
  (fn [{:keys [uid data]}]
    (swap! house assoc-in [:names uid] (line data 24))
    (here!)))

(s/on! :sente-lite/close
  (fn [{:keys [data]}]
    (swap! house update :names dissoc (:uid data))
    (here!)))

(s/start! {:port    (parse-long (or #?(:clj (System/getenv "PORT") :cljs js/process.env.PORT) "8090"))
           :static  "pages"
           :config  {:policy {:publish false :send-to-client false}} ; pages speak to this script, not to each other
           :on-open (fn [{:keys [listen]}] (println "Open" (first listen) "in two tabs"))})
(s/wait!)
