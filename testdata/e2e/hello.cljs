;; A script that answers its pages: nbb hello.cljs, then open what it prints.
(ns hello (:require ["child_process" :refer [spawn]] [clojure.edn :as edn] [clojure.string :as str]))
(def sidecar (spawn "sente-lite" #js ["pipe"] #js {:stdio #js ["pipe" "pipe" "inherit"]}))
(defn say! [value] (.write (.-stdin sidecar) (str (pr-str value) "\n")))
(defn take! [[a b]]
  (cond (= a :sente-lite/ready) (println "Open" (str (first (:listen b)) "/hello.html"))
        (= a :sente-lite/recv)  (say! [:sente-lite/send {:to :all :event (:event b)}])             ; an event: to every page
        (vector? a)             (say! [:chsk/reply b (str "Hello, " (-> a second :event second))]))) ; a call: its reply
(def text (atom ""))
(.on (.setEncoding (.-stdout sidecar) "utf8") "data"
     #(let [lines (str/split (swap! text str %) #"\n" -1)]
        (reset! text (last lines))
        (run! (comp take! edn/read-string) (butlast lines))))
(say! [:sente-lite/hello {:config {:listen ["http://127.0.0.1:0"] :static "pages"}}])
