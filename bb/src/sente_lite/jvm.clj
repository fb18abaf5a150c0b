(ns sente-lite.jvm
  "What Babashka and the JVM bring: threads, processes, sockets, WebSockets."
  {:no-doc true}
  (:require [clojure.java.io :as io]
            [clojure.string :as str]
            [sente-lite.address :as address]
            [sente-lite.folder :as folder]
            [sente-lite.form :as form]
            [sente-lite.sidecar :as sidecar]
            [sente-lite.spill :as spill]
            [sente-lite.start :as start])
  (:import (java.io BufferedInputStream BufferedOutputStream ByteArrayOutputStream DataInputStream DataOutputStream EOFException File)
           (java.net InetSocketAddress Socket StandardProtocolFamily URI UnixDomainSocketAddress)
           (java.net.http HttpClient WebSocket WebSocket$Listener)
           (java.nio ByteBuffer)
           (java.nio.channels Channels SocketChannel)
           (java.nio.file Files LinkOption)
           (java.nio.file.attribute PosixFilePermissions)
           (java.time Duration)
           (java.util.concurrent LinkedBlockingQueue ScheduledThreadPoolExecutor Semaphore ThreadFactory TimeUnit)))

(defn- thread [nm f]
  (doto (Thread. ^Runnable f ^String (str "sente-lite " nm))
    (.setDaemon true)
    (.start)))

(def ^:private timers
  (delay (doto (ScheduledThreadPoolExecutor. 1 (reify ThreadFactory
                                                 (newThread [_ r] (doto (Thread. ^Runnable r "sente-lite timers") (.setDaemon true)))))
           (.setRemoveOnCancelPolicy true))))

(defn- after [ms f]
  (let [t (.schedule ^ScheduledThreadPoolExecutor @timers ^Runnable (fn [] (f)) (long ms) TimeUnit/MILLISECONDS)]
    (fn [] (.cancel t false))))

(defn- a-promise []
  (let [p (promise)]
    {:promise p :deliver (fn [v] (deliver p v))}))

(defn settled
  "A promise that has its value."
  [v]
  (doto (promise) (deliver v)))

(defn- lane
  "One thread that runs handlers in order. It ends with close!, once what waits
  has run; what comes later, after a reconnect!, has another."
  []
  (let [q     (LinkedBlockingQueue.)
        ended (atom false)
        run   (fn []
                (loop []
                  (let [f (.take q)]
                    (if (= ::end f)
                      (do (reset! ended true)
                          (when (and (pos? (.size q)) (compare-and-set! ended true false))
                            (recur)))
                      (do (f) (recur))))))]
    (thread "handlers" run)
    {:put!   (fn [f]
               (.put q f)
               (when (and @ended (compare-and-set! ended true false)) (thread "handlers" run)))
     :size   (fn [] (.size q))
     :close! (fn [] (when-not @ended (.put q ::end)))}))

;; Links.

(defn- writer
  "The thread that writes: it takes what waits whenever it is woken."
  [write! on fail!]
  (let [wakes (Semaphore. 0) open (atom true)]
    (thread "writer"
            (fn []
              (loop []
                (.acquire wakes)
                (.drainPermits wakes)
                (when @open
                  (when (try
                          (let [texts ((:take on))]
                            (when (seq texts) (write! texts))
                            ((:written on))
                            true)
                          (catch Exception e (fail! e) false))
                    (recur))))))
    {:wake! (fn [_] (.release wakes))
     :stop! (fn [] (reset! open false) (.release wakes))}))

(defn- frames-writer [write-bytes! flush!]
  (fn [texts]
    (run! (fn [t] (write-bytes! (if (string? t) (.getBytes ^String t "UTF-8") t))) texts)
    (flush!)))

(defn- stream-writer [out]
  (let [out (DataOutputStream. (BufferedOutputStream. out 65536))]
    (frames-writer (fn [^bytes b] (.writeInt out (alength b)) (.write out b 0 (alength b)))
                   (fn [] (.flush out)))))

(def ^:private most-bytes 1073741824)

(defn- read-frames
  "Reads frames until the end. Returns what the link was lost by."
  [in on]
  (let [in (DataInputStream. (BufferedInputStream. in 65536))]
    (try
      (loop []
        (let [n (.readInt in)]
          (if (< 0 n most-bytes)
            (let [b (.readNBytes in n)]
              (if (= n (alength b))
                (do ((:text on) (if (:bytes? on) b (String. ^bytes b "UTF-8"))) (recur))
                {:code 1006 :reason "the link ended inside a message"}))
            sidecar/not-ours)))
      (catch EOFException _ {:code 1006 :reason "closed by the other side"})
      (catch java.io.IOException e {:code 1006 :reason (or (ex-message e) "connection lost")}))))

