//go:build unix

package transport

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"unsafe"

	"github.com/gobwas/ws"

	"github.com/sente-lite/sente-lite/pipe"
)

// taker is the Conn of a peer that takes everything at once: what is left of a
// relay's cost is the way in and the hub.
type taker struct {
	hello pipe.Hello
	taken atomic.Int64
	last  atomic.Pointer[byte] // where the last message's bytes are
	first chan pipe.Message
	says  []string // what it sends first
	end   chan struct{}
}

func newTaker() *taker {
	return &taker{hello: pipe.Hello{Ours: true}, first: make(chan pipe.Message, 1), end: make(chan struct{})}
}

func (k *taker) Read(idle func() bool) (pipe.Message, error) {
	if len(k.says) > 0 {
		m := pipe.Message{Data: []byte(k.says[0]), Text: true}
		k.says = k.says[1:]
		return m, nil
	}
	idle()
	<-k.end
	return pipe.Message{}, io.EOF
}

func (k *taker) Write(batch []pipe.Message) (bool, error) {
	k.last.Store(unsafe.SliceData(batch[len(batch)-1].Data))
	if n := int64(len(batch)); k.taken.Add(n) == n {
		k.first <- batch[0]
	}
	return true, nil
}

func (k *taker) Flush() error              { return nil }
func (k *taker) Limit(pipe.Limits)         {}
func (k *taker) Speak(func([]byte) []byte) {}
func (k *taker) Close(pipe.Reason) error   { return nil }
func (k *taker) Info() pipe.ConnInfo {
	return pipe.ConnInfo{Transport: "mem", Upgraded: &k.hello}
}

// attach makes a peer of it and returns its uid.
func (k *taker) attach(h *pipe.Hub) string {
	h.Attach(k)
	_, rest, _ := strings.Cut(string((<-k.first).Data), `["`)
	uid, _, _ := strings.Cut(rest, `"`)
	return uid
}

func pipes(tb testing.TB) (r, w *os.File) {
	r, w, err := os.Pipe()
	if err != nil {
		tb.Fatal(err)
	}
	return r, w
}

// parentConn is what Stdio makes of a parent's two pipes.
func parentConn(tb testing.TB, in, out *os.File) *conn {
	take := func(f *os.File, mode int) (descriptor, syscall.RawConn) {
		d, blocks, err := takeFD(int(f.Fd()), f.Name(), mode)
		if err != nil || blocks {
			tb.Fatal(blocks, err)
		}
		f.Close()
		raw, err := d.SyscallConn()
		if err != nil {
			tb.Fatal(err)
		}
		return d, raw
	}
	r, rawR := take(in, os.O_RDONLY)
	w, rawW := take(out, os.O_WRONLY)
	return newConn(newRawLink(r, rawR, w, rawW), newStream(), pipe.ConnInfo{Transport: "pipe", Parent: true}, Options{})
}

// BenchmarkPipe is the parent's way in: events of 128 bytes in frames, joined by
// the parent 64 at a time, over a pipe, through the hub to a peer that takes
// them. The floor reads the same bytes and makes nothing of them.
func BenchmarkPipe(b *testing.B) {
	event := func(uid string) []byte {
		e := fmt.Sprintf(`[:sente-lite/send {:to %q :event [:bench/event {:n 12345 :p "`, uid)
		e += strings.Repeat("x", 128-len(e)-5) + `"}]}]`
		return append(binary.BigEndian.AppendUint32(nil, uint32(len(e))), e...)
	}
	feed := func(b *testing.B, w io.WriteCloser, frame []byte) {
		defer w.Close()
		joined := []byte(strings.Repeat(string(frame), 64))
		for left := b.N; left > 0; left -= 64 {
			if left < 64 {
				joined = joined[:left*len(frame)]
			}
			if _, err := w.Write(joined); err != nil {
				b.Error(err)
				return
			}
		}
	}
	b.Run("floor", func(b *testing.B) {
		r, w := pipes(b)
		frame := event("conn-1795438543488-2")
		b.SetBytes(int64(len(frame)))
		go feed(b, w, frame)
		buf := make([]byte, 64<<10)
		for {
			if _, err := r.Read(buf); err != nil {
				break
			}
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
	})
	b.Run("hub", func(b *testing.B) {
		h := pipe.NewHub(pipe.HubConfig{}, pipe.Settings{})
		k := newTaker()
		defer close(k.end)
		uid := k.attach(h)
		r, w := pipes(b)
		unread, out := pipes(b)
		defer unread.Close()
		conn := parentConn(b, r, out)
		frame := event(uid)
		b.SetBytes(int64(len(frame)))
		b.ReportAllocs()
		b.ResetTimer()
		go feed(b, w, frame)
		if err := h.Run(conn); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
		if sent := h.Stats.Sent.Load(); sent != uint64(b.N) {
			b.Fatalf("%d of %d events were sent; %d found no room", sent, b.N, h.Stats.Backpressure.Load())
		}
	})
}

// webSocket connects a client over loopback and returns its socket, past the
// handshake, and its uid.
func webSocket(tb testing.TB, h *pipe.Hub) (net.Conn, string) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := Upgrade(w, r, UpgradeOptions{Info: pipe.ConnInfo{Transport: "ws", Upgraded: &pipe.Hello{Ours: true}, Heartbeat: true}})
		if err != nil {
			tb.Error(err)
			return
		}
		h.Attach(c)
	}))
	tb.Cleanup(srv.Close)
	c, br, _, err := ws.Dial(tb.Context(), "ws"+strings.TrimPrefix(srv.URL, "http"))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { c.Close() })
	var in io.Reader = c
	if br != nil {
		in = br
	}
	hd, err := ws.ReadHeader(in)
	if err != nil {
		tb.Fatal(err)
	}
	greeting := make([]byte, hd.Length)
	if _, err := io.ReadFull(in, greeting); err != nil {
		tb.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(greeting), `["`)
	uid, _, _ := strings.Cut(rest, `"`)
	return c, uid
}

