//go:build unix

package transport

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sente-lite/sente-lite/pipe"
	"github.com/sente-lite/sente-lite/pipe/pipetest"
)

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		os.Exit(child())
	}
	goleak.VerifyTestMain(m)
}

// options shorten what a Close waits for a side that does not listen.
func options(o pipetest.ConnOptions) Options {
	return Options{Limits: o.Limits, WriteTimeout: o.WriteTimeout, closeWait: 50 * time.Millisecond}
}

func TestConn(t *testing.T) {
	type connect = func(*testing.T, pipetest.ConnOptions) (a, b pipe.Conn)
	mem := func(o MemOptions) connect {
		return func(_ *testing.T, po pipetest.ConnOptions) (a, b pipe.Conn) {
			o.Options = options(po)
			return Mem(o)
		}
	}
	listen := func(addr string, text bool) connect {
		return func(t *testing.T, o pipetest.ConnOptions) (a, b pipe.Conn) {
			at := strings.Replace(addr, "DIR", t.TempDir(), 1)
			return dialled(t, at, DialOptions{Options: options(o), Text: text})
		}
	}
	for name, c := range map[string]connect{
		"mem":         mem(MemOptions{}),
		"mem text":    mem(MemOptions{Text: true}),
		"mem torn":    mem(MemOptions{Torn: 1}),
		"mem tiny":    mem(MemOptions{Buffer: 4096, Text: true}),
		"unix":        listen("unix:DIR/x.sock", false),
		"unix text":   listen("unix:DIR/x.sock", true),
		"tcp":         listen("tcp://127.0.0.1:0", false),
		"tcp text":    listen("tcp://127.0.0.1:0", true),
		"stdio":       func(t *testing.T, o pipetest.ConnOptions) (a, b pipe.Conn) { return stdioPair(t, o, false) },
		"stdio block": func(t *testing.T, o pipetest.ConnOptions) (a, b pipe.Conn) { return stdioPair(t, o, true) },
		"exec":        func(t *testing.T, o pipetest.ConnOptions) (a, b pipe.Conn) { return execPair(t, o, "") },
		"exec text":   func(t *testing.T, o pipetest.ConnOptions) (a, b pipe.Conn) { return execPair(t, o, "text") },
		"exec frames": func(t *testing.T, o pipetest.ConnOptions) (a, b pipe.Conn) { return execPair(t, o, "frames") },
		"ws client":   func(t *testing.T, o pipetest.ConnOptions) (a, b pipe.Conn) { return wsPair(t, o, false) },
		"ws server": func(t *testing.T, o pipetest.ConnOptions) (a, b pipe.Conn) {
			b, a = wsPair(t, o, false)
			return a, b
		},
		"wss": func(t *testing.T, o pipetest.ConnOptions) (a, b pipe.Conn) { return wsPair(t, o, true) },
		"wss server": func(t *testing.T, o pipetest.ConnOptions) (a, b pipe.Conn) {
			b, a = wsPair(t, o, true)
			return a, b
		},
	} {
		t.Run(name, func(t *testing.T) { pipetest.TestConn(t, c) })
	}
}

// dialled listens, dials and accepts.
func dialled(t *testing.T, addr string, o DialOptions) (a, b pipe.Conn) {
	t.Helper()
	l, err := Listen(t.Context(), addr, o.Options)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if a, err = Dial(t.Context(), l.Addr(), o); err != nil {
		t.Fatal(err)
	}
	if b, err = l.Accept(t.Context()); err != nil {
		t.Fatal(err)
	}
	return a, b
}

// stdioPair makes a Conn as Stdio does, from two pipes, and one at their other
// ends. With block they are such that cannot be opened anew.
func stdioPair(t *testing.T, o pipetest.ConnOptions, block bool) (a, b pipe.Conn) {
	t.Helper()
	inR, inW, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	outR, outW, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	take := takeStdio
	if block {
		take = takeBlocking
	}
	l, err := take(int(inR.Fd()), int(outW.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { inR.Close(); outW.Close() })
	rawR, _ := outR.SyscallConn()
	rawW, _ := inW.SyscallConn()
	a = newConn(newRawLink(outR, rawR, inW, rawW), newFrames(o.Limits), pipe.ConnInfo{Transport: "pipe", Remote: "child"}, options(o))
	return a, newStdio(l, os.Getppid(), options(o))
}

// wsPair makes a WebSocket client and its server's end.
func wsPair(t *testing.T, o pipetest.ConnOptions, tls bool) (client, server pipe.Conn) {
	t.Helper()
	conns := make(chan pipe.Conn, 1)
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := Upgrade(w, r, UpgradeOptions{Options: options(o)})
		if err != nil {
			t.Error(err)
			return
		}
		conns <- c
	}))
	d := DialOptions{Options: options(o)}
	if tls {
		srv.StartTLS()
		d.TLS = srv.Client().Transport.(*http.Transport).TLSClientConfig
	} else {
		srv.Start()
	}
	t.Cleanup(srv.Close)
	client, err := Dial(context.Background(), strings.Replace(srv.URL, "http", "ws", 1), d)
	if err != nil {
		t.Fatal(err)
	}
	return client, <-conns
}
