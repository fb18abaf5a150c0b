package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sente-lite/sente-lite/pipe"
	"github.com/sente-lite/sente-lite/pipe/pack"
)

// A merged kind has maps as values, which are merged with those of the layers
// before, entry by entry; nil takes an entry out.
type merged interface {
	kind
	merges()
}

type (
	fullKind  struct{} // what happens to events that find a queue full
	lanesKind struct{}
)

func (fullKind) merges()  {}
func (lanesKind) merges() {}

// merge lays a map over another. What is no map replaces.
func merge(under, over any) any {
	above, isMap := over.(map[any]any)
	if !isMap {
		return over
	}
	all := map[any]any{}
	if below, isMap := under.(map[any]any); isMap {
		maps.Copy(all, below)
	}
	for name, v := range above {
		if all[name] = v; v == nil {
			delete(all, name)
		}
	}
	return all
}

var (
	fullPolicies = oneOf{"notify", "drop-oldest", "drop-newest", "coalesce", "block", "queue", "disconnect"}
	recvPolicies = oneOf{"notify", "persist", "drop"}
)

func (fullKind) allowed() string {
	return fullPolicies.allowed() + ", or a map by event, like {:default :notify, :chat/* :drop-oldest}"
}

func (k fullKind) check(r *report, at keyPath, v any) (any, bool) {
	m, isMap := v.(map[any]any)
	if !isMap {
		if _, isKeyword := v.(pack.Keyword); !isKeyword {
			return nil, r.wrong(at, v, k.allowed())
		}
		policy, ok := fullPolicy(r, at, v)
		if policy == pipe.FullNotify {
			return []pipe.FullRule(nil), ok // it is what happens without rules
		}
		return []pipe.FullRule{{Event: "*", Policy: policy}}, ok
	}
	ok := true
	var rules []pipe.FullRule
	for _, name := range sortedKeys(m) {
		at := at.then(name)
		pattern, isPattern := eventPattern(name)
		switch {
		case name == pack.Keyword("default"):
			pattern = "*"
		case !isPattern || pattern == "*":
			ok = r.add(at, "found the event %s; allowed: :default, an event's name :chat/msg or all of a namespace :chat/*", show(name))
			continue
		}
		if m[name] == nil {
			continue // it takes a layer's below
		}
		policy, known := fullPolicy(r, at, m[name])
		if slices.ContainsFunc(rules, func(rule pipe.FullRule) bool { return rule.Event == pattern }) {
			known = r.add(at, "found the event %s twice, as a keyword and as a string; allowed: once", show(name))
		}
		ok = ok && known
		rules = append(rules, pipe.FullRule{Event: pattern, Policy: policy})
	}
	slices.SortFunc(rules, func(a, b pipe.FullRule) int { return closer(a.Event, b.Event) })
	return rules, ok
}

// closer orders patterns: an exact name stands before a pattern, and of patterns
// the longer one, which says more.
func closer(a, b string) int {
	starred := func(s string) int { return min(1, strings.Count(s, "*")) }
	return cmp.Or(starred(a)-starred(b), len(b)-len(a), cmp.Compare(a, b))
}

// What is called otherwise on the other side of a link, or by other libraries.
var fullMeant = map[pack.Keyword]string{"drop": "drop-newest", "persist": "queue", "reject": "notify", "spill": "queue"}

func fullPolicy(r *report, at keyPath, v any) (pipe.FullPolicy, bool) {
	word, _ := v.(pack.Keyword)
	if meant := fullMeant[word]; meant != "" {
		return "", r.add(at, "found %s; did you mean :%s? allowed: %s", show(v), meant, fullPolicies.allowed())
	}
	name, ok := fullPolicies.check(r, at, v)
	if !ok {
		return "", false
	}
	return pipe.FullPolicy(name.(string)), true
}

