package transport

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sente-lite/sente-lite/pipe"
	"github.com/sente-lite/sente-lite/pipe/pipetest"
)

// serverAt listens and returns what a raw socket is accepted as.
func serverAt(t *testing.T, addr string, o Options) (net.Conn, pipe.Conn) {
	t.Helper()
	addr = strings.Replace(addr, "DIR", t.TempDir(), 1)
	l, err := Listen(t.Context(), addr, o)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	network, at, _ := strings.Cut(strings.Replace(l.Addr(), "//", "", 1), ":")
	nc, err := net.Dial(network, at)
	if err != nil {
		t.Fatal(err)
	}
	c, err := l.Accept(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		nc.Close()
		c.Close(pipe.Reason{Code: pipe.CloseLost})
		c.Read(nil)
	})
	return nc, c
}

var listening = []string{"unix:DIR/x.sock", "tcp://127.0.0.1:0"}

// A side that has closed its half still gets answers: echo '…' | nc.
func TestHalfClosed(t *testing.T) {
	for _, addr := range listening {
		t.Run(addr, func(t *testing.T) {
			pipetest.NoLeaks(t)
			nc, c := serverAt(t, addr, Options{})
			io.WriteString(nc, `[[:a/b] "cb"]`)
			nc.(interface{ CloseWrite() error }).CloseWrite()
			if m, err := c.Read(nil); err != nil || string(m.Data) != `[[:a/b] "cb"]` || !m.Text || !c.Info().TextOnly {
				t.Fatalf("Read = %q, %v", m.Data, err)
			}
			for range 2 {
				if _, err := c.Read(nil); err != io.EOF {
					t.Fatalf("Read = %v, expected io.EOF", err)
				}
			}
			if ok, err := c.Write([]pipe.Message{{Data: []byte("[:chsk/reply \"cb\"\n1]")}}); !ok || err != nil {
				t.Fatalf("Write after the other side's half was closed: %v, %v", ok, err)
			}
			c.Close(pipe.Reason{Code: pipe.CloseShutdown, Text: "shutdown"})
			all, err := io.ReadAll(nc)
			want := "[:chsk/reply \"cb\" 1]\n[:chsk/close {:code 1001 :reason \"shutdown\"}]\n"
			if err != nil || string(all) != want {
				t.Errorf("the other side got %q, %v; expected %q", all, err, want)
			}
		})
	}
}

// Nothing is said to who speaks no dialect, and nothing before the first byte.
func TestNoDialect(t *testing.T) {
	for _, addr := range listening {
		t.Run(addr, func(t *testing.T) {
			pipetest.NoLeaks(t)
			nc, c := serverAt(t, addr, Options{})
			if _, err := c.Write([]pipe.Message{{Data: []byte("[:a/b]")}}); err == nil {
				t.Error("Write succeeds before there is a dialect")
			}
			io.WriteString(nc, "GET / HTTP/1.1\r\n\r\n")
			_, err := c.Read(nil)
			var cl pipe.Closed
			if !errors.As(err, &cl) || cl.Code != pipe.CloseProtocol || !strings.Contains(cl.Text, "0x47") {
				t.Errorf("Read = %v, expected 4505 that names the byte", err)
			}
			all, _ := io.ReadAll(nc) // may be a reset
			if len(all) > 0 {
				t.Errorf("it was told %q", all)
			}
		})
	}
}

// The last words survive though the other side's input was not read.
func TestLastWordsBesideUnreadInput(t *testing.T) {
	for _, addr := range listening {
		t.Run(addr, func(t *testing.T) {
			pipetest.NoLeaks(t)
			nc, c := serverAt(t, addr, Options{})
			io.WriteString(nc, "[:a/b]\n"+strings.Repeat("[:c/d]\n", 1000))
			if _, err := c.Read(nil); err != nil {
				t.Fatal(err)
			}
			io.WriteString(nc, strings.Repeat("[:e/f]\n", 1000))
			c.Close(pipe.Reason{Code: pipe.CloseKicked})
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				c.Read(nil)
			}()
			all, err := io.ReadAll(nc)
			if err != nil || string(all) != "[:chsk/close {:code 4504 :reason \"\"}]\n" {
				t.Errorf("%q, %v", all, err)
			}
			nc.Close()
			<-ended
		})
	}
}

func TestBudget(t *testing.T) {
	b := &countingBudget{max: 300_000}
	l := &byteLink{in: append([]byte{0, 0x0f, 0, 0}, make([]byte, 0x0f0000)...)}
	c := newConn(l, newStream(), pipe.ConnInfo{}, Options{Budget: b})
	_, err := c.Read(nil)
	var pe *pipe.Error
	if !errors.As(err, &pe) || pe.Category != pipe.Busy || pe.Code != "overloaded" || !pe.Retry {
		t.Fatalf("Read = %v, expected :busy overloaded", err)
	}
	var cl pipe.Closed
	if _, err = c.Read(nil); !errors.As(err, &cl) || cl.Code != pipe.CloseOverloaded {
		t.Fatalf("Read = %v, expected 4001", err)
	}
	if b.taken != 0 || b.most == 0 {
		t.Errorf("%d bytes are still taken, %d were at most", b.taken, b.most)
	}
	if !bytes.Contains(l.out.Bytes(), []byte(":code 4001")) {
		t.Errorf("it was told %q", l.out.Bytes())
	}
}

// An announced length takes memory only as bytes arrive, and an idle Conn none.
func TestMemoryFollowsBytes(t *testing.T) {
	b := &countingBudget{max: 1 << 30}
	var in inbuf
	in.charge.budget = b
	f := newFrames(pipe.Limits{}).(*frames)
	head := []byte{0, 0xff, 0xff, 0xff}
	for _, p := range [][]byte{head, make([]byte, 10_000), make([]byte, 60_000), make([]byte, 200_000)} {
		for len(p) > 0 {
			n := copy(in.space(), p)
			in.got(n)
			p = p[n:]
			if _, err := f.next(&in); err != errMore {
				t.Fatal(err)
			}
		}
		if len(in.b) > max(largeBuffer, 5*in.held()) {
			t.Errorf("a buffer of %d bytes for %d that came", len(in.b), in.held())
		}
	}
	in.lo = in.hi
	in.idle()
	if in.b != nil || b.taken != 0 {
		t.Errorf("an idle Conn holds %d bytes, and %d of the budget", len(in.b), b.taken)
	}
}

// Time in memory is synctest's: timeouts need no waiting.
func TestMemInBubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Mem(MemOptions{Text: true})
		start := time.Now()
		var flushed bool
		var err error
		for flushed = true; flushed && err == nil; {
			flushed, err = a.Write([]pipe.Message{{Data: []byte("[:a/b]")}})
		}
		if err := a.Flush(); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Flush = %v", err)
		}
		if d := time.Since(start); d != DefaultWriteTimeout {
			t.Errorf("Flush gave up after %v, expected %v", d, DefaultWriteTimeout)
		}
		_ = a.Close(pipe.Reason{Code: pipe.CloseLost})
		for err = nil; goesOn(err); {
			_, err = b.Read(nil)
		}
		if err != io.EOF && err != io.ErrUnexpectedEOF {
			t.Errorf("Read = %v", err)
		}
		_ = b.Close(pipe.Reason{Code: pipe.CloseNormal})
	})
}
