//go:build unix

package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// A house is a running server with a handler that echoes, and a well-behaved
// client that must never notice what is done to the others.
type house struct {
	*process
	at map[string]string
}

// token lets one in as a client.
const token = "a-token-of-the-tests"

func newHouse(t *testing.T, args ...string) *house {
	t.Helper()
	dir := shortDir(t)
	args = append([]string{"--listen", "http://127.0.0.1:0", "--listen", socketIn(dir)}, args...)
	p, at := servesIn(t, dir, func(c *exec.Cmd) { c.Env = append(c.Env, "TEST_TOKEN="+token) }, args...)
	h := &house{p, at}
	h.handle(t)
	return h
}

// guarded is a house that wants tokens and listens on TCP too.
func guarded(t *testing.T, more string) *house {
	t.Helper()
	dir := shortDir(t)
	p, at := servesIn(t, dir, func(c *exec.Cmd) {
		c.Env = append(c.Env, "TEST_TOKEN="+token, `SENTE_LITE_AUTH={:tokens [{:token-env "TEST_TOKEN"}]`+more+`}`)
	}, "--listen", "http://127.0.0.1:0", "--listen", socketIn(dir), "--listen", "tcp://127.0.0.1:0", "--log-level", "debug")
	h := &house{p, at}
	h.handle(t)
	return h
}

// handle connects a handler that answers every call with its event.
func (h *house) handle(t *testing.T) {
	t.Helper()
	c, _ := greet(t, h.at["unix"], "{:handler true}")
	go func() {
		for {
			c.SetDeadline(time.Time{})
			line, err := c.lines.ReadString('\n')
			if err != nil {
				return // the test is over
			}
			if cb := strings.LastIndex(line, `"x`); cb >= 0 && strings.HasPrefix(line, "[[:sente-lite/recv ") {
				if _, err := fmt.Fprintf(c, "[:chsk/reply %s :pong]\n", strings.TrimSuffix(line[cb:], "]\n")); err != nil {
					return
				}
			}
		}
	}()
}

// undisturbed plays ping-pong with the handler while attack runs, and for some
// rounds after it.
func (h *house) undisturbed(t *testing.T, attack func()) {
	t.Helper()
	c, _ := greet(t, h.at["unix"], "{}")
	var worst time.Duration
	round := func() error {
		begun := time.Now()
		c.SetDeadline(begun.Add(patience))
		if _, err := fmt.Fprintf(c, "[[:ping/pong] \"p\"]\n"); err != nil {
			return err
		}
		line, err := c.lines.ReadString('\n')
		if err != nil || line != "[:chsk/reply \"p\" :pong]\n" {
			return fmt.Errorf("instead of a pong came %q, %v", line, err)
		}
		worst = max(worst, time.Since(begun))
		return nil
	}
	stop, played := make(chan struct{}), make(chan error, 1)
	go func() {
		for after := 0; after < 5; {
			if err := round(); err != nil {
				played <- err
				return
			}
			select {
			case <-stop:
				after++
			default:
			}
		}
		played <- nil
	}()
	attack()
	close(stop)
	if err := <-played; err != nil {
		t.Errorf("the well-behaved client: %v", err)
	}
	if worst > 2*time.Second {
		t.Errorf("the well-behaved client waited for %v", worst)
	}
}

// A peer of a test, over any transport, whose messages are EDN.
type speaker interface {
	say(format string, args ...any)
	write(b []byte)
	hear(want string) string
}

// frames is a client that speaks frames.
type frames struct{ *client }

func (f frames) say(format string, args ...any) {
	f.t.Helper()
	f.write(framed(fmt.Sprintf(format, args...)))
}

func (f frames) hear(want string) string {
	f.t.Helper()
	f.SetReadDeadline(time.Now().Add(patience))
	for {
		var head [4]byte
		if _, err := io.ReadFull(f.lines, head[:]); err != nil {
			f.t.Fatalf("waiting for %q: %v", want, err)
		}
		b := make([]byte, binary.BigEndian.Uint32(head[:]))
		if _, err := io.ReadFull(f.lines, b); err != nil {
			f.t.Fatalf("waiting for %q: %v", want, err)
		}
		if strings.Contains(string(b), want) {
			return string(b)
		}
	}
}

// deep is a value nested ten million times, which is less than a message may be.
var deep = strings.Repeat("[", 10_000_000)

