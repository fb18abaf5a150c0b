package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/sente-lite/sente-lite/pipe"
	"github.com/sente-lite/sente-lite/pipe/chaos"
)

// chaosCommand puts a bad network in front of a sidecar. Stdout has EDN: where
// it listens, then what it does.
type chaosCommand struct {
	To        string        `placeholder:"URL" help:"What it leads to (SENTE_LITE_URL, or the newest socket)."`
	Seed      *uint64       `placeholder:"N" help:"The same seed has the same faults (a random one)."`
	Delay     *string       `placeholder:"TIME" help:"Each way takes that long, like 20ms or 20ms..50ms."`
	Rate      *string       `placeholder:"BYTES" help:"That many a second each way, like 64k."`
	Torn      int           `placeholder:"N" help:"Write 1 to N bytes at once."`
	Cut       *string       `placeholder:"RANGE" help:"Cut after so many bytes, like 1k..64k, 9:fin, 9:abandon."`
	Stall     time.Duration `placeholder:"TIME" help:"Take nothing for that long …"`
	Every     *string       `name:"stall-every" placeholder:"RANGE" help:"… after each so many bytes, like 100k."`
	HalfOpen  float64       `placeholder:"P" help:"Of connections lose one direction, silently: 0 to 1."`
	DropClose float64       `placeholder:"P" help:"Of WebSockets lose the close frame: 0 to 1."`
	Refuse    float64       `placeholder:"P" help:"Of connections are closed at once: 0 to 1."`
	For       time.Duration `placeholder:"TIME" help:"End after that long (at a signal)."`
	Plan      uint64        `placeholder:"N" help:"Print what N connections would get, and end."`
	Quiet     bool          `help:"Print the address only."`
}

// run has its --listen from the grammar, where that of all commands is.
func (c *chaosCommand) run(sys system, p *printer, listens []string) error {
	o, err := c.options()
	if err != nil {
		return err
	}
	seed := rand.Uint64() >> 11 // which any reader of EDN or JSON takes
	if c.Seed != nil {
		seed = *c.Seed
	}
	if c.Plan > 0 {
		for conn := range min(c.Plan, maxPlans) {
			if err := say(p.out, chaos.MakePlan(seed, o, conn+1).AppendEDN(nil)); err != nil {
				return err
			}
		}
		return nil
	}
	to, err := linkFlags{To: c.To}.address(sys)
	if err != nil {
		return err
	}
	listen, to, remove, err := c.where(to, listens)
	if err != nil {
		return err
	}
	defer remove()

	ctx, stop := untilSignal()
	defer stop()
	if c.For > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.For)
		defer cancel()
	}
	ctx, broken := context.WithCancelCause(ctx)
	defer broken(nil)
	told := &faults{count: map[string]int{}}
	var first sync.Mutex // until the address is said, which is the first line
	first.Lock()
	o.Event = func(e chaos.Event) {
		first.Lock()
		defer first.Unlock()
		told.add(e.Name)
		if !c.Quiet && context.Cause(ctx) == nil {
			if err := say(p.out, e.AppendEDN(nil)); err != nil {
				broken(err)
			}
		}
	}
	proxy := chaos.New(seed, o)
	defer proxy.Close()
	if err := proxy.Listen(listen, to); err != nil {
		return listenError(listen, cmp.Or(errors.Unwrap(err), err))
	}
	b := pipe.AppendString([]byte("[:sente-lite/chaos {:listen "), proxy.Addr())
	b = pipe.AppendString(append(b, " :to "...), to)
	err = say(p.out, fmt.Appendf(b, " :seed %d}]", seed))
	first.Unlock()
	if err != nil {
		return err
	}
	<-ctx.Done()
	proxy.Close()
	s := proxy.Stats()
	fmt.Fprintf(p.err, "sente-lite: connections: %d, bytes up: %d, down: %d, faults: %s; --seed %d has them again\n", s.Conns, s.Up, s.Down, told, seed)
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

// maxPlans bounds --plan.
const maxPlans = 100_000

func say(w io.Writer, b []byte) error {
	_, err := w.Write(append(b, '\n'))
	return err
}

