package bb

import (
	"strings"
	"testing"
)

func minified(t *testing.T, in string) (string, error) {
	t.Helper()
	forms, err := Read("x.cljc", []byte(in))
	if err != nil {
		t.Fatal(err)
	}
	forms, err = Minify("x.cljc", forms, map[string]string{})
	return strings.TrimSuffix(string(AppendForms(nil, forms)), "\n"), err
}

func TestMinify(t *testing.T) {
	for _, tt := range []struct{ what, in, want string }{
		{"parameters", `(defn f [one & more] (one more))`, `(defn f[a & b](a b))`},
		{"arities", `(defn f ([one] one) ([two one] (f two)))`, `(defn f([a]a)([a b](f a)))`},
		{"what is free stays", `(defn f [one] (inc two one/x :one "one" 'one 'one/one \a))`, `(defn f[a](inc two one/x :one "one" 'one 'one/one \a))`},
		{"a free name is not caught", `(defn f [one] (a one))`, `(defn f[b](a b))`},
		{"nor is one that comes later", `(defn f [one] one) (defn g [] a)`, "(defn f[b]b)\n(defn g[]a)"},
		{"nor a var of the file", `(defn f [one] (a one)) (defn a [x] x)`, "(defn f[b](a b))\n(defn a[b]b)"},
		{"what is hidden is hidden", `(defn f [one] (let [one (inc one) two one] (two one)))`, `(defn f[a](let[a(inc a)b a](b a)))`},
		{"what is not is not", `(defn f [one] (let [two one] (fn [three] [one two three])))`, `(defn f[a](let[b a](fn[c][a b c])))`},
		{"scopes end", `(defn f [one] (let [two 1] two) two)`, `(defn f[a](let[b 1]b)two)`},
		{"a function knows its name", `(fn again [one] (again one))`, `(fn a[b](a b))`},
		{"vectors taken apart", `(let [[one [two] & more :as all] x] [one two more all])`, `(let[[a[b]& c :as d]x][a b c d])`},
		{":keys", `(fn [{:keys [one two]}] [one two])`, `(fn[{a :one b :two}][a b])`},
		{":or before the names", `(fn [{:or {one 1} :keys [one] :as m}] [one m])`, `(fn[{a :one :as b :or{a 1}}][a b])`},
		{"maps in maps", `(fn [{{:keys [one]} :in two :two}] [one two])`, `(fn[{{a :one}:in b :two}][a b])`},
		{"nobody", `(fn [_ _ one] one)`, `(fn[_ _ a]a)`},
		{"if-let", `(if-let [one 1] one one)`, `(if-let[a 1]a one)`},
		{"when-let", `(when-let [one 1] one)`, `(when-let[a 1]a)`},
		{"loop", `(loop [one 1] (recur one))`, `(loop[a 1](recur a))`},
		{"for", `(for [one xs :let [two one] :when two three two] [one three])`, `(for[a xs :let[b a]:when b c b][a c])`},
		{"dotimes", `(dotimes [one 3] one)`, `(dotimes[a 3]a)`},
		{"binding names vars", `(let [one 1] (binding [*one* one] *one*))`, `(let[a 1](binding[*one* a]*one*))`},
		{"catch", `(try 1 (catch :default err err) (finally err))`, `(try 1(catch :default a a)(finally err))`},
		{"case has constants", `(fn [one] (case one one 1 (one two) one one))`, `(fn[a](case a one 1(one two)a a))`},
		{"case without a default", `(fn [one] (case one one 1))`, `(fn[a](case a one 1))`},
		{"threads", `(fn [one] (-> one (case one 1) inc (assoc :one one)))`, `(fn[a](-> a(case one 1)inc(assoc :one a)))`},
		{"threads from behind", `(fn [one] (->> one (let [two 1] two)))`, `(fn[a](->> a(let[b 1]b)))`},
		{"threads with conditions", `(fn [one] (cond-> one (f one) (case one 1)))`, `(fn[a](cond-> a(f a)(case one 1)))`},
		{"as->", `(as-> 1 one (inc one))`, `(as-> 1 a(inc a))`},
		{"short functions", `(fn [one] #(one % %2))`, `(fn[a]#(a % %2))`},
		{"a local that hides a macro", `(fn [let] (let [one 1]))`, `(fn[a](a[one 1]))`},
		{"a var is no local", `(defn- one [] (let [one 1] #'one))`, `(defn A[](let[a 1]#'A))`},
		{"members", `(fn [one] (.-one (.one one)) (set! (.-x one) 1))`, `(fn[a](.-one(.one a))(set!(.-x a)1))`},
		{"classes", `(fn [Socket] (Socket. 1) (js/Socket. 2))`, `(fn[a](a. 1)(js/Socket. 2))`},
		{"hints", `(defn f [^String one] one)`, `(defn f[a]a)`},
		{"JavaScript's values", `(fn [one] #js {:one one})`, `(fn[a]#js {:one a})`},
		{"deref", `(fn [one] @one)`, `(fn[a]@a)`},
		{"private vars", `(declare two) (def ^:private one 1) (defn- two [] #'one) (defn f [] (two))`,
			"(declare B)\n(def A 1)\n(defn B[]#'A)\n(defn f[](B))"},
		{"a private var hidden", `(defn- two []) (defn f [two] two)`, "(defn A[])\n(defn f[a]a)"},
		{"a private var has no name in use", `(defn- two [] (A)) (def B 1)`, "(defn C[](A))\n(def B 1)"},
		{"dynamic vars", `(def ^:dynamic *one* 1)`, `(def ^:dynamic *one* 1)`},
		{"methods", `(defmulti m :id) (defmethod m :one [msg] msg)`, "(defmulti m :id)\n(defmethod m :one[a]a)"},
		{"aliases", `(ns x {:no-doc true} (:require [a.b :as one :refer [two]] [c.d :as two])) (one/f two/g two)`,
			"(ns x(:require[a.b :as Z :refer[two]][c.d :as Y]))\n(Z/f Y/g two)"},
	} {
		if got, err := minified(t, tt.in); err != nil || got != tt.want {
			t.Errorf("%s: %s becomes\n%s (%v), expected\n%s", tt.what, tt.in, got, err, tt.want)
		}
	}
}

