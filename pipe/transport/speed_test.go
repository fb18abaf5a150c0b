//go:build unix

package transport

import (
	"fmt"
	"net"
	"os"
	"testing"

	"github.com/sente-lite/sente-lite/pipe"
)

// pairs are two ends over what the kernel gives, for figures.
func pairs(t testing.TB) map[string]func() (a, b *conn) {
	file := func() (*os.File, *os.File) {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		return r, w
	}
	return map[string]func() (a, b *conn){
		"pipe": func() (a, b *conn) {
			inR, inW := file()
			outR, outW := file()
			l, err := takeStdio(int(inR.Fd()), int(outW.Fd()))
			if err != nil {
				t.Fatal(err)
			}
			inR.Close()
			outW.Close()
			rawR, _ := outR.SyscallConn()
			rawW, _ := inW.SyscallConn()
			a = newConn(newRawLink(outR, rawR, inW, rawW), newFrames(pipe.Limits{}), pipe.ConnInfo{Transport: "pipe"}, Options{})
			return a, newConn(l, newStream(), pipe.ConnInfo{Transport: "pipe"}, Options{})
		},
		"text": func() (*conn, *conn) { return netPair(t, newText(pipe.Limits{}), newStream()) },
		"tcp":  func() (*conn, *conn) { return netPair(t, newFrames(pipe.Limits{}), newStream()) },
		"ws": func() (*conn, *conn) {
			return netPair(t, &wsCodec{client: true, answer: func([]byte) {}}, &wsCodec{answer: func([]byte) {}})
		},
	}
}

// round sends a batch there and one message back.
func round(t testing.TB, a, b *conn, out, back []pipe.Message) {
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	flushed, err := a.Write(out)
	must(err)
	if !flushed {
		t.Fatal("the link is full")
	}
	for range out {
		_, err := b.Read(nil)
		must(err)
	}
	_, err = b.Write(back)
	must(err)
	_, err = a.Read(nil)
	must(err)
}

func ended(a, b *conn) {
	a.Close(pipe.Reason{Code: pipe.CloseLost})
	b.Close(pipe.Reason{Code: pipe.CloseLost})
	a.Read(nil)
	b.Read(nil)
}

// Reading and writing make no garbage.
func TestAllocations(t *testing.T) {
	for name, pair := range pairs(t) {
		for _, size := range []int{64, 1024, 30_000} {
			t.Run(fmt.Sprintf("%s/%d", name, size), func(t *testing.T) {
				a, b := pair()
				defer ended(a, b)
				out, back := load(size, 2), load(size, 1)
				if n := testing.AllocsPerRun(500, func() { round(t, a, b, out, back) }); n >= 1 {
					t.Errorf("%v allocations for three messages of %d bytes, expected none", n, size)
				}
				if a.in.b == nil || b.in.b == nil {
					t.Fatal("no buffer is held for the last message")
				}
				b.in.lo = b.in.hi
				b.in.idle()
				if b.in.b != nil || b.out.buf != nil {
					t.Error("an idle Conn holds a buffer")
				}
			})
		}
	}
}

func load(size, n int) []pipe.Message {
	m := make([]pipe.Message, n)
	for i := range m {
		m[i] = pipe.Message{Data: append(append([]byte{'['}, make([]byte, size-2)...), ']'), Text: true}
		for j := range m[i].Data[1 : size-1] {
			m[i].Data[j+1] = ' '
		}
	}
	return m
}

func BenchmarkJoined(b *testing.B) {
	for name, pair := range pairs(b) {
		for _, size := range []int{64, 1024} {
			b.Run(fmt.Sprintf("%s/%d", name, size), func(b *testing.B) {
				x, y := pair()
				defer ended(x, y)
				batch := load(size, 64)
				done := make(chan struct{})
				go func() {
					defer close(done)
					for range b.N {
						if _, err := y.Read(nil); err != nil {
							b.Error(err)
							return
						}
					}
				}()
				b.ReportAllocs()
				b.ResetTimer()
				for left := b.N; left > 0; left -= len(batch) {
					if left < len(batch) {
						batch = batch[:left]
					}
					flushed, err := x.Write(batch)
					if err == nil && !flushed {
						err = x.Flush()
					}
					if err != nil {
						b.Fatal(err)
					}
				}
				<-done
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msgs/s")
			})
		}
	}
}

func BenchmarkRoundTrip(b *testing.B) {
	for name, pair := range pairs(b) {
		b.Run(name, func(b *testing.B) {
			x, y := pair()
			out := load(64, 1)
			done := make(chan struct{})
			go func() {
				defer close(done)
				var echo [1]pipe.Message
				for {
					m, err := y.Read(nil)
					if err != nil {
						return
					}
					echo[0] = m
					if _, err := y.Write(echo[:]); err != nil {
						return
					}
				}
			}()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := x.Write(out); err != nil {
					b.Fatal(err)
				}
				if _, err := x.Read(nil); err != nil {
					b.Fatal(err)
				}
			}
			x.Close(pipe.Reason{Code: pipe.CloseLost})
			<-done
			ended(x, y)
		})
	}
}

// netPair is two ends of a TCP connection.
func netPair(t testing.TB, a, b codec) (*conn, *conn) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	x, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	y, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	info := pipe.ConnInfo{Transport: "tcp"}
	return newConn(newLink(x), a, info, Options{}), newConn(newLink(y), b, info, Options{})
}
