(ns api
  "Makes API.md from the docstrings and the table of options. In the folder bb:

      clojure -M doc/api.clj > API.md        (bb api, bb doc/api.clj do the same)

  What is public is what has no :no-doc; a page's order is that of its source."
  (:require [clojure.java.io :as io]
            [clojure.string :as str]
            [sente-lite.option-docs :as option-docs]
            [sente-lite.options :as options]
            [sente-lite.start :as start])
  (:import (java.io File PushbackReader)))

;; Docstrings are prose and indented code. In prose, names and values are set as
;; code: they would be read as Markdown else, and are easier to find so.

(def ^:private closing {\( \) \[ \] \{ \}})

(defn- value-end
  "Where the value that opens at i ends, or nil."
  [s i]
  (loop [j i open []]
    (when (< j (count s))
      (let [c (nth s j)]
        (cond
          (closing c)       (recur (inc j) (conj open (closing c)))
          (= c (peek open)) (if (= 1 (count open)) (inc j) (recur (inc j) (pop open)))
          :else             (recur (inc j) open))))))

(defn- code-end
  "Where the code that begins at i ends, or nil where it is prose."
  [s i names]
  (let [ahead (subs s i)
        value (re-find #"^(?:#?[\[{](?=[:\[({\"])|#\{(?=[a-z])|\((?=fn |f |[a-z-]+! ))" ahead)
        word  (or (re-find #"^(?:[:*?][a-zA-Z*?][\w*+!?<>=/|.-]*|[A-Z]+(?:_[A-Z]+)+)" ahead)
                  (let [[w nm] (re-find #"^(?:[a-z]/)?([a-z][\w-]*[!?]?)" ahead)]
                    (when (and (contains? names nm) (re-find #"[-!?/]" w)) w)))] ; others are words of English, too
    (cond
      (= \` (nth s i)) (some-> (str/index-of s "`" (inc i)) inc)
      value            (value-end s (+ i (dec (count value))))
      word             (+ i (count (str/replace word #"[.,:]+$" ""))))))

(defn- prose
  "A text with its code in backticks."
  [s names]
  (loop [i 0 out (StringBuilder.)]
    (if (>= i (count s))
      (str out)
      (let [start? (or (zero? i) (re-find #"[\s(|]" (str (nth s (dec i)))))
            end    (when start? (code-end s i names))]
        (cond
          (nil? end)       (let [c (str (nth s i))]
                             (.append out (if (contains? #{"*" "<"} c) (str "\\" c) c))
                             (recur (inc i) out))
          (= \` (nth s i)) (do (.append out (subs s i end)) (recur (long end) out))
          :else            (do (.append out (str "`" (subs s i end) "`")) (recur (long end) out)))))))

(defn- dedented
  "The lines of a docstring without the indentation of its source."
  [doc]
  (let [[head & more] (str/split-lines doc)
        depth (fn [line] (count (re-find #"^ *" line)))
        least (reduce min 2 (map depth (remove str/blank? more)))]
    (cons head (map #(if (str/blank? %) "" (subs % least)) more))))

(defn- markdown
  "A docstring as Markdown."
  [doc names]
  (->> (dedented doc)
       (partition-by #(cond (str/starts-with? % "    ") :code (str/blank? %) :blank :else :prose))
       ;; A blank line between two of code is code.
       (reduce (fn [parts part]
                 (let [[before blank] (take-last 2 parts)]
                   (if (and blank (str/blank? (first blank)) (str/starts-with? (first before) "    ") (str/starts-with? (first part) "    "))
                     (conj (vec (drop-last 2 parts)) (concat before blank part))
                     (conj parts part))))
               [])
       (map (fn [lines]
              (cond
                (str/starts-with? (first lines) "    ") (str "```clojure\n" (str/join "\n" (map #(str/replace % #"^ {4}" "") lines)) "\n```")
                (str/blank? (first lines))              nil
                :else                                   (prose (str/join "\n" lines) names))))
       (remove nil?)
       (str/join "\n\n")))

;; What there is.

(defn- namespaces
  "The public namespaces below a folder, by their files."
  [dir]
  (for [^File f (sort-by str (file-seq (io/file dir)))
        :when (re-find #"\.cljc?$" (.getName f))
        :let [[_ nm & more] (with-open [r (PushbackReader. (io/reader f))] (read {:read-cond :allow} r))]
        :when (not-any? #(and (map? %) (:no-doc %)) more)]
    {:ns nm :file f :doc (first (filter string? more))}))

(defn- vars
  "The public vars of a namespace, in the order of its source."
  [nm]
  (->> (vals (ns-publics nm))
       (map meta)
       (remove :no-doc)
       (sort-by :line)))

(defn- headings
  "The comments of a source that head what comes after: [line text]."
  [file]
  (keep-indexed (fn [i line]
                  (when-let [[_ text] (re-find #"^;; ([A-Z][^.:]*)\.$" line)]
                    [(inc i) text]))
                (str/split-lines (slurp file))))

(defn- signature [{:keys [name arglists]}]
  (when (seq arglists)
    (str "```clojure\n" (str/join "\n" (map #(str "(" (str/join " " (cons name (map pr-str %))) ")") arglists)) "\n```\n\n")))

(defn- anchors
  "Where each var's heading is on the page. A heading that is there twice has a
  number behind it."
  [vars]
  (:out (reduce (fn [{:keys [seen out]} {:keys [name] :as v}]
                  (let [slug (str/replace (str/lower-case name) #"[^a-z0-9_-]" "")
                        n    (get seen slug 0)]
                    {:seen (assoc seen slug (inc n)) :out (assoc out v (if (zero? n) slug (str slug "-" n)))}))
                {:seen {} :out {}} vars)))

(defn- summary
  "The first sentence."
  [doc names]
  (let [[first-part] (str/split (str/join " " (take-while (complement str/blank?) (dedented doc))) #"(?<=[.?:;])\s" 2)]
    (prose (str/replace first-part #"[.:;]$" "") names)))

(defn- page [{:keys [ns file doc]} address]
  (let [all   (vars ns)
        names (set (map (comp str :name) all))
        heads (headings file)]
    (str "## " ns "\n\n" (markdown doc names) "\n\n"
         "| | |\n|---|---|\n"
         (str/join "\n" (for [v all] (str "| [`" (:name v) "`](#" (address v) ") | " (summary (:doc v) names) " |")))
         "\n"
         (:out (reduce (fn [{:keys [head out]} {:keys [line name doc] :as v}]
                         (let [now (second (last (filter #(< (first %) line) heads)))]
                           {:head now
                            :out  (str out (when (not= now head) (str "\n### " now "\n"))
                                       "\n#### " name "\n\n" (signature v) (markdown doc names) "\n")}))
                       {:out ""} all)))))

(defn- options-of [what names]
  (->> (str/split-lines (option-docs/reference what))
       (map #(prose % names))
       (str/join "\n")))

(defn- rows [m f]
  (str/join "\n" (for [[k v] (sort m)] (str "| `" k "` | " (f v) " |"))))

(defn -main []
  (let [all     (doall (namespaces "src"))
        _       (run! (comp require :ns) all)
        public  (mapcat (comp vars :ns) all)
        names   (set (map (comp str :name) public))
        address (anchors public)]
    (print (str "# The Clojure API\n\n"
                "Made from the docstrings and the table of options by [doc/api.clj](doc/api.clj); [README.md](README.md) is where to begin.\n\n"
                (str/join "\n" (map #(page % address) all))
                "\n## Options of start!\n\n" (options-of :start names)
                "\n\n## Options of connect!\n\n" (options-of :connect names)
                "\n\n## Options by other names\n\n"
                "Options of Sente and sente_lite that are ours under another name:\n\n| theirs | ours |\n|---|---|\n"
                (rows (:aliases start/rules) (fn [[to inner]] (str "`" to "`" (when inner (str ", of its `" inner "`")))))
                "\n\nOptions of Sente's server that are the sidecar's: `start!` puts them there.\n\n| theirs | ours |\n|---|---|\n"
                (rows (:paths start/rules) #(str "`" (pr-str (reduce (fn [m k] {k m}) '… (reverse %))) "`"))
                "\n\nOptions that say what is so anyway, with these values:\n\n| theirs | values |\n|---|---|\n"
                (rows options/harmless #(str/join ", " (map (fn [v] (str "`" (pr-str v) "`")) (sort-by str %))))
                "\n\nOptions that have no meaning here:\n\n| theirs | instead |\n|---|---|\n"
                (rows (:elsewhere start/rules) #(prose % names))
                "\n"))
    (flush)))

(-main)
