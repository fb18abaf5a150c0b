package transport

import (
	"context"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Watch returns nil once the parent with the process id ppid has ended, which is
// what os.Getppid has said before, or the cause for which ctx is done.
//
// The runtime polls a descriptor of the process (pidfd), so that the wait costs
// no thread and ends at once. A parent in another process namespace, id 0, cannot
// be watched: then only ctx ends it.
func Watch(ctx context.Context, ppid int) error {
	if ppid <= 0 {
		<-ctx.Done()
		return context.Cause(ctx)
	}
	fd, err := unix.PidfdOpen(ppid, unix.PIDFD_NONBLOCK)
	if err != nil { // an old kernel, or one that forbids it
		return watchByAsking(ctx, ppid)
	}
	f := os.NewFile(uintptr(fd), "parent")
	defer f.Close()
	if os.Getppid() != ppid { // it ended before; the id may be another's by now
		return nil
	}
	raw, err := f.SyscallConn()
	if err != nil {
		return watchByAsking(ctx, ppid)
	}
	stop := context.AfterFunc(ctx, func() { _ = f.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	err = raw.Read(func(fd uintptr) bool {
		p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(p, 0)
		return n > 0 || err != nil && err != unix.EINTR
	})
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return watchByAsking(ctx, ppid)
}
