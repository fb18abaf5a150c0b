package transport

import (
	"os"
	"time"

	"github.com/sente-lite/sente-lite/pipe"
)

// ExecOptions say how to speak with a program over its stdin and stdout.
type ExecOptions struct {
	Options
	Info pipe.ConnInfo // beside the transport's name, "exec"

	// Dialect is "text", "frames" or "lines"; "" leaves it to the program's first
	// byte.
	Dialect string
	// CloseWait is how long a program may take to end its stdout once its stdin
	// has ended, 0 for a second. What it says in that time is read and dropped.
	CloseWait time.Duration
}

// execWriteTimeout is that of a zero ExecOptions: a program that is busy may take
// nothing for long. What waits for it is bounded, and its end ends a write.
const execWriteTimeout = 24 * time.Hour

// Exec makes a Conn of our ends of a program's stdout and stdin, which it owns
// from then on. Close ends its stdin first, and keeps its stdout until that ends;
// so does a write that has failed.
//
// gone tells the Conn that the program's process has ended, while somebody else
// may hold its pipes: what has arrived is read, then Read returns io.EOF.
func Exec(stdout, stdin *os.File, o ExecOptions) (c pipe.Conn, gone func(), err error) {
	l, err := newFileLink(stdout, stdin)
	if err != nil {
		return nil, nil, err
	}
	o.Info.Transport = "exec"
	o.closeWait = o.CloseWait
	if o.WriteTimeout <= 0 {
		o.WriteTimeout = execWriteTimeout
	}
	s := newStream()
	s.shows = true
	var codec codec = s
	switch o.Dialect {
	case "text":
		codec = newText(o.Limits)
	case "frames":
		codec = newFrames(o.Limits)
	case "lines":
		codec = newLines(o.Limits)
	}
	k := newConn(l, codec, o.Info, o.Options)
	return k, func() {
		l.endRead()
		k.hurry(orphanTime)
	}, nil
}
