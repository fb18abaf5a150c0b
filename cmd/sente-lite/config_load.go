package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/sente-lite/sente-lite/pipe"
	"github.com/sente-lite/sente-lite/pipe/pack"
)

// A Loader lays the layers of the configuration over each other: defaults, a
// file, the environment, flags, and the hello's :config. Maps merge, everything
// else replaces; nil takes the default back.
//
// It collects what is wrong with all of them, so that one run tells it all.
type Loader struct {
	environ func(string) (string, bool) // for :token-env and its like
	said    map[string]setting
	wrong   []problem
}

// A setting is the value of one key, as the last layer that has it says.
type setting struct {
	value any // checked
	raw   any // as it was said
	by    report
}

// NewLoader returns one with the defaults only. Lookup finds the variables that
// :token-env names.
func NewLoader(lookup func(string) (string, bool)) *Loader {
	return &Loader{environ: lookup, said: map[string]setting{}}
}

// File adds what a file says: one EDN map.
func (l *Loader) File(name string) {
	text, err := os.ReadFile(name)
	if err != nil {
		if e := (*os.PathError)(nil); errors.As(err, &e) {
			err = e.Err
		}
		l.wrong = append(l.wrong, problem{source: name, msg: fmt.Sprintf("the configuration cannot be read: %v", err)})
		return
	}
	l.text(name, text, true)
}

// Merge lays one more EDN map over the configuration, whose source is named in
// errors. If anything is wrong with it the loader stays as it was.
func (l *Loader) Merge(source string, edn []byte) (*Config, error) {
	next := l.clone()
	next.text(source, edn, true)
	cfg, err := next.Config()
	if err != nil {
		return nil, err
	}
	*l = *next
	return cfg, nil
}

func (l *Loader) text(source string, text []byte, lines bool) {
	r := l.report(source)
	v, err := pack.DecodeEDN(text)
	if err != nil {
		var e *pipe.SyntaxError
		if errors.As(err, &e) {
			source = fmt.Sprintf("%s:%d:%d", source, e.Line, e.Column)
			err = errors.New(syntaxMessage(text, e))
		}
		l.wrong = append(l.wrong, problem{source: source, msg: err.Error()})
		return
	}
	if lines {
		r.text = text
	}
	l.section(r, keyPath{}, v)
}

// SyntaxMessage leaves the text out where it may be a secret's.
func syntaxMessage(text []byte, e *pipe.SyntaxError) string {
	before := text[:min(e.Offset, len(text))]
	before = before[max(0, len(before)-200):]
	for _, name := range []string{":token", "csrf", ":encryption", ":key ", ":env"} {
		if !strings.Contains(string(before), name) {
			continue
		}
		return "not EDN, behind a key for a secret; expected a string in double quotes"
	}
	return e.Msg
}

func (l *Loader) report(source string) *report { return &report{source: source, to: &l.wrong} }

// Section takes the map of a section apart, the whole configuration at first.
func (l *Loader) section(r *report, at keyPath, v any) {
	if v == nil {
		return
	}
	m, ok := v.(map[any]any)
	if !ok {
		what := "a map, like {:listen [\"http://127.0.0.1:8090\"]}"
		if len(at) > 0 {
			what = "a map"
		}
		r.add(at, "found %s; allowed: %s", whatIs(v), what)
		return
	}
	for _, name := range sortedKeys(m) {
		step, isKeyword := name.(pack.Keyword)
		if !isKeyword {
			r.unknown(at, name)
			continue
		}
		l.put(r, at.then(step), m[name])
	}
}

// Put takes the value of a key or section.
func (l *Loader) put(r *report, at keyPath, v any) {
	name := slashed(at)
	for _, k := range keys() {
		switch {
		case k.name == name && v == nil:
			delete(l.said, name)
			return
		case k.name == name:
			checked, ok := k.is.check(r, at, v)
			if k, merges := k.is.(merged); ok && merges {
				v = merge(l.said[name].raw, v)
				checked, ok = k.check(r, at, v)
			}
			if ok {
				l.said[name] = setting{checked, v, *r}
			}
			return
		case strings.HasPrefix(k.name, name+"/"):
			l.section(r, at, v)
			return
		}
	}
	r.unknown(at[:len(at)-1], at[len(at)-1])
}

// Config builds the configuration from what was said. The error, a
// *ConfigError, has all that is wrong with any layer.
func (l *Loader) Config() (*Config, error) {
	cfg := &Config{settings: map[string]any{}}
	for _, k := range keys() {
		if s, ok := l.said[k.name]; ok {
			cfg.settings[k.name] = s.value
			if k.set != nil {
				k.set(cfg, s.value)
			}
		} else if v, ok := l.preset(k.name); ok {
			k.set(cfg, v)
		} else if k.set != nil && k.def != "" {
			k.setDefault(cfg)
		}
	}
	_, cfg.Named = l.said["name"]
	_, cfg.StaticGiven = l.said["static"]
	wrong := append(l.wrong[:len(l.wrong):len(l.wrong)], l.together(cfg)...)
	if len(wrong) > 0 {
		return nil, &ConfigError{wrong}
	}
	return cfg, nil
}

// SetDefault fills in the table's default, which a test has checked.
func (k key) setDefault(cfg *Config) {
	v, err := k.decodeDefault()
	if err != nil {
		panic("default of " + k.name + ": " + err.Error())
	}
	var wrong []problem
	checked, ok := k.is.check(&report{to: &wrong}, k.path(), v)
	if !ok {
		panic("default of " + k.name + ": " + wrong[0].String())
	}
	k.set(cfg, checked)
}

// decodeDefault reads a default. Most are whole numbers, and all of them are
// read at every start: those do not go through the EDN library.
func (k key) decodeDefault() (any, error) {
	if n, err := strconv.ParseInt(k.def, 10, 64); err == nil {
		return n, nil
	}
	return pack.DecodeEDN([]byte(k.def))
}
