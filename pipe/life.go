package pipe

import "sync"

// A life owns goroutines: it starts them and knows when all have ended.
type life struct {
	mu      sync.Mutex
	running int
	closing bool          // nothing new comes in; what runs may still start helpers
	ended   chan struct{} // closed once closing and nothing runs
}

// run starts f. What comes from outside is refused once close was called,
// everything once the life has ended.
func (l *life) run(f func(), outside bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closing && (outside || l.running == 0) {
		return false
	}
	l.running++
	go func() {
		defer l.done()
		f()
	}()
	return true
}

func (l *life) done() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.running--
	l.settle()
}

// close lets nothing in from outside any more.
func (l *life) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closing = true
	l.settle()
}

// closed reports whether close was called.
func (l *life) closed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closing
}

// end returns a channel that is closed once everything has ended.
func (l *life) end() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.settle()
	return l.ended
}

func (l *life) settle() {
	if l.ended == nil {
		l.ended = make(chan struct{})
	}
	if l.closing && l.running == 0 {
		select {
		case <-l.ended:
		default:
			close(l.ended)
		}
	}
}