(defn- stream-link
  "A link over an input stream and a function that writes texts. `end!` closes
  both, `why` says at the end what is known besides."
  [in write! on end! why]
  (let [w    (writer write! on (fn [_] (end!)))
        once (atom false)]
    (thread "reader"
            (fn []
              ((:linked on))
              (let [lost (read-frames in on)
                    lost (merge lost (why lost))]
                ((:stop! w))
                (end!)
                (when (compare-and-set! once false true) ((:lost on) lost)))))
    {:wake!  (:wake! w)
     :close! (fn [_ _] ((:stop! w)) (end!))}))

(defn- failed-link
  "A link that there is not."
  [on info]
  (thread "failed link" (fn [] ((:lost on) info)))
  {:wake! (fn [_]) :close! (fn [_ _])})

(defn- quietly [f] (try (f) (catch Exception _ nil)))

(def ^:private longest-line 65536)

(defn- read-lines
  "Gives f each line of a stream; one that is very long comes in pieces."
  [in f]
  (with-open [r (io/reader in)]
    (let [chunk (char-array 8192)]
      (loop [left ""]
        (let [n (.read ^java.io.Reader r chunk 0 8192)]
          (if (neg? n)
            (when (seq left) (f left))
            (let [lines (str/split (str left (String. chunk 0 n)) #"\r?\n" -1)
                  left  (peek lines)]
              (run! f (pop lines))
              (if (> (count left) longest-line)
                (do (f left) (recur ""))
                (recur left)))))))))

(defn- spawn-link [{:keys [command on-stderr]} on]
  (try
    (let [process (.start (ProcessBuilder. ^java.util.List (vec command)))
          tail    (atom [])
          stderr  (thread "stderr" (fn [] (quietly #(read-lines (.getErrorStream process)
                                                                (fn [line]
                                                                  (swap! tail sidecar/remember line)
                                                                  (quietly (fn [] (on-stderr line))))))))
          end!    (fn []
                    (quietly #(.close (.getOutputStream process)))
                    (thread "reaper" (fn []
                                       (when-not (.waitFor process 5 TimeUnit/SECONDS)
                                         (.destroy process)
                                         (when-not (.waitFor process 2 TimeUnit/SECONDS)
                                           (.destroyForcibly process))))))]
      (stream-link (.getInputStream process) (stream-writer (.getOutputStream process)) on end!
                   (fn [lost]
                     (quietly #(.close (.getOutputStream process)))
                     (let [ended? (.waitFor process (if (= 4505 (:code lost)) 0 3) TimeUnit/SECONDS)]
                       (when-not ended? (.destroy process))
                       (.join ^Thread stderr 2000)
                       (when-not (= 4505 (:code lost))
                         (sidecar/ended (when ended? (.exitValue process)) @tail))))))
    (catch java.io.IOException e
      (failed-link on (sidecar/not-started command (ex-message e))))))

(defn- dialled
  "A link that a thread of its own opens: nobody else waits for the network.
  (dial) gives the link or throws."
  [what on dial]
  (let [link   (atom nil)
        closed (atom nil)]
    (thread "dial"
            (fn []
              (try
                (reset! link (dial))
                (if-let [[code reason] @closed]
                  ((:close! @link) code reason)
                  ((:wake! @link) false))
                (catch Exception e
                  ((:lost on) {:code 1006 :reason (str "cannot connect to " what ": " (or (ex-message e) (str e)))})))))
    {:wake!  (fn [urgent?] (when-let [l @link] ((:wake! l) urgent?)))
     :close! (fn [code reason]
               (reset! closed [code reason])
               (when-let [l @link] ((:close! l) code reason)))}))

(defn- unix-link [{:keys [path]} on]
  (dialled
   (str "unix:" path) on
   (fn []
     (let [ch     (SocketChannel/open StandardProtocolFamily/UNIX)
           _      (try (.connect ch (UnixDomainSocketAddress/of ^String path))
                       (catch Exception e (.close ch) (throw e)))
           buffer (ByteBuffer/allocate 65536)
           drain  (fn [] (.flip buffer) (while (.hasRemaining buffer) (.write ch buffer)) (.clear buffer))
           put    (fn [^bytes b]
                    (when (< (.remaining buffer) (+ 4 (alength b))) (drain))
                    (.putInt buffer (alength b))
                    (if (<= (alength b) (.remaining buffer))
                      (.put buffer b)
                      (let [large (ByteBuffer/wrap b)]
                        (drain)
                        (while (.hasRemaining large) (.write ch large)))))]
       (stream-link (Channels/newInputStream ch) (frames-writer put drain) on #(quietly (fn [] (.close ch))) (constantly nil))))))

(defn- tcp-link [{:keys [host port]} on]
  (dialled
   (str "tcp://" host ":" port) on
   (fn []
     (let [s (Socket.)]
       (try
         (.connect s (InetSocketAddress. ^String host (int port)) 10000)
         (.setTcpNoDelay s true)
         (catch Exception e
           (quietly #(.close s))
           (throw e)))
       (stream-link (.getInputStream s) (stream-writer (.getOutputStream s)) on #(quietly (fn [] (.close s))) (constantly nil))))))

(defn- stdio-link [_ on]
  (let [out System/out]
    ;; What the script prints must not get among the values.
    (System/setOut System/err)
    (alter-var-root #'*out* (constantly *err*))
    (stream-link System/in (stream-writer out) on #(quietly (fn [] (.close out))) (constantly nil))))

(def ^:private http (delay (HttpClient/newHttpClient)))

(defn- base64url [^String s]
  (.encodeToString (.withoutPadding (java.util.Base64/getUrlEncoder)) (.getBytes s "UTF-8")))

(defn- listener [on lost!]
  (let [sb (StringBuilder.) bin (ByteArrayOutputStream.)]
    (reify WebSocket$Listener
      (onOpen [_ ws] (.request ^WebSocket ws 1))
      (onText [_ ws data last?]
        (.append sb (str data))
        (when last?
          (let [text (str sb)]
            (.setLength sb 0)
            ((:text on) text)))
        (.request ^WebSocket ws 1)
        nil)
      (onBinary [_ ws data last?]
        (let [part (byte-array (.remaining ^ByteBuffer data))]
          (.get ^ByteBuffer data part)
          (.write bin part 0 (alength part)))
        (when last?
          (let [b (.toByteArray bin)]
            (.reset bin)
            ((:text on) (if (:bytes? on) b (String. b "UTF-8")))))
        (.request ^WebSocket ws 1)
        nil)
      (onClose [_ _ code reason] (lost! {:code code :reason reason}) nil)
      (onError [_ _ e] (lost! {:code 1006 :reason (or (ex-message e) "connection lost")})))))

(defn- ws-link [{:keys [url token]} on]
  (let [once  (atom false)
        ws    (atom nil)
        stop! (atom nil)
        lost! (fn [info] (when (compare-and-set! once false true) (@stop!) ((:lost on) info)))
        w     (writer (fn [texts] (run! (fn [t] (.join (if (string? t)
                                                           (.sendText ^WebSocket @ws t true)
                                                           (.sendBinary ^WebSocket @ws (ByteBuffer/wrap ^bytes t) true)))) texts)) on
                      (fn [e] (lost! {:code 1006 :reason (ex-message e)})))
        _     (reset! stop! (:stop! w))]
    (thread "dial"
            (fn []
              (try
                (let [b (.newWebSocketBuilder ^HttpClient @http)
                      b (.connectTimeout b (Duration/ofSeconds 10))
                      b (if token
                          (let [[a t] (address/token-protocols token base64url)]
                            (.subprotocols b a (into-array String [t])))
                          b)]
                  ((:linked on))
                  (reset! ws (.join (.buildAsync b (URI/create url) (listener on lost!))))
                  (if @once (.abort ^WebSocket @ws) ((:wake! w) false)))
                (catch Exception e
                  (let [cause (or (ex-cause e) e)]
                    (lost! {:code 1006 :reason (str "cannot connect: " (or (ex-message cause) (str cause)))}))))))
    {:wake!  (fn [u] (when @ws ((:wake! w) u)))
     :close! (fn [code reason]
               (reset! once true)
               ((:stop! w))
               (when-let [s ^WebSocket @ws]
                 (quietly #(.sendClose s (if (= 1000 code) 1000 4000) (str reason)))
                 (after 1000 #(quietly (fn [] (.abort s))))))}))

(defn- link [target on]
  (case (:kind target)
    :spawn (spawn-link target on)
    :unix  (unix-link target on)
    :tcp   (tcp-link target on)
    :ws    (ws-link target on)
    :stdio (stdio-link target on)))

;; Where things are.

(defn- live? [^String path]
  (try (with-open [ch (SocketChannel/open StandardProtocolFamily/UNIX)]
         (.connect ch (UnixDomainSocketAddress/of path)))
       (catch Exception _ false)))

(defn- ours?
  "Is a folder no link, ours, and closed to others? Somebody else could wait in it
  for our tokens."
  [^File dir]
  (try
    (let [path (.toPath dir)
          no   (into-array LinkOption [LinkOption/NOFOLLOW_LINKS])]
      (and (Files/isDirectory path no)
           (= (System/getProperty "user.name") (.getName (Files/getOwner path no)))
           (re-find #"^rwx------$" (PosixFilePermissions/toString (Files/getPosixFilePermissions path no)))))
    (catch UnsupportedOperationException _ true) ; no such permissions here: the user's own temporary folder
    (catch Exception _ false)))

(defn- default-url
  "SENTE_LITE_URL, or the newest live socket of this user."
  []
  (or (not-empty (System/getenv "SENTE_LITE_URL"))
      (let [runtime (System/getenv "XDG_RUNTIME_DIR")
            tmp     (io/file (or (System/getenv "TMPDIR") (System/getProperty "java.io.tmpdir")))
            dirs    (if (and (seq runtime) (.isDirectory (io/file runtime)))
                      [(io/file runtime "sente-lite")]
                      (filter #(re-find #"^sente-lite--?\d+$" (.getName ^File %)) (.listFiles ^File tmp)))
            socks   (filter #(str/ends-with? (.getName ^File %) ".sock") (mapcat #(.listFiles ^File %) (filter ours? dirs)))]
        (some (fn [^File f] (when (live? (.getPath f)) (str "unix:" (.getPath f))))
              (sort-by #(- (.lastModified ^File %)) socks)))
      (throw (ex-info "sente-lite: connect!: no address, no SENTE_LITE_URL and no live socket of this user (run `sente-lite serve`, or give an address)"
                      {:category :not-found :code :sente-lite/no-sidecar :expected "a running sidecar"}))))

(defn- target [{:keys [url token] :as opts}]
  (assoc (address/parse (or url (default-url)) opts)
         :token token))

(def ^:private fs
  {:env         (fn [k] (System/getenv k))
   :file?       (fn [p] (.isFile (io/file p)))
   :executable? (fn [p] (.canExecute (io/file p)))
   :read-file   (fn [p] (let [f (io/file p)] (when (.isFile f) (slurp f))))
   :parent      (fn [p] (some-> (.getParentFile (io/file p)) str))
   :cwd         (str (.getAbsoluteFile (io/file (System/getProperty "user.dir"))))
   :separator   (System/getProperty "path.separator")
   :windows?    (str/starts-with? (System/getProperty "os.name") "Windows")})

(defn- print-err [text]
  (binding [*out* *err*] (println text)))

(defn- spawn [{:keys [bin args on-stderr]}]
  (let [{:keys [command moved?]} (sidecar/command bin fs)]
    (when moved? ((or on-stderr print-err) sidecar/compiles))
    {:kind :spawn :hello? true :moved? moved?
     :command (into (conj command "pipe") args)
     :on-stderr (or on-stderr print-err)}))

(defn- after-ready
  "Waits for the outcome of a client's first try and gives it to f."
  [c f]
  (f (deref (:ready c) (+ 1000 (:start-timeout-ms (:options c))) {:status :timeout})))

(defn- browse!
  "Opens a page in the user's browser, where there is one."
  [url]
  (let [os (System/getProperty "os.name")]
    (quietly #(.start (ProcessBuilder. ^java.util.List
                                       (cond (str/starts-with? os "Mac") ["open" url]
                                             (str/starts-with? os "Windows") ["cmd" "/c" "start" url]
                                             :else ["xdg-open" url]))))))

(defn platform
  "Threads, real time, real links."
  []
  {:now      (fn [] (quot (System/nanoTime) 1000000))
   :luck     rand
   :after    after
   :promise  a-promise
   :lane     lane
   :link     link
   :print    print-err
   :target   target
   :form     form/of
   :start    start/start!
   :spawn    spawn
   :browse!  browse!
   :settled  settled
   :wait     deref
   :after-ready after-ready
   :absolute (fn [p] (str (.getAbsoluteFile (io/file p))))
   :spill    (fn [options inbox] (spill/functions (folder/open (:data-dir options)) options inbox))
   :exists?  (fn [p] (.exists (io/file p)))})
