package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sente-lite/sente-lite/pipe"
)

// answering is a peer that greets as a sidecar does, and answers each event by
// the text that it has for its name. It tells which events it got.
func answering(t *testing.T, answers map[string]string) (address string, got <-chan string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	events := make(chan string, 100)
	served := make(chan struct{})
	t.Cleanup(func() { l.Close(); <-served })
	talk := func(c net.Conn) {
		defer c.Close()
		say := func(text string) {
			c.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(text))), text...))
		}
		for first := true; ; first = false {
			var size [4]byte
			if _, err := io.ReadFull(c, size[:]); err != nil {
				return
			}
			text := make([]byte, binary.BigEndian.Uint32(size[:]))
			if _, err := io.ReadFull(c, text); err != nil {
				return
			}
			i, err := pipe.Split(text, pipe.Limits{})
			switch {
			case err != nil:
				return
			case first:
				say(`[:sente-lite/ready {:uid "x"}]`)
			case i.Shape == pipe.ShapeCall:
				for e := pipe.Elements(text); ; {
					if v, ok := e.Next(); ok {
						events <- string(v)
					}
					break
				}
				answer, ok := answers[string(i.Name)]
				if !ok {
					answer = `[:sente-lite/error {:category :incorrect :code :sente-lite/unknown-event :message "unknown"}]`
				}
				say(fmt.Sprintf("[:chsk/reply %s %s]", i.Call, answer))
			}
		}
	}
	go func() {
		defer close(served)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			talk(c) // one after the other
		}
	}()
	return "tcp://" + l.Addr().String(), events
}

func TestQueuesCommand(t *testing.T) {
	address, got := answering(t, map[string]string{
		"sente-lite/queues": `[{:uid "ada" :client-id "c" :status :slow :queued 912 :bytes 2097152 :oldest-ms 4200 :unacked 31 :spilled 0 :credit 12 :paused? true :away-ms nil :top [[:chat/msg 900] [:chat/typing 12]]}
			{:uid "e\u001bve" :client-id "d" :status :ok :queued 0 :bytes 0 :oldest-ms 0 :unacked 0 :spilled 0 :credit nil :paused? false :away-ms 61000 :top []}]`,
		"sente-lite/pause": `{:peers 2}`, "sente-lite/resume": `{:peers 1}`,
	})
	table := `^UID +STATUS +QUEUED +BYTES +OLDEST +UNACKED +SPILLED +CREDIT +TOP EVENTS
ada +slow, paused +912 +2.0 MB +4.2 s +31 +0 +12 +900 :chat/msg, 12 :chat/typing
e\\u001bve +ok, away 1m1s +0 +0 +- +0 +0 +-
$`
	for _, tt := range []struct{ args, asks, says string }{
		{"queues", "[:sente-lite/queues {}]", table},
		{"queues show ada eve", `[:sente-lite/queues {:to #{"ada" "eve" }}]`, table},
		{"queues pause ada", `[:sente-lite/pause {:to "ada"}]`, `^2 peers are paused; their queues fill until: sente-lite queues resume ada\n$`},
		{"queues pause --all", `[:sente-lite/pause {:to :all}]`, `^2 peers are paused; .* queues resume --all\n$`},
		{"queues resume ada", `[:sente-lite/resume {:to "ada"}]`, `^1 peer is written to again\n$`},
		{"queues resume --all --edn", `[:sente-lite/resume {:to :all}]`, `^\{:peers 1\}\n$`},
		{"queues --json", "[:sente-lite/queues {}]", `^\[\{"uid":"ada",.*"paused\?":true,.*"top":\[\["chat/msg",900\],`},
	} {
		code, stdout, stderr := said(t, append(strings.Fields(tt.args), "--to", address))
		if asks := <-got; code != exitDone || asks != tt.asks || stderr != "" || !regexp.MustCompile(tt.says).MatchString(stdout) {
			t.Errorf("%s: exit %d, asks %s, prints\n%s%s", tt.args, code, asks, stdout, stderr)
		}
	}
}

func TestLedgerCommand(t *testing.T) {
	now := time.Now()
	rows := fmt.Sprintf(`[{:event-id :chat/msg :peer "ada" :why :drop-oldest :at %d} {:event-id :x/y :peer "e\u001b" :why :expired :at %d}]`,
		now.Add(-48*time.Hour).UnixMilli(), now.UnixMilli())
	books := ` :totals {:accepted 120 :delivered 100 :queued 15 :undelivered 5} :why {:expired 2 :drop-oldest 3} :peers {"eve" {} "ada" {:accepted 7 :delivered 4 :queued 0 :undelivered 3}}`
	for _, tt := range []struct{ args, answer, asks, says string }{
		{"", `{:rows ` + rows + books + ` :lost-rows 3}`, `{:limit 100}`, `^AT +PEER +WHY +EVENT
\d\d\d\d-\d\d-\d\d \d\d:\d\d:\d\d +ada +drop-oldest +:chat/msg
\d\d:\d\d:\d\d\.\d\d\d +e\\u001b +expired +:x/y

3 older rows are no longer kept; they are in the numbers below
120 accepted = 100 delivered \+ 15 queued \+ 5 not delivered
not delivered: 3 drop-oldest, 2 expired
$`},
		{"--peer ada --why :expired --limit 5", `{:rows []` + books + ` :lost-rows 0}`, `{:limit 5 :peer "ada" :why :expired}`,
			`^no rows of ada for :expired\nada: 7 accepted = 4 delivered \+ 0 queued \+ 3 not delivered\n$`},
		{"--peer bob", `{:rows []` + books + ` :lost-rows 0}`, `{:limit 100 :peer "bob"}`, `^nothing is known of bob; "sente-lite peers" lists who is there\n$`},
		{"", `{:rows [] :totals {:accepted 3 :delivered 3 :queued 0 :undelivered 0} :why {} :peers {} :lost-rows 0}`, `{:limit 100}`,
			`^nothing was lost\n3 accepted = 3 delivered \+ 0 queued \+ 0 not delivered\n$`},
		{"", `{:rows [] :totals {:accepted 4 :delivered 3 :queued 0 :undelivered 0} :why {} :peers {} :lost-rows 0}`, `{:limit 100}`,
			`\nthe books do not balance: 1 are not accounted for; this is a bug of the sidecar\n$`},
		{"--edn", `{:rows [] :lost-rows 0}`, `{:limit 100}`, `^\{:rows \[\] :lost-rows 0\}\n$`},
	} {
		address, got := answering(t, map[string]string{"sente-lite/ledger": tt.answer})
		code, stdout, stderr := said(t, append([]string{"ledger", "--to", address}, strings.Fields(tt.args)...))
		if asks := <-got; code != exitDone || asks != "[:sente-lite/ledger "+tt.asks+"]" || stderr != "" || !regexp.MustCompile(tt.says).MatchString(stdout) {
			t.Errorf("%s: exit %d, asks %s, prints\n%s%s", tt.args, code, asks, stdout, stderr)
		}
	}
}

