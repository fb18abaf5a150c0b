//go:build unix

package main

import (
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sente-lite/sente-lite/pipe"
)

// live starts a server, a handler that speaks as the test has it, and a command
// that talks to the server until it is told to end.
func live(t *testing.T, args ...string) (handler *client, command *process) {
	t.Helper()
	dir := shortDir(t)
	_, at := servesIn(t, dir, nil, "--listen", socketIn(dir))
	handler, _ = greet(t, at["unix"], "{:handler true}")
	return handler, beginIn(t, dir, nil, append(args, "--to", at["unix"])...)
}

// attached waits until a tail shows what the handler asks, and returns a row.
func attached(t *testing.T, handler *client, tail *process) string {
	t.Helper()
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() { // until it is there
		defer close(stopped)
		for tick := time.NewTicker(20 * time.Millisecond); ; {
			select {
			case <-tick.C:
				handler.Write([]byte("[[:sente-lite/subscribe {:channel-id \"here\"}] \"here\"]\n"))
			case <-stop:
				return
			}
		}
	}()
	row := tail.hear("sente-lite/subscribe")
	close(stop)
	<-stopped
	return row
}

func TestTailCommand(t *testing.T) {
	handler, tail := live(t, "tail")
	row := attached(t, handler, tail)
	if !regexp.MustCompile(`^\d\d:\d\d:\d\d\.\d\d\d  in   unix:\d+/\d+  \[:sente-lite/subscribe \{:channel-id "here"\}\]$`).MatchString(row) {
		t.Errorf("the row is %q", row)
	}
	handler.say(`[:sente-lite/publish {:channel-id "here" :data "a%sb"}]`, "\x1b[2J")
	if row := tail.hear("sente-lite/channel-msg"); !strings.Contains(row, `  out  unix:`) || strings.Contains(row, "\x1b") || !strings.Contains(row, `a\u001b[2Jb`) {
		t.Errorf("the row is %q", row)
	}
	tail.signal(syscall.SIGINT)
	tail.exits(exitDone, 5*time.Second)
	if tail.errs.String() != "" {
		t.Errorf("stderr has %s", tail.errs)
	}
}

func TestTailFilters(t *testing.T) {
	handler, tail := live(t, "tail", ":chat/*", "sente-lite/subscribe", "--in", "--fields", "uid,event", "--edn")
	attached(t, handler, tail)
	dir := strings.TrimPrefix(handler.RemoteAddr().String(), "unix:")
	other, _ := greet(t, "unix:"+dir, "{}")
	other.say(`[:draw/line 1]`)
	other.say(`[:chat/msg {:n 1/2}]`)
	row := tail.hear("chat/msg")
	if !regexp.MustCompile(`^\{:uid "unix:\d+/\d+" :event \[:chat/msg \{:n 1/2\}\] ?\}$`).MatchString(row) {
		t.Errorf("the row is %s", row)
	}
	other.say(`[:draw/line 1]`)
	other.say(`[:chat/last]`)
	for row := tail.hear("{"); !strings.Contains(row, "chat/last"); row = tail.hear("{") {
		if !strings.Contains(row, "sente-lite/subscribe") {
			t.Errorf("beside what is asked for comes %s", row)
		}
	}
	tail.signal(syscall.SIGTERM)
	tail.exits(exitDone, 5*time.Second)
}

// A stdout that nobody reads costs rows, and keeps nobody from ending.
func TestTailEndsUnread(t *testing.T) {
	handler, tail := live(t, "tail")
	attached(t, handler, tail)
	handler.say(`[:sente-lite/subscribe {:channel-id "c"}]`)
	for range 2000 {
		handler.say(`[:sente-lite/publish {:channel-id "c" :data %q :exclude-sender? true}]`, strings.Repeat("x", 200))
	}
	handler.say(`[[:sente-lite/peers {}] "all"]`)
	handler.hear(`[:chsk/reply "all"`)
	eventually(t, "its stdout is full", func() bool {
		handler.say(`[[:sente-lite/peers {}] "queue"]`)
		return !strings.Contains(handler.hear(`[:chsk/reply "queue"`), ":queue {:size 0 :bytes 0 :unacked 0} :rtt-ms nil :away-ms nil}]]")
	})
	tail.signal(syscall.SIGINT)
	tail.exits(exitDone, 5*time.Second)
}

// The end of the sidecar is an error, in the form that was asked for.
func TestTailLosesItsSidecar(t *testing.T) {
	dir := shortDir(t)
	server, at := servesIn(t, dir, nil, "--listen", socketIn(dir))
	handler, _ := greet(t, at["unix"], "{:handler true}")
	tail := beginIn(t, dir, nil, "tail", "--json", "--to", at["unix"])
	attached(t, handler, tail)
	server.signal(syscall.SIGTERM)
	row := tail.hear(`"category"`)
	if !strings.HasPrefix(row, `{"category":"interrupted","code":"sente-lite/connection-lost","message":"the link to unix:`) {
		t.Errorf("the last row is %s", row)
	}
	tail.exits(exitFailed, 5*time.Second)
}

