package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"
)

// completionCommand prints what a shell needs to complete our command line. It
// is made from the grammar, and complete in itself: no shell calls us for it.
type completionCommand struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

func (c *completionCommand) run(sys system, root *kong.Node) int {
	switch c.Shell {
	case "bash":
		completeBash(sys.Stdout, root)
	case "zsh":
		completeZsh(sys.Stdout, root)
	case "fish":
		completeFish(sys.Stdout, root)
	}
	return exitDone
}

// A completed is a command as completions see it.
type completed struct {
	path  string // "config check"; "" for the program itself
	help  string
	subs  []*kong.Node
	flags []*kong.Flag
	words []string // that an argument may be
}

// completedOf lists a node and all below it.
func completedOf(node *kong.Node) (all []completed) {
	c := completed{help: node.Help, subs: node.Children}
	if node.Parent != nil {
		c.path = commandName(node)
		c.flags = flagsOf(node)
	}
	for _, p := range node.Positional {
		c.words = append(c.words, enumOf(p)...)
	}
	all = append(all, c)
	for _, sub := range node.Children {
		all = append(all, completedOf(sub)...)
	}
	return all
}

// split returns the command that it is one of, "" for none, and its own name.
func (c completed) split() (at, name string) {
	if parent, sub, ok := strings.Cut(c.path, " "); ok {
		return parent, sub
	}
	return "", c.path
}

// enumOf are the words that a value may be: its enum's, or its tag's "words" where the
// command checks them itself.
func enumOf(v *kong.Value) []string {
	words := v.Enum
	if words == "" && v.Tag != nil {
		words = v.Tag.Get("words")
	}
	if words == "" {
		return nil
	}
	return strings.Split(words, ",")
}

// valueKind says what a flag's value is: "file", "dir", "" for anything else.
func valueKind(v *kong.Value, placeholder string) string {
	switch {
	case placeholder == "FILE" || v.Name == "file":
		return "file"
	case placeholder == "DIR" || v.Name == "dir":
		return "dir"
	}
	return ""
}

// topicWords are what may follow help.
func topicWords(root *kong.Node) (words []string) {
	for _, t := range topics() {
		words = append(words, t.name)
	}
	for _, c := range root.Children {
		words = append(words, c.Name)
	}
	return words
}

func nodeNames(nodes []*kong.Node) (names []string) {
	for _, n := range nodes {
		names = append(names, n.Name)
	}
	return names
}

func completeBash(w io.Writer, root *kong.Node) {
	fmt.Fprint(w, `# bash completion for sente-lite: source <(sente-lite completion bash)
_sente_lite() {
  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} path= words= i
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "$path ${COMP_WORDS[i]}" in
`)
	all := completedOf(root)
	for _, c := range all[1:] {
		at, name := c.split()
		fmt.Fprintf(w, "      %q) path=%q ;;\n", at+" "+name, c.path)
	}
	fmt.Fprintf(w, "      \" help\") path=help ;;\n    esac\n  done\n  case \"$prev\" in\n")
	seen := map[string]bool{}
	for _, c := range all {
		for _, f := range c.flags {
			if f.IsBool() || seen[f.Name] {
				continue
			}
			seen[f.Name] = true
			switch kind := valueKind(f.Value, f.PlaceHolder); {
			case kind == "file":
				fmt.Fprintf(w, "    --%s) COMPREPLY=($(compgen -f -- \"$cur\")); return ;;\n", f.Name)
			case kind == "dir":
				fmt.Fprintf(w, "    --%s) COMPREPLY=($(compgen -d -- \"$cur\")); return ;;\n", f.Name)
			case f.Enum != "":
				fmt.Fprintf(w, "    --%s) COMPREPLY=($(compgen -W %q -- \"$cur\")); return ;;\n", f.Name, strings.Join(enumOf(f.Value), " "))
			default:
				fmt.Fprintf(w, "    --%s) return ;;\n", f.Name)
			}
		}
	}
	fmt.Fprint(w, "  esac\n  case \"$path\" in\n")
	for _, c := range all {
		words := append(nodeNames(c.subs), c.words...)
		if c.path == "" {
			words = append(words, "help", "--help", "--version")
		}
		for _, f := range c.flags {
			words = append(words, "--"+f.Name)
		}
		if c.path != "" {
			words = append(words, "--help")
		}
		fmt.Fprintf(w, "    %q) words=%q ;;\n", c.path, strings.Join(words, " "))
	}
	fmt.Fprintf(w, "    help) words=%q ;;\n  esac\n", strings.Join(topicWords(root), " "))
	fmt.Fprint(w, `  COMPREPLY=($(compgen -W "$words" -- "$cur"))
  case "$path" in dev) [[ $cur == -* ]] || COMPREPLY+=($(compgen -d -- "$cur")) ;;
    "config check"|"config show") [[ $cur == -* ]] || COMPREPLY+=($(compgen -f -- "$cur")) ;; esac
}
complete -F _sente_lite sente-lite
`)
}

