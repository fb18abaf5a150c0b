package main

import (
	"strings"

	"github.com/sente-lite/sente-lite/bridge/child"
	"github.com/sente-lite/sente-lite/pipe"
	"github.com/sente-lite/sente-lite/pipe/pack"
)

// Together resolves the tokens and keys, and checks what only shows when all is
// known.
func (l *Loader) together(cfg *Config) (wrong []problem) {
	auth, problems := l.auth(cfg.Processes)
	wrong = append(wrong, problems...)
	cfg.Hub.Auth = auth
	cipher, bad := l.cipherKeys()
	wrong = append(wrong, bad...)
	cfg.CipherKeys = cipher

	s := l.said["listen"]
	s.by.to = &wrong
	for i, a := range cfg.Listen {
		at := pathOf("listen").then(i)
		switch {
		case auth != nil && len(auth.Tokens) > 0 || len(problems) > 0:
		case a.Scheme == "tcp":
			s.by.add(at, "%s needs tokens, as TCP knows no users; give :auth {:tokens [{:token-env \"NAME\"}]}, or listen on a Unix socket", a)
		case !a.Loopback():
			s.by.add(at, "%s can be reached from other machines and needs tokens; give :auth {:tokens [{:token-env \"NAME\"}]}, or listen on 127.0.0.1", a)
		}
	}

	f := cfg.Hub.Flow
	if f.MaxTotalBytes < int64(f.MaxBufferBytes) {
		l.least(&wrong, "flow/max-total-bytes", f.MaxTotalBytes, "flow/max-buffer-bytes", int64(f.MaxBufferBytes))
	}
	if cfg.DataDir == "" {
		l.spillsNowhere(&wrong, f.OnFull)
	}
	return wrong
}

// spillsNowhere reports rules that keep events on disk, where there is no folder
// for them.
func (l *Loader) spillsNowhere(wrong *[]problem, rules []pipe.FullRule) {
	const name = "flow/on-backpressure"
	s := l.said[name]
	s.by.to = wrong
	for _, rule := range rules {
		if rule.Policy != pipe.FullQueue {
			continue
		}
		at := pathOf(name)
		if m, isMap := s.raw.(map[any]any); isMap {
			for _, key := range sortedKeys(m) {
				if p, _ := eventPattern(key); p == rule.Event || rule.Event == "*" && key == pack.Keyword("default") {
					at = at.then(key)
				}
			}
		}
		s.by.add(at, ":queue keeps events on disk, and there is no folder for them; give :data-dir \"DIR\" (or --data-dir DIR), or choose another policy")
	}
}

// Least reports a key that must not be less than another, at whichever of the
// two was said.
func (l *Loader) least(wrong *[]problem, name string, value int64, other string, least int64) {
	at := name
	s, ok := l.said[name]
	if !ok {
		at, s = other, l.said[other]
	}
	s.by.to = wrong
	s.by.add(pathOf(at), "%s is %d; allowed: not less than %s, which is %d", pathOf(name), value, pathOf(other), least)
}

// Auth is nil where neither tokens nor :anonymous were said. No token brings the
// uid of a program.
func (l *Loader) auth(programs []child.Spec) (*pipe.Auth, []problem) {
	var wrong []problem
	anonymous, _ := l.said["auth/anonymous"].value.(bool)
	said := l.said["auth/tokens"]
	specs, _ := said.value.([]tokenSpec)
	if len(specs) == 0 {
		return nil, nil
	}
	auth := &pipe.Auth{Anonymous: anonymous}
	said.by.to = &wrong
	for i, spec := range specs {
		for _, p := range programs {
			if uid := spec.Claim.UID; uid == p.UID || usersOwn(p, uid) {
				said.by.add(spec.at.then(pack.Keyword("uid")), "%s is the uid of the program %s of [:processes]; allowed: another", show(uid), show(p.UID))
			}
		}
		secret, _, err := l.secret(spec.secretSource, "token")
		if err != nil {
			said.by.add(spec.at, "%v", err)
			continue
		}
		for _, other := range auth.Tokens {
			if other.Secret == secret {
				said.by.add(spec.at, "the same token stands there twice; allowed: each once")
			}
		}
		auth.Tokens = append(auth.Tokens, pipe.Token{Secret: secret, Claim: specs[i].Claim})
	}
	return auth, wrong
}

// usersOwn reports whether a uid is one for a user of a program.
func usersOwn(p child.Spec, uid string) bool {
	return p.PerUser && strings.HasPrefix(uid, p.UID+"/")
}
