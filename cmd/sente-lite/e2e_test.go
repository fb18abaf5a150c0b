//go:build peers

package main_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// These tests run the program with peers that nobody here has written: real
// browsers, Node, nbb, Scittle and the JVM's Clojure. Their scripts and pages
// are in testdata/e2e. A program that is not there fails its test.

// stepTime is what one step may take: much more than it needs, so that only
// what hangs fails.
const stepTime = 20 * time.Second

// e2eFile is the absolute path of a file under testdata.
func e2eFile(t *testing.T, elements ...string) string {
	t.Helper()
	path := filepath.Join(append([]string{repository(t), "testdata"}, elements...)...)
	if _, err := os.Stat(path); err != nil {
		t.Fatal(err)
	}
	return path
}

// A program is a process of a test. It is killed when the test ends.
type program struct {
	t     *testing.T
	name  string
	cmd   *exec.Cmd
	stdin io.WriteCloser
	lines chan string // of stdout; closed at its end
	ended chan struct{}

	mu     sync.Mutex
	stderr bytes.Buffer
	heard  []string // what came on stdout
}

// start runs a program. What it has said on stdout and stderr is shown if the
// test fails.
func start(t *testing.T, name string, command ...string) *program {
	t.Helper()
	p := &program{t: t, name: name, cmd: exec.Command(command[0], command[1:]...), lines: make(chan string, 1024), ended: make(chan struct{})}
	p.cmd.Stderr = (*programErrors)(p)
	stdout, err := p.cmd.StdoutPipe()
	if err == nil {
		p.stdin, err = p.cmd.StdinPipe()
	}
	if err == nil {
		err = p.cmd.Start()
	}
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	stop := make(chan struct{})
	go func() {
		defer close(p.ended)
		p.read(stdout, stop)
		p.cmd.Wait()
	}()
	t.Cleanup(func() {
		close(stop)
		p.cmd.Process.Kill()
		<-p.ended
		if t.Failed() {
			t.Logf("%s", p.said())
		}
	})
	return p
}

// read takes the lines of stdout until its end.
func (p *program) read(stdout io.Reader, stop chan struct{}) {
	defer close(p.lines)
	for r := bufio.NewReader(stdout); ; {
		line, err := r.ReadString('\n')
		if line = strings.TrimSuffix(line, "\n"); line != "" {
			p.mu.Lock()
			p.heard = append(p.heard, clip(line))
			p.mu.Unlock()
			select {
			case p.lines <- line:
			case <-stop:
				io.Copy(io.Discard, r)
				return
			}
		}
		if err != nil {
			return
		}
	}
}

type programErrors program

func (p *programErrors) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stderr.Write(b)
}

func (p *program) said() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	last := p.heard[max(0, len(p.heard)-60):]
	return fmt.Sprintf("%s, stdout:\n  %s\n%s, stderr:\n%s", p.name, strings.Join(last, "\n  "), p.name, p.stderr.Bytes())
}

func clip(s string) string {
	if len(s) > 600 {
		return fmt.Sprintf("%s … (%d bytes)", strings.ToValidUTF8(s[:600], ""), len(s))
	}
	return s
}

// say writes a line.
func (p *program) say(format string, args ...any) {
	p.t.Helper()
	if _, err := fmt.Fprintf(p.stdin, format+"\n", args...); err != nil {
		p.t.Fatalf("%s: %v", p.name, err)
	}
}

// next returns the next line of stdout.
func (p *program) next() (line string, more bool) {
	p.t.Helper()
	select {
	case line, more = <-p.lines:
		return line, more
	case <-time.After(stepTime):
		p.t.Fatalf("%s: no line within %v", p.name, stepTime)
		return "", false
	}
}

// await returns the groups of the first line that matches; those before it are
// passed over.
func (p *program) await(pattern string) []string {
	p.t.Helper()
	for re := regexp.MustCompile(pattern); ; {
		line, more := p.next()
		if !more {
			p.t.Fatalf("%s ended without a line that matches %s", p.name, pattern)
		}
		if m := re.FindStringSubmatch(line); m != nil {
			return m
		}
	}
}

// exits waits for the end of the program, and returns its exit code.
func (p *program) exits() int {
	p.t.Helper()
	for {
		if _, more := p.next(); !more {
			break
		}
	}
	<-p.ended
	return p.cmd.ProcessState.ExitCode()
}

func (p *program) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Fatal(err)
	}
}

// A parent of a sidecar that is the test itself.
type parent struct {
	*program
	url, socket string
}

var (
	readyURL    = regexp.MustCompile(`"(http://[^"]+)"`)
	readySocket = regexp.MustCompile(`"unix:([^"]+)"`)
)

// startPipe starts a sidecar of this test, which is its handler. config is the
// inside of a map.
func startPipe(t *testing.T, config string) *parent {
	t.Helper()
	p := &parent{program: start(t, "sente-lite pipe", "sente-lite", "pipe", "--log-level", "debug")}
	p.say("[:sente-lite/hello {:config {%s}}]", config)
	return p.ready()
}

// startServe starts a server.
func startServe(t *testing.T, args ...string) *parent {
	t.Helper()
	p := &parent{program: start(t, "sente-lite serve", append([]string{"sente-lite"}, args...)...)}
	return p.ready()
}

func (p *parent) ready() *parent {
	p.t.Helper()
	line := p.await(`^\[:sente-lite/ready .*`)[0]
	if m := readyURL.FindStringSubmatch(line); m != nil {
		p.url = m[1]
	}
	if m := readySocket.FindStringSubmatch(line); m != nil {
		p.socket = m[1]
	}
	return p
}

// static is the part of a configuration that serves testdata: the pages, and
// the scripts from npm that they load.
func static(t *testing.T) string {
	return fmt.Sprintf(":listen [\"http://127.0.0.1:0\"] :static %q", e2eFile(t))
}
