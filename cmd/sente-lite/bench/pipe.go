package bench

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/sente-lite/sente-lite/pipe"
	"github.com/sente-lite/sente-lite/pipe/transport"
)

// joined is how many frames a parent writes at once, and underWay how many events are on
// their way. What is being written still counts as queued, although it may have been
// received already: so a queue, which holds 1000, sees up to twice that many.
const (
	joined   = 64
	underWay = 6 * joined
)

// joinedOf is how many events of a size are written at once.
func joinedOf(size int) int { return min(max(64<<10/size, 1), joined) }

// piped is a parent's way in: frames, joined in one write, over a pipe into the hub and
// on to a peer's WebSocket. The floor brings the same bytes through a pipe and makes
// nothing of them.
func piped(r *runner) error {
	h, ready, err := r.openHouse()
	if err != nil {
		return err
	}
	defer h.close()
	defer ready()
	peer, err := h.webSocket(r.ctx, "&bundle=1")
	if err != nil {
		return err
	}
	heard := newCrowd(1)
	peer.listen("[:bench/piped ", func(n int, err error) { heard.arrived(0, n, err) })
	parent, err := newParent(h, func(err error) { heard.arrived(0, 0, err) })
	if err != nil {
		return err
	}
	defer parent.close()
	ready()

	frame := framed(fmt.Sprintf(`[:sente-lite/send {:to %q :event %s}]`, peer.uid, r.event("piped")))
	step := joinedOf(r.Size)
	batch := bytes.Repeat(frame, step)
	bare, err := newBarePipe()
	if err != nil {
		return err
	}
	defer bare.close()
	taken := newCrowd(1)
	bare.reader.Go(func() { takeAll(bare.r, len(frame), func(n int, err error) { taken.arrived(0, n, err) }) })

	window := underWay / joined * step
	o, err := r.measure(1,
		side{run: heard.flooded(window, step, func() error { _, err := parent.in.Write(batch); return err }), abort: func() { h.abort(); parent.in.Close() }},
		side{run: taken.flooded(window, step, func() error { _, err := bare.w.Write(batch); return err }), abort: func() { bare.w.Close() }})
	if err != nil {
		return err
	}
	return r.tell(r.result(fmt.Sprintf("%d frames a write", step), byCPU, o, Figure{"size", float64(r.Size)}))
}

// framed is a message as a frame.
func framed(message string) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(message))), message...)
}

// A barePipe is the operating system's.
type barePipe struct {
	r, w   *os.File
	reader sync.WaitGroup
}

func newBarePipe() (*barePipe, error) {
	r, w, err := os.Pipe()
	return &barePipe{r: r, w: w}, err
}

func (b *barePipe) close() {
	b.w.Close()
	b.reader.Wait()
	b.r.Close()
}

// A parent is the one that speaks frames on the hub's stdin and hears its stdout.
type parent struct {
	in, out *os.File
	reader  sync.WaitGroup
}

// newParent makes one that is an owner of the hub. failed hears why it ends.
func newParent(h *house, failed func(error)) (*parent, error) {
	theirIn, in, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	out, theirOut, err := os.Pipe()
	if err != nil {
		theirIn.Close()
		in.Close()
		return nil, err
	}
	conn, _, err := transport.Exec(theirIn, theirOut, transport.ExecOptions{
		Options: transport.Options{Budget: h.hub}, Info: pipe.ConnInfo{Claim: &pipe.Claim{UID: "bench-parent", Role: pipe.RoleOwner}}})
	if err != nil {
		for _, f := range []*os.File{theirIn, theirOut, in, out} {
			f.Close()
		}
		return nil, err
	}
	p := &parent{in: in, out: out}
	if !h.hub.Attach(conn) {
		_ = conn.Close(pipe.Reason{Code: pipe.CloseNormal})
		p.close()
		return nil, io.ErrClosedPipe
	}
	p.reader.Go(func() {
		buf := make([]byte, 64<<10)
		for {
			n, err := out.Read(buf)
			if i := bytes.Index(buf[:n], []byte("[:sente-lite/error ")); i >= 0 {
				failed(fmt.Errorf("the hub says %.500s", buf[i:n]))
			}
			if err != nil {
				failed(err)
				return
			}
		}
	})
	if _, err := in.Write(framed("[:sente-lite/hello {}]")); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

// close ends the parent's stdin, upon which the hub ends the rest.
func (p *parent) close() {
	p.in.Close()
	p.reader.Wait()
	p.out.Close()
}
