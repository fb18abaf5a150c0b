package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
)

// A watch knows the state of a folder of pages, and tells the pages that are
// open when it has changed. The state is made from the files' names, sizes and
// times, so that it outlives the process. Dotfiles and node_modules do not
// count.
type watch struct {
	dir string

	mu    sync.Mutex
	state folderState
	open  map[chan folderChange]struct{} // streams; each has room for the last change
	ended chan struct{}                  // closed when run is over
}

// A folderState is what a folder was like at some time.
type folderState struct {
	id    string            // of it all
	files map[string]string // by name, with slashes: size and time
	dirs  []string
	more  bool // than can be watched
}

// A folderChange is what an open page hears.
type folderChange struct {
	State  string   `json:"state"`
	Before string   `json:"before"` // the state from which CSS leads here
	CSS    []string `json:"css"`    // stylesheets, if nothing else has changed
}

// Bounds of a watch.
const (
	maxWatchedFiles = 20_000
	maxWatchedDirs  = 2000
	maxDevStreams   = 200
)

const (
	// settleTime is how long a folder must be quiet before it is looked at: an
	// editor's one save is several events. settleMost is how long that may last.
	settleTime = 40 * time.Millisecond
	settleMost = 500 * time.Millisecond
	// pollTime is how often it is looked at where the system does not tell of
	// changes.
	pollTime = time.Second
)

func newWatch(dir string) *watch {
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real // a walk would not follow it
	}
	w := &watch{dir: dir, open: map[chan folderChange]struct{}{}, ended: make(chan struct{})}
	w.state = lookAt(dir)
	return w
}

// now is the state's id.
func (w *watch) now() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.state.id
}

// run watches until ctx ends.
func (w *watch) run(ctx context.Context, log *slog.Logger) error {
	defer close(w.ended)
	var poll <-chan time.Time
	startPolling := func(why error) {
		if poll == nil {
			log.Warn("changes are looked for once a second", "folder", w.dir, "why", why)
			poll = time.Tick(pollTime)
		}
	}
	var events chan fsnotify.Event
	var failures chan error
	notify, err := fsnotify.NewWatcher()
	if err != nil {
		startPolling(err)
	} else {
		defer notify.Close()
		events, failures = notify.Events, notify.Errors
	}
	watched := map[string]bool{}
	follow := func() (more bool) { // whether there are folders that were not watched
		if notify == nil {
			return false
		}
		for _, d := range w.dirs() {
			if watched[d] {
				continue
			}
			if err := notify.Add(d); err != nil {
				startPolling(err)
				return false
			}
			watched[d], more = true, true
		}
		return more
	}
	if w.state.more {
		log.Warn("the folder is too large to be watched whole", "folder", w.dir, "files", maxWatchedFiles, "folders", maxWatchedDirs)
	}
	for follow() {
		w.look() // for what has changed before it was watched
	}
	quiet := time.NewTimer(0)
	<-quiet.C
	var since time.Time // the first event that has not been looked at
	for {
		select {
		case <-ctx.Done():
			return nil
		case e := <-events:
			if hiddenPage(filepath.Base(e.Name)) {
				continue
			}
			if e.Has(fsnotify.Remove) || e.Has(fsnotify.Rename) {
				delete(watched, e.Name) // if it is a folder's, it is watched no more
			}
			if since.IsZero() {
				since = time.Now()
			}
			quiet.Reset(max(0, min(settleTime, settleMost-time.Since(since))))
		case err := <-failures:
			startPolling(err)
		case <-quiet.C:
			since = time.Time{}
			w.look()
			for follow() {
				w.look()
			}
		case <-poll:
			w.look()
		}
	}
}

func (w *watch) dirs() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.state.dirs
}

// look tells the open pages if the folder has changed.
func (w *watch) look() {
	next := lookAt(w.dir)
	w.mu.Lock()
	defer w.mu.Unlock()
	if next.id == w.state.id {
		w.state.dirs = next.dirs
		return
	}
	change := folderChange{State: next.id, Before: w.state.id, CSS: onlyCSS(w.state.files, next.files)}
	w.state = next
	for stream := range w.open {
		select {
		case <-stream: // it has not been told of the one before, and need not be
		default:
		}
		stream <- change
	}
}

// onlyCSS returns the stylesheets that have changed, nothing if anything else
// has.
func onlyCSS(before, after map[string]string) []string {
	css := []string{}
	for name, stamp := range after {
		if before[name] == stamp {
			continue
		}
		if _, was := before[name]; !was || path.Ext(name) != ".css" {
			return []string{}
		}
		css = append(css, name)
	}
	for name := range before {
		if _, is := after[name]; !is {
			return []string{}
		}
	}
	slices.Sort(css)
	return css
}

func hiddenPage(name string) bool { return strings.HasPrefix(name, ".") || name == "node_modules" }

// lookAt looks at every file of a folder, within bounds. What cannot be read is
// not there.
func lookAt(dir string) folderState {
	s := folderState{files: map[string]string{}}
	_ = filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error { // returns no error of its own
		switch {
		case err != nil:
			return nil
		case name != dir && hiddenPage(d.Name()):
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		case d.IsDir():
			if s.more = s.more || len(s.dirs) >= maxWatchedDirs; s.more {
				return fs.SkipAll
			}
			s.dirs = append(s.dirs, name)
			return nil
		}
		if s.more = s.more || len(s.files) >= maxWatchedFiles; s.more {
			return fs.SkipAll
		}
		info, err := d.Info()
		rel, bad := filepath.Rel(dir, name)
		if cmp.Or(err, bad) == nil {
			s.files[filepath.ToSlash(rel)] = fmt.Sprintf("%d %d", info.Size(), info.ModTime().UnixNano())
		}
		return nil
	})
	sum := sha256.New()
	names := make([]string, 0, len(s.files))
	for name := range s.files {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		fmt.Fprintf(sum, "%q %s\n", name, s.files[name])
	}
	s.id = hex.EncodeToString(sum.Sum(nil)[:8])
	return s
}

// ServeHTTP is a stream of the changes, from the state that holds. It is no
// peer: the application does not hear of it.
func (w *watch) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		return
	}
	stream := make(chan folderChange, 1)
	w.mu.Lock()
	full := len(w.open) >= maxDevStreams
	if !full {
		stream <- folderChange{State: w.state.id, CSS: []string{}}
		w.open[stream] = struct{}{}
	}
	w.mu.Unlock()
	if full {
		http.Error(rw, "503: as many pages are open as can be told of changes", http.StatusServiceUnavailable)
		return
	}
	defer func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.open, stream)
	}()
	rw.Header().Set("Content-Type", "text/event-stream")
	rw.Header().Set("Cache-Control", "no-store")
	control := http.NewResponseController(rw)
	// The request's time is over soon, the stream's is not.
	if err := control.SetReadDeadline(time.Time{}); err != nil {
		return
	}
	say := func(format string, args ...any) bool {
		if control.SetWriteDeadline(time.Now().Add(5*time.Second)) != nil {
			return false
		}
		_, err := fmt.Fprintf(rw, format, args...)
		return err == nil && control.Flush() == nil
	}
	alive := time.NewTicker(15 * time.Second)
	defer alive.Stop()
	going := say("retry: 500\n\n")
	for going {
		select {
		case c := <-stream:
			data, err := json.Marshal(c)
			going = err == nil && say("data: %s\n\n", data)
		case <-alive.C:
			going = say(": alive\n\n")
		case <-r.Context().Done():
			return
		case <-w.ended:
			return
		}
	}
}
