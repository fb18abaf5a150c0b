//go:build unix

package journal

import (
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// lockFile locks a file, and writes our pid into it. The system gives up the
// lock when the process ends, so none is ever stale; the file stays.
func lockFile(name string) (io.Closer, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err != syscall.EINTR {
			break
		}
	}
	if err == syscall.EWOULDBLOCK {
		var pid [20]byte
		n, _ := f.ReadAt(pid[:], 0)
		_ = f.Close()
		return nil, &lockedError{holder: strings.TrimSpace(string(pid[:n]))}
	}
	if err != nil {
		_ = f.Close()
		return nil, &os.PathError{Op: "lock", Path: name, Err: err}
	}
	// Only for the message above: a full disk is no reason not to start.
	if f.Truncate(0) == nil {
		_, _ = f.WriteAt(strconv.AppendInt(nil, int64(os.Getpid()), 10), 0)
	}
	return f, nil
}
