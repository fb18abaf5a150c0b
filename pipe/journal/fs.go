package journal

import (
	"errors"
	"io"
	"io/fs"
	"os"
)

// fsys is what a Store needs of a file system: the real one, or a test's that
// fails or ends at a given byte.
type fsys interface {
	// MkdirAll makes a folder, 0700, if it is missing.
	MkdirAll(dir string) error
	// Open opens a file for reading and writing. create makes it, 0600.
	Open(name string, create bool) (file, error)
	Rename(from, to string) error
	Remove(name string) error
	// List gives the files in a folder.
	List(dir string) ([]listed, error)
	SyncDir(dir string) error
	// Lock takes what only one process can have, until it ends or closes it. A
	// *lockedError says that another one has it.
	Lock(name string) (io.Closer, error)
	// Same reports whether name is f still.
	Same(f file, name string) bool
}

type file interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Size() (int64, error)
	Truncate(size int64) error
	Sync() error
}

type listed struct {
	name string
	size int64
}

// lockedError is Lock's where another process has the lock.
type lockedError struct {
	holder string // its pid, or empty
}

func (e *lockedError) Error() string { return "locked by another process" }

type osFS struct{}

func (osFS) MkdirAll(dir string) error    { return os.MkdirAll(dir, 0o700) }
func (osFS) Rename(from, to string) error { return os.Rename(from, to) }
func (osFS) Remove(name string) error     { return os.Remove(name) }

func (osFS) Lock(name string) (io.Closer, error) { return lockFile(name) }

func (osFS) Open(name string, create bool) (file, error) {
	flag := os.O_RDWR
	if create {
		flag |= os.O_CREATE
	}
	f, err := os.OpenFile(name, flag, 0o600)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

func (osFS) List(dir string) (files []listed, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() {
			files = append(files, listed{e.Name(), info.Size()})
		} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	return files, nil
}

func (osFS) SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

func (osFS) Same(f file, name string) bool {
	ours, err := f.(osFile).Stat()
	if err != nil {
		return false
	}
	now, err := os.Lstat(name)
	return err == nil && os.SameFile(ours, now)
}

type osFile struct{ *os.File }

func (f osFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// cause is err without the path that our own message has already.
func cause(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	var l *os.LinkError
	if errors.As(err, &l) {
		return l.Err
	}
	return err
}
