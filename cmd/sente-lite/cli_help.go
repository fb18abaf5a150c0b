package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/sente-lite/sente-lite/pipe"
)

// Examples end the help of each command.
var examples = map[string][2]string{
	"pipe": {
		`echo '[:sente-lite/peers {}]' | sente-lite pipe`,
		`sente-lite pipe --listen http://127.0.0.1:0`,
	},
	"serve": {
		`sente-lite serve --static public`,
		`sente-lite serve --listen http://127.0.0.1:0 --listen unix:/tmp/chat.sock`,
	},
	"demo": {
		`sente-lite demo`,
		`sente-lite demo --listen http://127.0.0.1:0 --log-level debug`,
	},
	"config": {
		`sente-lite config check sente-lite.edn`,
		`SENTE_LITE_FLOW__MAX_DEPTH=100 sente-lite config check --edn`,
	},
	"config check": {
		`sente-lite config check sente-lite.edn`,
		`SENTE_LITE_FLOW__MAX_DEPTH=100 sente-lite config check --edn`,
	},
	"version": {
		`sente-lite version`,
		`sente-lite version --edn`,
	},
}

// WantsHelp reports whether help is asked for, and the arguments without that.
func wantsHelp(args []string) (asked bool, rest []string) {
	for i, arg := range args {
		switch {
		case arg == "--":
			return asked, append(rest, args[i:]...)
		case arg == "--help", arg == "-h", arg == "help" && i == 0:
			asked = true
		default:
			rest = append(rest, arg)
		}
	}
	return asked, rest
}

// Help prints the help of the command that the arguments begin with.
func help(parser *kong.Kong, args []string, sys system) int {
	node := parser.Model.Node
	for _, arg := range args {
		if strings.HasPrefix(arg, "-") {
			continue
		}
		var names []string
		var next *kong.Node
		for _, c := range node.Children {
			names = append(names, c.Name)
			if c.Name == arg {
				next = c
			}
		}
		if next == nil {
			if node != parser.Model.Node {
				break // an argument of the command
			}
			msg := fmt.Errorf("unknown command %s", arg)
			if near := pipe.Nearest(arg, names); near != "" {
				msg = fmt.Errorf("unknown command %s, did you mean %s?", arg, near)
			}
			return usage(sys, msg)
		}
		node = next
	}
	printHelp(sys.Stdout, node)
	return exitDone
}

func printHelp(w io.Writer, node *kong.Node) {
	if node.Parent == nil {
		printOverview(w, node)
		return
	}
	name := strings.TrimPrefix(node.FullPath(), "sente-lite ")
	fmt.Fprintf(w, "Usage: sente-lite %s", name)
	for _, p := range node.Positional {
		fmt.Fprintf(w, " [%s]", strings.ToUpper(p.Name))
	}
	fmt.Fprintf(w, " [FLAGS]\n\n%s\n", node.Help)
	if len(node.Positional) > 0 {
		fmt.Fprintln(w, "\nArguments:")
		for _, p := range node.Positional {
			row(w, strings.ToUpper(p.Name), p.Help)
		}
	}
	if len(node.Children) > 0 {
		fmt.Fprintln(w, "\nCommands:")
		for _, c := range node.Children {
			row(w, c.Name, c.Help)
		}
	}
	fmt.Fprintln(w, "\nFlags:")
	printFlags(w, node.Flags)
	if name != "version" {
		printFlags(w, root(node).Flags)
	}
	fmt.Fprintf(w, "\nExamples:\n  %s\n  %s\n", examples[name][0], examples[name][1])
}

// PrintOverview is the first screen: 24 lines of 80 columns.
func printOverview(w io.Writer, node *kong.Node) {
	fmt.Fprint(w, "sente-lite joins Babashka scripts, browsers and programs by events.\n\n"+
		"Usage: sente-lite [COMMAND] [FLAGS]     (no command: pipe, under a script)\n")
	group := ""
	for _, c := range node.Children {
		if c.Group != nil && c.Group.Key != group {
			group = c.Group.Key
			fmt.Fprintf(w, "\n%s:\n", group)
		}
		if c.Leaf() {
			row(w, c.Name, c.Help)
		}
		for _, leaf := range c.Children {
			row(w, c.Name+" "+leaf.Name, leaf.Help)
		}
	}
	fmt.Fprintln(w, "\nFlags:")
	printFlags(w, node.Flags)
	fmt.Fprintln(w, "\n\"sente-lite COMMAND --help\" says more about a command, with examples.")
}

func printFlags(w io.Writer, flags []*kong.Flag) {
	for _, f := range flags {
		name := "--" + f.Name
		if !f.IsBool() {
			name += " " + f.PlaceHolder
		}
		row(w, name, f.Help)
	}
}

func row(w io.Writer, name, help string) {
	fmt.Fprintf(w, "  %-19s %s\n", name, strings.TrimSuffix(help, "."))
}

func root(node *kong.Node) *kong.Node {
	for node.Parent != nil {
		node = node.Parent
	}
	return node
}
