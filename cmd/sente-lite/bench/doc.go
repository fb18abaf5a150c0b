// Package bench measures the real thing on the user's own machine: a hub with
// WebSockets, pipes and programs in this process, on loopback. Each figure stands
// beside its floor, which is the least that the machine itself takes for the same
// bytes, measured in turn with it. Machines differ and drift; the ratio of the two
// stays.
//
//	Histogram   times in bounded memory
//	pace        how long one side works at a stretch, and what it did
//	measure     ours and the floor in turn, some rounds of both
//	Result      one line: figures, the ratio, as EDN and back
//	house       a hub with its front door; client, crowd: who comes to it
//
// One file for each benchmark has what is measured, and what its floor is.
package bench

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sente-lite/sente-lite/pipe"
)

// Options say what to measure, and how long. All but Packers, Layers and Samples
// must be there.
type Options struct {
	Time        time.Duration // of a measurement, both sides together
	Count       int64         // if set, operations of a stretch instead of Time
	Size        int           // bytes of an event, MinSize to MaxSize
	Peers       int           // connections of echo's flood
	Subscribers int           // receivers of fanout
	Packers     []pipe.Packer // beside EDN
	Layers      []*pipe.Layer // those that compress are measured
	Samples     []Sample      // events of the user's own, beside ours
	Program     string        // this program: it is the child, see Child
	Environ     []string      // of the child
}

// What Options.Size may be.
const (
	MinSize = 32
	MaxSize = 1 << 20
)

// MaxPeers is the most that Options.Peers and Options.Subscribers may be.
const MaxPeers = 10_000

// A Benchmark is one of All.
type Benchmark struct {
	Name  string
	About string // what is measured, and what the floor is, for people
	run   func(*runner) error
}

// All are the benchmarks, in the order in which they run.
var All = []Benchmark{
	{"echo", "an event through the hub and back, over WebSockets; floor: an echo over bare TCP", echo},
	{"fanout", "a publication to every subscriber, over WebSockets; floor: one write each on bare TCP", fanout},
	{"pipe", "framed events into the hub and on to a WebSocket; floor: the same bytes through a pipe", piped},
	{"packers", "an event packed and unpacked; floor: a scan of its EDN", packers},
	{"compression", "100 events packed, joined, compressed and back; floor: the compressor alone", compression},
	{"queue", "events put into a peer's queue and drained, in memory; floor: a Go channel", queue},
	{"children", "a program asked through the hub, and its answer; floor: the same over bare pipes", children},
}

// A runner is one run of the benchmarks.
type runner struct {
	Options
	ctx   context.Context
	bench string
	tell  func(Result) error
}

// Run runs one benchmark and tells each result when it is there. When ctx ends, what
// has been measured in full rounds by then is told, and Run returns nil.
func Run(ctx context.Context, b Benchmark, o Options, tell func(Result) error) error {
	r := &runner{Options: o, ctx: ctx, bench: b.Name, tell: tell}
	err := b.run(r)
	if errors.Is(err, errEnded) || ctx.Err() != nil { // what fails then does so for that
		return nil
	}
	if bad := (*pipe.Error)(nil); err == nil || errors.As(err, &bad) {
		return err
	}
	return &pipe.Error{Category: pipe.Fault, Code: "bench-failed", Msg: fmt.Sprintf("%s: %v", b.Name, err),
		Hint: `"sente-lite doctor" checks this machine; a smaller --peers, --subscribers or --size may fit it`}
}

// errEnded means that ctx has ended before there was anything to tell.
var errEnded = errors.New("ended")

// event is an event of a size, text all of it.
func (r *runner) event(name string) string {
	head, tail := "[:bench/"+name+` "`, `"]`
	return head + strings.Repeat("x", max(r.Size-len(head)-len(tail), 0)) + tail
}
