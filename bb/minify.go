package bb

import (
	"fmt"
	"slices"
	"strings"
)

// Minify returns the forms of a namespace's file with shorter names where nobody
// outside can know them: locals, private vars and the aliases of namespaces.
// What it returns does the same, save that private vars have other names and are
// no longer private, and that hints and metadata are left out.
//
// Names are changed only where their scope is certain. So the forms that bind
// names are a known, finite set (binders), and a file with any other that does,
// such as a macro of its own, is refused. Keywords, strings and whatever is quoted
// stay as they are.
//
// called are the short names of namespaces, which it adds to: the same in all
// files of a bundle, so that they are packed better.
func Minify(file string, forms []Form, called map[string]string) ([]Form, error) {
	m := &minifier{file: file, taken: map[string]bool{}, vars: map[string]string{}, aliases: map[string]string{}, called: called}
	// The first walk changes nothing and finds the names that are to be left to
	// whoever has them.
	m.counting = true
	if _, err := m.whole(forms); err != nil {
		return nil, err
	}
	m.counting = false
	m.name(forms)
	return m.whole(forms)
}

type minifier struct {
	file     string
	counting bool
	taken    map[string]bool   // the names that mean something which is not renamed
	vars     map[string]string // private vars
	aliases  map[string]string // of namespaces
	called   map[string]string // by their whole names
}

// A scope is what locals are called in it: by their own names the new ones.
type scope map[string]string

func (s scope) copy() scope {
	c := make(scope, len(s)+4)
	for k, v := range s {
		c[k] = v
	}
	return c
}

const (
	localNames = "abcdefghijklmnopqrstuvwxyz"
	varNames   = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	aliasNames = "ZYXWVUTSRQPONMLKJIHGFEDCBA"
)

// short is the nth name made of letters: a … z, then a0 … z0 and so on, which are
// no names of Clojure's.
func short(letters string, n int) string {
	name := letters[n%len(letters):][:1]
	if n >= len(letters) {
		name += fmt.Sprint(n/len(letters) - 1)
	}
	return name
}

func (m *minifier) errorf(f Form, format string, args ...any) error {
	return fmt.Errorf("%s:%d: %s", m.file, f.Line, fmt.Sprintf(format, args...))
}

// name gives names to aliases and private vars, in the order in which they come.
func (m *minifier) name(forms []Form) {
	used := map[string]bool{}
	if ns, ok := Namespace(forms); ok {
		for _, r := range ns.Requires {
			if len(r.As) < 2 {
				used[r.As] = true
				continue
			}
			if m.called[r.Name] == "" {
				m.called[r.Name] = short(aliasNames, len(m.called))
			}
			m.aliases[r.As] = m.called[r.Name]
			used[m.called[r.Name]] = true
		}
	}
	n := 0
	for _, f := range forms {
		name, ok := private(f)
		if !ok || m.vars[name] != "" || len(name) < 2 {
			continue
		}
		for m.vars[name] = short(varNames, n); m.taken[m.vars[name]] || used[m.vars[name]]; n++ {
			m.vars[name] = short(varNames, n)
		}
		used[m.vars[name]] = true
	}
}

// private returns the name of the private var that a form defines.
func private(f Form) (name string, ok bool) {
	switch {
	case f.Calls("defn-") && len(f.Forms) > 1:
		return f.Forms[1].Bare().Text, true
	case f.Calls("def") && len(f.Forms) > 1:
		for n := f.Forms[1]; n.Kind == Prefix && n.Text == "^"; n = n.Forms[1] {
			if n.Forms[0].Is(":private") {
				return n.Bare().Text, true
			}
		}
	}
	return "", false
}

func (m *minifier) whole(forms []Form) ([]Form, error) {
	out := make([]Form, 0, len(forms))
	for _, f := range forms {
		if f.Calls("ns") {
			out = append(out, m.ns(f))
			continue
		}
		g, err := m.form(f, nil)
		if err != nil {
			return nil, err
		}
		out = append(out, g)
	}
	return out, nil
}

