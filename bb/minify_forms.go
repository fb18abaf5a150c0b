package bb

import "slices"

// least are the parts that a form has at least, its head among them.
var least = map[string]int{
	"def": 2, "defonce": 2, "defn": 2, "defn-": 2, "defmulti": 2, "defmethod": 3, "let": 2, "loop": 2, "when-let": 2, "when-some": 2,
	"dotimes": 2, "if-let": 3, "if-some": 3, "for": 2, "doseq": 2, "catch": 3, "as->": 3,
}

// binders are the forms that bind names or whose parts are not all evaluated as
// they stand. Each returns what is behind the head. It is filled in by init,
// since they walk forms themselves.
var binders map[string]func(m *minifier, f Form, s scope) ([]Form, error)

func init() {
	binders = map[string]func(m *minifier, f Form, s scope) ([]Form, error){
		"def": define, "defonce": define, "declare": declare, "defn": (*minifier).defn, "defn-": (*minifier).defn, "fn": (*minifier).fn,
		"defmulti": define, "defmethod": (*minifier).defmethod,
		"let": block, "loop": block, "when-let": block, "when-some": block, "dotimes": block,
		"if-let": ifLet, "if-some": ifLet, "for": block, "doseq": block, "binding": dynamic,
		"catch": catch, "case": caseOf, "as->": asThread,
		"->": thread(first, 1), "some->": thread(first, 1), "doto": thread(first, 1), "->>": thread(last, 1), "some->>": thread(last, 1),
		"cond->": thread(first, 2), "cond->>": thread(last, 2),
	}
}

// defined is the name of a var, without metadata but ^:dynamic: the rest is for
// documentation, or says private, and nobody knows those names any more.
func (m *minifier) defined(f Form) Form {
	if f.Kind == Prefix {
		inner := m.defined(f.Forms[1])
		if !f.Forms[0].Is(":dynamic") {
			return inner
		}
		f.Forms = []Form{f.Forms[0], inner}
		return f
	}
	if to := m.vars[f.Text]; to != "" {
		f.Text = to
	} else {
		m.taken[f.Text] = true
	}
	return f
}

func define(m *minifier, f Form, s scope) ([]Form, error) {
	rest, err := m.all(f.Forms[2:], s)
	return append([]Form{m.defined(f.Forms[1])}, rest...), err
}

func declare(m *minifier, f Form, _ scope) (out []Form, err error) {
	for _, n := range f.Forms[1:] {
		out = append(out, m.defined(n))
	}
	return out, nil
}

func (m *minifier) defn(f Form, s scope) ([]Form, error) {
	rest, err := m.arities(f.Forms[2:], s)
	return append([]Form{m.defined(f.Forms[1])}, rest...), err
}

func (m *minifier) fn(f Form, s scope) ([]Form, error) {
	rest := f.Forms[1:]
	if len(rest) > 0 && rest[0].Bare().Kind == Atom {
		name, inner, err := m.bind(rest[0], s.copy())
		if err != nil {
			return nil, err
		}
		rest, err = m.arities(rest[1:], inner)
		return append([]Form{name}, rest...), err
	}
	return m.arities(rest, s)
}

// arities walks what is behind a function's name: parameters and a body, or
// several of them.
func (m *minifier) arities(forms []Form, s scope) (out []Form, err error) {
	if len(forms) > 0 && forms[0].Bare().Kind == Vector {
		params, inner, err := m.bind(forms[0], s.copy())
		if err != nil {
			return nil, err
		}
		body, err := m.all(forms[1:], inner)
		return append([]Form{params}, body...), err
	}
	for _, f := range forms {
		if f.Kind != List {
			return nil, m.errorf(f, "a function's parameters are expected here")
		}
		if f.Forms, err = m.arities(f.Forms, s); err != nil {
			return nil, err
		}
		out = append(out, f)
	}
	return out, nil
}

func (m *minifier) defmethod(f Form, s scope) ([]Form, error) {
	out, err := m.all(f.Forms[1:3], s)
	if err != nil {
		return nil, err
	}
	rest, err := m.arities(f.Forms[3:], s)
	return append(out, rest...), err
}

