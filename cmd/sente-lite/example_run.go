package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"time"

	"github.com/sente-lite/sente-lite/pipe"
)

// runtimeFor returns the command that runs the script of an example's folder,
// with the first of bb, nbb and clojure that is there and can. An example that
// brings a deps.edn and no bb.edn is for the JVM alone.
func runtimeFor(dir string, jvm bool) ([]string, error) {
	script := func(endings ...string) string {
		for _, e := range endings {
			if _, err := os.Stat(filepath.Join(dir, "server"+e)); err == nil {
				return "server" + e
			}
		}
		return ""
	}
	var wanted []string
	if s := script(".bb", ".clj", ".cljc"); s != "" && !jvm {
		wanted = append(wanted, "bb (babashka.org)")
		if bb, err := exec.LookPath("bb"); err == nil {
			return []string{bb, "--classpath", "src", s}, nil
		}
	}
	if s := script(".cljs", ".cljc"); s != "" && !jvm {
		wanted = append(wanted, "nbb (npm install nbb)")
		nbb, err := exec.LookPath("nbb")
		if err != nil {
			nbb = installed(".bin", "nbb")
		}
		if nbb != "" {
			return []string{nbb, "--classpath", "src", s}, nil
		}
	}
	if s := script(".clj", ".cljc"); s != "" {
		wanted = append(wanted, "clojure (clojure.org)")
		if clojure, err := exec.LookPath("clojure"); err == nil {
			return append([]string{clojure}, clojureArgs(clojure, s)...), nil
		}
	}
	if wanted == nil {
		return nil, &pipe.Error{Category: pipe.Fault, Code: "no-script", Msg: "the example has no script that can be run"}
	}
	hint := "install " + wanted[0]
	for _, w := range wanted[1:] {
		hint += ", or " + w
	}
	return nil, &pipe.Error{Category: pipe.Unavailable, Code: "no-runtime", Msg: "nothing is on the PATH that could run the script", Hint: hint + "; --dir DIR only writes the example out"}
}

// installed finds what npm has installed for this folder, or one around it.
func installed(path ...string) string {
	at, err := os.Getwd()
	for err == nil {
		name := filepath.Join(append([]string{at, "node_modules"}, path...)...)
		if _, err := os.Stat(name); err == nil {
			return name
		}
		up := filepath.Dir(at)
		if up == at {
			break
		}
		at = up
	}
	return ""
}

// addScittle gives an example's page the interpreter that it asks for, if npm
// has it here. It says what to do otherwise.
func addScittle(dir string) (advice string, err error) {
	const script = "scittle.js"
	page, err := os.ReadFile(filepath.Join(dir, "pages", "index.html"))
	if err != nil || !bytes.Contains(page, []byte(script)) {
		return "", nil // it has no such page
	}
	from := installed("scittle", "dist", script)
	if from == "" {
		return "Its page is written in Clojure and needs Scittle: \"npm install scittle\" here, then run it again.", nil
	}
	data, err := os.ReadFile(from)
	if err != nil {
		return "", err
	}
	return "", os.WriteFile(filepath.Join(dir, "pages", script), data, 0o644)
}

// clojureArgs: the CLI of clojure.org reads deps.edn; what distributions call
// clojure is a few lines of shell around java, and takes a class path.
func clojureArgs(clojure, script string) []string {
	text, err := os.ReadFile(clojure)
	if err == nil && bytes.Contains(text, []byte("clojure.main")) && !bytes.Contains(text, []byte("-Sdeps")) {
		return []string{"-cp", "src", script}
	}
	return []string{"-M", script}
}

// scriptEnd is how long a script has to end once it was asked to.
const scriptEnd = 5 * time.Second

// runScript runs a command until it, or a signal, ends it. Its sidecar is this
// very program.
func runScript(sys system, dir string, command []string) error {
	// A second signal does not end this process before the script and its folder
	// are gone: that takes scriptEnd at the most.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Dir = dir
	cmd.Stdout, cmd.Stderr = sys.Stdout, sys.Stderr
	cmd.Env = append(slices.Clone(sys.Environ), "SENTE_LITE_BIN="+self)
	cmd.WaitDelay = scriptEnd
	cmd.Cancel = func() error {
		if runtime.GOOS == "windows" { // which has no signal for it
			return cmd.Process.Kill()
		}
		return cmd.Process.Signal(syscall.SIGTERM)
	}
	err = cmd.Run()
	switch _, exited := err.(*exec.ExitError); {
	case ctx.Err() != nil, err == nil:
		return nil // as it was to end
	case exited:
		return &pipe.Error{Category: pipe.Fault, Code: "script-failed", Msg: fmt.Sprintf("the script has ended: %v", err), Hint: "what it said stands above"}
	case os.IsNotExist(err) || os.IsPermission(err):
		return &pipe.Error{Category: pipe.Unavailable, Code: "no-runtime", Msg: fmt.Sprintf("%s cannot be run: %v", command[0], err)}
	}
	return err
}
