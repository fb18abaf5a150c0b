package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"reflect"
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
	Terminal              bool  // stdin is one
	Library               fs.FS // examples and the Clojure library; nil where there are none
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

// Grammar is the command line. Kong reads it from the tags; so do the help, the
// man page and the completions.
type grammar struct {
	settingFlags

	Pipe    pipeCommand    `cmd:"" group:"Run" help:"Sidecar of a script, which speaks on stdin and stdout."`
	Serve   serveCommand   `cmd:"" group:"Run" help:"Server for browsers, scripts and programs."`
	Dev     devCommand     `cmd:"" group:"Run" help:"Server for a folder of pages, with live reload."`
	Demo    demoCommand    `cmd:"" group:"Run" help:"Server with pages that show it all working."`
	Example exampleCommand `cmd:"" group:"Run" help:"Examples to run and to copy."`

	Send   sendCommand   `cmd:"" group:"Talk to a running one" help:"Send an event, to the handler or to peers."`
	Ask    askCommand    `cmd:"" group:"Talk to a running one" help:"Ask the handler or a peer, and print the reply."`
	Peers  peersCommand  `cmd:"" group:"Talk to a running one" help:"Show who is connected."`
	Tail   tailCommand   `cmd:"" group:"Talk to a running one" help:"Show events as they come and go."`
	Queues queuesCommand `cmd:"" group:"Talk to a running one" help:"Show what waits for peers, or pause and resume them."`
	Ledger ledgerCommand `cmd:"" group:"Talk to a running one" help:"Show what was not delivered, and that the books balance."`
	Chaos  chaosCommand  `cmd:"" group:"Talk to a running one" help:"A bad network in front of it, from a seed."`

	Bench   benchCommand   `cmd:"" group:"Look, and the shell" help:"Measure it here, beside the least this machine takes."`
	Doctor  doctorCommand  `cmd:"" group:"Look, and the shell" help:"Check this machine and what runs, and say how to fix it."`
	Check   configCommand  `cmd:"" name:"config" group:"Look, and the shell" help:"The configuration and where it comes from."`
	Version versionCommand `cmd:"" group:"Look, and the shell" help:"Print the version."`

	Completion completionCommand `cmd:"" group:"Look, and the shell" help:"Print completions for bash, zsh or fish."`
	Man        manCommand        `cmd:"" group:"Look, and the shell" help:"Print the man page."`
}

// SettingFlags are those of the configuration, for the commands that have one
// (takesConfig).
type settingFlags struct {
	Config    string   `placeholder:"FILE" help:"Configuration: one EDN map."`
	Listen    []string `sep:"none" placeholder:"URL" help:"unix:/path, tcp://host:port, http://host:port; may repeat."`
	Static    *string  `placeholder:"DIR" help:"Folder of pages (public, if there is one)."`
	DataDir   *string  `placeholder:"DIR" help:"Folder for what must outlive it (none)."`
	LogLevel  string   `placeholder:"LEVEL" help:"debug, info, warn or error (info)."`
	LogFormat string   `placeholder:"FORMAT" enum:"text,edn,json" default:"text" help:"Logs as text, edn or json (text)."`
	Set       []string `sep:"none" placeholder:":PATH=EDN" help:"Any key, like :flow/max-depth=100; may repeat."`
}

type (
	pipeCommand   struct{}
	serveCommand  struct{}
	demoCommand   struct{}
	configCommand struct {
		Check checkCommand `cmd:"" help:"Check all layers of the configuration, start nothing."`
		Show  showCommand  `cmd:"" help:"Show every value, and where it comes from."`
		Doc   docCommand   `cmd:"" help:"Show what every key means and takes."`
	}
	checkCommand struct {
		File string `arg:"" optional:"" help:"A configuration file, as with --config."`
		formFlags
	}
	versionCommand struct{ formFlags }
)

// Run is the program: it returns the exit code.
func run(args []string, sys system) int {
	if g, command := plain(args, sys); command != nil {
		return g.start(sys, command)
	}
	var g grammar
	parser := newParser(&g)
	if word, rest := wantsHelp(args); word != "" {
		return help(parser, word, rest, sys)
	}
	said := args
	args, err := withCommand(parser, args, sys)
	if err != nil {
		return usage(sys, said, err)
	}
	if args == nil {
		printHelp(sys.Stderr, parser.Model.Node)
		return exitUsage
	}
	parsed, err := parser.Parse(args)
	if err != nil {
		return usage(sys, said, err)
	}
	command, _, _ := strings.Cut(parsed.Command(), " <")
	if err := cmp.Or(strayFlag(parsed, command), emptyArgument(parsed)); err != nil {
		return usage(sys, said, err)
	}
	return g.run(command, parser, sys)
}

func newParser(g *grammar) *kong.Kong {
	parser, err := kong.New(g, kong.Name("sente-lite"), kong.NoDefaultHelp(), kong.Exit(func(int) {}))
	if err != nil {
		panic(err) // the grammar is wrong
	}
	return parser
}