// zshText is text inside single quotes in zsh's _arguments, where [ ] and : mean
// something. Names like path and commands are taken in zsh.
func zshText(s string) string {
	s = strings.TrimSuffix(s, ".")
	return strings.NewReplacer(`'`, `'\''`, `[`, `\[`, `]`, `\]`, `:`, `\:`).Replace(s)
}

func completeZsh(w io.Writer, root *kong.Node) {
	fmt.Fprint(w, `#compdef sente-lite
# zsh completion for sente-lite: source <(sente-lite completion zsh), or put it as _sente-lite into a folder of $fpath
_sente-lite() {
  local at= i
  for ((i = 2; i < CURRENT; i++)); do
    case "$at ${words[i]}" in
`)
	all := completedOf(root)
	for _, c := range all[1:] {
		at, name := c.split()
		fmt.Fprintf(w, "      '%s %s') at='%s' ;;\n", at, name, c.path)
	}
	fmt.Fprint(w, "      ' help') at=help ;;\n    esac\n  done\n  case $at in\n")
	for _, c := range all {
		fmt.Fprintf(w, "    '%s')\n", c.path)
		if len(c.subs) > 0 {
			fmt.Fprint(w, "      local -a choices=(\n")
			for _, s := range c.subs {
				fmt.Fprintf(w, "        '%s:%s'\n", s.Name, zshText(s.Help))
			}
			if c.path == "" {
				fmt.Fprint(w, "        'help:Pages about topics'\n")
			}
			fmt.Fprint(w, "      )\n      _describe command choices ;;\n")
			continue
		}
		fmt.Fprint(w, "      _arguments")
		for _, f := range c.flags {
			again := ""
			if f.IsSlice() {
				again = "*"
			}
			fmt.Fprintf(w, " \\\n        '%s--%s[%s]%s'", again, f.Name, zshText(f.Help), zshValue(f))
		}
		fmt.Fprintf(w, " \\\n        '--help[Help]' '*:argument:%s' ;;\n", zshArgument(c))
	}
	fmt.Fprintf(w, "    help) compadd %s ;;\n  esac\n}\n", strings.Join(topicWords(root), " "))
	// As a file of $fpath it is called for the first word to complete; sourced, it
	// says what it is for.
	fmt.Fprint(w, "if [[ $funcstack[1] == _sente-lite ]]; then _sente-lite; else compdef _sente-lite sente-lite; fi\n")
}

func zshValue(f *kong.Flag) string {
	if f.IsBool() {
		return ""
	}
	action := " "
	switch kind := valueKind(f.Value, f.PlaceHolder); {
	case kind == "file":
		action = "_files"
	case kind == "dir":
		action = "_files -/"
	case f.Enum != "":
		action = "(" + strings.Join(enumOf(f.Value), " ") + ")"
	}
	return ":" + zshText(f.PlaceHolder) + ":" + action
}

func zshArgument(c completed) string {
	switch {
	case len(c.words) > 0:
		return "(" + strings.Join(c.words, " ") + ")"
	case c.path == "dev":
		return "_files -/"
	case c.path == "config check", c.path == "config show":
		return "_files"
	}
	return " "
}

func fishText(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(strings.TrimSuffix(s, ".")) + "'"
}

func completeFish(w io.Writer, root *kong.Node) {
	fmt.Fprint(w, "# fish completion for sente-lite: sente-lite completion fish | source\ncomplete -c sente-lite -f\n")
	for _, c := range completedOf(root) {
		when := "__fish_use_subcommand"
		if c.path != "" {
			parent, sub, deep := strings.Cut(c.path, " ")
			when = "__fish_seen_subcommand_from " + parent
			if deep {
				when += "; and __fish_seen_subcommand_from " + sub
			} else if len(c.subs) > 0 {
				when += "; and not __fish_seen_subcommand_from " + strings.Join(nodeNames(c.subs), " ")
			}
		}
		line := func(rest string) { fmt.Fprintf(w, "complete -c sente-lite -n %s %s\n", fishText(when), rest) }
		for _, s := range c.subs {
			line("-a " + s.Name + " -d " + fishText(s.Help))
		}
		if c.path == "" {
			line("-a help -d 'Pages about topics'")
		}
		if len(c.words) > 0 {
			line("-a " + fishText(strings.Join(c.words, " ")))
		}
		switch c.path {
		case "dev":
			line("-a '(__fish_complete_directories)'")
		case "config check", "config show":
			line("-F")
		}
		for _, f := range c.flags {
			line("-l " + f.Name + fishValue(f) + " -d " + fishText(f.Help))
		}
	}
	fmt.Fprintf(w, "complete -c sente-lite -n '__fish_seen_subcommand_from help' -a %s\n", fishText(strings.Join(topicWords(root), " ")))
}

func fishValue(f *kong.Flag) string {
	if f.IsBool() {
		return ""
	}
	switch kind := valueKind(f.Value, f.PlaceHolder); {
	case kind == "file":
		return " -r -F"
	case kind == "dir":
		return " -x -a '(__fish_complete_directories)'"
	case f.Enum != "":
		return " -x -a " + fishText(strings.Join(enumOf(f.Value), " "))
	}
	return " -x"
}
