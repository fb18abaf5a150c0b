(ns sente-lite.start
  "What core's start! does where a script can start a sidecar: platforms that can
  have it under :start. No page loads it."
  {:no-doc true}
  (:require [sente-lite.client :as client]
            [sente-lite.options :as options]
            [sente-lite.wire :as wire]))

(def rules
  "What start! takes, as options/connecting."
  {:name "start!"
   :rows (into [[:port [#(and (int? %) (<= 0 % 65535)) "expected a port from 0 to 65535"] 0]
                [:host options/string "127.0.0.1"]
                [:listen [sequential? "expected a vector of strings"]]
                [:static options/string]
                [:config options/a-map {}]
                [:bin options/string]
                [:args [sequential? "expected a vector of strings"] []]
                [:open? nil false]
                [:on-stderr options/function]
                [:start-timeout-ms options/positive 10000]]
               options/shared)
   :aliases (assoc options/aliases :binary [:bin])
   ;; Options of Sente's server that are the sidecar's here.
   :paths {:ws-kalive-ms        [:config :flow :ws-kalive-ms]
           :ws-ping-timeout-ms  [:config :flow :ws-ping-timeout-ms]
           :send-buf-ms-ws      [:config :flow :event-buffer-ms]
           :allowed-origins     [:config :allowed-origins]}
   :elsewhere (merge options/elsewhere
                     {:user-id-fn          "uids come from tokens: :config {:auth {:tokens [{:token-env \"X\" :uid \"ada\"}]}}"
                      :csrf-token-fn       "the sidecar checks origins itself, without a token"
                      :authorized?-fn      "who may connect is :config {:auth …}"
                      :handshake-data-fn   "send an event to who opens: (on! :sente-lite/open …)"
                      :heartbeat           ":config {:flow {:ws-kalive-ms … :ws-ping-timeout-ms …}}"})})

(def ^:private compile-ms
  "The longest wait for a sidecar that a checkout's Go compiles first."
  180000)

(defn- options-of
  "Those of start! with the hello that carries the sidecar's configuration."
  [opts target platform]
  (let [listen (or (:listen opts) (when (:port opts) [(str "http://" (if (re-find #":" (:host opts)) (str "[" (:host opts) "]") (:host opts)) ":" (:port opts))]) [])
        config (cond-> (merge {:listen (vec listen)} (:config opts))
                 (:static opts) (assoc :static ((:absolute platform identity) (:static opts)))
                 (and (:moved? target) (nil? (:static opts)) ((:exists? platform) "public"))
                 (assoc :static ((:absolute platform) "public")))]
    (merge {:max-tries 5} opts {:hello (merge {:bundle true :config config} (:hello (:form opts))) :first-must? true
                                :connect-timeout-ms (if (and (:moved? target) (= 10000 (:start-timeout-ms opts)))
                                                      compile-ms
                                                      (:start-timeout-ms opts))})))

(defn- begun
  "A started client with the keys that Sente's server has."
  [c]
  (let [listen (get-in @(:state c) [:ready :listen])
        url    (first (filter #(re-find #"^http" %) listen))]
    (assoc c :listen listen :url url
           :port (some-> url (->> (re-find #"^https?://[^/]*:(\d+)")) second parse-long)
           :uid (:uid @(:state c))
           :connected-uids (:connected c))))

(defn- failure
  "What start! failed by, an ex-info."
  [c outcome]
  (let [e (or (wire/error-map (:error outcome))
              {:category :unavailable :code :sente-lite/no-sidecar
               :message (str "the sidecar was not ready within " (:start-timeout-ms (:options c)) " ms")})]
    (ex-info (str "sente-lite: " (:message e) (when (:hint e) (str " (" (:hint e) ")"))) e)))

(defn- fail!
  "Throws, or gives a promise that is rejected, where start! gives promises."
  [platform e]
  (if-let [rejected (:rejected platform)]
    (rejected e)
    (throw e)))

(defn- started!
  "What to do with the outcome of the first try."
  [{:keys [begun! ended! stop!]} c outcome]
  (if (= :ok (:status outcome))
    (let [started (begun! (begun c))]
      (when (and (:open? (:options c)) (:url started)) ((:browse! (:platform c)) (:url started)))
      started)
    (do (stop! c)
        (ended! c)
        (fail! (:platform c) (failure c outcome)))))

(defn- on-message
  "Sends back what the function of :on-message returns, as sente_lite does."
  [{:keys [send-to-client!]}]
  (fn [f {:keys [id data uid client]}]
    (let [answer (f uid id data)]
      (when (and uid (wire/event? answer)) (send-to-client! client uid answer)))))

(defn start!
  "See sente-lite.core/start!. `core` is what only that namespace can do: {:make!
  :begun! :ended! :stop! :send-to-client!}."
  [platform options {:keys [make!] :as core}]
  (let [opts ((:form platform identity) (options/check rules options))]
    (try
      (let [target ((:spawn platform) opts)
            c      (make! platform target (options-of opts target platform) (on-message core))]
        (client/open! c)
        ((:after-ready platform) c #(started! core c %)))
      (catch #?(:clj Exception :cljs :default) e
        (fail! platform e)))))
