(ns sente-lite.option-docs
  "What the options of start! and connect! mean, for the reference. No page loads
  it."
  {:no-doc true}
  (:require [clojure.string :as str]
            [sente-lite.options :as options]
            [sente-lite.start :as start]))

(def docs
  {:port "HTTP port of the sidecar on loopback; 0 is any free one, nil none"
   :host "its address; others than loopback need :auth in :config"
   :listen "addresses instead of :host and :port: [\"http://127.0.0.1:0\" \"unix:/tmp/x.sock\"]"
   :static "folder of pages to serve (public, if there is one)"
   :config "the sidecar's configuration, any key of it: {:flow {…} :auth {…}}"
   :bin "the sente-lite program; else SENTE_LITE_BIN, the PATH, or a checkout with Go"
   :args "more arguments of the program, like [\"--log-level\" \"debug\"]"
   :open? "open the first page in the user's browser"
   :on-stderr "(fn [line]) for each line that the sidecar logs; default: printed to *err*"
   :start-timeout-ms "longest wait for the sidecar's ready"
   :url "unix:/path.sock, tcp://host:port, ws://, wss://, http:// or https:// (with /ws behind, unless there is a path), or :stdio"
   :token "a token, or a function of no arguments that gives one; never part of the URL"
   :client-id "names this client across reconnects, and is its secret; default: a random one"
   :handler? "an owner becomes the one who receives what nobody else takes"
   :owner? "act as an owner although the link cannot tell (a WebSocket with an owner's token)"
   :params "more of a WebSocket's query; nothing secret"
   :persist "in a browser: name under which what waits survives a reload, false for not; default: this tab's"
   :on-open "(fn [info]) once, when the link is open for the first time"
   :on-reconnect "(fn [info]) each time it is open again; :old has the uid and session before, :recovered? and :missed what was lost"
   :on-ready "(fn [info]) after each of the two"
   :on-close "(fn [why]) when an open link has ended: {:code :reason :why}, and :final? once no other will be tried"
   :on-error "(fn [error]) for errors that no reply can carry; default: printed"
   :on-handler-error "(fn [{:keys [event error]}]) when a handler has thrown; default: printed"
   :on-message "sees every event beside its handlers: (fn [event-id data]), of start! (fn [uid event-id data])"
   :backoff-ms-fn "(fn [tries luck]) gives the milliseconds before the next try; luck is from 0 to 1"
   :reconnect? "start a sidecar that died, or connect, again"
   :max-tries "failures in a row after which it stays closed; start!: 5, connect!: no end"
   :max-queue "events that wait for the link before send! says :backpressure"
   :max-queue-bytes "and their characters"
   :max-queue-age-ms "age of the oldest that waits before send! says :backpressure; default: any"
   :on-full "what happens to an event that finds the queue full: :notify :drop-oldest :drop-newest :coalesce :block, or by id: {:chat/* :drop-oldest :default :notify}"
   :block-ms "longest wait of :block"
   :event-buffer-ms "longest wait of an event for others to leave with, while many are sent; default: the sidecar's (25)"
   :recover? "keep what is written until it is acknowledged, and go on after a lost link where it ended"
   :credit "events that the sidecar may send ahead of what the inbox has taken; 0 for no bound"
   :max-inbox "received events that wait for a handler before the next is refused; default: the sidecar's (5000)"
   :max-inbox-bytes "and their characters; default: the sidecar's (100000000)"
   :on-inbox-full "what happens then: :notify (refused to the sender), :drop (a row in the ledger) or :persist: in :data-dir each event is in a file before it is acknowledged, waits there where the inbox is full, and is handled by the next process where this one is killed: once, but the one whose handler ran then again. Register handlers before start! and connect!. Not in a browser, which has no files"
   :data-dir "with :persist, a folder of this client's own; no other client, and no sidecar, has it meanwhile"
   :max-persist-bytes "with :persist, most bytes of its files; from half on no more credit is given, beyond them is :notify"
   :max-calls "calls that may wait for a reply"
   :call-timeout-ms "life of an ask!, unless it says otherwise"
   :connect-timeout-ms "longest wait for a link and its first word"
   :kalive-ms "silence before the link is doubted, until the sidecar has told its own"
   :ping-timeout-ms "wait for the answer to a ping, likewise"
   :bundle-size "most events of one message; 1 for no bundles; default: the sidecar's (100)"
   :packer "the form of messages: :edn, :msgpack, or a chain of a packer and what is around it, like [:msgpack :gzip :aes-gcm]; default: :edn. A page loads /sente-lite-more.cljs for others than :edn"
   :gzip "messages of 1 KB and more are compressed, both ways, after bundles have been made; where a page has neither CompressionStream nor pako it is left out, and :on-error told"
   :key "of :aes-gcm: 16, 24 or 32 bytes, as a byte array or in base64, that the sidecar has too"
   :packers "packers of your own, that the sidecar's plugins know by the same names: {:name {:pack (fn [value]) :unpack (fn [packed]) :text? false}}; a function may give a promise"
   :layers "what goes around packed bytes, likewise: {:name {:encode (fn [bytes]) :decode (fn [bytes limit]) :compresses? false}}, or {:new (fn [])} that gives such a map for each link"
   :platform "what the link, the clock and the handlers run on; sente-lite.test has one without any of them"})

(defn reference
  "The table for `what`, :start or :connect, as Markdown rows."
  [what]
  (str "| option | default | |\n|---|---|---|\n"
       (str/join "\n" (for [[name _ default] (:rows (if (= :start what) start/rules options/connecting))]
                        (str "| `" name "` | " (if (some? default) (str "`" (pr-str default) "`") "") " | " (docs name) " |")))))
