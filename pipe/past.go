package pipe

import (
	"slices"
	"sync"
)

// past remembers sessions that have ended, for those who come back too late.
type past struct {
	mu    sync.Mutex
	known map[SessionKey]gone
	order []SessionKey
}

type gone struct {
	uid     string
	cred    credential
	stored  bool // cred is as the Store has it
	highest uint64
	why     string
}

const maxGone = 4096

func (p *past) note(key SessionKey, g gone) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known == nil {
		p.known = map[SessionKey]gone{}
	}
	if len(p.order) >= maxGone {
		delete(p.known, p.order[0])
		p.order = slices.Delete(p.order, 0, 1)
	}
	p.known[key] = g
	p.order = append(p.order, key)
}

func (p *past) find(key SessionKey, cred credential, seen uint64) outcome {
	p.mu.Lock()
	defer p.mu.Unlock()
	g, ok := p.known[key]
	switch {
	case !ok:
		return outcome{reason: "unknown"}
	case !g.cred.admits(cred, g.stored):
		return outcome{reason: "credentials"}
	}
	return outcome{uid: g.uid, reason: g.why, missed: g.highest - min(seen, g.highest), known: true}
}
