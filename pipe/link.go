package pipe

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// A link is a Conn in the service of a Session: that may have one link after the
// other, and none for a while. One goroutine reads it, and handles what comes in.
type link struct {
	conn   Conn
	number uint64 // rises with each link of the hub
	bundle bool   // the other side takes bundles; set before it is written to

	// Of the outbox, and guarded by its lock.
	writing bool    // somebody writes, and will take what is put meanwhile
	broken  bool    // nothing can be written any more
	flight  written // what is being written

	layered *layered // nil without layers; set before its form is spoken
	traffic traffic

	hub  *Hub
	info *ConnInfo
	s    *Session // of the reading goroutine: a new one, until its hello has named another

	// Of the reading goroutine.
	fl      flusher
	args    *args // the data of the event at hand; nil between turns
	sheet   *sheet
	near    near
	stamped bool // lastInput is of this turn
	held    int  // bytes that a stranger has sent before hello
	deep    bool // this goroutine has done more than wait
	moves   bool // nobody waits for this goroutine's end: see movesOn
	often   int
	turned  int64 // the lastInput of the turn before

	peer      atomic.Pointer[Session] // the session, once it is greeted
	lastInput atomic.Int64            // ticks
	probe     probe
	patience  alarm // closes a stranger who does not say hello
}

// newLink makes a link, and a Session for it to begin with.
func newLink(h *Hub, c Conn) *link {
	info := c.Info()
	l := &link{hub: h, conn: c, info: &info}
	l.fl.hub = h
	l.s = newSession(h, l)
	l.number = l.s.number
	return l
}

// strangerBytes and strangerTime bound who has not said hello (contract 5).
const (
	strangerBytes = 64 << 10
	strangerTime  = 5 * time.Second
)

// errReplaced ends a link whose session has another one.
var errReplaced = errors.New("pipe: replaced by another link")

// run reads until the Conn ends, and returns why: nil at a clean end. What we
// shut ourselves is read to its end too: that sees the other side out. begun, if
// set, is called once who needs no first value to be a peer is one.
func (l *link) run(begun func()) error {
	h := l.hub
	s := l.s
	h.mu.Lock()
	h.sessions[s] = struct{}{}
	h.mu.Unlock()
	if h.life.closed() { // perhaps too late for Shutdown to have seen it
		s.shut(Reason{CloseShutdown, "shutdown"})
	}
	s.handling.Lock() // the end of the sidecar may come at any time
	err := s.begin()
	s.handling.Unlock()
	if begun != nil {
		begun()
	}
	l.deep = true
	return l.read(err)
}

// read is the rest of run. It is what waits, and so keeps its part of the stack small.
func (l *link) read(err error) error {
	turn := l.turn // one closure for all
	for err == nil {
		var m Message
		m, err = l.conn.Read(turn)
		switch {
		case err == nil:
			err = l.take(m)
		case err != ErrIdle:
			err = l.unreadable(err)
		case l.hub.goroutine(func() { _ = l.read(nil) }):
			return nil
		default:
			err = nil
		}
	}
	l.turn()
	l.end(err)
	if errors.Is(err, io.EOF) || err == errReplaced {
		err = nil
	}
	return err
}

// owner returns the session, for other goroutines than the reading one: nil before its
// greeting.
func (l *link) owner() *Session { return l.peer.Load() }

// take handles a message of a peer that is still one.
func (l *link) take(m Message) error {
	s := l.s
	s.handling.Lock()
	defer func() { s.handling.Unlock() }()
	switch {
	case s.l != l:
		return errReplaced
	case s.leaving() || s.departed:
		return nil
	}
	l.stamp()
	l.deep = true
	if l.args == nil {
		l.args = argsPool.Get().(*args)
	}
	return s.message(m)
}

// unreadable answers for one message that could not be read. Any other error
// is returned: it ends the link.
func (l *link) unreadable(err error) error {
	var bad *Error
	if !errors.As(err, &bad) {
		return err
	}
	s := l.s
	s.handling.Lock()
	defer s.handling.Unlock()
	if s.l != l {
		return errReplaced
	}
	l.stamp()
	if !l.early(1) {
		s.spoilt(nil, nil, bad)
	}
	return nil
}

// turn ends what has been read so far: everything that it caused leaves now. It reports
// whether this goroutine is to wait for what comes next.
func (l *link) turn() (wait bool) {
	l.s.noteReceived(l)
	l.endSheet()
	l.arrived()
	l.forgetNear()
	l.fl.flush()
	l.stamped = false
	if l.args != nil {
		*l.args = args{} // holds on to no buffer
		argsPool.Put(l.args)
		l.args = nil
	}
	return !l.movesOn()
}

// movesOn reports whether another goroutine is to wait for what comes next. To handle
// a message takes a stack of 4 KiB or 8, which does not shrink again; to wait takes 2.
// A new goroutine costs about a microsecond, so those who send often keep theirs.
func (l *link) movesOn() bool {
	if !l.moves || !l.deep {
		return false
	}
	l.deep = false
	at := l.lastInput.Load()
	if at-l.turned > oftenTime {
		l.often = 0
	}
	l.turned = at
	l.often++
	return l.often <= oftenMoves
}

// A link that has moved oftenMoves times stays where it is, until its peer has once
// been silent for oftenTime.
const (
	oftenMoves = 4
	oftenTime  = 1000 // ticks
)

// argsPool is for links that wait: most of them do.
var argsPool = sync.Pool{New: func() any { return new(args) }}

// arrived adds up what has come in.
func (l *link) arrived() {
	l.traffic.in.add(l.fl.messages, l.fl.bytes)
	l.fl.messages, l.fl.bytes = 0, 0
}

// stamp notes that the peer is there, once a turn.
func (l *link) stamp() {
	if !l.stamped {
		l.stamped = true
		l.lastInput.Store(ticks())
	}
}

// early counts what a stranger sends before its hello, and reports whether that
// was too much.
func (l *link) early(n int) bool {
	if l.s.greeted || !l.info.Stranger {
		return false
	}
	if l.held += n; l.held <= strangerBytes {
		return false
	}
	l.s.shut(Reason{CloseUnauthorized, "more than 64 KiB before a hello"})
	return true
}

// end is the end of the Conn: that of the session, too, unless the peer may come back.
func (l *link) end(err error) {
	h, s := l.hub, l.s
	l.probe.end(h)
	h.clock.stop(&l.patience)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	s.handling.Lock()
	reason := s.reasonOf(err)
	replaced, stays := s.l != l, s.comesBack(err)
	if !replaced && stays {
		s.goAway(reason)
	}
	s.handling.Unlock()
	if !replaced && !stays && err == nil { // it may still read; else nothing more can be written
		l.lastWords()
	}
	l.conn.Close(reason)
	if !replaced && !stays {
		s.finish(reason, whyOf(reason))
	}
	l.fl.flush()
}

// lastWords lets a peer that has closed its direction only take what is queued
// for it.
func (l *link) lastWords() {
	s := l.s
	wait := lingerTime
	if l.info.Parent {
		wait = l.hub.settings.Load().Shutdown
	}
	done := make(chan struct{})
	s.whenFlushed(false, func(bool) { close(done) })
	late := time.NewTimer(wait)
	defer late.Stop()
	select {
	case <-done:
	case <-late.C:
	}
}
