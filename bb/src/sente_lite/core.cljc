(ns sente-lite.core
  "The Clojure library of sente-lite.")
