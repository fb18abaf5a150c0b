package bench

import (
	"fmt"

	"github.com/sente-lite/sente-lite/pipe"
)

// echo is what a peer sends to itself: up one WebSocket, through the hub, and back. One
// at a time it is a round trip; as a flood every connection has a window of them under
// way. The floor echoes the event's own bytes over bare TCP.
func echo(r *runner) error {
	h, ready, err := r.openHouse()
	if err != nil {
		return err
	}
	defer h.close()
	defer ready()
	bare, err := newBareNet(r.Peers)
	if err != nil {
		return err
	}
	defer bare.close()
	bare.echo()
	echoes := make([]*echoer, r.Peers)
	window := windowOf(r.Size)
	for i := range echoes {
		c, err := h.webSocket(r.ctx, "")
		if err != nil {
			return err
		}
		one := text(fmt.Sprintf(`[:msg/send-to-client {:to-uid "%s" :message %s}]`, c.uid, r.event("echo")))
		echoes[i] = &echoer{client: c, window: times(window, one)}
	}
	ready()
	event := []byte(r.event("echo"))
	size := Figure{"size", float64(r.Size)}

	back := make([]byte, len(event))
	o, err := r.measure(1, side{run: oneByOne(echoes[0].once), abort: h.abort},
		side{run: oneByOne(func() error { return exchange(bare.links[0].near, event, back) }), abort: bare.abort})
	if err != nil {
		return err
	}
	if err := r.tell(r.result("one at a time", byTime, o, size)); err != nil {
		return err
	}

	o, err = r.measure(1, side{run: func(p *pace) error {
		return together(len(echoes), func(i int) error { return echoes[i].flood(p) })
	}, abort: h.abort}, side{run: func(p *pace) error {
		return together(len(bare.links), func(i int) error { return bareFlood(p, bare.links[i], event, window) })
	}, abort: bare.abort})
	if err != nil {
		return err
	}
	return r.tell(r.result(fmt.Sprintf("%d links, %d under way on each", r.Peers, window), byCPU, o, size))
}

// windowOf is how many events of a size are under way at once: 64, or as many as the
// buffers of a socket hold.
func windowOf(size int) int { return min(max(128<<10/size, 1), 64) }

// echoMark tells what comes back from what else a hub says.
var echoMark = []byte("[:bench/echo ")

// An echoer sends to itself.
type echoer struct {
	*client
	window []pipe.Message
}

// once sends one and waits until it is back.
func (e *echoer) once() error {
	if err := e.say(e.window[:1]); err != nil {
		return err
	}
	for {
		m, err := e.conn.Read(nil)
		if err != nil {
			return err
		}
		if n, err := hear(m, echoMark); err != nil || n > 0 {
			return err
		}
	}
}

// flood sends as many as have come back whenever there is nothing more to read, which is
// how a client that joins what it writes would.
func (e *echoer) flood(p *pace) error {
	if err := e.say(e.window); err != nil {
		return err
	}
	under, got := len(e.window), 0
	var bad error
	refill := func() {
		if got == 0 || bad != nil {
			return
		}
		if p.more(got) {
			bad = e.say(e.window[:got])
		} else {
			under -= got
		}
		got = 0
	}
	idle := func() bool { refill(); return true }
	for under > 0 && bad == nil {
		m, err := e.conn.Read(idle)
		if err != nil {
			return err
		}
		n, err := hear(m, echoMark)
		if err != nil {
			return err
		}
		if got += n; got == under { // nothing more would come
			refill()
		}
	}
	return bad
}

// bareFlood is the same on a bare link.
func bareFlood(p *pace, l bareLink, event []byte, window int) error {
	var out []byte
	for range window {
		out = append(out, event...)
	}
	if _, err := l.near.Write(out); err != nil {
		return err
	}
	buf := make([]byte, 64<<10)
	for under, held := window, 0; under > 0; {
		n, err := l.near.Read(buf)
		if err != nil {
			return err
		}
		held += n
		got := held / len(event)
		held %= len(event)
		switch {
		case got == 0:
		case p.more(got):
			if _, err := l.near.Write(out[:got*len(event)]); err != nil {
				return err
			}
		default:
			under -= got
		}
	}
	return nil
}
