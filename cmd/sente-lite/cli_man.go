package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"
)

// manCommand prints the man page, in roff.
type manCommand struct{}

func printMan(sys system, root *kong.Node) int {
	writeMan(sys.Stdout, root)
	return exitDone
}

// roff is text that means nothing to roff.
func roff(s string) string {
	s = strings.NewReplacer(`\`, `\e`, `-`, `\-`, `'`, `\(aq`, "…", `\&...`).Replace(s)
	if strings.HasPrefix(s, ".") {
		s = `\&` + s
	}
	return s
}

func writeMan(w io.Writer, root *kong.Node) {
	fmt.Fprintf(w, ".TH SENTE\\-LITE 1 \"\" \"sente\\-lite %s\" \"User Commands\"\n", version)
	fmt.Fprintln(w, ".SH NAME\nsente\\-lite \\- joins Babashka scripts, browsers and programs by events")
	fmt.Fprintln(w, ".SH SYNOPSIS\n.B sente\\-lite\n[\\fICOMMAND\\fR] [\\fIFLAGS\\fR]")
	fmt.Fprintln(w, ".SH DESCRIPTION\nA script spawns it and speaks EDN on its stdin and stdout; browsers, programs on Unix sockets and on TCP\n"+
		"are equal peers, and all of them exchange Clojure events. Without a command it is\n.BR pipe ,\nwhere stdin is no terminal.")
	fmt.Fprintln(w, ".SH COMMANDS")
	var command func(n *kong.Node)
	command = func(n *kong.Node) {
		if len(n.Children) == 0 {
			fmt.Fprintf(w, ".SS %s\n%s\n", roff(synopsis(n)), roff(n.Help))
			for _, p := range n.Positional {
				fmt.Fprintf(w, ".TP\n.I %s\n%s\n", roff(strings.ToUpper(p.Name)), roff(p.Help))
			}
			for _, f := range n.Flags {
				manFlag(w, f)
			}
			if takesConfig(commandName(n)) {
				fmt.Fprintln(w, ".PP\nIt takes the flags of the configuration, below.")
			}
			ex := examples[commandName(n)]
			fmt.Fprintf(w, ".PP\n.EX\n%s\n%s\n.EE\n", roff(ex[0]), roff(ex[1]))
		}
		for _, c := range n.Children {
			command(c)
		}
	}
	for _, c := range root.Children {
		command(c)
	}
	fmt.Fprintln(w, ".SH FLAGS OF THE CONFIGURATION")
	for _, f := range root.Flags {
		manFlag(w, f)
	}
	fmt.Fprintln(w, ".SH ENVIRONMENT")
	for _, v := range [][2]string{
		{"SENTE_LITE_URL", "The sidecar that commands talk to, where there is no --to."},
		{"SENTE_LITE_TOKEN", "The token for it, where there is no --token-file."},
		{"SENTE_LITE_BIN", "Where scripts find this program."},
		{"SENTE_LITE_KEY__KEY", "A key of the configuration, as EDN: SENTE_LITE_FLOW__MAX_DEPTH=100."},
		{"XDG_RUNTIME_DIR", "Where the default sockets are, in a folder sente-lite."},
		{"NO_COLOR", "No colours, if it is set. There are none but on a terminal."},
	} {
		fmt.Fprintf(w, ".TP\n.B %s\n%s\n", roff(v[0]), roff(v[1]))
	}
	fmt.Fprintln(w, ".SH EXIT STATUS\n.TP\n.B 0\nDone.\n.TP\n.B 1\nFailed while running: nobody there, refused, no reply in time.\n.TP\n.B 2\nBad usage or configuration.")
	fmt.Fprintln(w, ".SH SEE ALSO")
	for _, t := range topics() {
		fmt.Fprintf(w, ".B sente\\-lite help %s\n.br\n", roff(t.name))
	}
}

func manFlag(w io.Writer, f *kong.Flag) {
	fmt.Fprintf(w, ".TP\n.B %s\n%s\n", roff(flagUsage(f)), roff(f.Help))
}
