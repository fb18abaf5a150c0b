package bench

import "fmt"

// broadcastsOf is how many publications are under way at once where they are dense: more
// than a bundle holds, so that none waits for its time to be up, but no more than 16 MiB
// of deliveries. See underWay.
func broadcastsOf(size, subscribers int) int { return min(max(16<<20/size/subscribers, 1), 256) }

// fanout is a publication to a channel that all subscribe to: sparse, the next one
// when everybody has the last, or dense, where those that wait for a subscriber leave
// as one bundle. The floor writes the event's bytes once for each on bare TCP.
func fanout(r *runner) error {
	h, ready, err := r.openHouse()
	if err != nil {
		return err
	}
	defer h.close()
	defer ready()
	all := r.Subscribers
	event := r.event("tick")
	heard, taken := newCrowd(all), newCrowd(all)
	for i := range all {
		c, err := h.webSocket(r.ctx, "&bundle=1")
		if err != nil {
			return err
		}
		if err := subscribe(c, "bench"); err != nil {
			return err
		}
		c.listen("[:bench/tick ", func(n int, err error) { heard.arrived(i, n, err) })
	}
	publisher, err := h.webSocket(r.ctx, "")
	if err != nil {
		return err
	}
	publisher.listen("\x00", func(_ int, err error) { heard.arrived(0, 0, err) }) // only what goes wrong
	bare, err := newBareNet(all)
	if err != nil {
		return err
	}
	defer bare.close()
	bare.take(len(event), taken.arrived)

	ready()
	one := text(fmt.Sprintf(`[:sente-lite/publish {:channel-id "bench" :data %s}]`, event))
	publish := func() error { return publisher.say(one) }
	write := func() error {
		for _, l := range bare.links {
			if _, err := l.near.Write([]byte(event)); err != nil {
				return err
			}
		}
		return nil
	}
	with := []Figure{{"size", float64(r.Size)}, {"subscribers", float64(all)}}

	o, err := r.measure(1, side{run: heard.timed(publish), abort: h.abort}, side{run: taken.timed(write), abort: bare.abort})
	if err != nil {
		return err
	}
	if err := r.tell(r.result("sparse", byCPU, o, with...)); err != nil {
		return err
	}
	o, err = r.measure(1, side{run: heard.flooded(broadcastsOf(r.Size, all)*all, all, publish), abort: h.abort},
		side{run: taken.flooded(broadcastsOf(r.Size, all)*all, all, write), abort: bare.abort})
	if err != nil {
		return err
	}
	return r.tell(r.result("dense, in bundles", byCPU, o, with...))
}

// subscribe waits for the answer, so that nobody is missed.
func subscribe(c *client, channel string) error {
	if err := c.say(text(fmt.Sprintf(`[[:sente-lite/subscribe {:channel-id %q}] "s"]`, channel))); err != nil {
		return err
	}
	for {
		m, err := c.conn.Read(nil)
		if err != nil {
			return err
		}
		if n, err := hear(m, []byte(`[:chsk/reply "s"`)); err != nil || n > 0 {
			return err
		}
	}
}
