(ns sente-lite.options
  "The options of start! and connect!: one table of names, defaults and meanings,
  from which checks and errors are made. Pure."
  {:no-doc true}
  (:require [clojure.string :as str]
            [sente-lite.session :as session]))

(def table
  "Every option: {:name :for (which of start! and connect!) :default}. What they mean
  is in sente-lite.option-docs, which a page does not load."
  [{:name :port :for #{:start} :default 0}
   {:name :host :for #{:start} :default "127.0.0.1"}
   {:name :listen :for #{:start}}
   {:name :static :for #{:start}}
   {:name :config :for #{:start} :default {}}
   {:name :bin :for #{:start}}
   {:name :args :for #{:start} :default []}
   {:name :open? :for #{:start} :default false}
   {:name :on-stderr :for #{:start}}
   {:name :start-timeout-ms :for #{:start} :default 10000}
   {:name :url :for #{:connect}}
   {:name :token :for #{:connect}}
   {:name :client-id :for #{:connect}}
   {:name :handler? :for #{:connect} :default false}
   {:name :owner? :for #{:connect}}
   {:name :params :for #{:connect} :default {}}
   {:name :persist :for #{:connect}}
   {:name :on-open :for #{:start :connect}}
   {:name :on-reconnect :for #{:start :connect}}
   {:name :on-ready :for #{:start :connect}}
   {:name :on-close :for #{:start :connect}}
   {:name :on-error :for #{:start :connect}}
   {:name :on-handler-error :for #{:start :connect}}
   {:name :on-message :for #{:start :connect}}
   {:name :backoff-ms-fn :for #{:start :connect}}
   {:name :reconnect? :for #{:start :connect} :default true}
   {:name :max-tries :for #{:start :connect}}
   {:name :max-queue :for #{:start :connect} :default (:max-queue session/defaults)}
   {:name :max-queue-bytes :for #{:start :connect} :default (:max-queue-bytes session/defaults)}
   {:name :max-queue-age-ms :for #{:start :connect}}
   {:name :on-full :for #{:start :connect} :default :notify}
   {:name :block-ms :for #{:start :connect} :default 1000}
   {:name :event-buffer-ms :for #{:start :connect}}
   {:name :recover? :for #{:connect} :default true}
   {:name :credit :for #{:connect} :default 256}
   {:name :max-inbox :for #{:start :connect}}
   {:name :max-inbox-bytes :for #{:start :connect}}
   {:name :on-inbox-full :for #{:start :connect} :default :notify}
   #?@(:scittle []
       :default [{:name :data-dir :for #{:start :connect}}
                 {:name :max-persist-bytes :for #{:start :connect} :default 268435456}])
   {:name :max-calls :for #{:start :connect} :default (:max-calls session/defaults)}
   {:name :call-timeout-ms :for #{:start :connect} :default (:call-timeout-ms session/defaults)}
   {:name :connect-timeout-ms :for #{:connect} :default (:connect-timeout-ms session/defaults)}
   {:name :kalive-ms :for #{:connect} :default (:kalive-ms session/defaults)}
   {:name :ping-timeout-ms :for #{:connect} :default (:ping-timeout-ms session/defaults)}
   {:name :bundle-size :for #{:start :connect}}
   {:name :platform :for #{:start :connect}}])

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
                 :max-inbox-bytes :max-persist-bytes :bundle-size :start-timeout-ms :max-tries} option) (and (int? v) (pos? v))
    (= :port option) (and (int? v) (<= 0 v 65535))
    (= :credit option) (and (int? v) (<= 0 v 1000000))
    (= :on-full option) (every? policies (if (map? v) (vals v) [v]))
    (= :on-inbox-full option) (contains? #?(:scittle #{:notify :drop} :default #{:notify :drop :persist}) v)
    (contains? #{:config :params :platform} option) (map? v)
    (contains? #{:host :static :bin :client-id :data-dir} option) (string? v)
    (contains? #{:listen :args} option) (sequential? v)
    :else true))

(defn- wanted [option]
  (cond
    (= :port option) "expected a port from 0 to 65535"
    (= :credit option) "expected a whole number from 0 to 1000000"
    (= :on-full option) "expected :notify, :drop-oldest, :drop-newest, :coalesce or :block, or a map of ids to these"
    (= :on-inbox-full option) #?(:scittle "expected :notify or :drop (:persist needs files, which a page has not)"
                                 :default "expected :notify, :drop or :persist")
    (contains? #{:config :params :platform} option) "expected a map"
    (contains? #{:host :static :bin :client-id :data-dir} option) "expected a string"
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

(defn- whole
  "Options that are good each by itself."
  [fn-name opts]
  #?(:scittle opts
     :default (if (and (= :persist (:on-inbox-full opts)) (nil? (:data-dir opts)))
                (bad fn-name :data-dir nil ":on-inbox-full :persist needs a folder of this client's own, like {:data-dir \"inbox\"}")
                opts)))

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
    (whole
     fn-name
     (reduce (fn [m [k v]]
               (if-let [[path v] (rename what k v names fn-name)]
                 (do (when-not (or (next path) (types (first path) v)) ; what is the sidecar's it checks itself
                       (bad fn-name k v (str "found " (pr-str v) "; " (wanted (first path)))))
                     (if (nil? v) (if (= k :port) (assoc m :port nil) m) (assoc-in m path v)))
                 m))
             base (sort-by (fn [[k _]] (not= :config k)) given)))))
