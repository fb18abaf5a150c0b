//go:build unix && !linux

package transport

import "syscall"

// writeTwo writes two pieces, none of them empty.
func writeTwo(fd int, p, q []byte) (int, error) {
	n, err := syscall.Write(fd, p)
	if err != nil || n < len(p) {
		return max(n, 0), err
	}
	m, err := syscall.Write(fd, q)
	if err != nil { // it will come again, if it is none of a full link
		m = 0
	}
	return n + m, nil
}
