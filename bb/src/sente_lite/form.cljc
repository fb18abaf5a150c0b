(ns sente-lite.form
  "What messages look like on the wire: the options :packer, :gzip, :key, :packers
  and :layers, and what they put around a link. A session knows nothing of it: it
  writes EDN text, and takes values.

  A form is a packer and the layers around what it packs, innermost first. A
  compressor is right behind the packer, works on whole bundles after the queue,
  and is left out where it does not pay.

  A step may give a promise, as gzip and ciphers do in a page. Then what comes next
  waits for it: order is kept both ways."
  {:no-doc true}
  (:require [clojure.string :as str]
            [sente-lite.bytes :as bytes]
            [sente-lite.cipher :as cipher]
            [sente-lite.gzip :as gzip]
            [sente-lite.inbox :as inbox]
            [sente-lite.intake :as intake]
            [sente-lite.msgpack :as msgpack]
            [sente-lite.queue :as queue]
            [sente-lite.wire :as wire]))

(defn- promise? [v]
  #?(:clj false :cljs (instance? js/Promise v)))

(defn- then
  "(f v), or a promise of it where v is one. Where there are threads, a packer's
  promise or future is waited for."
  [v f]
  #?(:clj  (f (if (and (instance? clojure.lang.IPending v) (not (seq? v))) (deref v) v)) ; a lazy seq is pending, too
     :cljs (if (promise? v) (.then v f) (f v))))

