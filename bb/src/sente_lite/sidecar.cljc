(ns sente-lite.sidecar
  "How a script finds its sidecar, and what it says when that has ended. Pure: the
  file system is a map of functions."
  {:no-doc true}
  (:require [clojure.string :as str]
            [sente-lite.wire :as wire]))

(def stderr-lines
  "How many of a sidecar's last lines are kept for errors."
  20)

(defn- missing [what hint data]
  (throw (ex-info (str "sente-lite: " what " (" hint ")")
                  (merge {:category :unavailable :code :sente-lite/no-binary :hint hint} data))))

(defn- program
  "A program that somebody has named."
  [{:keys [file? executable?]} path who]
  (cond
    (not (file? path))       (missing (str who " says " (pr-str path) ", and there is no such file") "correct the path, or leave it out" {:given path :expected "a file"})
    (not (executable? path)) (missing (str who " says " (pr-str path) ", which is not executable") (str "chmod +x " path) {:given path :expected "an executable file"})
    :else                    [path]))

(defn- checkout
  "The folder of a checkout of sente-lite at or above dir."
  [{:keys [read-file parent]} dir]
  (loop [dir dir]
    (when dir
      (if (str/starts-with? (or (read-file (str dir "/go.mod")) "") "module github.com/sente-lite/sente-lite\n")
        dir
        (recur (parent dir))))))

(defn command
  "The command that runs the sidecar, without its arguments: {:command [\"…\"]
  :moved? true where it does not run in our folder}. In this order: :bin,
  SENTE_LITE_BIN, the PATH, `go run` in a checkout. fs is {:env :file?
  :executable? :read-file :parent :cwd :separator :windows?}."
  [bin {:keys [env file? executable? cwd separator windows?] :as fs}]
  (let [names   (fn [n] (if windows? [(str n ".exe")] [n]))
        on-path (fn [n]
                  (first (for [dir (str/split (or (env "PATH") "") (re-pattern (str/escape separator {\; ";" \: ":"})))
                               :when (seq dir)
                               n (names n)
                               :let [path (str dir "/" n)]
                               :when (and (file? path) (executable? path))]
                           path)))]
    (cond
      bin                         {:command (program fs bin ":bin")}
      (seq (env "SENTE_LITE_BIN")) {:command (program fs (env "SENTE_LITE_BIN") "SENTE_LITE_BIN")}
      :else
      (if-let [path (on-path "sente-lite")]
        {:command [path]}
        (let [dir (checkout fs cwd)
              go  (on-path "go")]
          (cond
            (and dir go) {:command [go "run" "-C" dir "./cmd/sente-lite"] :moved? true}
            dir          (missing "no sente-lite on the PATH, and this checkout cannot be run without Go" "install Go, or give :bin" {})
            :else        (missing "no sente-lite on the PATH" "give :bin or SENTE_LITE_BIN, put it on the PATH, or run in a checkout with Go" {})))))))

(def compiles
  "What a user is told before the first wait."
  "sente-lite: no program on the PATH: running this checkout's by go run, which compiles it first")

(defn remember
  "The last lines, with one more."
  [lines line]
  (let [line (if (> (count line) 2000) (str (subs line 0 2000) "…") line)]
    (if (< (count lines) stderr-lines)
      (conj lines line)
      (conj (subvec lines 1) line))))

(defn ended
  "What a link says when its sidecar has ended."
  [exit lines]
  (let [how (if exit (str "with exit code " exit) "without an exit code")]
    {:code 1006 :reason (str "the sidecar has ended " how) :exit exit :stderr lines
     :error (wire/error :unavailable :sente-lite/sidecar-ended
                        (str "the sidecar has ended " how
                             (if (seq lines) (str "; it said last: " (str/join " | " (take-last 5 lines))) " and said nothing"))
                        (merge {:data {:exit exit :stderr (vec lines)}}
                               (when (seq lines) {:hint "its last lines are under :data :stderr"})))}))

(defn not-started
  "What a link says when the program could not even be started."
  [command message]
  {:code 1006 :reason message
   :error (wire/error :unavailable :sente-lite/not-started (str "the program " (pr-str (first command)) " cannot be started: " message)
                      {:hint "is it a program of this system?" :data {:command (vec command)}})})

(def not-ours
  "What a link says when what it reads cannot be a sidecar's."
  {:code 4505 :reason "no sente-lite"
   :error (wire/error :unsupported :sente-lite/not-ready "the program answers with something that is no frame; is it sente-lite?" {:hint "run it by hand: sente-lite version"})})
