(ns sente-lite.names
  "Which keywords and symbols read back as what they are."
  {:no-doc true}
  (:require [clojure.edn :as edn]))

(def ^:private suspicious
  "What a printed name must not have, whatever a reader at hand makes of it: blanks
  and control characters, delimiters, an empty part, a namespace like a number."
  #"[\s\x00-\x20,;\"\\\[\](){}@^`~\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]|::|:$|^:?[0-9+-]*[0-9][^/]*/.|/$|^#|^$")

(defn sound?
  "Does an ident read back as itself?"
  [x]
  (let [text (str x)]
    (and (not (and (re-find suspicious text) (not= '/ x)))
         (try (= x (edn/read-string text))
              (catch #?(:clj Exception :cljs :default) _ false)))))
