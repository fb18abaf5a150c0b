//go:build unix

package transport

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sente-lite/sente-lite/pipe"
	"github.com/sente-lite/sente-lite/pipe/pipetest"
)

// childEnv makes the test's program one of its own children.
const childEnv = "TRANSPORT_TEST_CHILD"

func child() int {
	switch os.Getenv(childEnv) {
	case "echo":
		return echo()
	case "parent":
		cmd := self("echo")
		cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
		if err := cmd.Run(); err != nil {
			return 1
		}
		return 0
	}
	return 2
}

func self(mode string) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+mode)
	return cmd
}

// echo is a sidecar that sends everything back, and says how it ended.
func echo() int {
	c, err := Stdio(Options{})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println("a stray line")
	for {
		m, err := c.Read(nil)
		var flushed bool
		if err == nil {
			flushed, err = c.Write([]pipe.Message{m})
			if err == nil && !flushed {
				err = c.Flush()
			}
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "end:", err)
			c.Close(pipe.Reason{Code: pipe.CloseShutdown, Text: "shutdown"})
			return 0
		}
	}
}

// takeBlocking makes the link that is for what cannot be opened anew.
func takeBlocking(in, out int) (link, error) {
	var fs [2]*waitFile
	for i, fd := range []int{in, out} {
		own, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
		if err != nil {
			return nil, err
		}
		if fs[i], err = newWaitFile(own, "pipe"); err != nil {
			return nil, err
		}
	}
	if err := replace(in, out); err != nil {
		return nil, err
	}
	l := newRawLink(fs[0], waitConn{fs[0]}, fs[1], waitConn{fs[1]})
	l.blocks.in, l.blocks.out = true, true
	return l, nil
}

const wantBye = "[:chsk/close {:code 1001 :reason \"shutdown\"}]\n"

// Over what a parent may give as stdin and stdout.
func TestStdio(t *testing.T) {
	socket := func() (mine, theirs *os.File) {
		fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
		if err != nil {
			t.Fatal(err)
		}
		unix.CloseOnExec(fds[0])
		unix.CloseOnExec(fds[1])
		return os.NewFile(uintptr(fds[0]), "mine"), os.NewFile(uintptr(fds[1]), "theirs")
	}
	pipes := func(write bool) (mine, theirs *os.File) {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		if write {
			return w, r
		}
		return r, w
	}
	for name, make := range map[string]func() (in, theirIn, out, theirOut *os.File){
		"pipes": func() (in, theirIn, out, theirOut *os.File) {
			in, theirIn = pipes(true)
			out, theirOut = pipes(false)
			return
		},
		"sockets": func() (in, theirIn, out, theirOut *os.File) {
			in, theirIn = socket()
			out, theirOut = socket()
			return
		},
	} {
		t.Run(name, func(t *testing.T) {
			pipetest.NoLeaks(t)
			in, theirIn, out, theirOut := make()
			defer in.Close()
			defer out.Close()
			var stderr bytes.Buffer
			cmd := self("echo")
			cmd.Stdin, cmd.Stdout, cmd.Stderr = theirIn, theirOut, &stderr
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			theirOut.Close()
			go io.WriteString(in, "[:a/b]\n[:c/d \"x\ny\"]\n")
			r := bufio.NewReader(out)
			var got string
			for range 2 {
				line, err := r.ReadString('\n')
				if err != nil {
					t.Fatalf("%q, %v; stderr: %s", line, err, &stderr)
				}
				got += line
			}
			if name == "pipes" { // whoever else has the description must not meet EAGAIN
				if fl, err := unix.FcntlInt(theirIn.Fd(), unix.F_GETFL, 0); err != nil || fl&unix.O_NONBLOCK != 0 {
					t.Errorf("the inherited pipe's flags are %#x, %v", fl, err)
				}
			}
			theirIn.Close()
			in.Close()
			rest, err := io.ReadAll(r)
			if want := "[:a/b]\n[:c/d \"x\\ny\"]\n" + wantBye; got+string(rest) != want || err != nil {
				t.Errorf("%q, %v; expected %q", got+string(rest), err, want)
			}
			if err := cmd.Wait(); err != nil {
				t.Error(err)
			}
			if want := "a stray line\nend: EOF\n"; stderr.String() != want {
				t.Errorf("stderr %q, expected %q", stderr.String(), want)
			}
		})
	}
}

