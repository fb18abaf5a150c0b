//go:build unix

package transport

import (
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// A descriptor is an owned handle and how to wait for it.
type descriptor interface {
	owned
	syscall.Conn
}

// takeStdio makes a link of two inherited descriptors, in and out, and puts
// something harmless in their place: the empty device for in, a copy of stderr
// for out.
func takeStdio(in, out int) (link, error) {
	r, rblocks, err := takeFD(in, "stdin", os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	w, wblocks, err := takeFD(out, "stdout", os.O_WRONLY)
	if err != nil {
		_ = r.Close()
		return nil, err
	}
	if err := replace(in, out); err != nil {
		return nil, err
	}
	rawR, err := r.SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("transport: stdin: %w", err)
	}
	rawW, err := w.SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("transport: stdout: %w", err)
	}
	l := newRawLink(r, rawR, w, rawW)
	l.blocks.in, l.blocks.out = rblocks, wblocks
	return l, nil
}

// takeFD returns a handle of its own for what fd is.
//
// O_NONBLOCK belongs to the open file description, which is shared with whoever
// has it too: the shell's terminal, or stderr after 2>&1, would get EAGAIN. So a
// pipe is opened anew. A socket cannot be; but there the other end has a
// description of its own. Whatever else it is, waitFile blocks.
func takeFD(fd int, name string, mode int) (h descriptor, blocks bool, err error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, false, fmt.Errorf("transport: %s is not open: %w", name, err)
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFIFO:
		if own, err := reopen(fd, mode); err == nil {
			return os.NewFile(uintptr(own), name), false, nil
		}
	case unix.S_IFSOCK:
		own, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
		if err != nil {
			return nil, false, fmt.Errorf("transport: %s: %w", name, err)
		}
		if err := unix.SetNonblock(own, true); err != nil {
			_ = unix.Close(own)
			return nil, false, fmt.Errorf("transport: %s: %w", name, err)
		}
		return os.NewFile(uintptr(own), name), false, nil
	}
	own, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil, false, fmt.Errorf("transport: %s: %w", name, err)
	}
	f, err := newWaitFile(own, name)
	if err != nil {
		_ = unix.Close(own)
		return nil, false, err
	}
	return f, true, nil
}

// replace puts the empty device over in and a copy of stderr over out, so that
// these numbers never come to mean another file.
func replace(in, out int) error {
	null, err := unix.Open(os.DevNull, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("transport: %s: %w", os.DevNull, err)
	}
	defer unix.Close(null)
	if err := dupOver(null, in); err != nil {
		return fmt.Errorf("transport: stdin: %w", err)
	}
	if dupOver(2, out) == nil {
		return nil
	}
	if err := dupOver(null, out); err != nil {
		return fmt.Errorf("transport: stdout: %w", err)
	}
	return nil
}
