;; A page of the scenario: it does what it is asked to by :do/* and notes the
;; rest in window.log, as JSON where a keyword is its name.

(ns scittle
  (:require [clojure.edn :as edn]
            [clojure.walk :as walk]))

(set! (.-log js/window) #js [])

(defn note! [& what]
  (.push (.-log js/window) (clj->js (walk/postwalk #(if (keyword? %) (subs (str %) 1) %) what))))

(def ws (js/WebSocket. (str "ws://" (.-host js/location) "/ws?v=1&credit=256"))) ; as pages that take a window do
(def calls (atom {}))

(defn say! [value] (.send ws (pr-str value)))

(defn ask! [event answered]
  (let [cb (str (count @calls))]
    (swap! calls assoc cb answered)
    (say! [event cb])))

(defn plain
  "An error as the scenario notes it."
  [value]
  (if (and (vector? value) (= :sente-lite/error (first value)))
    (select-keys (second value) [:category :code :message :event-id :retry?])
    value))

(defn do! [[id data :as event] reply]
  (case id
    :do/event       (do (say! [:page/event data]) (reply true))
    :do/ask         (ask! [:page/ask data] reply)
    :do/title       (reply (.-title js/document))
    :do/never       nil
    :do/subscribe   (ask! [:sente-lite/subscribe {:channel-id data}] #(reply (:success %)))
    :do/unsubscribe (ask! [:sente-lite/unsubscribe {:channel-id data}] #(reply (:success %)))
    :do/publish     (do (say! [:sente-lite/publish {:channel-id (:channel data) :data (:data data) :exclude-sender? (:others data)}])
                        (reply true))
    :do/send-to     (ask! [:msg/send-to-client data] #(reply (plain %)))
    :do/forbidden   (ask! [:sente-lite/peers {}] #(reply (plain %)))
    :do/leave       (do (doseq [n [1 2 3]] (say! [:page/event n]))
                        (.close ws 1000 "closed"))
    (if reply
      (reply [:sente-lite/error {:category :not-found :code :sente-lite/no-handler :event-id id :retry? false
                                 :message (str (subs (str id) 1) ": no handler here")}])
      (note! "got" event))))

(defn take! [[a b c :as value]]
  (cond
    (= a :chsk/handshake) (note! "handshake" (sort (keys (nth b 2))) (nth b 3))
    (= a :chsk/ws-ping)   (say! [:chsk/ws-pong])
    (= a :chsk/reply)     ((@calls b) c)
    (vector? a)           (do! a #(say! [:chsk/reply b %]))
    :else                 (do! value nil)))

(set! (.-onmessage ws) #(take! (edn/read-string (.-data %))))
(set! (.-onclose ws) #(note! "closed" (.-code %) (.-reason %) (.-wasClean %)))
