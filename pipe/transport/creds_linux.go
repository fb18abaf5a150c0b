package transport

import "syscall"

// credentials are the user and process at the other end, as they were when it
// connected.
func credentials(c syscall.RawConn) (uid, pid int, ok bool) {
	err := c.Control(func(fd uintptr) {
		if u, err := syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED); err == nil {
			uid, pid, ok = int(u.Uid), int(u.Pid), true
		}
	})
	return uid, pid, ok && err == nil
}
