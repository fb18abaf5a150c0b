package journal

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// InUse reports whether a process uses the folder, and its pid where that is
// known. It makes nothing: of a folder that Open has never had it is false. It
// locks the folder for an instant, so an Open at that very time may find it so.
func InUse(dir string) (pid string, used bool, err error) {
	name := filepath.Join(dir, "lock")
	if _, err := os.Stat(name); errors.Is(err, fs.ErrNotExist) {
		return "", false, nil
	}
	lock, err := lockFile(name)
	var locked *lockedError
	switch {
	case errors.As(err, &locked):
		return locked.holder, true, nil
	case err != nil:
		return "", false, err
	}
	return "", false, lock.Close()
}
