package main

import (
	"fmt"
	"io"
	"slices"
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
	"config show": {
		`sente-lite config show --config sente-lite.edn`,
		`SENTE_LITE_LOG_LEVEL=:debug sente-lite config show --edn`,
	},
	"config doc": {
		`sente-lite config doc :flow`,
		`sente-lite config doc --json`,
	},
	"dev": {
		`sente-lite dev public`,
		`sente-lite dev site --listen http://127.0.0.1:0 --listen unix:/tmp/site.sock`,
	},
	"example": {
		`sente-lite example list`,
		`sente-lite example run chat`,
	},
	"example list": {
		`sente-lite example list`,
		`sente-lite example list --edn`,
	},
	"example run": {
		`sente-lite example run chat`,
		`sente-lite example run chat --dir my-chat`,
	},
	"send": {
		`sente-lite send --all '[:chat/said {:text "hello"}]'`,
		`sente-lite send --channel lobby '{:text "hello"}' --to http://127.0.0.1:8090`,
	},
	"ask": {
		`sente-lite ask '[:math/add [1 2]]'`,
		`sente-lite ask --uid ada --timeout 2m '[:ui/ask "Ready?"]' --json`,
	},
	"peers": {
		`sente-lite peers --watch`,
		`SENTE_LITE_URL=unix:/tmp/chat.sock sente-lite peers --json`,
	},
	"tail": {
		`sente-lite tail 'chat/*' --in`,
		`sente-lite tail --uid ada --fields at,event --edn`,
	},
	"chaos": {
		`sente-lite chaos --to http://127.0.0.1:8090 --delay 20ms..50ms --cut 1k..64k`,
		`sente-lite chaos --seed 7 --torn 8 --drop-close 0.2 --plan 5`,
	},
	"queues": {
		`sente-lite queues --watch`,
		`sente-lite queues pause ada`,
	},
	"ledger": {
		`sente-lite ledger --peer ada`,
		`sente-lite ledger --why expired --limit 1000 --json`,
	},
	"bench": {
		`sente-lite bench echo packers`,
		`sente-lite bench --edn --time 5s > before.edn`,
	},
	"doctor": {
		`sente-lite doctor`,
		`sente-lite doctor --config sente-lite.edn --json`,
	},
	"completion": {
		`source <(sente-lite completion bash)`,
		`sente-lite completion fish > ~/.config/fish/completions/sente-lite.fish`,
	},
	"man": {
		`sente-lite man > ~/.local/share/man/man1/sente-lite.1`,
		`sente-lite man | man -l -`,
	},
	"version": {
		`sente-lite version`,
		`sente-lite version --edn`,
	},
}

// WantsHelp reports whether help is asked for, and by which word, and the
// arguments without that.
func wantsHelp(args []string) (word string, rest []string) {
	for i, arg := range args {
		switch {
		case arg == "--":
			return word, append(rest, args[i:]...)
		case arg == "--help", arg == "-h", arg == "help" && i == 0:
			word = arg
		default:
			rest = append(rest, arg)
		}
	}
	return word, rest
}

// Help prints the help of the command that the arguments begin with, or the
// page of a topic. Where a topic is called as a command is, "help NAME" is the
// topic's and "NAME --help" the command's.
func help(parser *kong.Kong, word string, args []string, sys system) int {
	if word == "help" && len(args) == 1 {
		if page := topicNamed(args[0]); page != nil {
			fmt.Fprintf(sys.Stdout, "%s\n", strings.TrimRight(page(), "\n"))
			return exitDone
		}
	}
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
			for _, t := range topics() {
				names = append(names, t.name)
			}
			msg := fmt.Errorf("unknown command %s", arg)
			if near := pipe.Nearest(arg, names); near != "" {
				msg = fmt.Errorf("unknown command %s, did you mean %s?", arg, near)
			}
			return usage(sys, args, msg)
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
	name := commandName(node)
	fmt.Fprintf(w, "Usage: sente-lite %s\n\n%s\n", synopsis(node), node.Help)
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
	if flags := flagsOf(node); len(flags) > 0 {
		fmt.Fprintln(w, "\nFlags:")
		for _, f := range flags {
			row(w, flagUsage(f), f.Help)
		}
	}
	fmt.Fprintf(w, "\nExamples:\n  %s\n  %s\n", examples[name][0], examples[name][1])
}

func commandName(node *kong.Node) string { return strings.TrimPrefix(node.FullPath(), "sente-lite ") }

// synopsis is how a command is used.
func synopsis(node *kong.Node) string {
	s := commandName(node)
	if len(node.Children) > 0 {
		s += " COMMAND"
	}
	for _, p := range node.Positional {
		name := strings.ToUpper(p.Name)
		if p.IsCumulative() && !strings.EqualFold(p.Name, "event") { // of which there is one
			name += "…"
		}
		if p.Required {
			s += " " + name
		} else {
			s += " [" + name + "]"
		}
	}
	if len(flagsOf(node)) > 0 {
		s += " [FLAGS]"
	}
	return s
}

// flagsOf returns the flags that a command takes.
func flagsOf(node *kong.Node) []*kong.Flag {
	flags := slices.Clone(node.Flags)
	if node.Parent != nil {
		for _, f := range root(node).Flags {
			running := node.Group != nil && node.Group.Key == "Run"
			switch {
			case !takesFlag(commandName(node), f.Name):
			case strings.HasPrefix(f.Name, "log-") && !running: // it logs nothing
			case f.Name == "static" && node.Name == "dev": // which has its DIR
			default:
				flags = append(flags, f)
			}
		}
	}
	return flags
}

func flagUsage(f *kong.Flag) string {
	if f.IsBool() {
		return "--" + f.Name
	}
	return "--" + f.Name + " " + f.PlaceHolder
}

// PrintOverview is the first screen: 24 lines of 80 columns.
func printOverview(w io.Writer, node *kong.Node) {
	fmt.Fprint(w, "sente-lite joins Babashka scripts, browsers and programs by events.\n"+
		"Usage: sente-lite [COMMAND] [FLAGS]     (no command: pipe, under a script)\n")
	group := ""
	for _, c := range node.Children {
		if c.Group != nil && c.Group.Key != group {
			group = c.Group.Key
			fmt.Fprintf(w, "%s:\n", group)
		}
		name := c.Name
		for _, leaf := range c.Children {
			name += " " + leaf.Name
		}
		text := c.Help
		switch c.Name { // two of a kind share a line
		case "completion":
			name, text = "completion, man", "Print completions for bash, zsh or fish; the man page."
		case "man":
			continue
		}
		fmt.Fprintf(w, "  %-21s %s\n", name, strings.TrimSuffix(text, "."))
	}
	names := make([]string, len(topics()))
	for i, t := range topics() {
		names[i] = t.name
	}
	fmt.Fprintf(w, "\"help TOPIC\": %s\n", strings.Join(names, " "))
	fmt.Fprintln(w, "\"sente-lite COMMAND --help\" says more about a command, with examples.")
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
