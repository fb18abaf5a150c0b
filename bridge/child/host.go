package child

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/sente-lite/sente-lite/pipe"
	"github.com/sente-lite/sente-lite/pipe/transport"
)

// A Config says what a Host needs from its surroundings.
type Config struct {
	Hub     func() *pipe.Hub // once there is one
	Options func() transport.Options
	Environ []string // what programs inherit, less what is meant for us
	Log     *slog.Logger
}

// A Host runs programs. It is the pipe.Names of its hub.
//
// Host.mu is not held while the hub is called but for Has, Named and Claimed, nor while
// anything is waited for. Nothing takes it that may be called with a lock of the
// hub: a Conn's methods.
type Host struct {
	cfg      Config
	own      sync.WaitGroup
	stopping chan struct{} // closed by Stop
	deadline time.Time     // when all must have ended; set before stopping is closed
	hello    time.Duration // helloTime; tests have less
	once     sync.Once     // the shortcoming is told

	mu      sync.Mutex
	stopped bool
	units   map[string]*unit  // by uid
	all     map[*unit]bool    // also those that are ending, whose uid another may have
	groups  map[string]*group // by name
}

var _ pipe.Names = (*Host)(nil)

// New makes a Host that runs nothing.
func New(cfg Config) *Host {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Host{cfg: cfg, stopping: make(chan struct{}), hello: helloTime, units: map[string]*unit{}, all: map[*unit]bool{}, groups: map[string]*group{}}
}

// maxUID is how long a uid may be.
const maxUID = 256

// Check says what keeps a program from being started, as far as that shows
// without starting it.
func (h *Host) Check(s Spec) *pipe.Error {
	if _, bad := s.resolve(h.cfg.Environ); bad != nil {
		return bad
	}
	if Reserved(s.UID) || len(s.UID) > maxUID {
		return &pipe.Error{Category: pipe.Incorrect, Code: "reserved-uid",
			Msg:  fmt.Sprintf("the uid %.60q cannot be a program's: \"owner\", \"conn-…\" and \"unix:…\" are given by the sidecar itself, and 256 bytes are the most", s.UID),
			Hint: "choose another :uid, or leave it out"}
	}
	return nil
}

// Spawn starts a program, and returns its uid and the process id: 0 for one that
// starts when a user comes. When it returns the program is a peer.
func (h *Host) Spawn(s Spec) (uid string, pid int, bad *pipe.Error) {
	s = s.orDefault()
	if bad := h.Check(s); bad != nil {
		return "", 0, bad
	}
	if shortcoming != "" {
		h.once.Do(func() { h.cfg.Log.Warn(shortcoming) })
	}
	h.mu.Lock()
	if h.stopped {
		h.mu.Unlock()
		return "", 0, errStopping
	}
	if s.UID == "" {
		s.UID = h.unique(s.Command[0])
	}
	bad = h.taken(s.UID)
	if name := h.above(s.UID); bad == nil && name != "" {
		bad = conflict(fmt.Sprintf("the uid %q is one for a user of the program %q", s.UID, name), name)
	}
	if bad != nil {
		h.mu.Unlock()
		return "", 0, bad
	}
	if s.PerUser {
		g := &group{h: h, name: s.UID, spec: s, units: map[string]*unit{}}
		h.groups[s.UID] = g
		h.mu.Unlock()
		for _, user := range h.cfg.Hub().Users() {
			if bad := g.look(user); bad != nil {
				h.cfg.Hub().Report(user, outside(bad))
			}
		}
		return s.UID, 0, nil
	}
	u := h.add(&unit{uid: s.UID, spec: s})
	h.mu.Unlock()
	r, bad := h.run(u)
	if bad != nil {
		h.mu.Lock()
		h.forget(u)
		delete(h.all, u)
		h.mu.Unlock()
		return "", 0, bad
	}
	h.own.Go(func() { h.supervise(u, r) })
	return u.uid, r.p.pid, nil
}

func (h *Host) supervise(u *unit, r *run) {
	u.supervise(r)
	h.mu.Lock()
	delete(h.all, u)
	h.mu.Unlock()
}

