(ns backlog
  "A script with :on-inbox-full :persist, for a test that kills it: it handles what
  comes only while it is told to, and writes each in a line."
  (:require [sente-lite.core :as s]
            #?(:org.babashka/nbb ["readline" :as readline])))

(defn- say! [& words] (println (apply str (interpose " " words))) #?(:clj (flush)))

(defn- take-command! [c line]
  (case line
    "show"   (let [{:keys [count persisted]} (:in (s/queues c))] (say! "waits" count persisted))
    nil))

(defn begin! [url dir paused]
  (s/on! :n/up (fn [{:keys [data]}] (say! "handled" data)))
  (let [c (s/connect! {:url url :handler? true :on-inbox-full :persist :data-dir dir :max-inbox 50
                       :on-error (fn [e] (say! "error" (pr-str e)))
                       :on-ready (fn [_] (say! "ready"))})]
    (when (= "paused" paused) (s/pause! c))
    #?(:clj  (do (doseq [line (line-seq (java.io.BufferedReader. *in*))] (take-command! c line))
                 (System/exit 0))
       :cljs (-> (.createInterface readline #js {:input js/process.stdin})
                 (.on "line" (fn [line] (take-command! c line)))
                 (.on "close" (fn [] (js/process.exit 0)))))))

#?(:clj  (apply begin! *command-line-args*)
   :cljs (apply begin! (take-last 3 (js->clj (.-argv js/process)))))
