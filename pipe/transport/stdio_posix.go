//go:build unix && !linux

package transport

import (
	"errors"

	"golang.org/x/sys/unix"
)

// reopen is not possible: /dev/fd shares the description.
func reopen(int, int) (int, error) { return 0, errors.ErrUnsupported }

func dupOver(from, to int) error {
	if from == to {
		return nil
	}
	return unix.Dup2(from, to)
}
