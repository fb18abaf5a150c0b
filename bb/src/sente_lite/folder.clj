(ns sente-lite.folder
  "A folder on Babashka and the JVM, for sente-lite.spill."
  {:no-doc true}
  (:require [clojure.java.io :as io])
  (:import (java.io File FileOutputStream RandomAccessFile)
           (java.lang ProcessHandle)
           (java.nio.file Files)
           (java.nio.file.attribute FileAttribute PosixFilePermissions)))

(defn- make!
  "What others have sent is nobody else's to read."
  [^File dir]
  (try
    (Files/createDirectories (.toPath dir) (into-array FileAttribute [(PosixFilePermissions/asFileAttribute (PosixFilePermissions/fromString "rwx------"))]))
    (catch UnsupportedOperationException _ (Files/createDirectories (.toPath dir) (into-array FileAttribute [])))))

(defn open
  "The folder at a path, made where there is none."
  [path]
  (let [dir  (.getAbsoluteFile (io/file path))
        file (fn [nm] (io/file dir nm))
        out  (atom nil) ; [name stream] of what grows
        over (atom nil) ; [name file] of what is written over
        end! (fn [a] (when-let [[_ ^java.io.Closeable x] @a] (reset! a nil) (.close x)))]
    (make! dir)
    {:path    (str dir)
     :pid     (.pid (ProcessHandle/current))
     :alive?  (fn [pid]
                (let [p (when-let [n (parse-long pid)] (ProcessHandle/of n))]
                  (boolean (and p (.isPresent p) (.isAlive ^ProcessHandle (.get p))))))
     :create! (fn [nm ^String text]
                (let [^File f (file nm)]
                  (if (.createNewFile f)
                    (do (with-open [o (FileOutputStream. f)] (.write o (.getBytes text "UTF-8")))
                        true)
                    false)))
     :write!  (fn [nm ^String text]
                (when (not= nm (first @over))
                  (end! over)
                  (reset! over [nm (RandomAccessFile. ^File (file nm) "rw")]))
                (let [^RandomAccessFile f (second @over)]
                  (.seek f 0)
                  (.write f (.getBytes text "UTF-8"))))
     :append! (fn [nm ^String text]
                (when (not= nm (first @out))
                  (end! out)
                  (reset! out [nm (FileOutputStream. ^File (file nm) true)]))
                (.write ^FileOutputStream (second @out) (.getBytes text "UTF-8")))
     :read    (fn [nm offset bytes]
                (let [^File f (file nm)]
                  (when (.isFile f)
                    (with-open [r (RandomAccessFile. f "r")]
                      (let [n (max 0 (min bytes (- (.length r) offset)))
                            b (byte-array n)]
                        (.seek r (long offset))
                        (.readFully r b)
                        (String. b "UTF-8"))))))
     :sizes   (fn [] (into {} (map (fn [^File f] [(.getName f) (.length f)])) (.listFiles dir)))
     :remove! (fn [nm] (.delete ^File (file nm)))
     :close!  (fn [] (end! out) (end! over))}))
