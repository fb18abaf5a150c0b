package pipe

import "sync"

// past remembers sessions that have ended, for those who come back too late.
type past struct {
	mu sync.Mutex
	recent[SessionKey, gone]
}

type gone struct {
	uid     string
	cred    credential
	highest uint64
	why     string
}

const maxGone = 4096

func (p *past) note(key SessionKey, g gone) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.put(key, g, maxGone)
}

func (p *past) find(key SessionKey, cred credential, seen uint64) outcome {
	p.mu.Lock()
	defer p.mu.Unlock()
	g, ok := p.known[key]
	switch {
	case !ok:
		return outcome{reason: "unknown"}
	case !g.cred.admits(cred):
		return outcome{reason: "credentials"}
	}
	return outcome{uid: g.uid, reason: g.why, missed: g.highest - min(seen, g.highest), known: true}
}
