package web

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sente-lite/sente-lite/pipe"
	"github.com/sente-lite/sente-lite/pipe/pipetest"
	"github.com/sente-lite/sente-lite/pipe/transport"
)

// TestNothingIsLeftBehind lets hundreds come and go in every way there is, over
// every transport: goroutines, descriptors and memory are what they were.
func TestNothingIsLeftBehind(t *testing.T) {
	f := newFront(t, Config{}, pipe.Settings{Auth: &pipe.Auth{Anonymous: true}})
	addrs := []string{"ws"}
	ctx, cancel := context.WithCancel(context.Background())
	var served sync.WaitGroup
	t.Cleanup(func() { cancel(); served.Wait() })
	for _, addr := range []string{"unix:" + filepath.Join(t.TempDir(), "s", "x.sock"), "tcp://127.0.0.1:0"} {
		l, err := transport.Listen(ctx, addr, f.srv.cfg.Options)
		if err != nil {
			t.Fatal(err)
		}
		served.Go(func() {
			if err := f.hub.Serve(ctx, l); err != nil {
				t.Error(err)
			}
		})
		addrs = append(addrs, l.Addr())
	}
	goroutines, files0 := runtime.NumGoroutine(), pipetest.Descriptors(t)
	ways := []func(c net.Conn, ws bool){
		func(c net.Conn, _ bool) {}, // says nothing
		func(c net.Conn, ws bool) { talk(c, ws, `[:sente-lite/hello {}]`, `[[:sente-lite/peers {}] "c"]`) },
		func(c net.Conn, ws bool) { talk(c, ws, `[:a/b}`, `[:sente-lite/hello {:handler true}]`) },
		func(c net.Conn, ws bool) {
			talk(c, ws, `[:sente-lite/subscribe {:channel-id "r"}]`, `[:sente-lite/publish {:channel-id "r"}]`, `[[:a/b] "c"]`)
		},
		func(c net.Conn, ws bool) { c.Write([]byte("[:half/a \"")) },
		func(c net.Conn, ws bool) { c.Write([]byte{0, 0, 9, 9, '['}) },
		func(c net.Conn, ws bool) { c.Write([]byte("GET / HTTP/1.1\r\n\r\n")) },
		func(c net.Conn, ws bool) { c.Write([]byte{0x88, 0x80, 0, 0, 0, 0}) },
		func(c net.Conn, ws bool) { talk(c, ws, `[:a/b "`+strings.Repeat("x", 300<<10)) },
	}
	round := func() {
		var all sync.WaitGroup
		for _, addr := range addrs {
			for n := range 3 * len(ways) {
				all.Go(func() {
					c, ws, err := f.join(addr)
					if err != nil {
						t.Error(err)
						return
					}
					defer c.Close()
					c.SetDeadline(time.Now().Add(patience))
					ways[n%len(ways)](c, ws)
					switch n / len(ways) {
					case 0:
						if cw, ok := c.(interface{ CloseWrite() error }); ok {
							cw.CloseWrite()
							for b := make([]byte, 1024); err == nil; _, err = c.Read(b) {
							}
						}
					case 1:
						if n%len(ways) == 1 {
							c.Read(make([]byte, 10)) // the greeting
						}
					}
				})
			}
		}
		all.Wait()
	}
	// The house itself is what it is before anybody has come, but for what is
	// made once and kept.
	round()
	empty := func() string {
		runtime.GC()
		switch g, files := runtime.NumGoroutine(), pipetest.Descriptors(t); {
		case f.hub.Held() != 0:
			return fmt.Sprintf("%d bytes are held", f.hub.Held())
		case f.hub.Stats.Opened.Load() == 0:
			return "nobody has been a peer"
		case g > goroutines:
			return fmt.Sprintf("%d goroutines, %d before", g, goroutines)
		case files > files0:
			return fmt.Sprintf("%d descriptors, %d before", files, files0)
		}
		return ""
	}
	for range 4 {
		round()
	}
	for late := time.Now().Add(patience); empty() != ""; runtime.Gosched() {
		if time.Now().After(late) {
			b := make([]byte, 1<<20)
			t.Fatalf("%s\n%.8000s", empty(), b[:runtime.Stack(b, true)])
		}
	}
}

// join connects; a WebSocket is upgraded.
func (f *front) join(addr string) (c net.Conn, ws bool, err error) {
	if addr == "ws" {
		if c, err = net.Dial("tcp", f.addr); err == nil {
			_, err = fmt.Fprintf(c, "GET /ws?v=1 HTTP/1.1\r\nHost: %s\r\n%s\r\n\r\n", f.addr, strings.ReplaceAll(handshake, "\n", "\r\n"))
		}
		return c, true, err
	}
	network, at, _ := strings.Cut(addr, ":")
	c, err = net.Dial(network, strings.TrimPrefix(at, "//"))
	return c, false, err
}

// talk writes messages; how far they get does not matter.
func talk(c net.Conn, ws bool, messages ...string) {
	for _, m := range messages {
		b := []byte(m + "\n")
		if n := len(m); ws && n < 1<<16 {
			b = append([]byte{0x81, 0x80 | 126, byte(n >> 8), byte(n), 0, 0, 0, 0}, m...)
		} else if ws {
			b = append([]byte{0x81, 0x80 | 127, 0, 0, 0, 0, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n), 0, 0, 0, 0}, m...)
		}
		if _, err := c.Write(b); err != nil {
			return
		}
	}
}
