package main

import (
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
)

// samePlain reports whether plain took a command line; then the parser has to
// understand the same.
func samePlain(t *testing.T, args []string) bool {
	got, command := plain(args, system{})
	if command == nil {
		return false
	}
	var want grammar
	parser := newParser(&want)
	if word, _ := wantsHelp(args); word != "" {
		t.Fatalf("plain takes %q, which asks for help", args)
	}
	full, err := withCommand(parser, args, system{})
	if err != nil {
		t.Fatalf("plain takes %q, and the parser says %v", args, err)
	}
	parsed, err := parser.Parse(full)
	if err != nil {
		t.Fatalf("plain takes %q, and the parser says %v", args, err)
	}
	if err := strayFlag(parsed, parsed.Command()); err != nil {
		t.Fatalf("plain takes %q: %v", args, err)
	}
	if err := emptyArgument(parsed); err != nil {
		t.Fatalf("plain takes %q: %v", args, err)
	}
	var runs string
	switch reflect.ValueOf(command).Pointer() {
	case reflect.ValueOf(runPipe).Pointer():
		runs = "pipe"
	case reflect.ValueOf(runServe).Pointer():
		runs = "serve"
	}
	if runs != parsed.Command() || !reflect.DeepEqual(got, want.settingFlags) {
		t.Fatalf("%q: plain has %s %+v, the parser %s %+v", args, runs, got, parsed.Command(), want.settingFlags)
	}
	return true
}

func TestPlain(t *testing.T) {
	for line, taken := range map[string]bool{
		"":     true,
		"pipe": true,
		"serve --listen http://127.0.0.1:0 --listen=unix:/x/y.sock --static pages": true,
		"serve --config c.edn --data-dir d --log-level debug --log-format=edn":     true,
		"pipe --set :flow/max-depth=100 --set :name=\"a\"":                         true,
		"serve --log-format xml":      false,
		"serve --config a --config b": false,
		"serve --listen --static":     false,
		"serve --static=":             false,
		"serve --help":                false,
		"serve -h":                    false,
		"serve there":                 false,
		"serve --version":             false,
		"serve -- --listen x":         false,
		"dev pages":                   false,
		"--listen tcp://127.0.0.1:0":  false,
	} {
		if got := samePlain(t, strings.Fields(line)); got != taken {
			t.Errorf("%q: taken %t, expected %t", line, got, taken)
		}
	}
	if _, command := plain(nil, system{Terminal: true}); command != nil {
		t.Error("a terminal without a command gets a pipe, not the help")
	}
	if _, command := plain(nil, system{Environ: []string{"BABASHKA_POD=true"}}); command != nil {
		t.Error("a pod is not told that this is none")
	}
}

// Any command line of what may stand in one.
func TestPlainIsTheParser(t *testing.T) {
	words := strings.Fields("pipe serve demo help -- -h --help - --listen --listen=a:b --listen= --set --set=:a=1 :a=--b --config --config=x " +
		"--config=-x --static --static= --static=p --data-dir --data-dir=d=e --log-level --log-level=info --log-format --log-format=edn edn xml --nope --nope=x -x --version y ${z} @z")
	words = append(words, "", "a b")
	random := rand.New(rand.NewPCG(1, 2))
	taken := 0
	for range 3000 {
		args := []string{words[random.IntN(2)]}
		for range random.IntN(5) {
			args = append(args, words[random.IntN(len(words))])
		}
		if samePlain(t, args) {
			taken++
		}
	}
	if taken < 300 {
		t.Errorf("only %d of the command lines were taken", taken)
	}
}
