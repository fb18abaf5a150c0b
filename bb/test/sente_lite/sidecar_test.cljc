(ns sente-lite.sidecar-test
  (:require #?(:clj [clojure.test :refer [deftest is testing]] :cljs [cljs.test :refer [deftest is testing]])
            [clojure.string :as str]
            [sente-lite.given :as given]
            [sente-lite.sidecar :as sidecar]
            [sente-lite.wire :as wire]))

(defn- system
  "A file system of {path :program | :text | \"content\"} and an environment."
  ([files env] (system files env {}))
  ([files env more]
   (merge {:env         #(get env %)
           :file?       #(contains? files %)
           :executable? #(= :program (get files %))
           :read-file   #(when (string? (get files %)) (get files %))
           :parent      #(let [up (str/replace % #"/[^/]*$" "")] (when (and (seq up) (not= up %)) up))
           :cwd         "/home/ada/src/deep"
           :separator   ":"
           :windows?    false}
          more)))

(def checkout {"/home/ada/src/go.mod" "module github.com/sente-lite/sente-lite\n\ngo 1.24\n"})

(deftest where-the-program-is
  (testing ":bin first, then SENTE_LITE_BIN, then the PATH, then a checkout"
    (let [files (merge checkout {"/x/bin" :program "/y/bin" :program "/p/sente-lite" :program "/p/go" :program})
          env   {"PATH" "/nowhere:/p" "SENTE_LITE_BIN" "/y/bin"}]
      (is (= {:command ["/x/bin"]} (sidecar/command "/x/bin" (system files env))))
      (is (= {:command ["/y/bin"]} (sidecar/command nil (system files env))))
      (is (= {:command ["/p/sente-lite"]} (sidecar/command nil (system files (dissoc env "SENTE_LITE_BIN")))))
      (is (= {:command ["/p/go" "run" "-C" "/home/ada/src" "./cmd/sente-lite"] :moved? true}
             (sidecar/command nil (system (dissoc files "/p/sente-lite") (dissoc env "SENTE_LITE_BIN")))))))
  (testing "an empty SENTE_LITE_BIN is none"
    (is (= {:command ["/p/sente-lite"]} (sidecar/command nil (system {"/p/sente-lite" :program} {"PATH" "/p" "SENTE_LITE_BIN" ""})))))
  (testing "a file on the PATH that cannot run is passed by"
    (is (= {:command ["/q/sente-lite"]} (sidecar/command nil (system {"/p/sente-lite" :text "/q/sente-lite" :program} {"PATH" "/p:/q"})))))
  (testing "another module's go.mod is none of ours"
    (is (= :sente-lite/no-binary
           (:code (given/failure #(sidecar/command nil (system {"/home/ada/src/go.mod" "module example.org/x\n" "/p/go" :program} {"PATH" "/p"})))))))
  (testing "on Windows"
    (is (= {:command ["C:\\p/sente-lite.exe"]}
           (sidecar/command nil (system {"C:\\p/sente-lite.exe" :program} {"PATH" "C:\\q;C:\\p"} {:separator ";" :windows? true}))))))

(deftest why-there-is-none
  (doseq [[bin files env message hint]
          [["/x" {} {} ":bin says \"/x\", and there is no such file" "correct the path"]
           ["/x" {"/x" :text} {} ":bin says \"/x\", which is not executable" "chmod +x /x"]
           [nil {} {"SENTE_LITE_BIN" "/y"} "SENTE_LITE_BIN says \"/y\", and there is no such file" "correct the path"]
           [nil {"/y" :text} {"SENTE_LITE_BIN" "/y"} "SENTE_LITE_BIN says \"/y\", which is not executable" "chmod +x /y"]
           [nil {} {"PATH" "/p"} "no sente-lite on the PATH" "give :bin or SENTE_LITE_BIN"]
           [nil {} {} "no sente-lite on the PATH" "give :bin"]
           [nil checkout {"PATH" "/p"} "this checkout cannot be run without Go" "install Go"]]]
    (let [e (given/failure #(sidecar/command bin (system files env)))]
      (is (= [:unavailable :sente-lite/no-binary] ((juxt :category :code) e)) message)
      (is (str/includes? (str (:message e)) message))
      (is (str/includes? (str (:hint e)) hint))
      (is (str/includes? (:message e) (:hint e)) "the hint is in the message too"))))

(deftest last-lines
  (let [lines (reduce sidecar/remember [] (map str (range 100)))]
    (is (= (mapv str (range 80 100)) lines)))
  (is (= 2001 (count (first (sidecar/remember [] (apply str (repeat 5000 "x"))))))))

(deftest ends
  (let [e (wire/error-map (:error (sidecar/ended 2 ["a" "b"])))]
    (is (= :sente-lite/sidecar-ended (:code e)))
    (is (str/includes? (:message e) "exit code 2; it said last: a | b"))
    (is (= {:exit 2 :stderr ["a" "b"]} (:data e))))
  (is (str/includes? (:message (wire/error-map (:error (sidecar/ended nil [])))) "without an exit code and said nothing"))
  (is (= :sente-lite/not-started (:code (wire/error-map (:error (sidecar/not-started ["/x"] "no"))))))
  (is (= 4505 (:code sidecar/not-ours)) "which is not tried again"))
