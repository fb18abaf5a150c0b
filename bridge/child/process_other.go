//go:build !unix

package child

import (
	"os/exec"
	"time"
)

// shortcoming is what cannot be done here, for the log.
const shortcoming = "on this system programs are not asked to end by a signal, and live on if the sidecar is killed"

// Keep makes no keeper of anybody: there are none here.
func Keep([]string) (code int, keeper bool) { return 0, false }

// start starts a program. Here nobody can be asked to end but by the end of its
// stdin, and what a program leaves behind is out of reach.
func start(c command, _ time.Duration) (*process, error) {
	ps, err := newPipes()
	if err != nil {
		return nil, err
	}
	defer ps.closeTheirs()
	cmd := &exec.Cmd{Path: c.path, Args: c.args, Dir: c.dir, Env: c.env, Stdin: ps.stdin, Stdout: ps.stdout, Stderr: ps.stderr}
	if err := cmd.Start(); err != nil {
		ps.closeOurs()
		return nil, err
	}
	p := &process{pid: cmd.Process.Pid, stdin: ps.ours[0], stdout: ps.ours[1], stderr: ps.ours[2], exited: make(chan struct{}), gone: make(chan struct{})}
	p.terminate = func() {}
	p.kill = func() { _ = cmd.Process.Kill() } // it may have ended
	p.abandon = p.kill
	go func() { // it ends with the program; whoever has p waits for gone
		defer close(p.gone)
		_ = cmd.Wait() // the state says how
		p.exit = exit{code: cmd.ProcessState.ExitCode()}
		close(p.exited)
	}()
	return p, nil
}
