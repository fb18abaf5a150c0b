;; A page whose sidecar comes and goes: its address is in the page's own.

(ns outbox
  (:require [sente-lite.core :as s]))

(def client
  (s/connect! {:url (.get (js/URLSearchParams. (.-search js/location)) "to")
               :backoff-ms-fn (fn [_ _] 50)}))

(set! (.-phase js/window) (fn [] (name (:phase (s/state client)))))
(set! (.-waiting js/window) (fn [] (:queue-size (s/stats client))))
(set! (.-say js/window)
      (fn [from to]
        (doseq [n (range from to)]
          (s/send! client [:note/kept {:n n :text (str "note " n " ½ \"quoted\"")}]))
        (:queue-size (s/stats client))))
