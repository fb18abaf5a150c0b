(ns ^:no-doc sente-lite.shared.more)
(defn after [x] x)
