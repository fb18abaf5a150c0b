(ns sente-lite.spill
  "The inbox of :on-inbox-full :persist: what has been received is in files before
  it is acknowledged, and goes from them to its handlers, in order.

  The files are segments, inbox-N.edn, with one entry a line, and a note of how far
  they have been handled, inbox.pos, which is written after each handler. So after
  a kill what is behind the note is handled by the next process: each event once,
  but the one whose handler ran at that moment, which is handled again. Calls, and
  what the sidecar itself told, are not: who asked has been told otherwise.

  An event has always a line. In memory, in the inbox, it is too as long as there
  is room and none before it is in the files alone. A call, or what the sidecar
  tells, has a line only behind others that are in the files alone.

  A folder is a map of functions, which a platform brings: :create! (fn [name
  text]), false where it is there; :write! (fn [name text]), in one piece, over
  what it was; :append! (fn [name text]), :read (fn [name offset bytes]), at most so
  much of it, nil where there is none; :sizes (fn []), {name bytes}; :remove!
  (fn [name]), :close! (fn []), :path, :pid and :alive? (fn [pid])."
  {:no-doc true}
  (:require [clojure.string :as str]
            [sente-lite.inbox :as inbox]
            [sente-lite.wire :as wire]))

(def ^:private lock-name "inbox.lock")
(def ^:private pos-name "inbox.pos")
(defn- segment-name [n] (str "inbox-" n ".edn"))

(def ^:private most-read "Bytes that are read at once, unless one entry has more." 262144)
(def ^:private small "Bytes that may stay in the files once all is handled." 65536)
(def ^:private most-segment 8388608)

