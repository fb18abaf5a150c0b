(ns sente-lite.browser
  "What a page in Scittle brings: a WebSocket to the server it came from, wake-ups
  when the network or the user is back, and IndexedDB for what waits."
  {:no-doc true}
  (:require [clojure.string :as str]
            [sente-lite.address :as address]
            [sente-lite.javascript :as javascript]
            [sente-lite.session :as session]))

(def settled javascript/settled)
(defn browse! [url] (js/window.open url))

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

(defn- with-store
  "Calls (f store) in a transaction; (failed) where there is no IndexedDB."
  [mode f failed]
  (try
    (let [req (js/indexedDB.open "sente-lite" 1)]
      (set! (.-onupgradeneeded req) (fn [_] (.createObjectStore (.-result req) "outbox")))
      (set! (.-onerror req) (fn [_] (failed)))
      (set! (.-onsuccess req)
            (fn [_]
              (let [db (.-result req)
                    tx (.transaction db "outbox" mode)]
                (set! (.-oncomplete tx) (fn [_] (.close db)))
                (f (.objectStore tx "outbox"))))))
    (catch :default _ (failed))))

(defn- keeper
  "Keeps what waits while there is no link, as plain texts."
  [nm]
  (let [kept   (volatile! [])
        latest (volatile! [])
        busy   (volatile! false)
        save   (fn save []
                 (vreset! busy true)
                 (let [texts @latest
                       done  (fn []
                               (vreset! kept texts)
                               (vreset! busy false)
                               (when (not= @latest texts) (save)))]
                   (with-store "readwrite"
                     (fn [store]
                       (let [r (if (seq texts) (.put store (clj->js texts) nm) (.delete store nm))]
                         (set! (.-onsuccess r) (fn [_] (done)))
                         (set! (.-onerror r) (fn [_] (done)))))
                     done)))]
    {:load    (fn [go]
                (with-store "readonly"
                  (fn [store]
                    (let [r (.get store nm)]
                      (set! (.-onsuccess r) (fn [_]
                                              (let [texts (vec (js->clj (.-result r)))]
                                                (vreset! kept texts)
                                                (go texts))))
                      (set! (.-onerror r) (fn [_] (go nil)))))
                  (fn [] (go nil))))
     :changed (fn [s]
                (when (or (seq @kept) (seq @latest) (not= :open (:phase s)))
                  (let [texts (session/waiting-texts s)]
                    (when (not= texts @latest)
                      (vreset! latest texts)
                      (when-not @busy (save))))))}))

;; The link.

(defn- page-url [url]
  (cond
    (nil? url)                 (str (.-origin js/location) "/ws")
    (str/starts-with? url "/") (str (.-origin js/location) url)
    :else                      url))

(defn- target [{:keys [url token persist] :as opts}]
  (let [tab (tab-name)
        t   (address/parse (page-url url) opts)]
    (when-not (= :ws (:kind t))
      (throw (ex-info (str "sente-lite: connect!: a page connects by WebSocket only, not to " (pr-str url))
                      {:category :unsupported :code :sente-lite/bad-address :given url :expected "ws://host:port, or nothing for the page's own server"})))
    (assoc t :token (if (fn? token) (token) token)
           :keep (let [nm (if (string? persist) persist tab)]
                   (when (and nm (not (false? persist))) (fn [] (keeper (str nm " " (first (str/split (:url t) #"\?"))))))))))

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
    :spawn   (fn [_]
               (throw (ex-info "sente-lite: start!: a page cannot start a sidecar; (connect!) connects to the one that served it"
                               {:category :unsupported :code :sente-lite/no-spawn :expected "a script in Babashka, nbb or Clojure"})))}))
