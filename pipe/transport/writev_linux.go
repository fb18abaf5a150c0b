package transport

import (
	"syscall"
	"unsafe"
)

// writeTwo writes two pieces, none of them empty, by one call.
func writeTwo(fd int, p, q []byte) (int, error) {
	v := [2]syscall.Iovec{{Base: &p[0]}, {Base: &q[0]}}
	v[0].SetLen(len(p))
	v[1].SetLen(len(q))
	n, _, e := syscall.Syscall(syscall.SYS_WRITEV, uintptr(fd), uintptr(unsafe.Pointer(&v[0])), 2)
	if e != 0 {
		return 0, e
	}
	return int(n), nil
}
