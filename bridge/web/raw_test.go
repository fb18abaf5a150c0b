package web

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sente-lite/sente-lite/pipe"
	"github.com/sente-lite/sente-lite/pipe/pack"
	"github.com/sente-lite/sente-lite/pipe/pipetest"
	"github.com/sente-lite/sente-lite/pipe/transport"
)

// patience bounds every wait.
const patience = 15 * time.Second

// A front is a server on a port, its hub, and what it has logged.
type front struct {
	t    *testing.T
	hub  *pipe.Hub
	srv  *Server
	addr string
	log  *pipetest.Text
}

// newFront serves until the test ends.
func newFront(t *testing.T, cfg Config, set pipe.Settings) *front {
	t.Helper()
	f := &front{t: t, log: &pipetest.Text{}}
	cfg.Log = slog.New(slog.NewTextHandler(f.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	f.hub = pipe.NewHub(pipe.HubConfig{Version: "0.0.0", Log: cfg.Log,
		Packers: []pipe.Packer{pack.JSON, pack.Msgpack}, Layers: []*pipe.Layer{pack.Gzip, pack.Zstd}}, set)
	cfg.Hub = f.hub
	cfg.Options = transport.Options{Limits: set.Flow.OrDefault().Limits(), Budget: f.hub}
	f.srv = New(cfg)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f.addr = l.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- f.srv.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			t.Error(err)
		}
		late, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := f.hub.Shutdown(late); err != nil {
			t.Errorf("shutdown: %v", err)
		}
	})
	return f
}

// A link is a connection of bare bytes.
type link struct {
	t *testing.T
	net.Conn
	r      *bufio.Reader
	method string // of the last request
}

func (f *front) dial() *link {
	f.t.Helper()
	c, err := net.DialTimeout("tcp", f.addr, patience)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	return &link{t: f.t, Conn: c, r: bufio.NewReader(c)}
}

// send writes a request's lines, which \n stands at the end of, and the empty
// line after them.
func (l *link) send(lines string) {
	l.t.Helper()
	l.method, _, _ = strings.Cut(lines, " ")
	if _, err := io.WriteString(l, strings.ReplaceAll(lines, "\n", "\r\n")+"\r\n\r\n"); err != nil {
		l.t.Fatal(err)
	}
}

func (l *link) response() (*http.Response, string) {
	l.t.Helper()
	res, err := http.ReadResponse(l.r, &http.Request{Method: l.method})
	if err != nil {
		l.t.Fatalf("reading a response: %v", err)
	}
	if res.StatusCode == http.StatusSwitchingProtocols {
		return res, ""
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		l.t.Fatalf("reading a body: %v", err)
	}
	return res, string(body)
}

// ask sends a request on a connection of its own.
func (f *front) ask(lines string) (*http.Response, string) {
	f.t.Helper()
	l := f.dial()
	defer l.Close()
	l.send(lines)
	return l.response()
}

const handshake = "Connection: Upgrade\nUpgrade: websocket\nSec-WebSocket-Version: 13\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="

// upgrade asks for a WebSocket, with more headers.
func (f *front) upgrade(path string, headers ...string) (*link, *http.Response, string) {
	f.t.Helper()
	l := f.dial()
	l.send(strings.Join(append([]string{"GET " + path + " HTTP/1.1\nHost: " + f.addr + "\n" + handshake}, headers...), "\n"))
	res, body := l.response()
	return l, res, body
}

// next returns the next message, or the code of a close frame; 1006 where the
// link just ends.
func (l *link) next() (message string, code int) {
	l.t.Helper()
	for {
		var head [2]byte
		_, err := io.ReadFull(l.r, head[:])
		n := int(head[1])
		if err == nil && n == 126 {
			var long [2]byte
			_, err = io.ReadFull(l.r, long[:])
			n = int(binary.BigEndian.Uint16(long[:]))
		}
		p := make([]byte, n)
		if err == nil {
			_, err = io.ReadFull(l.r, p)
		}
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			l.t.Fatal("nothing comes, and the link is open")
		case err != nil:
			return "", 1006
		case head[0]&0x0f == 8 && n >= 2:
			return string(p[2:]), int(binary.BigEndian.Uint16(p))
		case head[0]&0x0f < 8:
			return string(p), 0
		}
	}
}

func (l *link) say(format string, args ...any) {
	l.t.Helper()
	p := fmt.Appendf(nil, format, args...)
	b := []byte{0x81, 0x80 | 126, byte(len(p) >> 8), byte(len(p)), 0, 0, 0, 0}
	if _, err := l.Write(append(b, p...)); err != nil {
		l.t.Fatal(err)
	}
}
