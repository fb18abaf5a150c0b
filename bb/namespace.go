package bb

import "strings"

// An NS is what a namespace form says.
type NS struct {
	Name     string
	Form     Form
	Requires []Require
	Imports  []Form // the specs of :import
}

// A Require is a namespace that another one needs.
type Require struct {
	Name string // "" where it is a string: a module of JavaScript's
	As   string
	Line int
}

// Namespace reads the first (ns …) of a file's forms, on the platform that they
// were selected for.
func Namespace(forms []Form) (ns NS, ok bool) {
	for _, f := range forms {
		if !f.Calls("ns") || len(f.Forms) < 2 {
			continue
		}
		ns.Form, ns.Name = f, f.Forms[1].Bare().Text
		for _, clause := range f.Forms[2:] {
			if clause.Kind != List || len(clause.Forms) == 0 {
				continue
			}
			switch clause.Forms[0].Text {
			case ":require", ":use", ":require-macros":
				for _, spec := range clause.Forms[1:] {
					ns.Requires = append(ns.Requires, Requires(spec)...)
				}
			case ":import":
				ns.Imports = append(ns.Imports, clause.Forms[1:]...)
			}
		}
		return ns, true
	}
	return ns, false
}

// Requires reads a spec: name, [name :as n], or (prefix name [name]).
func Requires(spec Form) []Require {
	switch spec = spec.Bare(); {
	case spec.Kind == String:
		return []Require{{Line: spec.Line}}
	case spec.Kind == Atom && strings.HasPrefix(spec.Text, ":"):
		return nil // a flag, such as :reload
	case spec.Kind == Atom:
		return []Require{{Name: spec.Text, Line: spec.Line}}
	case spec.Kind == Vector && len(spec.Forms) > 0:
		r := Require{Line: spec.Line}
		if spec.Forms[0].Kind == Atom {
			r.Name = spec.Forms[0].Text
		}
		loads := len(spec.Forms) == 1
		for i := 1; i+1 < len(spec.Forms); i += 2 {
			switch option := spec.Forms[i]; {
			case option.Is(":as"):
				r.As = spec.Forms[i+1].Text
				loads = true
			case option.Is(":as-alias"):
				r.As = spec.Forms[i+1].Text
			default:
				loads = true
			}
		}
		if !loads {
			return nil
		}
		return []Require{r}
	case spec.Kind == List && len(spec.Forms) > 1:
		var all []Require
		for _, inner := range spec.Forms[1:] {
			for _, r := range Requires(inner) {
				r.Name = spec.Forms[0].Text + "." + r.Name
				all = append(all, r)
			}
		}
		return all
	}
	return nil
}

// defines are the forms that take a docstring behind their name, and how many
// forms they have at least if they have one.
var defines = map[string]int{
	"def": 4, "defn": 4, "defn-": 4, "defmacro": 4, "defmulti": 4, "ns": 3, "defprotocol": 3,
}

// Doc returns the docstring of a definition.
func Doc(f Form) (doc Form, ok bool) {
	if f.Kind != List || len(f.Forms) < 3 || f.Forms[0].Kind != Atom {
		return doc, false
	}
	least, ok := defines[f.Forms[0].Text]
	if !ok || len(f.Forms) < least || f.Forms[2].Kind != String {
		return doc, false
	}
	return f.Forms[2], true
}

// WithoutDocs returns forms without the docstrings of their definitions,
// wherever these are.
func WithoutDocs(forms []Form) []Form {
	out := make([]Form, 0, len(forms))
	for _, f := range forms {
		inner := f.Forms
		if _, ok := Doc(f); ok {
			inner = append(inner[:2:2], inner[3:]...)
		}
		if f.Kind != Prefix || f.Text != "'" { // what is quoted is data
			inner = WithoutDocs(inner)
		}
		f.Forms = inner
		out = append(out, f)
	}
	return out
}
