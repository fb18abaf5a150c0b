package journal

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"github.com/sente-lite/sente-lite/pipe"
)

// Options of a Store. The zero value has the defaults.
type Options struct {
	// Keep is how old a session may be, by its last note, that Open gives back; 24 h.
	Keep time.Duration
	// MaxBuffered bounds the bytes of notes that wait behind a Commit that has
	// failed; 64 MiB. Beyond it the Store gives up: see the package comment.
	MaxBuffered int
	// MaxSpillBytes bounds the spills' files, all together; 1 GiB.
	MaxSpillBytes int64
	// MaxSessions bounds the sessions; 100000. One too many is not kept, and the
	// next Commit says so.
	MaxSessions int

	Log *slog.Logger     // slog.Default()
	Now func() time.Time // time.Now

	fs fsys
	// Tests make these small.
	compactAt   int64 // the least log that is compacted, 1 MiB
	segmentSize int64 // 4 MiB
}

func (o Options) orDefault() Options {
	def(&o.Keep, 24*time.Hour)
	def(&o.MaxBuffered, 64<<20)
	def(&o.MaxSpillBytes, 1<<30)
	def(&o.MaxSessions, 100_000)
	def(&o.compactAt, 1<<20)
	def(&o.segmentSize, 4<<20)
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.fs == nil {
		o.fs = osFS{}
	}
	return o
}

func def[T int | int64 | time.Duration](v *T, d T) {
	if *v <= 0 {
		*v = d
	}
}

// What one note may hold, beside an item's bytes.
const (
	maxText     = 1 << 20 // bytes of a uid, client-id, credential, name or channel
	maxChannels = 1 << 16 // of one session
)

var (
	// ErrFull is in the error of what one of the bounds does not allow.
	ErrFull = errors.New("the store is full")
	// ErrInUse is in Open's error where another process uses the folder.
	ErrInUse = errors.New("another process uses it")
	// ErrClosed is the error of what is done after Close.
	ErrClosed = errors.New("journal: the store is closed")
)

// A Store is a pipe.Store on the files of a folder.
//
// A note about a session that was not begun, or has ended, is left out: there
// is nothing that it could be about. A Commit's error is one of two kinds. With
// ErrFull because of MaxSessions or a note's own bounds, everything but that note
// is on disk. With any other, nothing since the last Commit that succeeded is;
// the next that does brings all of it.
type Store struct {
	dir string
	o   Options

	// disk is held by whoever writes the log, mu never while something waits for
	// the disk: notes go on during a Commit.
	disk   sync.Mutex
	log    file
	size   int64 // of the log's good frames
	lock   io.Closer
	seen   int64  // ms, when the log was last known to be at its path
	spare  []byte // for the next frame
	nextAt int64  // size below which no compaction is tried again after one has failed

	mu     sync.Mutex
	state  state
	frame  []byte    // the open one: notes since the last Commit; empty: none yet
	now    int64     // ms, when it was begun
	sealed []*sealed // frames that were not written yet
	held   int       // bytes of sealed
	end    int64     // of the log, once sealed is written
	failed bool      // the last Commit has
	notes  error     // what the next Commit has to say of notes
	lost   error     // why no more notes are taken

	dirty   []*spill // those whose place the next frame has to say
	segment uint64   // the last one's number, of all spills
	spilled int64    // bytes of all segments

	found []pipe.StoredSession // for Sessions
}

// A sealed frame is one that is to be written as it is.
type sealed struct {
	data []byte
	drop []segment // files that are of no use once it is on disk
}

var (
	_ pipe.Store = (*Store)(nil)
	_ pipe.Spill = (*spill)(nil)
)

func (s *Store) logPath() string             { return filepath.Join(s.dir, "sessions.log") }
func (s *Store) spillDir() string            { return filepath.Join(s.dir, "spill") }
func (s *Store) damagedPath(k string) string { return filepath.Join(s.dir, k+".damaged") }

