(ns sente-lite.options
  "The options of connect! and those that start! has as well: one table of names,
  kinds and defaults, from which checks and errors are made. Those of start! alone
  are sente-lite.start's. Pure."
  {:no-doc true}
  (:require [clojure.string :as str]
            [sente-lite.session :as session]))

(def function [ifn? "expected a function"])
(def positive [#(and (int? %) (pos? %)) "expected a whole number above 0"])
(def string [string? "expected a string"])
(def a-map [map? "expected a map"])

(def ^:private policies #{:notify :drop-oldest :drop-newest :coalesce :block})

(def shared
  "The options of both, [name kind default]: a kind is [(fn [value]) what is
  expected], nil where everything is. What they mean is in sente-lite.option-docs,
  which a page does not load."
  [[:on-open function]
   [:on-reconnect function]
   [:on-ready function]
   [:on-close function]
   [:on-error function]
   [:on-handler-error function]
   [:on-message function]
   [:backoff-ms-fn function]
   [:reconnect? nil true]
   [:max-tries positive]
   [:max-queue positive (:max-queue session/defaults)]
   [:max-queue-bytes positive (:max-queue-bytes session/defaults)]
   [:max-queue-age-ms positive]
   [:on-full [#(every? policies (if (map? %) (vals %) [%]))
              "expected :notify, :drop-oldest, :drop-newest, :coalesce or :block, or a map of ids to these"] :notify]
   [:block-ms positive 1000]
   [:event-buffer-ms positive]
   [:max-inbox positive]
   [:max-inbox-bytes positive]
   [:on-inbox-full #?(:scittle [#{:notify :drop} "expected :notify or :drop (:persist needs files, which a page has not)"]
                      :default [#{:notify :drop :persist} "expected :notify, :drop or :persist"]) :notify]
   #?@(:scittle []
       :default [[:data-dir string]
                 [:max-persist-bytes positive 268435456]])
   [:max-calls positive (:max-calls session/defaults)]
   [:call-timeout-ms positive (:call-timeout-ms session/defaults)]
   [:bundle-size positive]
   [:packer] ; this and the next four are checked by sente-lite.form
   [:gzip]
   [:key]
   [:packers]
   [:layers]
   [:platform a-map]])

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
   :wire-format         [:packer]
   :send-queue            [:max-queue :max-depth]
   :max-depth             [:max-queue]
   :event-buffer-size     [:bundle-size]
   :max-buffer-size       [:max-queue]})

(def elsewhere
  "Options that have no meaning here, and what to do instead."
  {:ajax-opts           "there is no Ajax link in this library"
   :headers             "a token is :token; browsers cannot set headers"})

(def harmless
  "Options whose usual values say what is so anyway."
  {:type           #{:auto :ws nil}
   :protocol       #{:ws nil}
   :wrap-recv-evs? #{false nil}
   :auto-connect?  #{true nil}})

(defn- parts
  "The letters of a name, and each with the next, its ends included."
  [x]
  (set (concat (name x) (partition 2 1 (str " " (name x) " ")))))

(defn nearest
  "The name that was probably meant, or nil."
  [given names]
  (let [g     (parts given)
        alike (fn [n] (let [p (parts n)] (/ (count (filter p g)) (max (count p) (count g)))))
        best  (apply max-key alike (sort names))]
    (when (> (alike best) 0.6) best)))

(defn- bad [name option given expected]
  (throw (ex-info (str "sente-lite: " name ": option " option ": " expected)
                  {:category :incorrect :code :sente-lite/bad-option :option option :given given :expected expected})))

(def connecting
  "What connect! takes: {:name :rows :aliases :paths :elsewhere}; :paths are those
  of names that are a part of another option."
  {:name "connect!"
   :rows (into [[:url]
                [:token]
                [:client-id string]
                [:handler? nil false]
                [:owner?]
                [:params a-map {}]
                [:persist]
                [:recover? nil true]
                [:credit [#(and (int? %) (<= 0 % 1000000)) "expected a whole number from 0 to 1000000"] 256]
                [:connect-timeout-ms positive (:connect-timeout-ms session/defaults)]
                [:kalive-ms positive (:kalive-ms session/defaults)]
                [:ping-timeout-ms positive (:ping-timeout-ms session/defaults)]]
               shared)
   :aliases aliases
   :elsewhere elsewhere})

(defn- rename
  "What an option of others' names stands for: [path value], nil to leave it out."
  [{:keys [name paths aliases elsewhere]} names k v]
  (let [[to inner] (aliases k)]
    (cond
      (contains? names k)  [[k] v]
      (get paths k)        [(get paths k) v]
      to                   (when (contains? names to) [[to] (if (and inner (map? v)) (get v inner) v)])
      (contains? harmless k) (when-not (contains? (harmless k) v)
                               (bad name k v (str "found " (pr-str v) "; allowed here: " (str/join ", " (map pr-str (remove nil? (harmless k)))))))
      (elsewhere k)        (when (some? v) (bad name k v (str "is not an option here; " (elsewhere k))))
      :else (let [near (nearest k (concat (keys names) (keys aliases)))]
              (bad name k v (if near (str "is unknown; did you mean " near "?")
                                (str "is unknown; known are " (str/join " " (sort (keys names))))))))))

(defn- whole
  "Options that are good each by itself."
  [fn-name opts]
  #?(:scittle opts
     :default (if (and (= :persist (:on-inbox-full opts)) (nil? (:data-dir opts)))
                (bad fn-name :data-dir nil ":on-inbox-full :persist needs a folder of this client's own, like {:data-dir \"inbox\"}")
                opts)))

(defn check
  "The options of start! or connect! under our own names and with defaults, or an
  ex-info with :option, :given and :expected. `rules` are as `connecting`."
  [{:keys [name rows] :as rules} given]
  (let [names (into {} (map (fn [[k kind]] [k kind]) rows))
        base  (into {} (for [[k _ default] rows :when (some? default)] [k default]))]
    (when-not (or (nil? given) (map? given))
      (bad name :options given (str "expected a map of options, found " (pr-str given))))
    ;; :config first, so that what belongs into it is added to it.
    (whole
     name
     (reduce (fn [m [k v]]
               (if-let [[path v] (rename rules names k v)]
                 (let [[fine? expected] (when-not (next path) (names (first path)))] ; what is the sidecar's it checks itself
                   (when-not (or (nil? v) (nil? fine?) (fine? v))
                     (bad name k v (str "found " (pr-str v) "; " expected)))
                   (if (nil? v) (if (= k :port) (assoc m :port nil) m) (assoc-in m path v)))
                 m))
             base (sort-by (fn [[k _]] (not= :config k)) given)))))
