package transport

import (
	"context"
	"os"
	"time"

	"github.com/sente-lite/sente-lite/pipe"
)

// Stdio takes over stdin and stdout, for good: afterwards descriptor 0 is empty
// and what others write to descriptor 1 goes to stderr, so that nothing but
// values can ever get among the values.
//
// Its Read returns io.EOF also when the parent's process has ended, since a
// grandchild may hold the pipe open; what has arrived until then is read first,
// and what is queued is written only as long as somebody takes it.
// An unwritable stdout ends it likewise, with an error.
func Stdio(o Options) (pipe.Conn, error) {
	l, err := takeStdio(0, 1)
	if err != nil {
		return nil, err
	}
	return newStdio(l, os.Getppid(), o), nil
}

// orphanTime is how long whoever holds stdout after the parent may take nothing.
const orphanTime = 250 * time.Millisecond

func newStdio(l link, ppid int, o Options) *conn {
	c := newConn(l, newStream(), pipe.ConnInfo{Transport: "pipe", Remote: "parent", Parent: true}, o)
	ctx, cancel := context.WithCancel(context.Background())
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		if Watch(ctx, ppid) == nil {
			l.endRead()
			c.hurry(orphanTime)
		}
	}()
	c.extra = func() {
		cancel()
		<-watched
	}
	return c
}
