;; A script that sends 128-byte events to the first page that comes, as fast as
;; that takes them, and says how fast in lines of EDN. It runs on the JVM (or
;; Babashka) and nbb.

(ns script
  (:require [sente-lite.core :as s]
            #?(:cljs [promesa.core :as p])))

(def pad (apply str (repeat 60 "x")))
(defn event [n] [:bench/event {:n n :name "sensor-17" :value 42.5 :pad pad}])

(def rounds 4) ; the first ones warm up
(def total #?(:clj 400000 :cljs 100000))
(def step "Events between two looks at what the page has taken." 500)

(defn now [] #?(:clj (/ (System/nanoTime) 1e6) :cljs (js/performance.now)))

(defn said! [began] (println (pr-str {:events-per-s (long (/ total (/ (- (now) began) 1000.0)))})))

#?(:clj
   (defn round! [uid]
     (let [began (now)]
       (dotimes [n total]
         (when (= :backpressure (:status (s/send-to-client! uid (event n))))
           @(s/flush!)
           (s/send-to-client! uid (event n)))
         (when (zero? (mod n step)) @(s/flush! uid)))
       (s/send-to-client! uid [:bench/end total])
       @(s/flush! uid)
       (said! began)))
   :cljs
   (defn round! [uid]
     (let [began (now)]
       (p/loop [n 0]
         (if (< n total)
           (do (dotimes [k step] (s/send-to-client! uid (event (+ n k))))
               (p/let [_ (s/flush! uid)] (p/recur (+ n step))))
           (p/do (s/send-to-client! uid [:bench/end total])
                 (s/flush! uid)
                 (said! began)))))))

;; What comes before start! is the next client's: no page is missed.
(s/on! :sente-lite/open
       (fn [{:keys [data]}]
         (let [uid (:uid data)]
           #?(:clj  (future (dotimes [_ rounds] (round! uid)) (System/exit 0))
              :cljs (p/do (p/loop [n 0] (when (< n rounds) (p/do (round! uid) (p/recur (inc n))))) (js/process.exit 0))))))

(s/start! {:port 0 :on-ready (fn [{:keys [listen]}] (println (pr-str {:url (first listen)})))
           :on-error (fn [e] (println (pr-str {:error e})))})
(s/wait!)
