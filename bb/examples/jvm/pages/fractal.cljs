(ns fractal
  (:require [sente-lite.core :as s]))

(def whole {:x -0.7 :y 0 :scale 3.4})

(defonce state (atom (assoc whole :id 0)))

(defn el [id] (js/document.getElementById id))
(def canvas (el "canvas"))
(def context (.getContext canvas "2d"))

(defn say! [text] (set! (.-textContent (el "said")) text))

(defn size
  "In pixels of the screen, as many as the script draws."
  []
  (let [box   (.getBoundingClientRect canvas)
        ratio (min (or js/devicePixelRatio 1) (/ 1600 (.-width box)) (/ 1200 (.-height box)))]
    [(max 1 (js/Math.floor (* ratio (.-width box)))) (max 1 (js/Math.floor (* ratio (.-height box))))]))

(defn draw! []
  (let [[width height] (size)
        {:keys [id scale] :as view} (swap! state update :id inc)
        view (assoc view :width width :height height :scale (* scale (max 1 (/ width height 1.5))))] ; all of it fits
    (say! "drawing …")
    (s/ask! [:fractal/draw view]
            {:cb (fn [reply]
                   (when (= id (:id @state))
                     (if (s/error? reply)
                       (say! (:message (s/error-map reply)))
                       (say! (str width " × " height ", up to " (:most reply) " steps, " (:ms reply) " ms on "
                                  (:cores reply) (if (= 1 (:cores reply)) " core" " cores"))))))})))

(defn band! [{{:keys [id y png]} :data}]
  (let [image (js/Image.)]
    (set! (.-onload image)
          (fn [_]
            (when (= id (:id @state))
              (.drawImage context image 0 y))))
    (set! (.-src image) png)))

(defn fit! []
  (let [[width height] (size)]
    (set! (.-width canvas) width)
    (set! (.-height canvas) height)
    (draw!)))

(defn go! [f & args]
  (apply swap! state f args)
  (draw!))

(defn zoom [view by] (update view :scale #(min 6 (max 1e-12 (* by %)))))

(defn move
  "By parts of the width."
  [{:keys [scale] :as view} dx dy]
  (let [[width height] (size)
        wide (* scale (max 1 (/ width height 1.5)))]
    (-> view (update :x + (* dx wide)) (update :y + (* dy wide)))))

(def keys->change
  {"+"          #(zoom % 0.5)
   "="          #(zoom % 0.5)
   "-"          #(zoom % 2)
   "Home"       #(merge % whole)
   "ArrowLeft"  #(move % -0.15 0)
   "ArrowRight" #(move % 0.15 0)
   "ArrowUp"    #(move % 0 -0.15)
   "ArrowDown"  #(move % 0 0.15)})

(.addEventListener canvas "keydown"
                   (fn [e]
                     (when-let [change (keys->change (.-key e))]
                       (.preventDefault e)
                       (go! change))))

(.addEventListener canvas "click"
                   (fn [e]
                     (let [box  (.getBoundingClientRect canvas)
                           unit (/ 1 (.-width box))
                           dx   (* unit (- (.-clientX e) (.-left box) (/ (.-width box) 2)))
                           dy   (* unit (- (.-clientY e) (.-top box) (/ (.-height box) 2)))]
                       (go! #(zoom (move % dx dy) 0.4)))))

(doseq [b (js/Array.from (js/document.querySelectorAll "[data-key]"))]
  (.addEventListener b "click" (fn [_] (go! (keys->change (.. b -dataset -key))))))

(let [later (atom nil)]
  (js/addEventListener "resize" (fn [_] (js/clearTimeout @later) (reset! later (js/setTimeout fit! 150)))))

(s/connect! {:on-ready (fn [_] (fit!))})
(s/on! :fractal/band band!)
(s/on! :chsk/state
       (fn [{[_ {:keys [phase]}] :data}]
         (set! (.. (el "link") -dataset -phase) (name phase))
         (set! (.-textContent (el "link")) (case phase :open "connected" :closed "closed" "connecting"))))
