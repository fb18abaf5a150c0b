//go:build linux || darwin

package main

import "golang.org/x/sys/unix"

// freeBytes returns how much may still be written where a folder is.
func freeBytes(dir string) (n uint64, known bool) {
	var s unix.Statfs_t
	if unix.Statfs(dir, &s) != nil {
		return 0, false
	}
	return s.Bavail * uint64(s.Bsize), true
}