// ns renames the aliases in :require, and leaves out what is for documentation.
func (m *minifier) ns(f Form) Form {
	f.Forms = slices.DeleteFunc(slices.Clone(f.Forms), func(f Form) bool { return f.Kind == Map }) // metadata
	for i, clause := range f.Forms {
		if !clause.Calls(":require") {
			continue
		}
		clause.Forms = slices.Clone(clause.Forms)
		for j, spec := range clause.Forms {
			spec.Forms = slices.Clone(spec.Forms)
			for k := 1; k < len(spec.Forms); k++ {
				if to := m.aliases[spec.Forms[k].Text]; to != "" && spec.Forms[k-1].Is(":as") {
					spec.Forms[k].Text = to
				}
			}
			clause.Forms[j] = spec
		}
		f.Forms[i] = clause
	}
	return f
}

// symbol renames what is read as a value.
func (m *minifier) symbol(f Form, s scope) (Form, error) {
	text := f.Text
	if strings.HasPrefix(text, "::") {
		if strings.Contains(text, "/") {
			return f, m.errorf(f, "%s: a keyword with an alias is not understood here; write its namespace", text)
		}
		return f, nil
	}
	if strings.HasPrefix(text, ":") {
		return f, nil
	}
	if to, ok := s[text]; ok {
		f.Text = to
		return f, nil
	}
	if before, after, ok := strings.Cut(text, "."); ok && s[before] != "" {
		if after == "" { // (Class. …)
			f.Text = s[before] + "."
			return f, nil
		}
		return f, m.errorf(f, "%s: a member of a local is not understood here; write (.-%s)", text, text)
	}
	if to, ok := m.vars[text]; ok {
		f.Text = to
		return f, nil
	}
	if before, after, ok := strings.Cut(text, "/"); ok && before != "" {
		if to := m.aliases[before]; to != "" {
			f.Text = to + "/" + after
		}
		return f, nil
	}
	m.taken[text] = true
	return f, nil
}

func (m *minifier) all(forms []Form, s scope) ([]Form, error) {
	out := make([]Form, 0, len(forms))
	for _, f := range forms {
		g, err := m.form(f, s)
		if err != nil {
			return nil, err
		}
		out = append(out, g)
	}
	return out, nil
}

// unknown are macros of Clojure's that bind names or read forms in a way of
// their own, and that are not understood here.
var unknown = []string{
	"letfn", "letfn*", "let*", "loop*", "fn*", "reify", "reify*", "deftype", "deftype*", "defrecord", "defrecord*", "defprotocol",
	"extend-type", "extend-protocol", "extend", "specify", "specify!", "proxy", "defmacro", "with-open", "with-local-vars", "when-first",
	"..", ".", "memfn", "var", "quote", "this-as", "js-arguments", "definterface", "gen-class", "gen-interface", "amap", "areduce",
	"condp", "case*", "with-redefs", "with-redefs-fn", "in-ns", "import", "import*", "require", "use", "refer", "alias", "eval",
	"resolve", "ns-resolve", "defstruct", "definline", "bound-fn", "fdef", "for*", "ns*", "def*", "monitor-enter", "sync", "io!",
}

