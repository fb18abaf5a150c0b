//go:build unix

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sente-lite/sente-lite/pipe"
)

// TestParentIsKilled kills a shell that is the parent. What it leaves behind
// has two seconds.
func TestParentIsKilled(t *testing.T) {
	for _, tt := range []struct {
		name, script string
		within       time.Duration
	}{
		{"alone", `
			sente-lite pipe <in >out 2>err &
			exec 7>in
			cat hello >&7
			wait`, 2 * time.Second},
		{"a grandchild holds stdin", `
			sente-lite pipe <in >out 2>err &
			exec 7>in
			sleep 300 & echo $! >grandchild
			cat hello >&7
			wait`, 2 * time.Second},
		// What is queued for stdout has :shutdown-ms, then the peers are closed.
		{"a grandchild holds stdin, and stdout unread", `
			mkfifo unread
			sente-lite pipe <in >unread 2>err &
			exec 7>in 8<unread
			sleep 300 & echo $! >grandchild
			cat hello >&7
			head -n 1 <&8 >out
			i=0; while [ $i -lt 6000 ]; do echo '[[:sente-lite/peers {}] "c"]'; i=$((i+1)); done >&7
			echo full >full
			wait`, 2 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := shortDir(t)
			socket := socketIn(dir)
			hello := fmt.Sprintf("[:sente-lite/hello {:config {:listen [%q]}}]\n", socket)
			if err := os.WriteFile(filepath.Join(dir, "hello"), []byte(hello), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := syscall.Mkfifo(filepath.Join(dir, "in"), 0o600); err != nil {
				t.Fatal(err)
			}
			shell := exec.Command("sh", "-c", tt.script)
			shell.Dir, shell.Env = dir, program(t, dir).Env
			if err := shell.Start(); err != nil {
				t.Fatal(err)
			}
			ended := make(chan struct{})
			go func() { shell.Wait(); close(ended) }() // it is killed
			t.Cleanup(func() {
				shell.Process.Kill()
				<-ended
				if b, err := os.ReadFile(filepath.Join(dir, "grandchild")); err == nil {
					if pid, err := strconv.Atoi(strings.TrimSpace(string(b))); err == nil {
						syscall.Kill(pid, syscall.SIGKILL)
					}
				}
			})
			read := func(name string) string {
				b, _ := os.ReadFile(filepath.Join(dir, name)) // not there yet
				return string(b)
			}
			eventually(t, "ready", func() bool { return strings.HasSuffix(read("out"), "}]\n") })
			if strings.Contains(tt.script, "full") {
				eventually(t, "stdout is full", func() bool { return read("full") != "" })
			}
			pid := readyPID(t, read("out"))
			c, _ := greet(t, socket, "{}")
			begun := time.Now()
			shell.Process.Kill()
			eventually(t, "it ends", func() bool { return !alive(pid) })
			if took := time.Since(begun); took > slow*tt.within {
				t.Errorf("it took %v, expected %v at the most", took, tt.within)
			}
			bye(t, c, socket)
			if b := read("err"); strings.Contains(b, "panic") {
				t.Errorf("stderr: %.2000s", b)
			}
		})
	}
}

func readyPID(t *testing.T, ready string) int {
	t.Helper()
	item, err := pipe.Split([]byte(strings.TrimSpace(ready)), pipe.Limits{})
	if err != nil {
		t.Fatalf("%q: %v", ready, err)
	}
	v, _ := pipe.Lookup(item.Body, ":pid")
	pid, err := strconv.Atoi(string(v))
	if err != nil {
		t.Fatalf("%q: %v", ready, err)
	}
	return pid
}

// TestParentStopsReading floods a parent that does not read. The senders hear of
// it, memory stays bounded, and all goes on once the parent reads: every event
// has come or was refused.
func TestParentStopsReading(t *testing.T) {
	dir := shortDir(t)
	socket := socketIn(dir)
	p := beginIn(t, dir, nil, "pipe")
	p.say(`[:sente-lite/hello {:config {:listen [%q]}}]`, socket)
	p.hear("[:sente-lite/ready ")
	before := memory(t, p)

	const senders, each = 4, 20000
	refused := make(chan int, senders)
	for n := range senders {
		c, _ := greet(t, socket, "{}")
		p.hear("[:sente-lite/open ")
		go func() {
			var b strings.Builder
			for i := range each {
				fmt.Fprintf(&b, "[:flood/event {:sender %d :n %d :text %q}]\n", n, i, strings.Repeat("x", 200))
			}
			b.WriteString("[:sente-lite/subscribe {:channel-id \"end\"}]\n")
			go func() { // its failure shows as a missing answer
				_, _ = c.Write([]byte(b.String()))
			}()
			refused <- countRefused(c)
		}()
	}
	lost := 0
	for range senders {
		select {
		case n := <-refused:
			if n <= 0 {
				t.Fatal("a sender has heard of no backpressure, or not got its answer")
			}
			lost += n
		case <-time.After(patience):
			t.Fatal("a sender waits for the parent")
		}
	}
	if grown := memory(t, p) - before; grown > 64<<20 {
		t.Errorf("memory has grown by %d MiB", grown>>20)
	}
	// The parent comes back.
	p.say(`[[:sente-lite/peers {}] "back"]`)
	p.out.SetReadDeadline(time.Now().Add(patience))
	come := 0
	for {
		line, err := p.lines.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(line, "[:flood/event ") {
			come++
		}
		if strings.HasPrefix(line, `[:chsk/reply "back" `) {
			break
		}
	}
	if come+lost != senders*each {
		t.Errorf("%d events came and %d were refused; %d were sent", come, lost, senders*each)
	}
	if come < 1000 {
		t.Errorf("%d events came, expected at least the queue's 1000", come)
	}
	c, _ := greet(t, socket, "{}")
	c.say(`[[:all/well?] "c"]`)
	line := p.hear(":all/well?")
	at := strings.LastIndex(line, `"x`)
	p.say(`[:chsk/reply %s :yes]`, strings.TrimSuffix(line[at:], "]"))
	c.hear(`[:chsk/reply "c" :yes]`)
}

