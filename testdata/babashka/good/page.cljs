(ns sente-lite.page
  "Read by Scittle."
  (:require [goog.object :as o]))

(defn open
  "Opens."
  [url]
  (try (js/WebSocket. url) (catch js/Error e (o/get e "message")) (catch :default _ nil)))

(defn open-with
  "Opens with a class that is an argument."
  [WebSocket url]
  (WebSocket. url))
