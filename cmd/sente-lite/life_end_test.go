//go:build unix

package main

import (
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestStdinEnds(t *testing.T) {
	t.Run("before a value", func(t *testing.T) {
		p := begin(t, "pipe")
		p.in.Close()
		if out := p.rest(); out != "" {
			t.Errorf("%q on stdout", out)
		}
		p.exits(exitDone, patience)
	})
	t.Run("with everything that is owed", func(t *testing.T) {
		p := begin(t, "pipe")
		var ask strings.Builder
		for range 500 {
			ask.WriteString("[[:sente-lite/peers {}] \"last\"]\n")
		}
		p.write([]byte(ask.String()))
		p.in.Close()
		if n := strings.Count(p.rest(), `[:chsk/reply "last" [{:uid "owner"`); n != 500 {
			t.Errorf("%d replies, expected 500", n)
		}
		p.exits(exitDone, patience)
	})
	t.Run("with listeners and peers", func(t *testing.T) {
		p, socket, c := withPeer(t)
		p.in.Close()
		p.rest()
		bye(t, c, socket)
		p.exits(exitDone, patience)
	})
	t.Run("in the middle of a value", func(t *testing.T) {
		p := begin(t, "pipe")
		p.write([]byte(`[:a/b {:c "unfinis`))
		p.in.Close()
		p.exits(exitDone, patience)
	})
}

// withPeer is a sidecar with a parent and one peer at its socket.
func withPeer(t *testing.T) (*process, string, *client) {
	t.Helper()
	dir := shortDir(t)
	socket := socketIn(dir)
	p := beginIn(t, dir, nil, "pipe")
	p.say(`[:sente-lite/hello {:config {:listen ["%s"]}}]`, socket)
	p.hear("[:sente-lite/ready ")
	c, _ := greet(t, socket, "{}")
	p.hear("[:sente-lite/open ")
	return p, socket, c
}

// bye checks the end as a peer sees it.
func bye(t *testing.T, c *client, socket string) {
	t.Helper()
	if last := c.rest(); !strings.HasSuffix(last, "[:chsk/close {:code 1001 :reason \"shutdown\"}]\n") {
		t.Errorf("the peer got %.300q at last, expected a close with 1001", last)
	}
	if path := strings.TrimPrefix(socket, "unix:"); !gone(path) {
		t.Errorf("%s is still there", path)
	}
}

var endings = []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP}

func TestSignals(t *testing.T) {
	for _, s := range endings {
		t.Run("pipe "+s.String(), func(t *testing.T) {
			t.Parallel()
			p, socket, c := withPeer(t)
			var all strings.Builder
			for range 300 {
				all.WriteString("[:sente-lite/send {:to :all :event [:x/y 1]}]\n[[:sente-lite/peers {}] \"n\"]\n")
			}
			p.write([]byte(all.String()))
			p.hear(`[:chsk/reply "n" `) // it is in the middle of that
			p.signal(s)
			p.rest()
			bye(t, c, socket)
			p.exits(exitDone, patience)
		})
		t.Run("serve "+s.String(), func(t *testing.T) {
			t.Parallel()
			dir := shortDir(t)
			p, at := servesIn(t, dir, nil, "--listen", "http://127.0.0.1:0", "--listen", socketIn(dir))
			c, _ := greet(t, at["unix"], "{}")
			w, _ := upgrade(t, at["http"], "/ws?v=1", nil)
			w.hear("[:chsk/handshake ")
			p.signal(s)
			bye(t, c, at["unix"])
			if code, _ := w.closed(); code != 1001 {
				t.Errorf("the WebSocket was closed with %d, expected 1001", code)
			}
			p.exits(exitDone, patience)
		})
	}
}

// TestQueuesAreFlushed sends as much as a peer's queue takes, ends, and counts
// what a peer gets that reads late.
func TestQueuesAreFlushed(t *testing.T) {
	p, socket, c := withPeer(t)
	var all strings.Builder
	event := "[:x/y \"" + strings.Repeat("z", 5000) + "\"]"
	for range 900 {
		all.WriteString("[:sente-lite/send {:to {:role :owner} :except #{\"owner\"} :event " + event + "}]\n")
	}
	p.write([]byte(all.String() + "[[:sente-lite/peers {}] \"all\"]\n"))
	p.hear(`[:chsk/reply "all" `)
	p.signal(syscall.SIGTERM)
	c.SetReadDeadline(time.Now().Add(patience))
	got := c.rest()
	if n := strings.Count(got, event+"\n"); n != 900 {
		t.Errorf("%d events came, expected 900", n)
	}
	if !strings.HasSuffix(got, "[:chsk/close {:code 1001 :reason \"shutdown\"}]\n") {
		t.Errorf("no close with 1001 at the end, but %.200q", got[max(0, len(got)-200):])
	}
	p.exits(exitDone, patience)
	if path := strings.TrimPrefix(socket, "unix:"); !gone(path) {
		t.Errorf("%s is still there", path)
	}
}

// stuck is a sidecar with a peer that does not read, and a queue for it.
func stuck(t *testing.T) (*process, string) {
	t.Helper()
	p, socket, _ := withPeer(t)
	event := "[:x/y \"" + strings.Repeat("z", 50000) + "\"]"
	for range 100 {
		p.say("[:sente-lite/send {:to {:role :owner} :except #{\"owner\"} :event %s}]", event)
	}
	p.say(`[[:sente-lite/peers {}] "all"]`)
	p.hear(`[:chsk/reply "all" `)
	return p, socket
}

func TestShutdownIsBounded(t *testing.T) {
	t.Parallel()
	p, socket := stuck(t)
	p.signal(syscall.SIGTERM)
	p.exits(exitDone, 4*time.Second) // :shutdown-ms is 2000
	if !gone(strings.TrimPrefix(socket, "unix:")) {
		t.Error("the socket is still there")
	}
}

func TestSecondSignalExitsAtOnce(t *testing.T) {
	for _, s := range endings {
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			p, socket := stuck(t)
			p.signal(s)
			// It has taken the first when its socket has gone.
			eventually(t, "the first signal is taken", func() bool { return gone(strings.TrimPrefix(socket, "unix:")) })
			begun := time.Now()
			p.signal(s)
			p.exits(exitDone, patience)
			if took := time.Since(begun); took > slow*time.Second {
				t.Errorf("it took %v, expected at once", took)
			}
		})
	}
}

// TestStderrIsFull keeps stderr full: a parent that does not read it must not
// keep the program from ending, nor from working.
func TestStderrIsFull(t *testing.T) {
	p := beginStderr(t, "serve", "--listen", "http://127.0.0.1:0")
	at := addresses(t, p.hear("[:sente-lite/ready "))
	for range 1200 {
		_, res := upgrade(t, at["http"], "/ws", map[string]string{"Origin": "http://evil.example"})
		if res.StatusCode != 403 {
			t.Fatalf("status %d, expected 403", res.StatusCode)
		}
	}
	w, _ := upgrade(t, at["http"], "/ws?v=1", nil)
	w.hear("[:chsk/handshake ")
	p.signal(syscall.SIGTERM)
	p.exits(exitDone, patience)
}
