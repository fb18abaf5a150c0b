package main

import (
	"fmt"
	"strings"

	"github.com/sente-lite/sente-lite/bb"
)

// instead says what to use for what Babashka lacks.
var instead = map[string]string{
	"java.util.concurrent.atomic.AtomicBoolean":         "an atom, or java.util.concurrent.atomic.AtomicReference",
	"java.util.concurrent.atomic.LongAdder":             "java.util.concurrent.atomic.AtomicLong",
	"java.util.concurrent.ConcurrentLinkedQueue":        "java.util.concurrent.LinkedBlockingQueue",
	"java.util.concurrent.LinkedBlockingDeque":          "java.util.concurrent.LinkedBlockingQueue",
	"java.util.concurrent.PriorityBlockingQueue":        "a sorted-map in an atom",
	"java.util.concurrent.DelayQueue":                   "java.util.concurrent.ScheduledThreadPoolExecutor",
	"java.util.concurrent.CyclicBarrier":                "java.util.concurrent.CountDownLatch",
	"java.util.concurrent.Phaser":                       "java.util.concurrent.CountDownLatch",
	"java.util.concurrent.ScheduledExecutorService":     "java.util.concurrent.ScheduledThreadPoolExecutor",
	"java.util.Timer":                                   "java.util.concurrent.ScheduledThreadPoolExecutor",
	"java.util.concurrent.Flow":                         "java.util.concurrent.LinkedBlockingQueue",
	"clojure.lang.IDeref":                               "clojure.lang.IRef, and clojure.lang.IPending for promises",
	"clojure.core.reducers":                             "transducers",
	"clojure.xml":                                       "clojure.data.xml",
	"clojure.inspector":                                 "clojure.pprint",
	"clojure.spec.alpha":                                "predicates of your own",
	"java.util.concurrent.atomic.AtomicInteger":         "java.util.concurrent.atomic.AtomicLong",
	"java.util.concurrent.ConcurrentLinkedDeque":        "java.util.concurrent.LinkedBlockingQueue",
	"java.util.concurrent.locks.LockSupport":            "java.util.concurrent.CountDownLatch",
	"java.util.concurrent.locks.ReentrantReadWriteLock": "java.util.concurrent.locks.ReentrantLock",
}

const behindBB = "another that it has, or #?(:bb … :clj …)"

// withoutImport are the classes beside java.lang that Clojure imports by itself.
var withoutImport = map[string]string{
	"BigInteger": "java.math.BigInteger", "BigDecimal": "java.math.BigDecimal", "Callable": "java.util.concurrent.Callable",
}

// onBabashka finds namespaces and classes that Babashka has not.
func (inv *inventory) onBabashka(f *file) (found []finding) {
	add := func(line int, format string, args ...any) {
		found = append(found, finding{line, fmt.Sprintf(format, args...)})
	}
	use := func(name string) string {
		if i := instead[name]; i != "" {
			return i
		}
		return behindBB
	}
	for _, r := range f.requires {
		switch {
		case r.Name == "":
			add(r.Line, "a module of JavaScript's is required, and Babashka has none: put it behind :cljs")
		case !inv.namespaces[r.Name] && !inv.own[r.Name]:
			add(r.Line, "the namespace %s is not in Babashka; use %s", r.Name, use(r.Name))
		}
	}
	for _, c := range f.classes {
		name := inv.javaName(c.name)
		switch {
		case inv.classes[name]:
		case strings.Contains(name, "."):
			add(c.line, "%s: the class %s is not in Babashka, which would refuse the whole file; use %s", c.how, name, use(name))
		default:
			add(c.line, "%s: no class %s is imported or in java.lang; import it, if Babashka has it", c.how, name)
		}
	}
	for _, form := range f.js {
		add(form.Line, "%s is JavaScript's; put it behind #?(:cljs …)", form.Text)
	}
	for _, form := range f.reified {
		var java []string
		for _, of := range form.Forms[1:] {
			if of.Kind != bb.Atom {
				continue
			}
			name := inv.javaName(f.full(of.Text))
			if !strings.Contains(name, ".") {
				continue // a protocol
			}
			java = append(java, name)
			if !inv.reify[name] {
				add(of.Line, "Babashka does not reify %s; use a fn, or one of testdata/babashka/bb-reify.txt", name)
			}
		}
		if len(java) > 1 {
			add(form.Line, "Babashka reifies one Java interface at a time, found %s; use a reify for each", strings.Join(java, ", "))
		}
	}
	return found
}

// javaName is the full name of a class that needs no import.
func (inv *inventory) javaName(name string) string {
	if strings.Contains(name, ".") {
		return name
	}
	if full := withoutImport[name]; full != "" {
		return full
	}
	if full := "java.lang." + name; inv.classes[full] {
		return full
	}
	return name
}

