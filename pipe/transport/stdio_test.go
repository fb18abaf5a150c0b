//go:build linux

package transport

import (
	"golang.org/x/sys/unix"
)

// takeBlocking makes the link that is for what cannot be opened anew.
func takeBlocking(in, out int) (link, error) {
	var fs [2]*waitFile
	for i, fd := range []int{in, out} {
		own, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
		if err != nil {
			return nil, err
		}
		if fs[i], err = newWaitFile(own, "pipe"); err != nil {
			return nil, err
		}
	}
	if err := replace(in, out); err != nil {
		return nil, err
	}
	l := newRawLink(fs[0], waitConn{fs[0]}, fs[1], waitConn{fs[1]})
	l.blocks.in, l.blocks.out = true, true
	return l, nil
}

const childEnv = "TRANSPORT_TEST_CHILD"

func child() int { return 0 }