// Empty states, and what an owner's command meets.
func TestFlowCommandsMeet(t *testing.T) {
	forbidden := `[:sente-lite/error {:category :forbidden :code :sente-lite/forbidden :message "owners may"}]`
	for _, tt := range []struct {
		args, answer string
		code         int
		says         string
	}{
		{"queues", `[]`, exitDone, "nobody is connected\n"},
		{"queues pause ada bob", `{:peers 0}`, exitDone, "nobody of them is connected\n"},
		{"queues", forbidden, exitFailed, "this takes an owner"},
		{"queues pause ada", `[:sente-lite/error {:category :not-found :code :sente-lite/no-such-peer :message "no peer has the uid \"ada\""}]`, exitFailed, `"sente-lite peers" lists who is there`},
		{"ledger", forbidden, exitFailed, "this takes an owner"},
		{"ledger", "", exitFailed, "this sidecar's version knows no :sente-lite/ledger\n  restart it with this binary"},
		{"queues", "", exitFailed, "this sidecar's version knows no :sente-lite/queues\n"},
		{"queues resume --all", "", exitFailed, "this sidecar's version knows no :sente-lite/resume\n"},
	} {
		answers := map[string]string{}
		if tt.answer != "" {
			for _, name := range []string{"queues", "pause", "resume", "ledger"} {
				answers["sente-lite/"+name] = tt.answer
			}
		}
		address, _ := answering(t, answers)
		code, stdout, stderr := said(t, append(strings.Fields(tt.args), "--to", address))
		if code != tt.code || !strings.Contains(stdout+stderr, tt.says) {
			t.Errorf("%s: exit %d, prints\n%s%s", tt.args, code, stdout, stderr)
		}
	}
}

// Peers that are away have a column, where there are any; what waits for an
// acknowledgement stands beside what waits to be written.
func TestPeersCommandShowsWhoIsAway(t *testing.T) {
	peer := func(uid, queue, away string) string {
		return fmt.Sprintf(`{:uid %q :role :client :transport :ws :since %d :queue %s :rtt-ms 1.25 :away-ms %s}`, uid, time.Now().UnixMilli(), queue, away)
	}
	address, _ := answering(t, map[string]string{"sente-lite/peers": "[" + peer("ada", `{:size 3 :bytes 4096 :unacked 5}`, "2500") + peer("eve", `{:size 0 :bytes 0 :unacked 1}`, "nil") + "]"})
	_, stdout, _ := said(t, []string{"peers", "--to", address})
	if !regexp.MustCompile(`^UID +ROLE +TRANSPORT +SINCE +QUEUE +RTT +AWAY\nada +client +ws +now +3 \(\+5, 4 KB\) +1\.2 ms +2\.5 s\neve +client +ws +now +0 \(\+1\) +1\.2 ms +-\n$`).MatchString(stdout) {
		t.Errorf("it prints\n%s", stdout)
	}
	busy := strings.Replace(peer("ada", `{:size 0 :bytes 0 :unacked 0}`, "nil"), ":rtt-ms", ":sent {:messages 9 :bytes 2048 :unpacked 20480} :rtt-ms", 1)
	address, _ = answering(t, map[string]string{"sente-lite/peers": "[" + busy + peer("eve", `{:size 0 :bytes 0 :unacked 0}`, "nil") + "]"})
	_, stdout, _ = said(t, []string{"peers", "--to", address})
	if !regexp.MustCompile(`^UID +ROLE +TRANSPORT +SINCE +QUEUE +RTT +SENT\nada +client +ws +now +0 +1\.2 ms +20 KB as 2 KB\neve +client +ws +now +0 +1\.2 ms +-\n$`).MatchString(stdout) {
		t.Errorf("it prints\n%s", stdout)
	}
	address, _ = answering(t, map[string]string{"sente-lite/peers": "[" + peer("eve", `{:size 0 :bytes 0 :unacked 0}`, "nil") + "]"})
	_, stdout, _ = said(t, []string{"peers", "--to", address})
	if !regexp.MustCompile(`^UID +ROLE +TRANSPORT +SINCE +QUEUE +RTT\neve +client +ws +now +0 +1\.2 ms\n$`).MatchString(stdout) {
		t.Errorf("it prints\n%s", stdout)
	}
}
