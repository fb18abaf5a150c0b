package pipe

import (
	"sync/atomic"
	"time"
)

// A probe finds out whether a silent peer is still there, and how far away it
// is (contract section 5, heartbeats).
type probe struct {
	alarm
	pinged atomic.Int64 // when the last unanswered ping was written, micros; 0 none, -1 not yet written
	asked  atomic.Int64 // when it was queued, micros
	rtt    atomic.Int64 // of the last ping, µs; 0 unknown
	over   atomic.Bool  // the link has gone
}

func (p *probe) start(l *link) {
	p.ring = func() { p.look(l) }
	l.hub.clock.set(&p.alarm, l.hub.settings.Load().Flow.KeepAlive)
}

// end looks no more.
func (p *probe) end(h *Hub) {
	p.over.Store(true)
	h.clock.stop(&p.alarm)
}

// look runs when a peer may have been silent for long enough.
func (p *probe) look(l *link) {
	f := &l.hub.settings.Load().Flow
	at, pinged := l.lastInput.Load(), p.pinged.Load()
	if pinged > 0 && at >= pinged/1000 {
		p.pinged.CompareAndSwap(pinged, 0)
		pinged = 0
	}
	var again time.Duration
	switch {
	case pinged > 0:
		left := f.PingTimeout - time.Duration(micros()-pinged)*time.Microsecond
		if left <= 0 && l.info.Heartbeat {
			l.hub.goroutine(func() { l.conn.Close(Reason{ClosePingTimeout, "ping timeout"}) })
			return
		}
		again = min(max(left, time.Second), f.KeepAlive)
	case pinged == 0:
		if again = f.KeepAlive - time.Duration(ticks()-at)*time.Millisecond; again > 0 {
			break
		}
		p.ping(l)
		fallthrough
	default: // a ping waits to be written: the time-out runs from then on
		again = min(f.KeepAlive, f.PingTimeout)
	}
	l.hub.clock.set(&p.alarm, again)
	if p.over.Load() { // since it rang
		l.hub.clock.stop(&p.alarm)
	}
}

const pingName = "chsk/ws-ping"

// ping writes a ping ahead of what is queued.
func (p *probe) ping(l *link) {
	s := l.owner()
	if s == nil {
		return
	}
	msg, err := (&packet{edn: pingEvent}).in(s.speaks(), &s.hub.Stats)
	if err != nil {
		return
	}
	p.asked.Store(micros())
	p.pinged.Store(-1)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.l != l || s.ended || s.leaving() {
		return
	}
	s.ahead(&queued{Message: msg, kind: kindControl, name: pingName}, nil)
}

// written notes that the ping has left.
func (p *probe) written() { p.pinged.CompareAndSwap(-1, micros()) }

// ponged takes the answer. That may be here before we have noted that the ping was
// written: then nothing is to be noted any more, or a link that is well would wait
// for its answer until the time-out.
func (p *probe) ponged() {
	at := p.pinged.Load()
	if at == 0 || !p.pinged.CompareAndSwap(at, 0) {
		return
	}
	if at < 0 {
		at = p.asked.Load()
	}
	p.rtt.Store(max(1, micros()-at))
}

// appendRTT appends the last round-trip time in milliseconds, or nil.
func (p *probe) appendRTT(b []byte) []byte {
	rtt := p.rtt.Load()
	if rtt == 0 {
		return append(b, "nil"...)
	}
	return appendMillis(b, rtt)
}
