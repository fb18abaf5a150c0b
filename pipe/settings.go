package pipe

import (
	"strings"
	"time"
)

// Settings are what a running Hub can be told anew: see Hub.Configure.
// The zero value has the contract's defaults.
type Settings struct {
	Flow   Flow
	Relay  []RelayRule // used while there is no handler; first match wins
	Policy Policy
	Auth   *Auth // nil: nobody needs a token

	// Shutdown is how long queues are flushed at the end, 0 for 2 s.
	Shutdown time.Duration
}

// Flow bounds what peers may hold (contract section 5). Zero fields have the
// defaults.
type Flow struct {
	MaxBufferSize   int           // events queued for one peer, 1000
	MaxBufferBytes  int           // and their bytes, 8 MiB
	MaxMessageBytes int           // of one message, 16777215
	MaxDepth        int           // of nesting, 512
	MaxTotalBytes   int64         // all queues and partial messages, 256 MiB
	MaxPeers        int           // clients, 20000
	CallTimeout     time.Duration // life of a call, 30 s
	KeepAlive       time.Duration // silence before a ping, 5 s
	PingTimeout     time.Duration // from the ping to the close, 10 s
}

// OrDefault fills in the defaults.
func (f Flow) OrDefault() Flow {
	def(&f.MaxBufferSize, 1000)
	def(&f.MaxBufferBytes, 8<<20)
	def(&f.MaxMessageBytes, DefaultMaxMessage)
	def(&f.MaxDepth, DefaultMaxDepth)
	def(&f.MaxTotalBytes, 256<<20)
	def(&f.MaxPeers, 20000)
	def(&f.CallTimeout, 30*time.Second)
	def(&f.KeepAlive, 5*time.Second)
	def(&f.PingTimeout, 10*time.Second)
	return f
}

func def[T int | int64 | time.Duration](v *T, d T) {
	if *v == 0 {
		*v = d
	}
}

// Limits are those of one message.
func (f Flow) Limits() Limits { return Limits{Bytes: f.MaxMessageBytes, Depth: f.MaxDepth} }

// A RelayRule says where a client's event goes while there is no handler.
type RelayRule struct {
	Event string // "chat/*" or "chat/msg", without the colon
	To    []byte // the text of a target, contract section 4: "\"bob\"", ":all", "{:channel \"lobby\"}"
}

// Policy says what clients may do among themselves; owners may do everything.
// The zero value allows all.
type Policy struct {
	Subscribe, Publish Rule // over the channel's name
	SendToClient       Rule // over the receiver's uid
}

// A Rule allows everything (the zero value), nothing, or what matches a
// pattern: "room-*", with * for any run of characters.
type Rule struct {
	Deny     bool     // everything that no pattern allows
	Patterns []string // looked at where Deny is set
}

// Allows reports whether the rule lets name pass.
func (r Rule) Allows(name string) bool {
	if !r.Deny {
		return true
	}
	for _, p := range r.Patterns {
		if Match(p, name) {
			return true
		}
	}
	return false
}

// Match reports whether name is like the pattern, in which * stands for any
// run of characters, also none. Its time is bounded by the product of both
// lengths.
func Match(pattern, name string) bool {
	star, back := -1, 0
	p, n := 0, 0
	for n < len(name) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, back = p, n
			p++
		case p < len(pattern) && pattern[p] == name[n]:
			p++
			n++
		case star >= 0:
			back++
			p, n = star+1, back
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}
