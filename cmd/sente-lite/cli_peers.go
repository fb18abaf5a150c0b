package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/sente-lite/sente-lite/pipe"
)

// peersCommand shows who is connected.
type peersCommand struct {
	Watch bool          `short:"w" help:"Go on showing it, until ctrl-C."`
	Every time.Duration `default:"1s" placeholder:"TIME" help:"How often, with --watch (1s)."`
	linkFlags
	formFlags
}

func (c *peersCommand) run(sys system, p *printer) error {
	if c.Every < 50*time.Millisecond || c.Every > time.Hour {
		return misuse("", "--every is %v, allowed are 50ms to 1h", c.Every)
	}
	ctx, stop := untilSignal()
	defer stop()
	link, err := c.dial(ctx, sys, nil)
	if err != nil {
		return err
	}
	defer link.close()
	if !c.Watch {
		return c.once(ctx, link, p)
	}
	tick := time.NewTicker(c.Every)
	defer tick.Stop()
	for {
		err := c.once(ctx, link, p)
		if ctx.Err() != nil {
			return nil // ctrl-C is how it ends
		}
		if err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

func (c *peersCommand) once(ctx context.Context, link *visitor, p *printer) error {
	ctx, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	peers, err := link.ask(ctx, []byte("[:sente-lite/peers {}]"))
	if err != nil {
		return err
	}
	now := time.Now()
	return p.value(peers, func(w io.Writer) {
		if c.Watch && p.terminal {
			fmt.Fprint(w, "\x1b[H\x1b[2J") // the top of a blank screen
		}
		if c.Watch {
			fmt.Fprintf(w, "%s  %s\n", now.Format(time.TimeOnly), link.address)
		}
		p.peers(w, peers, now)
	})
}

// peers prints a table, a row for each of the peers.
func (p *printer) peers(w io.Writer, peers []byte, now time.Time) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "UID\tROLE\tTRANSPORT\tSINCE\tQUEUE\tRTT")
	for c := pipe.Elements(peers); ; {
		m, ok := c.Next()
		if !ok {
			break
		}
		since, _ := strconv.ParseInt(raw(m, ":since"), 10, 64)
		rtt := "-"
		if ms, err := strconv.ParseFloat(raw(m, ":rtt-ms"), 64); err == nil {
			rtt = strconv.FormatFloat(ms, 'f', 1, 64) + " ms"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", shown(text(m, ":uid")), strings.TrimPrefix(raw(m, ":role"), ":"),
			strings.TrimPrefix(raw(m, ":transport"), ":"), ago(now.Sub(time.UnixMilli(since))), queue(raw(m, ":queue")), rtt)
	}
	_ = t.Flush() // to memory
}

func queue(m string) string {
	size, bytes := raw([]byte(m), ":size"), raw([]byte(m), ":bytes")
	if n, err := strconv.ParseFloat(bytes, 64); err == nil && n >= 1024 {
		return fmt.Sprintf("%s (%.0f KB)", size, n/1024)
	}
	return size
}

// ago says how long ago something was, in its largest unit.
func ago(d time.Duration) string {
	switch {
	case d < time.Second:
		return "now"
	case d < time.Minute:
		return fmt.Sprintf("%ds ago", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm ago", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh ago", int(d.Hours()))
	}
	return fmt.Sprintf("%dd ago", int(d.Hours()/24))
}
