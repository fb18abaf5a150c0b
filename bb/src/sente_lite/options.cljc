(ns sente-lite.options
  "The options of start! and connect!: one table of names, defaults and meanings,
  from which checks, errors and the reference are made. Pure."
  {:no-doc true}
  (:require [clojure.string :as str]
            [sente-lite.session :as session]))

(def table
  "Every option: {:name :for (which of start! and connect!) :default :doc}."
  [{:name :port :for #{:start} :default 0 :doc "HTTP port of the sidecar on loopback; 0 is any free one, nil none"}
   {:name :host :for #{:start} :default "127.0.0.1" :doc "its address; others than loopback need :auth in :config"}
   {:name :listen :for #{:start} :doc "addresses instead of :host and :port: [\"http://127.0.0.1:0\" \"unix:/tmp/x.sock\"]"}
   {:name :static :for #{:start} :doc "folder of pages to serve (public, if there is one)"}
   {:name :config :for #{:start} :default {} :doc "the sidecar's configuration, any key of it: {:flow {…} :auth {…}}"}
   {:name :bin :for #{:start} :doc "the sente-lite program; else SENTE_LITE_BIN, the PATH, or a checkout with Go"}
   {:name :args :for #{:start} :default [] :doc "more arguments of the program, like [\"--log-level\" \"debug\"]"}
   {:name :open? :for #{:start} :default false :doc "open the first page in the user's browser"}
   {:name :on-stderr :for #{:start} :doc "(fn [line]) for each line that the sidecar logs; default: printed to *err*"}
   {:name :start-timeout-ms :for #{:start} :default 10000 :doc "longest wait for the sidecar's ready"}
   {:name :url :for #{:connect} :doc "unix:/path.sock, tcp://host:port, ws://, wss://, http:// or https:// (with /ws behind, unless there is a path), or :stdio"}
   {:name :token :for #{:connect} :doc "a token, or a function of no arguments that gives one; never part of the URL"}
   {:name :client-id :for #{:connect} :doc "names this client across reconnects, and is its secret; default: a random one"}
   {:name :handler? :for #{:connect} :default false :doc "an owner becomes the one who receives what nobody else takes"}
   {:name :owner? :for #{:connect} :doc "act as an owner although the link cannot tell (a WebSocket with an owner's token)"}
   {:name :params :for #{:connect} :default {} :doc "more of a WebSocket's query; nothing secret"}
   {:name :persist :for #{:connect} :doc "in a browser: name under which what waits survives a reload, false for not; default: this tab's"}
   {:name :on-open :for #{:start :connect} :doc "(fn [info]) once, when the link is open for the first time"}
   {:name :on-reconnect :for #{:start :connect} :doc "(fn [info]) each time it is open again; :old has the uid and session before, :recovered? and :missed what was lost"}
   {:name :on-ready :for #{:start :connect} :doc "(fn [info]) after each of the two"}
   {:name :on-close :for #{:start :connect} :doc "(fn [why]) when an open link has ended: {:code :reason :why}, and :final? once no other will be tried"}
   {:name :on-error :for #{:start :connect} :doc "(fn [error]) for errors that no reply can carry; default: printed"}
   {:name :on-handler-error :for #{:start :connect} :doc "(fn [{:keys [event error]}]) when a handler has thrown; default: printed"}
   {:name :on-message :for #{:start :connect} :doc "sees every event beside its handlers: (fn [event-id data]), of start! (fn [uid event-id data])"}
   {:name :backoff-ms-fn :for #{:start :connect} :doc "(fn [tries luck]) gives the milliseconds before the next try; luck is from 0 to 1"}
   {:name :reconnect? :for #{:start :connect} :default true :doc "start a sidecar that died, or connect, again"}
   {:name :max-tries :for #{:start :connect} :doc "failures in a row after which it stays closed; start!: 5, connect!: no end"}
   {:name :max-queue :for #{:start :connect} :default (:max-queue session/defaults) :doc "events that wait for the link before send! says :backpressure"}
   {:name :max-queue-bytes :for #{:start :connect} :default (:max-queue-bytes session/defaults) :doc "and their characters"}
   {:name :max-queue-age-ms :for #{:start :connect} :doc "age of the oldest that waits before send! says :backpressure; default: any"}
   {:name :on-full :for #{:start :connect} :default :notify :doc "what happens to an event that finds the queue full: :notify :drop-oldest :drop-newest :coalesce :block, or by id: {:chat/* :drop-oldest :default :notify}"}
   {:name :block-ms :for #{:start :connect} :default 1000 :doc "longest wait of :block"}
   {:name :event-buffer-ms :for #{:start :connect} :doc "longest wait of an event for others to leave with, while many are sent; default: the sidecar's (25)"}
   {:name :recover? :for #{:connect} :default true :doc "keep what is written until it is acknowledged, and go on after a lost link where it ended"}
   {:name :credit :for #{:connect} :default 256 :doc "events that the sidecar may send ahead of what the inbox has taken; 0 for no bound"}
   {:name :max-inbox :for #{:start :connect} :doc "received events that wait for a handler before the next is refused; default: the sidecar's (5000)"}
   {:name :max-inbox-bytes :for #{:start :connect} :doc "and their characters; default: the sidecar's (100000000)"}
   {:name :on-inbox-full :for #{:start :connect} :default :notify :doc "what happens then: :notify (refused to the sender) or :drop (a row in the ledger)"}
   {:name :max-calls :for #{:start :connect} :default (:max-calls session/defaults) :doc "calls that may wait for a reply"}
   {:name :call-timeout-ms :for #{:start :connect} :default (:call-timeout-ms session/defaults) :doc "life of an ask!, unless it says otherwise"}
   {:name :connect-timeout-ms :for #{:connect} :default (:connect-timeout-ms session/defaults) :doc "longest wait for a link and its first word"}
   {:name :kalive-ms :for #{:connect} :default (:kalive-ms session/defaults) :doc "silence before the link is doubted, until the sidecar has told its own"}
   {:name :ping-timeout-ms :for #{:connect} :default (:ping-timeout-ms session/defaults) :doc "wait for the answer to a ping, likewise"}
   {:name :bundle-size :for #{:start :connect} :doc "most events of one message; 1 for no bundles; default: the sidecar's (100)"}
   {:name :platform :for #{:start :connect} :doc "what the link, the clock and the handlers run on; sente-lite.test has one without any of them"}])

(def aliases
  "What Sente and sente_lite call them: name → [ours], or [ours f] where the
  value changes too."
  {:uri                   [:url]
   :on-channel-ready      [:on-ready]
   :auto-reconnect?       [:reconnect?]
   :backoff-fn            [:backoff-ms-fn]
   :ws-kalive-ms          [:kalive-ms]
   :ws-ping-timeout-ms    [:ping-timeout-ms]
   :timeout-ms            [:call-timeout-ms]
   :send-queue            [:max-queue :max-depth]
   :max-depth             [:max-queue]
   :event-buffer-size     [:bundle-size]
   :max-buffer-size       [:max-queue]
   :binary                [:bin]})

(def ^:private sente-server
  "Options of Sente's server that are the sidecar's here: where they are."
  {:ws-kalive-ms        [:config :flow :ws-kalive-ms]
   :ws-ping-timeout-ms  [:config :flow :ws-ping-timeout-ms]
   :send-buf-ms-ws      [:config :flow :event-buffer-ms]
   :allowed-origins     [:config :allowed-origins]})

(def ^:private elsewhere
  "Options that have no meaning here, and what to do instead."
  {:user-id-fn          "uids come from tokens: :config {:auth {:tokens [{:token-env \"X\" :uid \"ada\"}]}}"
   :csrf-token-fn       "the sidecar checks origins itself, without a token"
   :authorized?-fn      "who may connect is :config {:auth …}"
   :handshake-data-fn   "send an event to who opens: (on! :sente-lite/open …)"
   :ajax-opts           "there is no Ajax link in this library"
   :headers             "a token is :token; browsers cannot set headers"
   :wire-format         "the wire is EDN"
   :heartbeat           ":config {:flow {:ws-kalive-ms … :ws-ping-timeout-ms …}}"})

(def ^:private harmless
  "Options whose usual values say what is so anyway."
  {:packer         #{:edn nil}
   :type           #{:auto :ws nil}
   :protocol       #{:ws nil}
   :wrap-recv-evs? #{false nil}
   :auto-connect?  #{true nil}})

(defn- distance
  "Edits from a to b, swaps of neighbours included; small strings only."
  [a b]
  (let [a (vec a) b (vec b)
        swap? (fn [i j] (and (> i 1) (> j 1) (= (a (- i 1)) (b (- j 2))) (= (a (- i 2)) (b (- j 1)))))
        row   (fn [[older before] i]
                [before
                 (reduce (fn [row j]
                           (conj row (cond-> (min (inc (row (dec j)))
                                                  (inc (before j))
                                                  (+ (before (dec j)) (if (= (a (dec i)) (b (dec j))) 0 1)))
                                       (swap? i j) (min (inc (older (- j 2)))))))
                         [i] (range 1 (inc (count b))))])]
    (peek (second (reduce row [nil (vec (range (inc (count b))))] (range 1 (inc (count a))))))))

(defn nearest
  "The name that was probably meant, or nil."
  [given names]
  (let [g (name given)
        [d best] (first (sort-by first (map (fn [n] [(distance g (name n)) n]) names)))]
    (when (and best (<= d (max 1 (quot (count g) 3)))) best)))

(defn- bad [fn-name option given expected]
  (throw (ex-info (str "sente-lite: " fn-name ": option " option ": " expected)
                  {:category :incorrect :code :sente-lite/bad-option :option option :given given :expected expected})))

(def ^:private policies #{:notify :drop-oldest :drop-newest :coalesce :block})

(defn- types [option v]
  (cond
    (nil? v) true
    (contains? #{:on-open :on-reconnect :on-ready :on-close :on-error :on-handler-error :on-message :on-stderr :backoff-ms-fn} option) (ifn? v)
    (contains? #{:max-queue :max-queue-bytes :max-calls :max-inbox :call-timeout-ms :connect-timeout-ms :kalive-ms :ping-timeout-ms :max-queue-age-ms :block-ms :event-buffer-ms
                 :max-inbox-bytes :bundle-size :start-timeout-ms :max-tries} option) (and (int? v) (pos? v))
    (= :port option) (and (int? v) (<= 0 v 65535))
    (= :credit option) (and (int? v) (<= 0 v 1000000))
    (= :on-full option) (every? policies (if (map? v) (vals v) [v]))
    (= :on-inbox-full option) (contains? #{:notify :drop} v)
    (contains? #{:config :params :platform} option) (map? v)
    (contains? #{:host :static :bin :client-id} option) (string? v)
    (contains? #{:listen :args} option) (sequential? v)
    :else true))

(defn- wanted [option]
  (cond
    (= :port option) "expected a port from 0 to 65535"
    (= :credit option) "expected a whole number from 0 to 1000000"
    (= :on-full option) "expected :notify, :drop-oldest, :drop-newest, :coalesce or :block, or a map of ids to these"
    (= :on-inbox-full option) "expected :notify or :drop"
    (contains? #{:config :params :platform} option) "expected a map"
    (contains? #{:host :static :bin :client-id} option) "expected a string"
    (contains? #{:listen :args} option) "expected a vector of strings"
    (str/starts-with? (name option) "on-") "expected a function"
    (= :backoff-ms-fn option) "expected a function"
    :else "expected a whole number above 0"))

(defn- rename
  "What an option of others' names stands for: [path value], nil to leave it out."
  [what k v names fn-name]
  (cond
    (contains? names k) [[k] v]
    (and (= :start what) (sente-server k)) [(sente-server k) v]
    (aliases k) (let [[to inner] (aliases k)] (when (contains? names to) [[to] (if (and inner (map? v)) (get v inner) v)]))
    (contains? harmless k) (if (contains? (harmless k) v)
                             nil
                             (bad fn-name k v (str "found " (pr-str v) "; allowed here: " (str/join ", " (map pr-str (remove nil? (harmless k)))))))
    (elsewhere k) (if (nil? v) nil (bad fn-name k v (str "is not an option here; " (elsewhere k))))
    :else (let [near (nearest k (concat names (keys aliases)))]
            (bad fn-name k v (if near (str "is unknown; did you mean " near "?")
                                 (str "is unknown; known are " (str/join " " (sort names))))))))

(defn check
  "The options of start! (:start) or connect! (:connect) under our own names and
  with defaults, or an ex-info with :option, :given and :expected."
  [what given]
  (let [fn-name (if (= :start what) "start!" "connect!")
        rows    (filter #(contains? (:for %) what) table)
        names   (set (map :name rows))
        base    (reduce (fn [m {:keys [name default]}] (if (some? default) (assoc m name default) m)) {} rows)]
    (when-not (or (nil? given) (map? given))
      (bad fn-name :options given (str "expected a map of options, found " (pr-str given))))
    ;; :config first, so that what belongs into it is added to it.
    (reduce (fn [m [k v]]
              (if-let [[path v] (rename what k v names fn-name)]
                (do (when-not (or (next path) (types (first path) v)) ; what is the sidecar's it checks itself
                      (bad fn-name k v (str "found " (pr-str v) "; " (wanted (first path)))))
                    (if (nil? v) (if (= k :port) (assoc m :port nil) m) (assoc-in m path v)))
                m))
            base (sort-by (fn [[k _]] (not= :config k)) given))))

(defn reference
  "The table for `what` as Markdown rows, for the reference."
  [what]
  (str "| option | default | |\n|---|---|---|\n"
       (str/join "\n" (for [{:keys [name default doc]} table :when (contains? (:for (first (filter #(= name (:name %)) table))) what)]
                        (str "| `" name "` | " (if (some? default) (str "`" (pr-str default) "`") "") " | " doc " |")))))
