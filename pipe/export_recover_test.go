package pipe

// Left counts what a hub knows: for tests that nothing is left of whom.
func Left(h *Hub) (sessions, users, resumable, calls, alarms int) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	for s := range h.sessions {
		h.calls.mu.Lock()
		calls += len(s.open) + len(s.asked)
		h.calls.mu.Unlock()
	}
	h.clock.mu.Lock()
	defer h.clock.mu.Unlock()
	return len(h.sessions), len(h.users), len(h.resumable), calls, len(h.clock.due)
}
