(ns matrix-host
  "The host of sente-lite.matrix for a page: serves a folder, prints the address
  of its WebSocket, ends with its stdin."
  (:require [clojure.string :as str]
            [sente-lite.core :as s]
            [sente-lite.matrix :as matrix]))

(defn -main [& [folder]]
  (let [host (s/start! {:port 0 :static folder :config matrix/config :on-error (fn [_]) :on-handler-error (fn [_])})]
    (matrix/play-host! host)
    (println (str/replace (:url host) #"^http" "ws"))
    (while (read-line))
    @(s/stop! host)
    (shutdown-agents)))
