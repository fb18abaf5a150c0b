(ns sente-lite.vectors-test
  "Plays testdata/flow, which the sidecar plays as well."
  (:require [clojure.edn :as edn]
            [clojure.java.io :as io]
            [clojure.string :as str]
            [clojure.test :refer [deftest is testing]]
            [sente-lite.recovery :as recovery]
            [sente-lite.session :as session]
            [sente-lite.wire :as wire]))

(defn- files []
  (let [dir (first (filter #(.isDirectory ^java.io.File %) [(io/file "testdata/flow") (io/file "../testdata/flow")]))]
    (sort (filter #(str/ends-with? (str %) ".edn") (.listFiles ^java.io.File dir)))))

(defn- ready [{:keys [recover theirs]} session more]
  [:sente-lite/ready (merge {:uid "ada" :session session :limits {:backup-secs (if (false? recover) 0 5)} :recovered? false :missed 0}
                            (when theirs {:credit theirs}) more)])

(defn- texts [fx] (mapv second (filter #(= :write (first %)) fx)))

(defn- step [{:keys [s] :as world} input]
  (let [[s fx] (session/step s input)]
    (-> (assoc world :s s) (update :fx into fx))))

(defn- greet [world value]
  (let [now (:now world)
        world (reduce step world [[:connect now] [:linked now] [:flush now] [:value value now 10]])]
    (assoc world :fx [])))

(defn- begin [{:keys [ours buffer-ms buffer-size frame recover] :as given}]
  (greet {:now 0 :fx [] :given given :n 1
          :s (session/create (merge {:hello {:bundle true} :recover? (not (false? recover)) :credit ours}
                                    (when buffer-ms {:event-buffer-ms buffer-ms}) (when buffer-size {:bundle-size buffer-size})
                                    (when frame {:bundle-chars frame})))}
         (ready given "s1" nil)))

(defn- event-of
  "The event's text within a call's."
  [text]
  (wire/text (first (edn/read-string text))))

(defn- play [world [kind & args :as what]]
  (let [{:keys [now s given]} world
        arg (first args)]
    (case kind
      :time     (loop [world (assoc world :now arg)]
                  (let [due (:due (:s world))]
                    (if (and due (<= due arg)) (recur (step world [:tick due])) world)))
      :queue    (reduce (fn [world text]
                          (let [world (case arg
                                        :event (step world [:send text :a/b now])
                                        :call  (step world [:ask (event-of text) :a/c 60000 :k now])
                                        :reply (step world [:reply text (:era s) "x1" :a/ask]))]
                            (is (contains? #{:ok :queued :frame-full} (:status (:result (:s world)))) (pr-str what))
                            world))
                        world (rest args))
      :written  (let [world (step (assoc world :fx []) [:flush now])]
                  (is (= (vec args) (texts (:fx world))) (pr-str what))
                  world)
      :received (reduce (fn [world text] (step world [:value (edn/read-string text) now (count text)])) world args)
      :numbers  (do (is (= arg (select-keys {:sent (:sent s) :received (:received s) :unacked (count (:kept s))} (keys arg))) (pr-str what))
                    world)
      :lost     (step world [:lost {:code 1006} now 0])
      :resumed  (do (is (= {:session (:session s) :seen (:received s)} (recovery/greeting s)))
                    (greet world (ready (merge given arg) (:session s) {:recovered? true :seen (:seen arg)})))
      :anew     (greet world (ready (merge given arg) "s2" {:recovered? false :seen 0}))
      :unsure   (do (is (= (count args) (count (filter #(= :unacked (:why %)) (:rows (:ledger s))))) (pr-str what))
                    world))))

(deftest every-case
  (is (<= 5 (count (files))))
  (doseq [f (files)
          {:keys [name given steps]} (edn/read-string (slurp f))]
    (testing (str (.getName ^java.io.File f) ": " name)
      (reduce play (begin given) steps))))
