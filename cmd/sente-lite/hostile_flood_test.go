//go:build unix

package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// deaf makes a WebSocket whose machine takes next to nothing, and is never read.
func deaf(t *testing.T, h *house) *webSocket {
	t.Helper()
	// Before it connects: a window that shrinks later upsets TCP itself.
	d := net.Dialer{Timeout: patience, Control: func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) {
			if err := syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4096); err != nil {
				t.Error(err)
			}
		})
	}}
	c, err := d.Dial("tcp", strings.TrimPrefix(h.at["http"], "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	w, _ := upgradeOn(&client{t, c, bufio.NewReader(c)}, h.at["http"], "/ws?v=1", nil)
	w.hear("[:chsk/handshake ")
	return w
}

// TestBrowserThatNeverReads is fed by a script. Only that script hears of it,
// and only about that browser.
func TestBrowserThatNeverReads(t *testing.T) {
	h := newHouse(t)
	producer, _ := greet(t, h.at["unix"], "{}")
	before := memory(t, h.process)
	deafOne := deaf(t, h)
	deafOne.say(`[:sente-lite/subscribe {:channel-id "deaf"}]`)
	deafOne.hear("[:sente-lite/subscribed ")
	well := h.peer(t, "ws").(*webSocket)
	well.say(`[:sente-lite/subscribe {:channel-id "well"}]`)
	well.hear("[:sente-lite/subscribed ")

	const events, size = 30000, 2000
	h.undisturbed(t, func() {
		text := strings.Repeat("x", size)
		written := make(chan error, 1)
		go func() {
			var b bytes.Buffer
			for n := range events {
				b.Reset()
				fmt.Fprintf(&b, "[:sente-lite/send {:to {:channel \"deaf\"} :event [:to/deaf {:n %d :text %q}]}]\n", n, text)
				if _, err := producer.Write(b.Bytes()); err != nil {
					written <- err
					return
				}
			}
			// The other browser's events come all the same.
			_, err := producer.Write([]byte("[:sente-lite/send {:to {:channel \"well\"} :event [:to/well 1]}]\n[[:chsk/ws-ping] \"end\"]\n"))
			written <- err
		}()
		refused, notes := 0, 0
		begun := time.Now()
		for {
			producer.SetReadDeadline(time.Now().Add(patience))
			line, err := producer.lines.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(line, `[:chsk/reply "end" `) {
				break
			}
			if n := refusals(t, line); n > 0 {
				refused += n
				notes++
			}
		}
		took := time.Since(begun)
		if err := <-written; err != nil {
			t.Fatal(err)
		}
		well.hear("[:to/well 1]")
		if refused < events/2 || refused >= events {
			t.Errorf("%d of %d were refused, expected most, but not all", refused, events)
		}
		if most := 2 + int(took/(100*time.Millisecond)); notes > most {
			t.Errorf("the producer was told %d times in %v, expected at most %d", notes, took, most)
		}
	})
	if grown := memory(t, h.process) - before; grown > 96<<20 {
		t.Errorf("memory has grown by %d MiB", grown>>20)
	}
}

var countOf = regexp.MustCompile(`:code :sente-lite/backpressure .* :event-id :to/deaf :retry\? true :count (\d+) :data \{:status :backpressure `)

// refusals is the count of a backpressure error, 0 for any other line.
func refusals(t *testing.T, line string) int {
	t.Helper()
	m := countOf.FindStringSubmatch(line)
	if m == nil {
		return 0
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestAsksAndNeverReads sends what must be answered, for ever.
func TestAsksAndNeverReads(t *testing.T) {
	h := newHouse(t)
	before := memory(t, h.process)
	for name, ask := range map[string]string{
		"garbage": "]", "calls": `[[:a/b] "c"]`, "forbidden": `[:sente-lite/peers {}]`, "pings": `[:chsk/ws-ping]`,
		"subscriptions": `[:sente-lite/subscribe {:channel-id "` + strings.Repeat("x", 1000) + `"}]`,
		"large names":   "[:sente-lite/" + strings.Repeat("x", 2000) + "]", "large ids": `[:sente-lite/subscribe {:channel-id "` + strings.Repeat("x", 2000) + `"}]`,
		"large strings": `[:msg/send-to-client {:to-uid "` + strings.Repeat("x", 2000) + `" :message 1}]`,
	} {
		t.Run(name, func(t *testing.T) {
			h.undisturbed(t, func() {
				w := deaf(t, h)
				b := bytes.Repeat(frame(opText, true, []byte(ask)), max(1, 64<<10/len(ask)))
				w.SetWriteDeadline(time.Now().Add(patience))
				var err error
				for err == nil { // what comes after the close is thrown away for a while
					_, err = w.Write(b)
				}
				if errors.Is(err, os.ErrDeadlineExceeded) {
					t.Fatal("the link is open")
				}
			})
		})
	}
	if grown := memory(t, h.process) - before; grown > 160<<20 {
		t.Errorf("memory has grown by %d MiB", grown>>20)
	}
}

// TestSocketsThatNeverSpeak opens two thousand.
func TestSocketsThatNeverSpeak(t *testing.T) {
	t.Parallel()
	h := guarded(t, "")
	before := memory(t, h.process)
	h.undisturbed(t, func() {
		var all []*client
		for range 2000 {
			all = append(all, connect(t, h.at["tcp"]))
		}
		if grown := memory(t, h.process) - before; grown > 64<<20 {
			t.Errorf("memory has grown by %d MiB", grown>>20)
		}
		for _, c := range all {
			if got := c.rest(); got != "" { // until it is closed
				t.Fatalf("%q came, expected nothing", got)
			}
		}
	})
}

// TestComeAndGo makes peers by the thousand while the handler does not read.
func TestComeAndGo(t *testing.T) {
	dir := shortDir(t)
	p, at := servesIn(t, dir, nil, "--listen", "http://127.0.0.1:0", "--listen", socketIn(dir))
	handler, _ := greet(t, at["unix"], "{:handler true}")
	before := memory(t, p)
	const visits = 4000
	for range visits {
		w, _ := upgrade(t, at["http"], "/ws?v=1", nil)
		w.hear("[:chsk/handshake ")
		w.Close()
	}
	if grown := memory(t, p) - before; grown > 64<<20 {
		t.Errorf("memory has grown by %d MiB", grown>>20)
	}
	opened, closed := 0, 0
	for closed < visits {
		handler.SetReadDeadline(time.Now().Add(patience))
		line, err := handler.lines.ReadString('\n')
		if err != nil {
			t.Fatalf("after %d opens and %d closes: %v", opened, closed, err)
		}
		switch {
		case strings.HasPrefix(line, "[:sente-lite/open "):
			opened++
		case strings.HasPrefix(line, "[:sente-lite/close "):
			closed++
		}
	}
	if opened != visits {
		t.Errorf("%d opens, expected %d", opened, visits)
	}
}