// options are those of the flags.
func (c *chaosCommand) options() (o chaos.Options, err error) {
	o = chaos.Options{Torn: c.Torn, Stall: c.Stall, HalfOpen: c.HalfOpen, DropClose: c.DropClose, Refuse: c.Refuse}
	if c.Delay != nil {
		if o.Delay, o.Jitter, err = parseDelay(*c.Delay); err != nil {
			return o, err
		}
	}
	if c.Cut != nil {
		bytes, how, given := strings.Cut(*c.Cut, ":")
		c.Cut = &bytes
		if given {
			h, err := chaos.ParseHow(how)
			if err != nil {
				return o, misuse("like --cut 1k..64k:rst", "--cut: %v", err)
			}
			o.How = []chaos.How{h}
		}
	}
	var rate chaos.Range
	for _, r := range []struct {
		flag string
		text *string
		to   *chaos.Range
	}{{"--rate", c.Rate, &rate}, {"--cut", c.Cut, &o.Cut}, {"--stall-every", c.Every, &o.StallEvery}} {
		if r.text == nil {
			continue
		}
		if *r.to, err = chaos.ParseRange(*r.text); err != nil {
			return o, misuse("", "%s: %v", r.flag, err)
		}
	}
	if o.Rate = rate.From; rate.From != rate.To {
		return o, misuse("", "--rate: %q is a range; expected one number of bytes, like 64k", *c.Rate)
	}
	for _, p := range []struct {
		flag string
		p    float64
	}{{"--half-open", c.HalfOpen}, {"--drop-close", c.DropClose}, {"--refuse", c.Refuse}} {
		if !(p.p >= 0 && p.p <= 1) {
			return o, misuse("0.1 is one in ten", "%s is %v; expected a probability from 0 to 1", p.flag, p.p)
		}
	}
	switch {
	case (c.Stall > 0) != (c.Every != nil):
		return o, misuse("like --stall 2s --stall-every 100k", "--stall and --stall-every belong together: how long, and after how many bytes")
	case c.For < 0:
		return o, misuse("", "--for is %v; expected a time, like 30s", c.For)
	}
	if err := o.Check(); err != nil {
		return o, misuse("", "%v", err)
	}
	return o, nil
}

// parseDelay reads a time, or the shortest and the longest.
func parseDelay(s string) (delay, jitter time.Duration, err error) {
	from, to, isRange := strings.Cut(s, "..")
	if !isRange {
		to = from
	}
	a, err1 := time.ParseDuration(from)
	b, err2 := time.ParseDuration(to)
	if errors.Join(err1, err2) != nil || a < 0 || b < a {
		return 0, 0, misuse("", "--delay %s is no time; expected one like 20ms, or the shortest and the longest, like 20ms..50ms", quoted(s))
	}
	return a, b - a, nil
}

// where is the address to listen at: one of the same kind as that it leads to,
// unless it was said. It returns that one as well, as it is written, and what
// takes back what was made for it.
func (c *chaosCommand) where(to string, listens []string) (listen, target string, remove func(), err error) {
	remove = func() {}
	leads, err := ParseAddress(to)
	if err != nil {
		return "", "", nil, misuse("", "it cannot lead to %s: %v", quoted(to), err)
	}
	target = leads.String()
	if len(listens) > 1 {
		return "", "", nil, misuse("", "--listen was given %d times; expected one address", len(listens))
	}
	if len(listens) == 0 && leads.Scheme == "unix" {
		dir, err := os.MkdirTemp("", "sente-lite-chaos-") // which nobody else may enter
		if err != nil {
			return "", "", nil, err
		}
		return "unix:" + filepath.Join(dir, "chaos.sock"), target, func() { _ = os.RemoveAll(dir) }, nil
	}
	asked := leads.Scheme + "://127.0.0.1:0"
	if len(listens) > 0 {
		asked = listens[0]
	}
	at, err := ParseAddress(asked)
	switch {
	case err != nil:
		return "", "", nil, misuse("", "--listen %s: %v", quoted(asked), err)
	case !leads.Loopback() || !at.Loopback():
		return "", "", nil, misuse("use 127.0.0.1", "from %s to %s: both must be on this machine", asked, to)
	case leads.Scheme == "unix" && at.Scheme != "unix":
		return "", "", nil, misuse("use --listen unix:/path, or lead to an http:// or tcp:// address with --to",
			"at %s everybody on this machine could talk to %s as you", asked, to)
	}
	return at.String(), target, remove, nil
}

// faults counts by name.
type faults struct {
	mu    sync.Mutex
	count map[string]int
}

func (f *faults) add(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.count[name]++
}

func (f *faults) String() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := ""
	for _, name := range []string{"refuse", "cut", "stall", "half-open", "drop-close", "unreachable"} {
		if n := f.count[name]; n > 0 {
			s += fmt.Sprintf(", %s %d", name, n)
		}
	}
	if s == "" {
		return "none"
	}
	return s[2:]
}
