(ns sente-lite.page-packers
  "What a page loads for :packer and :gzip: it tells the library that they are
  there."
  {:no-doc true}
  (:require [sente-lite.browser :as browser]
            [sente-lite.form :as form]))

(reset! browser/form form/of)
