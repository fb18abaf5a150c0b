;; Prints Clojure values, always the same, as pr-str does, each as a string
;; literal on a line of its own: what the scanner must be able to read.

(import '(java.io OutputStreamWriter BufferedWriter)
        '(java.util Date Random UUID))

(defrecord R [a b])

(def random (Random. 42))
(defn below [n] (.nextInt random n))
(defn pick [& from] (nth from (below (count from))))

(defn text []
  (apply str (repeatedly (below 12)
                         #(pick (char (below 128)) \" \\ \newline \é \u2028 "😀" \; "ab"))))

(defn word []
  (apply str (pick "a" "b" "->" "x.y" "é" "_" "*") (repeatedly (below 4) #(pick "a" "1" "-" "?" "'" "." "+" "é"))))

(defn scalar []
  (case (below 20)
    0 nil
    1 (pick true false)
    2 (.nextLong random)
    3 (bigint (str (Math/abs (.nextInt random)) "00000000000000000000"))
    4 (.nextDouble random)
    5 (pick ##NaN ##Inf ##-Inf -0.0 1e21 1e-7 Double/MAX_VALUE Double/MIN_VALUE)
    6 (bigdec (.nextInt random))
    7 (/ (inc (below 100)) (+ 2 (below 97)))
    8 (float (.nextFloat random))
    (9 10) (text)
    ;; Not a surrogate half, which is no UTF-8 when printed.
    11 (char (pick (below 128) (below 0xd800) (+ 0xe000 (below 0x2000))))
    12 (symbol (word))
    13 (symbol (word) (word))
    (14 15) (keyword (word))
    16 (keyword (word) (word))
    17 (UUID. (.nextLong random) (.nextLong random))
    18 (Date. (long (below 2000000000)))
    19 (pick #"a+\d\"\\" inc (atom {:a 1}) (Object.) (byte-array 1) (ex-info "m\n" {:a 1}) String
             *ns* (delay 1) (java.sql.Timestamp. 0) (volatile! 1) 'a// '/ (keyword "/"))))

(defn value [depth]
  (if (or (zero? depth) (zero? (below 3)))
    (scalar)
    (let [many #(repeatedly (below 4) (fn [] (value (dec depth))))]
      (case (below 9)
        0 (apply list (many))
        1 (vec (many))
        2 (set (many))
        3 (into {} (map vec) (partition 2 (many)))
        4 (into {} (map (fn [v] [(keyword "ns" (word)) v])) (many))
        5 (tagged-literal (symbol (str "t" (word))) (value (dec depth)))
        6 (->R (value (dec depth)) 1)
        7 (with-meta (vec (many)) {:m (scalar)})
        8 (map identity (many))))))

(with-open [out (BufferedWriter. (OutputStreamWriter. System/out "UTF-8"))]
  (dotimes [i 3000]
    (binding [*print-namespace-maps* (even? i)
              *print-meta*           (zero? (mod i 3))]
      (.write out (str (pr-str (pr-str (value 4))) "\n")))))
