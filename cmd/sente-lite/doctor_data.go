package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/sente-lite/sente-lite/pipe/journal"
)

// littleRoom is what spilled events may take on disk, all together.
const littleRoom = 1 << 30

// dataDir looks at the folder for what must outlive the process: whether it can
// be written, how much room it has, and whether another process has it.
func (x *examination) dataDir() {
	if x.cfg == nil {
		return
	}
	dir := x.cfg.DataDir
	if dir == "" {
		x.found("data", "ok", "", "there is no :data-dir: sessions that could be resumed end with the process")
		return
	}
	full, err := filepath.Abs(dir)
	if err != nil {
		full = dir
	}
	there := full // or the folder that it would be made in
	info, err := os.Stat(there)
	for errors.Is(err, fs.ErrNotExist) && filepath.Dir(there) != there {
		there = filepath.Dir(there)
		info, err = os.Stat(there)
	}
	switch {
	case err != nil:
		x.found("data", "fail", "choose another with --data-dir DIR", "[:data-dir]: %s cannot be looked at: %v", full, reason(err))
		return
	case !info.IsDir():
		x.found("data", "fail", "choose another with --data-dir DIR", "[:data-dir]: %s is no folder", there)
		return
	}
	if err := writable(there); err != nil {
		x.found("data", "fail", "let this user write there, or choose another with --data-dir DIR", "[:data-dir]: nothing can be written in %s: %v", there, reason(err))
		return
	}
	if free, known := freeBytes(there); known && free < littleRoom {
		x.found("data", "warn", "make room, or choose another with --data-dir DIR", "%s has %d MB left; spilled events may take %d", there, free>>20, littleRoom>>20)
	}
	switch pid, used, err := journal.InUse(full); {
	case err != nil:
		x.found("data", "fail", "let this user alone have it, or choose another with --data-dir DIR", "[:data-dir]: %s cannot be locked: %v", full, reason(err))
	case used && x.isMet(pid):
		x.found("data", "ok", "", "%s is that of the sidecar with the pid %s", full, pid)
	case used:
		if pid == "" {
			pid = "of another process"
		}
		x.found("data", "fail", "end it, or give each a --data-dir DIR of its own", "%s is used by a process, pid %s", full, pid)
	case there != full:
		x.found("data", "ok", "", "%s is made when a server starts", full)
	default:
		x.found("data", "ok", "", "%s", full)
	}
}

// isMet reports whether a pid is that of a sidecar that has answered.
func (x *examination) isMet(pid string) bool {
	for _, m := range x.met {
		if m.pid != "" && m.pid == pid {
			return true
		}
	}
	return false
}

// writable makes a file in a folder, and takes it away again.
func writable(dir string) error {
	f, err := os.CreateTemp(dir, ".sente-lite-doctor-")
	if err != nil {
		return err
	}
	_ = f.Close() // it is empty
	return os.Remove(f.Name())
}

// reason is an error without the path, which is said already.
func reason(err error) error {
	if e := (*fs.PathError)(nil); errors.As(err, &e) {
		return e.Err
	}
	return err
}
