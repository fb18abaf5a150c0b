//go:build unix

package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sente-lite/sente-lite/pipe"
)

// patience bounds every wait in these tests; none of them waits for time to pass.
const patience = slow * 15 * time.Second

// A process is the program as its parent sees it: the test has the other ends
// of its stdin and stdout.
type process struct {
	t     *testing.T
	cmd   *exec.Cmd
	in    *os.File
	out   *os.File
	lines *bufio.Reader
	errs  *shared
	ended chan struct{}
	dir   string // its XDG_RUNTIME_DIR
}

// shared is a buffer that a process writes and a test reads.
type shared struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *shared) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *shared) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// program is the command, with nothing of the test's surroundings in its
// environment but the path.
func program(t *testing.T, dir string, args ...string) *exec.Cmd {
	t.Helper()
	path, err := exec.LookPath("sente-lite")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, args...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "TMPDIR=" + dir, "XDG_RUNTIME_DIR=" + dir,
		"GORACE=atexit_sleep_ms=0"} // or every end would take a second more
	cmd.Dir = dir
	return cmd
}

// shortDir is a temporary folder whose path leaves room for a socket's name.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "sl")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// begin starts the program.
func begin(t *testing.T, args ...string) *process {
	t.Helper()
	return beginIn(t, shortDir(t), nil, args...)
}

// beginIn starts the program in a folder, after change has had a look at it.
func beginIn(t *testing.T, dir string, change func(*exec.Cmd), args ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: program(t, dir, args...), errs: &shared{}, ended: make(chan struct{}), dir: dir}
	theirIn, in := pipePair(t)
	out, theirOut := pipePair(t)
	p.in, p.out, p.lines = in, out, bufio.NewReaderSize(out, 1<<20)
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = theirIn, theirOut, p.errs
	if change != nil {
		change(p.cmd)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	theirIn.Close()
	theirOut.Close()
	go func() {
		p.cmd.Wait() // the code is in ProcessState
		close(p.ended)
	}()
	t.Cleanup(func() {
		p.cmd.Process.Kill()
		<-p.ended
		p.in.Close()
		p.out.Close()
		if t.Failed() {
			t.Logf("stderr of %v:\n%.4000s", args, p.errs)
		}
	})
	return p
}

func pipePair(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	return r, w
}

func (p *process) say(format string, args ...any) {
	p.t.Helper()
	p.write(fmt.Appendf(nil, format+"\n", args...))
}

func (p *process) write(b []byte) {
	p.t.Helper()
	p.in.SetWriteDeadline(time.Now().Add(patience))
	if _, err := p.in.Write(b); err != nil {
		p.t.Fatalf("writing to stdin: %v", err)
	}
}

// hear reads lines up to one that has want in it.
func (p *process) hear(want string) string {
	p.t.Helper()
	p.out.SetReadDeadline(time.Now().Add(patience))
	return hear(p.t, p.lines, want)
}

func hear(t *testing.T, r *bufio.Reader, want string) string {
	t.Helper()
	var before []string
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			t.Fatalf("waiting for %q: %v; before came %d lines, the last:\n%.600s", want, err, len(before), strings.Join(before[max(0, len(before)-3):], ""))
		}
		if strings.Contains(line, want) {
			return strings.TrimSuffix(line, "\n")
		}
		before = append(before, line)
	}
}

// rest reads what comes until stdout ends.
func (p *process) rest() string {
	p.t.Helper()
	p.out.SetReadDeadline(time.Now().Add(patience))
	b, err := io.ReadAll(p.lines)
	if err != nil {
		p.t.Fatalf("waiting for the end of stdout: %v; got %.600s", err, b)
	}
	return string(b)
}

// exits waits for the end, which must come in time and with this code.
func (p *process) exits(code int, within time.Duration) {
	p.t.Helper()
	select {
	case <-p.ended:
	case <-time.After(slow * within):
		p.cmd.Process.Signal(syscall.SIGQUIT) // shows what it waits for
		<-p.ended
		p.t.Fatalf("still running after %v:\n%.12000s", within, p.errs)
	}
	if got := p.cmd.ProcessState.ExitCode(); got != code {
		p.t.Fatalf("exit code %d (%v), expected %d; stderr:\n%.2000s", got, p.cmd.ProcessState, code, p.errs)
	}
}

