package main

import (
	"cmp"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/sente-lite/sente-lite/pipe"
	"github.com/sente-lite/sente-lite/pipe/pack"
)

// A kind is what a key's values are. Check returns what the key's set takes, or
// tells the report what is wrong and returns false.
type kind interface {
	allowed() string
	check(r *report, at keyPath, v any) (any, bool)
}

type (
	intKind   struct{ min, max int64 }
	textKind  struct{}
	boolKind  struct{}
	oneOf     []string // keywords
	laterKind struct{} // nothing but the empty value, in this version

	nameKind     struct{}
	basePathKind struct{}
	originsKind  struct{}
	hostsKind    struct{}
	listenKind   struct{}
	ruleKind     struct{}
)

func (k intKind) allowed() string { return fmt.Sprintf("an integer from %d to %d", k.min, k.max) }

func (k intKind) check(r *report, at keyPath, v any) (any, bool) {
	n, ok := v.(int64)
	if !ok || n < k.min || n > k.max {
		return nil, r.wrong(at, v, k.allowed())
	}
	return n, true
}

func (textKind) allowed() string { return "a string" }

func (k textKind) check(r *report, at keyPath, v any) (any, bool) {
	s, ok := v.(string)
	if !ok || strings.ContainsRune(s, 0) {
		return nil, r.wrong(at, v, k.allowed())
	}
	return s, true
}

func (boolKind) allowed() string { return "true or false" }

func (k boolKind) check(r *report, at keyPath, v any) (any, bool) {
	if b, ok := v.(bool); ok {
		return b, true
	}
	return nil, r.wrong(at, v, k.allowed())
}

func (k oneOf) allowed() string { return "one of :" + strings.Join(k, " :") }

func (k oneOf) check(r *report, at keyPath, v any) (any, bool) {
	name, ok := v.(pack.Keyword)
	if ok && slices.Contains(k, string(name)) {
		return string(name), true
	}
	return nil, r.wrongName(at, v, k.allowed(), k)
}

// What a laterKind accepts says nothing.
func (laterKind) allowed() string { return "nothing, in this version" }

func (laterKind) check(r *report, at keyPath, v any) (any, bool) {
	switch v := v.(type) {
	case nil:
		return nil, true
	case []any:
		if len(v) == 0 {
			return nil, true
		}
	case map[any]any:
		if len(v) == 0 {
			return nil, true
		}
	case map[any]bool:
		if len(v) == 0 {
			return nil, true
		}
	}
	return nil, r.add(at, "not supported by this version; leave the key out")
}

func (nameKind) allowed() string {
	return "1 to 64 letters, digits, - _ and . (not first)"
}

func (k nameKind) check(r *report, at keyPath, v any) (any, bool) {
	name, ok := v.(string)
	plain := true
	for _, c := range name {
		plain = plain && (c == '-' || c == '_' || c == '.' || '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z')
	}
	if !ok || name == "" || len(name) > 64 || name[0] == '.' || !plain {
		return nil, r.wrong(at, v, k.allowed())
	}
	return name, true
}

func (basePathKind) allowed() string {
	return `a path that begins with a slash, like "/app", without ? # % and ..`
}

func (k basePathKind) check(r *report, at keyPath, v any) (any, bool) {
	s, ok := v.(string)
	if !ok || !strings.HasPrefix(s, "/") || strings.ContainsAny(s, "?#%\\\" \t\r\n") || strings.Contains(s+"/", "/../") {
		return nil, r.wrong(at, v, k.allowed())
	}
	return path.Clean(s), true
}

// Members returns those of a set or vector.
func members(v any) ([]any, bool) {
	switch v := v.(type) {
	case []any:
		return v, true
	case map[any]bool:
		all := make([]any, 0, len(v))
		for m := range v {
			all = append(all, m)
		}
		slices.SortFunc(all, func(a, b any) int { return cmp.Compare(show(a), show(b)) })
		return all, true
	}
	return nil, false
}

func (originsKind) allowed() string { return `a set of origins, like "https://example.com"` }

func (k originsKind) check(r *report, at keyPath, v any) (any, bool) {
	all, ok := members(v)
	if !ok {
		return nil, r.wrong(at, v, k.allowed())
	}
	origins := []string{}
	for _, m := range all {
		s, _ := m.(string)
		u, err := url.Parse(s)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || s == "" ||
			u.Path != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil || strings.Contains(s, "*") {
			ok = r.wrong(at, m, "scheme://host or scheme://host:port, with http or https and nothing behind")
			continue
		}
		host := strings.ToLower(u.Host)
		// Browsers leave the default port out.
		if u.Scheme == "http" {
			host = strings.TrimSuffix(host, ":80")
		} else {
			host = strings.TrimSuffix(host, ":443")
		}
		origins = append(origins, u.Scheme+"://"+host)
	}
	return origins, ok
}

func (hostsKind) allowed() string { return `a set of host names, like "example.com"` }

func (k hostsKind) check(r *report, at keyPath, v any) (any, bool) {
	all, ok := members(v)
	if !ok {
		return nil, r.wrong(at, v, k.allowed())
	}
	hosts := []string{}
	for _, m := range all {
		s, _ := m.(string)
		u, err := url.Parse("http://" + s)
		if s == "" || err != nil || u.Host != s || u.Hostname() == "" || strings.Contains(s, "*") {
			ok = r.wrong(at, m, `a host name, like "example.com" or "example.com:8080"`)
			continue
		}
		hosts = append(hosts, strings.ToLower(s))
	}
	return hosts, ok
}

func (listenKind) allowed() string {
	return `a vector of addresses, like ["http://127.0.0.1:8090" "unix:/run/x.sock"]`
}

func (k listenKind) check(r *report, at keyPath, v any) (any, bool) {
	all, ok := v.([]any)
	if !ok {
		return nil, r.wrong(at, v, k.allowed())
	}
	listen := []Address{}
	for i, m := range all {
		s, isText := m.(string)
		if !isText {
			ok = r.wrong(at.then(i), m, "an address, like \"http://127.0.0.1:8090\"")
			continue
		}
		a, err := ParseAddress(s)
		if err != nil {
			ok = r.add(at.then(i), "found %s: %v", show(s), err)
			continue
		}
		if slices.Contains(listen, a) && !strings.HasSuffix(a.Host, ":0") {
			ok = r.add(at.then(i), "found %s twice; allowed: each address once", show(s))
			continue
		}
		listen = append(listen, a)
	}
	return listen, ok
}

func (ruleKind) allowed() string {
	return `true, false or a vector of patterns, like ["room-*"]`
}

func (k ruleKind) check(r *report, at keyPath, v any) (any, bool) {
	if b, isBool := v.(bool); isBool {
		return pipe.Rule{Deny: !b}, true
	}
	all, ok := members(v)
	if !ok {
		return nil, r.wrong(at, v, k.allowed())
	}
	rule := pipe.Rule{Deny: true}
	for _, m := range all {
		s, isText := m.(string)
		if !isText || s == "" {
			ok = r.wrong(at, m, `a pattern, like "room-*"`)
			continue
		}
		rule.Patterns = append(rule.Patterns, s)
	}
	return rule, ok
}
