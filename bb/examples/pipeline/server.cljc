(ns server
  "Shell pipelines as peers. What a page types goes to each of them as a line of
  text; the lines that they write go to every page."
  (:require [clojure.string :as str]
            [sente-lite.core :as s]))

(defn each
  "A shell that puts every line through a pipeline by itself."
  [pipeline]
  (str "while IFS= read -r line; do printf '%s\\n' \"$line\" | " pipeline "; done"))

(def pipelines
  [{:uid "upper" :title "Louder" :shell (each "tr '[:lower:]' '[:upper:]'")}
   {:uid "sort" :title "In order" :shell (each "tr -s '[:space:]' '\\n' | sort | paste -sd ' ' -")}
   {:uid "count" :title "Counted" :shell (str "all=0; set -f; while read -r line; do set -- $line; all=$((all + $#)); "
                                              "echo \"$# words, $all so far\"; done")}])

(def peers (into {} (map (juxt :uid identity)) pipelines))

(s/on! :pipeline/list (fn [{:keys [reply!]}] (reply! pipelines)))

(s/on! :pipeline/type
  (fn [{:keys [data reply!]}]
    (let [line (str/replace (str data) #"\s+" " ")]
      (if (< (count line) 1000)
        (reply! (into {} (map (fn [uid] [uid (:status (s/send-to-client! uid [:line/in line]))])) (keys peers)))
        (reply! [:sente-lite/error {:category :incorrect :code :pipeline/too-long
                                    :message "a line has at most 1000 characters"}])))))

(s/on! :line/out
  (fn [{:keys [uid data]}]
    (when (contains? peers uid) ; not a page that says so
      (s/broadcast! [:pipeline/out {:uid uid :line data}] {:except (set (keys peers))}))))

(s/start! {:port    (parse-long (or #?(:clj (System/getenv "PORT") :cljs js/process.env.PORT) "8090"))
           :static  "pages"
           :config  {:processes (into {} (for [{:keys [uid shell]} pipelines]
                                           [uid {:command ["sh" "-c" shell] :dialect :lines :restart {:policy :always}}]))}
           :on-open (fn [{:keys [listen]}] (println "Open" (first listen) "and type"))})
(s/wait!)
