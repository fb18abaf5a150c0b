package bb

import (
	"fmt"
	"slices"
	"strings"
)

// A Platform is what reads our Clojure files.
type Platform struct {
	Name     string
	Features []string // of its reader conditionals
	Endings  []string // of the files that it reads, in the order in which it looks for them
}

// The platforms of the library.
var (
	OnBabashka = Platform{"Babashka", []string{":bb", ":clj"}, []string{".bb", ".clj", ".cljc"}}
	OnJVM      = Platform{"the JVM", []string{":clj"}, []string{".clj", ".cljc"}}
	OnNbb      = Platform{"nbb", []string{":org.babashka/nbb", ":cljs"}, []string{".cljs", ".cljc"}}
	OnScittle  = Platform{"Scittle", []string{":scittle", ":cljs"}, []string{".cljs", ".cljc"}}
)

// Select returns the forms that a platform reads: of each reader conditional
// the first branch with one of its features, or :default.
func (p Platform) Select(file string, forms []Form) ([]Form, error) {
	s := &selector{p, file}
	return s.all(forms)
}

type selector struct {
	Platform
	file string
}

func (s *selector) errorf(f Form, format string, args ...any) error {
	return fmt.Errorf("%s:%d: %s", s.file, f.Line, fmt.Sprintf(format, args...))
}

func (s *selector) all(forms []Form) (selected []Form, err error) {
	for _, f := range forms {
		if f.Kind == Cond {
			branch, err := s.branch(f)
			if err != nil {
				return nil, err
			}
			selected = append(selected, branch...)
			continue
		}
		inner, err := s.all(f.Forms)
		if err != nil {
			return nil, err
		}
		switch {
		case f.Kind == Prefix && len(inner) != len(f.Forms):
			return nil, s.errorf(f, "%s stands before a reader conditional that is not one form on %s", f.Text, s.Name)
		case f.Kind == Map && len(inner)%2 != 0:
			return nil, s.errorf(f, "a map with %d forms on %s: a key has no value", len(inner), s.Name)
		}
		f.Forms = inner
		selected = append(selected, f)
	}
	return selected, nil
}

// branch returns what a reader conditional stands for.
func (s *selector) branch(c Form) ([]Form, error) {
	if len(c.Forms)%2 != 0 {
		return nil, s.errorf(c, "a reader conditional with %d forms: a feature has no form", len(c.Forms))
	}
	for i := 0; i < len(c.Forms); i += 2 {
		feature := c.Forms[i]
		if feature.Kind != Atom || !strings.HasPrefix(feature.Text, ":") {
			return nil, s.errorf(feature, "a reader conditional's features are keywords")
		}
		if feature.Text != ":default" && !slices.Contains(s.Features, feature.Text) {
			continue
		}
		forms, err := s.all(c.Forms[i+1 : i+2])
		if err != nil || c.Text != "#?@" || len(forms) == 0 {
			return forms, err
		}
		if forms[0].Kind != Vector && forms[0].Kind != List {
			return nil, s.errorf(c, "#?@ puts in the forms of a vector or a list, and %s is none", feature.Text)
		}
		return forms[0].Forms, nil
	}
	return nil, nil
}
