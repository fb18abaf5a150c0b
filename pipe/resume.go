package pipe

// settled sees to it that nothing that was said before the greeting is left to be written,
// and reports whether that went: the link may go to another session then, or the numbers
// begin. The handling is held.
func (s *Session) settled() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.write(nil)
	return !s.l.writing && s.q.all() == 0 && s.q.control.len() == 0
}

// resumed gives the link of a new session to the one that its hello has named: the
// greeting goes first, then what the peer has not seen, then what has come meanwhile.
// The handling of the resumed session is held, and let go here.
func (s *Session) resumed(old *Session, hello Hello, form *Form) error {
	defer old.handling.Unlock()
	l, h := s.l, s.hub
	h.clock.stop(&l.patience)
	l.conn.Limit(h.settings.Load().Flow.Limits())
	hello.ClientID = old.clientID

	s.mu.Lock()
	s.ended, s.departed = true, true
	s.mu.Unlock()
	h.mu.Lock()
	delete(h.sessions, s)
	h.mu.Unlock()

	l.s = old
	l.lastInput.Store(ticks())
	old.token = hello.Session // one that comes from the Store has none yet
	var fl flusher
	old.mu.Lock()
	old.l = l
	old.q.merge() // and what comes from now on is behind it
	old.freshSize = 0
	if r, shut := old.isShut(); shut { // it was closed while it had no link
		old.mu.Unlock()
		return Closed{Reason: r}
	} else if old.lost > 0 { // the peer will hear of that when it comes again
		old.mu.Unlock()
		return Closed{Reason: Reason{CloseLost, "too much came at this moment"}}
	}
	old.terms(l, hello)
	out := outcome{s: old}
	from := old.speaks()
	old.repack(from, form)
	if l.info.Upgraded != nil {
		old.speak(form)
	} else {
		old.speak(plainForm)
	}
	greeting := old.greeting(l, hello, out)
	msg, err := greeting.in(old.speaks(), &s.hub.Stats)
	if err == nil {
		_, err = old.ahead(&queued{Message: msg, kind: kindControl}, &fl)
	}
	old.speak(form)
	old.watch()
	old.mu.Unlock()
	if err != nil {
		return err
	}
	l.says(form)
	l.peer.Store(old)
	if hd := h.currentHandler(); hd != nil {
		old.tell(hd, &l.fl)
		old.tellReconnect(hd, true, out)
	}
	h.log.Debug("peer resumed", "uid", old.uid, "transport", l.info.Transport, "remote", l.info.Remote)
	old.oblige(l, hello)
	fl.flush()
	return nil
}
