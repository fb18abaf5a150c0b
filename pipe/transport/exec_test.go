//go:build unix

package transport

import (
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/sente-lite/sente-lite/pipe"
	"github.com/sente-lite/sente-lite/pipe/pipetest"
)

// programPipes are a program's stdin and stdout: its ends, and ours.
type programPipes struct{ stdin, stdout, toStdin, fromStdout *os.File }

func newProgramPipes(t *testing.T) (p programPipes) {
	t.Helper()
	var err error
	if p.stdin, p.toStdin, err = os.Pipe(); err != nil {
		t.Fatal(err)
	}
	if p.fromStdout, p.stdout, err = os.Pipe(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, f := range []*os.File{p.stdin, p.stdout, p.toStdin, p.fromStdout} {
			f.Close()
		}
	})
	return p
}

// execPair makes the Conn of a program's pipes, and one of the program's ends.
func execPair(t *testing.T, o pipetest.ConnOptions, dialect string) (a, b pipe.Conn) {
	t.Helper()
	p := newProgramPipes(t)
	l, err := newFileLink(p.stdin, p.stdout)
	if err != nil {
		t.Fatal(err)
	}
	codec := newFrames
	if dialect == "text" {
		codec = newText
	}
	a = newConn(l, codec(o.Limits), pipe.ConnInfo{Transport: "pipe", Remote: "parent"}, options(o))
	eo := ExecOptions{Options: options(o), Dialect: dialect, Info: pipe.ConnInfo{Remote: "child"}}
	eo.CloseWait = eo.closeWait
	if b, _, err = Exec(p.fromStdout, p.toStdin, eo); err != nil {
		t.Fatal(err)
	}
	return a, b
}

func TestLines(t *testing.T) {
	pipetest.NoLeaks(t)
	p := newProgramPipes(t)
	c, gone, err := Exec(p.fromStdout, p.toStdin, ExecOptions{Dialect: "lines", Options: Options{Limits: pipe.Limits{Bytes: 5000}}})
	if err != nil {
		t.Fatal(err)
	}
	wrote := make(chan struct{})
	go func() {
		defer close(wrote)
		for _, s := range []string{"one\n", "\n", "tw", "o\r\nthree\n", strings.Repeat("x", 5000) + "\n",
			strings.Repeat("y", 5001) + "\n", strings.Repeat("z", 100_000), "z\nfour\nno newline"} {
			p.stdout.WriteString(s)
		}
		gone() // while somebody holds the pipe
	}()
	for i, want := range []string{"one\n", "\n", "two\r\n", "three\n", strings.Repeat("x", 5000) + "\n",
		"begins \"yyyy", "begins \"zzzz", "four\n", "no newline"} {
		m, err := c.Read(nil)
		var bad *pipe.Error
		if errors.As(err, &bad) {
			if bad.Code != "too-large" || !strings.Contains(bad.Msg, want) || len(bad.Msg) > 300 {
				t.Fatalf("line %d: %v", i, bad)
			}
			continue
		}
		if err != nil || string(m.Data) != want {
			t.Fatalf("line %d is %.40q (%v), expected %.40q", i, m.Data, err, want)
		}
	}
	if _, err := c.Read(nil); err != io.EOF {
		t.Fatalf("the end is %v", err)
	}
	<-wrote
	if _, err := c.Write([]pipe.Message{{Data: []byte("in")}}); err != nil {
		t.Fatal(err)
	}
	c.Close(pipe.Reason{Code: pipe.CloseShutdown, Text: "nothing is written of this"})
	if b, err := io.ReadAll(p.stdin); string(b) != "in\n" || err != nil {
		t.Fatalf("stdin got %q, %v", b, err)
	}
}

// What of a program's is no dialect is shown.
func TestPromptIsShown(t *testing.T) {
	pipetest.NoLeaks(t)
	p := newProgramPipes(t)
	c, _, err := Exec(p.fromStdout, p.toStdin, ExecOptions{})
	if err != nil {
		t.Fatal(err)
	}
	p.stdout.WriteString("  user=> ")
	p.stdout.Close()
	_, err = c.Read(nil)
	var cl pipe.Closed
	if !errors.As(err, &cl) || cl.Code != pipe.CloseProtocol || !strings.Contains(cl.Text, `0x75 of "user=> "`) {
		t.Fatal(err)
	}
}