var errStopping = &pipe.Error{Category: pipe.Unavailable, Code: "closed", Msg: "the sidecar is ending: nothing is started any more"}

// unique makes a uid of a program's name. The lock is held.
func (h *Host) unique(program string) string {
	base := filepath.Base(program)
	base = strings.TrimSuffix(base, ".exe")
	if Reserved(base) || len(base) > maxUID-20 {
		base = "process"
	}
	for n, uid := 2, base; ; n++ {
		if h.taken(uid) == nil && h.above(uid) == "" && !h.cfg.Hub().Named(uid) {
			return uid
		}
		uid = base + "-" + strconv.Itoa(n)
	}
}

// taken is a conflict if a program that may still run has a uid, or somebody has
// brought it. The lock is held.
func (h *Host) taken(uid string) *pipe.Error {
	u := h.unit(uid)
	switch {
	case h.groups[uid] != nil, u != nil && !(u.over && u.user == "") && !(u.of != nil && u.dismissed != nil):
		return conflict(fmt.Sprintf("a program with the uid %q runs already", uid), uid)
	case h.cfg.Hub().Claimed(uid):
		return conflict(fmt.Sprintf("somebody with the uid %q is connected", uid), uid)
	}
	return nil
}

func conflict(why, uid string) *pipe.Error {
	return &pipe.Error{Category: pipe.Conflict, Code: "uid-taken", Msg: why,
		Hint: "choose another :uid, leave it out, or end the other one first: [:sente-lite/kick {:to " + strconv.Quote(uid) + "}]"}
}

// above returns the name of the group that gives a uid to a user, "" for none. The
// lock is held.
func (h *Host) above(uid string) string {
	for i := range len(uid) {
		if uid[i] == '/' && h.groups[uid[:i]] != nil {
			return uid[:i]
		}
	}
	return ""
}

// Owns implements pipe.Names.
func (h *Host) Owns(uid string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.groups[uid] != nil || h.unit(uid) != nil || h.above(uid) != ""
}

// add makes a unit that is about to run. The lock is held.
func (h *Host) add(u *unit) *unit {
	u.h, u.quit, u.absent = h, make(chan struct{}), starting(u.uid)
	h.units[u.uid], h.all[u] = u, true
	return u
}

func starting(uid string) *pipe.Error {
	return &pipe.Error{Category: pipe.Unavailable, Code: "process-restarting", Retry: true,
		Msg: fmt.Sprintf("the program %q is just now starting or ending", uid)}
}

// unit returns who has a uid. A program that is ending for good has it no more,
// and another may have it meanwhile. The lock is held.
func (h *Host) unit(uid string) *unit {
	u := h.units[uid]
	if u != nil && u.of == nil && u.kicked.Load() {
		return nil
	}
	return u
}

// forget takes a unit's uid back. The lock is held.
func (h *Host) forget(u *unit) {
	u.over = true
	if h.units[u.uid] == u {
		delete(h.units, u.uid)
	}
}

// run starts a unit's program and makes a peer of it.
func (h *Host) run(u *unit) (*run, *pipe.Error) {
	r, bad := u.begin()
	if bad != nil {
		return nil, bad
	}
	leave, left, ok := h.cfg.Hub().Join(r.conn)
	if !ok {
		left, leave = r.over, func(pipe.Reason) {}
		r.conn.Close(pipe.Reason{Code: pipe.CloseShutdown, Text: "shutdown"})
		h.own.Go(r.drain)
	}
	r.left = left
	h.mu.Lock()
	u.leave, u.absent = leave, starting(u.uid)
	why := u.dismissed
	h.mu.Unlock()
	if why != nil {
		leave(*why)
	}
	return r, nil
}

// dismiss ends a unit for good. The lock is held; what it returns is called
// without.
func (u *unit) dismiss(reason pipe.Reason) (leave func()) {
	if u.dismissed != nil {
		return func() {}
	}
	u.dismissed = &reason
	close(u.quit)
	if u.leave == nil {
		return func() {}
	}
	close := u.leave
	return func() { close(reason) }
}

