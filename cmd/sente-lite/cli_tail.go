package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sente-lite/sente-lite/pipe"
)

// tailCommand shows events as they come and go.
type tailCommand struct {
	Pattern []string `arg:"" optional:"" sep:"none" help:"Names of events, like chat/msg or 'chat/*' (all)."`
	UID     []string `name:"uid" sep:"none" placeholder:"UID" help:"What these peers say and get; may repeat."`
	In      bool     `xor:"dir" help:"What peers say."`
	Out     bool     `xor:"dir" help:"What peers get."`
	Fields  []string `placeholder:"NAMES" help:"Of at, dir, uid, event, cb (at,dir,uid,event)."`
	linkFlags
	formFlags
}

var tailFields = []string{"at", "dir", "uid", "event", "cb", "bytes", "skipped"}

func (c *tailCommand) run(sys system, p *printer) error {
	for _, f := range c.Fields {
		if !slices.Contains(tailFields, f) {
			hint := "known are " + strings.Join(tailFields, ", ")
			if near := pipe.Nearest(f, tailFields); near != "" {
				hint = "did you mean " + near + "?"
			}
			return misuse(hint, "--fields has no field %s", quoted(f))
		}
	}
	request, err := c.request()
	if err != nil {
		return err
	}
	ctx, stop := untilSignal()
	defer stop()
	ctx, end := context.WithCancel(ctx)
	defer end()
	var failed error // of the reading goroutine, until that has ended
	link, err := c.dial(ctx, sys, func(i pipe.Item) {
		if failed == nil && string(i.Name) == "sente-lite/tailed" {
			if failed = c.row(p, i.Body); failed != nil {
				end()
			}
		}
	})
	if err != nil {
		return err
	}
	if _, err := link.soon(ctx, request); err != nil {
		link.close()
		return err
	}
	select {
	case <-link.ended:
		return cmp.Or(failed, link.end())
	case <-ctx.Done():
		return link.leave(&failed)
	}
}

// request is the event that asks for the rows.
func (c *tailCommand) request() ([]byte, error) {
	b := []byte("[:sente-lite/tail {")
	list := func(key string, all []string) error {
		if len(all) == 0 {
			return nil
		}
		b = append(append(b, key...), " ["...)
		for _, s := range all {
			if s == "" {
				return misuse("leave it out for all", "an empty pattern or uid")
			}
			b = append(pipe.AppendString(b, s), ' ')
		}
		b = append(b, "] "...)
		return nil
	}
	patterns := make([]string, len(c.Pattern))
	for i, p := range c.Pattern {
		patterns[i] = strings.TrimPrefix(p, ":")
		if p != "*" && !strings.Contains(p, "/") {
			return nil, misuse("all events of a namespace are '"+patterns[i]+"/*'", "the pattern %s has no namespace", quoted(p))
		}
	}
	if err := errors.Join(list(":events", patterns), list(":uids", c.UID)); err != nil {
		return nil, err
	}
	switch {
	case c.In:
		b = append(b, ":dir :in"...)
	case c.Out:
		b = append(b, ":dir :out"...)
	}
	return append(b, "}]"...), nil
}

// row prints one event, on one line.
func (c *tailCommand) row(p *printer, m []byte) error {
	if p.form != formText {
		if len(c.Fields) > 0 {
			b := []byte("{")
			for _, f := range c.Fields {
				if v, ok := lookup(m, ":"+f); ok {
					b = fmt.Appendf(b, ":%s %s ", f, v)
				}
			}
			m = append(b, '}')
		}
		return p.value(m, nil)
	}
	fields := c.Fields
	if len(fields) == 0 {
		fields = tailFields[:4]
	}
	return p.value(m, func(w io.Writer) {
		if n := raw(m, ":skipped"); n != "" {
			fmt.Fprintln(w, p.paint(yellow, "… "+n+" events were left out: they came faster than they could be shown"))
		}
		for i, f := range fields {
			if i > 0 {
				fmt.Fprint(w, "  ")
			}
			fmt.Fprint(w, p.field(m, f))
		}
		if size := raw(m, ":bytes"); size != "" && slices.Contains(fields, "event") {
			fmt.Fprint(w, p.paint(dim, "  … "+size+" bytes"))
		}
		fmt.Fprintln(w)
	})
}

func (p *printer) field(m []byte, name string) string {
	switch name {
	case "at":
		ms, _ := strconv.ParseInt(raw(m, ":at"), 10, 64)
		return p.paint(dim, time.UnixMilli(ms).Format("15:04:05.000"))
	case "dir":
		if raw(m, ":dir") == ":in" {
			return p.paint(green, "in ")
		}
		return p.paint(yellow, "out")
	case "uid":
		return p.paint(bold, shown(text(m, ":uid")))
	}
	v, _ := lookup(m, ":"+name)
	return line(v)
}
