//go:build unix && !linux

package child

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// shortcoming is what cannot be done here, for the log.
const shortcoming = "on this system what a program leaves behind in a session of its own lives on"

// adopt does nothing: who leaves the program's process group is out of reach.
func adopt() {}

// programAttr puts the program into a session and process group of its own.
func programAttr() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

func dupOver(from, to int) error { return unix.Dup2(from, to) }

func (k *keeper) terminate() { _ = syscall.Kill(-k.pid, syscall.SIGTERM) } // who has gone needs no asking
func (k *keeper) killRest()  { _ = syscall.Kill(-k.pid, syscall.SIGKILL) }
func (k *keeper) left() bool { return syscall.Kill(-k.pid, 0) == nil }