// pairs walks the bindings of a let, or of a for with its :let, :when and :while.
func (m *minifier) pairs(v Form, s scope) (Form, scope, error) {
	if v.Kind != Vector || len(v.Forms)%2 != 0 {
		return v, s, m.errorf(v, "pairs of bindings are expected here")
	}
	s = s.copy()
	v.Forms = slices.Clone(v.Forms)
	for i := 0; i < len(v.Forms); i += 2 {
		var err error
		if v.Forms[i].Is(":let") {
			v.Forms[i+1], s, err = m.pairs(v.Forms[i+1], s)
		} else if v.Forms[i+1], err = m.form(v.Forms[i+1], s); err == nil {
			v.Forms[i], s, err = m.bind(v.Forms[i], s)
		}
		if err != nil {
			return v, s, err
		}
	}
	return v, s, nil
}

func block(m *minifier, f Form, s scope) ([]Form, error) {
	bindings, inner, err := m.pairs(f.Forms[1], s)
	if err != nil {
		return nil, err
	}
	body, err := m.all(f.Forms[2:], inner)
	return append([]Form{bindings}, body...), err
}

// ifLet is if-let and if-some, whose names hold in the first branch only.
func ifLet(m *minifier, f Form, s scope) ([]Form, error) {
	bindings, inner, err := m.pairs(f.Forms[1], s)
	if err != nil {
		return nil, err
	}
	then, err := m.form(f.Forms[2], inner)
	if err != nil {
		return nil, err
	}
	other, err := m.all(f.Forms[3:], s)
	return append([]Form{bindings, then}, other...), err
}

// dynamic is binding, whose names are vars.
func dynamic(m *minifier, f Form, s scope) ([]Form, error) {
	return m.all(f.Forms[1:], s)
}

func catch(m *minifier, f Form, s scope) ([]Form, error) {
	name, inner, err := m.bind(f.Forms[2], s.copy())
	if err != nil {
		return nil, err
	}
	body, err := m.all(f.Forms[3:], inner)
	return append([]Form{f.Forms[1], name}, body...), err
}

// caseOf leaves the constants of a case as they are.
func caseOf(m *minifier, f Form, s scope) (out []Form, err error) {
	for i, g := range f.Forms[1:] {
		constant := i%2 == 1 && i+2 < len(f.Forms)
		if !constant {
			if g, err = m.form(g, s); err != nil {
				return nil, err
			}
		}
		out = append(out, g)
	}
	return out, nil
}

func asThread(m *minifier, f Form, s scope) ([]Form, error) {
	from, err := m.form(f.Forms[1], s)
	if err != nil {
		return nil, err
	}
	name, inner, err := m.bind(f.Forms[2], s.copy())
	if err != nil {
		return nil, err
	}
	body, err := m.all(f.Forms[3:], inner)
	return append([]Form{from, name}, body...), err
}

// Where a thread puts what it hands on.
const (
	first = iota
	last
)

// hole stands where a thread puts what it hands on. It is no name.
var hole = Form{Text: "nil"}

// thread walks each form of a thread as what it stands for: with something in
// the place of what it is handed. step is 2 where a condition stands before each.
func thread(where, step int) func(m *minifier, f Form, s scope) ([]Form, error) {
	return func(m *minifier, f Form, s scope) (out []Form, err error) {
		for i, g := range f.Forms[1:] {
			handed := i > 0 && (i-1)%step == step-1 && g.Kind == List && len(g.Forms) > 0
			at := 1
			if where == last {
				at = len(g.Forms)
			}
			if handed {
				g.Forms = slices.Insert(slices.Clone(g.Forms), at, hole)
			}
			if g, err = m.form(g, s); err != nil {
				return nil, err
			}
			if handed {
				if where == last {
					at = len(g.Forms) - 1
				}
				g.Forms = slices.Delete(slices.Clone(g.Forms), at, at+1)
			}
			out = append(out, g)
		}
		return out, nil
	}
}
