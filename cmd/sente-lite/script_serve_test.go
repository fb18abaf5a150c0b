package main

import (
	"bufio"
	"bytes"
	"embed"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/sente-lite/sente-lite/pipe"
)

// serveScript starts a server for a script, and waits until it listens. It ends
// with the script.
func serveScript(ts *testscript.TestScript, neg bool, args []string) {
	program, err := exec.LookPath("sente-lite")
	ts.Check(err)
	cmd := exec.Command(program, append([]string{"serve"}, args...)...)
	cmd.Dir = ts.MkAbs(".")
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "XDG_RUNTIME_DIR", "TOKEN"} {
		cmd.Env = append(cmd.Env, name+"="+ts.Getenv(name))
	}
	out, err := cmd.StdoutPipe()
	ts.Check(err)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	ts.Check(cmd.Start())
	ts.Defer(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	ready, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		cmd.Wait()
		ts.Fatalf("serve: %v: %s", err, errs.Bytes())
	}
	ts.Setenv("SOCKET", "")
	ts.Setenv("HTTP", "")
	for _, part := range strings.Split(ready, `"`) {
		switch {
		case strings.HasPrefix(part, "unix:"):
			ts.Setenv("SOCKET", part)
		case strings.HasPrefix(part, "http:"):
			ts.Setenv("HTTP", part)
		case strings.HasPrefix(part, "tcp:"):
			ts.Setenv("TCP", part)
		}
	}
}

// handleScript connects a handler to $SOCKET. It answers a call by [:echo EVENT],
// but :no/reply never, :say/closed by going, and :bad/… by an error. What it
// gets otherwise it forgets.
func handleScript(ts *testscript.TestScript, neg bool, args []string) {
	c, err := net.Dial("unix", strings.TrimPrefix(ts.Getenv("SOCKET"), "unix:"))
	ts.Check(err)
	ended := make(chan struct{})
	ts.Defer(func() {
		c.Close()
		<-ended
	})
	fmt.Fprintln(c, "[:sente-lite/hello {:handler true}]")
	lines := bufio.NewReader(c)
	_, err = lines.ReadString('\n')
	ts.Check(err)
	go func() {
		defer close(ended)
		for {
			text, err := lines.ReadBytes('\n')
			if err != nil {
				return
			}
			i, err := pipe.Split(text, pipe.Limits{})
			if err != nil || i.Shape != pipe.ShapeCall {
				continue
			}
			event, _ := pipe.Lookup(i.Body, ":event")
			switch name := string(event); {
			case strings.HasPrefix(name, "[:no/"):
			case strings.HasPrefix(name, "[:say/closed"):
				c.Close()
			case strings.HasPrefix(name, "[:bad/"):
				fmt.Fprintf(c, "[:chsk/reply %s [:sente-lite/error {:category :conflict :code :app/taken :message \"the name is taken\" :hint \"choose another\"}]]\n", i.Call)
			default:
				fmt.Fprintf(c, "[:chsk/reply %s [:echo %s]]\n", i.Call, event)
			}
		}
	}()
}

//go:embed all:testdata/library
var testLibrary embed.FS

// withExamples is the program with a library of one example.
func withExamples() {
	library, err := fs.Sub(testLibrary, "testdata/library")
	if err != nil {
		panic(err)
	}
	os.Exit(run(os.Args[1:], system{
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Environ: os.Environ(), Terminal: isTerminal(os.Stdin), Library: library,
	}))
}
