//go:build unix

package main

import (
	"os/exec"
	"syscall"
)

// endTogether puts cmd into a process group of its own and makes its context
// end the group.
func endTogether(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}
