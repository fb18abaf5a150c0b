package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// Exit codes (contract section 1).
const (
	exitDone   = 0
	exitFailed = 1 // while running
	exitUsage  = 2 // bad usage or configuration
)

// System is what a run gets from the operating system.
type system struct {
	Stdin, Stdout, Stderr *os.File
	Environ               []string
	Terminal              bool // stdin is one
}

func (s system) lookup(name string) (string, bool) {
	for _, pair := range s.Environ {
		if k, v, ok := strings.Cut(pair, "="); ok && k == name {
			return v, true
		}
	}
	return "", false
}

// A cliContext is what a command that runs the sidecar works with.
type cliContext struct {
	Config *Config
	Loader *Loader // takes the hello's :config, and later ones

	Stdin, Stdout, Stderr *os.File
	Environ               []string

	Logger   *slog.Logger
	LogLevel *slog.LevelVar // that of Config, until another is set
}

// Grammar is the command line. Kong reads it from the tags; so does the help.
type grammar struct {
	Config    string   `placeholder:"FILE" help:"Configuration: one EDN map."`
	Listen    []string `sep:"none" placeholder:"URL" help:"unix:/path, tcp://host:port, http://host:port; may repeat."`
	Static    *string  `placeholder:"DIR" help:"Folder of pages (public, if there is one)."`
	DataDir   *string  `placeholder:"DIR" help:"Folder for what must last (not used yet)."`
	LogLevel  string   `placeholder:"LEVEL" help:"debug, info, warn or error (info)."`
	LogFormat string   `placeholder:"FORMAT" enum:"text,edn,json" default:"text" help:"Logs as text, edn or json (text)."`
	Set       []string `sep:"none" placeholder:":PATH=EDN" help:"Any key, like :flow/max-depth=100; may repeat."`

	Pipe    pipeCommand    `cmd:"" group:"Run" help:"Sidecar of a script, which speaks on stdin and stdout."`
	Serve   serveCommand   `cmd:"" group:"Run" help:"Server for browsers, scripts and programs."`
	Demo    demoCommand    `cmd:"" group:"Run" help:"Server with pages that show it all working."`
	Check   configCommand  `cmd:"" name:"config" group:"Look" help:"Check the configuration."`
	Version versionCommand `cmd:"" group:"Look" help:"Print the version."`
}

type (
	pipeCommand   struct{}
	serveCommand  struct{}
	demoCommand   struct{}
	configCommand struct {
		Check checkCommand `cmd:"" help:"Check all layers of the configuration, start nothing."`
	}
	checkCommand struct {
		File string `arg:"" optional:"" help:"A configuration file, as with --config."`
		EDN  bool   `name:"edn" help:"Print what was found as one EDN map."`
	}
	versionCommand struct {
		EDN bool `name:"edn" help:"Print one EDN map."`
	}
)

// Run is the program: it returns the exit code.
func run(args []string, sys system) int {
	if g, ok := plainPipe(args, sys); ok {
		return g.start(sys, runPipe)
	}
	var g grammar
	parser, err := kong.New(&g, kong.Name("sente-lite"), kong.NoDefaultHelp(), kong.Exit(func(int) {}))
	if err != nil {
		panic(err) // the grammar is wrong
	}
	if asked, rest := wantsHelp(args); asked {
		return help(parser, rest, sys)
	}
	if args, err = withCommand(parser, args, sys); err != nil {
		return usage(sys, err)
	}
	if args == nil {
		printHelp(sys.Stderr, parser.Model.Node)
		return exitUsage
	}
	parsed, err := parser.Parse(args)
	if err != nil {
		return usage(sys, err)
	}
	switch command, _, _ := strings.Cut(parsed.Command(), " <"); command {
	case "version":
		return printVersion(sys.Stdout, g.Version.EDN)
	case "config check":
		return g.check(sys)
	case "pipe":
		return g.start(sys, runPipe)
	case "serve":
		return g.start(sys, runServe)
	default:
		return g.start(sys, runDemo)
	}
}