// onScittle finds namespaces, classes and functions that a page has not.
func (inv *inventory) onScittle(f *file) (found []finding) {
	add := func(line int, format string, args ...any) {
		found = append(found, finding{line, fmt.Sprintf(format, args...)})
	}
	for _, r := range f.requires {
		switch {
		case r.Name == "":
			add(r.Line, "a module of JavaScript's is required, and Scittle has none: put it behind :org.babashka/nbb")
		case !inv.scittleNamespaces[r.Name] && !inv.own[r.Name]:
			add(r.Line, "the namespace %s is not in Scittle; use one of testdata/babashka/scittle-namespaces.txt, or #?(:clj …)", r.Name)
		}
	}
	for _, c := range f.classes {
		switch {
		case inv.scittleCore[c.name], c.how == "type hint":
		case c.how == "catch":
			add(c.line, "catch: a page has no class %s; use #?(:clj %s :cljs :default)", c.name, c.name)
		default:
			add(c.line, "%s: a page has no class %s; put it behind #?(:clj …)", c.how, c.name)
		}
	}
	walk(f.forms, func(form bb.Form) {
		if form.Kind != bb.List || len(form.Forms) < 2 || !strings.HasPrefix(form.Forms[0].Text, "def") {
			return
		}
		if name := form.Forms[1]; name.Kind == bb.Prefix && name.Text == "^" && isClass(name.Forms[0]) {
			add(name.Line, "Scittle evaluates the type hint %s before the name of a var; write it before the arguments", name.Forms[0].Text)
		}
	})
	own := defined(f.forms)
	for _, top := range f.forms {
		local := inVectors(top)
		walk([]bb.Form{top}, func(form bb.Form) {
			if (form.Kind != bb.List && form.Kind != bb.Func) || len(form.Forms) == 0 || form.Forms[0].Kind != bb.Atom {
				return
			}
			name := strings.TrimPrefix(form.Forms[0].Text, "clojure.core/")
			if inv.core[name] && !inv.scittleCore[name] && !own[name] && !local[name] && !special[name] {
				add(form.Line, "%s is not in Scittle's clojure.core; do without, or put it behind #?(:clj …)", name)
			}
		})
	}
	return found
}

func isClass(f bb.Form) bool {
	return f.Kind == bb.Atom && (simpleName.MatchString(f.Text) || fullName.MatchString(f.Text))
}

// special are forms of their own in Scittle, and vars on the JVM.
var special = set{"await": true}

// defined are the names that top-level forms define.
func defined(forms []bb.Form) set {
	names := set{}
	walk(forms, func(f bb.Form) {
		if f.Kind == bb.List && len(f.Forms) > 1 && strings.HasPrefix(f.Forms[0].Text, "def") {
			names[f.Forms[1].Bare().Text] = true
		}
	})
	return names
}

// inVectors are the symbols that stand in vectors: whatever is bound somewhere
// in the form is among them.
func inVectors(top bb.Form) set {
	names := set{}
	walk([]bb.Form{top}, func(f bb.Form) {
		if f.Kind != bb.Vector {
			return
		}
		for _, inner := range f.Forms {
			if inner = inner.Bare(); inner.Kind == bb.Atom {
				names[inner.Text] = true
			}
		}
	})
	return names
}

// undocumented finds public vars without a docstring.
func undocumented(f *file) (found []finding) {
	if hidden(f.ns.Form) {
		return nil
	}
	var see func(forms []bb.Form)
	see = func(forms []bb.Form) {
		for _, form := range forms {
			if form.Kind != bb.List || len(form.Forms) < 2 {
				continue
			}
			switch form.Forms[0].Text {
			case "do":
				see(form.Forms[1:])
			case "def", "defn", "defmacro", "defmulti", "defonce":
				if _, ok := bb.Doc(form); !ok && !hidden(form) && !says(form, ":doc") {
					found = append(found, finding{form.Line, fmt.Sprintf("%s %s is public and has no docstring: write one, or mark it ^:private or ^:no-doc",
						form.Forms[0].Text, form.Forms[1].Bare().Text)})
				}
			}
		}
	}
	see(f.forms)
	return found
}

// hidden reports whether a definition, or a namespace, is for nobody else.
func hidden(form bb.Form) bool { return says(form, ":private") || says(form, ":no-doc") }

// says reports whether the metadata of a definition have a key: before its
// name, or in a map behind the docstring.
func says(form bb.Form, key string) bool {
	if len(form.Forms) < 2 {
		return false
	}
	name := form.Forms[1]
	for ; name.Kind == bb.Prefix && name.Text == "^"; name = name.Forms[1] {
		if name.Forms[0].Is(key) || hasKey(name.Forms[0], key) {
			return true
		}
	}
	rest := form.Forms[2:]
	if _, ok := bb.Doc(form); ok {
		rest = rest[1:]
	}
	return len(rest) > 1 && hasKey(rest[0], key) || form.Calls("ns") && len(rest) == 1 && hasKey(rest[0], key)
}

func hasKey(m bb.Form, key string) bool {
	for i := 0; m.Kind == bb.Map && i+1 < len(m.Forms); i += 2 {
		if m.Forms[i].Is(key) {
			return !m.Forms[i+1].Is("false") && !m.Forms[i+1].Is("nil")
		}
	}
	return false
}
