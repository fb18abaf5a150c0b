package main

import (
	"bytes"
	"errors"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/alecthomas/kong"
	"github.com/sente-lite/sente-lite/pipe"
)

func TestHelpFitsAScreen(t *testing.T) {
	parser, err := kong.New(new(grammar), kong.Name("sente-lite"), kong.NoDefaultHelp())
	if err != nil {
		t.Fatal(err)
	}
	var check func(n *kong.Node)
	check = func(n *kong.Node) {
		var b bytes.Buffer
		printHelp(&b, n)
		if lines := strings.Count(b.String(), "\n"); lines > 24 {
			t.Errorf("the help of %s has %d lines", n.FullPath(), lines)
		}
		for line := range strings.Lines(b.String()) {
			if utf8.RuneCountInString(line) > 81 {
				t.Errorf("the help of %s is wide: %s", n.FullPath(), line)
			}
		}
		if n.Parent != nil {
			name := strings.TrimPrefix(n.FullPath(), "sente-lite ")
			if !strings.HasSuffix(b.String(), "\nExamples:\n  "+examples[name][0]+"\n  "+examples[name][1]+"\n") || examples[name][0] == "" {
				t.Errorf("the help of %s does not end with two examples:\n%s", name, b.String())
			}
		}
		for _, c := range n.Children {
			check(c)
		}
	}
	check(parser.Model.Node)
}

func TestEDNLog(t *testing.T) {
	var b bytes.Buffer
	level := new(slog.LevelVar)
	log := newLogger(&b, "edn", level)
	log.Debug("not said")
	log = log.With("peer", "u1").WithGroup("link").With("n", 1)
	log.Info("said \"it\"\n", "f", 1.0, "nan", math.NaN(), "big", uint64(math.MaxUint64), "ok", true, "none", nil,
		"took", 25*time.Millisecond, "odd key", 'x', "err", errors.New("no\xffpe"), slog.Group("g", "a", -0.5), slog.Group("empty"))
	line := b.String()
	if strings.Count(line, "\n") != 1 || !strings.HasSuffix(line, "\n") {
		t.Fatalf("got %q", line)
	}
	if _, err := pipe.Check([]byte(line), pipe.Limits{}); err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	_, rest, _ := strings.Cut(line, `-00:00" `)
	want := `:level :info :msg "said \"it\"\n" :peer "u1" :link {:n 1 :f 1.0 :nan ##NaN :big 18446744073709551615 :ok true :none nil :took "25ms" "odd key" 120 :err "no` + "\uFFFD" + `pe" :g {:a -0.5}}}` + "\n"
	if rest != want {
		t.Errorf("\n got %swant %s", rest, want)
	}
	level.Set(slog.LevelWarn)
	b.Reset()
	log.Info("not said")
	if b.Len() != 0 {
		t.Errorf("got %s", b.String())
	}
}

// The pages of topics are those that lie beside the code, and fit a screen or
// two.
func TestTopics(t *testing.T) {
	beside := map[string]string{"delivery": "pipe", "transports": "pipe/transport", "packers": "pipe/pack", "security": "bridge/web",
		"children": "bridge/child", "clojure": "bb"}
	for _, topic := range topics() {
		page := topic.page()
		if !strings.HasPrefix(page, "# ") {
			t.Errorf("%s has no heading", topic.name)
		}
		if lines := strings.Count(page, "\n"); lines > 60 && !topic.guide {
			t.Errorf("%s has %d lines", topic.name, lines)
		}
		for line := range strings.Lines(page) {
			if utf8.RuneCountInString(line) > 81 && !topic.guide {
				t.Errorf("%s is wide: %s", topic.name, line)
			}
		}
		if dir, ok := beside[topic.name]; ok {
			text, err := os.ReadFile(filepath.Join("..", "..", dir, "README.md"))
			if err != nil || string(text) != page {
				t.Errorf("%s is not %s/README.md: %v", topic.name, dir, err)
			}
		}
	}
}

// Each command of the grammar does what its examples say: they are good command
// lines of that very command.
func TestExamplesParse(t *testing.T) {
	for name, both := range examples {
		for _, example := range both {
			_, line, ok := strings.Cut(example, "sente-lite ")
			if _, behind, piped := strings.Cut(line, "sente-lite "); piped && strings.HasPrefix(example, "echo") {
				line = behind
			}
			if !ok {
				t.Errorf("%s: no command in %q", name, example)
			}
			line = regexp.MustCompile(`( > .*| \| .*|\))$`).ReplaceAllString(line, "")
			var args []string
			for _, word := range regexp.MustCompile(`'[^']*'|\S+`).FindAllString(line, -1) {
				args = append(args, strings.Trim(word, "'"))
			}
			parsed, err := newParser(new(grammar)).Parse(args)
			if err != nil {
				t.Errorf("%s: %q: %v", name, example, err)
				continue
			}
			command, _, _ := strings.Cut(parsed.Command(), " <")
			if err := strayFlag(parsed, command); err != nil || command != name && !strings.HasPrefix(command, name+" ") {
				t.Errorf("%s: %q is of %s (%v)", name, example, command, err)
			}
		}
	}
}
