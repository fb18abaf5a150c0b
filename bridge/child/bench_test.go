//go:build unix

package child

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/sente-lite/sente-lite/pipe"
	"github.com/sente-lite/sente-lite/pipe/transport"
)

// asker is an owner's Conn without any transport: it asks once more, as long as the
// benchmark runs, when what it asked before was answered.
type asker struct {
	b       *testing.B
	ask     []byte
	asked   bool
	answers chan struct{}
}

func (a *asker) Read(idle func() bool) (pipe.Message, error) {
	idle()
	if a.asked {
		<-a.answers
	}
	a.asked = true
	if !a.b.Loop() {
		return pipe.Message{}, io.EOF
	}
	return pipe.Message{Data: a.ask, Text: true}, nil
}

func (a *asker) Write(batch []pipe.Message) (bool, error) {
	for _, m := range batch {
		if bytes.HasPrefix(m.Data, []byte(`[:chsk/reply "c" [:x/y `)) {
			a.answers <- struct{}{}
		}
	}
	return true, nil
}

func (a *asker) Flush() error              { return nil }
func (a *asker) Limit(pipe.Limits)         {}
func (a *asker) Speak(func([]byte) []byte) {}
func (a *asker) Close(pipe.Reason) error   { return nil }
func (a *asker) Info() pipe.ConnInfo {
	return pipe.ConnInfo{Transport: "mem", Claim: &pipe.Claim{UID: "boss", Role: pipe.RoleOwner}}
}

// bare starts a program as a parent would that knows nothing of peers.
func bare(b *testing.B, role string, env ...string) (*framer, func()) {
	b.Helper()
	cmd := exec.Command(testBinary)
	cmd.Env = append(append(os.Environ(), actEnv+"="+role), env...)
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	f := newFramer(out, in)
	if _, err := f.read(); err != nil { // its hello
		b.Fatal(err)
	}
	return f, func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			b.Error(err)
		}
	}
}

// benchHouse is a hub with programs.
func benchHouse(b *testing.B) (hub *pipe.Hub, h *Host) {
	h = New(Config{Hub: func() *pipe.Hub { return hub }, Options: func() transport.Options { return transport.Options{Budget: hub} }, Environ: os.Environ()})
	hub = pipe.NewHub(pipe.HubConfig{Names: h}, pipe.Settings{})
	b.Cleanup(func() {
		h.Stop(patience)
		hub.Shutdown(b.Context())
		h.Wait()
	})
	return hub, h
}

// BenchmarkAsked is a call to a program and its answer: by a bare parent over its
// pipes, and by one peer through the hub to another. A peer may take 1.3 times as
// long, where the two goroutines of the peers do not wake a second thread (-cpu 1).
func BenchmarkAsked(b *testing.B) {
	payload := strings.Repeat("x", 100)
	b.Run("bare", func(b *testing.B) {
		f, end := bare(b, "echo")
		defer end()
		ask := fmt.Appendf(nil, `[[:x/y "%s"] "c"]`, payload)
		for b.Loop() {
			if err := f.write(ask); err != nil {
				b.Fatal(err)
			}
			if got, err := f.read(); err != nil || !bytes.HasPrefix(got, []byte("[:chsk/reply ")) {
				b.Fatalf("%s %v", got, err)
			}
		}
	})
	b.Run("peer", func(b *testing.B) {
		hub, h := benchHouse(b)
		if _, _, bad := h.Spawn(Spec{Command: []string{testBinary}, Env: map[string]string{actEnv: "echo"}, UID: "echo"}); bad != nil {
			b.Fatal(bad)
		}
		a := &asker{b: b, answers: make(chan struct{}, 1)}
		a.ask = fmt.Appendf(nil, `[[:sente-lite/request {:to "echo" :event [:x/y "%s"]}] "c"]`, payload)
		hub.Run(a)
	})
}

// BenchmarkAsks is a call by a program and its answer, timed by the program: by a
// bare parent, and by the sidecar itself.
func BenchmarkAsks(b *testing.B) {
	b.Run("bare", func(b *testing.B) {
		f, end := bare(b, "ask", "CHILD_TEST_N="+strconv.Itoa(b.N))
		defer end()
		f.write([]byte("[:sente-lite/ready {}]"))
		for {
			got, err := f.read()
			if err != nil {
				b.Fatal(err)
			}
			if took(b, got) {
				return
			}
			f.write([]byte(`[:chsk/reply "c" "pong"]`))
		}
	})
	b.Run("peer", func(b *testing.B) {
		hub, h := benchHouse(b)
		client, server := transport.Mem(transport.MemOptions{Server: pipe.ConnInfo{Claim: &pipe.Claim{UID: "boss", Role: pipe.RoleOwner}}, Text: true})
		hub.Attach(server)
		if _, err := client.Write([]pipe.Message{{Data: []byte("[:sente-lite/hello {:handler true}]")}}); err != nil {
			b.Fatal(err)
		}
		if _, _, bad := h.Spawn(Spec{Command: []string{testBinary}, UID: "ask",
			Env: map[string]string{actEnv: "ask", "CHILD_TEST_N": strconv.Itoa(b.N)}}); bad != nil {
			b.Fatal(bad)
		}
		for {
			m, err := client.Read(nil)
			if err != nil {
				b.Fatal(err)
			}
			if took(b, m.Data) {
				client.Close(pipe.Reason{Code: pipe.CloseNormal})
				return
			}
		}
	})
}

// took reports the time that a program has measured, if that is what it says.
func took(b *testing.B, got []byte) bool {
	_, rest, ok := bytes.Cut(got, []byte("[:ask/took "))
	if !ok {
		return false
	}
	ns, err := strconv.ParseFloat(string(rest[:bytes.IndexByte(rest, ']')]), 64)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(ns/float64(b.N), "ns/op")
	return true
}
