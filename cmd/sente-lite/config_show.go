package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/sente-lite/sente-lite/pipe"
)

// showCommand is "config show".
type showCommand struct {
	File string `arg:"" optional:"" help:"A configuration file, as with --config."`
	formFlags
}

// docCommand is "config doc".
type docCommand struct {
	Key string `arg:"" optional:"" help:"A key or a section, like :flow or :flow/max-depth (all)."`
	formFlags
}

// A shownKey is a key with its value, and where that comes from.
type shownKey struct{ path, value, from string }

// show prints the configuration that the layers make together.
func (g *grammar) show(sys system) int {
	p := newPrinter(sys, g.Check.Show.form())
	l, err := g.layers(sys, g.Check.Show.File)
	if err == nil {
		_, err = l.Config()
	}
	if err != nil {
		return p.failConfig(err)
	}
	var all []shownKey
	b := []byte("[")
	for _, k := range keys() {
		one, ok := l.shown(k)
		if !ok {
			continue
		}
		all = append(all, one)
		b = fmt.Appendf(b, "{:path %s :value %s :from ", one.path, one.value)
		b = append(pipe.AppendString(b, one.from), "} "...)
	}
	err = p.value(append(b, ']'), func(w io.Writer) {
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		for _, k := range all {
			fmt.Fprintf(t, "%s\t%s\t%s\n", strings.Trim(k.path, "[]"), shown(k.value), shown(k.from))
		}
		_ = t.Flush() // to memory
	})
	if err != nil {
		return p.fail(err)
	}
	return exitDone
}

// shown returns a key as it stands, false where it has no value.
func (l *Loader) shown(k key) (shownKey, bool) {
	at := k.path()
	s, said := l.said[k.name]
	switch {
	case said && secret(at[len(at)-1]):
		return shownKey{at.String(), secretIsSet, s.by.where(at)}, true
	case said:
		return shownKey{at.String(), showAll(s.raw, -100), s.by.where(at)}, true
	}
	if v, ok := l.preset(k.name); ok {
		return shownKey{at.String(), strconv.FormatInt(v, 10), showAll(l.said["flow/profile"].raw, 0) + " of [:flow :profile]"}, true
	}
	if k.def != "" {
		return shownKey{at.String(), k.def, "default"}, true
	}
	return shownKey{}, false
}

// failConfig tells what is wrong with a configuration, every problem of it, and
// returns the exit code.
func (p *printer) failConfig(err error) int {
	if p.form == formText {
		printProblems(p.err, err)
		return exitUsage
	}
	p.fail(err)
	return exitUsage
}

func (c *docCommand) run(_ system, p *printer) error {
	asked := strings.TrimPrefix(strings.NewReplacer("[", "", "]", "", " :", "/", " ", "/").Replace(c.Key), ":")
	var all []key
	var names []string
	for _, k := range keys() {
		names = append(names, k.name)
		if asked == "" || k.name == asked || strings.HasPrefix(k.name, asked+"/") {
			all = append(all, k)
		}
	}
	if len(all) == 0 {
		hint := `"sente-lite config doc" lists them all`
		for _, name := range names { // what the last part names is near as well
			if strings.HasSuffix(name, "/"+asked) {
				hint = "did you mean :" + name + "?"
			}
		}
		if near := pipe.Nearest(asked, names); near != "" {
			hint = "did you mean :" + near + "?"
		}
		return misuse(hint, "there is no key %s", quoted(c.Key))
	}
	b := []byte("[")
	for _, k := range all {
		b = append(k.appendDoc(b), ' ')
	}
	return p.value(append(b, ']'), func(w io.Writer) {
		for _, k := range all {
			fmt.Fprintf(w, "%s\n    %s\n    %s\n", p.paint(bold, ":"+k.name), k.sentence(), k.facts())
		}
	})
}

func (k key) appendDoc(b []byte) []byte {
	def := k.def
	if def == "" {
		def = "nil"
	}
	b = fmt.Appendf(b, "{:path %s :default %s :unit ", k.path(), def)
	if k.unit == "" {
		b = append(b, "nil"...)
	} else {
		b = pipe.AppendString(b, k.unit)
	}
	b = pipe.AppendString(append(b, " :doc "...), k.doc)
	b = pipe.AppendString(append(b, " :allowed "...), k.is.allowed())
	return fmt.Appendf(b, " :hot? %t :used? %t}", k.hot, k.used())
}

// sentence says what a key is, with its unit.
func (k key) sentence() string {
	if k.unit != "" {
		return k.unit + ": " + k.doc
	}
	return k.doc
}

// facts says what a key takes.
func (k key) facts() string {
	facts := k.is.allowed()
	if k.def != "" {
		facts += "; default " + k.def
	}
	if k.hot {
		facts += "; may change while running"
	}
	return facts
}

// used reports whether a key does something in this version.
func (k key) used() bool {
	_, later := k.is.(laterKind)
	return !later
}