// TestBadInput sends what cannot be read or done. It costs that message and not
// the link.
func TestBadInput(t *testing.T) {
	h := newHouse(t)
	// What is wrong, whatever the framing; want is part of the answer.
	everywhere := []struct{ name, in, want string }{
		{"not EDN", `[:a/b }`, ":category :incorrect :code :sente-lite/bad-edn"},
		{"a number", `42`, ":category :incorrect :code :sente-lite/bad-event"},
		{"no known shape", `{:a 1}`, ":category :incorrect :code :sente-lite/bad-event"},
		{"no namespace", `[:a]`, ":category :incorrect :code :sente-lite/bad-event"},
		{"three elements", `[:a/b 1 2]`, ":category :incorrect :code :sente-lite/bad-event"},
		{"a reply without a value", `[:chsk/reply "x"]`, ":category :incorrect :code :sente-lite/bad-reply"},
		{"a reply to nothing", `[:chsk/reply "x9" 1]`, ":category :not-found :code :sente-lite/no-such-call"},
		{"an empty cb", `[[:a/b] ""]`, ":category :incorrect :code :sente-lite/bad-cb"},
		{"a long cb", `[[:a/b] "` + strings.Repeat("c", 65) + `"]`, ":category :incorrect :code :sente-lite/bad-cb"},
		{"a cb that is no string", `[[:a/b] :c]`, ":category :incorrect :code :sente-lite/bad-cb"},
		{"an empty bundle", `[:batch/events []]`, ":category :incorrect :code :sente-lite/bad-bundle"},
		{"a bundle in a bundle", `[:batch/events [[:batch/events [[:a/b]]]]]`, ":category :incorrect :code :sente-lite/bad-bundle"},
		{"a bundle as a call", `[[:batch/events [[:a/b]]] "c"]`, `[:chsk/reply "c" [:sente-lite/error {:category :incorrect `},
		{"ten million levels", deep, ":category :incorrect :code :sente-lite/too-deep"},
		{"513 levels", "[:a/b " + strings.Repeat("(", 512) + strings.Repeat(")", 512) + "]", ":category :incorrect :code :sente-lite/too-deep"},
		{"bytes that are no UTF-8", "[:a/b \"\xff\xfe\"]", ":category :incorrect :code :sente-lite/bad-edn"},
		{"a second hello", `[[:sente-lite/hello {}] "h"]`, `[:chsk/reply "h" [:sente-lite/error {:category :conflict `},
		{"a uid that nobody has", `[[:msg/send-to-client {:to-uid "nobody" :message 1}] "n"]`, `[:chsk/reply "n" [:sente-lite/error {:category :not-found `},
	}
	for _, via := range []string{"text", "frames", "ws"} {
		for _, tt := range everywhere {
			if via == "ws" && !utf8.ValidString(tt.in) {
				continue // closes, see below
			}
			t.Run(via+"/"+tt.name, func(t *testing.T) {
				h.undisturbed(t, func() {
					p := h.peer(t, via)
					p.say("%s", tt.in)
					p.hear(tt.want)
					p.say(`[[:chsk/ws-ping] "still"]`)
					p.hear(`[:chsk/reply "still" "pong"]`)
				})
			})
		}
	}
	if grown := memory(t, h.process); grown > 300<<20 {
		t.Errorf("%d MiB are resident", grown>>20)
	}
}

// peer connects one, greeted.
func (h *house) peer(t *testing.T, via string) speaker {
	t.Helper()
	switch via {
	case "text":
		c, _ := greet(t, h.at["unix"], "{}")
		return c
	case "frames":
		f := frames{connect(t, h.at["unix"])}
		f.say("[:sente-lite/hello {}]")
		f.hear("[:sente-lite/ready ")
		return f
	}
	w, res := upgrade(t, h.at["http"], "/ws?v=1", nil)
	if w == nil {
		t.Fatalf("the upgrade was refused with %d", res.StatusCode)
	}
	w.hear("[:chsk/handshake ")
	return w
}

// TestTwoValues are one message each where lines are the framing, and an error
// where a frame holds exactly one.
func TestTwoValues(t *testing.T) {
	h := newHouse(t)
	for _, via := range []string{"frames", "ws"} {
		p := h.peer(t, via)
		p.say(`[[:a/b] "1"] [[:a/b] "2"]`)
		p.hear(":category :incorrect ")
		p.say(`[[:a/b] "3"]`)
		p.hear(`[:chsk/reply "3" :pong]`)
	}
	p := h.peer(t, "text")
	p.say(`[[:a/b] "1"] [[:a/b] "2"]`)
	p.hear(`[:chsk/reply "1" :pong]`)
	p.hear(`[:chsk/reply "2" :pong]`)
}

