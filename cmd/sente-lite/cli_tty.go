package main

import (
	"os"

	"golang.org/x/sys/unix"
)

// IsTerminal reports whether somebody may sit at f.
func isTerminal(f *os.File) bool {
	_, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	return err == nil
}
