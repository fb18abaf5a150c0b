//go:build unix

package child

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sente-lite/sente-lite/pipe"
	"github.com/sente-lite/sente-lite/pipe/pipetest"
	"github.com/sente-lite/sente-lite/pipe/transport"
)

// patience bounds every wait; none of them waits for time to pass.
const patience = 30 * time.Second

// actEnv makes the test binary a program to be run: see act.
const actEnv = "CHILD_TEST_ACT"

func TestMain(m *testing.M) {
	if code, ok := Keep(os.Args); ok {
		os.Exit(code)
	}
	if role := os.Getenv(actEnv); role != "" {
		os.Exit(act(role))
	}
	os.Setenv("GORACE", "atexit_sleep_ms=0") // or every end of a keeper takes a second
	goleak.VerifyTestMain(m)
}

// act is a program for tests, in Go.
func act(role string) int {
	switch role {
	case "echo": // says hello, and answers every call by its event
		f := newFramer(os.Stdin, os.Stdout)
		f.write([]byte("[:sente-lite/hello {}]"))
		for {
			b, err := f.read()
			if err != nil {
				return 0
			}
			if item, err := pipe.SplitValue(b); err == nil && item.Shape == pipe.ShapeCall {
				f.write(fmt.Appendf(nil, "[:chsk/reply %s %s]", item.Call, item.Event))
			}
		}
	case "ask": // asks again and again, and then says how long that took
		f := newFramer(os.Stdin, os.Stdout)
		f.write([]byte("[:sente-lite/hello {}]"))
		f.read() // ready
		n, _ := strconv.Atoi(os.Getenv("CHILD_TEST_N"))
		began := time.Now()
		for range n {
			f.write(question)
			if _, err := f.read(); err != nil {
				return 1
			}
		}
		f.write(fmt.Appendf(nil, "[:ask/took %d]", time.Since(began)))
		f.read()
		return 0
	case "flood": // says much on stderr, and answers meanwhile
		line := bytes.Repeat([]byte("x"), 200)
		line[199] = '\n'
		go func() {
			for {
				os.Stderr.Write(line)
			}
		}()
		fmt.Println("[:flood/began]")
		io.Copy(io.Discard, os.Stdin)
		return 0
	}
	return 9
}

// question is one that the link itself answers.
var question = []byte(`[[:chsk/ws-ping "` + strings.Repeat("x", 100) + `"] "c"]`)

// A framer speaks frames as any bare program would.
type framer struct {
	r    *bufio.Reader
	w    io.Writer
	b, o []byte
}

func newFramer(r io.Reader, w io.Writer) *framer {
	return &framer{r: bufio.NewReader(r), w: w, b: make([]byte, 1<<16)}
}

func (f *framer) write(v []byte) error {
	f.o = append(binary.BigEndian.AppendUint32(f.o[:0], uint32(len(v))), v...)
	_, err := f.w.Write(f.o)
	return err
}

func (f *framer) read() ([]byte, error) {
	if _, err := io.ReadFull(f.r, f.b[:4]); err != nil {
		return nil, err
	}
	v := f.b[:binary.BigEndian.Uint32(f.b)]
	_, err := io.ReadFull(f.r, v)
	return v, err
}

// A house is a hub with programs, and an owner who is the handler.
type house struct {
	t     *testing.T
	hub   *pipe.Hub
	host  *Host
	log   *pipetest.Text
	owner *player
}

func newHouse(t *testing.T, s pipe.Settings, change func(*Host)) *house {
	t.Helper()
	pipetest.NoLeaks(t)
	before := pipetest.Descriptors(t)
	h := &house{t: t, log: &pipetest.Text{}}
	h.host = New(Config{
		Hub:     func() *pipe.Hub { return h.hub },
		Options: func() transport.Options { return transport.Options{Budget: h.hub} },
		Environ: os.Environ(),
		Log:     slog.New(slog.NewTextHandler(h.log, nil)),
	})
	if change != nil {
		change(h.host)
	}
	h.hub = pipe.NewHub(pipe.HubConfig{Names: h.host}, s)
	h.owner = h.join(pipe.Claim{UID: "boss", Role: pipe.RoleOwner}, "[:sente-lite/hello {:handler true}]")
	t.Cleanup(func() {
		h.stop(patience)
		if held := h.hub.Held(); held != 0 {
			t.Errorf("%d bytes are held", held)
		}
		if n := pipetest.Descriptors(t); n > before {
			t.Errorf("%d descriptors are open, %d were", n, before)
		}
		if t.Failed() {
			t.Logf("the log:\n%.6000s", h.log)
		}
	})
	return h
}

