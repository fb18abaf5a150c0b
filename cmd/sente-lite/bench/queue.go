package bench

import (
	"fmt"

	"github.com/sente-lite/sente-lite/pipe"
)

// queue puts events into a peer's queue, and a peer that reads drains it: from one link
// in memory through the hub to another, so that what is left is the engine's own cost.
// The floor hands the same bytes over a Go channel.
func queue(r *runner) error {
	h := newHouse(nil)
	defer h.close()
	ready := settingUp(r.ctx, h.abort)
	defer ready()
	receiver, err := h.memory("bench-receiver", pipe.RoleClient)
	if err != nil {
		return err
	}
	heard := newCrowd(1)
	receiver.listen("[:bench/queued ", func(n int, err error) { heard.arrived(0, n, err) })
	sender, err := h.memory("bench-sender", pipe.RoleOwner)
	if err != nil {
		return err
	}
	sender.listen("\x00", func(_ int, err error) { heard.arrived(0, 0, err) })
	ready()
	step := joinedOf(r.Size)
	window := underWay / joined * step
	batch := times(step, text(fmt.Sprintf(`[:sente-lite/send {:to "bench-receiver" :event %s}]`, r.event("queued"))))

	event := []byte(r.event("queued"))
	put := make(chan []byte, window)
	taken := newCrowd(1)
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		for range put {
			taken.arrived(0, 1, nil)
		}
	}()
	defer func() {
		close(put)
		<-drained
	}()
	o, err := r.measure(1, side{run: heard.flooded(window, step, func() error { return sender.say(batch) }), abort: h.abort},
		side{run: taken.flooded(window, step, func() error {
			for range step {
				put <- event
			}
			return nil
		}), abort: func() {}})
	if err != nil {
		return err
	}
	return r.tell(r.result("put and drained", byCPU, o, Figure{"size", float64(r.Size)}))
}