// eventPattern returns the pattern that a keyword or string is, without a colon.
func eventPattern(v any) (string, bool) {
	name, isText := v.(string)
	if word, isKeyword := v.(pack.Keyword); isKeyword {
		name, isText = string(word), true
	}
	name = strings.TrimPrefix(name, ":")
	return name, isText && isEventPattern(name)
}

func (lanesKind) allowed() string {
	return fmt.Sprintf("a map of at most %d lanes, like {:bulk #{:blob/*}}", pipe.MaxLanes)
}

func (k lanesKind) check(r *report, at keyPath, v any) (any, bool) {
	m, ok := v.(map[any]any)
	if !ok {
		return nil, r.wrong(at, v, k.allowed())
	}
	var lanes []pipe.Lane
	for _, name := range sortedKeys(m) {
		word, isKeyword := name.(pack.Keyword)
		at := at.then(name)
		if !isKeyword || strings.Contains(string(word), "/") || len(word) > 64 {
			ok = r.add(at, "found the lane %s; allowed: a keyword of up to 64 letters without a namespace, like :bulk", show(name))
			continue
		}
		if m[name] == nil {
			continue
		}
		events, isList := members(m[name])
		if !isList || len(events) == 0 {
			ok = r.wrong(at, m[name], "a set of events, like #{:blob/*}")
			continue
		}
		lane := pipe.Lane{Name: string(word)}
		for _, e := range events {
			pattern, isPattern := eventPattern(e)
			if !isPattern || pattern == "*" {
				ok = r.wrong(at, e, "an event's name :chat/msg or all of a namespace :chat/*")
				continue
			}
			for _, other := range lanes {
				if i := slices.IndexFunc(other.Events, func(p string) bool { return meet(p, pattern) }); i >= 0 {
					ok = r.add(at, "the lane %s has :%s, and :%s has :%s; allowed: each event in one lane", word, pattern, other.Name, other.Events[i])
				}
			}
			lane.Events = append(lane.Events, pattern)
		}
		slices.Sort(lane.Events)
		lanes = append(lanes, lane)
	}
	if len(lanes) > pipe.MaxLanes {
		ok = r.add(at, "found %d lanes; allowed: at most %d, beside the one of all other events", len(lanes), pipe.MaxLanes)
	}
	return lanes, ok
}

// meet reports whether there is a name that both patterns match.
func meet(p, q string) bool {
	// last[j] tells it of what is left of p and q[j:].
	last := make([]bool, len(q)+1)
	for i := len(p); i >= 0; i-- {
		row := make([]bool, len(q)+1)
		for j := len(q); j >= 0; j-- {
			switch {
			case i == len(p) && j == len(q):
				row[j] = true
			case i < len(p) && p[i] == '*':
				row[j] = last[j] || j < len(q) && row[j+1]
			case j < len(q) && q[j] == '*':
				row[j] = row[j+1] || i < len(p) && last[j]
			case i < len(p) && j < len(q) && p[i] == q[j]:
				row[j] = last[j+1]
			}
		}
		last = row
	}
	return last[0]
}

// profiles are the presets of :flow. What is said of a key of its own wins over
// them, in whatever layer.
var profiles = map[string]map[string]int64{
	// Each event leaves at once and alone, as if there were no queue.
	"immediate": {"flow/event-buffer-ms": 0, "flow/event-buffer-size": 1},
	// The defaults.
	"balanced": {"flow/event-buffer-ms": 25, "flow/event-buffer-size": 100},
	// Much of it matters more than when: larger bundles, and queues for a burst.
	"bulk": {
		"flow/event-buffer-ms": 50, "flow/event-buffer-size": 1000, "flow/max-frame-size": 256 << 10,
		"flow/max-buffer-size": 10_000, "flow/max-buffer-bytes": 64 << 20,
		"flow/max-recv-queue-size": 50_000,
	},
}

// preset returns what the profile, if one was chosen, has for a key.
func (l *Loader) preset(name string) (int64, bool) {
	profile, _ := l.said["flow/profile"].value.(string)
	v, ok := profiles[profile][name]
	return v, ok
}