// PlainPipe recognises how a script spawns its sidecar: it asks for nothing that
// a parser has to look up, and should not wait the millisecond that one takes.
func plainPipe(args []string, sys system) (g grammar, ok bool) {
	pod, _ := sys.lookup("BABASHKA_POD")
	spawned := len(args) == 0 && !sys.Terminal && pod == ""
	return grammar{LogFormat: "text"}, spawned || len(args) == 1 && args[0] == "pipe"
}

// WithCommand adds the command that is meant where none is given, or returns
// nothing where none can be meant.
func withCommand(parser *kong.Kong, args []string, sys system) ([]string, error) {
	if slices.Contains(args, "--version") {
		return []string{"version"}, nil
	}
	trace, err := kong.Trace(parser, args)
	switch {
	case err != nil:
		return nil, err
	case trace.Error != nil || trace.Selected() != nil:
		return args, nil
	}
	if pod, ok := sys.lookup("BABASHKA_POD"); ok && pod != "" {
		return nil, errors.New("this version is no Babashka pod; start it with babashka.process and \"sente-lite pipe\"")
	}
	if sys.Terminal {
		return nil, nil
	}
	return append([]string{"pipe"}, args...), nil
}

// Usage reports a bad command line. Kong's errors name the nearest command or
// flag.
func usage(sys system, err error) int {
	what := strings.Replace(err.Error(), `expected string value but got "EOL" (<EOL>)`, "expected a value behind it", 1)
	fmt.Fprintf(sys.Stderr, "sente-lite: %v; run \"sente-lite --help\"\n", what)
	return exitUsage
}

// Loader lays file, environment and flags over the defaults.
func (g *grammar) loader(sys system, file string) *Loader {
	l := NewLoader(sys.lookup)
	if file != "" {
		l.File(file)
	}
	l.Environ(sys.Environ)
	for _, arg := range g.Set {
		l.Set(arg)
	}
	if len(g.Listen) > 0 {
		all := make([]any, len(g.Listen))
		for i, url := range g.Listen {
			all[i] = url
		}
		l.Flag("--listen", "listen", all)
	}
	if g.Static != nil {
		l.Flag("--static", "static", *g.Static)
	}
	if g.DataDir != nil {
		l.Flag("--data-dir", "data-dir", *g.DataDir)
	}
	if g.LogLevel != "" {
		l.Level(g.LogLevel)
	}
	return l
}

func (g *grammar) start(sys system, command func(*cliContext) int) int {
	loader := g.loader(sys, g.Config)
	cfg, err := loader.Config()
	if err != nil {
		printProblems(sys.Stderr, err)
		return exitUsage
	}
	level := new(slog.LevelVar)
	level.Set(cfg.LogLevel)
	return command(&cliContext{
		Config:   cfg,
		Loader:   loader,
		Stdin:    sys.Stdin,
		Stdout:   sys.Stdout,
		Stderr:   sys.Stderr,
		Environ:  sys.Environ,
		Logger:   newLogger(sys.Stderr, g.LogFormat, level),
		LogLevel: level,
	})
}

// Check is "config check".
func (g *grammar) check(sys system) int {
	file := g.Check.Check.File
	if file != "" && g.Config != "" {
		return usage(sys, errors.New("a file and --config; expected one of them"))
	}
	if file == "" {
		file = g.Config
	}
	cfg, err := g.loader(sys, file).Config()
	if g.Check.Check.EDN {
		fmt.Fprintf(sys.Stdout, "%s\n", checkedEDN(err))
	}
	if err != nil {
		printProblems(sys.Stderr, err)
		return exitUsage
	}
	fmt.Fprintf(sys.Stderr, "sente-lite: the configuration is good; keys set: %d\n", len(cfg.settings))
	return exitDone
}

func printProblems(w io.Writer, err error) {
	for line := range strings.Lines(err.Error()) {
		fmt.Fprintf(w, "sente-lite: %s\n", strings.TrimSuffix(line, "\n"))
	}
}

func checkedEDN(err error) string {
	var e *ConfigError
	if !errors.As(err, &e) {
		return "{:ok? true :problems []}"
	}
	return "{:ok? false :problems " + e.list() + "}"
}
