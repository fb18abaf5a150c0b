package pipetest

import (
	"bytes"
	"os"
	"sync"
	"testing"
)

// A Text is what several goroutines write and a test reads, such as a log.
type Text struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (t *Text) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.b.Write(p)
}

func (t *Text) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.b.String()
}

// Descriptors counts those that are open. The runtime has some of its own from the
// first time that it polls: they are there before.
func Descriptors(t testing.TB) int {
	t.Helper()
	if r, w, err := os.Pipe(); err == nil {
		r.Close()
		w.Close()
	}
	all, err := os.ReadDir("/dev/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}
