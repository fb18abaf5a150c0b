package child

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sente-lite/sente-lite/pipe"
	"github.com/sente-lite/sente-lite/pipe/transport"
)

const (
	// helloTime is how long a program may say nothing before that is reported.
	helloTime = 5 * time.Second
	// drainTime is how long stderr may be held by others once a program has ended.
	drainTime = 50 * time.Millisecond
	// lastTime is how long a program that has ended its stdout may take to end.
	lastTime = 250 * time.Millisecond
)

// A run is one life of a program.
type run struct {
	u      *unit
	p      *process
	began  time.Time
	conn   pipe.Conn
	ended  func() // tells conn that the process has
	errs   stderr
	spoken atomic.Bool // it has said something
	read   atomic.Bool // its stdout has ended

	left <-chan struct{} // closed once the hub has seen its peer out

	once    sync.Once
	closing chan struct{} // somebody has closed conn; reason says why
	reason  pipe.Reason
	over    chan struct{} // the process has ended, and stderr was read
}

// begin starts a program and makes a peer of it.
func (u *unit) begin() (*run, *pipe.Error) {
	h := u.h
	c, bad := u.spec.resolve(h.cfg.Environ)
	if bad != nil {
		return nil, bad
	}
	p, err := start(c, u.spec.Grace)
	if err != nil {
		return nil, &pipe.Error{Category: pipe.Unavailable, Code: "cannot-start", Msg: fmt.Sprintf("the program %q cannot be started: %v", u.spec.Command[0], err)}
	}
	r := &run{
		u: u, p: p, began: time.Now(), closing: make(chan struct{}), over: make(chan struct{}),
		errs: stderr{log: h.cfg.Log.With(slog.String("child", u.uid)), hurry: make(chan struct{}), ended: make(chan struct{})},
	}
	info := pipe.ConnInfo{
		Remote:  fmt.Sprintf("%s pid %d", u.uid, p.pid),
		Claim:   &pipe.Claim{UID: u.uid, Role: u.spec.Role},
		Present: true, Quiet: u.spec.Dialect == "", User: u.user,
	}
	if u.spec.Dialect == "lines" {
		info.Form = Lines
	}
	conn, ended, err := transport.Exec(p.stdout, p.stdin, transport.ExecOptions{
		Options: h.cfg.Options(), Info: info, Dialect: u.spec.Dialect, CloseWait: 2*u.spec.Grace + killWait})
	if err != nil {
		p.kill()
		closeAll(p.stdin, p.stdout, p.stderr)
		<-p.gone
		return nil, &pipe.Error{Category: pipe.Fault, Code: "cannot-start", Msg: fmt.Sprintf("the pipes of %q cannot be used: %v", u.spec.Command[0], err)}
	}
	r.conn, r.ended = &programConn{conn, r}, ended
	h.own.Go(func() { r.errs.read(p.stderr) })
	h.own.Go(r.see)
	h.cfg.Log.Info("a program has started", "child", u.uid, "pid", p.pid, "program", u.spec.Command[0])
	return r, nil
}

// killWait is how long whoever is killed may take, and a keeper with them.
const killWait = 6 * time.Second

// see sees a program through its life, and to its end.
func (r *run) see() {
	u := r.u
	var hello <-chan time.Time
	if u.spec.Dialect == "" {
		t := time.NewTimer(u.h.hello)
		defer t.Stop()
		hello = t.C
	}
	var end ending
	defer end.stop()
	closing, stopping, exited, gone := r.closing, u.h.stopping, r.p.exited, (chan struct{})(nil)
	for {
		select {
		case <-hello:
			if !r.spoken.Load() {
				u.noHello()
			}
		case <-closing: // and with that its stdin ends
			closing = nil
			end.within(u.spec.Grace, 2*u.spec.Grace)
		case <-stopping: // all have the same time, also who does not take what is queued
			stopping = nil
			left := time.Until(u.h.deadline)
			end.within(min(u.spec.Grace, left/2), left)
		case <-end.due():
			switch end.step() {
			case 1:
				r.p.terminate()
			case 2:
				r.p.kill()
			default:
				u.h.cfg.Log.Error("a program cannot be killed", "child", u.uid, "pid", r.p.pid)
				r.p.abandon()
			}
		case <-exited:
			exited, gone = nil, r.p.gone
			close(r.errs.hurry)
			_ = r.p.stderr.SetReadDeadline(time.Now().Add(drainTime)) // it may have ended already
			<-r.errs.ended
			close(r.over)
			r.ended()
			u.h.cfg.Log.Info("a program has ended", "child", u.uid, "pid", r.p.pid, "how", r.p.exit.String())
		case <-gone:
			return
		}
	}
}

