(ns cljs.test "What Scittle lacks, brought along." {:no-doc true})
(defn run [] 1)