func TestMinifyRefuses(t *testing.T) {
	for in, want := range map[string]string{
		"1\n(letfn [(f [x])] 1)": "x.cljc:2: (letfn …) is not understood here",
		"(defmacro m [x] x)":     "(defmacro …)",
		"(fn [x] `(x))":          "` is not understood",
		"(fn [{:strs [x]}] x)":   ":strs is not understood in a pattern",
		"(fn [{:keys [a/x]}] x)": ":keys has names only here",
		"(fn [ws] ws.close)":     "ws.close: a member of a local",
		"::s/key":                "::s/key: a keyword with an alias",
		"(let [x] x)":            "pairs of bindings",
		"(fn \"x\")":             "parameters are expected",
		"(defn f x)":             "parameters are expected",
		"(catch :default)":       "(catch) has too few parts",
		"(let [(x) 1] 1)":        "a name or a pattern is expected",
		"(let 1 1)":              "pairs of bindings",
		"(let)":                  "(let) has too few parts",
		"(-> x (let))":           "pairs of bindings",
		"(if-let [x 1])":         "(if-let) has too few parts",
		"(defn)":                 "(defn) has too few parts",
		"(for [x xs :let y] 1)":  "pairs of bindings",
		"(as-> 1)":               "(as->) has too few parts",
		"(defmethod m)":          "(defmethod) has too few parts",
	} {
		if got, err := minified(t, in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s becomes %s (%v), expected an error with %q", in, got, err, want)
		}
	}
}

// FuzzMinify: whatever reads is minified or refused, and what comes out reads.
func FuzzMinify(f *testing.F) {
	f.Add("(ns x (:require [a.b :as c])) (defn- f [{:keys [a] :or {a 1}}] (-> a (case b 1) (c/d)))")
	f.Add("(let [[a & b :as c] 1] #(a % b)) (cond-> 1 (if-let [x 1] x) (for [x y :let [z 1]] z))")
	f.Add("(def ^:private ^String x) (declare x) (catch a b c) ^ {} (fn f ([x] x) ([x y] y))")
	f.Fuzz(func(t *testing.T, in string) {
		forms, err := Read("x.cljc", []byte(in))
		if err != nil {
			return
		}
		forms, err = Minify("x.cljc", forms, map[string]string{})
		if err != nil {
			return
		}
		if _, err := Read("out", AppendForms(nil, forms)); err != nil {
			t.Errorf("%q becomes what does not read: %v", in, err)
		}
	})
}
