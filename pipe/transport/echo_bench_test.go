package transport

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/sente-lite/sente-lite/pipe"
)

// An echoLink is a browser's socket without a kernel: the frames of a client that
// subscribes to a channel of its own and publishes to it, as many at once as its window
// has, and that takes what comes back.
type echoLink struct {
	first, frame []byte
	last         []byte // a call: its reply brings everything that waits along
	left         int    // frames
	window       int    // of them, at once
	at           int    // in the frame that is torn
	ready        func()
	answered     chan struct{}
	taken        int // bytes
	out          *bytes.Buffer
}

func (l *echoLink) read(in *inbuf) error {
	p := in.space()
	if l.first != nil {
		in.got(copy(p, l.first))
		l.first = nil
		return nil
	}
	if l.ready != nil {
		l.ready()
		l.ready = nil
	}
	if l.left == 0 {
		if l.last == nil {
			<-l.answered // somebody else may be writing
			return io.EOF
		}
		in.got(copy(p, l.last))
		l.last = nil
		return nil
	}
	n := 0
	for frames := 0; n < len(p) && l.left > 0 && frames < l.window; frames++ {
		k := copy(p[n:], l.frame[l.at:])
		n += k
		if l.at += k; l.at < len(l.frame) {
			break
		}
		l.at = 0
		l.left--
	}
	in.got(n)
	return nil
}

func (l *echoLink) tryWrite(p []byte) (int, error) {
	if l.out != nil {
		l.out.Write(p)
	}
	l.taken += len(p)
	if bytes.Contains(p[max(0, len(p)-128):], []byte("[:chsk/reply ")) {
		close(l.answered)
	}
	return len(p), nil
}

func (l *echoLink) tryWriteAll(p, q []byte) (int, error)         { return writeBoth(l.tryWrite, p, q) }
func (l *echoLink) write(p []byte, _ time.Duration) (int, error) { return l.tryWrite(p) }
func (l *echoLink) endRead()                                     {}
func (l *echoLink) closeWrite() error                            { return nil }
func (l *echoLink) close() error                                 { return nil }

// newEcho returns a link whose client publishes n events of a text of some size, and a
// function that runs it through a hub to its end. ready is called once it has subscribed.
func newEcho(n, size, window int, bundle bool, ready func()) (*echoLink, func() error) {
	text := fmt.Sprintf(`[:sente-lite/publish {:channel-id "e7" :data {:p "%s"} :exclude-sender? false}]`, strings.Repeat("x", size))
	l := &echoLink{
		first:  appendFrame(nil, ws.OpText, []byte(`[:sente-lite/subscribe {:channel-id "e7"}]`), true),
		frame:  appendFrame(nil, ws.OpText, []byte(text), true),
		last:   appendFrame(nil, ws.OpText, []byte(`[[:sente-lite/unsubscribe {:channel-id "e7"}] "cb"]`), true),
		left:   n,
		window: window,
		ready:  ready,

		answered: make(chan struct{}),
	}
	h := pipe.NewHub(pipe.HubConfig{}, pipe.Settings{})
	c := newConn(l, &wsCodec{}, pipe.ConnInfo{Transport: "ws", Upgraded: &pipe.Hello{Bundle: bundle}}, Options{Budget: h})
	return l, func() error { return h.Run(c) }
}

// BenchmarkPublishEcho is one event's way through the sidecar without the kernel's part:
// WebSocket frames in, checked, taken apart, brought to a channel, and out in bundles.
func BenchmarkPublishEcho(b *testing.B) {
	for _, size := range []int{64, 1 << 10, 64 << 10} {
		for name, bundle := range map[string]bool{"bundle": true, "plain": false} {
			b.Run(fmt.Sprintf("%d/%s", size, name), func(b *testing.B) {
				l, run := newEcho(b.N, size, 256, bundle, b.ResetTimer)
				b.SetBytes(int64(len(l.frame)))
				b.ReportAllocs()
				if err := run(); err == nil {
					b.Fatal("it ended without an error, and without a close frame")
				}
				if l.taken < b.N*size {
					b.Fatalf("%d bytes came back for %d events", l.taken, b.N)
				}
			})
		}
	}
}
