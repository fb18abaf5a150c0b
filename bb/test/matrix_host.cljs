(ns matrix-host
  "The host of sente-lite.matrix for a page: serves a folder, prints the address
  of its WebSocket, ends with its stdin."
  (:require [clojure.string :as str]
            [sente-lite.core :as s]
            [sente-lite.matrix :as matrix]))

(.then (s/start! {:port 0 :static (first *command-line-args*) :config matrix/config :on-error (fn [_]) :on-handler-error (fn [_])})
       (fn [host]
         (matrix/play-host! host)
         (println (str/replace (:url host) #"^http" "ws"))
         (.on js/process.stdin "end" (fn [] (s/stop! host)))
         (.resume js/process.stdin)))
