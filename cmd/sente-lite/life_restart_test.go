//go:build unix

package main

import (
	"fmt"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sente-lite/sente-lite/pipe"
	"github.com/sente-lite/sente-lite/pipe/transport"
)

// A restarted is a peer that comes back to another process. The test counts for it.
type restarted struct {
	t       *testing.T
	conn    pipe.Conn
	uid     string
	session string
	ready   string
	seen    int
	got     []string // items, over all links
}

var (
	uidOf     = regexp.MustCompile(`:uid "([^"]*)"`)
	sessionOf = regexp.MustCompile(`:session "([0-9a-f]{32})"`)
)

// comes connects, or comes back to its session.
func (r *restarted) comes(at map[string]string, wire string, hello string) {
	r.t.Helper()
	addr := at["unix"]
	if wire == "ws" {
		addr = "ws" + strings.TrimPrefix(at["http"], "http") + "/ws?v=1&recover=1"
		if r.session != "" {
			addr += fmt.Sprintf("&session=%s&seen=%d", r.session, r.seen)
		}
	}
	c, err := transport.Dial(r.t.Context(), addr, transport.DialOptions{})
	if err != nil {
		r.t.Fatal(err)
	}
	r.conn = c
	r.t.Cleanup(func() { c.Close(pipe.Reason{Code: pipe.CloseNormal}) })
	if wire == "unix" {
		if r.session != "" {
			hello += fmt.Sprintf(" :session %q :seen %d", r.session, r.seen)
		}
		r.says("[:sente-lite/hello {" + hello + "}]")
	}
	m, err := c.Read(nil)
	if err != nil {
		r.t.Fatal(err)
	}
	r.ready = string(m.Data)
	for re, to := range map[*regexp.Regexp]*string{sessionOf: &r.session} {
		if m := re.FindStringSubmatch(r.ready); m != nil {
			*to = m[1]
		}
	}
	if m := uidOf.FindStringSubmatch(r.ready); m != nil {
		r.uid = m[1]
	} else if m := regexp.MustCompile(`\[:chsk/handshake \["([^"]*)"`).FindStringSubmatch(r.ready); m != nil {
		r.uid = m[1]
	}
}

func (r *restarted) says(text string) {
	r.t.Helper()
	done, err := r.conn.Write([]pipe.Message{{Data: []byte(text), Text: true}})
	if err == nil && !done {
		err = r.conn.Flush()
	}
	if err != nil {
		r.t.Fatal(err)
	}
}

// reads counts items until one is like that, or until the link ends.
func (r *restarted) reads(until string) bool {
	for {
		m, err := r.conn.Read(nil)
		if err != nil {
			return false
		}
		got := string(m.Data)
		switch {
		case strings.HasPrefix(got, "[:sente-lite/ack "), strings.HasPrefix(got, "[:sente-lite/credit "), strings.HasPrefix(got, "[:chsk/ws-ping"),
			strings.HasPrefix(got, "[:chsk/close"):
			continue
		}
		r.seen++
		r.got = append(r.got, got)
		if until != "" && strings.Contains(got, until) {
			return true
		}
	}
}

