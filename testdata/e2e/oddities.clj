;; The parent of a sidecar, in Clojure: oddities.clj text|frames HELLO VALUES
;;
;; VALUES is testdata/values. A page sends each value there as it is written, and
;; those of printed.edn as ClojureScript prints them; they must arrive = to what
;; was sent. Then they go to the page, which gives them back. It says {"url"},
;; a line for each value that differs, and at the end how many there were.

(require '[clojure.edn :as edn]
         '[clojure.java.io :as io]
         '[clojure.string :as str])

(import '(java.io DataInputStream DataOutputStream PushbackReader))

(def dialect (first *command-line-args*))
(def hello (second *command-line-args*))
(def values (io/file (nth *command-line-args* 2)))

(defn decode [text] (edn/read-string {:default tagged-literal} text))

(def texts
  "What stands in the vectors and Clojure can read."
  (vec (for [file  ["accepted.edn" "lines.edn"]
             line  (str/split-lines (slurp (io/file values file)))
             :when (not (or (str/blank? line) (str/starts-with? line ";")))
             :let  [{:keys [in clojure]} (edn/read-string line)]
             :when (and (not= :refused clojure) (try (decode in) true (catch Exception _ false)))]
         in)))

(def printed (decode (slurp (io/file values "../e2e/printed.edn"))))

;; The protocol.

(def sidecar
  (.start (doto (ProcessBuilder. ["sente-lite" "pipe"])
            (.redirectError java.lang.ProcessBuilder$Redirect/INHERIT))))

(def out (DataOutputStream. (io/output-stream (.getOutputStream sidecar))))

(defn say! [^String text]
  (let [bytes (.getBytes text "UTF-8")]
    (when (= dialect "frames") (.writeInt out (count bytes)))
    (.write out bytes)
    (when (= dialect "text") (.write out (int \newline)))
    (.flush out)))

(def take!
  "Reads the next value, ::end after the last."
  (if (= dialect "text")
    (let [in (PushbackReader. (io/reader (.getInputStream sidecar) :encoding "UTF-8"))]
      #(edn/read {:default tagged-literal :eof ::end} in))
    (let [in (DataInputStream. (.getInputStream sidecar))]
      #(try
         (let [bytes (byte-array (.readInt in))]
           (.readFully in bytes)
           (decode (String. bytes "UTF-8")))
         (catch java.io.EOFException _ ::end)))))

(defn send! [uid event]
  (say! (str "[:sente-lite/send {:to " (pr-str uid) " :event " event "}]")))

;; The comparison.

(def failures (atom 0))
(def arrived (atom {})) ; kind → how many

(defn check! [kind n same? & shown]
  (swap! arrived update kind (fnil inc 0))
  (when-not same?
    (swap! failures inc)
    (println (str "differs: " (name kind) " " n ": " (str/join " is not " (map pr-str shown))))))

(defn same?
  "NaN is = to nothing: what holds it is compared as it is printed."
  [a b]
  (or (= a b) (and (str/includes? (pr-str a) "##NaN") (= (pr-str a) (pr-str b)))))

(defn exactly?
  "Also tells lists from vectors, 0.0 from -0.0, 1.5M from 1.50M."
  [a b]
  (and (same? a b) (= (pr-str a) (pr-str b))))

(defn prints?
  "Half of a surrogate pair reads, as \\ud800, and prints as what UTF-8 has no bytes for."
  [text]
  (.canEncode (.newEncoder java.nio.charset.StandardCharsets/UTF_8) (pr-str (decode text))))

(defn back!
  "To the page: as it was written, then as Clojure prints it."
  [uid n]
  (let [text (nth texts n)]
    (send! uid (str "[:odd/back [:raw " n "\n" text "\n]]"))
    (when (prints? text)
      (send! uid (str "[:odd/back [:printed " n " " (pr-str (decode text)) "]]")))))

(defn recv! [uid [id [kind n value]]]
  (case id
    :odd/value (case kind
                 :text    (do (check! :sent n (exactly? value (decode (nth texts n))) value (nth texts n))
                              (back! uid n))
                 :printed (do (check! :cljs n (same? value (nth printed n)) value (nth printed n))
                              (send! uid (str "[:odd/check [:value " n " " (pr-str (nth printed n)) "]]"))))
    :odd/echo  (check! kind n (exactly? value (decode (nth texts n))) value (nth texts n))
    :odd/same  (check! :read n (true? value) (nth printed n) "the page's")))

(def all
  {:sent (count texts) :raw (count texts) :printed (count (filter prints? texts)) :cljs (count printed) :read (count printed)})

(say! hello)
(loop []
  (let [[id data :as value] (take!)]
    (case id
      :sente-lite/ready (println (str "{\"url\":" (pr-str (first (:listen data))) "}"))
      :sente-lite/open  (send! (:uid data) (str "[:odd/texts " (pr-str texts) "]"))
      :sente-lite/recv  (recv! (:uid data) (:event data))
      (check! :other 0 false value "expected"))
    (when-not (= @arrived all)
      (recur))))
(.close out)
(assert (= ::end (take!)) "something follows the end")
(println "done:" (pr-str @arrived) "failures:" @failures "exit:" (.waitFor sidecar))
(shutdown-agents)
