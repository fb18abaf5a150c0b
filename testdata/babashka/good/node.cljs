(ns sente-lite.node
  "Read by nbb alone."
  (:require ["net" :as net] [promesa.core :as p]))

(defn dial "Dials." [port] (p/resolved (.connect net port)))
