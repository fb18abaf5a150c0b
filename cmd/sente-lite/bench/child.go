package bench

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/signal"

	"github.com/sente-lite/sente-lite/pipe"
)

// childArg is what makes this program the child that is measured.
const childArg = "sente-lite-bench-child"

// Child is the whole life of a child: it answers every call with what it was asked,
// until its stdin ends. It reports whether args, a process's own, make one of it; main
// exits with code then.
func Child(args []string) (code int, child bool) {
	if len(args) != 2 || args[1] != childArg {
		return 0, false
	}
	signal.Ignore(os.Interrupt) // a terminal sends it to us too; our parent ends us
	if err := answer(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintf(os.Stderr, "sente-lite: %v\n", err)
		return 1, true
	}
	return 0, true
}

// answer is the child's side of a link, in frames.
func answer(in io.Reader, out io.Writer) error {
	f := newFramer(in, out)
	if err := f.write([]byte("[:sente-lite/hello {}]")); err != nil {
		return err
	}
	var reply []byte
	for {
		m, err := f.read()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		i, err := pipe.Split(m, pipe.Limits{})
		if err != nil || i.Shape != pipe.ShapeCall {
			continue // its greeting, or nothing for it
		}
		reply = append(append(append(append(append(reply[:0], "[:chsk/reply "...), i.Call...), ' '), i.Body...), ']')
		if err := f.write(reply); err != nil {
			return err
		}
	}
}

// A framer reads and writes frames, one at a time.
type framer struct {
	in  *bufio.Reader
	out io.Writer
	buf []byte
	put []byte
}

func newFramer(in io.Reader, out io.Writer) *framer {
	return &framer{in: bufio.NewReaderSize(in, 64<<10), out: out}
}

// read returns the next message, which is lent until the next read.
func (f *framer) read() ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(f.in, head[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n > pipe.DefaultMaxMessage {
		return nil, fmt.Errorf("a frame of %d bytes; at most %d are expected", n, pipe.DefaultMaxMessage)
	}
	if int(n) > cap(f.buf) {
		f.buf = make([]byte, n)
	}
	_, err := io.ReadFull(f.in, f.buf[:n])
	return f.buf[:n], err
}

func (f *framer) write(message []byte) error {
	f.put = append(binary.BigEndian.AppendUint32(f.put[:0], uint32(len(message))), message...)
	_, err := f.out.Write(f.put)
	return err
}
