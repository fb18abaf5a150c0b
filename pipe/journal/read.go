package journal

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/sente-lite/sente-lite/pipe"
)

// read brings the log's state back, and what the spills have.
func (s *Store) read() error {
	fsys := s.o.fs
	// A compaction that did not come to its end.
	if err := fsys.Remove(s.logPath() + ".new"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return s.cannot("remove", s.logPath()+".new", err)
	}
	f, err := fsys.Open(s.logPath(), false)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	} else if err != nil {
		return s.cannot("open", s.logPath(), err)
	}
	s.log = f
	if f == nil {
		if err := s.newLog(); err != nil {
			return err
		}
	}
	if err := s.replay(); err != nil {
		return err
	}
	s.end = s.size
	s.seen = s.o.Now().UnixMilli()
	return s.findSpills()
}

// newLog makes an empty log in one step: no process finds half of one.
func (s *Store) newLog() error {
	name := s.logPath() + ".new"
	f, err := s.create(name)
	if err != nil {
		return err
	}
	if _, err = f.WriteAt(appendHead(nil, logMagic), 0); err == nil {
		if err = s.replace(f, name); err == nil {
			s.size = headSize
			return nil
		}
	}
	_ = f.Close()
	return s.cannot("write", name, err)
}

// replace puts a file in the log's place, under its name. An error leaves the
// log as it was, and the other file to the caller.
func (s *Store) replace(f file, name string) error {
	if runtime.GOOS != "windows" {
		if err := s.o.fs.Rename(name, s.logPath()); err != nil {
			return err
		}
		if s.log != nil {
			_ = s.log.Close()
		}
		s.log = f
		return nil
	}
	// There, no file that is open has its name changed.
	if s.log != nil {
		_ = s.log.Close()
	}
	_ = f.Close()
	renamed := s.o.fs.Rename(name, s.logPath())
	again, err := s.o.fs.Open(s.logPath(), false)
	if err == nil {
		s.log = again
	}
	return errors.Join(renamed, err)
}

// replay reads the log's frames until its end, or until one that is not whole,
// where it ends the log.
func (s *Store) replay() error {
	total, err := s.log.Size()
	if err != nil {
		return s.cannot("read", s.logPath(), err)
	}
	slots := map[uint64]*session{}
	at, bad := readFrames(s.log, total, logMagic, func(at int64, payload []byte) error {
		return s.replayFrame(slots, at, payload)
	})
	s.size = at
	var other *versionError
	switch {
	case bad == nil:
		return nil
	case errors.As(bad, &other):
		return fmt.Errorf("journal: cannot use %s: %w: use the program that wrote it, or move the file away, which gives up the sessions in it", s.logPath(), bad)
	case errors.Is(bad, errTorn):
		s.o.Log.Info("cut off a commit that was not written to its end", "file", s.logPath(), "at", at, "bytes", total-at)
	case errors.Is(bad, errDamaged):
		aside := s.damagedPath("sessions.log")
		if err := s.setAside(s.log, at, total, aside); err != nil {
			return err
		}
		s.o.Log.Error("set the rest of a damaged file aside; sessions are as they were before it", "file", s.logPath(), "at", at, "bytes", total-at, "why", bad, "aside", aside)
	default:
		return s.cannot("read", s.logPath(), bad)
	}
	if at == 0 { // not even its first bytes are right
		return s.newLog()
	}
	if err := s.log.Truncate(at); err != nil {
		return s.cannot("cut off", s.logPath(), err)
	}
	return nil
}

// setAside copies the rest of a file to another one, in place of an older one
// that was set aside.
func (s *Store) setAside(f file, at, total int64, aside string) error {
	to, err := s.create(aside + ".new")
	if err != nil {
		return err
	}
	_, err = io.Copy(io.NewOffsetWriter(to, 0), io.NewSectionReader(f, at, total-at))
	err = errors.Join(err, to.Close())
	if err == nil {
		err = s.o.fs.Rename(aside+".new", aside)
	}
	if err != nil {
		return s.cannot("set the damaged rest aside in", aside, err)
	}
	return nil
}

// readFrames visits the payloads of a file's frames, which are lent, with their
// places in it. It returns the end of the last good one: 0 if not even the file's
// first bytes are right. No length in the file is believed before there are as
// many bytes.
func readFrames(f io.ReaderAt, total int64, magic string, visit func(at int64, payload []byte) error) (end int64, err error) {
	buf := make([]byte, headSize)
	n, err := f.ReadAt(buf[:min(headSize, max(total, 0))], 0)
	if err != nil && err != io.EOF {
		return 0, err
	}
	if err := checkHead(buf[:n], magic); err != nil {
		return 0, err
	}
	for end = headSize; end < total; {
		frame, err := readFrame(f, &buf, end, total)
		if err != nil {
			return end, err
		}
		payload, err := openFrame(frame)
		if err == nil {
			err = visit(end+frameSize, payload)
		}
		if err != nil {
			return end, err
		}
		end += int64(len(frame))
	}
	return end, nil
}

