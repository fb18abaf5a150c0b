package transport

import "time"

// writeBoth writes two pieces by two attempts.
func writeBoth(try func([]byte) (int, error), p, q []byte) (int, error) {
	n, err := try(p)
	if err != nil || n < len(p) {
		return n, err
	}
	m, err := try(q)
	return n + m, err
}

// A link moves bytes, in both directions at once. One goroutine reads, one at a
// time writes; close and endRead may be called from any, any number of times,
// and unblock the others.
type link interface {
	// read waits for bytes and puts them into in.space(). While it waits it
	// calls in.idle(), if it can be woken without holding a buffer. It returns
	// io.EOF at the end and errBudget if there was no space.
	read(in *inbuf) error

	// tryWrite makes one attempt. 0 and no error: the other side is behind.
	tryWrite(p []byte) (int, error)

	// tryWriteAll is tryWrite for two pieces, the one behind the other.
	tryWriteAll(p, q []byte) (int, error)

	// write waits until at least one byte of p has been taken, or until timeout
	// has passed, which is os.ErrDeadlineExceeded.
	write(p []byte, timeout time.Duration) (int, error)

	// endRead makes read return what has arrived already, then io.EOF.
	endRead()

	closeWrite() error
	close() error
}
