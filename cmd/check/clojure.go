package main

import (
	"regexp"
	"slices"
	"strings"

	"github.com/sente-lite/sente-lite/bb"
)

// A file is what one platform reads of a source.
type file struct {
	platform bb.Platform
	forms    []bb.Form
	ns       bb.NS
	requires []bb.Require // in ns, and by (require '…)
	aliases  set
	imports  map[string]string // the full name of a class, by its simple one
	classes  []class
	reified  []bb.Form
	js       []bb.Form // symbols in js/
	local    set       // names that the form in hand may bind: (fn [WebSocket] (WebSocket. url))
}

// A class is one that the file names.
type class struct {
	name string // as it stands there, or where it is imported its full one
	line int
	how  string // "catch", "import" …
}

func newFile(p bb.Platform, forms []bb.Form) *file {
	f := &file{platform: p, forms: forms, aliases: set{}, imports: map[string]string{}}
	f.ns, _ = bb.Namespace(forms)
	f.requires = f.ns.Requires
	for _, spec := range f.ns.Imports {
		f.imported(spec)
	}
	walk(forms, f.requiredAtRun)
	for _, r := range f.requires {
		f.aliases[r.As] = true
	}
	for i := range forms {
		f.local = inVectors(forms[i])
		walk(forms[i:i+1], f.named)
	}
	return f
}

// walk gives every form to see, but what is quoted, which is data.
func walk(forms []bb.Form, see func(bb.Form)) {
	for _, f := range forms {
		see(f)
		if f.Kind != bb.Prefix || f.Text != "'" {
			walk(f.Forms, see)
		}
	}
}

// unquoted is the form behind a quote.
func unquoted(f bb.Form) bb.Form {
	if f.Kind == bb.Prefix && f.Text == "'" {
		return f.Forms[0]
	}
	return f
}

// imported notes a spec of :import: java.util.UUID, or (java.util UUID Timer).
func (f *file) imported(spec bb.Form) {
	if spec = unquoted(spec); spec.Kind == bb.Atom {
		f.imports[spec.Text[strings.LastIndexByte(spec.Text, '.')+1:]] = spec.Text
		f.names(spec.Text, spec.Line, "import")
		return
	}
	if len(spec.Forms) == 0 {
		return
	}
	for _, name := range spec.Forms[1:] {
		full := spec.Forms[0].Text + "." + name.Text
		f.imports[name.Text] = full
		f.names(full, name.Line, "import")
	}
}

// requiredAtRun notes what is loaded, or imported, by a call.
func (f *file) requiredAtRun(form bb.Form) {
	if form.Kind != bb.List || len(form.Forms) < 2 || form.Forms[0].Kind != bb.Atom {
		return
	}
	switch form.Forms[0].Text {
	case "require", "use":
		for _, spec := range form.Forms[1:] {
			f.requires = append(f.requires, bb.Requires(unquoted(spec))...)
		}
	case "requiring-resolve":
		if name := unquoted(form.Forms[1]); name.Kind == bb.Atom {
			ns, _, _ := strings.Cut(name.Text, "/")
			f.requires = append(f.requires, bb.Require{Name: ns, Line: name.Line})
		}
	case "import":
		for _, spec := range form.Forms[1:] {
			f.imported(spec)
		}
	}
}

var (
	fullName   = regexp.MustCompile(`^(?:[a-z][A-Za-z0-9_]*\.)+[A-Z][A-Za-z0-9_$]*$`)
	simpleName = regexp.MustCompile(`^[A-Z][A-Za-z0-9_$]*$`)
)

// names notes a class, once in a line: what is read first says how.
func (f *file) names(name string, line int, how string) {
	for i := len(f.classes) - 1; i >= 0; i-- {
		if c := f.classes[i]; c.name == name && c.line == line {
			return
		}
	}
	f.classes = append(f.classes, class{name, line, how})
}

// named notes the classes that a form names.
func (f *file) named(form bb.Form) {
	add := func(of bb.Form, how string) {
		if of = of.Bare(); isClass(of) && !(f.local[of.Text] && f.imports[of.Text] == "") {
			f.names(f.full(of.Text), of.Line, how)
		}
	}
	switch {
	case form.Kind == bb.Prefix && form.Text == "^":
		add(form.Forms[0], "type hint")
	case form.Kind == bb.Atom && form.Text[0] != ':':
		name, _, static := strings.Cut(form.Text, "/")
		bare := strings.TrimSuffix(name, ".")
		switch {
		case static && name == "js":
			f.js = append(f.js, form)
		case fullName.MatchString(bare), (static || bare != name) && !f.aliases[bare]:
			form.Text = bare
			add(form, "use")
		}
	case form.Kind == bb.List && len(form.Forms) > 1:
		switch form.Forms[0].Text {
		case "new", "instance?", "catch":
			add(form.Forms[1], form.Forms[0].Text)
		case "reify":
			f.reified = append(f.reified, form)
			for _, of := range form.Forms[1:] {
				add(of, "reify")
			}
		}
	}
}

// full is a class's full name, where it is imported.
func (f *file) full(name string) string {
	if full := f.imports[name]; full != "" {
		return full
	}
	return name
}

// types finds what shared files and those for pages do without.
func types(forms []bb.Form) (found []finding) {
	walk(forms, func(f bb.Form) {
		if f.Kind == bb.List && len(f.Forms) > 0 && slices.Contains(typeForms, strings.TrimPrefix(f.Forms[0].Text, ":")) {
			found = append(found, finding{f.Line, strings.TrimPrefix(f.Forms[0].Text, ":") + " does not work alike on all platforms: use a map of functions, or defmulti"})
		}
	})
	return found
}

var typeForms = []string{"defrecord", "deftype", "extend-protocol", "extend-type", "defprotocol", "definterface", "gen-class", "proxy"}

// deadBranches finds branches of reader conditionals that nobody reads, since
// the first one that holds is taken.
func deadBranches(forms []bb.Form) (found []finding) {
	walk(forms, func(f bb.Form) {
		if f.Kind != bb.Cond {
			return
		}
		seen := set{}
		for i := 0; i < len(f.Forms); i += 2 {
			feature := f.Forms[i]
			behind := ":default"
			for _, p := range []bb.Platform{bb.OnBabashka, bb.OnNbb, bb.OnScittle} {
				if feature.Is(p.Features[0]) && seen[p.Features[1]] {
					behind = p.Features[1]
				}
			}
			if seen[behind] {
				found = append(found, finding{feature.Line, feature.Text + " is never read, since it stands behind " + behind + ": put it first"})
			}
			seen[feature.Text] = true
		}
	})
	return found
}