// One event from the parent's pipe to a browser's socket: real links at both
// ends, and next to no allocation.
func TestRelayAllocations(t *testing.T) {
	relay := newRelay(t)
	for range 100 {
		relay()
	}
	if n := testing.AllocsPerRun(1000, relay); n > 1 {
		t.Errorf("an event takes %v allocations from pipe to WebSocket; at most 1 is allowed", n)
	} else {
		t.Logf("%v allocations", n)
	}
}

func BenchmarkRelay(b *testing.B) {
	relay := newRelay(b)
	b.ReportAllocs()
	for b.Loop() {
		relay()
	}
}

// newRelay returns a function that sends one event and waits for it to arrive.
func newRelay(tb testing.TB) func() {
	h := pipe.NewHub(pipe.HubConfig{}, pipe.Settings{})
	client, uid := webSocket(tb, h)
	r, w := pipes(tb)
	out, unread := pipes(tb)
	ended := make(chan error, 1)
	h.Serves(parentConn(tb, r, unread), func(err error) { ended <- err })
	tb.Cleanup(func() {
		w.Close()
		out.Close()
		<-ended
		client.Close()
		if err := h.Shutdown(context.Background()); err != nil {
			tb.Error(err)
		}
	})
	const event = `[:chat/msg {:text "one event of the usual size, or so", :n 42}]`
	e := fmt.Sprintf(`[:sente-lite/send {:to %q :event %s}]`, uid, event)
	frame := append(binary.BigEndian.AppendUint32(nil, uint32(len(e))), e...)
	got := make([]byte, 256)
	return func() {
		if _, err := w.Write(frame); err != nil {
			tb.Fatal(err)
		}
		n, err := client.Read(got)
		if err != nil || string(got[2:n]) != event {
			tb.Fatalf("got %q: %v", got[:n], err)
		}
	}
}

// An event to a channel of a thousand: packed once, and next to nothing for each
// who gets it.
func TestFanOutAllocations(t *testing.T) {
	const members = 1000
	publish, all := newFanOut(t, members)
	for range 10 {
		publish()
	}
	n := testing.AllocsPerRun(100, publish)
	t.Logf("%v allocations for %d receivers", n, members)
	if n > members {
		t.Errorf("%v allocations for %d receivers; at most 1 each is allowed", n, members)
	}
	for _, k := range all {
		if k.last.Load() != all[0].last.Load() {
			t.Fatal("two receivers of one form did not get the same bytes: it was encoded more than once")
		}
	}
}

func BenchmarkFanOut1000(b *testing.B) {
	publish, _ := newFanOut(b, 1000)
	b.ReportAllocs()
	for b.Loop() {
		publish()
	}
}

// newFanOut returns a function that publishes one event and waits until all
// have it.
func newFanOut(tb testing.TB, members int) (func(), []*taker) {
	h := pipe.NewHub(pipe.HubConfig{}, pipe.Settings{})
	all := make([]*taker, members)
	for i := range all {
		all[i] = newTaker()
		all[i].says = []string{`[:sente-lite/subscribe {:channel-id "all"}]`}
		all[i].attach(h)
	}
	client, server := Mem(MemOptions{Server: pipe.ConnInfo{Parent: true}})
	h.Attach(server)
	say := []pipe.Message{{Data: []byte(`[[:sente-lite/publish {:channel-id "all" :data {:text "one event of the usual size"}}] "p"]`)}}
	publish := func() {
		if _, err := client.Write(say); err != nil {
			tb.Fatal(err)
		}
		for {
			m, err := client.Read(nil)
			if err != nil {
				tb.Fatal(err)
			}
			if strings.HasPrefix(string(m.Data), `[:chsk/reply "p"`) {
				return
			}
		}
	}
	for sum := int64(0); sum < int64(2*members); { // the handshake and subscribed
		sum = 0
		for _, k := range all {
			sum += k.taken.Load()
		}
		runtime.Gosched()
	}
	tb.Cleanup(func() {
		client.Close(pipe.Reason{Code: pipe.CloseNormal})
		for _, k := range all {
			close(k.end)
		}
		if err := h.Shutdown(context.Background()); err != nil {
			tb.Error(err)
		}
	})
	return publish, all
}
