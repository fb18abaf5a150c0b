(ns server
  "Spawns a worker and gives it jobs; pages see how far they are. The worker is a
  peer with the uid worker, and started again whenever it ends."
  (:require [sente-lite.core :as s]))

(defonce state (atom {:worker {:here? false :starts 0} :jobs [] :n 0}))

(def most-jobs "Those that pages see, and those that may run at once." 8)

(add-watch state :pages
           (fn [_ _ old now]
             (when (not= old now)
               (s/broadcast! [:work/state (dissoc now :n)] {:except #{"worker"}}))))

(defn job! [id f & args]
  (swap! state update :jobs (fn [jobs] (mapv #(if (= id (:id %)) (apply f % args) %) jobs))))

(defn start-job! [upto]
  (let [add (fn [{:keys [n jobs] :as st}]
              (let [job {:id (inc n) :upto upto :done 0 :status :running}]
                (assoc st :n (inc n) :jobs (vec (take-last most-jobs (conj jobs job))))))
        id  (:n (swap! state add))]
    (s/ask! "worker" [:work/count {:id id :upto upto}]
            {:timeout-ms 120000
             :cb (fn [reply]
                   (if (s/error? reply)
                     (job! id merge {:status :lost :why (:message (s/error-map reply))})
                     (job! id merge {:status :done :done upto :primes reply})))})))

;; From pages.

(s/on! :work/state (fn [{:keys [reply!]}] (reply! (dissoc @state :n))))

(s/on! :work/start
  (fn [{:keys [data]}]
    (when (and (contains? #{100000 1000000 5000000} data)
               (< (count (filter #(= :running (:status %)) (:jobs @state))) most-jobs))
      (start-job! data))))

(s/on! :work/crash (fn [_] (s/send-to-client! "worker" [:work/crash])))

;; From the worker.

(s/on! :work/hello
  (fn [{:keys [uid data]}]
    (when (= "worker" uid)
      (swap! state update :worker (fn [w] {:here? true :pid (:pid data) :starts (inc (:starts w))})))))

(s/on! :work/progress
  (fn [{:keys [uid data]}]
    (when (= "worker" uid)
      (job! (:id data) #(if (= :running (:status %)) (assoc % :done (:done data)) %)))))

(s/on! :sente-lite/close
  (fn [{:keys [data]}]
    (when (= "worker" (:uid data))
      (swap! state assoc-in [:worker :here?] false))))

(defn command
  "How this script was started, with another file in place of its own: the worker
  runs on what we run on."
  [file]
  (let [args #?(:clj  (let [i (.info (java.lang.ProcessHandle/current))]
                        (into [(.get (.command i))] (.get (.arguments i))))
                :cljs (into [js/process.execPath] (into (vec js/process.execArgv) (rest js/process.argv))))]
    (conj (pop args) file)))

(s/start! {:port     (parse-long (or #?(:clj (System/getenv "PORT") :cljs js/process.env.PORT) "8090"))
           :static   "pages"
           :on-open  (fn [{:keys [listen]}] (println "Open" (first listen)))
           :on-ready ; each time that there is a sidecar
           (fn [_]
             (s/ask! [:sente-lite/spawn {:uid "worker" :command (command "worker.cljc") :restart {:policy :always}
                                         :dir #?(:clj (System/getProperty "user.dir") :cljs (js/process.cwd))}]
                     {:cb (fn [reply] (when (s/error? reply) (println (:message (s/error-map reply)))))}))})
(s/wait!)