// What waits for a peer, in its queue and on the disk, outlives the process that has it:
// the peer gets all of it once, in its order, from the next one, which knows what it has
// sent and where it has subscribed.
func TestRestart(t *testing.T) {
	for _, wire := range []string{"unix", "ws"} {
		for _, sig := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM} {
			t.Run(fmt.Sprint(wire, " ", sig), func(t *testing.T) {
				t.Parallel()
				dir := shortDir(t)
				args := []string{"--listen", socketIn(dir), "--listen", "http://127.0.0.1:0", "--data-dir", dir + "/data",
					"--set", ":flow/on-backpressure=:queue", "--set", ":flow/max-buffer-size=50", "--set", ":shutdown-ms=300",
					"--set", ":flow/connection-state-recovery={:backup-secs 60 :max-msgs 10}"}
				first, at := servesIn(t, dir, nil, args...)
				hd, _ := greet(t, at["unix"], "{:handler true}")
				a := &restarted{t: t}
				a.comes(at, wire, ":recover true")
				hd.hear("[:sente-lite/open ")
				a.says(`[:sente-lite/subscribe {:channel-id "room"}]`)
				a.reads(":sente-lite/subscribed")
				for i := range 10 {
					a.says(fmt.Sprintf(`[:up/n %d]`, i))
				}
				for i := range 10 {
					if got := hd.hear("[:sente-lite/recv "); !strings.Contains(got, fmt.Sprintf("[:up/n %d]", i)) {
						t.Fatalf("the handler gets %s, not event %d", got, i)
					}
				}
				const sent = 600
				pad := strings.Repeat("p", 4000)
				for i := range sent { // a does not read
					hd.say(`[[:sente-lite/send {:to %q :event [:down/n [%d %q]]}] "%d"]`, a.uid, i, pad, i)
					if got := hd.hear(fmt.Sprintf(`[:chsk/reply "%d" `, i)); !strings.Contains(got, ":status :ok") {
						t.Fatalf("send %d is answered by %s", i, got)
					}
				}
				hd.say(`[[:sente-lite/queues {:to %q}] "q"]`, a.uid)
				if got := hd.hear(`[:chsk/reply "q" `); strings.Contains(got, ":spilled 0 ") {
					t.Fatalf("nothing is spilled: %s", got)
				}
				first.signal(sig)
				code := -1
				if sig == syscall.SIGTERM {
					code = exitDone
				}
				first.exits(code, patience)
				a.reads("") // what is on its way

				second, at := servesIn(t, dir, nil, args...)
				hd, _ = greet(t, at["unix"], "{:handler true}")
				hd.hear("[:sente-lite/open ") // a is there, though away
				before := a.uid
				a.comes(at, wire, ":recover true")
				if !strings.Contains(a.ready, ":seen 11 ") || !strings.Contains(a.ready, ":recovered? true :missed 0") || a.uid != before {
					t.Fatalf("after the restart it is greeted by %s", a.ready)
				}
				hd.say(`[[:sente-lite/publish {:channel-id "room" :data "last"}] "p"]`)
				late := time.AfterFunc(patience, func() { a.conn.Close(pipe.Reason{Code: pipe.CloseLost}) })
				defer late.Stop()
				if !a.acksUntil(":sente-lite/channel-msg") {
					t.Fatalf("it has %d items, and nothing from its channel", len(a.got))
				}
				if len(a.got) != sent+2 {
					t.Errorf("it has got %d items, not %d", len(a.got), sent+2)
				}
				for i, got := range a.got[1:min(len(a.got)-1, sent+1)] {
					if !strings.HasPrefix(got, fmt.Sprintf("[:down/n [%d ", i)) {
						t.Fatalf("item %d is %.40s", i, got)
					}
				}
				a.says(`[:up/n 10]`)
				hd.hear("[:sente-lite/recv ")
				hd.say(`[[:sente-lite/ledger {:peer %q}] "l"]`, a.uid)
				if got := hd.hear(`[:chsk/reply "l" `); !strings.Contains(got, ":undelivered 0}") || strings.Contains(got, ":event-id") {
					t.Errorf("the ledger has %s", got)
				}
				second.signal(syscall.SIGTERM)
				second.exits(exitDone, patience)
			})
		}
	}
}

// acksUntil is reads, with acknowledgements as a client gives them.
func (r *restarted) acksUntil(until string) bool {
	for {
		m, err := r.conn.Read(nil)
		if err != nil {
			return false
		}
		got := string(m.Data)
		if strings.HasPrefix(got, "[:sente-lite/ack ") || strings.HasPrefix(got, "[:chsk/") {
			continue
		}
		r.seen++
		r.got = append(r.got, got)
		if r.seen%32 == 0 {
			r.says(fmt.Sprintf("[:sente-lite/ack %d]", r.seen))
		}
		if strings.Contains(got, until) {
			return true
		}
	}
}
