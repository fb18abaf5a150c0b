package bb

import (
	"slices"
	"testing"
)

func TestNamespace(t *testing.T) {
	forms, err := Read("x.cljc", []byte(`
		(set! *warn-on-reflection* true)
		(ns ^{:doc "x"} my.name "doc" {:a 1}
		  (:refer-clojure :exclude [send])
		  (:require a.one [b.two :as two] [c.three :refer [x]]
		            [d.four :as-alias four] [e.five :as-alias five :refer [y]]
		            (f six [seven :as s]) ["net" :as net] "ws" :reload)
		  (:require-macros [g.eight])
		  (:use h.nine)
		  (:import java.util.UUID (java.util.concurrent Future)))`))
	if err != nil {
		t.Fatal(err)
	}
	ns, ok := Namespace(forms)
	want := []Require{
		{"a.one", "", 5}, {"b.two", "two", 5}, {"c.three", "", 5}, {"e.five", "five", 6},
		{"f.six", "", 7}, {"f.seven", "s", 7}, {"", "net", 7}, {"", "", 7}, {"g.eight", "", 8}, {"h.nine", "", 9},
	}
	if !ok || ns.Name != "my.name" || !slices.Equal(ns.Requires, want) || len(ns.Imports) != 2 {
		t.Errorf("found %v %q\n%v and %d imports, expected\n%v", ok, ns.Name, ns.Requires, len(ns.Imports), want)
	}
	if ns, ok := Namespace(forms[:1]); ok {
		t.Errorf("without (ns …): found %v", ns)
	}
}