(defn- attempt
  "What (f) gives, or (no e) where it, or its promise, fails."
  [f no]
  (let [v (try (then (f) identity)
               (catch #?(:clj Throwable :cljs :default) e (then (no e) identity)))]
    #?(:clj v :cljs (if (promise? v) (.catch v no) v))))

(defn- size [m] (if (string? m) (count m) (bytes/size m)))
(defn- to-bytes [m] (if (string? m) (bytes/utf8 m) m))

;; The parts that forms are made of.

(def ^:private least
  "Bytes of a message that is worth compressing."
  1024)

(def ^:private packed-bundle
  "What a bundle begins with in MessagePack: an array of two, and :batch/events."
  [0x92 0xc7 12 0 98 97 116 99 104 47 101 118 101 110 116 115])

(defn- bundle?
  "Is it a bundle, or may it be one? How many were in it nobody knows, when it
  cannot be read."
  [packer m]
  (case packer
    :edn     (or (not (string? m)) (str/starts-with? m "[:batch/events"))
    :msgpack (= packed-bundle (when-not (string? m) (mapv #(bit-and 255 (aget #?(:clj ^bytes m :cljs m) %)) (range (min 16 (size m))))))
    true))

(defn- packer-of [option nm {:keys [packers]}]
  (let [own (get packers nm)]
    (cond
      own              (if (and (ifn? (:pack own)) (ifn? (:unpack own)))
                         (assoc own :name nm)
                         (throw (ex-info (str "sente-lite: option :packers: " nm " lacks a function; expected {:pack (fn [value]) :unpack (fn [packed])}")
                                         {:category :incorrect :code :sente-lite/bad-option :option :packers :given own
                                          :expected "{:pack (fn [value]) :unpack (fn [packed]) :text? false}"})))
      (= :edn nm)      {:name :edn :text? true}
      (= :msgpack nm)  {:name :msgpack :pack msgpack/unchecked :unpack msgpack/unpack}
      :else            (throw (ex-info (str "sente-lite: option " option ": there is no packer " nm "; known are " (str/join " " (sort (into [:edn :msgpack] (keys packers)))))
                                       {:category :incorrect :code :sente-lite/bad-option :option option :given nm :expected "a packer first"})))))

(defn- layer-of [option nm {:keys [layers key]}]
  (let [own (get layers nm)]
    (cond
      own              (if (or (ifn? (:new own)) (and (ifn? (:encode own)) (ifn? (:decode own))))
                         (merge {:name nm :new (fn [] own)} own)
                         (throw (ex-info (str "sente-lite: option :layers: " nm " lacks a function; expected {:encode (fn [bytes]) :decode (fn [bytes limit])}")
                                         {:category :incorrect :code :sente-lite/bad-option :option :layers :given own
                                          :expected "{:encode (fn [bytes]) :decode (fn [bytes limit])}, or {:new (fn [])} that gives such a map for each link"})))
      (= :gzip nm)     {:name :gzip :compresses? true :is? gzip/gzip? :new (fn [] {:encode gzip/squeezed :decode gzip/expanded})}
      (= :aes-gcm nm)  (let [k (cipher/key-of key)] {:name :aes-gcm :new (fn [] (cipher/coder k))})
      :else            (throw (ex-info (str "sente-lite: option " option ": nothing called " nm " goes around a packer; known are " (str/join " " (sort (into [:gzip :aes-gcm] (keys layers)))))
                                       {:category :incorrect :code :sente-lite/bad-option :option option :given nm :expected ":gzip, :aes-gcm or one of :layers"})))))

(defn- chain-of
  "The names of a form, gzip behind the packer where that is asked for, without it
  where there is none here."
  [{:keys [packer gzip]}]
  (let [[p & ls] (cond
                   (nil? packer)     [:edn]
                   (keyword? packer) [packer]
                   (and (vector? packer) (seq packer) (every? keyword? packer)) packer
                   :else (throw (ex-info (str "sente-lite: option :packer: found " (pr-str packer) "; expected :edn, :msgpack or a chain like [:msgpack :gzip :aes-gcm]")
                                         {:category :incorrect :code :sente-lite/bad-option :option :packer :given packer
                                          :expected ":edn, :msgpack or a chain like [:msgpack :gzip :aes-gcm]"})))
        ls       (if (and gzip (not-any? #{:gzip} ls)) (cons :gzip ls) ls)]
    (into [p] (if (gzip/unavailable) (remove #{:gzip} ls) ls))))

(defn- misplaced [layers]
  (some (fn [{:keys [name compresses?]}] (when compresses? name)) (rest layers)))

;; Out.

(defn- substitute
  "What takes the place of an item that cannot be packed: the other side counts it."
  [item e]
  (if (and (vector? item) (= :chsk/reply (nth item 0 nil)))
    [:chsk/reply (nth item 1) e]
    [:sente-lite/error (second e)]))

(defn- tell-failed!
  "An item cannot be packed: a call is answered so, an event is a dead letter."
  [c item e]
  (let [[event cb] (if (vector? (first item)) item [item nil])]
    (cond
      (= :chsk/reply (first item)) nil
      cb    ((:input! c) c [:fail cb e])
      :else (swap! (:inbox c) inbox/bury {:event event :out? true :error (:message (second e)) :at ((:now (:platform c))) :tries 1}))
    ((:put! (:lane c)) (fn [] (intake/run-hook! c :on-error (second e))))))

(defn- failure [packer item e]
  (let [id (first (if (vector? (first item)) (first item) item))]
    (wire/error :fault :sente-lite/not-packed (str id " could not be packed by " (:name packer) ": " (or (ex-message e) (str e)))
                (merge {:event-id id} (select-keys (ex-data e) [:path :expected])))))

(defn- pack-items
  "The message of what can be packed, item by item."
  [c packer v]
  (let [many? (= :batch/events (first v))
        good  (reduce (fn [done item]
                        (then done
                              (fn [done]
                                (attempt #(then ((:pack packer) item) (fn [_] (conj done item)))
                                         (fn [e]
                                           (let [e (failure packer item e)]
                                             (tell-failed! c item e)
                                             (conj done (substitute item e))))))))
                      [] (if many? (second v) [v]))]
    (then good (fn [items] ((:pack packer) (if many? [:batch/events items] (first items)))))))

(defn- packed [c {:keys [pack] :as packer} text]
  (if pack
    (let [v (wire/read-text text)]
      (attempt #(pack v) (fn [_] (pack-items c packer v))))
    text))

(defn- wrapped
  "A message in one layer."
  [{:keys [compresses?]} {:keys [encode]} m]
  (cond
    (not compresses?)  (encode (to-bytes m))
    (< (size m) least) m
    :else              (let [b (to-bytes m)]
                         (then (encode b) (fn [z] (if (< (bytes/size z) (bytes/size b)) z m))))))

(defn- encoder [c {:keys [packer layers]} coders]
  (fn [text]
    (reduce (fn [m [layer coder]] (then m (fn [m] (wrapped layer coder m))))
            (packed c packer text) (map vector layers coders))))

;; In.

(defn- unwrapped [{:keys [name compresses? is?]} {:keys [decode]} limit m]
  (cond
    (string? m)                (if compresses?
                                 m
                                 (throw (ex-info (str "a message came as text, and not in :" (clojure.core/name name)) {:category :incorrect})))
    (and is? (not (is? m)))    m
    :else                      (decode m limit)))

(defn- unpacked [{:keys [unpack text?]} m]
  (cond
    (and unpack (or text? (not (string? m)))) (unpack (if (and text? (not (string? m))) (bytes/text m) m))
    (string? m)                               (wire/read-text m)
    :else                                     (wire/read-text (bytes/text m))))

(defn- why [e] (or (ex-message e) (str e)))

(defn- decoder
  "A message as {:value :size}, or as {:why :bundle?} where it cannot be read."
  [{:keys [packer layers]} coders limit]
  (fn [m]
    (attempt
     #(then (reduce (fn [m [layer coder]] (then m (fn [m] (unwrapped layer coder (limit) m))))
                    m (reverse (map vector layers coders)))
            (fn [m]
              (attempt (fn [] (if (> (size m) (limit))
                                (throw (ex-info (str "it has more than " (limit) " bytes") {:category :incorrect}))
                                (then (unpacked packer m) (fn [v] {:value v :size (size m)}))))
                       (fn [e] {:why (why e) :bundle? (bundle? (:name packer) m)}))))
     (fn [e] {:why (why e) :bundle? true}))))

;; Around a link.

(defn- in-order
  "A function that runs what it is given, (f), one after another: each once the
  promise of the one before has come. No f may fail."
  []
  #?(:clj  (fn [f] (f))
     :cljs (let [tail (volatile! nil)
                 follow (fn [p]
                          (vreset! tail p)
                          (.then p (fn [_] (when (identical? p @tail) (vreset! tail nil)))))]
             (fn [f]
               (if-let [before @tail]
                 (follow (.then before f))
                 (let [v (f)] (when (promise? v) (follow v))))))))

(defn- encode-all
  "Gives the encoded messages to done, at once or, where one is a promise, later."
  [encode texts done failed]
  (loop [left texts out []]
    (if (empty? left)
      (done out)
      (let [m (encode (first left))]
        (if (promise? m)
          #?(:clj  nil
             :cljs (-> m
                       (.then (fn [m] (encode-all encode (rest left) (fn [more] (done (into (conj out m) more))) failed)))
                       (.catch failed)))
          (recur (rest left) (conj out m)))))))

(defn- around
  "What a link calls (see sente-lite.client), with a form in between. On a stream
  hello and ready are plain."
  [c {:keys [layers] :as form} {:keys [value unreadable] :as on}]
  (let [stream? (:hello? (:target c))
        limit   (fn [] (queue/most-bytes @(:state c)))
        wake!   (fn [] (when-let [l @(:link c)] ((:wake! l) true)))
        drop!   (fn [why]
                  (let [l @(:link c)]
                    ((:lost on) {:code 1006 :reason why})
                    (when l ((:close! l) 4000 why))))
        coders  (mapv (fn [l] ((:new l))) layers)
        encode  (encoder c form coders)
        decode  (decoder form coders limit)
        in-turn! (in-order)
        hello?  (volatile! stream?)
        ready?  (volatile! stream?)
        busy?   (volatile! false)
        done    (volatile! [])
        encode  (fn [text] (if @hello? (do (vreset! hello? false) text) (encode text)))
        taken   (fn [{:keys [why bundle? size] :as read}]
                  (if why (unreadable why bundle?) (value (:value read) size)))]
    (assoc on
           :bytes?  true
           :text    (fn [m]
                      (if @ready?
                        (do (vreset! ready? false) ((:text on) (if (string? m) m (bytes/text m))))
                        (in-turn! (fn [] (then (decode m) taken)))))
           :lost    (fn [info] (in-turn! (fn [] ((:lost on) info))))
           :take    (fn []
                      (let [before @done]
                        (vreset! done [])
                        (if @busy?
                          before
                          (let [now? (volatile! true) now (volatile! [])]
                            (vreset! busy? true)
                            (try
                              (encode-all encode ((:take on))
                                          (fn [ms]
                                            (vreset! busy? false)
                                            (if @now? (vreset! now ms) (do (vswap! done into ms) (wake!))))
                                          (fn [e] (drop! (why e))))
                              (catch #?(:clj Exception :cljs :default) e
                                (drop! (why e))))
                            (vreset! now? false)
                            (into before @now)))))
           :written (fn [] (when-not (or @busy? (seq @done)) ((:written on)))))))

(defn- without-gzip!
  "There is no gzip in this page: the connection goes on without, and says so."
  [{:keys [on-error]}]
  (let [e {:category :unsupported :code :sente-lite/no-gzip :message (str "connecting without :gzip: " (gzip/unavailable)) :hint "load pako" :retry? false}]
    #?(:clj nil :cljs (js/console.error (str "sente-lite: " (:message e))))
    (when on-error (on-error e))))

(defn of
  "The options of a client with their form: :form {:around :hello :params}, or as
  they are where it is plain EDN."
  [opts]
  (let [{:keys [packer gzip]} opts
        wants-gzip? (or gzip (and (vector? packer) (some #{:gzip} packer)))
        [p & ls :as chain] (chain-of opts)
        packer  (packer-of :packer p opts)
        layers  (mapv #(layer-of :packer % opts) ls)
        names   (mapv name chain)
        gzip?   (= [:gzip] ls)]
    (when (and wants-gzip? (gzip/unavailable)) (without-gzip! opts))
    (when-let [l (misplaced layers)]
      (throw (ex-info (str "sente-lite: option :packer: " l " compresses; expected it right behind the packer, like [" p " " l " …]")
                      {:category :incorrect :code :sente-lite/bad-option :option :packer :given chain :expected "a compressor right behind the packer"})))
    (when-not (apply distinct? chain)
      (throw (ex-info (str "sente-lite: option :packer: " (pr-str chain) " has a part twice; expected each once")
                      {:category :incorrect :code :sente-lite/bad-option :option :packer :given chain :expected "each part once"})))
    (if (= [:edn] chain)
      opts
      (-> opts
          (assoc :form {:around (fn [c on] (around c {:packer packer :layers layers} on))
                        :hello  (if gzip? {:packer p :gzip true} {:packer (if ls chain p)})})
          (update :params merge (if gzip? {:packer (name p) :gzip 1} {:packer (str/join "," names)}))))))
