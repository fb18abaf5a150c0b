package main

import (
	"slices"
	"strings"

	"github.com/sente-lite/sente-lite/bridge/child"
	"github.com/sente-lite/sente-lite/pipe"
	"github.com/sente-lite/sente-lite/pipe/pack"
)

// Relay rules: [{:event :chat/* :to T}], T as in :sente-lite/send (contract
// section 4).
type relayKind struct{}

const allowedTarget = `a uid, a set of uids, :all, {:channel "c"}, {:client-id "c"} or {:role :client}`

func (relayKind) allowed() string { return "a vector of rules, like [{:event :chat/* :to :all}]" }

func (k relayKind) check(r *report, at keyPath, v any) (any, bool) {
	all, ok := v.([]any)
	if !ok {
		return nil, r.wrong(at, v, k.allowed())
	}
	rules := []pipe.RelayRule{}
	for i, m := range all {
		at := at.then(i)
		rule, isMap := m.(map[any]any)
		if !isMap {
			ok = r.wrong(at, m, "a rule, like {:event :chat/* :to :all}")
			continue
		}
		fine := r.known(at, rule, "event", "to")
		event, _ := rule[pack.Keyword("event")].(pack.Keyword)
		if !isEventPattern(string(event)) {
			fine = r.wrong(at.then(pack.Keyword("event")), rule[pack.Keyword("event")], "an event's name :chat/msg, all of a namespace :chat/* or all :*")
		}
		to, isTarget := target(rule[pack.Keyword("to")])
		if !isTarget {
			fine = r.wrong(at.then(pack.Keyword("to")), rule[pack.Keyword("to")], allowedTarget)
		}
		ok = ok && fine
		rules = append(rules, pipe.RelayRule{Event: string(event), To: to})
	}
	return rules, ok
}

func isEventPattern(name string) bool {
	if name == "*" {
		return true
	}
	ns, rest, ok := strings.Cut(name, "/")
	return ok && ns != "" && rest != "" && ns != "chsk" && ns != "sente-lite" && !strings.Contains(ns, "*")
}

// Target returns the text of a target.
func target(v any) ([]byte, bool) {
	switch v := v.(type) {
	case string:
		return pipe.AppendString(nil, v), v != ""
	case pack.Keyword:
		return []byte(":all"), v == "all"
	case map[any]bool:
		uids := []string{}
		for m := range v {
			s, ok := m.(string)
			if !ok || s == "" {
				return nil, false
			}
			uids = append(uids, string(pipe.AppendString(nil, s)))
		}
		return []byte("#{" + strings.Join(sorted(uids), " ") + "}"), len(uids) > 0
	case map[any]any:
		if len(v) != 1 {
			return nil, false
		}
		for name, value := range v {
			s, isText := value.(string)
			switch role, _ := value.(pack.Keyword); {
			case (name == pack.Keyword("channel") || name == pack.Keyword("client-id")) && isText && s != "":
				dst := append([]byte("{:"), name.(pack.Keyword)...)
				return append(pipe.AppendString(append(dst, ' '), s), '}'), true
			case name == pack.Keyword("role") && (role == "client" || role == "owner"):
				return []byte("{:role :" + string(role) + "}"), true
			}
		}
	}
	return nil, false
}

// A token as it is written.
type tokenSpec struct {
	secretSource
	Claim pipe.Claim

	at keyPath
}

type tokensKind struct{}

func (tokensKind) allowed() string {
	return `a vector of tokens, like [{:token-env "CHAT_TOKEN" :uid "bob"}]`
}

func (k tokensKind) check(r *report, at keyPath, v any) (any, bool) {
	all, ok := v.([]any)
	if !ok {
		return nil, r.add(at, "found %s; allowed: %s", whatIs(v), k.allowed())
	}
	specs := []tokenSpec{}
	for i, m := range all {
		at := at.then(i)
		fields, isMap := m.(map[any]any)
		if !isMap {
			ok = r.add(at, "found %s; allowed: a map, like {:token-env \"CHAT_TOKEN\"}", whatIs(m))
			continue
		}
		known := r.known(at, fields, append(secretFields("token"), "uid", "role")...)
		source, fine := r.secretSource(at, fields, "token")
		fine = fine && known
		spec := tokenSpec{secretSource: source, Claim: pipe.Claim{Role: pipe.RoleClient}, at: at}
		if uid, said := fields[pack.Keyword("uid")]; said {
			s, isText := uid.(string)
			if !isText || s == "" || len(s) > 256 || child.Reserved(s) {
				fine = r.wrong(at.then(pack.Keyword("uid")), uid, `a string of up to 256 bytes, but not "owner", "conn-…" or "unix:…", which the sidecar gives itself`)
			}
			spec.Claim.UID = s
		}
		if role, said := fields[pack.Keyword("role")]; said {
			name, isRole := (oneOf{"client", "owner"}).check(r, at.then(pack.Keyword("role")), role)
			if fine = fine && isRole; isRole {
				spec.Claim.Role = pipe.Role(name.(string))
			}
		}
		ok = ok && fine
		specs = append(specs, spec)
	}
	return specs, ok
}

// WhatIs names what a value is, for errors that must not show it.
func whatIs(v any) string {
	switch v := v.(type) {
	case nil:
		return "nil"
	case string:
		if v == "" {
			return "an empty string"
		}
		return "a string"
	case int64, float64:
		return "a number"
	case bool:
		return "a boolean"
	case pack.Keyword:
		return "a keyword"
	case pack.Symbol:
		return "a symbol"
	case []any:
		return "a vector"
	case map[any]bool:
		return "a set"
	}
	return "a map"
}

func sorted(s []string) []string {
	slices.Sort(s)
	return s
}
