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
	"github.com/sente-lite/sente-lite/pipe/pack"
)

// ledgerCommand shows what has not been delivered, and that all else was.
type ledgerCommand struct {
	Peer  string `placeholder:"UID" help:"Rows of this peer."`
	Why   string `placeholder:"WHY" help:"Rows of one reason, like drop-oldest or expired."`
	Limit int    `default:"100" placeholder:"N" help:"At most so many rows, the newest (100)."`
	watchFlags
	linkFlags
	formFlags
}

func (c *ledgerCommand) run(sys system, p *printer) error {
	request, err := c.request()
	if err != nil {
		return err
	}
	return c.show(c.linkFlags, sys, p, request, func(w io.Writer, ledger []byte, now time.Time) { c.print(p, w, ledger, now) })
}

// request is the event that asks for the rows.
func (c *ledgerCommand) request() ([]byte, error) {
	if c.Limit < 1 {
		return nil, misuse("", "--limit is %d, allowed is at least 1", c.Limit)
	}
	b := fmt.Appendf(nil, "[:sente-lite/ledger {:limit %d", c.Limit)
	if c.Peer != "" {
		b = pipe.AppendString(append(b, " :peer "...), c.Peer)
	}
	if c.Why != "" {
		why := strings.TrimPrefix(c.Why, ":")
		if !pack.IsKeyword([]byte(why)) {
			return nil, misuse("", "--why is %s, allowed is a reason like drop-oldest", quoted(c.Why))
		}
		b = append(append(b, " :why :"...), why...)
	}
	return append(b, "}]"...), nil
}

// print prints the rows as a table, oldest first, and the books behind them.
func (c *ledgerCommand) print(p *printer, w io.Writer, ledger []byte, now time.Time) {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "AT\tPEER\tWHY\tEVENT")
	rows := 0
	for e := pipe.Elements([]byte(raw(ledger, ":rows"))); ; rows++ {
		m, ok := e.Next()
		if !ok {
			break
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", when(raw(m, ":at"), now), shown(text(m, ":peer")), shown(strings.TrimPrefix(raw(m, ":why"), ":")), shown(raw(m, ":event-id")))
	}
	_ = t.Flush() // to memory
	totals := []byte(raw(ledger, ":totals"))
	whose := ""
	if c.Peer != "" {
		whose = shown(c.Peer) + ": "
		totals = ofPeer([]byte(raw(ledger, ":peers")), c.Peer)
	}
	switch {
	case rows > 0:
		fmt.Fprintf(w, "%s\n", b.String())
	case c.Peer != "" && c.Why != "":
		fmt.Fprintf(w, "no rows of %s for %s\n", shown(c.Peer), shown(c.Why))
	case c.Why != "":
		fmt.Fprintf(w, "no rows for %s\n", shown(c.Why))
	case c.Peer != "" && len(totals) == 0:
		fmt.Fprintf(w, "nothing is known of %s; \"sente-lite peers\" lists who is there\n", shown(c.Peer))
		return
	case c.Peer != "":
		fmt.Fprintf(w, "no rows of %s\n", shown(c.Peer))
	case raw(totals, ":undelivered") == "0":
		fmt.Fprintln(w, "nothing was lost")
	default:
		fmt.Fprintln(w, "no rows")
	}
	if n := raw(ledger, ":lost-rows"); n != "" && n != "0" && n != "nil" {
		fmt.Fprintf(w, "%s older rows are no longer kept; they are in the numbers below\n", shown(n))
	}
	if len(totals) > 0 {
		p.books(w, whose, totals)
	}
	if whys := counts([]byte(raw(ledger, ":why"))); whys != "" && c.Peer == "" {
		fmt.Fprintf(w, "not delivered: %s\n", whys)
	}
}

// books prints the one line that adds up, or says by how much it does not.
func (p *printer) books(w io.Writer, whose string, totals []byte) {
	n := func(key string) int64 {
		v, _ := strconv.ParseInt(raw(totals, key), 10, 64)
		return v
	}
	accepted, delivered, queued, undelivered := n(":accepted"), n(":delivered"), n(":queued"), n(":undelivered")
	fmt.Fprintf(w, "%s%d accepted = %d delivered + %d queued + %d not delivered\n", whose, accepted, delivered, queued, undelivered)
	if missing := accepted - delivered - queued - undelivered; missing != 0 {
		fmt.Fprintln(w, p.paint(red, fmt.Sprintf("the books do not balance: %d are not accounted for; this is a bug of the sidecar", missing)))
	}
}

// ofPeer returns what a map has under a uid.
func ofPeer(peers []byte, uid string) []byte {
	for c := pipe.Elements(peers); ; {
		name, ok := c.Next()
		if !ok {
			return nil
		}
		v, _ := c.Next()
		if s, err := pipe.Unquote(name); err == nil && s == uid {
			return v
		}
	}
}

// counts says how many of each name a map has, the most first.
func counts(m []byte) string {
	type one struct {
		name string
		n    int64
	}
	var all []one
	for c := pipe.Elements(m); ; {
		name, ok := c.Next()
		if !ok {
			break
		}
		v, _ := c.Next()
		n, _ := strconv.ParseInt(string(v), 10, 64)
		all = append(all, one{shown(strings.TrimPrefix(string(name), ":")), n})
	}
	slices.SortFunc(all, func(a, b one) int { return cmp.Or(cmp.Compare(b.n, a.n), cmp.Compare(a.name, b.name)) })
	var parts []string
	for _, o := range all {
		parts = append(parts, fmt.Sprintf("%d %s", o.n, o.name))
	}
	return strings.Join(parts, ", ")
}

// when says when something was, of ms since 1970: with the day if that is not
// within a day.
func when(ms string, now time.Time) string {
	n, err := strconv.ParseInt(ms, 10, 64)
	if err != nil {
		return "-"
	}
	at := time.UnixMilli(n)
	if now.Sub(at).Abs() >= 24*time.Hour {
		return at.Format(time.DateTime)
	}
	return at.Format("15:04:05.000")
}
