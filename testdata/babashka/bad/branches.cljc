(ns sente-lite.branches)
#?(:clj 1 :bb 2)
#?(:cljs 1
   :scittle 2
   :org.babashka/nbb 3)
#?(:default 1 :clj 2)
;; 2: :bb is never read, since it stands behind :clj: put it first
;; 4: :scittle is never read, since it stands behind :cljs
;; 5: :org.babashka/nbb is never read
;; 6: :clj is never read, since it stands behind :default
