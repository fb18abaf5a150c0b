package child

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/sente-lite/sente-lite/pipe"
)

// The breaker and the waits before it.
const (
	firstWait   = 100 * time.Millisecond
	longestWait = 10 * time.Second
	soundTime   = 10 * time.Second // whoever lives this long is well again
	maxFailures = 5                // within failureTime, and it is not started again
	failureTime = 30 * time.Second
)

// A unit is one uid and the program that has it, run after run.
type unit struct {
	h    *Host
	uid  string
	spec Spec
	of   *group // whose it is one of
	user string // of whom it is the process there

	quit   chan struct{} // closed once it is not to run again
	kicked atomic.Bool   // likewise: its peer was

	// Guarded by Host.mu.
	leave     func(pipe.Reason) // closes the peer of this run
	dismissed *pipe.Reason      // why it is not to run any more
	absent    *pipe.Error       // why it has no peer, if it has none
	over      bool              // it runs no more
}

// supervise sees a unit through run after run.
func (u *unit) supervise(r *run) {
	var failures []time.Time
	wait := firstWait
	for {
		how, failed := "", true
		var words []string
		if r != nil {
			<-r.over
			<-r.p.gone
			<-r.left
			how, failed, words = r.how(), r.failed(), r.errs.words()
			if time.Since(r.began) >= soundTime {
				wait, failures = firstWait, nil
			}
			if !u.wanted(r, failed) {
				u.h.ended(u, how)
				return
			}
		}
		now := time.Now()
		failures = append(failures, now)
		for now.Sub(failures[0]) > failureTime {
			failures = failures[1:]
		}
		if len(failures) >= maxFailures {
			u.h.failing(u, how, words)
			return
		}
		pause := wait/2 + rand.N(wait/2+1)
		wait = min(2*wait, longestWait)
		u.h.between(u, how, pause)
		if !u.pause(pause) {
			u.h.ended(u, how)
			return
		}
		var bad *pipe.Error
		if r, bad = u.h.run(u); bad != nil {
			u.h.cfg.Log.Error("a program was not started again", "child", u.uid, "error", bad.Msg)
			r = nil
		}
	}
}

// pause waits, and reports whether the unit is still wanted then.
func (u *unit) pause(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-u.quit:
	case <-u.h.stopping:
	}
	return false
}

// wanted reports whether a unit whose run has ended is to run again.
func (u *unit) wanted(r *run, failed bool) bool {
	if u.kicked.Load() || is(u.quit) || is(u.h.stopping) {
		return false
	}
	return u.spec.Restart == Always || u.spec.Restart == OnFailure && failed
}

// is reports whether a channel has been closed.
func is(closed <-chan struct{}) bool {
	select {
	case <-closed:
		return true
	default:
		return false
	}
}

// noHello reports a program that has said nothing yet.
func (u *unit) noHello() {
	e := &pipe.Error{Category: pipe.Unavailable, Code: "no-hello",
		Msg:  fmt.Sprintf("%q has said nothing for %v; what is sent to it waits for its first value", u.uid, u.h.hello),
		Hint: "a program that only listens needs :dialect :text, :frames or :lines",
		Data: string(pipe.AppendString([]byte("{:uid "), u.uid)) + "}"}
	u.h.cfg.Log.Warn("a program has said nothing yet", "child", u.uid, "for", u.h.hello)
	u.h.cfg.Hub().Report("", e)
}

// failure is the error of a unit that the breaker has stopped.
func (u *unit) failure(how string, words []string) *pipe.Error {
	data := pipe.AppendString([]byte("{:uid "), u.uid)
	data = append(data, " :stderr ["...)
	for i, w := range words {
		if i > 0 {
			data = append(data, ' ')
		}
		data = pipe.AppendString(data, w)
	}
	return &pipe.Error{Category: pipe.Unavailable, Code: "process-failing",
		Msg:  fmt.Sprintf("%s has ended %d times within %v and is not started again; the last time: %s", strconv.Quote(u.uid), maxFailures, failureTime, how),
		Hint: "mend it, and spawn it again",
		Data: string(append(data, "]}"...))}
}