// Open reads what an earlier process has left in the folder, which it makes, 0700,
// if it is missing. Only one process at a time can use it.
//
// A last frame that was not written to its end is cut off. What is damaged is set
// aside, in sessions.log.damaged or spill.damaged, from there to the file's end;
// what comes before is kept. Sessions without a note for longer than Options.Keep
// are dropped, and files of spills that no session has. All of that is logged and
// no error. The format of another version is, as is anything that the system
// refuses; the message has the path, the cause, and what to do.
func Open(dir string, o Options) (*Store, error) {
	s := &Store{dir: dir, o: o.orDefault(), state: state{sessions: map[pipe.SessionKey]*session{}}}
	if err := s.open(); err != nil {
		s.release()
		return nil, err
	}
	return s, nil
}

func (s *Store) open() error {
	fsys := s.o.fs
	if err := fsys.MkdirAll(s.spillDir()); err != nil {
		return s.cannot("make the folder", s.spillDir(), err)
	}
	lock, err := fsys.Lock(filepath.Join(s.dir, "lock"))
	var locked *lockedError
	if errors.As(err, &locked) {
		who := "another process"
		if locked.holder != "" {
			who += ", pid " + locked.holder + ","
		}
		return fmt.Errorf("journal: %s uses the folder %s: end it, or give this one a :data-dir of its own (%w)", who, s.dir, ErrInUse)
	} else if err != nil {
		return s.cannot("lock the folder", s.dir, err)
	}
	s.lock = lock
	if err := s.read(); err != nil {
		return err
	}
	s.dropOld()
	if err := s.remember(); err != nil {
		return err
	}
	return s.Commit()
}

// cannot is the error of what the system has refused.
func (s *Store) cannot(what, path string, err error) error {
	return fmt.Errorf("journal: cannot %s %s: %w: the folder :data-dir must exist, be writable by this user alone, and have room", what, path, cause(err))
}

// dropOld ends the sessions that nobody will come back for.
func (s *Store) dropOld() {
	oldest := s.o.Now().Add(-s.o.Keep).UnixMilli()
	dropped := 0
	for _, x := range s.state.inOrder() {
		if x.active < oldest {
			s.End(x.Key)
			dropped++
		}
	}
	if dropped > 0 {
		s.o.Log.Info("dropped sessions that nobody came back for", "sessions", dropped, "older-than", s.o.Keep, "dir", s.dir)
	}
}

// remember reads the items of all sessions, for Sessions.
func (s *Store) remember() error {
	all := s.state.inOrder()
	s.found = make([]pipe.StoredSession, len(all))
	for i, x := range all {
		f := &s.found[i]
		*f = x.StoredSession
		f.Channels = append([]string(nil), x.Channels...)
		if x.spill != nil {
			f.Spilled = x.spill.items
		}
		if x.items.live > 0 {
			f.Items = make([]pipe.StoredItem, 0, x.items.live)
		}
	}
	live := liveRefs(all)
	return s.readRefs(live, func(i int, rec []byte) error {
		d, r := decoder{b: rec}, record{}
		if err := d.next(&r); err != nil {
			return err
		}
		r.item.EDN = append([]byte(nil), r.item.EDN...)
		f := &s.found[live[i].session]
		f.Items = append(f.Items, r.item)
		return nil
	})
}

// Sessions implements pipe.Store. It has what Open has found.
func (s *Store) Sessions() ([]pipe.StoredSession, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := s.found
	s.found = nil
	return found, nil
}

// Close commits and gives the folder free, even if it fails to commit.
func (s *Store) Close() error {
	err := s.Commit()
	s.disk.Lock()
	defer s.disk.Unlock()
	s.mu.Lock()
	again := s.lost == ErrClosed
	s.lost, s.frame, s.found = ErrClosed, nil, nil
	s.mu.Unlock()
	if again {
		return nil
	}
	return errors.Join(err, s.release())
}

func (s *Store) release() (err error) {
	if s.log != nil {
		err = s.log.Close()
		s.log = nil
	}
	if s.lock != nil {
		err = errors.Join(err, s.lock.Close())
		s.lock = nil
	}
	return err
}
