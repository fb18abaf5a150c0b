package transport

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/sente-lite/sente-lite/pipe"
)

const vectors = "../../testdata/frames"

// A byteLink is a link that has all its input already, and gives it in pieces.
type byteLink struct {
	in   []byte
	step int // 0: all that fits
	out  bytes.Buffer
}

func (l *byteLink) read(in *inbuf) error {
	if len(l.in) == 0 {
		in.idle()
		return io.EOF
	}
	p := in.space()
	if p == nil {
		return errBudget
	}
	if l.step > 0 {
		in.idle() // as a link that had to wait
		p = in.space()
		p = p[:min(len(p), l.step)]
	}
	n := copy(p, l.in)
	l.in = l.in[n:]
	in.got(n)
	return nil
}

func (l *byteLink) tryWriteAll(p, q []byte) (int, error)         { return writeBoth(l.tryWrite, p, q) }
func (l *byteLink) tryWrite(p []byte) (int, error)               { return l.out.Write(p) }
func (l *byteLink) write(p []byte, _ time.Duration) (int, error) { return l.out.Write(p) }
func (l *byteLink) endRead()                                     { l.in = nil }
func (l *byteLink) closeWrite() error                            { return nil }
func (l *byteLink) close() error                                 { l.in = nil; return nil }

// tell reads c to its end and writes down what it said, in the vectors' words.
func tell(c *conn) string {
	var b strings.Builder
	for {
		m, err := c.Read(nil)
		var pe *pipe.Error
		var cl pipe.Closed
		switch {
		case err == nil && utf8.Valid(m.Data):
			fmt.Fprintf(&b, "[:message %s]\n", pipe.AppendString(nil, string(m.Data)))
		case err == nil:
			fmt.Fprintf(&b, "[:packed \"%x\"]\n", m.Data)
		case errors.As(err, &pe) && pe.Data != "":
			fmt.Fprintf(&b, "[:error :sente-lite/%s %s]\n", pe.Code, pe.Data)
		case errors.As(err, &pe):
			fmt.Fprintf(&b, "[:error :sente-lite/%s]\n", pe.Code)
		case errors.As(err, &cl):
			fmt.Fprintf(&b, "[:closed %d]\n", cl.Code)
			return b.String()
		case err == io.EOF:
			return b.String() + "[:end]\n"
		case err == io.ErrUnexpectedEOF:
			return b.String() + "[:torn]\n"
		default:
			return b.String() + err.Error() + "\n"
		}
	}
}

func TestVectors(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(vectors, "*.hex"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no vectors in %s: %v", vectors, err)
	}
	for _, file := range files {
		data, want, lim := readVector(t, file)
		for _, step := range []int{0, 1, 3} {
			t.Run(fmt.Sprintf("%s/%d", strings.TrimSuffix(filepath.Base(file), ".hex"), step), func(t *testing.T) {
				l := &byteLink{in: bytes.Clone(data), step: step}
				c := newConn(l, newStream(), pipe.ConnInfo{}, Options{Limits: lim})
				if got := tell(c); got != want {
					t.Errorf("got\n%sexpected\n%s", got, want)
				}
				if strings.HasPrefix(want, "[:closed 4505") && l.out.Len() > 0 {
					t.Errorf("something was written without a dialect: %q", l.out.Bytes())
				}
			})
		}
	}
}

func readVector(t testing.TB, file string) (data []byte, want string, lim pipe.Limits) {
	t.Helper()
	h, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if data, err = hex.DecodeString(strings.Join(strings.Fields(string(h)), "")); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	edn, err := os.ReadFile(strings.TrimSuffix(file, ".hex") + ".edn")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(edn)) {
		switch {
		case strings.HasPrefix(line, ";"):
		case strings.HasPrefix(line, "[:limit "):
			if _, err := fmt.Sscanf(line, "[:limit %d]", &lim.Bytes); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
		default:
			want += line
		}
	}
	return data, want, lim
}
