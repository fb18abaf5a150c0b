package transport

import "github.com/sente-lite/sente-lite/pipe"

// A codec finds messages among bytes and frames those that leave. It belongs to
// one conn. The reader calls next, eof and limit; the others are called under
// the lock of the outbox, possibly at the same time.
type codec interface {
	// next consumes a message from in. It returns errMore if it needs more
	// bytes (and says in in.want how many it knows of), a *pipe.Error for one
	// message that could not be read, and a pipe.Closed where reading ends: the
	// other side's reason, or ours for ending it.
	next(in *inbuf) (pipe.Message, error)

	// eof is next when no byte will follow. It never returns errMore.
	eof(in *inbuf) (pipe.Message, error)

	limit(pipe.Limits)

	// ready reports whether anything may be written yet.
	ready() bool
	// size is the most that append adds for a message.
	size(m pipe.Message) int
	append(dst []byte, m pipe.Message) []byte
	// head appends what append puts before a message's bytes, and reports whether
	// these follow as they are, and nothing behind them.
	head(dst []byte, m pipe.Message) ([]byte, bool)
	// frame is the length of the first frame of b, which append has made.
	frame(b []byte) int
	// bye appends the last thing to say, in a packer's form, or nothing.
	bye(dst []byte, r pipe.Reason, in func([]byte) []byte) []byte
	// textOnly is what Info says of it; any goroutine may ask.
	textOnly() bool
}