// TestClientsMayNot tries what only owners may, as a browser.
func TestClientsMayNot(t *testing.T) {
	h := newHouse(t)
	for _, in := range []string{
		`[:sente-lite/send {:to :all :event [:a/b]}]`, `[:sente-lite/request {:to "unix" :event [:a/b]}]`,
		`[:sente-lite/peers {}]`, `[:sente-lite/kick {:to :all}]`, `[:sente-lite/configure {:config {}}]`,
		`[:sente-lite/flush {:to "a"}]`, `[:sente-lite/spawn {:command ["sh"]}]`, `[:sente-lite/recv {}]`,
		`[:sente-lite/open {}]`, `[:sente-lite/close {}]`, `[:sente-lite/ready {}]`, `[:sente-lite/nonsense]`,
		`[:chsk/state []]`, `[:chsk/recv [:a/b]]`, `[:chsk/close]`, `[:chsk/uidport-open "x"]`,
	} {
		t.Run(in, func(t *testing.T) {
			w := h.peer(t, "ws")
			w.say("[%s \"c\"]", in)
			w.hear(`[:chsk/reply "c" [:sente-lite/error {:category :forbidden `)
			w.say("%s", in)
			w.hear(`[:sente-lite/error {:category :forbidden `)
			w.say(`[[:a/b] "1"]`)
			w.hear(`[:chsk/reply "1" :pong]`)
		})
	}
	t.Run("be the handler", func(t *testing.T) {
		c, _ := greet(t, h.at["unix"], "{:handler true}")
		c.hear("[:sente-lite/error {:category :conflict :code :sente-lite/handler-taken ")
		c.say(`[[:a/b] "1"]`)
		c.hear(`[:chsk/reply "1" :pong]`)
	})
	t.Run("configure by hello", func(t *testing.T) {
		c := connect(t, h.at["unix"])
		c.say(`[:sente-lite/hello {:config {:listen []}}]`)
		c.hear("[:sente-lite/error {:category :forbidden ")
		c.say(`[:sente-lite/hello {}]`)
		c.hear("[:sente-lite/ready ")
	})
	t.Run("forge replies", func(t *testing.T) {
		w := h.peer(t, "ws")
		for n := range 50 {
			w.say(`[:chsk/reply "x%x" :forged]`, n)
			w.hear(":code :sente-lite/no-such-call")
		}
	})
}

// TestFramingLost ends a link whose framing is lost, and says so first.
func TestFramingLost(t *testing.T) {
	h := newHouse(t)
	t.Run("a frame of 4 GiB", func(t *testing.T) {
		h.undisturbed(t, func() {
			f := h.peer(t, "frames").(frames)
			f.write([]byte{0xff, 0xff, 0xff, 0xff, '['})
			f.hear("[:sente-lite/error {:category :incorrect :code :sente-lite/too-large ")
			f.hear("[:chsk/close {:code 4507 ")
			f.rest()
		})
	})
	t.Run("an empty frame does not", func(t *testing.T) {
		f := h.peer(t, "frames").(frames)
		f.write([]byte{0, 0, 0, 0})
		f.hear("[:sente-lite/error {:category :incorrect :code :sente-lite/empty-frame ")
		f.say(`[[:a/b] "1"]`)
		f.hear(`[:chsk/reply "1" :pong]`)
	})
	t.Run("an empty message does not", func(t *testing.T) {
		w := h.peer(t, "ws").(*webSocket)
		w.write(frame(opText, true, nil))
		w.hear("[:sente-lite/error {:category :incorrect ")
		w.say(`[[:a/b] "1"]`)
		w.hear(`[:chsk/reply "1" :pong]`)
	})
	for _, tt := range []struct {
		name string
		send []byte
		code int
	}{
		{"text that is no UTF-8", frame(opText, true, []byte("[:a/b \"\xff\"]")), 1007},
		{"half a character", append(frame(opText, false, []byte("[:a/b \"\xc3")), frame(0, true, []byte("\"]"))...), 1007},
		{"a huge message", []byte{0x82, 0xff, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0}, 4507},
		{"a length below zero", []byte{0x82, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0}, 1002},
		{"no mask", []byte{0x81, 1, '['}, 1002},
		{"reserved bits", []byte{0xc1, 0x81, 0, 0, 0, 0, '['}, 1002},
		{"a reserved opcode", []byte{0x83, 0x80, 0, 0, 0, 0}, 1002},
		{"a continuation of nothing", frame(0, true, []byte("x")), 1002},
		{"a fragmented ping", frame(opPing, false, nil), 1002},
		{"a close frame of a byte", frame(opClose, true, []byte{3}), 1002},
		{"a close code of nobody", frame(opClose, true, []byte{0x03, 0xed}), 1002},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := h.peer(t, "ws").(*webSocket)
			w.write(tt.send)
			if code, why := w.closed(); code != tt.code {
				t.Errorf("closed with %d %q, expected %d", code, why, tt.code)
			}
		})
	}
	t.Run("a value without an end", func(t *testing.T) {
		h.undisturbed(t, func() {
			before := memory(t, h.process)
			c, _ := greet(t, h.at["unix"], "{}")
			// What is written after the limit is thrown away, until the link ends.
			c.write([]byte(`[:a/b "`))
			chunk := bytes.Repeat([]byte("x"), 1<<20)
			c.SetWriteDeadline(time.Now().Add(patience))
			var err error
			for err == nil {
				_, err = c.Write(chunk)
			}
			if errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatal("the link does not end")
			}
			c.hear("[:sente-lite/error {:category :incorrect :code :sente-lite/too-large ")
			c.hear("[:chsk/close {:code 4507 ")
			c.rest()
			if grown := memory(t, h.process) - before; grown > 100<<20 {
				t.Errorf("memory has grown by %d MiB", grown>>20)
			}
		})
	})
}
