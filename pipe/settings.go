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

	EventBuffer     time.Duration // longest wait of a queued event, 25 ms; below 0: none
	EventBufferSize int           // events that flush a bundle early, 100; 1: no bundling
	MaxFrameSize    int           // bytes of one packed bundle, 65536
	MaxBufferAge    time.Duration // of the oldest queued event before :backpressure; 0: any

	OnFull   []FullRule    // what happens to an event that finds the queue full; first match wins, FullNotify without one
	BlockFor time.Duration // longest wait of FullBlock, 1 s
	Lanes    []Lane        // beside the one of all other events; at most MaxLanes

	Recovery    Recovery
	AdmitPerSec int // clients that are let in a second, 0: any number

	// What receivers of ours are to hold: announced in :limits.
	MaxRecvQueueSize int    // events, 5000
	MaxRecvBytes     int    // 100000000
	OnRecvFull       string // "notify", "persist" or "drop"; "notify"
}

// Recovery says what a lost peer gets back that comes again.
type Recovery struct {
	Window  time.Duration // how long it may be away, 5 s; below 0: there is no recovery
	MaxMsgs int           // new items that wait meanwhile, 100; below 0: none
}

// A Lane is a queue of its own within a peer's: order is kept within it, and the
// others do not wait for it.
type Lane struct {
	Name   string   // "bulk"
	Events []string // patterns of names, "blob/*"
}

// MaxLanes is how many there may be.
const MaxLanes = 7

// FullPolicy is what happens to an event that finds its receiver's queue full.
type FullPolicy string

const (
	FullNotify     FullPolicy = "notify"      // it is refused, and its sender told
	FullDropOldest FullPolicy = "drop-oldest" // the oldest event of this policy that waits makes room; else refused
	FullDropNewest FullPolicy = "drop-newest" // it is left out
	FullCoalesce   FullPolicy = "coalesce"    // an older one of the same name and sender makes room; else refused
	FullBlock      FullPolicy = "block"       // it waits for room, BlockFor at most; then refused
	FullQueue      FullPolicy = "queue"       // it waits on disk
	FullDisconnect FullPolicy = "disconnect"  // the receiver is closed, 4001
)

// A FullRule gives the events of a pattern their policy.
type FullRule struct {
	Event  string // "chat/*"; "*" for all
	Policy FullPolicy
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
	def(&f.EventBuffer, 25*time.Millisecond)
	def(&f.EventBufferSize, 100)
	def(&f.MaxFrameSize, 64<<10)
	def(&f.BlockFor, time.Second)
	def(&f.Recovery.Window, 5*time.Second)
	def(&f.Recovery.MaxMsgs, 100)
	def(&f.MaxRecvQueueSize, 5000)
	def(&f.MaxRecvBytes, 100_000_000)
	if f.OnRecvFull == "" {
		f.OnRecvFull = "notify"
	}
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
