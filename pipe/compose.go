package pipe

import "time"

// compose takes what the next write brings out of the queue, and groups it: what a
// group holds will be one message, a bundle where the peer takes them. The lock is
// held; the messages are made without it.
func (o *outbox) compose(l *link, d *draft) {
	d.begin(o.speaks(), l.layered)
	w := &l.flight
	size := 0
	for o.q.control.len() > 0 && size < writeBytes {
		m := o.q.control.pop()
		size += len(m.Data)
		w.control += len(m.Data)
		if m.name == pingName {
			w.pings++
		}
		d.batch = append(d.batch, m.Message)
	}
	if o.paused && !o.leaving() {
		return
	}
	if !o.keep && !o.credit.on && len(o.q.lanes) == 0 && d.on == nil && !o.bundles() {
		o.q.plain(d, w, size)
	} else {
		c := composer{o: o, d: d, w: w, flow: &o.hub.settings.Load().Flow, bundle: o.bundles(), bytes: size}
		c.room = c.flow.MaxFrameSize
		if d.on != nil {
			c.room = max(c.room-d.form.Overhead(), bundleSpace)
			c.squeeze = o.compression(d.form)
		}
		d.room = c.room
		c.compose()
	}
	if o.q.unwritten() == 0 {
		o.window.urgent = false
	}
}

// compression returns what is known of how the peer's events shrink, nil where nothing
// is compressed. The lock is held.
func (o *outbox) compression(f *Form) *ratios {
	if f.Compressor() == nil {
		o.ratios = nil
	} else if o.ratios == nil {
		o.ratios = newRatios()
	}
	return o.ratios
}

// plain is compose for the many peers that ask for none of the flow's services: what
// waits leaves as it is. size is what has been taken already.
func (q *queue) plain(d *draft, w *written, size int) {
	for taken := 0; q.next < q.items.len() && len(d.batch) < writeItems; taken++ {
		m := q.items.at(q.next)
		size += len(m.Data)
		if taken > 0 && size > writeBytes {
			break
		}
		q.next++
		q.numbered++
		q.keptBytes += len(m.Data)
		w.add(m)
		d.batch = append(d.batch, m.Message)
	}
}

// A composer is one call of compose.
type composer struct {
	o       *outbox
	d       *draft
	w       *written
	flow    *Flow
	bundle  bool
	squeeze *ratios // nil where nothing is compressed
	room    int     // in a frame
	bytes   int     // in all
	items   int
	last    int // items of the last message

	// The group that is being gathered.
	from     int     // in d.items
	size     int     // bytes
	expected float64 // bytes on the wire
}

// compose takes from each lane in turn.
func (c *composer) compose() {
	o := c.o
	c.lane(0, writeBytes)
	if o.q.next == o.q.numbered {
		for i := range o.q.lanes {
			c.lane(uint8(i+1), o.frameful(c.flow))
		}
	}
	if c.items > 0 && c.bundle {
		o.window.last, o.window.at = c.last, time.Now()
	}
}

// lane takes about most bytes from a lane, at least one message: the last one is as
// full as the others where more waits.
func (c *composer) lane(lane uint8, most int) {
	o := c.o
	list := &o.q.items
	if lane > 0 {
		list = o.q.lanes[lane-1]
	}
	for before := c.bytes; ; {
		at := 0
		if lane == 0 {
			at = o.q.next
		}
		if at >= list.len() || o.keep && o.unackedFull() {
			break
		}
		if lane == 0 { // what was kept for too long may just have been dropped
			at = o.q.next
		}
		m := list.at(at)
		n := len(m.Data) + 1
		wire := float64(n)
		if c.squeeze != nil {
			wire *= c.squeeze.of(m.name)
		}
		if c.full(m, n, wire) {
			c.end()
		}
		if c.from == len(c.d.items) {
			if c.bytes > before && (c.bytes-before+n > most || c.bytes+n > writeBytes || len(c.d.groups) >= writeItems) || c.rest(lane) {
				break
			}
		}
		if !o.credit.spend(m) {
			break
		}
		m = o.q.take(lane)
		c.w.add(m)
		c.d.items = append(c.d.items, piece{m.Message, m.name})
		c.items++
		c.bytes += n
		c.size += n
		c.expected += wire
	}
	c.end()
}

// rest reports whether what is left in the queue would not fill a message, and may
// wait for more.
func (c *composer) rest(lane uint8) bool {
	o := c.o
	if !o.window.full || o.window.urgent || lane > 0 || o.q.unwritten() >= c.flow.EventBufferSize {
		return false
	}
	return o.q.bytes-c.w.bytes < o.frameful(c.flow)
}

// full reports whether the group that is being gathered takes no more, or not what
// comes next.
func (c *composer) full(m *queued, n int, wire float64) bool {
	gathered := len(c.d.items) - c.from
	switch {
	case gathered == 0:
		return false
	case !c.bundle || gathered >= c.flow.EventBufferSize || m.plain != c.d.items[c.from].plain:
		return true
	case m.plain && c.d.form != plainForm: // in EDN, and nothing else here is
		return true
	case c.squeeze == nil:
		return c.size+n+bundleSpace > c.room
	}
	return c.expected+wire+bundleSpace > fill*float64(c.room) || c.size+n > maxDraft
}

// bundleSpace is what a bundle has beside its items, in any form.
const bundleSpace = 32

// end ends the group that is being gathered.
func (c *composer) end() {
	g := group{from: c.from, to: len(c.d.items), size: c.size, expected: c.expected}
	if g.from == g.to {
		return
	}
	c.last = g.to - g.from
	g.squeeze = c.squeeze != nil && !c.d.items[g.from].plain && c.squeeze.worthwhile(c.size, c.expected)
	c.d.groups = append(c.d.groups, g)
	c.from, c.size, c.expected = g.to, 0, 0
}
