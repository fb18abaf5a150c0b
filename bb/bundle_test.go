package bb

import (
	"bytes"
	"compress/gzip"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

func filesOf(files map[string]string) fs.FS {
	all := fstest.MapFS{}
	for name, text := range files {
		all[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return all
}

func TestBundle(t *testing.T) {
	out, err := bundle(filesOf(map[string]string{
		"src/sente_lite/core.cljc": `
			(ns sente-lite.core "What it is."
			  (:require [clojure.string :as str]
			            [sente-lite.two-words :as w]
			            #?(:bb [sente-lite.jvm :as platform] :scittle [sente-lite.page :as platform])))
			;; A comment.
			(defn join "Joins \"them\"." [& xs] #_(prn xs) (str/join " " xs))
			#?(:clj (def here :jvm) :scittle (def here "a value"))`,
		"src/sente_lite/jvm.clj":        `(ns sente-lite.jvm) (throw :away)`,
		"src/sente_lite/page.cljs":      `(ns sente-lite.page (:require [sente-lite.two-words]))`,
		"src/sente_lite/page.clj":       `(ns sente-lite.page) (throw :away)`,
		"src/sente_lite/two_words.cljc": `(ns sente-lite.two-words (:require [sente-lite.none :as-alias none] [other.library]))`,
		"src/sente_lite/unused.cljc":    `(ns sente-lite.unused)`,
	}), "src", "sente-lite.core", "1.2.3")
	want := `;; sente-lite 1.2.3 for Scittle. Copyright (c) 2026 The sente-lite authors. MIT license: https://github.com/sente-lite/sente-lite
(ns sente-lite.two-words(:require[sente-lite.none :as-alias none][other.library]))
(ns sente-lite.page(:require[sente-lite.two-words]))
(ns sente-lite.core(:require[clojure.string :as Z][sente-lite.two-words :as w][sente-lite.page :as Y]))
(defn join[& a](Z/join " " a))
(def here "a value")
(ns user)
`
	if err != nil || string(out) != want {
		t.Errorf("found %v\n%s\nexpected\n%s", err, out, want)
	}
}

func TestBundleRefuses(t *testing.T) {
	core := "src/sente_lite/core.cljc"
	for _, tt := range []struct {
		files map[string]string
		want  string
	}{
		{nil, "sente-lite.core has no file for Scittle: expected sente_lite/core in src with one of .cljs, .cljc"},
		{map[string]string{core: "(ns sente-lite.core (:require [sente-lite.x-y]))", "src/sente_lite/x_y.clj": "(ns sente-lite.x-y)"},
			"sente-lite.x-y has no file for Scittle: expected sente_lite/x_y in src with one of .cljs, .cljc (required by sente-lite.core)"},
		{map[string]string{core: "(ns sente-lite.cores)"}, core + `: it begins with the namespace "sente-lite.cores", expected (ns sente-lite.core …)`},
		{map[string]string{core: "(def x 1)"}, `begins with the namespace ""`},
		{map[string]string{core: "(ns sente-lite.core"}, core + ":1: what is opened here is never closed"},
		{map[string]string{core: "(ns sente-lite.core (:require sente-lite.b))", "src/sente_lite/b.cljs": "(ns sente-lite.b (:use sente-lite.core))"},
			"namespaces require each other: sente-lite.core → sente-lite.b → sente-lite.core"},
	} {
		if out, err := bundle(filesOf(tt.files), "src", "sente-lite.core", "1"); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v: found %v and %q, expected an error with %q", tt.files, err, out, tt.want)
		}
	}
}

func TestDocs(t *testing.T) {
	for in, want := range map[string]string{
		`(def x "value")`:              `(def x "value")`,
		`(def x "doc" 1)`:              `(def x 1)`,
		`(def ^:dynamic x "doc" "v")`:  `(def ^:dynamic x "v")`,
		`(defn f "doc" [] "value")`:    `(defn f[]"value")`,
		`(defn f [] "value")`:          `(defn f[]"value")`,
		`(defn f ([] "a") ([x] "b"))`:  `(defn f([]"a")([x]"b"))`,
		`(defmulti m "doc" :k)`:        `(defmulti m :k)`,
		`(defmulti m :k)`:              `(defmulti m :k)`,
		`(do (let [] (def x "d" 1)))`:  `(do(let[](def x 1)))`,
		`(defmacro m "d" [] '(def x))`: `(defmacro m[]'(def x))`,
		`'(def x "data" 1)`:            `'(def x "data" 1)`,
		`(ns a "doc" {:no-doc true})`:  `(ns a{:no-doc true})`,
		`(defmethod m "key" [_] 1)`:    `(defmethod m "key"[_]1)`,
	} {
		forms, err := Read("x.cljc", []byte(in))
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.TrimSpace(string(AppendForms(nil, WithoutDocs(forms)))); got != want {
			t.Errorf("%s becomes %s, expected %s", in, got, want)
		}
	}
}

// maxBundle is what the library may weigh in a page, in bytes of gzip, as servers
// send it. The aim is under 20000; until it is there, this bound, just above what
// it weighs, keeps it from growing.
const maxBundle = 22_050

// maxMore is what may be in the file that few pages load, likewise.
const maxMore = 8_200

// TestScittle compares the bundles that the program serves with the files.
func TestScittle(t *testing.T) {
	core, err := Scittle("0.0.0")
	if err != nil {
		t.Fatal(err)
	}
	more, err := ScittleMore("0.0.0")
	if err != nil {
		t.Fatal(err)
	}
	license, err := os.ReadFile("../LICENSE")
	if err != nil || !strings.Contains(string(license), copyright+"\n") {
		t.Errorf("LICENSE does not say %q (%v)", copyright, err)
	}
	inCore := compareBundle(t, "the bundle", core, maxBundle)
	inMore := compareBundle(t, "what few pages load", more, maxMore)
	for _, name := range inMore {
		if slices.Contains(inCore, name) {
			t.Errorf("%s is in both bundles", name)
		}
	}
	for _, name := range []string{"sente-lite.form", "sente-lite.gzip", "sente-lite.msgpack", "sente-lite.cipher", "sente-lite.buffered"} {
		if slices.Contains(inCore, name) || !slices.Contains(inMore, name) {
			t.Errorf("%s belongs into the file that few pages load", name)
		}
	}
}

// compareBundle compares a bundle with the files, and with what it may weigh, and
// returns the namespaces that are in it.
func compareBundle(t *testing.T, what string, out []byte, most int) (names []string) {
	t.Helper()
	var packed bytes.Buffer
	w, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	w.Write(out)
	w.Close()
	if packed.Len() > most {
		t.Errorf("%s has %d bytes, %d in gzip; allowed are %d", what, len(out), packed.Len(), most)
	}
	t.Logf("%s: %d bytes, %d in gzip", what, len(out), packed.Len())

	forms, err := Read("bundle", out)
	if err != nil {
		t.Fatal(err)
	}
	if !same(forms[len(forms)-1:], []Form{{Kind: List, Forms: []Form{{Text: "ns"}, {Text: "user"}}}}) {
		t.Errorf("%s does not end in the namespace user", what)
	}
	forms = forms[:len(forms)-1]
	called := map[string]string{}
	for len(forms) > 0 {
		ns, ok := Namespace(forms)
		if !ok {
			t.Fatalf("line %d of %s: expected a namespace, found %v", forms[0].Line, what, forms[0])
		}
		names = append(names, ns.Name)
		b := &bundler{files: files, roots: []string{"src"}, platform: OnScittle}
		name, src, err := b.find(ns.Name)
		if err != nil {
			t.Fatal(err)
		}
		want, err := Read(name, src)
		if err == nil {
			want, err = OnScittle.Select(name, want)
		}
		if err != nil {
			t.Fatal(err)
		}
		if want, err = Minify(name, WithoutDocs(want), called); err != nil {
			t.Fatal(err)
		}
		if len(forms) < len(want) || !same(forms[:len(want)], want) {
			t.Fatalf("%s does not read as %s does", what, name)
		}
		forms = forms[len(want):]
	}
	return names
}
