package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/sente-lite/sente-lite/pipe"
)

// doctorCommand checks this machine and what runs on it.
type doctorCommand struct {
	linkFlags
	formFlags
}

// A finding is what one check has found.
type finding struct {
	check  string // what was looked at
	status string // ok, info, warn, fail
	msg    string
	fix    string // what to do; "" where nothing is to be done
}

// An examination collects findings.
type examination struct {
	sys    system
	ctx    context.Context
	loader *Loader
	cfg    *Config // nil if it is bad
	met    []*met  // sidecars that answer
	all    []finding
}

func (x *examination) found(check, status, fix, format string, args ...any) {
	x.all = append(x.all, finding{check, status, fmt.Sprintf(format, args...), fix})
}

func (g *grammar) doctor(sys system) int {
	p := newPrinter(sys, g.Doctor.form())
	ctx, stop := untilSignal()
	defer stop()
	x := &examination{sys: sys, ctx: ctx, loader: g.loader(sys, g.Config)}
	x.binary()
	x.sockets(g.Doctor.linkFlags)
	x.configuration()
	x.addresses()
	x.limits()
	x.pages()
	x.dataDir()
	x.runtimes()
	failed := 0
	for _, f := range x.all {
		if f.status == "fail" {
			failed++
		}
	}
	if err := p.value(x.edn(failed == 0), func(w io.Writer) { p.findings(w, x.all) }); err != nil {
		return p.fail(err)
	}
	if failed > 0 {
		return exitFailed
	}
	return exitDone
}

func (x *examination) edn(ok bool) []byte {
	b := fmt.Appendf(nil, "{:ok? %t :checks [", ok)
	for _, f := range x.all {
		b = fmt.Appendf(b, "{:check :%s :status :%s :message ", f.check, f.status)
		b = append(pipe.AppendString(b, f.msg), " :fix "...)
		if f.fix == "" {
			b = append(b, "nil} "...)
		} else {
			b = append(pipe.AppendString(b, f.fix), "} "...)
		}
	}
	return append(b, "]}"...)
}

func (p *printer) findings(w io.Writer, all []finding) {
	colours := map[string]string{"ok": green, "info": dim, "warn": yellow, "fail": red}
	count := map[string]int{}
	for _, f := range all {
		count[f.status]++
		fmt.Fprintf(w, "%s %-9s %s\n", p.paint(colours[f.status], fmt.Sprintf("%-4s", strings.ToUpper(f.status))), f.check, shown(f.msg))
		if f.fix != "" {
			fmt.Fprintf(w, "               → %s\n", shown(f.fix))
		}
	}
	fmt.Fprintf(w, "\n%d to fix, %d to look at\n", count["fail"], count["warn"])
}

// configuration is what "config check" does.
func (x *examination) configuration() {
	cfg, err := x.loader.Config()
	var bad *ConfigError
	switch {
	case errors.As(err, &bad):
		for _, p := range bad.problems {
			x.found("config", "fail", `correct it; "sente-lite config doc" says what keys take`, "%s", p)
		}
	case err != nil:
		x.found("config", "fail", "", "%v", err)
	default:
		x.cfg = cfg
		x.found("config", "ok", "", "it is good; keys set: %d", len(cfg.settings))
	}
}
