package main

import (
	"errors"
	"os/exec"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"sente-lite": main, "sente-lite-with-examples": withExamples})
}

// Scripts run the program as a shell would. Beside testscript's own commands
// they have
//
//	exits CODE PROGRAM ARG…    runs a program that must exit with the code
//	serve ARG…                 starts a server; $SOCKET and $HTTP are its addresses
//	handle                     connects a handler to it (script_serve_test.go)
//
// $WITH_EXAMPLES is the path of a program that has an example embedded.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "../../testdata/scripts",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error { // for scripts that change the PATH
			path, err := exec.LookPath("sente-lite-with-examples")
			env.Setenv("WITH_EXAMPLES", path)
			return err
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "serve": serveScript, "handle": handleScript,
		},
	})
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARG…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var e *exec.ExitError
		if !errors.As(err, &e) {
			ts.Fatalf("%v", err)
		}
		got = e.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, expected %d", got, want)
	}
}
