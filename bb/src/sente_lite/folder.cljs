(ns sente-lite.folder
  "A folder on Node, for sente-lite.spill."
  {:no-doc true}
  (:require ["fs" :as fs]
            ["path" :as path]))

(defn- code-of [e] (.-code e))

(defn open
  "The folder at a path, made where there is none: what others have sent is nobody
  else's to read."
  [where]
  (let [dir  (path/resolve where)
        file (fn [nm] (path/join dir nm))
        out  (volatile! nil) ; [name descriptor] of what grows
        over (volatile! nil) ; of what is written over
        end! (fn [v] (when-let [[_ fd] @v] (vreset! v nil) (fs/closeSync fd)))
        put! (fn [fd text at]
               (let [b (js/Buffer.from text "utf8")]
                 (loop [done 0]
                   (when (< done (.-length b))
                     (recur (+ done (fs/writeSync fd b done (- (.-length b) done) (when at (+ at done)))))))))]
    (fs/mkdirSync dir #js {:recursive true :mode 448})
    {:path    dir
     :pid     js/process.pid
     :alive?  (fn [pid]
                (try (js/process.kill (js/parseInt pid) 0) true
                     (catch :default e (= "EPERM" (code-of e)))))
     :create! (fn [nm text]
                (try (fs/writeFileSync (file nm) text #js {:flag "wx"}) true
                     (catch :default e
                       (if (= "EEXIST" (code-of e)) false (throw e)))))
     :write!  (fn [nm text]
                (when (not= nm (first @over))
                  (end! over)
                  (vreset! over [nm (fs/openSync (file nm) (bit-or (.. fs -constants -O_CREAT) (.. fs -constants -O_RDWR)) 384)]))
                (put! (second @over) text 0))
     :append! (fn [nm text]
                (when (not= nm (first @out))
                  (end! out)
                  (vreset! out [nm (fs/openSync (file nm) "a" 384)]))
                (put! (second @out) text nil))
     :read    (fn [nm offset bytes]
                (when (fs/existsSync (file nm))
                  (let [fd (fs/openSync (file nm) "r")]
                    (try
                      (let [n (max 0 (min bytes (- (.-size (fs/fstatSync fd)) offset)))
                            b (js/Buffer.alloc n)]
                        (loop [done 0]
                          (when (< done n)
                            (let [k (fs/readSync fd b done (- n done) (+ offset done))]
                              (when (pos? k) (recur (+ done k))))))
                        (.toString b "utf8"))
                      (finally (fs/closeSync fd))))))
     :sizes   (fn [] (into {} (map (fn [nm] [nm (.-size (fs/statSync (file nm)))])) (fs/readdirSync dir)))
     :remove! (fn [nm] (fs/rmSync (file nm) #js {:force true}))
     :close!  (fn [] (end! out) (end! over))}))
