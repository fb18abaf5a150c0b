package pipe

// resumed gives the link of a new session to the one that its hello has named: the
// greeting goes first, then what the peer has not seen, then what has come meanwhile.
// The handling of the resumed session is held, and let go here.
func (s *Session) resumed(old *Session, hello Hello, packer Packer) error {
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
	old.hello = hello
	old.token = hello.Session // one that comes from the Store has none yet
	var fl flusher
	old.mu.Lock()
	old.l = l
	old.q.merge() // what has come since it was taken over
	old.freshSize = 0
	old.terms(l, hello)
	out := outcome{s: old}
	from := old.speaks()
	old.repack(from, packer)
	if l.info.Upgraded != nil {
		old.speak(packer)
	} else {
		old.speak(EDN)
	}
	greeting := old.greeting(l, hello, out)
	msg, err := greeting.in(old.speaks())
	if err == nil {
		_, err = old.ahead(&queued{Message: msg, kind: kindControl}, &fl)
	}
	old.speak(packer)
	old.watch()
	old.mu.Unlock()
	if err != nil {
		return err
	}
	l.conn.Speak(packer)
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