// An ending is when a program that is to end is asked to, killed, and given up.
type ending struct {
	at    [3]time.Time
	next  int
	timer *time.Timer
}

// within sets the times of both signals from now, unless they are earlier already.
func (e *ending) within(term, kill time.Duration) {
	now := time.Now()
	for i, d := range []time.Duration{term, kill, kill + killWait} {
		if at := now.Add(d); e.at[i].IsZero() || at.Before(e.at[i]) {
			e.at[i] = at
		}
	}
	e.arm()
}

func (e *ending) arm() {
	e.stop()
	if e.next < len(e.at) {
		e.timer = time.NewTimer(time.Until(e.at[e.next]))
	}
}

func (e *ending) due() <-chan time.Time {
	if e.timer == nil {
		return nil
	}
	return e.timer.C
}

// step returns which step is due, from 1.
func (e *ending) step() int {
	e.next++
	e.arm()
	return e.next
}

func (e *ending) stop() {
	if e.timer != nil {
		e.timer.Stop()
		e.timer = nil
	}
}

// A programConn is the Conn of a run: it tells how the program has ended, and
// learns that it is to end.
type programConn struct {
	pipe.Conn
	r *run
}

func (c *programConn) Read(idle func() bool) (pipe.Message, error) {
	m, err := c.Conn.Read(idle)
	var bad *pipe.Error
	if err == nil || errors.As(err, &bad) {
		if !c.r.spoken.Load() {
			c.r.spoken.Store(true)
		}
		return m, err
	}
	return m, c.r.why(err)
}

// Close also sees to it that the process ends. What it has said before is still
// read where it takes nothing more.
func (c *programConn) Close(reason pipe.Reason) error {
	first := c.r.end(reason)
	if first && reason.Code == pipe.CloseLost && !c.r.read.Load() {
		return nil
	}
	return c.Conn.Close(reason)
}

// end notes the first reason for which the Conn was closed.
func (r *run) end(reason pipe.Reason) (first bool) {
	r.once.Do(func() {
		first = true
		r.reason = reason
		if reason.Code == pipe.CloseKicked {
			r.u.kicked.Store(true)
		}
		close(r.closing)
	})
	return first
}

// why says what an error of Read is about.
func (r *run) why(err error) error {
	r.read.Store(true)
	var c pipe.Closed
	if errors.As(err, &c) && c.Code != pipe.CloseLost {
		if !c.Remote && c.Code == pipe.CloseProtocol {
			r.u.h.cfg.Log.Warn("a program speaks no dialect", "child", r.u.uid, "error", c.Text)
		}
		return err
	}
	late := time.NewTimer(lastTime)
	defer late.Stop()
	select {
	case <-r.over:
		reason := pipe.Reason{Code: pipe.CloseNormal, Text: r.how()}
		if is(r.closing) && r.reason.Code == pipe.CloseLost && r.p.exit.signal != "" { // it was asked to end
			reason.Text = "it takes no more input, and has been ended: " + reason.Text
		}
		if r.p.exit.failed() {
			reason.Code = pipe.CloseLost
		}
		return pipe.Closed{Reason: reason, Remote: true}
	case <-late.C:
		text := "it has closed its stdout"
		if !errors.Is(err, io.EOF) {
			text = err.Error()
		}
		return pipe.Closed{Reason: pipe.Reason{Code: pipe.CloseLost, Text: text}, Remote: true}
	}
}

// how says how the process has ended, and what its last words were.
func (r *run) how() string {
	text := r.p.exit.String()
	if words := r.errs.words(); len(words) > 0 {
		text += ": " + words[len(words)-1]
	}
	return text
}

// failed reports whether a run that is over ended otherwise than well.
func (r *run) failed() bool {
	return r.p.exit.failed() || is(r.closing) && r.reason.Code >= 4000
}

// drain sees a Conn out that has found no session.
func (r *run) drain() {
	for {
		_, err := r.conn.Read(nil)
		var bad *pipe.Error
		if err != nil && !errors.As(err, &bad) {
			return
		}
	}
}
