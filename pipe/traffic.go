package pipe

import (
	"strconv"
	"sync/atomic"
)

// traffic counts what has gone over a link, both ways: without what the transport
// puts around messages.
type traffic struct{ in, out volume }

// A volume is one direction. Several goroutines may read it; one at a time adds.
type volume struct {
	messages atomic.Uint64
	wire     atomic.Uint64 // bytes as they travel
	saved    atomic.Int64  // bytes that compression has made of it: unpacked less wire; below 0 where a cipher adds some
}

func (v *volume) add(messages, wire int) {
	v.messages.Store(v.messages.Load() + uint64(messages))
	v.wire.Store(v.wire.Load() + uint64(wire))
}

// unwrapped notes that a message has n bytes more without its layers.
func (v *volume) unwrapped(n int) { v.saved.Store(v.saved.Load() + int64(n)) }

// append appends {:messages N :bytes N :unpacked N}: on the wire, and without layers.
func (v *volume) append(b []byte) []byte {
	wire := v.wire.Load()
	b = strconv.AppendUint(append(b, "{:messages "...), v.messages.Load(), 10)
	b = strconv.AppendUint(append(b, " :bytes "...), wire, 10)
	b = strconv.AppendInt(append(b, " :unpacked "...), int64(wire)+v.saved.Load(), 10)
	return append(b, '}')
}
