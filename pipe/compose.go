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
	most := writeBytes
	if c.squeeze != nil {
		most *= 2 // it will be less
	}
	c.lane(0, most)
	if o.q.next == o.q.numbered {
		for i := range o.q.lanes {
			c.lane(uint8(i+1), o.frameful(c.flow))
		}
	}
	if c.items > 0 && c.bundle {
		o.window.last, o.window.at = c.last, time.Now()
	}
}

// lane takes up to most bytes from a lane, at least one item.
func (c *composer) lane(lane uint8, most int) {
	o := c.o
	list := &o.q.items
	if lane > 0 {
		list = o.q.lanes[lane-1]
	}
	for taken := 0; c.items < writeItems; {
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
		n := len(m.Data)
		if taken > 0 && (taken+n > most || c.bytes+n > most) || !o.credit.spend(m) {
			break
		}
		m = o.q.take(lane)
		c.w.add(m)
		taken += n
		c.bytes += n
		c.add(m)
	}
	c.end()
}

// add puts an item into the group that is being gathered, or into the next.
func (c *composer) add(m *queued) {
	n := len(m.Data) + 1
	wire := float64(n)
	if c.squeeze != nil {
		wire *= c.squeeze.of(m.name)
	}
	if gathered := len(c.d.items) - c.from; gathered > 0 &&
		(!c.bundle || gathered >= c.flow.EventBufferSize || c.fills(n, wire) || m.plain != c.d.items[c.from].plain) {
		c.end()
	}
	c.d.items = append(c.d.items, piece{m.Message, m.name})
	c.size += n
	c.expected += wire
	c.items++
	if m.plain && c.d.form != plainForm { // in EDN, and nothing else here is
		c.end()
	}
}

// fills reports whether another item of n bytes is too much for the frame.
func (c *composer) fills(n int, wire float64) bool {
	if c.squeeze == nil {
		return c.size+n+bundleSpace > c.room
	}
	return c.expected+wire+bundleSpace > fill*float64(c.room)
}

// bundleSpace is what a bundle has beside its items, in any form.
const bundleSpace = 32

// end ends the group that is being gathered.
func (c *composer) end() {
	g := group{from: c.from, to: len(c.d.items), size: c.size, expected: c.expected}
	if c.last = g.to - g.from; c.last == 0 {
		return
	}
	g.squeeze = c.squeeze != nil && !c.d.items[g.from].plain && c.squeeze.worthwhile(c.size, c.expected)
	c.d.groups = append(c.d.groups, g)
	c.from, c.size, c.expected = g.to, 0, 0
}
