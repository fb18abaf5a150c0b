package transport

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// pipeSize is asked for: the usual 64 KiB hold a fraction of a busy moment.
const pipeSize = 1 << 20

// reopen opens the pipe that fd is once more, non-blocking.
func reopen(fd, mode int) (int, error) {
	own, err := unix.Open(fmt.Sprintf("/proc/self/fd/%d", fd), mode|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err == nil {
		_, _ = unix.FcntlInt(uintptr(own), unix.F_SETPIPE_SZ, pipeSize) // the user may be out of pipe memory
	}
	return own, err
}

func dupOver(from, to int) error {
	if from == to {
		return nil
	}
	return unix.Dup3(from, to, 0)
}
