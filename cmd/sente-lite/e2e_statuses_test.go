//go:build peers

package main_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// stalledPage is a WebSocket that reads until it knows who it is, and then not any
// more; a reader goes on.
func stalledPage(t *testing.T, address string, reads bool) (uid string) {
	t.Helper()
	host := strings.TrimPrefix(address, "http://")
	c, err := net.Dial("tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	fmt.Fprintf(c, "GET /ws HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", host)
	for r, said := bufio.NewReader(c), ""; ; {
		b, err := r.ReadByte()
		if err != nil {
			t.Fatalf("%v after %q", err, said)
		}
		said += string(rune(b))
		if m := regexp.MustCompile(`\[:chsk/handshake \["([^"]+)"`).FindStringSubmatch(said); m != nil {
			if reads {
				go io.Copy(io.Discard, r)
			}
			return m[1]
		}
	}
}

// TestStatusesReachTheScript has a page that does not read: the script that feeds it
// hears so from its own send, before much waits; one that is to wait for room does,
// and holds nobody else up.
func TestStatusesReachTheScript(t *testing.T) {
	for _, platform := range []string{"jvm", "nbb"} {
		t.Run(platform, func(t *testing.T) {
			const most = 40 // events that may wait
			socket := filepath.Join(t.TempDir(), "s.sock")
			p := startPipe(t, fmt.Sprintf(`:listen ["http://127.0.0.1:0" "unix:%s"] :flow {:ws-kalive-ms 60000 :max-buffer-size %d
				:on-backpressure {:default :notify :wait/* :block} :block-ms 500}`, socket, most))
			slow, other := stalledPage(t, p.url, false), stalledPage(t, p.url, true)
			script := start(t, "script", append(libraryScript(t, platform, "statuses.cljc"), "unix:"+socket, slow, other)...)
			after, _ := strconv.Atoi(script.await(`^(?:backpressure after (\d+)|unexpected .*)$`)[1])
			// Of 10 kB each; the system's own buffers hold some MB.
			if after < most || after > most+1500 {
				t.Errorf("it was refused after %d events", after)
			}
			// The error comes where handlers run, in no order with what promises bring.
			var told []string
			for len(told) < 4 {
				told = append(told, script.await(`^(?:sent|error|fast|waited) .*$`)[0])
			}
			fast, waited := slices.Index(told, "fast :ok"), slices.Index(told, "waited :backpressure")
			if fast < 0 || waited < fast || !slices.Contains(told, "sent :ok") || !slices.Contains(told, "error :sente-lite/backpressure :told/x") {
				t.Errorf("the script hears %q", told)
			}
			p.say(`[[:sente-lite/queues {:to %q}] "q"]`, slow)
			queued, _ := strconv.Atoi(p.await(`"q" .*:queued (\d+)`)[1])
			if queued > most {
				t.Errorf("%d events wait for the page that does not read, allowed are %d", queued, most)
			}
		})
	}
}
