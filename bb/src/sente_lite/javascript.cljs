(ns sente-lite.javascript
  "What nbb and Scittle have in common: one thread, promises, WebSockets."
  {:no-doc true}
  (:require [sente-lite.address :as address]
            [sente-lite.bytes :as bytes]))

(defn after [ms f]
  (let [t (js/setTimeout f ms)]
    (fn [] (js/clearTimeout t))))

(defn a-promise []
  (let [done (volatile! nil)
        p    (js/Promise. (fn [resolve] (vreset! done resolve)))]
    {:promise p :deliver @done}))

(defn settled [v] (js/Promise.resolve v))

(defn lane
  "Handlers run at once, one after another: the event loop is the queue. What one
  of them causes comes behind it."
  []
  (let [waiting (volatile! []) running (volatile! false)]
    {:put!   (fn [f]
               (vswap! waiting conj f)
               (when-not @running
                 (vreset! running true)
                 (try
                   (loop []
                     (when-let [next (first @waiting)]
                       (vswap! waiting subvec 1)
                       (next)
                       (recur)))
                   (finally
                     (vreset! running false)))))
     :size   (fn [] (count @waiting))
     :close! (fn [])}))

(defn pump
  "Writes what waits: soon, so that what one turn of the script sends leaves
  together, or at once where that is a lot; not while the other side is behind."
  [on {:keys [write! full? again]}]
  (let [soon (volatile! false)
        open (volatile! true)
        go   (fn go []
               (vreset! soon false)
               (when @open
                 (if (full?)
                   (do (vreset! soon true) (again go))
                   (do (run! write! ((:take on)))
                       (if (full?)
                         (do (vreset! soon true) (again go))
                         ((:written on)))))))]
    {:wake! (fn [urgent?]
              (when-not @soon
                (if urgent?
                  (go)
                  (do (vreset! soon true) (js/queueMicrotask go)))))
     :stop! (fn [] (vreset! open false))}))

(def most-buffered
  "Bytes that a socket may hold before we wait."
  1048576)

(defn base64url [text]
  (-> (bytes/base64 (bytes/utf8 text))
      (.replace (js/RegExp. "\\+" "g") "-") (.replace (js/RegExp. "/" "g") "_") (.replace (js/RegExp. "=+$") "")))

(defn failed-link [on info]
  (js/setTimeout (fn [] ((:lost on) info)) 0)
  {:wake! (fn [_]) :close! (fn [_ _])})

(defn ws-link
  "A link over a WebSocket of the given class."
  [WebSocket {:keys [url token]} on]
  (try
    (let [ws   (if token
                 (WebSocket. url (clj->js (address/token-protocols token base64url)))
                 (WebSocket. url))
          once (volatile! false)
          w    (pump on {:write! (fn [t] (.send ws t))
                         :full?  (fn [] (or (not= 1 (.-readyState ws)) (> (.-bufferedAmount ws) most-buffered)))
                         :again  (fn [go] (when (< (.-readyState ws) 2) (js/setTimeout go 5)))})]
      (set! (.-onopen ws) (fn [_] ((:linked on)) ((:wake! w) false)))
      (set! (.-binaryType ws) "arraybuffer")
      (set! (.-onmessage ws) (fn [m] (let [d (.-data m)] ((:text on) (if (string? d) d (js/Uint8Array. d))))))
      (set! (.-onerror ws) (fn [_]))
      (set! (.-onclose ws) (fn [e]
                             ((:stop! w))
                             (when-not @once
                               (vreset! once true)
                               ((:lost on) {:code (.-code e) :reason (str (.-reason e)) :clean? (.-wasClean e)}))))
      {:wake!  (:wake! w)
       :close! (fn [code reason]
                 (vreset! once true)
                 ((:stop! w))
                 (set! (.-onmessage ws) nil)
                 (.close ws (if (= 1000 code) 1000 4000) (subs (str reason) 0 (min 100 (count (str reason))))))})
    (catch :default e
      (failed-link on {:code 1006 :reason (ex-message e)}))))

(defn- after-ready [c f] (.then (:ready c) f))

(defn platform
  "Real time, one thread; links are added."
  [more]
  (merge {:now     (fn [] (js/Math.round (js/performance.now)))
          :luck    rand
          :after   after
          :promise a-promise
          :lane    lane
          :settled settled
          :wait    identity
          :after-ready after-ready
          :rejected (fn [e] (js/Promise.reject e))
          :print   (fn [text] (js/console.error text))}
         more))
