//go:build peers

package main_test

import (
	"fmt"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// libraryScript is the command of a script under testdata/e2e that requires the
// Clojure library.
func libraryScript(t *testing.T, platform, file string) []string {
	t.Helper()
	script, src := e2eFile(t, "e2e", file), filepath.Join(repository(t), "bb", "src")
	switch platform {
	case "jvm":
		return []string{"java", "-XX:TieredStopAtLevel=1", "-cp", clojureJars + ":" + src, "clojure.main", script}
	case "nbb":
		return []string{"node", e2eFile(t, "npm", "node_modules", "nbb", "cli.js"), "-cp", src, script}
	}
	t.Fatalf("no platform %s", platform)
	return nil
}

// TestPersistedInbox kills a handler with a backlog of 20,000 events, after it
// has said that it has them: the next one handles them, each once, in order.
func TestPersistedInbox(t *testing.T) {
	for _, platform := range []string{"jvm", "nbb"} {
		t.Run(platform, func(t *testing.T) {
			const events = 20_000
			dir := t.TempDir()
			socket, data := filepath.Join(dir, "s.sock"), filepath.Join(dir, "inbox")
			startServe(t, "serve", "--listen", "unix:"+socket)
			script := func(paused string) *program {
				return start(t, "backlog", append(libraryScript(t, platform, "backlog.cljc"), "unix:"+socket, data, paused)...)
			}
			p := script("paused")
			p.await(`^ready$`)

			sender, err := net.Dial("unix", socket)
			if err != nil {
				t.Fatal(err)
			}
			defer sender.Close()
			fmt.Fprintln(sender, "[:sente-lite/hello {}]")
			go io.Copy(io.Discard, sender)
			sent := 0
			send := func(n int) {
				for range n {
					fmt.Fprintf(sender, "[:n/up %d]\n", sent)
					sent++
				}
			}
			var handled []int
			number := regexp.MustCompile(`^handled (\d+)$`)
			take := func(line string) {
				if m := number.FindStringSubmatch(line); m != nil {
					n, _ := strconv.Atoi(m[1])
					handled = append(handled, n)
				} else if strings.HasPrefix(line, "error") {
					t.Fatal(line)
				}
			}
			// It answers, so it has read what had come; until all are there it is asked again.
			has := func(n int) (memory, files string) {
				for {
					p.say("show")
					m := p.await(`^waits (\d+) (\d+)$`)
					if persisted(t, data) >= n {
						return m[1], m[2]
					}
				}
			}

			for sent < events {
				send(500)
				has(sent)
			}
			if memory, files := has(sent); memory != "50" || files == "0" {
				t.Errorf("%s events wait in memory and %s bytes in files alone, expected 50, and more than none", memory, files)
			}
			p.signal(syscall.SIGKILL)
			p.exits()

			// In the middle of handling, once more.
			p = script("")
			for len(handled) < events/2 {
				line, more := p.next()
				if !more {
					t.Fatal("the handler has ended")
				}
				take(line)
			}
			p.signal(syscall.SIGKILL)
			for {
				line, more := p.next()
				if !more {
					break
				}
				take(line)
			}
			// What ran at that moment is handled again.
			last := handled[len(handled)-1]
			p = script("")
			p.await(`^ready$`) // it comes before all that is handled
			send(1)
			again := len(handled)
			for handled[len(handled)-1] != sent-1 {
				line, more := p.next()
				if !more {
					t.Fatal("the handler has ended")
				}
				take(line)
			}
			if handled[again] == last {
				handled = slices.Delete(handled, again, again+1)
			}
			if len(handled) != sent {
				t.Errorf("%d events were sent, and %d handled", sent, len(handled))
			}
			for i, n := range handled {
				if i != n {
					t.Fatalf("event %d is handled where %d is due; around it: %v", n, i, handled[max(0, i-3):min(len(handled), i+4)])
				}
			}
		})
	}
}

// persisted is the number of lines in a client's files.
func persisted(t *testing.T, dir string) int {
	t.Helper()
	out, err := exec.Command("sh", "-c", `cat "$0"/inbox-*.edn 2>/dev/null | wc -l`, dir).Output()
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(out)))
	if err != nil {
		t.Fatal(err)
	}
	return n
}
