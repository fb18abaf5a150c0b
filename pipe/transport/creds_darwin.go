package transport

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// credentials are the user at the other end, as it was when it connected.
func credentials(c syscall.RawConn) (uid, pid int, ok bool) {
	err := c.Control(func(fd uintptr) {
		if u, err := unix.GetsockoptXucred(int(fd), unix.SOL_LOCAL, unix.LOCAL_PEERCRED); err == nil {
			uid, ok = int(u.Uid), true
		}
	})
	return uid, 0, ok && err == nil
}
