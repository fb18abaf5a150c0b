//go:build unix

package transport

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/sente-lite/sente-lite/pipe"
	"github.com/sente-lite/sente-lite/pipe/pipetest"
)

func TestUnixSocketIsPrivate(t *testing.T) {
	old := syscall.Umask(0) // the most open one there is
	defer syscall.Umask(old)
	path := filepath.Join(t.TempDir(), "new", "x.sock")
	l, err := Listen(t.Context(), "unix:"+path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]os.FileMode{path: 0o600 | os.ModeSocket, filepath.Dir(path): 0o700 | os.ModeDir} {
		fi, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		if fi.Mode() != want {
			t.Errorf("%s is %v, expected %v", file, fi.Mode(), want)
		}
	}
	if l.Addr() != "unix:"+path {
		t.Errorf("Addr = %s", l.Addr())
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file is left behind: %v", err)
	}
}

func TestUnixPeerIsKnown(t *testing.T) {
	pipetest.NoLeaks(t)
	_, c := serverAt(t, "unix:DIR/x.sock", Options{})
	if i := c.Info(); !i.SameUser || i.UserID != os.Getuid() || i.Stranger || i.Heartbeat || i.Transport != "unix" {
		t.Errorf("Info = %+v", i)
	}
	_, c = serverAt(t, "tcp://127.0.0.1:0", Options{})
	if i := c.Info(); i.SameUser || !i.Stranger || !i.Heartbeat || i.Transport != "tcp" {
		t.Errorf("Info = %+v", i)
	}
}

func TestUnixSocketThatIsThere(t *testing.T) {
	pipetest.NoLeaks(t)
	dir := t.TempDir()
	for _, c := range []struct {
		name  string
		made  func(path string) (undo func())
		err   string
		inUse bool
	}{
		{name: "dead", made: func(path string) func() {
			l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
			if err != nil {
				t.Fatal(err)
			}
			l.SetUnlinkOnClose(false)
			l.Close()
			return func() {}
		}},
		{name: "alive", inUse: true, err: "in use", made: func(path string) func() {
			l, err := net.Listen("unix", path)
			if err != nil {
				t.Fatal(err)
			}
			return func() { l.Close() }
		}},
		{name: "file", err: "no socket", made: func(path string) func() {
			if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
				t.Fatal(err)
			}
			return func() {
				if b, _ := os.ReadFile(path); string(b) != "mine" {
					t.Error("the file was changed")
				}
			}
		}},
		{name: strings.Repeat("long", 40), err: "at most", made: func(string) func() { return func() {} }},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(dir, c.name)
			defer c.made(path)()
			l, err := Listen(t.Context(), "unix:"+path, Options{})
			if err == nil {
				defer l.Close()
			}
			switch {
			case c.err == "" && err != nil:
				t.Errorf("Listen: %v", err)
			case c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err) || !strings.Contains(err.Error(), path)):
				t.Errorf("Listen = %v, expected %q and the path", err, c.err)
			}
			if errors.Is(err, ErrInUse) != c.inUse {
				t.Errorf("Listen = %v; is it ErrInUse? expected %v", err, c.inUse)
			}
		})
	}
}

// Of many who find a dead socket at once, one gets it.
func TestUnixSocketRace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.sock")
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false)
	dead.Close()
	var wg sync.WaitGroup
	var mu sync.Mutex
	var won []pipe.Listener
	for range 8 {
		wg.Go(func() {
			l, err := Listen(t.Context(), "unix:"+path, Options{})
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				won = append(won, l)
			} else if !errors.Is(err, ErrInUse) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if len(won) != 1 {
		t.Fatalf("%d have got the socket", len(won))
	}
	won[0].Close()
}

func TestUnixCloseLeavesAnothersSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.sock")
	l, err := Listen(t.Context(), "unix:"+path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	other := path + "2"
	l2, err := net.Listen("unix", other)
	if err != nil {
		t.Fatal(err)
	}
	defer l2.Close()
	if err := os.Rename(other, path); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("another's socket was removed: %v", err)
	}
}

func TestAcceptEnds(t *testing.T) {
	for _, addr := range []string{"unix:DIR/x.sock", "tcp://127.0.0.1:0", "mem:"} {
		t.Run(addr, func(t *testing.T) {
			pipetest.NoLeaks(t)
			var l pipe.Listener = NewMemListener(MemOptions{})
			if addr != "mem:" {
				var err error
				if l, err = Listen(t.Context(), strings.Replace(addr, "DIR", t.TempDir(), 1), Options{}); err != nil {
					t.Fatal(err)
				}
			}
			ctx, cancel := context.WithCancelCause(t.Context())
			why := errors.New("enough")
			cancel(why)
			for range 2 {
				if _, err := l.Accept(ctx); err != why {
					t.Errorf("Accept = %v, expected the context's cause", err)
				}
			}
			done := make(chan error)
			go func() {
				_, err := l.Accept(context.Background())
				done <- err
			}()
			l.Close()
			if err := <-done; err != net.ErrClosed {
				t.Errorf("Accept of a closed Listener = %v, expected net.ErrClosed", err)
			}
			if err := l.Close(); err != nil {
				t.Errorf("a second Close: %v", err)
			}
		})
	}
}

// Too many open files pass: Accept waits and then succeeds.
func TestAcceptBacksOff(t *testing.T) {
	fl := &flaky{fails: 3}
	l := newListener(fl, "test:", Options{})
	c, err := l.Accept(t.Context())
	if err != nil || fl.fails != 0 {
		t.Fatalf("Accept = %v, %d failures left", err, fl.fails)
	}
	_ = c.Close(pipe.Reason{})
	fl.err, fl.fails = syscall.EINVAL, 1
	if _, err := l.Accept(t.Context()); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("Accept = %v, expected what will not pass", err)
	}
	fl.err, fl.fails = syscall.EMFILE, 1<<30
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.Accept(ctx); err != context.Canceled {
		t.Errorf("Accept = %v", err)
	}
}

type flaky struct {
	fails int
	err   error
}

func (f *flaky) Accept() (net.Conn, error) {
	if f.fails > 0 {
		f.fails--
		err := f.err
		if err == nil {
			err = syscall.EMFILE
		}
		return nil, &net.OpError{Op: "accept", Err: os.NewSyscallError("accept", err)}
	}
	a, b := net.Pipe()
	b.Close()
	return a, nil
}

func (*flaky) Close() error   { return nil }
func (*flaky) Addr() net.Addr { return &net.TCPAddr{} }

func TestAddresses(t *testing.T) {
	for addr, want := range map[string]string{
		"unix:":               "no path",
		"unix:@abstract":      "abstract",
		"http://x":            "expected unix:/path or tcp://host:port",
		"ws://u:secret@x/?q":  "cannot listen on ws://x/",
		"tcp://256.0.0.1:bad": "port",
		"%zz":                 "no URL",
	} {
		_, err := Listen(t.Context(), addr, Options{})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("Listen(%q) = %v, expected %q", addr, err, want)
		}
	}
	if _, err := Dial(t.Context(), "http://u:secret@x/?q", DialOptions{}); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("Dial = %v", err)
	}
}
