package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/sente-lite/sente-lite/pipe"
)

// queuesCommand shows what waits for peers, and holds it back.
type queuesCommand struct {
	Action string   `arg:"" optional:"" enum:"show,pause,resume" default:"show" help:"show, pause or resume (show)."`
	UID    []string `arg:"" optional:"" name:"uid" sep:"none" help:"Peers; show has all without one."`
	All    bool     `help:"Every client, to pause or resume."`
	watchFlags
	linkFlags
	formFlags
}

func (c *queuesCommand) run(sys system, p *printer) error {
	if err := c.mistake(); err != nil {
		return err
	}
	if c.Action == "show" {
		request := []byte("[:sente-lite/queues {}]")
		if len(c.UID) > 0 {
			request = append(appendTarget([]byte("[:sente-lite/queues {:to "), c.UID), "}]"...)
		}
		return c.show(c.linkFlags, sys, p, request, func(w io.Writer, queues []byte, _ time.Time) { p.queues(w, queues) })
	}
	ctx, stop := untilSignal()
	defer stop()
	link, err := c.dial(ctx, sys, nil)
	if err != nil {
		return err
	}
	defer link.close()
	request := fmt.Appendf(nil, "[:sente-lite/%s {:to ", c.Action)
	if c.All {
		request = append(request, ":all"...)
	} else {
		request = appendTarget(request, c.UID)
	}
	answer, err := link.soon(ctx, append(request, "}]"...))
	if err != nil {
		return err
	}
	return p.value(answer, func(w io.Writer) { fmt.Fprintln(w, c.done(raw(answer, ":peers"))) })
}

func (c *queuesCommand) mistake() error {
	switch {
	case c.Action == "show" && c.All:
		return misuse("", "show has all peers anyway; --all is for pause and resume")
	case c.Action == "show":
		return nil
	case c.Watch:
		return misuse("", "--watch is for show")
	case c.All && len(c.UID) > 0:
		return misuse("leave one of them out", "found uids and --all, expected one of them")
	case !c.All && len(c.UID) == 0:
		return misuse(fmt.Sprintf("name them, like \"sente-lite queues %s ada\", or give --all", c.Action), "%s needs to know which peers", c.Action)
	}
	return nil
}

// done says what has been done to so many peers.
func (c *queuesCommand) done(peers string) string {
	if peers == "0" {
		return "nobody of them is connected"
	}
	who := peers + " peers are"
	if peers == "1" {
		who = "1 peer is"
	}
	if c.Action == "resume" {
		return who + " written to again"
	}
	again := "--all"
	if !c.All {
		again = strings.Join(c.UID, " ")
	}
	return who + " paused; their queues fill until: sente-lite queues resume " + shown(again)
}

// appendTarget appends one uid, or a set of them.
func appendTarget(b []byte, uids []string) []byte {
	uids = slices.Compact(sorted(slices.Clone(uids)))
	if len(uids) == 1 {
		return pipe.AppendString(b, uids[0])
	}
	b = append(b, "#{"...)
	for _, uid := range uids {
		b = append(pipe.AppendString(b, uid), ' ')
	}
	return append(b, '}')
}

// queues prints a table, a row for each of the peers.
func (p *printer) queues(w io.Writer, queues []byte) {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "UID\tSTATUS\tQUEUED\tBYTES\tOLDEST\tUNACKED\tSPILLED\tCREDIT\tTOP EVENTS")
	rows := 0
	for c := pipe.Elements(queues); ; rows++ {
		m, ok := c.Next()
		if !ok {
			break
		}
		oldest := "-"
		if n, _ := strconv.ParseFloat(raw(m, ":queued"), 64); n > 0 {
			oldest = lasting(raw(m, ":oldest-ms"))
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", shown(text(m, ":uid")), queueStatus(m), number(raw(m, ":queued")),
			bytesOf(raw(m, ":bytes")), oldest, number(raw(m, ":unacked")), number(raw(m, ":spilled")), number(raw(m, ":credit")), topEvents(raw(m, ":top")))
	}
	if rows == 0 {
		fmt.Fprintln(w, "nobody is connected")
		return
	}
	_ = t.Flush() // to memory
	for line := range strings.Lines(b.String()) {
		fmt.Fprintln(w, strings.TrimRight(line, " \n"))
	}
}

// queueStatus says how a peer's queue is, and why it is written to no more.
func queueStatus(m []byte) string {
	s := cmp.Or(strings.TrimPrefix(raw(m, ":status"), ":"), "-")
	if raw(m, ":paused?") == "true" {
		s += ", paused"
	}
	if away := raw(m, ":away-ms"); away != "" && away != "nil" {
		s += ", away " + lasting(away)
	}
	return shown(s)
}

// topEvents says which events wait, and how many of each.
func topEvents(v string) string {
	var all []string
	for c := pipe.Elements([]byte(v)); ; {
		pair, ok := c.Next()
		if !ok {
			break
		}
		var both []string
		for e := pipe.Elements(pair); ; {
			v, ok := e.Next()
			if !ok {
				break
			}
			both = append(both, line(v))
		}
		if len(both) == 2 {
			all = append(all, both[1]+" "+both[0])
		}
	}
	return strings.Join(all, ", ")
}

// number is the text of a number, "-" where there is none.
func number(v string) string {
	if v == "" || v == "nil" {
		return "-"
	}
	return shown(v)
}

func bytesOf(v string) string {
	n, err := strconv.ParseFloat(v, 64)
	switch {
	case err != nil:
		return "-"
	case n < 1024:
		return v
	case n < 1<<20:
		return fmt.Sprintf("%.0f KB", n/1024)
	}
	return fmt.Sprintf("%.1f MB", n/(1<<20))
}

// lasting says how long so many ms are.
func lasting(ms string) string {
	n, err := strconv.ParseInt(ms, 10, 64)
	d := time.Duration(n) * time.Millisecond
	switch {
	case err != nil:
		return "-"
	case d < time.Second:
		return fmt.Sprintf("%d ms", n)
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return d.Round(time.Second).String()
}
