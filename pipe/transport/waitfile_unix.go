//go:build unix

package transport

import (
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// pollWrite is how much a blocking pipe takes without blocking once poll has
// called it writable.
const pollWrite = 4 << 10

// A waitFile is a descriptor that must stay blocking: a terminal, a file, a pipe
// that cannot be opened anew. It waits with poll(2), on a thread, so that a close
// or a deadline ends the wait. It serves one direction.
type waitFile struct {
	fd           int
	name         string
	wakeR, wakeW int // a pipe that holds a byte once whoever polls must look up

	mu       sync.Mutex
	users    int
	closed   bool
	deadline time.Time
}

func newWaitFile(fd int, name string) (*waitFile, error) {
	var p [2]int
	if err := unix.Pipe(p[:]); err != nil {
		return nil, fmt.Errorf("transport: %s: %w", name, err)
	}
	unix.CloseOnExec(p[0])
	unix.CloseOnExec(p[1])
	return &waitFile{fd: fd, name: name, wakeR: p[0], wakeW: p[1]}, nil
}

// wait calls try whenever the descriptor is ready, until it returns true. Past
// the deadline it still does so as long as there is no waiting.
func (f *waitFile) wait(events int16, try func(uintptr) bool) error {
	if err := f.enter(); err != nil {
		return err
	}
	defer f.leave()
	for {
		f.mu.Lock()
		closed, deadline := f.closed, f.deadline
		f.mu.Unlock()
		if closed {
			return net.ErrClosed
		}
		ms := -1
		if !deadline.IsZero() {
			ms = max(0, int((time.Until(deadline)+time.Millisecond-1)/time.Millisecond))
		}
		p := []unix.PollFd{{Fd: int32(f.fd), Events: events}, {Fd: int32(f.wakeR), Events: unix.POLLIN}}
		_, err := unix.Poll(p, ms)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return fmt.Errorf("transport: waiting for %s: %w", f.name, err)
		case p[0].Revents != 0:
			if try(uintptr(f.fd)) {
				return nil
			}
		case ms == 0:
			return os.ErrDeadlineExceeded
		}
	}
}

func (f *waitFile) enter() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return net.ErrClosed
	}
	f.users++
	return nil
}

// leave closes the descriptor if that had to wait: a number in use must not come
// to mean another file.
func (f *waitFile) leave() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.users--
	f.release()
}

// release is called under the lock.
func (f *waitFile) release() {
	if f.closed && f.users == 0 {
		for _, fd := range []int{f.fd, f.wakeR, f.wakeW} {
			_ = unix.Close(fd) // nothing was buffered
		}
	}
}

func (f *waitFile) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return net.ErrClosed
	}
	f.closed = true
	f.wake()
	f.release()
	return nil
}

func (f *waitFile) wake() { _, _ = unix.Write(f.wakeW, []byte{0}) }

// SetReadDeadline wakes the reader.
func (f *waitFile) SetReadDeadline(t time.Time) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return net.ErrClosed
	}
	f.deadline = t
	f.wake()
	return nil
}

// SetWriteDeadline is called by the writer itself, before it waits.
func (f *waitFile) SetWriteDeadline(t time.Time) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return net.ErrClosed
	}
	f.deadline = t
	return nil
}

func (f *waitFile) SyscallConn() (syscall.RawConn, error) { return waitConn{f}, nil }

// A waitConn is a waitFile as a syscall.RawConn.
type waitConn struct{ f *waitFile }

func (c waitConn) Read(try func(uintptr) bool) error  { return c.f.wait(unix.POLLIN, try) }
func (c waitConn) Write(try func(uintptr) bool) error { return c.f.wait(unix.POLLOUT, try) }

func (c waitConn) Control(do func(uintptr)) error {
	if err := c.f.enter(); err != nil {
		return err
	}
	defer c.f.leave()
	do(uintptr(c.f.fd))
	return nil
}
