package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/sente-lite/sente-lite/pipe"
	"github.com/sente-lite/sente-lite/pipe/pack"
)

// A keyPath leads to a value of the configuration: keywords, and indexes of
// vectors. It prints as EDN: [:auth :tokens 0 :uid].
type keyPath []any

func (p keyPath) String() string {
	var b strings.Builder
	b.WriteByte('[')
	for i, step := range p {
		if i > 0 {
			b.WriteByte(' ')
		}
		fmt.Fprint(&b, step)
	}
	return b.String() + "]"
}

// Then returns the path one step further.
func (p keyPath) then(step any) keyPath { return append(p[:len(p):len(p)], step) }

// A problem is one thing that is wrong with the configuration.
type problem struct {
	source string  // "sente-lite.edn:3:12", "SENTE_LITE_FLOW", "--set"
	path   keyPath // nil where the source is not even EDN
	msg    string  // what was found, what is allowed
}

func (p problem) String() string {
	if p.path == nil {
		return p.source + ": " + p.msg
	}
	return p.source + ": " + p.path.String() + ": " + p.msg
}

// A ConfigError is all that is wrong with the configuration. As text it has a
// line for each; Unwrap gives it as it is told on the wire. No value of a secret
// is in it.
type ConfigError struct {
	problems []problem
}

func (e *ConfigError) Error() string {
	lines := make([]string, len(e.problems))
	for i, p := range e.problems {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns a *pipe.Error, whose :data has the first path and, under
// :problems, them all.
func (e *ConfigError) Unwrap() error {
	return &pipe.Error{
		Category: pipe.Incorrect,
		Code:     "bad-config",
		Msg:      strings.ReplaceAll(e.Error(), "\n", "; "),
		Hint:     `"sente-lite config check FILE" tells what is wrong with a file`,
		Data:     "{:path " + e.problems[0].path.String() + " :problems " + e.list() + "}",
	}
}

// List returns the problems as an EDN vector.
func (e *ConfigError) list() string {
	b := []byte("[")
	for i, p := range e.problems {
		if i > 0 {
			b = append(b, ' ')
		}
		b = append(b, "{:path "+p.path.String()+" :source "...)
		b = pipe.AppendString(b, p.source)
		b = append(b, " :message "...)
		b = append(pipe.AppendString(b, p.msg), '}')
	}
	return string(append(b, ']'))
}

func frozenError(frozen []string) error {
	all := strings.Join(frozen, " ")
	return &pipe.Error{
		Category: pipe.Unsupported,
		Code:     "bad-config",
		Msg:      "cannot change while running: " + all + "; nothing was changed",
		Hint:     "leave them out, or restart with the new configuration",
		Data:     "{:path " + frozen[0] + " :paths [" + all + "]}",
	}
}

// Show prints a decoded value for an error, short, and without what stands
// under :token, :key or :env.
func show(v any) string {
	s := showAll(v, 0)
	if r := []rune(s); len(r) > 60 {
		s = string(r[:57]) + "…"
	}
	return s
}

// ShowAll is show without an end, in which collections are shown to a depth of 3
// beyond the one given.
func showAll(v any, depth int) string {
	if depth > 3 {
		return "…"
	}
	var parts []string
	switch v := v.(type) {
	case nil:
		return "nil"
	case string:
		return string(pipe.AppendString(nil, v))
	case float64:
		s := strconv.FormatFloat(v, 'g', -1, 64)
		if !strings.ContainsAny(s, ".e") {
			s += ".0"
		}
		return s
	case []any:
		for _, x := range v {
			parts = append(parts, showAll(x, depth+1))
		}
		return "[" + strings.Join(parts, " ") + "]"
	case map[any]bool:
		for x := range v {
			parts = append(parts, showAll(x, depth+1))
		}
		return "#{" + strings.Join(sorted(parts), " ") + "}"
	case map[any]any:
		for x, y := range v {
			value := showAll(y, depth+1)
			if secret(x) {
				value = secretIsSet
			}
			parts = append(parts, showAll(x, depth+1)+" "+value)
		}
		return "{" + strings.Join(sorted(parts), ", ") + "}"
	}
	return fmt.Sprint(v) // integers, booleans, keywords, symbols
}

// SecretIsSet stands for a secret: that there is one may be known.
const secretIsSet = "«set»"

// Secret reports whether what stands under a key is never shown. The environment
// that a program is given is where its secrets are.
func secret(key any) bool {
	return key == pack.Keyword("token") || key == pack.Keyword("csrf-token") || key == pack.Keyword("key") || key == pack.Keyword("env")
}
