(ns chat
  (:require [clojure.string :as str]
            [sente-lite.core :as s]))

(def birds
  ["Avocet" "Bittern" "Curlew" "Dipper" "Egret" "Fulmar" "Godwit" "Heron" "Jackdaw" "Kestrel" "Lapwing" "Merlin"
   "Osprey" "Plover" "Wren"])

(defonce state
  (atom {:room "lobby" :rooms ["lobby"] :names [] :phase :connecting
         :name (or (js/sessionStorage.getItem "name") (rand-nth birds))
         :said {}         ; room → id → message
         :waiting []}))   ; ours, not yet heard back

;; The script.

(defn heard! [{said :data}]
  (swap! state (fn [st]
                 (-> st
                     (assoc-in [:said (:room said (:room st)) (:id said)] said)
                     (update :waiting #(filterv (fn [m] (not= (:id m) (:id said))) %))))))

(defn catch-up!
  "What was said in a room before we came, or while we were away."
  [room]
  (s/ask! [:chat/history room]
          {:cb (fn [messages]
                 (when-not (s/error? messages)
                   (run! #(heard! {:data (assoc % :room room)}) messages)))}))

(defn enter! [room]
  (when-not (contains? (:said @state) room)
    (swap! state assoc-in [:said room] {})
    (s/subscribe! room (fn [{:keys [data]}] (heard! {:data (assoc data :room room)})))
    (catch-up! room))
  (swap! state #(-> (assoc % :room room) (update :rooms (fn [rs] (vec (sort (distinct (conj rs room)))))))))

(defn say! [text]
  (let [m {:id (str (random-uuid)) :room (:room @state) :name (:name @state) :text text}
        {:keys [status]} (s/send! [:chat/say m])]
    (when (contains? #{:ok :queued} status)
      (swap! state update :waiting conj (assoc m :sent? (= :ok status))))))

(defn back!
  "What was on its way when the link broke may be lost: it is sent again, and the
  script knows a message by its id. What was queued goes by itself."
  []
  (run! #(s/send! [:chat/say (dissoc % :sent?)]) (filter :sent? (:waiting @state)))
  (swap! state update :waiting (fn [ms] (mapv #(assoc % :sent? true) ms)))
  (run! catch-up! (keys (:said @state))))

(defn rename! [nm]
  (js/sessionStorage.setItem "name" nm)
  (swap! state assoc :name nm)
  (s/send! [:chat/name nm]))

;; The page.

(defn el [id] (js/document.getElementById id))

(defn node [tag cls text]
  (let [n (js/document.createElement tag)]
    (set! (.-className n) cls)
    (set! (.-textContent n) text)
    n))

(defn hue! [n nm]
  (let [sum (reduce + (map-indexed (fn [i c] (* (inc i) (.charCodeAt c 0))) nm))]
    (.setProperty (.-style n) "--hue" (str (mod (* 47 sum) 360)))
    n))

(defn children [n] (js/Array.from (.-children n)))

(defn fill! [id nodes] (.apply (.-replaceChildren (el id)) (el id) (to-array nodes)))

(defn room-button [room]
  (let [li (node "li" "" "") b (node "button" "" room)]
    (when (= room (:room @state)) (.setAttribute b "aria-current" "true"))
    (set! (.-onclick b) (fn [_] (enter! room)))
    (.append li b)
    li))

(defn message-node [{:keys [id name text]} waiting?]
  (let [li (node "li" (if waiting? "waiting" "") "")]
    (set! (.. li -dataset -id) id)
    (.append li (hue! (node "span" "who" name) name) (node "span" "text" text))
    (when waiting? (.append li (node "span" "fate" "waiting for the link")))
    li))

(defn show-log!
  "Adds and takes away what has changed: a screen reader hears only that."
  [{:keys [room said waiting]}]
  (let [log     (el "log")
        waiting (filter #(= room (:room %)) waiting)
        wanted  (concat (map #(vector (:id %) %) (sort-by :n (vals (get said room))))
                        (map #(vector (str "waiting " (:id %)) %) waiting))
        before  (into {} (map (fn [n] [(.. n -dataset -key) n])) (children log))
        ours    (set (map first wanted))]
    (doseq [[k n] before :when (not (contains? ours k))] (.remove n))
    (doseq [[k m] wanted :when (not (contains? before k))]
      (let [n      (message-node m (str/starts-with? k "waiting"))
            order  (:n m ##Inf) ; what waits stands last
            later? (fn [other] (> (js/Number (.. other -dataset -order)) order))
            later  (first (filter later? (children log)))]
        (set! (.. n -dataset -key) k)
        (set! (.. n -dataset -order) (str order))
        (if later (.before later n) (.append log n))
        (set! (.-scrollTop log) (.-scrollHeight log))))
    (when (empty? wanted)
      (.append log (node "li" "empty" (str "Nothing has been said in " room " yet."))))))

(defn show-link! [{:keys [phase waiting]} before]
  (let [n (count waiting) banner (el "banner")]
    (set! (.. js/document.body -dataset -phase) (name phase))
    (set! (.. (el "link") -dataset -phase) (name phase))
    (set! (.-textContent (el "link")) (case phase :open "connected" :closed "closed" "connecting"))
    (cond
      (contains? #{:waiting :closed} phase)
      (do (set! (.-hidden banner) false)
          (set! (.-className banner) "banner")
          (set! (.-textContent banner)
                (case n
                  0 "Offline."
                  1 "Offline: 1 message waits and will be sent."
                  (str "Offline: " n " messages wait and will be sent."))))
      (and (= :open phase) (zero? n) (not (.-hidden banner)) (not (str/starts-with? (.-textContent banner) "Back")))
      (do (set! (.-className banner) "banner back")
          (set! (.-textContent banner) "Back, and all is sent.")
          (s/after! 3000 #(when (= :open (:phase @state)) (set! (.-hidden banner) true)))))))

(defn show! [_ _ before now]
  (when (not= (select-keys before [:room :rooms]) (select-keys now [:room :rooms]))
    (fill! "rooms" (map room-button (:rooms now)))
    (set! (.-textContent (el "title")) (str "# " (:room now)))
    (.setAttribute (el "text") "placeholder" (str "Say something in " (:room now))))
  (when (not= (:names before) (:names now))
    (fill! "names" (map #(hue! (node "li" "" %) %) (:names now))))
  (show-link! now before)
  (show-log! now))

(defn on-enter! [form input f]
  (.addEventListener (el form) "submit"
                     (fn [e]
                       (.preventDefault e)
                       (let [text (str/trim (.-value (el input)))]
                         (when (seq text) (f text))))))

(on-enter! "say" "text" (fn [text] (say! text) (set! (.-value (el "text")) "")))
(on-enter! "new" "room" (fn [room] (enter! room) (set! (.-value (el "room")) "") (.focus (el "text"))))
(on-enter! "rename" "name" rename!)
(set! (.-value (el "name")) (:name @state))
(add-watch state :page show!)

(s/connect! {:on-ready     (fn [_] (s/send! [:chat/name (:name @state)]))
             :on-reconnect (fn [_] (back!))})
(s/on! :chsk/state (fn [{[_ now] :data}] (swap! state assoc :phase (:phase now))))
(s/on! :chat/here
       (fn [{{:keys [names rooms]} :data}]
         (swap! state (fn [st] (assoc st :names names :rooms (vec (sort (distinct (concat rooms (keys (:said st)))))))))))
(enter! "lobby")
(show! nil nil nil @state)
