(ns server
  "An atom that pages see. They ask for a change by :counter/add; what the atom
  holds then goes to all of them, whoever has changed it."
  (:require [sente-lite.core :as s]))

(defonce counter (atom {:value 0 :changes 0 :by nil}))

(s/on! :counter/add
  (fn [{:keys [data uid reply!]}]
    (if (contains? #{-10 -1 1 10} data)
      (reply! (swap! counter #(-> % (update :value + data) (update :changes inc) (assoc :by uid))))
      (reply! [:sente-lite/error {:category :incorrect :code :counter/bad-step :message "a step is -10, -1, 1 or 10"}]))))

(s/on! :counter/get
  (fn [{:keys [reply!]}]
    (reply! @counter)))

(add-watch counter :pages (fn [_ _ _ now] (s/broadcast! [:counter/is now])))

(s/on! :sente-lite/open (fn [_] (s/broadcast! [:counter/pages (count (s/get-connected-uids))])))
(s/on! :sente-lite/close (fn [_] (s/broadcast! [:counter/pages (count (s/get-connected-uids))])))

(s/start! {:port    (parse-long (or #?(:clj (System/getenv "PORT") :cljs js/process.env.PORT) "8090"))
           :static  "pages"
           :on-open (fn [{:keys [listen]}] (println "Open" (first listen) "in two windows, side by side"))})
(s/wait!)