func (p *process) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// servesIn starts "serve" in a folder, after change has had a look at it, and
// returns it with the addresses of its ready, by scheme.
func servesIn(t *testing.T, dir string, change func(*exec.Cmd), args ...string) (*process, map[string]string) {
	t.Helper()
	p := beginIn(t, dir, change, append([]string{"serve"}, args...)...)
	return p, addresses(t, p.hear("[:sente-lite/ready "))
}

// addresses are those of a ready.
func addresses(t *testing.T, ready string) map[string]string {
	t.Helper()
	item, err := pipe.Split([]byte(ready), pipe.Limits{})
	if err != nil {
		t.Fatalf("%s: %v", ready, err)
	}
	listen, ok := pipe.Lookup(item.Body, ":listen")
	if !ok {
		t.Fatalf("%s: no :listen", ready)
	}
	all := map[string]string{}
	for c := pipe.Elements(listen); ; {
		v, ok := c.Next()
		if !ok {
			return all
		}
		addr, err := pipe.Unquote(v)
		if err != nil {
			t.Fatal(err)
		}
		scheme, _, _ := strings.Cut(addr, ":")
		all[scheme] = addr
	}
}

// A client is a peer that speaks text over a byte stream.
type client struct {
	t *testing.T
	net.Conn
	lines *bufio.Reader
}

func connect(t *testing.T, addr string) *client {
	t.Helper()
	network, at, _ := strings.Cut(addr, ":")
	if network == "http" {
		network = "tcp"
	}
	c, err := net.DialTimeout(network, strings.TrimPrefix(at, "//"), patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return &client{t, c, bufio.NewReaderSize(c, 64<<10)}
}

// greet says hello and returns the ready.
func greet(t *testing.T, addr, hello string) (*client, string) {
	t.Helper()
	c := connect(t, addr)
	c.say("[:sente-lite/hello %s]", hello)
	return c, c.hear("[:sente-lite/ready ")
}

func (c *client) say(format string, args ...any) {
	c.t.Helper()
	c.write(fmt.Appendf(nil, format+"\n", args...))
}

func (c *client) write(b []byte) {
	c.t.Helper()
	c.SetWriteDeadline(time.Now().Add(patience))
	if _, err := c.Write(b); err != nil {
		c.t.Fatalf("writing to %s: %v", c.RemoteAddr(), err)
	}
}

func (c *client) hear(want string) string {
	c.t.Helper()
	c.SetReadDeadline(time.Now().Add(patience))
	return hear(c.t, c.lines, want)
}

// rest reads until the other side has closed, in whichever way.
func (c *client) rest() string {
	c.t.Helper()
	c.SetReadDeadline(time.Now().Add(patience))
	b, err := io.ReadAll(c.lines)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		c.t.Fatalf("the link is still open; %d bytes came: %.300q", len(b), b)
	}
	return string(b)
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	late := time.After(patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

func gone(path string) bool {
	_, err := os.Lstat(path)
	return errors.Is(err, os.ErrNotExist)
}

// alive reports whether a process runs; one that nobody has waited for does not.
func alive(pid int) bool {
	b, err := exec.Command("ps", "-o", "stat=", "-p", strconv.Itoa(pid)).Output()
	return err == nil && !strings.HasPrefix(strings.TrimSpace(string(b)), "Z")
}

// memory is what a process has resident, in bytes.
func memory(t *testing.T, p *process) int {
	t.Helper()
	b, err := exec.Command("ps", "-o", "rss=", "-p", strconv.Itoa(p.cmd.Process.Pid)).Output()
	if err != nil {
		t.Fatalf("ps: %v", err)
	}
	kib, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		t.Fatal(err)
	}
	return kib << 10 / slow
}

func socketIn(dir string) string { return "unix:" + filepath.Join(dir, "s", "x.sock") }