// A send that waits for a line of stdin still hears a signal, and the end of the
// sidecar.
func TestSendWaitsForStdin(t *testing.T) {
	dir := shortDir(t)
	server, at := servesIn(t, dir, nil, "--listen", socketIn(dir))
	handler, _ := greet(t, at["unix"], "{:handler true}")
	for _, end := range []struct {
		how  func(*process)
		says string
	}{
		{func(p *process) { p.signal(syscall.SIGTERM) }, "ended by a signal; line 2 of stdin had not come yet"},
		{func(*process) { server.signal(syscall.SIGTERM) }, "has ended: shutdown (1001)"},
	} {
		send := beginIn(t, dir, nil, "send", "--to", at["unix"])
		send.say("[:x/y 1]")
		send.hear("sent")
		handler.hear("[:x/y 1]")
		end.how(send)
		send.exits(exitFailed, 5*time.Second)
		if errs := send.errs.String(); !strings.Contains(errs, end.says) {
			t.Errorf("stderr has %q, expected %q", errs, end.says)
		}
	}
}

func TestPeersWatch(t *testing.T) {
	handler, peers := live(t, "peers", "--watch", "--every", "50ms")
	peers.hear("UID ")
	other, _ := greet(t, "unix:"+handler.RemoteAddr().String(), "{}")
	count := func(n int) {
		t.Helper()
		eventually(t, "the table has its rows", func() bool {
			peers.hear("UID ")
			rows := 0
			for line := peers.hear(""); strings.HasPrefix(line, "unix:"); line = peers.hear("") {
				rows++
			}
			return rows == n
		})
	}
	count(3)
	other.Close()
	count(2)
	peers.signal(syscall.SIGINT)
	peers.exits(exitDone, 5*time.Second)
	if strings.Contains(peers.rest(), "\x1b") {
		t.Error("a screen is cleared where there is none")
	}
}

// On a terminal there are colours, and a peer's text moves no cursor.
func TestTerminal(t *testing.T) {
	row := []byte(`{:at 0 :dir :in :uid "a` + "\x1b" + `[2J" :event [:x/y "` + "\x1b\u009b" + `"] :skipped 3}`)
	for _, tt := range []struct {
		p    printer
		want string
	}{
		{printer{}, `… 3 events were left out: they came faster than they could be shown
in   a\u001b[2J  [:x/y "\u001b\u009b"]
`},
		{printer{terminal: true, colours: true}, "\x1b[33m… 3 events were left out: they came faster than they could be shown\x1b[0m\n\x1b[32min \x1b[0m  \x1b[1ma\\u001b[2J\x1b[0m  [:x/y \"\\u001b\\u009b\"]\n"},
		{printer{terminal: true, form: formEDN}, `{:dir :in :uid "a\u001b[2J" :event [:x/y "\u001b\u009b"] }` + "\n"},
		{printer{form: formEDN}, `{:dir :in :uid "a` + "\x1b" + `[2J" :event [:x/y "` + "\x1b\u009b" + `"] }` + "\n"},
	} {
		var b strings.Builder
		tt.p.out = &b
		if err := (&tailCommand{Fields: []string{"dir", "uid", "event"}}).row(&tt.p, row); err != nil {
			t.Fatal(err)
		}
		if b.String() != tt.want {
			t.Errorf("%+v:\n got %q\nwant %q", tt.p, b.String(), tt.want)
		}
	}
	for _, environ := range [][]string{{"NO_COLOR=1"}, {"TERM=dumb"}, nil} {
		if p := newPrinter(system{Environ: environ, Stdout: os.Stderr}, formText); p.colours && !p.terminal || p.colours && environ != nil {
			t.Errorf("%q: %+v", environ, p)
		}
	}
}

func TestAgo(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "now", 10 * time.Millisecond: "now", 59 * time.Second: "59s ago", 2 * time.Minute: "2m ago",
		47 * time.Hour: "47h ago", 50 * time.Hour: "2d ago",
	} {
		if got := ago(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
}

// A visitor is asked nothing that it leaves open, and answers pings.
func TestVisitorAnswers(t *testing.T) {
	dir := shortDir(t)
	_, at := servesIn(t, dir, nil, "--listen", "http://127.0.0.1:0", "--listen", socketIn(dir), "--set", ":flow/ws-kalive-ms=50")
	handler, _ := greet(t, at["unix"], "{:handler true}")
	v, err := dial(t.Context(), at["http"], "", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer v.close()
	open := handler.hear("[:sente-lite/open ")
	i, err := pipe.Split([]byte(open), pipe.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	uid := text(i.Body, ":uid")
	handler.say(`[[:sente-lite/request {:to %q :event [:ui/ask]}] "r"]`, uid)
	if got := handler.hear("[:chsk/reply"); !strings.Contains(got, ":sente-lite/cannot-answer") {
		t.Errorf("the reply is %s", got)
	}
	eventually(t, "a ping was answered", func() bool {
		handler.say(`[[:sente-lite/peers {}] "p"]`)
		return regexp.MustCompile(`:transport :ws .*:rtt-ms [0-9]`).MatchString(handler.hear("[:chsk/reply"))
	})
}
