package bb

import (
	"slices"
	"strings"
	"testing"
)

// same reports whether forms read the same.
func same(a, b []Form) bool {
	return slices.EqualFunc(a, b, func(a, b Form) bool {
		return a.Kind == b.Kind && a.Text == b.Text && same(a.Forms, b.Forms)
	})
}

func TestWritesWhatItReads(t *testing.T) {
	for _, tt := range []struct{ in, out string }{
		{"", ""},
		{" ; nothing\n#! nor here\n,,", ""},
		{"a b", "a\nb\n"},
		{"( a  b , c )", "(a b c)\n"},
		{"[a (b) c {d [e]} \"f\" (g)]", "[a(b)c{d[e]}\"f\"(g)]\n"},
		{"(a \"b\" c \"d\" :e)", "(a \"b\" c \"d\" :e)\n"},
		{`[\a \( \) \newline (b) \" \u00e9 \; \\]`, `[\a \( \) \newline (b)\" \u00e9 \; \\]` + "\n"},
		{`['\) ; comment
		   a]`, `['\) a]` + "\n"},
		{`(str "; no comment" ; one
		 "a \" b" "\\")`, `(str "; no comment" "a \" b" "\\")` + "\n"},
		{"\"two\nlines\"", "\"two\nlines\"\n"},
		{`(re-find #"[\"(;]\\" s)`, `(re-find #"[\"(;]\\" s)` + "\n"},
		{"#_a b", "b\n"},
		{"#_ #_ a b c", "c\n"},
		{"(a #_(b \"c\") d #_e)", "(a d)\n"},
		{"'#_x y", "'y\n"},
		{"#(f % #{1 2} %&)", "#(f % #{1 2}%&)\n"},
		{"`(a ~b ~@c ~ @d e#)", "`(a ~b ~@c ~ @d e#)\n"},
		{"#'a/b @c '(d)", "#'a/b\n@c\n'(d)\n"},
		{"(def ^:private ^{:a 1} ^ String x 1)", "(def ^:private ^{:a 1}^String x 1)\n"},
		{"#^String x", "^String x\n"},
		{"#js {:a 1} #inst \"2020\" #js [1] #:a{:b 1} #::c {:d 2} #::{:e 3}", "#js {:a 1}\n#inst \"2020\"\n#js [1]\n#:a{:b 1}\n#::c{:d 2}\n#::{:e 3}\n"},
		{"##Inf ##-Inf ##NaN -1 1/2 0x1F 1e9 'a'b a' %1 :a/b ::c &", "##Inf\n##-Inf\n##NaN\n-1\n1/2\n0x1F\n1e9\n'a'b\na'\n%1\n:a/b\n::c\n&\n"},
		{"\ufeff(größe \"ü\" \\ß)", "(größe \"ü\" \\ß)\n"},
	} {
		forms, err := Read("x.cljc", []byte(tt.in))
		if err != nil {
			t.Errorf("%q: %v", tt.in, err)
			continue
		}
		out := string(AppendForms(nil, forms))
		if out != tt.out {
			t.Errorf("%q is written as\n%q, expected\n%q", tt.in, out, tt.out)
		}
		if again, err := Read("x.cljc", []byte(out)); err != nil || !same(forms, again) {
			t.Errorf("%q is written as %q, which reads as %v, %v", tt.in, out, again, err)
		}
	}
}

