package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/sente-lite/sente-lite/cmd/sente-lite/bench"
	"github.com/sente-lite/sente-lite/pipe"
)

// benchCommand measures on this machine, in this process: nothing that runs elsewhere is
// touched.
type benchCommand struct {
	Name        []string      `arg:"" optional:"" words:"echo,fanout,pipe,packers,compression,queue,children" help:"echo fanout pipe packers compression queue children (all)."`
	Time        time.Duration `default:"1s" placeholder:"TIME" help:"Of each measurement, with its floor (1s)."`
	Size        int           `default:"128" placeholder:"BYTES" help:"Of an event (128)."`
	Peers       int           `default:"8" placeholder:"N" help:"Connections of echo's flood (8)."`
	Subscribers int           `default:"100" placeholder:"N" help:"Receivers of fanout (100)."`
	Sample      string        `placeholder:"FILE" help:"Pack and compress these events too, one a line."`
	Compare     string        `placeholder:"FILE" help:"Results that --edn has printed: what is 10 % worse?"`
	formFlags
}

// minBenchTime is the least --time: there are several stretches in it.
const minBenchTime = time.Millisecond

func (c *benchCommand) run(sys system, p *printer) error {
	o, err := c.options(sys)
	if err != nil {
		return err
	}
	var then []bench.Result
	if c.Compare != "" {
		if then, err = readFile(c.Compare, bench.Read); err != nil {
			return misuse(`"sente-lite bench --edn > FILE" makes such a file`, "--compare %s: %v", c.Compare, err)
		}
	}
	ctx, stop := untilSignal()
	defer stop()
	if err := p.value(machine(o), func(w io.Writer) { c.about(w, o) }); err != nil {
		return err
	}
	worse := 0
	for _, b := range bench.All {
		if ctx.Err() != nil || len(c.Name) > 0 && !slices.Contains(c.Name, b.Name) {
			continue
		}
		var results []bench.Result
		var changes []bench.Change
		p.busy(b.Name)
		err := bench.Run(ctx, b, o, func(r bench.Result) error {
			results = append(results, r)
			var change *bench.Change
			if then != nil {
				changes = append(changes, bench.Compare(r, then))
				change = &changes[len(changes)-1]
				if change.Verdict == "worse" {
					worse++
				}
			}
			if p.form == formText {
				return nil
			}
			return p.value(r.AppendEDN(nil, change), nil)
		})
		p.busy("")
		if p.form == formText && (err == nil || len(results) > 0) {
			text := &strings.Builder{}
			bench.Text(text, b, results, changes, bench.Pen{Blocks: p.terminal}, p.verdict)
			if _, err := io.WriteString(p.out, text.String()); err != nil {
				return err
			}
		}
		if err != nil {
			return err
		}
	}
	if p.form == formText {
		return c.end(p, ctx.Err() != nil, then != nil, worse)
	}
	return nil
}

// end says what it all comes to.
func (c *benchCommand) end(p *printer, early, compared bool, worse int) (err error) {
	if early {
		_, err = fmt.Fprintln(p.out, "ended early: what was measured until then is above")
	}
	if compared && err == nil {
		_, err = fmt.Fprintf(p.out, "%d worse than %s by more than %.0f %%, as ratios to the floor\n", worse, shown(c.Compare), 100*bench.Tolerance)
	}
	return err
}

// options are those of the flags.
func (c *benchCommand) options(sys system) (o bench.Options, err error) {
	var known []string
	for _, b := range bench.All {
		known = append(known, b.Name)
	}
	for _, name := range c.Name {
		if slices.Contains(known, name) {
			continue
		}
		if near := pipe.Nearest(name, known); near != "" {
			return o, misuse("", "nothing to measure is called %s, did you mean %s?", quoted(name), near)
		}
		return o, misuse("", "nothing to measure is called %s; there are %s", quoted(name), strings.Join(known, ", "))
	}
	switch {
	case c.Time < minBenchTime || c.Time > time.Hour:
		return o, misuse("", "--time is %v, allowed is 1ms to 1h", c.Time)
	case c.Size < bench.MinSize || c.Size > bench.MaxSize:
		return o, misuse("", "--size is %d, allowed is %d to %d", c.Size, bench.MinSize, bench.MaxSize)
	case c.Peers < 1 || c.Peers > bench.MaxPeers:
		return o, misuse("", "--peers is %d, allowed is 1 to %d", c.Peers, bench.MaxPeers)
	case c.Subscribers < 1 || c.Subscribers > bench.MaxPeers:
		return o, misuse("", "--subscribers is %d, allowed is 1 to %d", c.Subscribers, bench.MaxPeers)
	}
	program, err := os.Executable()
	if err != nil {
		return o, err
	}
	o = bench.Options{
		Time: c.Time, Size: c.Size, Peers: c.Peers, Subscribers: c.Subscribers,
		Packers: wirePackers(), Layers: wireCompressors(), Program: program, Environ: sys.Environ,
	}
	if c.Sample != "" {
		name := strings.TrimSuffix(filepath.Base(c.Sample), filepath.Ext(c.Sample))
		s, err := readFile(c.Sample, func(f io.Reader) (bench.Sample, error) { return bench.ReadSample(shown(name), f) })
		if err != nil {
			return o, misuse(`expected one EDN event a line; "sente-lite tail --edn --fields event" prints some`, "--sample %s: %v", c.Sample, err)
		}
		o.Samples = []bench.Sample{s}
	}
	return o, nil
}

// readFile reads a file by read.
func readFile[T any](name string, read func(io.Reader) (T, error)) (v T, err error) {
	f, err := os.Open(name)
	if err != nil {
		if e := (*os.PathError)(nil); errors.As(err, &e) {
			err = e.Err // whose file is said already
		}
		return v, err
	}
	defer f.Close()
	return read(f)
}

// machine says where the results are from; it is the first line of a file of them.
func machine(o bench.Options) []byte {
	b := fmt.Appendf(nil, "{:sente-lite %q :go %q :os %q :arch %q :cpus %d :time-ms %d :size %d :peers %d :subscribers %d :at ",
		version, runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.GOMAXPROCS(0), o.Time.Milliseconds(), o.Size, o.Peers, o.Subscribers)
	return append(pipe.AppendString(append(b, "#inst "...), time.Now().UTC().Format("2006-01-02T15:04:05.000-00:00")), '}')
}

// about says the same for people, and how to read what follows.
func (c *benchCommand) about(w io.Writer, o bench.Options) {
	fmt.Fprintf(w, "sente-lite %s, %s, %s/%s, processors: %d; %v for each measurement, events of %d bytes\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.GOMAXPROCS(0), o.Time, o.Size)
	fmt.Fprintf(w, "Times are in µs, CPU is that of both ends. The floor is measured in turn with it: compare ratios.\n\n")
}

// verdict paints a line by what a comparison says of it.
func (p *printer) verdict(verdict, s string) string {
	switch verdict {
	case "worse":
		return p.paint(red, s)
	case "better":
		return p.paint(green, s)
	}
	return s
}

// busy shows on a terminal what is being measured, until there is something to see. ""
// takes that away.
func (p *printer) busy(what string) {
	if !p.terminal || p.form != formText {
		return
	}
	if what == "" {
		fmt.Fprint(p.out, "\r\x1b[K")
		return
	}
	fmt.Fprint(p.out, "\r", p.paint(dim, "measuring "+what+" …"))
}