// form walks a form that is evaluated.
func (m *minifier) form(f Form, s scope) (out Form, err error) {
	switch f.Kind {
	case Atom:
		return m.symbol(f, s)
	case Prefix:
		switch f.Text {
		case "'":
			return f, nil
		case "#'":
			f.Forms, err = m.all(f.Forms, nil) // no local has a var
			return f, err
		case "@", "#js":
			f.Forms, err = m.all(f.Forms, s)
			return f, err
		case "^":
			return m.form(f.Forms[1], s) // a hint, which helps a compiler
		}
		return f, m.errorf(f, "%s is not understood here", f.Text)
	case Vector, Map, Set, Func:
		f.Forms, err = m.all(f.Forms, s)
		return f, err
	case List:
		if len(f.Forms) == 0 || f.Forms[0].Kind != Atom || s[f.Forms[0].Text] != "" {
			f.Forms, err = m.all(f.Forms, s)
			return f, err
		}
		head := f.Forms[0].Text
		if slices.Contains(unknown, head) {
			return f, m.errorf(f, "(%s …) is not understood here; allowed are the forms of Minify", head)
		}
		if bind, ok := binders[head]; ok {
			if len(f.Forms) < least[head] {
				return f, m.errorf(f, "(%s) has too few parts", head)
			}
			rest, err := bind(m, f, s)
			name := f.Forms[0]
			if name.Is("defn-") { // others cannot name it any more
				name.Text = "defn"
			}
			f.Forms = append([]Form{name}, rest...)
			return f, err
		}
		f.Forms, err = m.all(f.Forms, s)
		return f, err
	}
	return f, nil
}

// bind binds the names of a pattern in s, and returns it with the new ones.
func (m *minifier) bind(p Form, s scope) (Form, scope, error) {
	var err error
	switch p = p.Bare(); p.Kind {
	case Atom:
		switch {
		case p.Is("&"), strings.HasPrefix(p.Text, ":"):
		default:
			p.Text = m.local(p.Text, s)
		}
		return p, s, nil
	case Vector:
		p.Forms = slices.Clone(p.Forms)
		for i, inner := range p.Forms {
			if p.Forms[i], s, err = m.bind(inner, s); err != nil {
				return p, s, err
			}
		}
		return p, s, nil
	case Map:
		return m.bindMap(p, s)
	}
	return p, s, m.errorf(p, "a name or a pattern is expected here")
}

// bindMap binds the names of a map's pattern. {:keys [a]} becomes {x :a}, and the
// defaults come last, where all names are known.
func (m *minifier) bindMap(p Form, s scope) (Form, scope, error) {
	var out, defaults []Form
	for i := 0; i+1 < len(p.Forms); i += 2 {
		key, value := p.Forms[i], p.Forms[i+1]
		var err error
		switch {
		case key.Is(":keys"):
			for _, n := range value.Forms {
				if n.Kind != Atom || strings.ContainsAny(n.Text, ":/") {
					return p, s, m.errorf(n, ":keys has names only here")
				}
				out = append(out, Form{Text: m.local(n.Text, s)}, Form{Text: ":" + n.Text})
			}
			continue
		case key.Is(":or"):
			defaults = append(defaults, key, value)
			continue
		case key.Is(":as"):
			value, s, err = m.bind(value, s)
		case key.Kind == Atom && strings.HasPrefix(key.Text, ":"):
			return p, s, m.errorf(key, "%s is not understood in a pattern; allowed: :keys, :or, :as and names", key.Text)
		default:
			if key, s, err = m.bind(key, s); err == nil {
				value, err = m.form(value, s)
			}
		}
		if err != nil {
			return p, s, err
		}
		out = append(out, key, value)
	}
	for i := 1; i < len(defaults); i += 2 {
		var err error
		if defaults[i].Forms, err = m.all(defaults[i].Forms, s); err != nil {
			return p, s, err
		}
	}
	p.Forms = append(out, defaults...)
	return p, s, nil
}

// local binds a name and returns the new one: that of the local which it hides,
// or one that nothing in the file means and no local in sight has.
func (m *minifier) local(name string, s scope) string {
	if m.counting {
		s[name] = name
		return name
	}
	if to, ok := s[name]; ok {
		return to
	}
	to := name
	if name != "_" {
		for n := 0; ; n++ {
			if to = short(localNames, n); !m.taken[to] && !m.inUse(to, s) {
				break
			}
		}
	}
	s[name] = to
	return to
}

func (m *minifier) inUse(name string, s scope) bool {
	for _, to := range s {
		if to == name {
			return true
		}
	}
	return false
}
