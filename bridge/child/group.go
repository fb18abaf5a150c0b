package child

import (
	"fmt"

	"github.com/sente-lite/sente-lite/pipe"
)

// A group is a program of which every user has a process of its own, NAME/UID,
// for as long as the user is there.
type group struct {
	h    *Host
	name string
	spec Spec

	units map[string]*unit // by user; guarded by Host.mu
}

// User implements pipe.Names.
func (h *Host) User(uid string) {
	h.mu.Lock()
	if len(h.groups) == 0 || h.units[uid] != nil { // a program is no user
		h.mu.Unlock()
		return
	}
	all := make([]*group, 0, len(h.groups))
	for _, g := range h.groups {
		all = append(all, g)
	}
	h.mu.Unlock()
	for _, g := range all {
		if bad := g.look(uid); bad != nil {
			h.cfg.Hub().Report(uid, outside(bad))
		}
	}
}

// look starts the process of a user who is there and has none, and ends that of
// one who has gone. By the state of things, not by what has happened: calls may
// come out of order.
func (g *group) look(user string) *pipe.Error {
	h := g.h
	h.mu.Lock()
	if h.stopped || h.groups[g.name] != g || h.units[user] != nil {
		h.mu.Unlock()
		return nil
	}
	u, here := g.units[user], h.cfg.Hub().Has(user)
	switch {
	case here && u == nil:
		uid := g.name + "/" + user
		bad := h.taken(uid)
		if bad == nil {
			bad = g.room()
		}
		if bad != nil {
			h.mu.Unlock()
			return bad
		}
		u = h.add(&unit{uid: uid, spec: g.spec, of: g, user: user})
		g.units[user] = u
		h.mu.Unlock()
		return g.start(u)
	case !here && u != nil:
		delete(g.units, user)
		leave := u.dismiss(pipe.Reason{Code: pipe.CloseNormal, Text: "its user has gone"})
		h.forget(u)
		h.mu.Unlock()
		leave()
		return nil
	}
	h.mu.Unlock()
	return nil
}

// room is an error if one more process would be one too many. Those that take
// their time to end are counted apart: who comes back at once finds room. The lock
// is held.
func (g *group) room() *pipe.Error {
	run, end := 0, 0
	for u := range g.h.all {
		switch {
		case u.of != g || u.over && u.dismissed == nil:
		case u.dismissed != nil:
			end++
		default:
			run++
		}
	}
	if max(run, end) < g.spec.Max {
		return nil
	}
	return &pipe.Error{Category: pipe.Busy, Code: "too-many-processes", Retry: true,
		Msg:  fmt.Sprintf("%d processes of %q run and %d are ending; :max-processes allows %d", run, g.name, end, g.spec.Max),
		Hint: "try again once another user has gone"}
}

func (g *group) start(u *unit) *pipe.Error {
	h := g.h
	r, bad := h.run(u)
	if bad != nil {
		h.mu.Lock()
		u.over, u.absent = true, bad
		delete(h.all, u)
		h.mu.Unlock()
		h.cfg.Log.Error("a user's program cannot be started", "child", u.uid, "error", bad.Msg)
		return bad
	}
	h.own.Go(func() { h.supervise(u, r) })
	return nil
}

// find returns the uid of a user's own process.
func (g *group) find(user string) (uid string, absent *pipe.Error) {
	h := g.h
	if user == "" || h.isProgram(user) {
		return g.name, &pipe.Error{Category: pipe.NotFound, Code: "one-per-user",
			Msg:  fmt.Sprintf("%q runs once for each user, and you are none", g.name),
			Hint: fmt.Sprintf("say whose is meant: %q", g.name+"/UID")}
	}
	if bad := g.look(user); bad != nil {
		return g.name, bad // whoever has the uid is not meant
	}
	uid = g.name + "/" + user
	h.mu.Lock()
	defer h.mu.Unlock()
	if u := g.units[user]; u != nil {
		return uid, u.absent
	}
	return uid, starting(uid)
}

func (h *Host) isProgram(uid string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.units[uid] != nil
}