// ended is told of a unit that does not run again.
func (h *Host) ended(u *unit, how string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	u.over = true
	if u.user != "" && u.dismissed == nil {
		u.absent = &pipe.Error{Category: pipe.Unavailable, Code: "process-ended",
			Msg: fmt.Sprintf("the program %q has ended (%s), and starts again when its user comes anew", u.uid, how)}
		return
	}
	h.forget(u)
}

// between is told of a unit that waits for its next run.
func (h *Host) between(u *unit, how string, pause time.Duration) {
	h.mu.Lock()
	u.leave = nil
	u.absent = &pipe.Error{Category: pipe.Unavailable, Code: "process-restarting", Retry: true,
		Msg: fmt.Sprintf("the program %q has ended (%s), and starts again within %v", u.uid, how, pause.Round(time.Millisecond))}
	h.mu.Unlock()
	h.cfg.Log.Warn("a program is started again", "child", u.uid, "how", how, "within", pause.Round(time.Millisecond))
}

// failing is told of a unit that has failed too often.
func (h *Host) failing(u *unit, how string, words []string) {
	e := u.failure(how, words)
	h.mu.Lock()
	u.over, u.absent, u.leave = true, e, nil
	h.mu.Unlock()
	h.cfg.Log.Error("a program fails and is not started again", "child", u.uid, "how", how)
	h.cfg.Hub().Report("", e)
}

// Find implements pipe.Names.
func (h *Host) Find(name, user string) (string, *pipe.Error) {
	h.mu.Lock()
	g, u, by := h.groups[name], h.unit(name), h.units[user]
	h.mu.Unlock()
	switch {
	case g != nil:
		uid, absent := g.find(user)
		return uid, outside(absent)
	case u == nil:
		return name, nil
	case u.user != "" && user != "" && u.user != user && (by == nil || by.user != u.user):
		return name, nil // another user's is nobody
	case user == "":
		return name, h.why(u)
	}
	return name, outside(h.why(u))
}

// outside is an error as clients hear it: how a program ended and what it said is
// not for everybody.
func outside(e *pipe.Error) *pipe.Error {
	if e == nil || e.Category != pipe.Unavailable && e.Category != pipe.Fault && e.Code != "no-such-program" && e.Code != "not-executable" && e.Code != "bad-dir" {
		return e
	}
	return &pipe.Error{Category: pipe.Unavailable, Code: e.Code, Retry: e.Retry, Msg: "the program does not run right now"}
}

func (h *Host) why(u *unit) *pipe.Error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return u.absent
}

// Dismiss implements pipe.Names.
func (h *Host) Dismiss(name, reason string) (peers int, known bool) {
	bye := pipe.Reason{Code: pipe.CloseKicked, Text: reason}
	h.mu.Lock()
	g, u := h.groups[name], h.unit(name)
	var leave []func()
	switch {
	case g != nil:
		delete(h.groups, name)
		for _, u := range g.units {
			if !u.over {
				peers++
			}
			leave = append(leave, u.dismiss(bye))
			if u.over {
				h.forget(u)
			}
		}
	case u != nil:
		leave = append(leave, u.dismiss(bye))
		if u.over && u.user == "" {
			h.forget(u)
		}
	}
	h.mu.Unlock()
	for _, f := range leave {
		f()
	}
	return peers, g != nil || u != nil
}

// Stop starts nothing more, and gives all who run that much time to end; their
// peers are closed by the hub. Wait waits for them.
func (h *Host) Stop(within time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.stopped {
		h.stopped = true
		h.deadline = time.Now().Add(within)
		close(h.stopping)
	}
}

// Grace returns the longest grace of the programs that run.
func (h *Host) Grace() (grace time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for u := range h.all {
		grace = max(grace, u.spec.Grace)
	}
	return grace
}

// Wait waits until nothing of what has run is left. It follows Stop, and the end
// of the hub.
func (h *Host) Wait() { h.own.Wait() }
