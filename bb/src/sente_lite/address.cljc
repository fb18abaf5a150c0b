(ns sente-lite.address
  "Addresses of a sidecar: what connect! is given, taken apart. Pure."
  {:no-doc true}
  (:require [clojure.string :as str]))

(defn- bad [url expected]
  (throw (ex-info (str "sente-lite: connect!: " (pr-str url) " is no address here; expected " expected)
                  {:category :incorrect :code :sente-lite/bad-address :given url :expected expected})))

(defn- escape
  "For a query."
  [x]
  #?(:clj (java.net.URLEncoder/encode (str x) "UTF-8")
     :cljs (js/encodeURIComponent (str x))))

(defn ws-url
  "The URL of our WebSocket: /ws where it has no path, with the query that says
  what this client is."
  [url {:keys [client-id params bundle? credit recover?]}]
  (let [url  (str/replace url #"^http" "ws")
        [base query] (str/split (first (str/split url #"#")) #"\?" 2)
        base (cond (re-find #"^wss?://[^/]+$" base) (str base "/ws")
                   (re-find #"^wss?://[^/]+/$" base) (str base "ws")
                   :else base)
        more (concat (when (seq query) [query])
                     (for [[k v] (merge params {:v 1} (when bundle? {:bundle 1}) (when credit {:credit credit}) (when recover? {:recover 1}) (when client-id {:client-id client-id}))]
                       (str (escape (name k)) "=" (escape v))))]
    (str base "?" (str/join "&" more))))

(defn returning
  "The target of a client that has been here before: a WebSocket says so in its
  query, which nothing logs."
  [{:keys [kind] :as target} {:keys [session seen]}]
  (if (and session (= :ws kind))
    (update target :url str "&session=" (escape session) "&seen=" seen)
    target))

(defn without-query
  "A text of a platform's without the queries of URLs in it: there stand sessions
  and the names of clients, which are nobody else's."
  [text]
  (when text (str/replace text #"(?i)(\b(?:ws|http)s?:[^\s?'\"]*)\?[^\s'\"]*" "$1")))

(defn token-protocols
  "The subprotocols that carry a token: in headers, since URLs end up in logs."
  [token base64url]
  ["sente-lite" (str "sente-lite.token." (if (re-find #"^[\w!#$%&'*+.^`|~-]+$" token) token (base64url token)))])

(def ^:private kinds #?(:scittle "ws://host:port, or nothing for the page's own server" :default "unix:/path.sock, tcp://host:port, ws://host:port or :stdio"))

(defn parse
  "{:kind :unix|:tcp|:ws|:stdio … :hello? :heartbeat?} of an address. A page has
  WebSockets only."
  [url opts]
  (cond
    #?@(:scittle []
        :default [(= :stdio url)                    {:kind :stdio :hello? true}])
    (not (string? url))               (bad url kinds)
    #?@(:scittle []
        :default [(str/starts-with? url "unix:")    {:kind :unix :path (str/replace url #"^unix:(//)?" "") :hello? true}
                  (str/starts-with? url "tcp://")   (if-let [[_ host port] (re-find #"^tcp://(.+):(\d{1,5})/?$" url)]
                                                      {:kind :tcp :host (str/replace host #"^\[|\]$" "") :port (parse-long port) :hello? true :heartbeat? true}
                                                      (bad url "tcp://host:port"))
                  (str/starts-with? url "/")        {:kind :unix :path url :hello? true}])
    (re-find #"^(ws|http)s?://." url) {:kind :ws :url (ws-url url (merge {:bundle? true} (select-keys opts [:client-id :params :credit :recover?]))) :heartbeat? true}
    :else                             (bad url kinds)))