func TestRefuses(t *testing.T) {
	for in, want := range map[string]string{
		"(a\n(b)":       "x.cljc:1: what is opened here is never closed: ) is missing",
		"(a\n[b)":       "x.cljc:2: found ), expected ] for what is opened in line 2",
		"a\n}":          "x.cljc:2: } closes nothing",
		"\n\"a":         "x.cljc:2: what is opened here is never closed: \" is missing",
		`"a\"`:          "never closed",
		`#"a`:           "never closed",
		"('":            "nothing follows '",
		"('\n)":         "x.cljc:1: nothing follows '",
		"^:a":           "nothing follows ^",
		"#_":            "nothing follows #_",
		"#_ #?(:clj 1)": "means something else on each platform",
		"#? (:clj 1)":   "expected #?(",
		"#=(+ 1 2)":     "evaluates while reading",
		"#<x>":          "found #<, which begins nothing",
		"#":             "begins nothing",
		"##":            "nothing follows ##",
		`[\`:            `nothing follows \`,
		`\ a`:           `nothing follows \`,
		"a\xff":         "not UTF-8",

		strings.Repeat("(", 100_000):  "nested deeper than 500",
		strings.Repeat("#_", 100_000): "nested deeper than 500",
	} {
		if forms, err := Read("x.cljc", []byte(in)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20q: found %v, %v; expected an error with %q", in, forms, err, want)
		}
	}
}

func TestSelects(t *testing.T) {
	for _, tt := range []struct{ in, bb, jvm, nbb, scittle string }{
		{"#?(:bb 1 :clj 2 :org.babashka/nbb 3 :scittle 4)", "1", "2", "3", "4"},
		{"#?(:clj 2 :bb 1)", "2", "2", "", ""}, // the first that holds
		{"#?(:clj 1 :cljs 2)", "1", "1", "2", "2"},
		{"#?(:scittle 1 :default 2)", "2", "2", "2", "1"},
		{"[#?@(:clj [1 2] :cljs (3))]", "[1 2]", "[1 2]", "[3]", "[3]"},
		{"#?@(:bb [a b])", "a b", "", "", ""},
		{"[#?(:clj [#?(:bb 1 :clj 2)])]", "[[1]]", "[[2]]", "[]", "[]"},
		{"{#?@(:bb [:a 1])}", "{:a 1}", "{}", "{}", "{}"},
		{"(f #?(:bb #_x y))", "(f y)", "(f)", "(f)", "(f)"},
	} {
		forms, err := Read("x.cljc", []byte(tt.in))
		if err != nil {
			t.Fatal(err)
		}
		for want, p := range map[*string]Platform{&tt.bb: OnBabashka, &tt.jvm: OnJVM, &tt.nbb: OnNbb, &tt.scittle: OnScittle} {
			selected, err := p.Select("x.cljc", forms)
			if err != nil {
				t.Errorf("%s on %s: %v", tt.in, p.Name, err)
			}
			if got := strings.Join(strings.Fields(string(AppendForms(nil, selected))), " "); got != *want {
				t.Errorf("%s on %s is %s, expected %s", tt.in, p.Name, got, *want)
			}
		}
	}
	for in, want := range map[string]string{
		"#?(:clj)":             "with 1 forms",
		"#?(clj 1)":            "features are keywords",
		"#?@(:bb 1)":           "puts in the forms of a vector or a list",
		"\n'#?(:cljs 1)":       "x.cljc:2: ' stands before a reader conditional that is not one form on Babashka",
		"'#?@(:clj [1 2])":     "is not one form on Babashka",
		"{:a #?(:cljs 1)}":     "a key has no value",
		"#js #?(:scittle {})":  "is not one form",
		"(a [#?(:bb {:a 1 2})": "never closed",
		"(a [#?(:bb {:a})])":   "a map with 1 forms on Babashka",
	} {
		forms, err := Read("x.cljc", []byte(in))
		if err == nil {
			_, err = OnBabashka.Select("x.cljc", forms)
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, expected an error with %q", in, err, want)
		}
	}
}

// FuzzRead: what is read is written so that it reads the same, whatever it is.
func FuzzRead(f *testing.F) {
	for _, s := range []string{
		"(ns a \"doc\" (:require [b :as c])) (defn f \"doc\" [x] #?(:bb x :clj (inc x)))",
		"`(a ~@b ~ @c) #_x #:a{:b \\c} #\"re\\\"\" ^{:a 1} d #'e ##Inf 'f' #(g %)", "#?@(:clj [1 \\)])", "\"\\\"\n\" ; x\n#!y\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		forms, err := Read("x.cljc", src)
		if err != nil {
			return
		}
		all := [][]Form{forms}
		for _, p := range []Platform{OnBabashka, OnJVM, OnNbb, OnScittle} {
			if selected, err := p.Select("x.cljc", forms); err == nil {
				all = append(all, selected, WithoutDocs(selected))
			}
		}
		for _, forms := range all {
			out := AppendForms(nil, forms)
			again, err := Read("x.cljc", out)
			if err != nil || !same(forms, again) {
				t.Fatalf("%q is written as\n%q, which reads as\n%v, %v; expected\n%v", src, out, again, err, forms)
			}
		}
	})
}
