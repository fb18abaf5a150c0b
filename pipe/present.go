package pipe

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
)

// arrive makes a peer of who is one before its first value: it gets its names and
// a place in the hub, and the handler hears of it.
func (s *Session) arrive() {
	h := s.hub
	s.identify(Hello{Ours: true})
	s.gated = s.info.Quiet
	if form := s.info.Form; form != nil { // nothing is said about the link itself
		s.greeted = true
		s.speak(form)
	}
	s.lastInput.Store(now())
	if hd := h.currentHandler(); hd != nil {
		s.tell(hd, &s.fl)
	}
	if hd := h.register(s); hd != nil {
		s.tell(hd, &s.fl)
	}
	s.turn()
}

// answerFirst answers the first value of a peer that is there already: ready goes
// before everything that has waited, and what has waited takes the form that the
// hello asks for.
func (s *Session) answerFirst(hello Hello, packer Packer) error {
	s.greeted = true
	ready := queued{Message{Data: fmt.Appendf(nil, "[:sente-lite/ready %s]", s.welcome(hello)), Text: true}, kindOwed}
	s.mu.Lock()
	if s.closed || s.leaving() {
		s.mu.Unlock()
		return errGone
	}
	if s.gated {
		s.gated = false
		s.repack(packer)
		s.q.unshift(ready)
	} else {
		s.q.push(ready)
	}
	s.taken++
	if s.counted {
		s.hub.held.Add(int64(len(ready.Data)))
	}
	s.speak(packer) // before anybody else can put something behind
	s.write()
	s.mu.Unlock()
	s.conn.Speak(packer)
	s.oblige(hello)
	return nil
}

// aside writes an answer to a peer whose first value was none, past everything
// that still waits for one. The lock is held, and let go meanwhile.
func (o *outbox) aside(m Message) {
	o.writing = true
	o.mu.Unlock()
	done, err := o.conn.Write([]Message{m})
	o.mu.Lock()
	if err == nil && !done {
		if o.hub.goroutine(func() { o.rest(written{}) }) {
			return
		}
		err = errGone
	}
	if o.wrote(written{}, err) {
		o.idle()
	}
}

// repack turns what waits for a peer, EDN so far, into another form. What that
// cannot carry is left out and counted. The lock is held.
func (o *outbox) repack(packer Packer) {
	if packer == EDN {
		return
	}
	waited := slices.Clone(o.q.items[o.q.head:])
	o.q = queue{}
	for _, m := range waited {
		size := len(m.Data)
		p := &packet{edn: m.Data}
		msg, err := p.in(packer)
		if err != nil {
			msg = Message{}
		}
		if o.counted {
			o.hub.Give(size)
			o.hub.held.Add(int64(len(msg.Data)))
		}
		if err != nil {
			o.taken--
			o.hub.Stats.Undelivered.Add(1)
			o.hub.log.Warn("an event was not delivered", "packer", packer.Name(), "error", err)
			continue
		}
		o.q.push(queued{msg, m.kind})
	}
}

// deaf is for an error that a peer cannot be told: the log has it, and what could
// not be read the handler, too.
func (s *Session) deaf(e *Error) {
	told := *e
	told.Msg = fmt.Sprintf("%q: %s", s.uid, e.Msg)
	told.Data = string(AppendString([]byte("{:uid "), s.uid)) + "}"
	level := slog.LevelDebug
	if !s.warned { // once: it may go on like this
		s.warned, level = true, slog.LevelWarn
	}
	s.hub.log.Log(context.Background(), level, "what a program said was refused", "uid", s.uid, "code", e.Code, "error", e.Msg)
	if e.Event == "" {
		s.hub.Report("", &told)
	}
}
