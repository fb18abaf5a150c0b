package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/sente-lite/sente-lite/pipe"
	"github.com/sente-lite/sente-lite/pipe/pack"
)

// formFlags choose the form of what a command prints. Programs get the same
// content as people, an error included, as one value a line on stdout; then
// nothing is on stderr.
type formFlags struct {
	EDN  bool `name:"edn" xor:"form" help:"Print EDN, errors too: one value a line on stdout."`
	JSON bool `name:"json" xor:"form" help:"Print JSON likewise."`
}

// A form is what is printed: text for people, EDN or JSON.
type form uint8

const (
	formText form = iota
	formEDN
	formJSON
)

func (f formFlags) form() form {
	switch {
	case f.EDN:
		return formEDN
	case f.JSON:
		return formJSON
	}
	return formText
}

// formOf finds the form in arguments that could not be parsed. On the stdout of
// those who run stands nothing but what they say when they run.
func formOf(args []string) form {
	if i := slices.Index(args, "--"); i >= 0 {
		args = args[:i]
	}
	first := slices.IndexFunc(args, func(arg string) bool { return !strings.HasPrefix(arg, "-") })
	if first < 0 || slices.Contains([]string{"pipe", "serve", "dev", "demo", "chaos"}, args[first]) {
		return formText
	}
	return formFlags{EDN: slices.Contains(args, "--edn"), JSON: slices.Contains(args, "--json")}.form()
}

// A printer is a command's stdout and stderr.
type printer struct {
	out, err io.Writer
	form     form
	terminal bool // stdout is one
	colours  bool
}

func newPrinter(sys system, f form) *printer {
	p := &printer{out: sys.Stdout, err: sys.Stderr, form: f, terminal: sys.Stdout != nil && isTerminal(sys.Stdout)}
	none, _ := sys.lookup("NO_COLOR")
	term, _ := sys.lookup("TERM")
	p.colours = p.terminal && none == "" && term != "dumb" && f == formText
	return p
}

// value prints a value: its EDN text, in the form that is wanted; or, for
// people, what human writes.
func (p *printer) value(edn []byte, human func(io.Writer)) error {
	var b bytes.Buffer
	switch p.form {
	case formText:
		human(&b)
		_, err := p.out.Write(b.Bytes())
		return err
	case formEDN:
		b.Write(pipe.AppendLine(nil, edn))
	case formJSON:
		packed, err := pack.JSON.Pack(nil, edn)
		if err != nil {
			return &pipe.Error{Category: pipe.Unsupported, Code: "no-json", Msg: "the value has no JSON form: " + plainly(err), Hint: "--edn prints it"}
		}
		b.Write(packed)
	}
	b.WriteByte('\n')
	_, err := p.out.Write(p.plain(b.Bytes()))
	return err
}

// plain makes what a terminal would obey into what it shows: a peer's text must
// not move the cursor. In EDN's and JSON's strings the escape means the same.
func (p *printer) plain(b []byte) []byte {
	if p.terminal && p.form != formText {
		return []byte(shown(string(b[:len(b)-1])) + "\n")
	}
	return b
}

// shown is plain for text of others that people read.
func shown(s string) string {
	control := func(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 }
	if !strings.ContainsFunc(s, control) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if control(r) {
			fmt.Fprintf(&b, `\u%04x`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// line is the text of a value, as one line that is harmless.
func line(edn []byte) string { return shown(string(pipe.AppendLine(nil, edn))) }

const (
	bold   = "1"
	dim    = "2"
	red    = "31"
	green  = "32"
	yellow = "33"
)

func (p *printer) paint(style, s string) string {
	if !p.colours {
		return s
	}
	return "\x1b[" + style + "m" + s + "\x1b[0m"
}

// perform runs a command and returns its exit code.
func perform(sys system, f form, command func(system, *printer) error) int {
	p := newPrinter(sys, f)
	if err := command(sys, p); err != nil {
		return p.fail(err)
	}
	return exitDone
}

// fail tells an error, and returns the exit code that it has.
func (p *printer) fail(err error) int {
	code := exitFailed
	if errors.As(err, new(usageError)) {
		code = exitUsage
	}
	bad := wireError(err)
	if p.form != formText {
		m := bad.AppendEDN(nil)
		m = m[len("[:sente-lite/error ") : len(m)-1]
		if p.value(m, nil) == nil {
			return code
		}
	}
	fmt.Fprintf(p.err, "sente-lite: %s\n", shown(bad.Msg))
	if bad.Hint != "" {
		fmt.Fprintf(p.err, "  %s\n", shown(bad.Hint))
	}
	return code
}

// A usageError is bad usage: exit code 2.
type usageError struct{ bad *pipe.Error }

func (e usageError) Error() string { return e.bad.Msg }
func (e usageError) Unwrap() error { return e.bad }

func misuse(hint, format string, args ...any) error {
	return usageError{&pipe.Error{Category: pipe.Incorrect, Code: "bad-usage", Msg: fmt.Sprintf(format, args...), Hint: hint}}
}

// untilSignal returns a context that a signal ends; a second one ends the
// process at once.
func untilSignal() (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}
