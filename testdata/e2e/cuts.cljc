(ns cuts
  "A client for a test that cuts its link: it sends numbers and asks about some of
  them, and writes what it has heard once that is all, or what was wrong."
  (:require [sente-lite.core :as s]
            #?(:org.babashka/nbb ["readline" :as readline])))

(def heard (atom {:down 0 :asked 0 :replies 0}))
(def sent (atom 0))
(def opens (atom []))

(defn say! [& words] (println (apply str (interpose " " words))) #?(:clj (flush)))

(defn in-order!
  "The next number of a kind is due."
  [kind n]
  (let [due (get @heard kind)]
    (when (not= n due) (say! "wrong" kind "found" n "expected" due))
    (swap! heard assoc kind (inc n))))

(defn send-up-to!
  "Ten at a time, so that cuts come between them."
  [c goal]
  (dotimes [_ 10]
    (let [n @sent]
      (when (and (< n goal) (not= :backpressure (:status (s/send! c [:n/up n]))))
        (swap! sent inc)
        (when (zero? (mod n 20))
          (s/ask! c [:n/ask n] {:timeout-ms 60000
                                :cb (fn [r] (if (= r [:got n]) (swap! heard update :replies inc) (say! "wrong reply" n (pr-str r))))})))))
  (when (< @sent goal) (s/after! c 5 #(send-up-to! c goal))))

(defn take-command! [c line]
  (let [[word n] (re-seq #"\w+" line)]
    (case word
      "send"      (s/after! c 0 #(send-up-to! c (parse-long n)))
      "reconnect" (s/reconnect! c)
      "show"      (let [{:keys [down asked replies]} @heard] (say! "has" down asked replies (:count (s/pending c))))
      "links"     (say! "links" (count @opens) (count (filter :recovered? @opens)))
      nil)))

(defn begin! [url]
  (s/on! :n/down (fn [{:keys [data]}] (in-order! :down data)))
  (s/on! :n/asked (fn [{:keys [data reply!]}] (swap! heard update :asked inc) (reply! [:got data])))
  (let [c (s/connect! {:url url :backoff-ms-fn (fn [_ _] 20) :max-queue 5000
                       :on-error (fn [e] (say! "error" (pr-str e)))
                       :on-open (fn [{:keys [uid]}] (say! "open" uid))
                       :on-reconnect (fn [info]
                                       (swap! opens conj info)
                                       (say! "again" (:recovered? info) (:missed info) (:reason info)))})]
    #?(:clj  (do (doseq [line (line-seq (java.io.BufferedReader. *in*))] (take-command! c line))
                 (System/exit 0))
       :cljs (-> (.createInterface readline #js {:input js/process.stdin})
                 (.on "line" (fn [line] (take-command! c line)))
                 (.on "close" (fn [] (js/process.exit 0)))))))

#?(:clj  (apply begin! *command-line-args*)
   :cljs (begin! (last (js->clj (.-argv js/process)))))
