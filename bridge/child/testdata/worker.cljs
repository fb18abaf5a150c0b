;; A worker: it squares numbers, and takes what it is told by anybody.
(ns worker (:require ["readline" :as readline] [clojure.edn :as edn]))
(defn say! [value] (println (pr-str value)))
(defn take! [[event cb]]
  (cond (= event :worker/note)   (say! [:worker/noted cb])
        (not (vector? event))    nil                                                  ; ready, say
        (= :worker/throw (first event)) (throw (js/Error. "this worker is out of order"))
        :else                    (let [n (:n (second event))] (say! [:chsk/reply cb (* n n)]))))
(.on (readline/createInterface #js {:input js/process.stdin}) "line" (comp take! edn/read-string))
(say! [:sente-lite/hello {}])
