//go:build unix

package main

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sente-lite/sente-lite/pipe"
)

func framed(v string) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(v))), v...)
}

// unframed takes the output of the frames dialect apart; every byte must belong
// to a frame with one value: EDN, or after the first JSON.
func unframed(t *testing.T, out string, inJSON bool) (values []string) {
	t.Helper()
	for b := []byte(out); len(b) > 0; {
		if len(b) < 4 || len(b)-4 < int(binary.BigEndian.Uint32(b)) {
			t.Fatalf("stdout ends inside a frame: %.100q", b)
		}
		n := 4 + int(binary.BigEndian.Uint32(b))
		_, err := pipe.Check(b[4:n], pipe.Limits{})
		if inJSON && values != nil && json.Valid(b[4:n]) {
			err = nil
		}
		if err != nil {
			t.Fatalf("a frame on stdout is not one value: %v: %.300q", err, b[4:n])
		}
		values = append(values, string(b[4:n]))
		b = b[n:]
	}
	return values
}

// lined does the same for the text dialect: one value a line.
func lined(t *testing.T, out string) (values []string) {
	t.Helper()
	if out != "" && !strings.HasSuffix(out, "\n") {
		t.Errorf("stdout ends inside a line: %.100q", out[max(0, len(out)-100):])
	}
	for line := range strings.Lines(out) {
		line = strings.TrimSuffix(line, "\n")
		if _, err := pipe.Check([]byte(line), pipe.Limits{}); err != nil {
			t.Fatalf("a line on stdout is not one value: %v: %.300q", err, line)
		}
		values = append(values, line)
	}
	return values
}

const twoValues = `[[:sente-lite/peers {}] "a"]
[[:sente-lite/peers {}] "b"]
`

func TestStdioIsFiles(t *testing.T) {
	dir := shortDir(t)
	in, out := filepath.Join(dir, "in"), filepath.Join(dir, "out")
	if err := os.WriteFile(in, []byte(twoValues), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := program(t, dir, "pipe")
	cmd.Stdin, cmd.Stdout = open(t, in, os.O_RDONLY), open(t, out, os.O_WRONLY|os.O_CREATE)
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	if v := lined(t, string(b)); len(v) != 3 {
		t.Errorf("got %q, expected ready and two replies", v)
	}
}

func open(t *testing.T, path string, flag int) *os.File {
	t.Helper()
	f, err := os.OpenFile(path, flag, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// TestStdioIsSockets is what Node's child_process does.
func TestStdioIsSockets(t *testing.T) {
	cmd := program(t, shortDir(t), "pipe")
	pair := func() (ours, theirs *os.File) {
		fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
		if err != nil {
			t.Fatal(err)
		}
		syscall.CloseOnExec(fds[0])
		syscall.CloseOnExec(fds[1])
		if err := syscall.SetNonblock(fds[0], true); err != nil {
			t.Fatal(err)
		}
		ours, theirs = os.NewFile(uintptr(fds[0]), "ours"), os.NewFile(uintptr(fds[1]), "theirs")
		t.Cleanup(func() { ours.Close(); theirs.Close() })
		return ours, theirs
	}
	in, theirIn := pair()
	out, theirOut := pair()
	cmd.Stdin, cmd.Stdout = theirIn, theirOut
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	theirIn.Close()
	theirOut.Close()
	if _, err := in.Write([]byte(twoValues)); err != nil {
		t.Fatal(err)
	}
	in.Close()
	out.SetReadDeadline(time.Now().Add(patience))
	b, err := io.ReadAll(out)
	if err != nil {
		t.Fatal(err)
	}
	if v := lined(t, string(b)); len(v) != 3 {
		t.Errorf("got %q, expected ready and two replies", v)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

func TestNoCommandIsPipe(t *testing.T) {
	p := begin(t)
	p.say(`[[:sente-lite/peers {}] "c"]`)
	p.hear(`[:chsk/reply "c" [{:uid "owner"`)
	p.in.Close()
	p.exits(exitDone, patience)
}

func TestNothingIsOpen(t *testing.T) {
	dir := shortDir(t)
	cmd := exec.Command("sh", "-c", "exec sente-lite pipe <&- >&- 2>&-")
	cmd.Env, cmd.Dir = program(t, dir).Env, dir
	if err := cmd.Run(); err != nil {
		t.Errorf("%v, expected an end like that of an empty stdin", err)
	}
}

// TestEveryByteIsAValue talks sense and nonsense to a parent's sidecar: all that
// comes back must be values of its dialect, and it must be there to the end.
func TestEveryByteIsAValue(t *testing.T) {
	const seed, rounds = 20251219, 4
	for n := range rounds {
		t.Run(fmt.Sprint("text ", n), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, uint64(n)))
			p := begin(t, "pipe")
			var in []byte
			for range 3000 {
				in = append(append(in, noise(r)...), '\n')
			}
			talk(t, p, append([]byte("[:sente-lite/hello {}]\n"), in...), []byte("\n##no\"\n##no\n[[:sente-lite/peers {}] \"last\"]\n"))
			values := lined(t, p.rest())
			if last := values[len(values)-1]; !strings.HasPrefix(last, `[:chsk/reply "last" `) {
				t.Errorf("the last value is %.300s", last)
			}
			p.exits(exitDone, patience)
			quiet(t, p)
		})
		t.Run(fmt.Sprint("frames ", n), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, uint64(n+rounds)))
			p := begin(t, "pipe")
			hello := "[:sente-lite/hello {}]"
			if n%2 == 1 {
				hello = "[:sente-lite/hello {:packer :json}]"
			}
			in := framed(hello)
			for range 3000 {
				in = append(in, framed(noise(r))...)
			}
			last := `[[:sente-lite/peers {}] "last"]`
			if n%2 == 1 {
				last = `[["sente-lite/peers", {}], "last"]`
			}
			talk(t, p, in, framed(last))
			values := unframed(t, p.rest(), n%2 == 1)
			if last := values[len(values)-1]; !strings.Contains(last, "chsk/reply") || !strings.Contains(last, `"last"`) {
				t.Errorf("the last value is %.300s", last)
			}
			p.exits(exitDone, patience)
			quiet(t, p)
		})
	}
}

