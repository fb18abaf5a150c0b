(ns sente-lite.spill-test
  "The inbox that is kept in files, over a folder in memory: what a process leaves
  when it is killed is what the next one finds."
  (:require #?(:clj [clojure.test :refer [deftest is testing]] :cljs [cljs.test :refer [deftest is testing]])
            [clojure.string :as str]
            [sente-lite.given :as given]
            [sente-lite.inbox :as inbox]
            [sente-lite.spill :as spill]))

;; Texts are kept as bytes, one a character.

(defn- bytes-of [text]
  #?(:clj  (String. (.getBytes ^String text "UTF-8") "ISO-8859-1")
     :cljs (apply str (map #(js/String.fromCharCode %) (js/Array.from (.encode (js/TextEncoder.) text))))))

(defn- text-of [bytes]
  #?(:clj  (String. (.getBytes ^String bytes "ISO-8859-1") "UTF-8")
     :cljs (.decode (js/TextDecoder.) (js/Uint8Array.from (to-array (map #(.charCodeAt % 0) bytes))))))

(def ^:private folders (atom 0))

(defn- folder
  "Files of an atom, as the process of that number sees them."
  [files pid]
  {:path    (str "memory " (swap! folders inc)) :pid pid :alive? #(= % "1")
   :create! (fn [nm text] (if (@files nm) false (do (swap! files assoc nm (bytes-of text)) true)))
   :write!  (fn [nm text] (swap! files assoc nm (bytes-of text)))
   :append! (fn [nm text] (swap! files update nm str (bytes-of text)))
   :read    (fn [nm offset n] (when-let [b (@files nm)] (text-of (subs b (min offset (count b)) (min (+ offset n) (count b))))))
   :sizes   (fn [] (into {} (map (fn [[k v]] [k (count v)])) @files))
   :remove! (fn [nm] (swap! files dissoc nm))
   :close!  (fn [])})

(defn- process
  "One that takes the files: {:put! :take! (handles the next, if there is one) :kill!}."
  [files pid {:keys [max-inbox most] :or {max-inbox 5 most 1000000}} heard]
  (let [box   (atom (inbox/create {:max-inbox max-inbox :max-inbox-bytes 1000000}))
        tasks (atom 0)
        told  (atom [])
        sp    (spill/functions (folder files pid) {:max-persist-bytes most} box)]
    ((:begin! sp) {:task! #(swap! tasks inc) :room! #(swap! told conj %) :error! #(swap! told conj (:code %))})
    {:put!  (fn [event cb] (let [r ((:put! sp) [:deliver event cb {:uid "ada"} 1 10 0])]
                             (when (= :memory r) (swap! tasks inc))
                             r))
     :take! (fn []
              (when (pos? @tasks)
                (swap! tasks dec)
                (let [[old _] (inbox/swap-both! box inbox/pop-front) entry (inbox/front old)]
                  (swap! heard conj (nth entry 1))
                  ((:handled! sp) entry)
                  true)))
     :half! (fn [] ; a handler runs, and no end of it is seen
              (when-let [entry (inbox/front @box)] (swap! heard conj (nth entry 1))))
     :size  #(inbox/size @box)
     :told  told :sp sp}))

(defn- drain! [p] (loop [] (when ((:take! p)) (recur))))
(defn- numbers [heard] (mapv #(nth % 1) (filter #(= :n/up (nth % 0)) heard)))
(defn- bytes-in [files] (reduce + 0 (for [[k v] @files :when (str/ends-with? k ".edn")] (count v))))

(deftest twenty-thousand-come-while-a-handler-sleeps
  (let [files (atom {}) heard (atom []) p (process files 7 {:max-inbox 50 :most 100000000} heard)
        n #?(:clj 20000 :cljs 2000)]
    (dotimes [i n] ((:put! p) [:n/up i] nil))
    (is (= 50 ((:size p))) "memory holds what the inbox may")
    (drain! p)
    (is (= (range n) (numbers @heard)))
    (is (<= (bytes-in files) 65536) "and nothing much stays")))

(deftest a-kill-with-a-backlog
  (let [files (atom {}) heard (atom []) p (process files 7 {} heard)]
    (dotimes [i 100] ((:put! p) [:n/up i] nil))
    ((:put! p) [:n/ask 0] "c1")
    ((:put! p) [:sente-lite/open {:uid "bob"}] nil)
    (dotimes [_ 42] ((:take! p)))
    (swap! files update "inbox-1.edn" str "[[:n/up 10") ; it was being written
    (let [q (process files 8 {} heard)]
      (dotimes [i 10] ((:put! q) [:n/up (+ 100 i)] nil))
      (drain! q)
      (is (= (range 110) (numbers @heard)))
      (is (= 110 (count @heard)) "who asked, and who had been there, are gone"))))

(deftest what-was-being-handled-is-handled-again
  (let [files (atom {}) heard (atom []) p (process files 7 {} heard)]
    (dotimes [i 3] ((:put! p) [:n/up i] nil))
    ((:take! p))
    ((:half! p))
    (drain! (process files 8 {} heard))
    (is (= [0 1 1 2] (numbers @heard)))))

(deftest calls-keep-their-place
  (let [files (atom {}) heard (atom []) p (process files 7 {:max-inbox 2} heard)]
    (dotimes [i 4] ((:put! p) [:n/up i] nil))
    (is (= :files ((:put! p) [:n/ask 0] "c1")))
    ((:put! p) [:n/up 4] nil)
    (drain! p)
    (is (= [:n/up :n/up :n/up :n/up :n/ask :n/up] (map first @heard)))))

(deftest bounds
  (let [files (atom {}) heard (atom []) p (process files 7 {:max-inbox 2 :most 2000} heard)
        found (vec (for [i (range 100)] ((:put! p) [:n/up i] nil)))]
    (is (= :full (peek found)))
    (is (<= (bytes-in files) 2000))
    (is (= [false] @(:told p)) "credit ends before")
    (is (= :files ((:put! p) [:sente-lite/close {:uid "ada"}] nil)) "what the sidecar tells has room")
    (drain! p)
    (is (= (range (count (remove #{:full} found))) (numbers @heard)))
    (is (= [false true] @(:told p)))
    (is (= :memory ((:put! p) [:n/up 0] nil)))))

(deftest one-folder-one-client
  (let [files (atom {})]
    (process files "1" {} (atom []))
    (is (= :sente-lite/folder-taken (:code (given/failure #(process files "2" {} (atom [])))))))
  (testing "of one that has ended it is free"
    (let [files (atom {}) heard (atom []) p (process files "1" {} heard)]
      ((:put! p) [:n/up 1] nil)
      ((:end! (:sp p)))
      (is (= 0 ((:size p))))
      (is (= :full ((:put! p) [:n/up 2] nil)))
      (drain! (process files "2" {} heard))
      (is (= [1] (numbers @heard))))))

(deftest files-that-fail
  (let [files (atom {}) heard (atom []) box (atom (inbox/create {:max-inbox 5 :max-inbox-bytes 1000}))
        fails (atom true) told (atom [])
        f     (folder files 7)
        sp    (spill/functions (assoc f :append! (fn [nm text]
                                                   (if @fails
                                                     (do ((:append! f) nm (subs text 0 5)) (throw (ex-info "no space" {})))
                                                     ((:append! f) nm text))))
                               {:max-persist-bytes 10000} box)
        put   #((:put! sp) [:deliver [:n/up %] nil nil 1 10 0])]
    ((:begin! sp) {:task! (fn []) :room! (fn [_]) :error! #(swap! told conj (:code %))})
    (is (= [:full :full] [(put 0) (put 1)]))
    (is (= [:sente-lite/not-persisted] @told) "it is told once")
    (reset! fails false)
    (is (= :memory (put 2)))
    (drain! (process files 8 {} heard))
    (is (= [2] (numbers @heard)))))

(deftest kills-at-any-moment
  (doseq [seed (range #?(:clj 60 :cljs 8))]
    (let [next! (given/lcg seed) files (atom {}) heard (atom []) accepted (atom [])
          text  (fn [i] (apply str i (repeat (next! 40) (given/pick next! ["x" "é" "🙂" "\n" "\"" "]"]))))
          want  (atom [])]
      (loop [i 0 pid 10 p (process files 10 {:max-inbox (inc (next! 6)) :most (+ 1500 (next! 3000))} heard)]
        (if (< i 300)
          (let [r (next! 100)]
            (cond
              (< r 55) (let [t (text i)]
                         (when (not= :full ((:put! p) [:n/up t] nil)) (swap! want conj t))
                         (recur (inc i) pid p))
              (< r 95) (do ((:take! p)) (recur i pid p))
              (< r 96) (do (drain! p) (recur i pid p))
              :else    (recur i (inc pid) (process files (inc pid) {:max-inbox (inc (next! 6)) :most 4500} heard))))
          (drain! p)))
      (is (= @want (numbers @heard)) (str "seed " seed)))))
