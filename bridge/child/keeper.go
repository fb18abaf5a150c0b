//go:build unix

package child

import (
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// keepArg makes our binary a keeper:
//
//	keepArg GRACE-MS PATH ARG0 ARG…
//
// with the program's stdin, stdout and stderr for its own, orders on descriptor 3
// and its news on 4.
const keepArg = "--keep-child"

const (
	ordersFD = 3
	newsFD   = 4
)

// A keeper's news, a line each: that it has started its program or why not, and
// how that has ended.
const (
	newsStarted = "started "
	newsFailed  = "failed "
	newsExit    = "exit "
	newsSignal  = "signal "
)

// killTime is how long whoever is killed may take to be no more.
const killTime = 5 * time.Second

// Keep is the whole life of a keeper. It reports whether args, a process's own,
// make one of it; main exits with code then.
func Keep(args []string) (code int, keeper bool) {
	if len(args) < 5 || args[1] != keepArg {
		return 0, false
	}
	ms, err := strconv.Atoi(args[2])
	if err != nil {
		return 2, true
	}
	return keep(time.Duration(ms)*time.Millisecond, args[3], args[4:]), true
}

// keep runs on the thread that the program's parent-death signal is tied to.
func keep(grace time.Duration, path string, args []string) int {
	runtime.LockOSThread()
	unix.CloseOnExec(ordersFD)
	unix.CloseOnExec(newsFD)
	orders, news := os.NewFile(ordersFD, "orders"), os.NewFile(newsFD, "news")
	// Whatever somebody sends: it goes when it is told to. To ignore the signals
	// would be inherited.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGPIPE)
	died := make(chan os.Signal, 1)
	signal.Notify(died, syscall.SIGCHLD)
	adopt()

	pid, err := syscall.ForkExec(path, args, &syscall.ProcAttr{Env: os.Environ(), Files: []uintptr{0, 1, 2}, Sys: programAttr()})
	if err != nil {
		fmt.Fprintf(news, "%s%v\n", newsFailed, err)
		return 1
	}
	letGo()
	fmt.Fprintf(news, "%s%d\n", newsStarted, pid)

	order := make(chan byte)
	go func() { // as long as the process
		b := make([]byte, 1)
		for {
			if n, err := orders.Read(b); n == 0 || err != nil {
				b[0] = orderKill
			}
			order <- b[0]
			if b[0] == orderKill {
				return
			}
		}
	}()
	k := keeper{pid: pid}
	var late, look <-chan time.Time
	for {
		select {
		case o := <-order:
			if o == orderKill {
				k.killAll(news)
				return 0
			}
			k.terminate()
		case <-died:
		case <-look:
		case <-late:
			k.killAll(news)
			return 0
		}
		if k.reap(news); !k.ended {
			continue
		}
		if late == nil { // what it has left behind ends with it
			k.terminate()
			late = time.After(grace)
			ticker := time.NewTicker(lookTime)
			defer ticker.Stop()
			look = ticker.C
		}
		if !k.left() {
			return 0
		}
	}
}

// lookTime is how often a keeper looks for what a program has left behind.
const lookTime = 5 * time.Millisecond

// A keeper knows the process that it has started, and finds what is beneath it.
type keeper struct {
	pid   int
	ended bool
}

// reap buries those who have ended, and tells it of the program.
func (k *keeper) reap(news *os.File) {
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
		switch {
		case err == syscall.EINTR:
			continue
		case err != nil || pid <= 0:
			return
		case pid != k.pid:
			continue
		case status.Signaled():
			fmt.Fprintf(news, "%s%d\n", newsSignal, status.Signal())
		default:
			fmt.Fprintf(news, "%s%d\n", newsExit, status.ExitStatus())
		}
		k.ended = true
	}
}

// killAll ends everything beneath us. Who dies may have had children, who are ours
// then: it looks until there is nobody.
func (k *keeper) killAll(news *os.File) {
	for late := time.Now().Add(killTime); time.Now().Before(late); time.Sleep(time.Millisecond) {
		k.killRest()
		k.reap(news)
		if k.ended && !k.left() {
			return
		}
	}
}

// letGo puts the empty device over the program's pipes: they are its own.
func letGo() {
	null, err := unix.Open(os.DevNull, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return
	}
	for fd := range 3 {
		_ = dupOver(null, fd) // it fails only out of memory
	}
	_ = unix.Close(null)
}