// talk writes while the test reads.
func talk(t *testing.T, p *process, parts ...[]byte) {
	t.Helper()
	p.out.SetReadDeadline(time.Now().Add(patience))
	go func() {
		for _, b := range parts {
			if _, err := p.in.Write(b); err != nil {
				return // the end that is expected does not come then
			}
		}
		p.in.Close()
	}()
}

func quiet(t *testing.T, p *process) {
	t.Helper()
	if s := p.errs.String(); strings.Contains(s, "panic") || strings.Contains(s, "goroutine ") {
		t.Errorf("stderr: %.3000s", s)
	}
}

var sense = []string{
	`[:sente-lite/send {:to :all :event [:a/b {:c #{1 2} :d "x"}]}]`,
	`[[:sente-lite/request {:to "owner" :event [:a/b]}] "c1"]`, `[:chsk/reply "x1" {:a 1}]`,
	`[[:sente-lite/peers {}] "p"]`, `[:sente-lite/kick {:to "nobody" :reason "no"}]`,
	`[[:sente-lite/flush {:to "owner" :timeout-ms 1}] "f"]`, `[:sente-lite/configure {:config {:flow {:max-depth 100}}}]`,
	`[:sente-lite/subscribe {:channel-id [:room 7]}]`, `[:sente-lite/publish {:channel-id [:room 7] :data (1 \a "b\nc")}]`,
	`[:sente-lite/unsubscribe {:channel-id "r"}]`, `[:msg/send-to-client {:to-uid "owner" :message #my/tag ##NaN}]`,
	`[:batch/events [[:a/b] [[:c/d 1] "e"] [:chsk/reply "f" nil]]]`, `[:chsk/ws-ping]`, `[[:chsk/ws-ping] "q"]`,
	`[:sente-lite/hello {:handler true}]`, `[:sente-lite/error {:category :fault}]`, `[:any/thing #_skipped {:k ;c` + "\n" + `1}]`,
	`["chat/msg", {"a": [1, null, true]}]`, `[["sente-lite/peers", {}], "j"]`, `{"no": "event"}`,
}

const marks = "()[]{}\"\\;#^'`~@:/,\r\x00\xff"

// noise is something that was sensible once.
func noise(r *rand.Rand) string {
	b := []byte(sense[r.IntN(len(sense))])
	for range r.IntN(4) {
		at := r.IntN(len(b))
		switch r.IntN(6) {
		case 0:
			b[at] = byte(r.Uint32())
		case 1:
			b = append(b[:at], b[at+1:]...)
		case 2:
			other := sense[r.IntN(len(sense))]
			b = append(b[:at:at], other[r.IntN(len(other)):]...)
		case 3:
			b = append(b[:at:at], append([]byte{marks[r.IntN(len(marks))]}, b[at:]...)...)
		case 4:
			b = append(b[:at:at], append([]byte(strings.Repeat("[", r.IntN(700))), b[at:]...)...)
		case 5:
			b = b[:at]
		}
		if len(b) == 0 {
			return ""
		}
	}
	return string(b)
}
