package transport

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/sente-lite/sente-lite/pipe"
)

// ErrInUse is in the error of Listen where a live process already listens.
var ErrInUse = errors.New("the address is in use by a live process")

// lockWait bounds the wait for others who are just now starting in the folder.
const lockWait = 2 * time.Second

// listenUnix makes a socket that only this user can reach: 0600, in a folder
// that is made 0700 if it is missing. What is left of a dead process is removed;
// a live one's socket is ErrInUse.
func listenUnix(ctx context.Context, path string, o Options) (pipe.Listener, error) {
	fail := func(err error) (pipe.Listener, error) {
		return nil, fmt.Errorf("transport: listening on unix:%s: %w", path, err)
	}
	if path[0] == '@' {
		return fail(errors.New("an abstract socket has no permissions: expected a path"))
	}
	if limit := len(syscall.RawSockaddrUnix{}.Path); len(path) >= limit {
		return fail(fmt.Errorf("the path has %d bytes; a socket's path has at most %d", len(path), limit-1))
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fail(err)
	}
	// Between looking at an old socket and making a new one nobody else may do
	// the same.
	unlock, err := lockFolder(ctx, dir, lockWait)
	if err != nil {
		return fail(err)
	}
	defer unlock()
	if err := removeStale(ctx, path); err != nil {
		return fail(err)
	}
	lc := net.ListenConfig{Control: beforeBind}
	l, err := lc.Listen(ctx, "unix", path)
	if err != nil {
		return fail(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	if err := os.Chmod(path, 0o600); err != nil {
		return fail(errors.Join(err, l.Close(), os.Remove(path)))
	}
	ours, err := os.Lstat(path)
	if err != nil {
		return fail(errors.Join(err, l.Close()))
	}
	lis := newListener(l, "unix:"+path, o)
	lis.remove = func() error {
		// Whoever has replaced it meanwhile keeps it.
		if now, err := os.Lstat(path); err == nil && os.SameFile(now, ours) {
			return os.Remove(path)
		}
		return nil
	}
	return lis, nil
}

// removeStale removes a socket that nobody answers on.
func removeStale(ctx context.Context, path string) error {
	fi, err := os.Lstat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case err != nil:
		return err
	case fi.Mode().Type() != os.ModeSocket:
		return errors.New("there is a file that is no socket: remove it or choose another path")
	}
	d := net.Dialer{Timeout: lockWait}
	c, err := d.DialContext(ctx, "unix", path)
	if err == nil {
		_ = c.Close() // it was only to see that somebody answers
		return ErrInUse
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("there is a socket, and it is not to be told whether it is in use: %w", err)
	}
	return os.Remove(path)
}
