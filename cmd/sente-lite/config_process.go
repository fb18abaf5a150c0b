package main

import (
	"slices"
	"strings"
	"time"

	"github.com/sente-lite/sente-lite/bridge/child"
	"github.com/sente-lite/sente-lite/pipe"
	"github.com/sente-lite/sente-lite/pipe/pack"
)

// Programs that are peers: {"worker" {:command ["bb" "worker.clj"]}}. The map under
// a uid is the data of a :sente-lite/spawn.
type processesKind struct{}

func (processesKind) allowed() string {
	return `a map of programs by uid, like {"worker" {:command ["bb" "worker.clj"]}}`
}

const allowedProgramUID = `a uid of up to 256 bytes, a string or keyword, but not "owner", "conn-…" or "unix:…", which the sidecar gives itself`

func (k processesKind) check(r *report, at keyPath, v any) (any, bool) {
	m, ok := v.(map[any]any)
	if !ok {
		return nil, r.wrong(at, v, k.allowed())
	}
	var specs []child.Spec
	seen := map[string]bool{}
	for _, name := range sortedKeys(m) {
		uid, isText := name.(string)
		step := any(name)
		if word, isKeyword := name.(pack.Keyword); isKeyword {
			uid, isText = string(word), true
		} else {
			step = pack.Symbol(show(name)) // as it is written
		}
		at := at.then(step)
		switch {
		case !isText || !programUID(uid):
			ok = r.wrong(at, name, allowedProgramUID)
			continue
		case seen[uid]:
			ok = r.add(at, "the uid %s stands there twice; allowed: each once", show(uid))
			continue
		}
		seen[uid] = true
		spec, fine := checkProcess(r, at, m[name], "")
		spec.UID = uid
		ok = ok && fine
		specs = append(specs, spec)
	}
	for _, group := range specs {
		for _, spec := range specs {
			if usersOwn(group, spec.UID) {
				ok = r.add(at, "the uid %s is one for a user of the program %s; allowed: another", show(spec.UID), show(group.UID))
			}
		}
	}
	return specs, ok
}

func programUID(uid string) bool {
	return uid != "" && len(uid) <= 256 && !strings.ContainsRune(uid, 0) && !child.Reserved(uid)
}

// checkProcess checks one program. more names a key that is allowed beside those
// of the configuration.
func checkProcess(r *report, at keyPath, v any, more string) (spec child.Spec, ok bool) {
	m, isMap := v.(map[any]any)
	if !isMap {
		return spec, r.add(at, "found %s; allowed: a map, like {:command [\"bb\" \"worker.clj\"]}", whatIs(v))
	}
	names := []string{"command", "dir", "env", "dialect", "mode", "max-processes", "restart", "grace-ms", "role"}
	if more != "" {
		names = append(names, more)
	}
	ok = r.known(at, m, names...)
	f := fields{r: r, at: at, m: m, ok: &ok}
	spec.Command = f.command()
	if v, step, said := f.get("uid"); said && more == "uid" {
		uid, isText := v.(string)
		if !isText || !programUID(uid) {
			ok = r.wrong(step, v, `a string of 1 to 256 bytes, but not "owner", "conn-…" or "unix:…", which the sidecar gives itself`)
		}
		spec.UID = uid
	}
	if v, step, said := f.get("dir"); said {
		dir, isText := v.(string)
		if !isText || dir == "" || strings.ContainsRune(dir, 0) {
			ok = r.wrong(step, v, "a folder, a string")
		}
		spec.Dir = dir
	}
	spec.Env = f.env()
	spec.Dialect = f.word("dialect", "auto", "text", "frames", "lines")
	spec.PerUser = f.word("mode", "shared", "per-user") == "per-user"
	spec.Role = pipe.Role(f.word("role", "client", "owner"))
	if ms, said := f.number("grace-ms", 0, 600_000); said {
		spec.Grace = time.Duration(ms) * time.Millisecond
		if ms == 0 {
			spec.Grace = -1
		}
	}
	if most, said := f.number("max-processes", 1, 10_000); said {
		if spec.Max = int(most); !spec.PerUser {
			ok = r.add(at.then(pack.Keyword("max-processes")), "counts for :mode :per-user only; leave it out, or say that mode")
		}
	}
	if v, step, said := f.get("restart"); said {
		policy, isMap := v.(map[any]any)
		if !isMap {
			ok = r.wrong(step, v, "a map, like {:policy :on-failure}")
		} else {
			fine := r.known(step, policy, "policy")
			in := fields{r: r, at: step, m: policy, ok: &fine}
			spec.Restart = in.word("policy", child.Never, child.OnFailure, child.Always)
			ok = ok && fine
		}
	}
	return spec, ok
}