// run runs one command.
func (g *grammar) run(command string, parser *kong.Kong, sys system) int {
	switch command {
	case "pipe":
		return g.start(sys, runPipe)
	case "serve":
		return g.start(sys, runServe)
	case "dev":
		return g.dev(sys)
	case "demo":
		return g.start(sys, runDemo)
	case "example list":
		return perform(sys, g.Example.List.form(), g.Example.List.run)
	case "example run":
		return perform(sys, g.Example.Run.form(), g.Example.Run.run)
	case "send":
		return perform(sys, g.Send.form(), g.Send.run)
	case "ask":
		return perform(sys, g.Ask.form(), g.Ask.run)
	case "peers":
		return perform(sys, g.Peers.form(), g.Peers.run)
	case "tail":
		return perform(sys, g.Tail.form(), g.Tail.run)
	case "chaos":
		return perform(sys, formText, func(sys system, p *printer) error { return g.Chaos.run(sys, p, g.Listen) })
	case "queues":
		return perform(sys, g.Queues.form(), g.Queues.run)
	case "ledger":
		return perform(sys, g.Ledger.form(), g.Ledger.run)
	case "bench":
		return perform(sys, g.Bench.form(), g.Bench.run)
	case "doctor":
		return g.doctor(sys)
	case "config check":
		return g.check(sys)
	case "config show":
		return g.show(sys)
	case "config doc":
		return perform(sys, g.Check.Doc.form(), g.Check.Doc.run)
	case "completion":
		return g.Completion.run(sys, parser.Model.Node)
	case "man":
		return printMan(sys, parser.Model.Node)
	default:
		return perform(sys, g.Version.form(), g.Version.run)
	}
}

// takesConfig reports whether a command has a configuration, and with it the
// flags of the grammar itself.
func takesConfig(command string) bool {
	switch command {
	case "pipe", "serve", "dev", "demo", "doctor", "config check", "config show":
		return true
	}
	return false
}

// takesFlag reports whether a command takes a flag of the grammar itself.
func takesFlag(command, flag string) bool {
	return takesConfig(command) || command == "chaos" && flag == "listen"
}

// strayFlag finds a flag of the configuration at a command that has none.
func strayFlag(parsed *kong.Context, command string) error {
	for _, p := range parsed.Path {
		if p.Flag != nil && !takesFlag(command, p.Flag.Name) && slices.Contains(parsed.Model.Node.Flags, p.Flag) {
			return fmt.Errorf("--%s is for commands that have a configuration, which %s has not", p.Flag.Name, command)
		}
	}
	return nil
}

// emptyArgument finds an argument that was given and has nothing in it: a shell's
// variable, perhaps, that is not set. Where an empty one means something it is a
// pointer.
func emptyArgument(parsed *kong.Context) error {
	for _, p := range parsed.Path {
		var name string
		var v reflect.Value
		switch {
		case p.Flag != nil:
			name, v = "--"+p.Flag.Name, p.Flag.Target
		case p.Positional != nil:
			name, v = "<"+p.Positional.Name+">", p.Positional.Target
		default:
			continue
		}
		switch all := v.Interface().(type) {
		case string:
			if all != "" {
				continue
			}
		case []string:
			if !slices.Contains(all, "") {
				continue
			}
		default:
			continue
		}
		return fmt.Errorf("%s is empty; expected a value", name)
	}
	return nil
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
func usage(sys system, args []string, err error) int {
	const behind = "expected a value behind it"
	unknown := "unexpected argument "
	if e := (*kong.ParseError)(nil); errors.As(err, &e) {
		if at := e.Context.Selected(); at == nil || len(at.Children) > 0 {
			unknown = "unknown command "
		}
	}
	what := strings.NewReplacer("unexpected argument ", unknown, `expected string value but got "EOL" (<EOL>)`, behind, `missing value, expecting "<arg>"`, behind).Replace(err.Error())
	if f := formOf(args); f != formText {
		return newPrinter(sys, f).fail(misuse(`run "sente-lite --help"`, "%s", what))
	}
	fmt.Fprintf(sys.Stderr, "sente-lite: %v; run \"sente-lite --help\"\n", what)
	return exitUsage
}

// Loader lays file, environment and flags over the defaults.
func (g *settingFlags) loader(sys system, file string) *Loader {
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

func (g *settingFlags) start(sys system, command func(*cliContext) int) int {
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
	p := newPrinter(sys, g.Check.Check.form())
	loader, err := g.layers(sys, g.Check.Check.File)
	if err != nil {
		return p.fail(err)
	}
	cfg, err := loader.Config()
	if p.form != formText {
		if failed := p.value([]byte(checkedEDN(err)), nil); failed != nil {
			return p.fail(failed)
		}
	}
	if err != nil {
		if p.form == formText {
			printProblems(sys.Stderr, err)
		}
		return exitUsage
	}
	if p.form == formText {
		fmt.Fprintf(sys.Stderr, "sente-lite: the configuration is good; keys set: %d\n", len(cfg.settings))
	}
	return exitDone
}

// layers is loader for a command that takes the file as its argument too.
func (g *grammar) layers(sys system, file string) (*Loader, error) {
	if file != "" && g.Config != "" {
		return nil, misuse("", "a file and --config; expected one of them")
	}
	if file == "" {
		file = g.Config
	}
	return g.loader(sys, file), nil
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
