;; The handler of the scenario: nbb handler.cljs pipe|unix text|frames HELLO [SOCKET]
;;
;; It runs the steps of scenario.json and says what happens in lines of JSON:
;; {"url"}, {"open": "one"} when a page is to be opened, {"log": …}, {"done"}.

(ns handler
  (:require ["child_process" :refer [spawn]]
            ["fs" :as fs]
            ["net" :as net]
            [clojure.edn :as edn]
            [clojure.string :as str]
            [clojure.walk :as walk]
            [promesa.core :as p]))

(def scenario
  (js/JSON.parse (fs/readFileSync (str/replace *file* "handler.cljs" "scenario.json") "utf8")))

(def link (first *command-line-args*))
(def dialect (second *command-line-args*))
(def hello (nth *command-line-args* 2))
(def socket (nth *command-line-args* 3 nil))

;; The protocol: a stream in both dialects.

(defn on-lines [in take!]
  (.setEncoding in "utf8")
  (let [kept (atom "")]
    (.on in "data" (fn [chunk]
                     (let [parts (.split (str @kept chunk) "\n")]
                       (reset! kept (.pop parts))
                       (run! take! parts))))))

(defn on-frames [in take!]
  (let [kept (atom (js/Buffer.alloc 0))]
    (.on in "data" (fn [chunk]
                     (loop [b (js/Buffer.concat #js [@kept chunk])]
                       (let [end (when (<= 4 (.-length b)) (+ 4 (.readUInt32BE b 0)))]
                         (reset! kept b)
                         (when (and end (<= end (.-length b)))
                           (take! (.toString b "utf8" 4 end))
                           (recur (.subarray b end)))))))))

(defn frame [text]
  (let [n (js/Buffer.byteLength text)
        b (js/Buffer.alloc (+ 4 n))]
    (.writeUInt32BE b n 0)
    (.write b text 4)
    b))

(def streams
  (if (= link "pipe")
    (let [child (spawn "sente-lite" #js ["pipe"] #js {:stdio #js ["pipe" "pipe" "inherit"]})]
      (.on child "exit" (fn [code] (js/process.exit code)))
      {:in (.-stdout child) :out (.-stdin child)})
    (let [s (net/connect socket)]
      (.on s "close" #(js/process.exit 0))
      {:in s :out s})))

(defn say! [value]
  (let [text (pr-str value)]
    (.write (:out streams) (if (= dialect "text") (str text "\n") (frame text)))))

;; JSON, for the scenario and the log: a keyword is its name.

(defn out! [value]
  (js/console.log (js/JSON.stringify (clj->js (walk/postwalk #(if (keyword? %) (subs (str %) 1) %) value)))))

(defn log! [& what] (out! {:log what}))

(defn event
  "The names in a step are keywords; \"except\" is a set."
  [step]
  (walk/postwalk (fn [v]
                   (cond
                     (and (vector? v) (string? (first v)) (re-find #"^[a-z-]+/" (first v))) (update v 0 keyword)
                     (and (map? v) (:except v)) (update v :except set)
                     :else v))
                 (js->clj step :keywordize-keys true)))

;; What comes in.

(def names (atom {}))       ; "<one>" → uid
(def calls (atom {}))       ; cb → what takes the reply
(def awaited (atom nil))    ; [id what-takes-the-event]
(def opening (atom nil))    ; the page that is about to open

(defn take-event! [[id data :as e] cb]
  (log! (if cb "called" "got") e)
  (when (= id :sente-lite/open)
    (swap! names assoc (str "<" @opening ">") (:uid data) (str "<" @opening "'s client-id>") (:client-id data)))
  (when cb
    (say! [:chsk/reply cb {:asked (second (:event data))}]))
  (when (= id (first @awaited))
    ((second @awaited))))

(declare run-scenario!)

(defn take! [text]
  (let [[a b c :as value] (edn/read-string {:default tagged-literal} text)]
    (cond
      (= a :sente-lite/ready) (do (swap! names assoc "<handler>" (:uid b))
                                  (log! "ready" (:uid b))
                                  (out! {:url (first (filter #(str/starts-with? % "http") (:listen b)))})
                                  (run-scenario!))
      (= a :chsk/reply)       ((@calls b) c)
      (vector? a)             (take-event! a b)
      :else                   (take-event! value nil))))

;; The steps.

(defn await! [id] (p/create (fn [done _] (reset! awaited [id done]))))

(defn step! [{:keys [open call say await]}]
  (cond
    open  (do (reset! opening open) (let [there (await! :sente-lite/open)] (out! {:open open}) there))
    await (await! (keyword await))
    say   (do (log! "say" say) (say! say))
    call  (let [cb (str (count @calls))]
            (p/let [reply (p/create (fn [done _]
                                      (swap! calls assoc cb done)
                                      (log! "call" call)
                                      (say! [call cb])))]
              (log! "reply" reply)))))

(defn named [step]
  (js/JSON.parse (reduce-kv str/replace (js/JSON.stringify step) @names)))

(defn run-scenario! []
  (-> (p/do
        (reduce (fn [before step] (p/do before (step! (event (named step)))))
                nil
                scenario)
        (out! {:done true})
        (.end (:out streams)))
      (.catch (fn [e]
                (js/console.error e)
                (js/process.exit 1)))))

((if (= dialect "text") on-lines on-frames) (:in streams) take!)
(say! (edn/read-string hello))