// countRefused adds up what a sender hears of backpressure, until the answer to
// its last event and the last count after it.
func countRefused(c *client) (n int) {
	c.SetReadDeadline(time.Now().Add(patience))
	for answered := false; ; {
		line, err := c.lines.ReadString('\n')
		if err != nil {
			if answered && strings.Contains(err.Error(), "timeout") {
				return n
			}
			return -1
		}
		if strings.Contains(line, "[:sente-lite/subscribed ") {
			// The count of the last 100 ms may be on its way.
			answered = true
			c.SetReadDeadline(time.Now().Add(time.Second))
		}
		if strings.Contains(line, ":code :sente-lite/backpressure") {
			_, rest, _ := strings.Cut(line, ":retry? true :count ")
			count, err := strconv.Atoi(rest[:strings.IndexByte(rest, ' ')])
			if err != nil {
				return -1
			}
			n += count
		}
	}
}

func TestParentTalksGarbage(t *testing.T) {
	t.Run("in text", func(t *testing.T) {
		p := begin(t, "pipe")
		p.say(`[:a/b "never ends`)
		p.say(`still not" }`)
		p.hear(":code :sente-lite/bad-edn")
		p.write([]byte("\xff\xfe\x00 \x01\n]]]]\n#{1 1}\n{:a}\n\"\\q\"\n"))
		for range 5 {
			p.hear(":code :sente-lite/bad-e")
		}
		p.say(`[[:sente-lite/peers {}] "well"]`)
		p.hear(`[:chsk/reply "well" [{`)
		p.in.Close()
		p.exits(exitDone, patience)
	})
	t.Run("in frames", func(t *testing.T) {
		p := begin(t, "pipe")
		p.write(framed("[:sente-lite/hello {}]"))
		for _, bad := range []string{"", "\xff\xfe", "[:a/b", "[:a/b 1] [:c/d 2]", "nil", strings.Repeat("[", 1<<20)} {
			p.write(framed(bad))
		}
		p.write(framed(`[[:sente-lite/peers {}] "well"]`))
		p.in.Close()
		values := unframed(t, p.rest(), false)
		if len(values) != 8 || !strings.HasPrefix(values[7], `[:chsk/reply "well" [{`) {
			t.Errorf("%d values came, expected ready, 6 errors and a reply:\n%.3000s", len(values), strings.Join(values, "\n"))
		}
		for _, v := range values[1:7] {
			if !strings.HasPrefix(v, "[:sente-lite/error {:category :incorrect ") {
				t.Errorf("%.300s, expected an error", v)
			}
		}
		p.exits(exitDone, patience)
	})
	t.Run("a frame too long", func(t *testing.T) {
		p := begin(t, "pipe")
		p.write(append(framed("[:sente-lite/hello {}]"), 0xff, 0xff, 0xff, 0xff, '['))
		values := unframed(t, p.rest(), false)
		if len(values) < 2 || !strings.Contains(values[1], ":code :sente-lite/too-large") {
			t.Errorf("got %q, expected an error too-large", values)
		}
		p.exits(exitFailed, patience)
	})
	for _, first := range []string{"G", "{", "d", "C", "\x01", "\xff", "(", "\"", "a", "\xef\xbb\xbfx", " ;\n nil"} {
		t.Run(fmt.Sprintf("first %q", first), func(t *testing.T) {
			p := begin(t, "pipe")
			p.write([]byte(first + "ET / HTTP/1.1\r\n\r\n"))
			if out := p.rest(); out != "" {
				t.Errorf("%q on stdout, expected nothing", out)
			}
			p.exits(exitFailed, patience)
			if s := p.errs.String(); strings.Count(s, "\n") != 1 || !strings.Contains(s, "of no dialect") {
				t.Errorf("stderr %q, expected one line", s)
			}
		})
	}
}

func TestParentClosesStdout(t *testing.T) {
	for _, both := range []bool{false, true} {
		t.Run(fmt.Sprintf("and stderr %v", both), func(t *testing.T) {
			r, w := pipePair(t)
			p := beginIn(t, shortDir(t), func(c *exec.Cmd) {
				if both {
					c.Stderr = w
				}
			}, "pipe", "--log-level", "debug")
			w.Close()
			r.Close()
			p.say("[:sente-lite/hello {}]")
			p.hear("[:sente-lite/ready ")
			p.out.Close()
			p.say(`[[:sente-lite/peers {}] "c"]`)
			p.exits(exitDone, patience)
		})
	}
	t.Run("of serve", func(t *testing.T) {
		dir := shortDir(t)
		socket := socketIn(dir)
		p := beginIn(t, dir, func(c *exec.Cmd) {
			r, w := pipePair(t)
			r.Close()
			c.Stdout = w
			t.Cleanup(func() { w.Close() })
		}, "serve", "--listen", socket)
		p.exits(exitFailed, patience)
		if s := p.errs.String(); !strings.Contains(s, "sente-lite: stdout: ") {
			t.Errorf("stderr %q", s)
		}
		if !gone(strings.TrimPrefix(socket, "unix:")) {
			t.Error("the socket is still there")
		}
	})
}
