package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
)

// DefaultSocketDir returns the folder of the default sockets, and makes it if
// it does not exist: sente-lite in $XDG_RUNTIME_DIR, else one of the user's own
// under the temporary folder. It is refused if it is not ours alone: somebody
// else could wait there for our clients.
func DefaultSocketDir() (string, error) {
	return socketDir(os.Getenv("XDG_RUNTIME_DIR"), os.TempDir(), os.Getuid())
}

func socketDir(runtime, temporary string, uid int) (string, error) {
	dir := socketDirPath(runtime, temporary, uid)
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", fmt.Errorf("the folder of the default socket cannot be made: %w; give --listen unix:/path/x.sock", err)
	}
	if err := checkSocketDir(dir, uid); err != nil {
		return "", err
	}
	return dir, nil
}

func socketDirPath(runtime, temporary string, uid int) string {
	if info, err := os.Stat(runtime); err == nil && info.IsDir() && filepath.IsAbs(runtime) { // as the XDG specification has it
		return filepath.Join(runtime, "sente-lite")
	}
	return filepath.Join(temporary, "sente-lite-"+strconv.Itoa(uid))
}

// checkSocketDir refuses a folder that is not ours alone.
func checkSocketDir(dir string, uid int) error {
	info, err := os.Lstat(dir)
	if err != nil {
		return fmt.Errorf("the folder of the default socket: %w", err)
	}
	owner, known := ownerOf(info)
	switch {
	case !info.IsDir():
		return fmt.Errorf("the folder of the default socket, %s, is no folder; remove it, or give --listen unix:/path/x.sock", dir)
	case known && owner != uid:
		return fmt.Errorf("the folder of the default socket, %s, belongs to user %d and not to %d; give --listen unix:/path/x.sock", dir, owner, uid)
	case info.Mode().Perm()&0o077 != 0:
		return fmt.Errorf("the folder of the default socket, %s, has mode %#o and is open to others; allowed: 0700", dir, info.Mode().Perm())
	}
	return nil
}

// SocketPath returns the path of the nth socket of a name in the folder:
// NAME.sock, NAME-2.sock, …
func SocketPath(dir, name string, n int) string {
	if n > 1 {
		name += "-" + strconv.Itoa(n)
	}
	return filepath.Join(dir, name+".sock")
}
