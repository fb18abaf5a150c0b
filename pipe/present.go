package pipe

import (
	"context"
	"fmt"
	"log/slog"
)

// arrive makes a peer of who is one before its first value: it gets its names and
// a place in the hub, and the handler hears of it.
func (s *Session) arrive() {
	h := s.hub
	s.identify(Hello{Ours: true}, "")
	s.l.peer.Store(s)
	s.gated = s.info.Quiet
	if own := s.info.Form; own != nil { // nothing is said about the link itself
		s.greeted = true
		s.speak(&Form{Packer: own, name: own.Name()})
	}
	s.l.lastInput.Store(ticks())
	if hd := h.currentHandler(); hd != nil {
		s.tell(hd, s.fl())
	}
	if hd := h.register(s); hd != nil {
		s.tell(hd, s.fl())
	}
	s.l.turn()
}

// answerFirst answers the first value of a peer that is there already: ready goes
// before everything that has waited, and what has waited takes the form that the
// hello asks for.
func (s *Session) answerFirst(hello Hello, form *Form) error {
	s.greeted = true
	l := s.l
	s.mu.Lock()
	if s.ended || s.leaving() {
		s.mu.Unlock()
		return errGone
	}
	s.terms(l, hello)
	ready := queued{Message: Message{Data: s.greeting(l, hello, outcome{}).edn, Text: true, plain: true}, kind: kindControl}
	if s.gated {
		s.gated = false
		s.repack(plainForm, form)
	}
	s.speak(form) // before anybody else can put something behind
	_, err := s.ahead(&ready, nil)
	s.mu.Unlock()
	l.says(form)
	s.oblige(l, hello)
	if err != nil {
		return err
	}
	return nil
}

// aside writes an answer to a peer whose first value was none, past everything
// that still waits for one. The lock is held, and let go meanwhile.
func (o *outbox) aside(m Message) {
	l := o.l
	l.writing = true
	o.mu.Unlock()
	done, err := l.conn.Write([]Message{m})
	o.mu.Lock()
	if err == nil && !done {
		if o.hub.goroutine(func() { o.rest(l) }) {
			return
		}
		err = errGone
	}
	if o.wrote(l, err) {
		o.idle(l)
	}
}

// repack turns what waits for a peer into another form. What that cannot carry is
// left out, with a row in the ledger. The lock is held.
func (o *outbox) repack(from, to *Form) {
	if from == to {
		return
	}
	var unfit []*queued
	o.q.each(func(m *queued) {
		edn, err := m.Data, error(nil)
		if from.Packer != EDN {
			edn, err = from.Packer.Unpack(nil, m.Data, Limits{})
		}
		var msg Message
		if err == nil {
			msg, err = (&packet{edn: edn}).in(to, &o.hub.Stats)
		}
		if err != nil {
			unfit = append(unfit, m)
			return
		}
		by := len(msg.Data) - len(m.Data)
		o.q.bytes += by
		if o.counted {
			o.hub.held.Add(int64(by))
		}
		m.Message = msg
	})
	for _, m := range unfit {
		seq := m.seq
		o.q.cut(seq, func(m *queued) { o.lose(m, whyUnfit) })
		o.hub.Stats.Undelivered.Add(1)
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
