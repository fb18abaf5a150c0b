//go:build unix

package child

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// startTime bounds the wait for a keeper to say that it has started its program.
const startTime = 10 * time.Second

// Orders to a keeper. The end of its pipe is one, too: orderKill.
const (
	orderTerminate = 't'
	orderKill      = 'k'
)

// start starts a program behind a keeper.
func start(c command, grace time.Duration) (*process, error) {
	self, err := ownBinary()
	if err != nil {
		return nil, err
	}
	ps, err := newPipes()
	if err != nil {
		return nil, err
	}
	defer ps.closeTheirs()
	orders, order, err := os.Pipe()
	if err != nil {
		ps.closeOurs()
		return nil, err
	}
	defer orders.Close()
	news, tell, err := os.Pipe()
	if err != nil {
		ps.closeOurs()
		order.Close()
		return nil, err
	}
	defer tell.Close()
	args := append([]string{os.Args[0], keepArg, strconv.FormatInt(grace.Milliseconds(), 10), c.path}, c.args...)
	cmd := &exec.Cmd{
		Path: self, Args: args, Dir: c.dir, Env: c.env,
		Stdin: ps.stdin, Stdout: ps.stdout, Stderr: ps.stderr,
		ExtraFiles:  []*os.File{orders, tell},
		SysProcAttr: &syscall.SysProcAttr{Setsid: true}, // out of reach of our terminal
	}
	if err := cmd.Start(); err != nil {
		ps.closeOurs()
		closeAll(order, news)
		return nil, err
	}
	tell.Close() // or the keeper's end would not end it
	p := &process{stdin: ps.ours[0], stdout: ps.ours[1], stderr: ps.ours[2], exited: make(chan struct{}), gone: make(chan struct{})}
	lines := bufio.NewReader(news)
	_ = news.SetReadDeadline(time.Now().Add(startTime)) // a pipe has deadlines
	p.pid, err = started(lines)
	_ = news.SetReadDeadline(time.Time{})
	if err != nil {
		ps.closeOurs()
		order.Close()
		_ = cmd.Process.Kill() // it has ended, or does not answer
		_ = cmd.Wait()
		news.Close()
		return nil, err
	}
	var once sync.Mutex // an order is given, or the pipe closed, by one at a time
	give := func(b byte) func() {
		return func() {
			once.Lock()
			defer once.Unlock()
			_, _ = order.Write([]byte{b}) // a keeper that has gone needs none
		}
	}
	p.terminate, p.kill = give(orderTerminate), give(orderKill)
	p.abandon = func() { _ = cmd.Process.Kill() }
	go func() { // it ends with the keeper; whoever has p waits for gone
		defer close(p.gone)
		p.exit = ended(lines)
		close(p.exited)
		_ = cmd.Wait() // the program's exit is what counts
		once.Lock()
		order.Close()
		once.Unlock()
		news.Close()
		if p.exit.signal == lostKeeper { // nobody else is left to do it
			_ = syscall.Kill(-p.pid, syscall.SIGKILL)
		}
	}()
	return p, nil
}

// ownBinary is us, whatever has become of the file since.
func ownBinary() (string, error) {
	const self = "/proc/self/exe"
	if _, err := os.Stat(self); err == nil {
		return self, nil
	}
	return os.Executable()
}

// lostKeeper is the signal of a program whose keeper has not told how it ended.
const lostKeeper = "killed with its keeper"

// started reads a keeper's first line.
func started(r *bufio.Reader) (pid int, err error) {
	line, err := r.ReadString('\n')
	line = strings.TrimSuffix(line, "\n")
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return 0, fmt.Errorf("it has not started within %v", startTime)
	case err != nil:
		return 0, fmt.Errorf("its keeper has ended: %w", err)
	}
	if why, failed := strings.CutPrefix(line, newsFailed); failed {
		return 0, errors.New(why)
	}
	return strconv.Atoi(strings.TrimPrefix(line, newsStarted))
}

// ended reads its second.
func ended(r *bufio.Reader) exit {
	line, err := r.ReadString('\n')
	if err != nil {
		return exit{signal: lostKeeper}
	}
	line = strings.TrimSuffix(line, "\n")
	if s, ok := strings.CutPrefix(line, newsSignal); ok {
		n, _ := strconv.Atoi(s)
		return exit{signal: fmt.Sprintf("signal %d (%v)", n, syscall.Signal(n))}
	}
	n, _ := strconv.Atoi(strings.TrimPrefix(line, newsExit))
	return exit{code: n}
}
