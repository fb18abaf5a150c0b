package pipe

import (
	"bytes"
	"hash/maphash"
	"sync"
)

// A packet is one message on its way out. It is packed at most once per
// packer, by the goroutine that sends it, and its bytes are then shared by all
// who get it; they are never changed.
type packet struct {
	edn  []byte
	lent bool // edn is part of a sheet
	kind queueKind
	name string // of the event that it is about: what recv wraps, or what was asked. "" for replies
	lane uint8
	free bool   // costs no credit
	leg  uint64 // of a call that is passed on: the hub's cb
	key  uint64 // see FullCoalesce
	from uint64 // the number of the peer whose event it is; 0: the hub's own
	// Most audiences have one form or two.
	packer Packer
	packed encoding
	more   map[Packer]encoding
	shown  *Item // edn taken apart, once somebody tails
}

// An encoding is what a packer has made of a message, or why it could not.
type encoding struct {
	data []byte
	err  error
}

// in returns the message as a form's packer has it: what goes around that comes
// later. The error says what the form cannot carry; it is found out once, too.
func (p *packet) in(f *Form, stats *Stats) (Message, error) {
	pk := f.Packer
	if pk == EDN {
		return Message{Data: p.edn, Text: true, plain: f == plainForm}, nil
	}
	made := p.packed
	if p.packer != pk {
		made = p.more[pk]
	}
	if made.data == nil && made.err == nil {
		stats.Encodings.Add(1)
		made.data, made.err = pk.Pack(make([]byte, 0, len(p.edn)+len(p.edn)/8+16), p.edn)
		switch {
		case p.packer == nil:
			p.packer, p.packed = pk, made
		default:
			if p.more == nil {
				p.more = map[Packer]encoding{}
			}
			p.more[pk] = made
		}
	}
	return Message{Data: made.data, Text: pk.Text()}, made.err
}

// about makes the packet of an event, or of what wraps it: from is whose it is.
// Its name says which lane and which policy it has. It is a value, so that it need
// not be an allocation. from handles an event of its own.
func (h *Hub) about(edn []byte, name []byte, from *Session) packet {
	if string(name) != from.latest {
		from.latest = h.names.of(name)
	}
	p := packet{edn: edn, name: from.latest, from: from.number}
	f := &h.settings.Load().Flow
	if len(f.Lanes) > 0 {
		p.lane = f.lane(p.name)
	}
	if f.has(FullCoalesce) {
		p.key = h.key(from, p.name)
	}
	return p
}

func (h *Hub) key(from *Session, name string) uint64 {
	var k maphash.Hash
	k.SetSeed(h.seed)
	if from != nil {
		k.WriteString(from.uid)
		k.WriteByte(0)
	}
	k.WriteString(name)
	return k.Sum64() | 1
}

// lane is the number of the lane of an event, 0 for the one of all others.
func (f *Flow) lane(name string) uint8 {
	for i, l := range f.Lanes {
		for _, p := range l.Events {
			if Match(p, name) {
				return uint8(i + 1)
			}
		}
	}
	return 0
}

// costless reports whether an event of a name needs no credit (contract 5).
func costless(name []byte) bool {
	rest, own := bytes.CutPrefix(name, nsSente)
	if !own {
		return bytes.HasPrefix(name, nsChsk)
	}
	switch string(rest) {
	case "ack", "credit", "ready", "error", "open", "close", "reconnect":
		return true
	}
	return false
}

// names are texts that come again and again: each is kept once.
type names struct {
	mu    sync.RWMutex
	known map[string]string
}

const (
	maxNames    = 4096
	maxNameKept = 256 // bytes
)

// of returns the name as a string, mostly without making one.
func (n *names) of(name []byte) string {
	n.mu.RLock()
	s, ok := n.known[string(name)]
	n.mu.RUnlock()
	if ok {
		return s
	}
	s = string(name)
	if len(s) > maxNameKept {
		return s
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.known == nil || len(n.known) >= maxNames { // names that were made up: begin anew
		n.known = map[string]string{}
	}
	n.known[s] = s
	return s
}
