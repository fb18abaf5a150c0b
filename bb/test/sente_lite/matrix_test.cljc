(ns sente-lite.matrix-test
  "Platform × transport × scenario: every scenario of sente-lite.matrix, over
  every transport of this platform, gives the same."
  (:require #?(:clj [clojure.test :refer [deftest is testing]] :cljs [cljs.test :refer [deftest is testing async]])
            [clojure.string :as str]
            [sente-lite.core :as s]
            [sente-lite.matrix :as matrix]
            [sente-lite.test :as t]
            #?@(:org.babashka/nbb [["fs" :as fs] ["os" :as os] ["path" :as path]])))

(defn- hold
  "Checks transcripts: [scenario transcript] …"
  [transport played]
  (is (seq played) (str transport))
  (doseq [[scenario transcript] played]
    (testing (str transport " " (:name scenario))
      (is (= (:gives scenario) transcript)))))

(defn- play-all [{:keys [await control] :as stage} scenarios k]
  (cond
    (seq scenarios) (matrix/play stage (first scenarios)
                                 (fn [transcript] (play-all stage (rest scenarios) #(k (cons [(first scenarios) transcript] %)))))
    control         (await (s/stop! control) (fn [_] (k [])))
    :else           (k [])))

;; In a test's world, on every platform.

(deftest in-memory
  (doseq [role [:client :owner]]
    (let [w     (t/world)
          host  (t/start! w {:config matrix/config :on-error (fn [_]) :on-handler-error (fn [_])})
          stage {:host-do (matrix/play-host! host)
                 :connect (fn [uid opts] (t/connect! w (assoc opts :token (str (name role) "-" uid))))
                 :await   (fn [p k]
                            (t/settle! w)
                            (while (and (= t/pending @p) (< (t/now w) 10000000)) (t/advance! w 50))
                            (k @p))}]
      (play-all stage (matrix/for-role role) #(hold [:memory role] %)))))

;; Over real links, to a host that has been started here.

(def transports
  "[name, how its address begins, role of its peers, more options, from afar?]."
  [[:unix "unix:" :owner nil]
   [:tcp "tcp:" :client nil]
   [:tcp-owner "tcp:" :owner nil]
   [:ws "http:" :client nil]
   [:ws-owner "http:" :owner {:owner? true}]
   [:ws-from-afar "http:" :client nil true]
   [:unix-msgpack-gzip "unix:" :owner {:packer [:msgpack :gzip]}]
   [:ws-msgpack "http:" :client {:packer :msgpack}]])

(defn- host-options [dir]
  {:listen [(str "unix:" dir "/matrix.sock") "tcp://127.0.0.1:0" "http://127.0.0.1:0"]
   :config matrix/config :on-error (fn [_]) :on-handler-error (fn [_]) :on-stderr (fn [_])})

(defn- connector [listen [_ begins role more]]
  (let [url (first (filter #(str/starts-with? % begins) listen))]
    (fn [uid opts]
      (s/connect! (merge opts more {:url url :token (str (name role) "-" uid)})))))

(defn- stage
  "What scenarios over a transport are played on."
  [host-do listen [_ _ _ _ afar? :as transport] await]
  (let [connect (connector listen transport)
        control (when afar? (connect "control" {}))]
    {:connect connect :await await :control control
     :host-do (if afar? (matrix/remote-host control) host-do)}))

#?(:clj
   (deftest over-real-links
     (let [dir  (str (java.nio.file.Files/createTempDirectory "sl" (into-array java.nio.file.attribute.FileAttribute [])))
           host (s/start! (host-options dir))]
       (try
         (let [host-do (matrix/play-host! host)]
           (doseq [t transports]
             (play-all (stage host-do (:listen host) t (fn [p k] (k (deref p 10000 :deadline))))
                       (matrix/for-role (nth t 2))
                       #(hold (first t) %))))
         (finally @(s/stop! host))))))

#?(:cljs
   (defn- await-promise
     "Within ten seconds."
     [p k]
     (let [timer (volatile! nil)
           late  (js/Promise. (fn [done] (vreset! timer (js/setTimeout #(done :deadline) 10000))))]
       (-> (js/Promise.race #js [p late])
           (.then (fn [v] (js/clearTimeout @timer) (k v)))
           (.catch (fn [e] (k [:failed (str e)])))))))

#?(:org.babashka/nbb
   (deftest over-real-links
     (async done
       (let [dir (fs/mkdtempSync (path/join (os/tmpdir) "sl"))]
         (-> (s/start! (host-options dir))
             (.then (fn [host]
                      (let [host-do (matrix/play-host! host)
                            all     (fn all [ts]
                                      (if (seq ts)
                                        (play-all (stage host-do (:listen host) (first ts) await-promise)
                                                  (matrix/for-role (nth (first ts) 2))
                                                  (fn [played] (hold (first (first ts)) played) (all (rest ts))))
                                        (.then (s/stop! host) (fn [_] (done)))))]
                        (all transports))))
             (.catch (fn [e] (is (nil? e)) (done))))))))

;; In a page, to the host that its address names: ?host=ws://127.0.0.1:41234

#?(:scittle
   (deftest from-a-page
     (async done
       (if-let [url (.get (js/URLSearchParams. (.-search js/location)) "host")]
         ((fn all [forms]
            (if (seq forms)
              (play-all (stage nil [(str/replace url #"^ws" "http")] [:ws "http" :client (first forms) true] await-promise)
                        (matrix/for-role :client)
                        (fn [played] (hold [:ws (first forms)] played) (all (rest forms))))
              (done)))
          [nil {:packer :msgpack :gzip true}])
         (do (is false "the page's address names no host: ?host=ws://127.0.0.1:PORT")
             (done))))))
