(ns sente-lite.browser
  "What a page in Scittle brings: a WebSocket to the server it came from, wake-ups
  when the network or the user is back, and IndexedDB for what waits."
  {:no-doc true}
  (:require [clojure.string :as str]
            [sente-lite.address :as address]
            [sente-lite.javascript :as javascript]
            [sente-lite.session :as session]
            [sente-lite.wire :as wire]))

(def settled javascript/settled)

;; What waits survives a reload: one record for each tab, in IndexedDB.

(defn- tab-name
  "A name that lives as long as the tab, reloads included."
  []
  (try
    (or (js/sessionStorage.getItem "sente-lite")
        (let [n (str (random-uuid))]
          (js/sessionStorage.setItem "sente-lite" n)
          n))
    (catch :default _ nil)))

(def ^:private store-ms "The longest wait for what a browser keeps." 1000)

(defn- once
  "Of several functions, the first that is called counts."
  [& fs]
  (let [open (volatile! true)]
    (map (fn [f] (fn [& args] (when @open (vreset! open false) (apply f args)))) fs)))

(defn- claim
  "Calls (k name) with a name that this page alone has, or (k nil): a duplicated
  tab has the name of the first. A page that is being reloaded lets go of its own."
  [nm k]
  (if-let [locks (.-locks js/navigator)]
    (let [[got none] (once (fn [] (k nm)) (fn [] (k nil)))]
      (-> (.request locks (str "sente-lite " nm) #js {:signal (js/AbortSignal.timeout 500)}
                    (fn [_] (got) (js/Promise. (fn [_])))) ; as long as the page lives
          (.catch (fn [_] (none)))))
    (k nm)))

(defn- with-store
  "Calls (f store) in a transaction, then (done); (failed) where that cannot be,
  or takes too long."
  [mode f done failed]
  (let [[done failed] (once done failed)]
    (js/setTimeout failed store-ms)
    (try
      (let [req (js/indexedDB.open "sente-lite" 1)]
        (set! (.-onupgradeneeded req) (fn [_] (.createObjectStore (.-result req) "outbox")))
        (set! (.-onerror req) (fn [_] (failed)))
        (set! (.-onsuccess req)
              (fn [_]
                (try
                  (let [db (.-result req)
                        tx (.transaction db "outbox" mode)]
                    (set! (.-oncomplete tx) (fn [_] (.close db) (done)))
                    (set! (.-onabort tx) (fn [_] (.close db) (failed)))
                    (f (.objectStore tx "outbox")))
                  (catch :default _ (failed))))))
      (catch :default _ (failed)))))

(def ^:private save-ms "The longest that a change is only in memory, while the page lives." 100)

(defn- session-storage
  "The tab's own, nil where there is none."
  []
  (try js/sessionStorage (catch :default _ nil)))

(defn- keeper
  "Keeps the session, what is unacknowledged and what waits, as text: every change
  soon in IndexedDB, for a page that crashes, and the very last one in the tab's
  sessionStorage, which a page that goes can still write to. So a reload goes on
  exactly where the page ended; after a crash what was written in the last moment
  may be written twice."
  [nm]
  (let [own    (volatile! nil) ; the name, once it is ours
        state  (volatile! nil)
        saved  (volatile! nil)
        busy   (volatile! false)
        text   (fn []
                 (let [{:keys [out session] :as all} (session/stored @state)]
                   (when (or session (seq out)) (pr-str all))))
        later  (fn later []
                 (vreset! busy true)
                 (js/setTimeout
                  (fn []
                    (let [s    @state
                          t    (text)
                          next (fn [] (vreset! busy false) (when-not (identical? s @state) (later)))]
                      (with-store "readwrite"
                        (fn [store] (if t (.put store t @own) (.delete store @own)))
                        (fn [] (vreset! saved t) (next))
                        next)))
                  save-ms))
        tab    (session-storage)
        read   (fn [t] (when (string? t) (try (wire/read-text t) (catch :default _ nil))))]
    (js/addEventListener "pagehide" (fn [_] (when (and tab @own @state)
                                              (try (.setItem tab @own (or (text) "nil")) (catch :default _ nil)))))
    (js/addEventListener "pageshow" (fn [_] (when (and tab @own @state) (.removeItem tab @own))))
    {:load    (fn [go]
                (claim nm
                       (fn [mine]
                         (if mine
                           (let [found (volatile! nil)
                                 last  (when tab (.getItem tab mine))]
                             (vreset! own mine)
                             (when last (.removeItem tab mine))
                             (if last
                               (go (read last))
                               (with-store "readonly"
                                 (fn [store]
                                   (let [r (.get store mine)]
                                     (set! (.-onsuccess r) (fn [_] (vreset! found (.-result r))))))
                                 (fn [] (vreset! saved @found) (go (read @found)))
                                 (fn [] (go nil)))))
                           (go nil)))))
     :changed (fn [s]
                (vreset! state s)
                (when (and @own (not @busy) (or @saved (:session s) (seq (:out s))))
                  (later)))}))

;; The link.

(defn- page-url [url]
  (cond
    (nil? url)                 (str (.-origin js/location) "/ws")
    (str/starts-with? url "/") (str (.-origin js/location) url)
    :else                      url))

(defn- target [{:keys [url token persist] :as opts}]
  (let [tab (tab-name)
        t   (address/parse (page-url url) opts)]
    (assoc t :token token
           :keep (let [nm (if (string? persist) persist tab)]
                   (when (and nm (not (false? persist))) (fn [] (keeper (str nm " " (first (str/split (:url t) #"\?"))))))))))

(def modules
  "What few pages need is in a file of its own, which puts its functions here."
  (atom nil))

(defn more
  "A function of that file. `what` needs it."
  [k what]
  (or (k @modules)
      (throw (ex-info (str "sente-lite: " what " needs one more script in the page: src=\"/sente-lite-more.cljs\", behind \"/sente-lite.cljs\"")
                      {:category :unsupported :code :sente-lite/not-loaded :expected "/sente-lite-more.cljs"}))))

(defn- form [opts]
  (if (or (:gzip opts) (not (contains? #{nil :edn} (:packer opts))))
    ((more :form "the option :packer or :gzip") opts)
    opts))

(defn- listen!
  "The world changed: try at once."
  [wake!]
  (js/addEventListener "online" (fn [_] (wake! :online)))
  (js/addEventListener "pageshow" (fn [_] (wake! :visible)))
  (js/document.addEventListener "visibilitychange" (fn [_] (when-not (= "hidden" (.-visibilityState js/document)) (wake! :visible)))))

(defn platform
  "A page's."
  []
  (javascript/platform
   {:link    (fn [target on] (javascript/ws-link js/WebSocket target on))
    :target  target
    :wakes   listen!
    :form    form
    :start   (fn [& _]
               (throw (ex-info "sente-lite: start!: a page cannot start a sidecar; (connect!) connects to the one that served it"
                               {:category :unsupported :code :sente-lite/no-spawn :expected "a script in Babashka, nbb or Clojure"})))}))
