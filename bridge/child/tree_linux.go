package child

import (
	"math"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// shortcoming is what cannot be done here, for the log.
const shortcoming = ""

// adopt makes us the parent of every orphan beneath us, and keeps what whoever
// started the sidecar has left open from the program.
func adopt() {
	_ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)                 // since Linux 3.4
	_ = unix.CloseRange(newsFD+1, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC) // since Linux 5.11
}

// programAttr puts the program into a session and process group of its own. It
// does not outlive its keeper, if somebody kills that.
func programAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
}

func dupOver(from, to int) error { return unix.Dup3(from, to, 0) }

// terminate asks the program and its group, or once it has ended all that is left.
func (k *keeper) terminate() {
	if !k.ended {
		_ = syscall.Kill(-k.pid, syscall.SIGTERM) // who has gone needs no asking
		return
	}
	for _, pid := range beneath() {
		_ = syscall.Kill(pid, syscall.SIGTERM)
	}
}

func (k *keeper) killRest() {
	if !k.ended {
		_ = syscall.Kill(-k.pid, syscall.SIGKILL)
	}
	for _, pid := range beneath() {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

func (k *keeper) left() bool { return len(beneath()) > 0 }

// beneath returns all who descend from us and run.
func beneath() []int {
	children := map[int][]int{}
	running := map[int]bool{}
	proc, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	names, _ := proc.Readdirnames(-1) // those that were read
	proc.Close()
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		stat, err := os.ReadFile("/proc/" + name + "/stat")
		if err != nil {
			continue
		}
		// PID (NAME) STATE PPID …, and a name may have anything in it.
		_, rest, _ := strings.Cut(string(stat[strings.LastIndexByte(string(stat), ')')+1:]), " ")
		fields := strings.Fields(rest)
		if len(fields) < 2 {
			continue
		}
		parent, _ := strconv.Atoi(fields[1])
		children[parent] = append(children[parent], pid)
		running[pid] = fields[0] != "Z" && fields[0] != "X"
	}
	var all []int
	for list := children[os.Getpid()]; len(list) > 0; {
		pid := list[0]
		list = append(list[1:], children[pid]...)
		if running[pid] {
			all = append(all, pid)
		}
	}
	return all
}
