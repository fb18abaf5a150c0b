;; The page of oddities.clj: sends texts as they are, and values as they print.

(ns odd
  (:require [clojure.edn :as edn]
            [clojure.string :as str]))

(def state (atom nil)) ; {:ws, :printed}

(defn decode [text] (edn/read-string {:default tagged-literal} text))

(defn same?
  "NaN is = to nothing: what holds it is compared as it is printed."
  [a b]
  (or (= a b) (and (str/includes? (pr-str a) "##NaN") (= (pr-str a) (pr-str b)))))

(defn send! [text] (.send (:ws @state) text))

(defn take! [text]
  (cond
    ;; Untouched, whatever JavaScript would make of the value.
    (str/starts-with? text "[:odd/back ") (send! (str "[:odd/echo " (subs text (count "[:odd/back "))))
    (str/starts-with? text "[:odd/texts ")
    (do (doseq [[n t] (map-indexed vector (second (decode text)))]
          (send! (str "[:odd/value [:text " n " " t "\n]]")))
        (doseq [[n v] (map-indexed vector (:printed @state))]
          (send! (str "[:odd/value [:printed " n " " (pr-str v) "]]"))))
    (str/starts-with? text "[:odd/check ")
    (let [[_ [_ n value]] (decode text)]
      (send! (pr-str [:odd/same [:value n (same? value (nth (:printed @state) n))]])))
    (= text "[:chsk/ws-ping]")            (send! "[:chsk/ws-pong]")
    (str/starts-with? text "[:chsk/handshake ") nil
    :else                                 (js/console.error "unexpected:" text)))

(-> (js/fetch "/e2e/printed.edn")
    (.then #(.text %))
    (.then (fn [text]
             (let [ws (js/WebSocket. (str "ws://" (.-host js/location) "/ws?v=1"))]
               (reset! state {:ws ws :printed (decode text)})
               (set! (.-onmessage ws) #(take! (.-data %)))))))
