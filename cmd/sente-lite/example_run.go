package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"time"

	"github.com/sente-lite/sente-lite/pipe"
)

// runtimeFor returns the command that runs the script of an example's folder,
// with the first of bb, nbb and clojure that is there and can.
func runtimeFor(dir string, sys system) ([]string, error) {
	script := func(endings ...string) string {
		for _, e := range endings {
			if _, err := os.Stat(filepath.Join(dir, "server"+e)); err == nil {
				return "server" + e
			}
		}
		return ""
	}
	var wanted []string
	if s := script(".bb", ".clj", ".cljc"); s != "" {
		wanted = append(wanted, "bb (babashka.org)")
		if bb, err := exec.LookPath("bb"); err == nil {
			return []string{bb, "--classpath", "src", s}, nil
		}
	}
	if s := script(".cljs", ".cljc"); s != "" {
		wanted = append(wanted, "nbb (npm install nbb)")
		if nbb := findNbb(); nbb != "" {
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

// findNbb looks on the PATH, and where npm has installed it for this folder.
func findNbb() string {
	if nbb, err := exec.LookPath("nbb"); err == nil {
		return nbb
	}
	at, err := os.Getwd()
	for err == nil {
		if nbb, err := exec.LookPath(filepath.Join(at, "node_modules", ".bin", "nbb")); err == nil {
			return nbb
		}
		up := filepath.Dir(at)
		if up == at {
			break
		}
		at = up
	}
	return ""
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
	ctx, stop := untilSignal()
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
