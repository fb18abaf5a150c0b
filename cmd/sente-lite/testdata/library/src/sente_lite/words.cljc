(ns sente-lite.words)
(defn greeting [] "hello from the library")
