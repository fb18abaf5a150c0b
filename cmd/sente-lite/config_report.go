package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/sente-lite/sente-lite/pipe/pack"

	"github.com/sente-lite/sente-lite/pipe"
)

// A report collects what is wrong with one layer of the configuration.
type report struct {
	source string     // of the layer
	text   []byte     // to find lines in; nil where there are none
	flag   bool       // others can read it: no secrets
	to     *[]problem // of the loader
}

// Add returns false, for those who return what they have found.
func (r *report) add(at keyPath, format string, args ...any) bool {
	*r.to = append(*r.to, problem{r.where(at), at, fmt.Sprintf(format, args...)})
	return false
}

// Where names the layer, with line and column where it has those.
func (r *report) where(at keyPath) string {
	if r.text == nil {
		return r.source
	}
	line, column := pack.Locate(r.text, at...)
	return fmt.Sprintf("%s:%d:%d", r.source, line, column)
}

func (r *report) wrong(at keyPath, v any, allowed string) bool {
	if unit := unitOf(at); unit != "" {
		allowed += " (" + unit + ")"
	}
	return r.add(at, "found %s; allowed: %s", show(v), allowed)
}

// WrongName is for one of some keywords: it tells the nearest.
func (r *report) wrongName(at keyPath, v any, allowed string, names []string) bool {
	name := strings.TrimPrefix(fmt.Sprint(v), ":")
	if near := pipe.Nearest(name, names); near != "" {
		return r.add(at, "found %s; did you mean :%s? allowed: %s", show(v), near, allowed)
	}
	return r.wrong(at, v, allowed)
}

// Unknown reports a key that nobody knows, with the one that was meant.
func (r *report) unknown(in keyPath, name any) {
	at := in.then(name)
	word, isKeyword := name.(pack.Keyword)
	if !isKeyword {
		at = in.then(pack.Symbol(show(name)))
		if s, isText := name.(string); isText {
			word = pack.Keyword(strings.TrimPrefix(s, ":"))
		}
	}
	siblings := children(in)
	meant := ""
	if len(in) == 0 { // what others call it
		meant = map[string]string{"port": "listen", "host": "listen", "address": "listen", "public": "static"}[string(word)]
	}
	switch {
	case !isKeyword && slices.Contains(siblings, string(word)):
		r.add(at, "keys are keywords; did you mean %s?", word)
		return
	case meant == "" && pipe.Nearest(string(word), siblings) != "":
		r.add(at, "unknown key; did you mean :%s?", pipe.Nearest(string(word), siblings))
		return
	}
	for _, k := range keys() {
		if k.name == meant || strings.HasSuffix(k.name, "/"+string(word)) {
			r.add(at, "unknown key; did you mean %s?", k.path())
			return
		}
	}
	r.add(at, "unknown key; allowed: :%s", strings.Join(siblings, " :"))
}

// Known reports the keys of a map that are none of these.
func (r *report) known(at keyPath, m map[any]any, names ...string) bool {
	ok := true
	for _, name := range sortedKeys(m) {
		word, _ := name.(pack.Keyword)
		if slices.Contains(names, string(word)) {
			continue
		}
		if _, isKeyword := name.(pack.Keyword); !isKeyword {
			name = pack.Symbol(show(name))
		}
		if near := pipe.Nearest(string(word), names); near != "" {
			ok = r.add(at.then(name), "unknown key; did you mean :%s?", near)
		} else {
			ok = r.add(at.then(name), "unknown key; allowed: :%s", strings.Join(names, " :"))
		}
	}
	return ok
}

// Children names the keys and sections in a section, in the table's order.
func children(in keyPath) []string {
	prefix := ""
	if len(in) > 0 {
		prefix = slashed(in) + "/"
	}
	var names []string
	for _, k := range keys() {
		if rest, ok := strings.CutPrefix(k.name, prefix); ok {
			name, _, _ := strings.Cut(rest, "/")
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

func unitOf(at keyPath) string {
	for _, k := range keys() {
		if k.name == slashed(at) {
			return k.unit
		}
	}
	return ""
}

// Slashed returns the name that a path has in the table.
func slashed(at keyPath) string {
	names := make([]string, len(at))
	for i, step := range at {
		names[i] = strings.TrimPrefix(fmt.Sprint(step), ":")
	}
	return strings.Join(names, "/")
}

func sortedKeys(m map[any]any) []any {
	all := make([]any, 0, len(m))
	for k := range m {
		all = append(all, k)
	}
	slices.SortFunc(all, func(a, b any) int { return cmp.Compare(show(a), show(b)) })
	return all
}
