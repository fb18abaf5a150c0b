package journal

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"maps"
	"path/filepath"
	"strings"
	"sync"
)

// memFS is a file system in memory that can fail, or end with the process, in
// the middle of what is asked of it.
type memFS struct {
	mu    sync.Mutex
	files map[string]*memData
	locks map[string]bool

	// left is how much can still be done before fault: a write costs its bytes,
	// and does as many of them; all else that changes something costs one. Below
	// zero: any number.
	left  int
	fault error
	kill  bool // nothing is done after the fault
	dead  bool

	syncs, renames int
	onRename       func()
}

type memData struct{ b []byte }

var (
	errKilled = errors.New("the process was killed")
	errNoRoom = errors.New("no space left on device")
)

func newMemFS() *memFS {
	return &memFS{files: map[string]*memData{}, locks: map[string]bool{}, left: -1}
}

// killAfter ends the process after n more.
func (m *memFS) killAfter(n int) { m.left, m.fault, m.kill = n, errKilled, true }

// failAfter has everything fail after n more, until heal.
func (m *memFS) failAfter(n int) { m.left, m.fault, m.kill = n, errNoRoom, false }

func (m *memFS) heal() { m.left = -1 }

// spend takes n of what is left, and returns how many of them there were.
func (m *memFS) spend(n int) (int, error) {
	if m.dead {
		return 0, errKilled
	}
	if m.left < 0 {
		return n, nil
	}
	if n <= m.left {
		m.left -= n
		return n, nil
	}
	n, m.left = m.left, 0
	m.dead = m.kill
	return n, m.fault
}

// copy is the file system as another process finds it.
func (m *memFS) copy() *memFS {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := newMemFS()
	for name, d := range m.files {
		c.files[name] = &memData{bytes.Clone(d.b)}
	}
	return c
}

func (m *memFS) MkdirAll(string) error { return nil }

func (m *memFS) Open(name string, create bool) (file, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	d := m.files[name]
	if d == nil {
		if !create {
			return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
		}
		if _, err := m.spend(1); err != nil {
			return nil, &fs.PathError{Op: "open", Path: name, Err: err}
		}
		d = &memData{}
		m.files[name] = d
	}
	return &memFile{m, d}, nil
}

func (m *memFS) Rename(from, to string) error {
	if m.onRename != nil {
		m.onRename()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, err := m.spend(1); err != nil {
		return err
	}
	m.renames++
	m.files[to] = m.files[from]
	delete(m.files, from)
	return nil
}

func (m *memFS) Remove(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.files[name] == nil {
		return fs.ErrNotExist
	}
	if m.kill { // a full disk lets files go
		if _, err := m.spend(1); err != nil {
			return err
		}
	}
	delete(m.files, name)
	return nil
}

func (m *memFS) List(dir string) (l []listed, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for name, d := range maps.All(m.files) {
		if filepath.Dir(name) == dir {
			l = append(l, listed{filepath.Base(name), int64(len(d.b))})
		}
	}
	return l, nil
}

func (m *memFS) SyncDir(string) error { return nil }

func (m *memFS) Lock(name string) (io.Closer, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.locks[name] {
		return nil, &lockedError{}
	}
	m.locks[name] = true
	return closer(func() { delete(m.locks, name) }), nil
}

type closer func()

func (c closer) Close() error { c(); return nil }

func (m *memFS) Same(f file, name string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.files[name] == f.(*memFile).d
}

// spills are the names of all segments.
func (m *memFS) spills() (names []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for name := range m.files {
		if strings.Contains(name, "spill"+string(filepath.Separator)) {
			names = append(names, name)
		}
	}
	return names
}

type memFile struct {
	m *memFS
	d *memData
}

func (f *memFile) ReadAt(b []byte, off int64) (int, error) {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	return bytes.NewReader(f.d.b).ReadAt(b, off)
}

func (f *memFile) WriteAt(b []byte, off int64) (int, error) {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	n, err := f.m.spend(len(b))
	if end := int(off) + n; n > 0 && end > len(f.d.b) {
		f.d.b = append(f.d.b, make([]byte, end-len(f.d.b))...)
	}
	copy(f.d.b[min(int(off), len(f.d.b)):], b[:n])
	return n, err
}

func (f *memFile) Size() (int64, error) {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	return int64(len(f.d.b)), nil
}

func (f *memFile) Truncate(size int64) error {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if size == int64(len(f.d.b)) {
		return nil
	}
	if _, err := f.m.spend(1); err != nil {
		return err
	}
	f.d.b = append(f.d.b[:min(size, int64(len(f.d.b)))], make([]byte, max(0, size-int64(len(f.d.b))))...)
	return nil
}

func (f *memFile) Sync() error {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	f.m.syncs++
	return nil
}

func (f *memFile) Close() error { return nil }