// The parent ends, but somebody else holds the pipe open: us.
func TestStdioEndsWithParent(t *testing.T) {
	pipetest.NoLeaks(t)
	cmd := self("parent")
	in, _ := cmd.StdinPipe()
	outR, outW, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer outR.Close()
	cmd.Stdout = outW
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	outW.Close()
	if _, err := io.WriteString(in, "[:a/b]\n"); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(outR)
	if line, err := r.ReadString('\n'); line != "[:a/b]\n" {
		t.Fatalf("%q, %v", line, err)
	}
	cmd.Process.Kill()
	rest, err := io.ReadAll(r)
	if string(rest) != wantBye || err != nil {
		t.Errorf("%q, %v", rest, err)
	}
	cmd.Wait()
}

func TestStdioEndsWhenStdoutBreaks(t *testing.T) {
	pipetest.NoLeaks(t)
	inR, inW, _ := os.Pipe()
	outR, outW, _ := os.Pipe()
	l, err := takeStdio(int(inR.Fd()), int(outW.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { inR.Close(); outW.Close(); inW.Close() }()
	c := newStdio(l, os.Getppid(), Options{})
	io.WriteString(inW, "[:a/b]\n[:c/d]\n")
	if m, err := c.Read(nil); string(m.Data) != "[:a/b]" {
		t.Fatal(err)
	}
	outR.Close()
	if ok, err := c.Write([]pipe.Message{{Data: []byte("[:x/y]")}}); ok || !errors.Is(err, unix.EPIPE) {
		t.Errorf("Write to a closed stdout = %v, %v", ok, err)
	}
	if m, err := c.Read(nil); string(m.Data) != "[:c/d]" { // it had arrived
		t.Errorf("Read = %q, %v", m.Data, err)
	}
	if _, err := c.Read(nil); !errors.Is(err, unix.EPIPE) {
		t.Errorf("Read = %v, expected what made stdout unwritable", err)
	}
	c.Close(pipe.Reason{Code: pipe.CloseNormal})
}

func TestStdioOfOtherKinds(t *testing.T) {
	pipetest.NoLeaks(t)
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/in", []byte("[:a/b]\n[:c/d]"), 0o600); err != nil {
		t.Fatal(err)
	}
	in, _ := os.Open(dir + "/in")
	out, err := os.Create(dir + "/out")
	if err != nil {
		t.Fatal(err)
	}
	cmd := self("echo")
	cmd.Stdin, cmd.Stdout = in, out
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	in.Close()
	out.Close()
	got, _ := os.ReadFile(dir + "/out")
	if want := "[:a/b]\n[:c/d]\n" + wantBye; string(got) != want {
		t.Errorf("%q, expected %q", got, want)
	}
	cmd = self("echo")
	cmd.Stdin, cmd.Stdout = nil, nil // the empty device
	if err := cmd.Run(); err != nil {
		t.Error(err)
	}
}

func TestWatchBeforehand(t *testing.T) {
	pipetest.NoLeaks(t)
	cmd := exec.Command("true")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- Watch(t.Context(), cmd.Process.Pid) }() // of a process that has ended
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("Watch waits for a process that has ended")
	}
}

// A terminal's reader and writer can be ended though the descriptor blocks.
func TestWaitFileEnds(t *testing.T) {
	pipetest.NoLeaks(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	own, _ := unix.FcntlInt(r.Fd(), unix.F_DUPFD_CLOEXEC, 3)
	f, err := newWaitFile(own, "tty")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() { done <- f.wait(unix.POLLIN, func(uintptr) bool { return true }) }()
	f.SetReadDeadline(time.Unix(1, 0))
	if err := <-done; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error(err)
	}
	io.WriteString(w, "x") // what is there counts even then
	if err := f.wait(unix.POLLIN, func(uintptr) bool { return true }); err != nil {
		t.Error(err)
	}
	f.Close()
	if err := f.wait(unix.POLLIN, func(uintptr) bool { return true }); err == nil || !strings.Contains(err.Error(), "closed") {
		t.Error(err)
	}
}
