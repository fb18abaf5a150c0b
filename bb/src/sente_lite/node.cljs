(ns sente-lite.node
  "What nbb brings: Node's processes, sockets and WebSockets."
  {:no-doc true}
  (:require ["child_process" :as child]
            ["fs" :as fs]
            ["module" :as module]
            ["net" :as net]
            ["os" :as os]
            ["path" :as path]
            [clojure.string :as str]
            [sente-lite.address :as address]
            [sente-lite.folder :as folder]
            [sente-lite.form :as form]
            [sente-lite.javascript :as javascript]
            [sente-lite.sidecar :as sidecar]
            [sente-lite.spill :as spill]
            [sente-lite.start :as start]))

(def settled javascript/settled)

;; Frames over Node's streams.

(defn- frame [m]
  (let [text? (string? m)
        n (if text? (js/Buffer.byteLength m) (.-length m))
        b (js/Buffer.allocUnsafe (+ 4 n))]
    (.writeUInt32BE b n 0)
    (if text? (.write b m 4) (.set b m 4))
    b))

(defn- frames-reader
  "Takes chunks; calls (text! t) for each frame, with its bytes where `bytes?`, and
  (bad!) where there can be none."
  [text! bytes? bad!]
  (let [chunks (volatile! #js []) have (volatile! 0) need (volatile! 4)]
    (fn [chunk]
      (.push @chunks chunk)
      (vswap! have + (.-length chunk))
      (when (>= @have @need)
        (let [b   (if (= 1 (.-length @chunks)) chunk (js/Buffer.concat @chunks))
              all (.-length b)
              at  (loop [at 0]
                    (if (> (+ at 4) all)
                      (do (vreset! need 4) at)
                      (let [n (.readUInt32BE b at) end (+ at 4 n)]
                        (cond
                          (or (zero? n) (> n 1073741824)) (do (bad!) all)
                          (> end all)                     (do (vreset! need (+ 4 n)) at)
                          :else                           (do (text! (if bytes? (.subarray b (+ at 4) end) (.toString b "utf8" (+ at 4) end)))
                                                              (recur end))))))]
          (vreset! chunks (if (= at all) #js [] #js [(.subarray b at)]))
          (vreset! have (- all at)))))))

(defn- stream-link
  "A link over two streams. `lost` gives what is known of the end."
  [in out on end!]
  (let [open (volatile! true)
        w    (javascript/pump on {:write! (fn [t] (.write out (frame t)))
                                  :full?  (fn [] (> (.-writableLength out) javascript/most-buffered))
                                  :again  (fn [go] (.once out "drain" go))})
        bad! (fn [] (vreset! open false) (end! sidecar/not-ours))
        read (frames-reader (fn [t] (when @open ((:text on) t))) (:bytes? on) bad!)]
    (.on in "data" (fn [c] (when @open (read c))))
    (.on out "error" (fn [_]))
    {:wake!  (:wake! w)
     :close! (fn [_ _] (vreset! open false) ((:stop! w)) (.end out))
     :stop!  (:stop! w)}))

(defn- spawn-link [{:keys [command on-stderr]} on]
  (let [p     (child/spawn (first command) (clj->js (rest command)) #js {:stdio #js ["pipe" "pipe" "pipe"]})
        tail  (volatile! [])
        once  (volatile! false)
        rest-of (volatile! "")
        lost! (fn [info] (when-not @once (vreset! once true) ((:lost on) info)))
        link  (volatile! nil)]
    (.setEncoding (.-stderr p) "utf8")
    (.on (.-stderr p) "data"
         (fn [text]
           (let [lines (str/split (str @rest-of text) #"\n" -1)
                 left  (peek lines)]
             (vreset! rest-of (if (> (count left) 65536) "" left))
             (run! (fn [line] (vswap! tail sidecar/remember line) (on-stderr line)) (pop lines)))))
    (.on p "error" (fn [e] (lost! (sidecar/not-started command (.-message e)))))
    (.on p "spawn" (fn [] ((:linked on))))
    (let [ended (fn [code]
                  (when-not @once
                    (when (seq @rest-of) (vswap! tail sidecar/remember @rest-of))
                    (when @link ((:stop! @link)))
                    (lost! (sidecar/ended code @tail))))]
      (.on p "close" (fn [code _] (ended code)))
      ;; Somebody whom it has left behind may hold its stderr.
      (.on p "exit" (fn [code _] (js/setTimeout (fn [] (ended code)) 2000))))
    (vreset! link (stream-link (.-stdout p) (.-stdin p) on
                               (fn [why] (lost! why) (.kill p))))
    (assoc @link :close! (fn [code reason]
                           ((:close! @link) code reason)
                           (let [t (js/setTimeout (fn [] (.kill p "SIGKILL")) 7000)]
                             (.unref t)
                             (.on p "close" (fn [] (js/clearTimeout t))))))))

(defn- socket-link [connect where on]
  (let [s    (connect)
        once (volatile! false)
        why  (volatile! {:code 1006 :reason "closed by the other side"})
        lost! (fn [] (when-not @once (vreset! once true) ((:lost on) @why)))
        l    (stream-link s s on (fn [w] (vreset! why w) (.destroy s)))]
    (.on s "connect" (fn [] ((:linked on))))
    (.on s "error" (fn [e] (vreset! why {:code 1006 :reason (str "cannot connect to " where ": " (.-message e))})))
    (.on s "close" (fn [] ((:stop! l)) (lost!)))
    l))

(defn- stdio-link [_ on]
  ;; What the script prints must not get among the values.
  (set! (.-log js/console) (.-error js/console))
  (let [out js/process.stdout
        l   (stream-link js/process.stdin out on (fn [_] nil))]
    (.on js/process.stdin "end" (fn [] ((:stop! l)) ((:lost on) {:code 1006 :reason "closed by the other side"})))
    (js/setTimeout (fn [] ((:linked on))) 0)
    ;; Reading on would keep the process alive.
    (assoc l :close! (fn [code reason]
                       ((:close! l) code reason)
                       (.pause js/process.stdin)
                       (.destroy js/process.stdin)))))

(defn- web-socket
  "Node's own from version 22 on, before that npm's ws."
  []
  (or (.-WebSocket js/globalThis)
      (try ((module/createRequire (str (js/process.cwd) "/")) "ws")
           (catch :default _
             (try ((module/createRequire (or (aget js/process.argv 1) "/")) "ws")
                  (catch :default _
                    (throw (ex-info "sente-lite: connect!: this Node has no WebSocket (npm install ws, or use Node 22, or connect by unix: or tcp:)"
                                    {:category :unsupported :code :sente-lite/no-websocket}))))))))

(defn- link [target on]
  (case (:kind target)
    :spawn (spawn-link target on)
    :unix  (socket-link #(net/connect (:path target)) (str "unix:" (:path target)) on)
    :tcp   (socket-link #(doto (net/connect (:port target) (:host target)) (.setNoDelay true)) (str "tcp://" (:host target) ":" (:port target)) on)
    :ws    (javascript/ws-link (web-socket) target on)
    :stdio (stdio-link target on)))

;; Where things are.

(defn- env [k] (aget js/process.env k))
(defn- quietly [f] (try (f) (catch :default _ nil)))

(def ^:private files
  {:env         env
   :file?       (fn [p] (boolean (quietly #(.isFile (fs/statSync p)))))
   :executable? (fn [p] (boolean (quietly #(do (fs/accessSync p (.. fs -constants -X_OK)) true))))
   :read-file   (fn [p] (quietly #(fs/readFileSync p "utf8")))
   :parent      (fn [p] (let [up (path/dirname p)] (when (not= up p) up)))
   :cwd         (js/process.cwd)
   :separator   path/delimiter
   :windows?    (= "win32" js/process.platform)})

(defn- ours?
  "Is a folder no link, ours, and closed to others? Somebody else could wait in it
  for our tokens."
  [dir]
  (quietly #(let [st (fs/lstatSync dir)]
              (and (.isDirectory st)
                   (or (nil? js/process.getuid)
                       (and (= (js/process.getuid) (.-uid st)) (zero? (bit-and 63 (.-mode st)))))))))

(defn- listening
  "The sockets that somebody listens at, a set; nil where the system does not say."
  []
  (when-let [table (quietly #(fs/readFileSync "/proc/net/unix" "utf8"))]
    (into #{} (keep #(second (re-find #"(/\S.*)$" %))) (str/split table #"\n"))))

(defn- default-url
  "SENTE_LITE_URL, or the newest live socket of this user."
  []
  (or (not-empty (env "SENTE_LITE_URL"))
      (let [runtime (env "XDG_RUNTIME_DIR")
            dir     (if (and (seq runtime) (quietly #(.isDirectory (fs/statSync runtime))))
                      (str runtime "/sente-lite")
                      (str (os/tmpdir) "/sente-lite-" (if js/process.getuid (js/process.getuid) -1)))
            live?   (or (listening) (constantly true))
            socks   (when (ours? dir)
                      (for [f (or (quietly #(vec (fs/readdirSync dir))) [])
                            :let [path (str dir "/" f)]
                            :when (and (str/ends-with? f ".sock") (live? path))]
                        path))
            newest  (last (sort-by #(or (quietly (fn [] (.-mtimeMs (fs/statSync %)))) 0) socks))]
        (when newest (str "unix:" newest)))
      (throw (ex-info "sente-lite: connect!: no address, no SENTE_LITE_URL and no live socket of this user (run `sente-lite serve`, or give an address)"
                      {:category :not-found :code :sente-lite/no-sidecar :expected "a running sidecar"}))))

(defn- target [{:keys [url token] :as opts}]
  (assoc (address/parse (or url (default-url)) opts)
         :token token))

(defn- print-err [text] (js/console.error text))

(defn- spawn [{:keys [bin args on-stderr]}]
  (let [{:keys [command moved?]} (sidecar/command bin files)]
    (when moved? ((or on-stderr print-err) sidecar/compiles))
    {:kind :spawn :hello? true :moved? moved?
     :command (into (conj command "pipe") args)
     :on-stderr (or on-stderr print-err)}))

(defn- browse!
  "Opens a page in the user's browser, where there is one."
  [url]
  (let [[cmd & args] (case js/process.platform "darwin" ["open" url] "win32" ["cmd" "/c" "start" url] ["xdg-open" url])
        p (child/spawn cmd (clj->js (vec args)) #js {:stdio "ignore" :detached true})]
    (.on p "error" (fn [_]))
    (.unref p)))

(defn platform
  "Node's."
  []
  (javascript/platform
   {:link     link
    :target   target
    :form     form/of
    :start    start/start!
    :spawn    spawn
    :browse!  browse!
    :absolute (fn [p] (path/resolve p))
    :spill    (fn [options inbox] (spill/functions (folder/open (:data-dir options)) options inbox))
    :exists?  (fn [p] (boolean (quietly #(fs/statSync p))))}))
