package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/sente-lite/sente-lite/pipe"
)

// watchFlags are those of a command that shows how things are, once or again and
// again.
type watchFlags struct {
	Watch bool          `short:"w" help:"Go on showing it, until ctrl-C."`
	Every time.Duration `default:"1s" placeholder:"TIME" help:"How often, with --watch (1s)."`
}

// check is for before anything is dialled.
func (f watchFlags) check() error {
	if f.Every < 50*time.Millisecond || f.Every > time.Hour {
		return misuse("", "--every is %v, allowed are 50ms to 1h", f.Every)
	}
	return nil
}

// show asks the sidecar, and prints what it answers: for people as human does.
func (f watchFlags) show(l linkFlags, sys system, p *printer, request []byte, human func(w io.Writer, answer []byte, now time.Time)) error {
	if err := f.check(); err != nil {
		return err
	}
	ctx, stop := untilSignal()
	defer stop()
	link, err := l.dial(ctx, sys, nil)
	if err != nil {
		return err
	}
	defer link.close()
	tick := time.NewTicker(f.Every)
	defer tick.Stop()
	for {
		answer, err := link.soon(ctx, request)
		if f.Watch && ctx.Err() != nil {
			return nil // ctrl-C is how it ends
		}
		if err != nil {
			return err
		}
		now := time.Now()
		err = p.value(answer, func(w io.Writer) {
			if f.Watch && p.terminal {
				fmt.Fprint(w, "\x1b[H\x1b[2J") // the top of a blank screen
			}
			if f.Watch {
				fmt.Fprintf(w, "%s  %s\n", now.Format(time.TimeOnly), link.address)
			}
			human(w, answer, now)
		})
		if err != nil || !f.Watch {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// soon is ask for what the sidecar itself answers, at once. An event that it does
// not know is one of a later version.
func (c *visitor) soon(ctx context.Context, event []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	answer, err := c.ask(ctx, event)
	bad := (*pipe.Error)(nil)
	switch {
	case errors.Is(err, errTimeout):
		return nil, &pipe.Error{Category: pipe.Unavailable, Code: "timeout", Retry: true, Hint: "restart it, or name another with --to URL",
			Msg: fmt.Sprintf("%s greets, and does not answer within %v", c.address, dialTime)}
	case errors.As(err, &bad) && bad.Code == "unknown-event":
		i, _ := pipe.SplitValue(event) // of our own writing
		return nil, &pipe.Error{Category: pipe.Unsupported, Code: "too-old", Msg: "this sidecar's version knows no :" + string(i.Name), Hint: "restart it with this binary: " + version}
	}
	return answer, err
}
