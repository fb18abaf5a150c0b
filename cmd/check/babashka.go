package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sente-lite/sente-lite/bb"
)

// babashka holds every Clojure file under bb to what the platforms that read it
// have. It counts one for each file.
func (c *checker) babashka(context.Context) (r result) {
	inv, err := newInventory(filepath.Join(c.root, "testdata", "babashka"))
	if err != nil {
		r.fail("babashka", err.Error())
		return r
	}
	files, err := c.clojureFiles()
	if err != nil {
		r.fail("babashka", err.Error())
		return r
	}
	if len(files) == 0 {
		r.fail("babashka", "no Clojure file is under bb")
	}
	for _, f := range files {
		inv.know(f)
	}
	for _, f := range files {
		if found := inv.check(f); len(found) > 0 {
			r.fail(f.name, strings.Join(found, "\n"))
		} else {
			r.pass()
		}
	}
	return r
}

// A source is a file of Clojure.
type source struct {
	name string // below the root
	text []byte
}

func (s source) shared() bool { return path.Ext(s.name) == ".cljc" }
func (s source) script() bool { return path.Ext(s.name) == ".cljs" }

// public reports whether the file is the library's: its vars are what users read about.
func (s source) public() bool { return strings.HasPrefix(s.name, "bb/src/") }

func (c *checker) clojureFiles() (all []source, err error) {
	for _, ending := range []string{".clj", ".cljc", ".cljs", ".bb"} {
		files, err := c.files(ending)
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			if !strings.HasPrefix(file, "bb/") {
				continue
			}
			text, err := os.ReadFile(filepath.Join(c.root, filepath.FromSlash(file)))
			if err != nil {
				return nil, err
			}
			all = append(all, source{file, text})
		}
	}
	slices.SortFunc(all, func(a, b source) int { return strings.Compare(a.name, b.name) })
	return all, nil
}

// A set is one of the lists of testdata/babashka.
type set map[string]bool

// An inventory is what the platforms have.
type inventory struct {
	classes, reify    set // of Babashka
	namespaces        set
	scittleNamespaces set
	scittleCore, core set // names in clojure.core: Scittle's, and the JVM's
	own               set // namespaces under bb
}

func newInventory(dir string) (*inventory, error) {
	inv := &inventory{own: set{}}
	for name, to := range map[string]*set{
		"bb-classes.txt": &inv.classes, "bb-reify.txt": &inv.reify, "bb-namespaces.txt": &inv.namespaces,
		"scittle-namespaces.txt": &inv.scittleNamespaces, "scittle-core.txt": &inv.scittleCore, "clojure-core.txt": &inv.core,
	} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return nil, err
		}
		*to = set{}
		for _, line := range strings.Fields(string(text)) {
			(*to)[line] = true
		}
		if len(*to) == 0 {
			return nil, fmt.Errorf("%s/%s is empty", dir, name)
		}
	}
	return inv, nil
}

// know notes the namespace of a file, so that others may require it.
func (inv *inventory) know(s source) {
	forms, err := bb.Read(s.name, s.text)
	if err != nil {
		return // check says so
	}
	if ns, ok := bb.Namespace(forms); ok {
		inv.own[ns.Name] = true
	}
}

// A finding is something wrong in a line.
type finding struct {
	line int
	text string
}

// check returns what is wrong with a file, as FILE:LINE: texts.
func (inv *inventory) check(s source) []string {
	forms, err := bb.Read(s.name, s.text)
	if err != nil {
		return []string{err.Error()}
	}
	found := deadBranches(forms)
	if s.public() && (s.shared() || s.script()) {
		found = append(found, types(forms)...)
	}
	for _, p := range platformsOf(s, forms) {
		selected, err := p.Select(s.name, forms)
		if err != nil {
			return []string{err.Error()}
		}
		f := newFile(p, selected)
		if p.Name == bb.OnBabashka.Name {
			found = append(found, inv.onBabashka(f)...)
		}
		if p.Name == bb.OnScittle.Name {
			found = append(found, inv.onScittle(f)...)
			if !s.public() { // a test of what the JVM refuses has such types
				found = append(found, types(selected)...)
			}
		}
		if s.public() {
			found = append(found, undocumented(f)...)
		}
	}
	slices.SortFunc(found, func(a, b finding) int {
		return cmp.Or(cmp.Compare(a.line, b.line), strings.Compare(a.text, b.text))
	})
	var texts []string
	for _, f := range slices.Compact(found) {
		texts = append(texts, fmt.Sprintf("%s:%d: %s", s.name, f.line, f.text))
	}
	return texts
}

// platformsOf returns what reads a file. A .cljs that requires a module of
// JavaScript's, which Scittle cannot, or a namespace of nbb's is nbb's alone.
func platformsOf(s source, forms []bb.Form) []bb.Platform {
	switch {
	case s.shared():
		return []bb.Platform{bb.OnBabashka, bb.OnJVM, bb.OnNbb, bb.OnScittle}
	case !s.script():
		return []bb.Platform{bb.OnBabashka, bb.OnJVM}
	}
	ns, _ := bb.Namespace(forms)
	for _, r := range ns.Requires {
		if r.Name == "" || strings.HasPrefix(r.Name, "nbb.") {
			return []bb.Platform{bb.OnNbb}
		}
	}
	return []bb.Platform{bb.OnNbb, bb.OnScittle}
}