(defn- one-by-one [{:keys [lock]} f]
  #?(:clj (locking lock (f)) :cljs (f)))

;; Whose folder it is.

(def ^:private held "Folders of this process's clients." (atom #{}))

(defn- claim!
  "The folder is ours, or an ex-info. A lock of a process that is no more is nobody's,
  and so is one of our own number that none of our clients has."
  [{:keys [path pid alive? create! read remove!]}]
  (let [no    (fn [by]
                (throw (ex-info (str "sente-lite: option :data-dir: the folder " path " belongs to another client, of process " by
                                     "; expected one that no other client has (where there is no such process, remove " path "/" lock-name ")")
                                {:category :conflict :code :sente-lite/folder-taken :option :data-dir :given path :expected "a folder of this client's own"})))
        owner #(some-> (read lock-name 0 64) str/trim)]
    (when (contains? @held path) (no pid))
    (when-not (create! lock-name (str pid "\n"))
      (let [by (owner)]
        (when (and (seq by) (not= by (str pid)) (alive? by)) (no by))
        (remove! lock-name)
        (when-not (create! lock-name (str pid "\n")) (no (owner)))))
    (swap! held conj path)))

(defn- release! [{:keys [path remove! close!]}]
  (close!)
  (remove! lock-name)
  (swap! held disj path))

;; The state: {:segs (sorted-map n bytes), :bytes, :first (the first segment of this
;; opening), :write (the segment that grows, nil before there is one), :lines (in
;; it), :read [n offset line] what is brought to memory next, :done [n line] what
;; has been handled, :full? :open?}.

(defn- segments [sizes]
  (into (sorted-map)
        (keep (fn [[nm bytes]]
                (when-let [[_ n] (re-matches #"inbox-(\d{1,15})\.edn" nm)] [(parse-long n) bytes])))
        sizes))

(defn- opened
  "The state of a folder as it is found."
  [folder]
  (let [noted (some->> ((:read folder) pos-name 0 64) (re-matches #"(\d{1,15}) (\d{1,15})\s*") rest (mapv parse-long))
        done  (if (seq noted) noted [0 0])
        segs  (segments ((:sizes folder)))
        old   (filter #(< % (nth done 0)) (keys segs))
        segs  (apply dissoc segs old)
        next  (inc (apply max (nth done 0) (keys segs)))]
    (run! #((:remove! folder) (segment-name %)) old)
    {:segs segs :bytes (reduce + 0 (vals segs)) :first next :write nil :lines 0
     :read [(or (first (keys segs)) next) 0 0] :done done :full? false :open? true}))

(defn- behind?
  "Are there entries in the files alone?"
  [{:keys [segs read]}]
  (let [[n offset] read]
    (boolean (or (< offset (get segs n 0))
                 (some #(> % n) (keys segs))))))

(defn waiting
  "Bytes of the files that are not in memory."
  [{:keys [state]}]
  (let [{:keys [segs read open?]} @state [n offset] read]
    (if open?
      (- (reduce-kv (fn [sum k bytes] (if (< k n) sum (+ sum bytes))) 0 segs) (if (contains? segs n) offset 0))
      0)))

(defn- ours? [event] (and (= "sente-lite" (namespace (nth event 0))) (not= :sente-lite/channel-msg (nth event 0))))
(defn- lasting? [[_ event cb]] (not (or cb (ours? event))))

(defn- append!
  "Writes an entry's line: [segment line], nil where there is no room for it."
  [{:keys [state folder most segment]} [_ event cb extra era chars at]]
  (let [{:keys [write segs bytes]} @state
        text (str (wire/text [event cb extra era chars at]) "\n")
        n    (wire/byte-length text)]
    (when (or (<= (+ bytes n) most) (ours? event))
      (when (or (nil? write) (and (pos? (get segs write 0)) (> (+ n (get segs write 0)) segment)))
        (let [next (inc (apply max (dec (:first @state)) (nth (:done @state) 0) (keys segs)))]
          (swap! state assoc :write next :lines 0)))
      (let [write (:write @state)]
        (try
          ((:append! folder) (segment-name write) text)
          (catch #?(:clj Exception :cljs :default) e
            ;; Half a line may be there: the next begins a file.
            (swap! state assoc :write nil)
            ((:close! folder))
            (when-not (pos? (get segs write 0)) ((:remove! folder) (segment-name write)))
            (throw e)))
        (swap! state (fn [s] (-> (assoc s :lines (inc (:lines s)) :bytes (+ (:bytes s) n))
                                 (update-in [:segs write] (fnil + 0) n))))
        [write (:lines @state)]))))

(defn- tell-room!
  "Credit is given while the files are less than half full."
  [{:keys [state most on]}]
  (let [{:keys [bytes full?]} @state
        now? (if full? (> (* 8 bytes) (* 3 most)) (> (* 2 bytes) most))]
    (when (not= full? now?)
      (swap! state assoc :full? now?)
      ((:room! @on) (not now?)))))

(defn- failed!
  "A file could not be written or read, which is told once until one can be again."
  [{:keys [state on folder]} what e]
  (when-not (= what (:failing @state))
    (swap! state assoc :failing what)
    ((:error! @on) (second (wire/error :unavailable :sente-lite/not-persisted
                                       (str "the inbox in " (:path folder) " could not be " what ": " (or (ex-message e) (str e)))
                                       {:hint "is there room on the disk, and may this user write there?" :data {:path (:path folder)}})))))

(defn put!
  "Takes in an entry: :memory (it is in the inbox, for somebody to take), :files, or
  :full."
  [{:keys [state inbox] :as sp} entry]
  (one-by-one sp
              (fn []
                (try
                  (let [{:keys [open?] :as s} @state
                        behind (behind? s)
                        fits   (and (not behind) (inbox/fits? @inbox entry))]
                    (cond
                      (not open?) :full
                      (and fits (not (lasting? entry))) (do (swap! inbox inbox/put entry) :memory)
                      :else
                      (if-let [pos (append! sp entry)]
                        (do (when fits
                              (swap! inbox inbox/put (conj entry pos))
                              (swap! state (fn [s] (assoc s :read [(nth pos 0) (get-in s [:segs (nth pos 0)]) (nth pos 1)]))))
                            (swap! state dissoc :failing)
                            (tell-room! sp)
                            (if fits :memory :files))
                        :full)))
                  (catch #?(:clj Exception :cljs :default) e
                    (failed! sp "written" e)
                    :full)))))

;; From the files to memory.

(defn- lines-at
  "Whole lines of a segment from an offset on, at least one where there is one, and
  at most so many: [[text bytes] …]."
  [folder n offset size most]
  (loop [bytes most-read]
    (let [text  ((:read folder) (segment-name n) offset bytes)
          lines (when text (pop (str/split text #"\n" -1)))]
      (if (and (empty? lines) text (< (+ offset bytes) size))
        (recur (* 4 bytes))
        (map (fn [l] [l (inc (wire/byte-length l))]) (take most lines))))))

(defn- entry-of
  "What a line stands for, nil where nobody is to handle it any more."
  [{:keys [state] :as sp} text n line]
  (try
    (let [[event cb extra era chars at] (wire/read-text text)
          earlier (< n (:first @state))]
      (when-not (wire/event? event)
        (throw (ex-info "it is no event" {})))
      (if earlier
        (when (lasting? [:deliver event cb]) [:deliver event nil extra nil chars nil [n line]])
        [:deliver event cb extra era chars at [n line]]))
    (catch #?(:clj Exception :cljs :default) e
      (failed! sp (str "read in line " line " of " (segment-name n)) e)
      nil)))

(defn- next-segment [s]
  (let [[n] (:read s)]
    (assoc s :read [(or (first (filter #(> % n) (keys (:segs s)))) n) 0 0])))

(defn- fill!
  "Brings entries to memory while it has room: how many. A last line without its
  end is what a crash has left of one that was never acknowledged."
  [{:keys [state inbox folder] :as sp}]
  (loop [added 0]
    (let [{:keys [segs read done] :as s} @state
          [n offset line] read
          size (get segs n 0)
          room (- (:max-inbox @inbox) (inbox/size @inbox))]
      (cond
        (or (not (behind? s)) (not (pos? room))) added
        (>= offset size) (do (swap! state next-segment) (recur added))
        :else
        (let [lines  (lines-at folder n offset size room)
              before (if (= n (nth done 0)) (nth done 1) 0)
              [took stop?]
              (loop [left lines took 0]
                (if-let [[text bytes] (first left)]
                  (let [line  (+ line took 1)
                        entry (when (> line before) (entry-of sp text n line))]
                    (if (and entry (not (inbox/fits? @inbox entry)))
                      [took true]
                      (do (when entry (swap! inbox inbox/put entry))
                          (swap! state update-in [:read 1] + bytes)
                          (recur (rest left) (inc took)))))
                  [took false]))
              was (- (:max-inbox @inbox) room)]
          (swap! state update-in [:read 2] + took)
          (let [added (+ added (- (inbox/size @inbox) was))]
            (cond
              stop?        added
              (zero? took) (do (if (some #(> % n) (keys segs))
                                 (swap! state next-segment)
                                 (swap! state assoc-in [:read 1] size))
                               (recur added))
              :else        (recur added))))))))

(defn- bring!
  "As fill!, and says how many there are to take."
  [{:keys [on] :as sp}]
  (let [n (try (fill! sp)
               (catch #?(:clj Exception :cljs :default) e (failed! sp "read" e) 0))]
    (dotimes [_ n] ((:task! @on)))))

(defn- drop-segments! [{:keys [state folder]} gone?]
  (doseq [n (filter gone? (keys (:segs @state)))]
    ((:remove! folder) (segment-name n))
    (swap! state (fn [s] (-> (update s :bytes - (get-in s [:segs n])) (update :segs dissoc n))))))

(defn- note! [{:keys [folder state]} [n line :as done]]
  (swap! state assoc :done done)
  ((:write! folder) pos-name (str n " " line (subs "                              " 0 (- 30 (count (str n)) (count (str line)))) "\n")))

(defn handled!
  "An entry of the inbox has had its handlers."
  [{:keys [state inbox] :as sp} entry]
  (one-by-one sp
              (fn []
                (when (:open? @state)
                  (try
                    (when-let [[n :as pos] (nth entry 7 nil)]
                      (note! sp pos)
                      (drop-segments! sp #(< % n))
                      (let [{:keys [write lines bytes full?] :as s} @state]
                        ;; All is handled: nothing need stay.
                        (when (and (= pos [write lines]) (not (behind? s)) (or full? (> bytes small)))
                          (note! sp [(inc write) 0])
                          ((:close! (:folder sp)))
                          (drop-segments! sp #(<= % write))
                          (swap! state assoc :write nil :read [(inc write) 0 0])))
                      (tell-room! sp))
                    (catch #?(:clj Exception :cljs :default) e (failed! sp "written" e)))
                  (when (and (behind? @state) (<= (* 4 (inbox/size @inbox)) (:max-inbox @inbox)))
                    (bring! sp))))))

;; Beginning and end.

(defn create
  "Takes a folder, or throws. Options: :max-persist-bytes."
  [folder {:keys [max-persist-bytes]} inbox]
  (claim! folder)
  (let [most max-persist-bytes]
    {:folder folder :inbox inbox :most most :segment (min most-segment (quot most 8))
     :state (atom (opened folder)) :on (atom nil) :lock #?(:clj (Object.) :cljs nil)}))

(defn begin!
  "From now on entries are taken: `on` is {:task! (fn []) somebody is to take the
  next of the inbox, :room! (fn [yes?]) credit may be given, :error! (fn [error])}.
  What an earlier process has left comes first."
  [{:keys [state folder on] :as sp} functions]
  (one-by-one sp
              (fn []
                (reset! on functions)
                (try
                  (when-not (:open? @state)
                    (claim! folder)
                    (reset! state (opened folder)))
                  (tell-room! sp)
                  (bring! sp)
                  (catch #?(:clj Exception :cljs :default) e (failed! sp "opened" e))))))

(defn- forget
  "An inbox without what is in the files."
  [{:keys [items head] :as b}]
  (let [left (filterv #(nil? (nth % 7 nil)) (subvec items head))]
    (assoc b :items left :head 0 :bytes (transduce (map #(nth % 5 0)) + 0 left))))

(defn end!
  "Leaves the folder: what is not handled stays in it."
  [{:keys [state folder inbox] :as sp}]
  (one-by-one sp
              (fn []
                (when (:open? @state)
                  (swap! state assoc :open? false)
                  (swap! inbox forget)
                  (release! folder)))))

(defn functions
  "What a client needs of it: :put! :handled! :begin! :end! :waiting."
  [folder options inbox]
  (let [sp (create folder options inbox)]
    {:put!     (fn [entry] (put! sp entry))
     :handled! (fn [entry] (handled! sp entry))
     :begin!   (fn [on] (begin! sp on))
     :end!     (fn [] (end! sp))
     :waiting  (fn [] (waiting sp))}))
