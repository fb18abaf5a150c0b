(ns sente-lite.retry
  "Why links end, and how long to wait before the next. Pure."
  {:no-doc true})

(def words
  "What close codes say."
  {1001 :shutdown 1006 :lost 4000 :ping-timeout 4001 :overloaded 4002 :draining 4500 :replaced 4501 :unauthorized
   4502 :token-expired 4503 :origin 4504 :kicked 4505 :protocol 4506 :version 4507 :too-large 4508 :credit})

(defn final?
  "Does a close code say that there is no use in coming back?"
  [code]
  (<= 4500 code 4999))

(defn backoff-ms
  "Before try n (from 0): 100–300 for a lone blink, then 500–1000, doubled up to 15000–30000."
  [n luck]
  (if (zero? n)
    (long (+ 100 (* 200 luck)))
    (long (* (min 30000 (* 500 (bit-shift-left 1 (min n 6)))) (/ (+ 1 luck) 2)))))
