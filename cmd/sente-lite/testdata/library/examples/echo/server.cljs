(ns server (:require ["child_process" :refer [spawnSync]] [sente-lite.words :as words]))
(println (words/greeting) (-> (spawnSync js/process.env.SENTE_LITE_BIN #js ["version" "--edn"]) .-stdout str))
(when-not js/process.env.ONCE
  (js/setInterval (fn []) 1000))
