package main

import (
	"slices"
	"strings"

	"github.com/sente-lite/sente-lite/pipe"
	"github.com/sente-lite/sente-lite/pipe/pack"
)

const envPrefix = "SENTE_LITE_"

// These are read by others: clients of a running sidecar, and our own library
// when it looks for the program.
var notConfiguration = []string{"SENTE_LITE_URL", "SENTE_LITE_TOKEN", "SENTE_LITE_BIN"}

// Environ adds what variables say: SENTE_LITE_FLOW__MAX_DEPTH=10 is {:flow
// {:max-depth 10}}. One that names no key is an error.
func (l *Loader) Environ(environ []string) {
	var said []string
	for _, pair := range environ {
		name, _, _ := strings.Cut(pair, "=")
		if strings.HasPrefix(name, envPrefix) && !slices.Contains(notConfiguration, name) {
			said = append(said, pair)
		}
	}
	if said == nil {
		return // as at almost every start, which a script waits for
	}
	slices.Sort(said)
	names := map[string]string{}
	for _, k := range keys() {
		at := ""
		for _, step := range strings.Split(k.name, "/") {
			at = strings.TrimPrefix(at+"/"+step, "/")
			names[variable(at)] = at
		}
	}
	for _, pair := range said {
		name, value, _ := strings.Cut(pair, "=")
		r := l.report(name)
		at, ok := names[name]
		if !ok {
			l.unknownVariable(name, names)
			continue
		}
		l.raw(r, pathOf(at), value)
	}
}

func (l *Loader) unknownVariable(name string, names map[string]string) {
	var all []string // without what they have in common, which makes them all alike
	for _, known := range notConfiguration {
		all = append(all, strings.TrimPrefix(known, envPrefix))
	}
	for known := range names {
		all = append(all, strings.TrimPrefix(known, envPrefix))
	}
	msg := "unknown variable; a key :a :b-c of the configuration is " + envPrefix + "A__B_C"
	if near := pipe.Nearest(strings.TrimPrefix(name, envPrefix), sorted(all)); near != "" {
		msg = "unknown variable; did you mean " + envPrefix + near + "?"
	}
	l.wrong = append(l.wrong, problem{source: name, msg: msg})
}

func variable(name string) string {
	return envPrefix + strings.NewReplacer("/", "__", "-", "_").Replace(strings.ToUpper(name))
}

func pathOf(name string) keyPath { return key{name: name}.path() }

// Set adds what --set says: :path/to/key=EDN.
func (l *Loader) Set(arg string) {
	r := l.report("--set")
	r.flag = true
	name, value, ok := strings.Cut(arg, "=")
	name, colon := strings.CutPrefix(name, ":")
	if !ok || !colon || name == "" || slices.Contains(strings.Split(name, "/"), "") || !pack.IsKeyword([]byte(strings.ReplaceAll(name, "/", "-"))) {
		l.wrong = append(l.wrong, problem{source: "--set", msg: "expected :path/to/key=EDN, like --set :flow/max-depth=100"})
		return
	}
	l.raw(r, pathOf(name), value)
}

// Flag adds what a flag of its own says about a key.
func (l *Loader) Flag(flag, name string, value any) {
	r := l.report(flag)
	r.flag = true
	l.put(r, pathOf(name), value)
}

// Level is --log-level, which takes the level with or without its colon.
func (l *Loader) Level(name string) {
	l.Flag("--log-level", "log-level", pack.Keyword(strings.TrimPrefix(name, ":")))
}

// Raw takes a value that stands alone, as EDN. Where a string is expected, text
// that is no EDN, or a symbol, stands for itself: no shell user wants to write
// '"public"'. So does one address where a vector of them is expected.
func (l *Loader) raw(r *report, at keyPath, text string) {
	v, err := pack.DecodeEDN([]byte(text))
	name := slashed(at)
	i := slices.IndexFunc(keys(), func(k key) bool { return k.name == name })
	if _, symbol := v.(pack.Symbol); i >= 0 && (err != nil || symbol) {
		switch keys()[i].is.(type) {
		case textKind, nameKind, basePathKind:
			v, err = text, nil
		case listenKind:
			if !strings.ContainsAny(text, "[]\"") {
				v, err = []any{text}, nil
			}
		}
	}
	if err != nil {
		if strings.HasPrefix(name, "auth") || strings.HasPrefix(name, "csrf") || strings.HasPrefix(name, "encryption") {
			r.add(at, "the value is not EDN") // and perhaps a secret
			return
		}
		r.add(at, "found %s, which is not EDN: %v", pipe.AppendString(nil, text), err)
		return
	}
	l.put(r, at, v)
}
