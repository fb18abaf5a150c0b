(ns sente-lite.page-more
  "What few pages need, and load behind the rest: it tells the library that it is
  there."
  {:no-doc true}
  (:require [sente-lite.browser :as browser]
            [sente-lite.buffered :as buffered]
            [sente-lite.form :as form]))

(reset! browser/modules {:form form/of :buffered buffered/buffered})