// readFrame reads the frame at a place into buf, which grows as it needs to.
func readFrame(f io.ReaderAt, buf *[]byte, at, total int64) ([]byte, error) {
	var first [frameSize]byte
	if _, err := f.ReadAt(first[:min(frameSize, total-at)], at); err != nil {
		return nil, err
	}
	n, err := frameLength(first[:], total-at)
	if err != nil {
		if errors.Is(err, errDamaged) && zeros(f, at, total) {
			err = errTorn // what some systems leave of a write that was not done
		}
		return nil, err
	}
	*buf = slices.Grow((*buf)[:0], int(n))[:n]
	_, err = f.ReadAt(*buf, at)
	return *buf, err
}

// zeros reports whether nothing but zeros is left, of what a commit may be.
func zeros(f io.ReaderAt, at, total int64) bool {
	buf := make([]byte, min(total-at, windowSize))
	for at < total {
		n, err := f.ReadAt(buf[:min(total-at, windowSize)], at)
		if err != nil || n == 0 || slices.ContainsFunc(buf[:n], func(b byte) bool { return b != 0 }) {
			return false
		}
		at += int64(n)
	}
	return true
}

// replayFrame makes a frame's changes, all or none.
func (s *Store) replayFrame(slots map[uint64]*session, at int64, payload []byte) error {
	if len(payload) < 8 {
		return fmt.Errorf("%w: a frame of %d bytes", errDamaged, len(payload))
	}
	var r record
	d := decoder{b: payload, at: 8}
	for d.more() {
		if err := d.next(&r); err != nil {
			return err
		}
	}
	now := frameTime(payload)
	d = decoder{b: payload, at: 8}
	for d.more() {
		start := d.at
		_ = d.next(&r)
		if r.kind == recBegin {
			s.replayBegin(slots, &r, now)
			continue
		}
		x := slots[r.slot]
		if x == nil {
			continue
		}
		switch r.kind {
		case recQueued:
			s.state.queued(x, ref{seq: r.item.Seq, off: at + int64(start), size: int32(d.at - start)}, now)
		case recGone:
			s.state.gone(x, r.n, r.seqs, now)
		case recReceived:
			s.state.received(x, r.n, now)
		case recSubscribed:
			s.state.subscribed(x, r.channel, r.on, now)
		case recSpill:
			x.at = r.spill
			x.active = max(x.active, now)
		case recEnd:
			s.state.ended(x)
			delete(slots, r.slot)
		}
	}
	return nil
}

func (s *Store) replayBegin(slots map[uint64]*session, r *record, now int64) {
	if x := slots[r.slot]; x != nil && x.Key != r.session.Key {
		s.state.ended(x) // no log of ours has that
	}
	if x := s.state.sessions[r.session.Key]; x != nil && x.slot != r.slot {
		delete(slots, x.slot)
		s.state.ended(x)
	}
	slots[r.slot] = s.state.begin(r.slot, &r.session, max(now, r.active))
}

// findSpills looks for the segments of all sessions, and removes the others:
// those of sessions that have ended, and what was never committed.
func (s *Store) findSpills() error {
	files, err := s.o.fs.List(s.spillDir())
	if err != nil {
		return s.cannot("read", s.spillDir(), err)
	}
	segments := map[*session][]segment{}
	orphans := 0
	for _, l := range files {
		key, n, ok := segmentName(l.name)
		g := segment{key: key, n: n, size: l.size}
		x := s.state.sessions[key]
		if ok && x != nil && x.at.items > 0 && n >= x.at.headSeg && n <= x.at.tailSeg {
			segments[x] = append(segments[x], g)
			s.segment = max(s.segment, n)
			continue
		}
		if !ok {
			continue // none of ours
		}
		if x == nil {
			orphans++
		}
		if err := s.o.fs.Remove(filepath.Join(s.spillDir(), l.name)); err != nil {
			return s.cannot("remove", filepath.Join(s.spillDir(), l.name), err)
		}
	}
	if orphans > 0 {
		s.o.Log.Info("removed spills that no session has", "files", orphans, "dir", s.spillDir())
	}
	for _, x := range s.state.inOrder() {
		s.segment = max(s.segment, x.at.tailSeg)
		if x.at.items > 0 {
			if err := s.restoreSpill(x, segments[x]); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Store) segmentPath(g segment) string {
	return filepath.Join(s.spillDir(), hex.EncodeToString(g.key[:])+"."+strconv.FormatUint(g.n, 10))
}

func segmentName(name string) (key pipe.SessionKey, n uint64, ok bool) {
	k, num, ok := strings.Cut(name, ".")
	if !ok || len(k) != 2*len(key) {
		return key, 0, false
	}
	if _, err := hex.Decode(key[:], []byte(k)); err != nil {
		return key, 0, false
	}
	n, err := strconv.ParseUint(num, 10, 48)
	return key, n, err == nil
}