// fields reads the keys of a map, and notes where one is wrong.
type fields struct {
	r  *report
	at keyPath
	m  map[any]any
	ok *bool
}

// get returns a key's value, unless it is not there or nil.
func (f *fields) get(name string) (v any, at keyPath, said bool) {
	v = f.m[pack.Keyword(name)]
	return v, f.at.then(pack.Keyword(name)), v != nil
}

func (f *fields) command() []string {
	const allowed = `a program and its arguments, a vector of strings like ["bb" "worker.clj"]`
	v, at, said := f.get("command")
	if !said {
		*f.ok = f.r.add(at, "is missing; allowed: %s", allowed)
		return nil
	}
	all, isVector := v.([]any)
	if !isVector || len(all) == 0 {
		*f.ok = f.r.wrong(at, v, allowed)
		return nil
	}
	words := make([]string, len(all))
	for i, w := range all {
		s, isText := w.(string)
		if !isText || i == 0 && s == "" || strings.ContainsRune(s, 0) {
			*f.ok = f.r.wrong(at.then(i), w, "a string")
		}
		words[i] = s
	}
	return words
}

// env reads variables. No value of one is ever shown.
func (f *fields) env() map[string]string {
	v, at, said := f.get("env")
	if !said {
		return nil
	}
	const allowed = `a map of strings, like {"LANG" "C"}`
	m, isMap := v.(map[any]any)
	if !isMap {
		*f.ok = f.r.add(at, "found %s; allowed: %s", whatIs(v), allowed)
		return nil
	}
	env := map[string]string{}
	for _, name := range sortedKeys(m) {
		key, isText := name.(string)
		if word, isKeyword := name.(pack.Keyword); isKeyword { // of JSON
			key, isText = string(word), true
		}
		value, isValue := m[name].(string)
		_, twice := env[key]
		switch {
		case twice:
			*f.ok = f.r.add(at, "found the name %s twice; allowed: each once", show(key))
		case !isText || key == "" || strings.ContainsAny(key, "=\x00"):
			*f.ok = f.r.add(at, "found the name %s; allowed: %s", show(name), allowed)
		case !isValue || strings.ContainsRune(value, 0):
			*f.ok = f.r.add(at.then(pack.Symbol(show(name))), "found %s; allowed: a string", whatIs(m[name]))
		}
		env[key] = value
	}
	return env
}

// word reads a keyword, or a string that names one: JSON has no other.
func (f *fields) word(name string, allowed ...string) string {
	v, at, said := f.get(name)
	if !said {
		return ""
	}
	if text, isText := v.(string); isText && slices.Contains(allowed, text) {
		return text
	}
	word, ok := oneOf(allowed).check(f.r, at, v)
	if !ok {
		*f.ok = false
		return ""
	}
	return word.(string)
}

func (f *fields) number(name string, least, most int64) (int64, bool) {
	v, at, said := f.get(name)
	if !said {
		return 0, false
	}
	n, ok := intKind{least, most}.check(f.r, at, v)
	if !ok {
		*f.ok = false
		return 0, false
	}
	return n.(int64), true
}
