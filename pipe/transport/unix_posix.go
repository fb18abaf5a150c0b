//go:build unix

package transport

import (
	"context"
	"fmt"
	"os"
	"syscall"
	"time"
)

// lockFolder holds a lock on a folder itself, so that no file is left behind.
func lockFolder(ctx context.Context, dir string, wait time.Duration) (unlock func(), err error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { _ = f.Close() }, nil // which gives up the lock
		}
		if err != syscall.EWOULDBLOCK && err != syscall.EINTR {
			_ = f.Close()
			return nil, fmt.Errorf("locking %s: %w", dir, err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			_ = f.Close()
			return nil, fmt.Errorf("locking %s: another process has held the lock for %v", dir, wait)
		}
	}
}

// beforeBind gives the socket its mode before it has a name. Linux takes a
// socket file's mode from there; elsewhere it is changed right after.
func beforeBind(_, _ string, c syscall.RawConn) error {
	return c.Control(func(fd uintptr) {
		_ = syscall.Fchmod(int(fd), 0o600) // not everywhere allowed
	})
}

func effectiveUser() int { return os.Geteuid() }
