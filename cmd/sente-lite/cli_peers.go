package main

import (
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
	watchFlags
	linkFlags
	formFlags
}

func (c *peersCommand) run(sys system, p *printer) error {
	return c.show(c.linkFlags, sys, p, []byte("[:sente-lite/peers {}]"), p.peers)
}

// peers prints a table, a row for each of the peers. It has a column that says how
// long those are away that may come back, and one that says what compression has made
// of what was sent, where there are any.
func (p *printer) peers(w io.Writer, peers []byte, now time.Time) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	away := func(m []byte) bool { v := raw(m, ":away-ms"); return v != "" && v != "nil" }
	anyAway, anyPacked := false, false
	for c := pipe.Elements(peers); ; {
		m, ok := c.Next()
		if !ok {
			break
		}
		anyAway = anyAway || away(m)
		anyPacked = anyPacked || compressed(m) != "-"
	}
	fmt.Fprint(t, "UID\tROLE\tTRANSPORT\tSINCE\tQUEUE\tRTT")
	if anyAway {
		fmt.Fprint(t, "\tAWAY")
	}
	if anyPacked {
		fmt.Fprint(t, "\tSENT")
	}
	fmt.Fprintln(t)
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
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s", shown(text(m, ":uid")), strings.TrimPrefix(raw(m, ":role"), ":"),
			strings.TrimPrefix(raw(m, ":transport"), ":"), ago(now.Sub(time.UnixMilli(since))), queue(raw(m, ":queue")), rtt)
		switch {
		case away(m):
			fmt.Fprintf(t, "\t%s", lasting(raw(m, ":away-ms")))
		case anyAway:
			fmt.Fprint(t, "\t-")
		}
		if anyPacked {
			fmt.Fprintf(t, "\t%s", compressed(m))
		}
		fmt.Fprintln(t)
	}
	_ = t.Flush() // to memory
}

// compressed says how much was sent to a peer as how much, - where that is the same.
func compressed(m []byte) string {
	sent := []byte(raw(m, ":sent"))
	wire, was := raw(sent, ":bytes"), raw(sent, ":unpacked")
	few, err1 := strconv.ParseUint(wire, 10, 64)
	many, err2 := strconv.ParseUint(was, 10, 64)
	if err1 != nil || err2 != nil || few >= many {
		return "-"
	}
	return bytesOf(was) + " as " + bytesOf(wire)
}

// queue says how many events wait for a peer, how many more it has not
// acknowledged, and how large they are if that is much.
func queue(m string) string {
	size, unacked, bytes := raw([]byte(m), ":size"), raw([]byte(m), ":unacked"), raw([]byte(m), ":bytes")
	var more []string
	if n, err := strconv.ParseInt(unacked, 10, 64); err == nil && n > 0 {
		more = append(more, "+"+unacked)
	}
	if n, err := strconv.ParseFloat(bytes, 64); err == nil && n >= 1024 {
		more = append(more, fmt.Sprintf("%.0f KB", n/1024))
	}
	if len(more) > 0 {
		return fmt.Sprintf("%s (%s)", size, strings.Join(more, ", "))
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