func (h *house) stop(within time.Duration) {
	h.host.Stop(within)
	if err := h.hub.Shutdown(h.t.Context()); err != nil && h.t.Context().Err() == nil {
		h.t.Error(err)
	}
	h.host.Wait()
}

// A player is a peer in memory.
type player struct {
	t    *testing.T
	conn pipe.Conn
	in   chan string
}

func (h *house) join(claim pipe.Claim, hello string) *player {
	h.t.Helper()
	c, s := transport.Mem(transport.MemOptions{Server: pipe.ConnInfo{Claim: &claim}, Text: true})
	if !h.hub.Attach(s) {
		h.t.Fatal("the hub takes no more")
	}
	p := &player{t: h.t, conn: c, in: make(chan string, 1<<16)}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer close(p.in)
		for {
			m, err := c.Read(nil)
			if err != nil {
				return
			}
			p.in <- string(m.Data)
		}
	}()
	h.t.Cleanup(func() {
		c.Close(pipe.Reason{Code: pipe.CloseNormal})
		<-ended
	})
	p.send(hello)
	p.hear("[:sente-lite/ready …]")
	return p
}

func (p *player) send(text string) {
	p.t.Helper()
	done, err := p.conn.Write([]pipe.Message{{Data: []byte(text), Text: true}})
	if err == nil && !done {
		err = p.conn.Flush()
	}
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p *player) next(want string) string {
	p.t.Helper()
	select {
	case got, ok := <-p.in:
		if !ok {
			p.t.Fatalf("the end, where %s was expected", want)
		}
		return got
	case <-time.After(patience):
		p.t.Fatalf("nothing, where %s was expected", want)
		return ""
	}
}

// hear waits for something like want, in which … is anything, and passes over what
// comes before. What … stood for is returned.
func (p *player) hear(want string) []string {
	p.t.Helper()
	var before []string
	re := regexp.MustCompile("^(?s:" + strings.ReplaceAll(regexp.QuoteMeta(want), "…", "(.*?)") + ")$")
	for {
		select {
		case got, ok := <-p.in:
			if m := re.FindStringSubmatch(got); m != nil {
				return m[1:]
			}
			if !ok {
				p.t.Fatalf("the end, where %s was expected; before came %.500q", want, before)
			}
			if before = append(before, got); len(before) > 5 {
				before = before[1:]
			}
		case <-time.After(patience):
			p.t.Fatalf("no %s; the last that came: %.500q", want, before)
		}
	}
}

// expect is hear for what must come next.
func (p *player) expect(want string) []string {
	p.t.Helper()
	got := p.next(want)
	re := regexp.MustCompile("^(?s:" + strings.ReplaceAll(regexp.QuoteMeta(want), "…", "(.*?)") + ")$")
	m := re.FindStringSubmatch(got)
	if m == nil {
		p.t.Fatalf("it gets\n  %s\nnot\n  %s", got, want)
	}
	return m[1:]
}

// spawn starts a program, by the shell where it is one word.
func (h *house) spawn(s Spec) (uid string, pid int) {
	h.t.Helper()
	uid, pid, bad := h.host.Spawn(s)
	if bad != nil {
		h.t.Fatal(bad)
	}
	return uid, pid
}

func sh(script string) []string { return []string{"sh", "-c", script} }

// dead waits until a process runs no more.
func dead(t *testing.T, pids ...int) {
	t.Helper()
	for _, pid := range pids {
		for late := time.Now().Add(patience); running(pid); time.Sleep(time.Millisecond) {
			if time.Now().After(late) {
				t.Fatalf("process %d still runs", pid)
			}
		}
	}
}

// running reports whether there is a process that is not a zombie.
func running(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	rest := stat[bytes.LastIndexByte(stat, ')')+2:]
	return rest[0] != 'Z' && rest[0] != 'X'
}

// logged waits for a line of the log.
func (h *house) logged(want string) string {
	h.t.Helper()
	re := regexp.MustCompile(want)
	for late := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		if m := re.FindString(h.log.String()); m != "" {
			return m
		}
		if time.Now().After(late) {
			h.t.Fatalf("the log has no %s:\n%.4000s", want, h.log)
		}
	}
}

// testBinary is this test as a program: see act.
var testBinary = os.Args[0]

func readFile(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
