(ns server
  "Draws the Mandelbrot set on all cores, a band at a time, and sends the bands as
  pictures to the page that has asked for them."
  (:require [sente-lite.core :as s]))

(def elsewhere "This example draws with java.awt, which only the JVM has: clojure -M server.cljc")

#?(:bb   (do (println elsewhere) (System/exit 1))
   :cljs (do (println elsewhere) (js/process.exit 1))
   :clj
   (do
     (import '(java.awt.image BufferedImage)
             '(java.io ByteArrayOutputStream)
             '(java.util Base64)
             '(javax.imageio ImageIO))

     (System/setProperty "java.awt.headless" "true")

     (def cores (.availableProcessors (Runtime/getRuntime)))
     (def band "Rows of one picture." 32)
     (defonce wanted (atom {})) ; uid → the drawing it wants: an older one stops

     (def palette
       (let [stops [[22 22 20] [44 74 138] [157 182 242] [251 250 247] [229 180 90] [138 60 30] [22 22 20]]
             n     (/ 1020 (dec (count stops)))]
         (int-array
          (for [[a b] (partition 2 1 stops) i (range n)]
            (let [[r g b] (map (fn [x y] (long (+ x (* (- y x) (/ i n))))) a b)]
              (+ (* 65536 r) (* 256 g) b))))))

     (defn escape
       "How fast a point runs away, smoothed; negative where it stays."
       ^double [^double cx ^double cy ^long most]
       (loop [x 0.0 y 0.0 n 0]
         (let [xx (* x x) yy (* y y)]
           (cond
             (> (+ xx yy) 65536.0) (- (+ n 4.0) (/ (Math/log (/ (Math/log (+ xx yy)) 2.0)) (Math/log 2.0)))
             (= n most)            -1.0
             :else                 (recur (+ (- xx yy) cx) (+ (* 2.0 x y) cy) (inc n))))))

     (defn color ^long [^double escaped]
       (if (neg? escaped)
         0x161614
         (aget ^ints palette (rem (long (* 34.0 (Math/sqrt (max 0.0 escaped)))) 1020))))

     (defn draw
       "The rows of a drawing from y on, as a data URL."
       [{:keys [x y scale width height most]} from]
       (let [rows  (min band (- height from))
             step  (double (/ scale width))
             left  (double (- x (/ scale 2)))
             top   (double (- y (* step (/ height 2.0))))
             most  (long most)
             image (BufferedImage. width rows BufferedImage/TYPE_INT_RGB)]
         (dotimes [j rows]
           (dotimes [i width]
             (.setRGB image i j (unchecked-int (color (escape (+ left (* step i)) (+ top (* step (+ from j))) most))))))
         (let [out (ByteArrayOutputStream.)]
           (ImageIO/write image "png" out)
           (str "data:image/png;base64," (.encodeToString (Base64/getEncoder) (.toByteArray out))))))

     (defn drawing
       "What a page asks for, or nil: anything may come from a page."
       [{:keys [id x y scale width height]}]
       (when (and (every? int? [id width height]) (<= 1 width 1600) (<= 1 height 1200)
                  (every? number? [x y scale]) (<= 1e-13 scale 8))
         {:id id :x (double x) :y (double y) :scale scale :width width :height height
          :most (long (min 4000 (+ 200 (* 80 (Math/log (/ 4 scale))))))}))

     (defn draw-for! [uid d reply!]
       (let [began (System/nanoTime)
             here? (fn [] (= d (get @wanted uid)))
             send! (fn [from]
                     (when (here?)
                       (s/send-to-client! uid [:fractal/band {:id (:id d) :y from :png (draw d from)}])))]
         (dorun (pmap send! (range 0 (:height d) band)))
         (reply! (if (here?)
                   {:ms (quot (- (System/nanoTime) began) 1000000) :cores cores :most (:most d)}
                   :stopped))))

     (s/on! :fractal/draw
       (fn [{:keys [uid data reply!]}]
         (if-let [d (drawing data)]
           (do (swap! wanted assoc uid d)
               (future (draw-for! uid d reply!))) ; the next event need not wait
           (reply! [:sente-lite/error {:category :incorrect :code :fractal/bad-drawing
                                       :message "a drawing is {:id :x :y :scale :width :height}, numbers within bounds"}]))))

     (s/on! :sente-lite/close
       (fn [{:keys [data]}]
         (swap! wanted dissoc (:uid data))))

     (s/start! {:port    (parse-long (or (System/getenv "PORT") "8090"))
                :static  "pages"
                :on-open (fn [{:keys [listen]}] (println "Open" (first listen)))})
     (s/wait!)))
