package chaos

import (
	"fmt"

	"github.com/sente-lite/sente-lite/pipe"
)

// An Event is a fault that has happened. Which there are:
//
//	refuse       the connection was closed at once
//	cut          it has ended, or was abandoned, after At bytes; How says which
//	stall        nothing is taken for the time of the plan
//	half-open    what comes in this direction is dropped from here on
//	drop-close   a WebSocket's close frame was swallowed at At, and the connection ended
//	unreachable  the target did not answer; Err says why
//
// How events of different connections and directions mix is a matter of time.
// Those of one direction depend on the seed and its bytes alone, up to the one
// that ends the connection.
type Event struct {
	Name string
	Conn uint64
	Dir  Dir   // of cut, stall, half-open and drop-close
	At   int64 // bytes that have gone in this direction before
	How  How   // of cut and drop-close
	Err  error // of unreachable
}

// AppendEDN appends the event, like [:chaos/cut {:conn 3 :dir :up :at 8123 :how :rst}].
func (e Event) AppendEDN(b []byte) []byte {
	b = fmt.Appendf(b, "[:chaos/%s {:conn %d", e.Name, e.Conn)
	switch e.Name {
	case "cut", "drop-close":
		b = fmt.Appendf(b, " :dir :%v :at %d :how :%v", e.Dir, e.At, e.How)
	case "stall", "half-open":
		b = fmt.Appendf(b, " :dir :%v :at %d", e.Dir, e.At)
	case "unreachable":
		b = pipe.AppendString(append(b, " :message "...), fmt.Sprint(e.Err))
	}
	return append(b, "}]"...)
}
