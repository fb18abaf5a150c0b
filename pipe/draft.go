package pipe

import "sync"

// A draft is the scratch space of a writer, and what it makes of what it has taken
// from a queue: messages. Bundles are made and compressed here, after the queue and
// without the lock of the peer.
//
// Whoever writes to several peers in a turn does so with one draft. It remembers the
// latest bundles, so one that many peers get alike is made once for all of the same
// form.
type draft struct {
	batch []Message // what is written: first what is whole already

	form    *Form
	on      *layered // nil without layers
	room    int      // bytes of a bundle on the wire
	items   []piece
	groups  []group
	lessons []lesson

	wire, raw int // bytes of batch, as they travel and without their layers

	parts   [][]byte // of the bundle at hand
	buf     []byte   // of bundles that are not remembered, and of what is sealed
	tight   []byte   // what the compressor makes
	many    bool     // several peers are written to: it pays to remember
	presses [8]press
	turn    int
}

// A piece is one item that will be written.
type piece struct {
	Message
	name string
}

// A group is the items of one message, or of a few where they are more than fits.
type group struct {
	from, to int // of the draft's items
	size     int
	expected float64 // bytes on the wire
	squeeze  bool    // it is to be compressed
}

// take takes the first items, which have been made a message, out of a group.
func (g *group) take(items []piece) {
	size := 0
	for i := range items {
		size += len(items[i].Data) + 1
	}
	g.expected *= 1 - float64(size)/float64(max(g.size, 1))
	g.from += len(items)
	g.size -= size
}

// A lesson is what compression has made of a group, for the peer's ratios.
type lesson struct {
	from, to       int
	expected, made float64
	missed         bool
}

// A press is a message that was made of some items, to be used again.
type press struct {
	form   *Form
	room   int
	items  [][]byte // all that there were; held, so that nothing else is ever where they are
	took   int      // of items, how many it holds
	lesson lesson   // of them
	raw    int
	msg    Message
	buf    []byte
	turn   int // of its last use
}

var drafts = sync.Pool{New: func() any { return &draft{batch: make([]Message, 0, 16)} }}

const maxDraft = 1 << 20

func newDraft() *draft { return drafts.Get().(*draft) }

// release gives the draft back. Nothing that it has seen is held by it then.
func (d *draft) release() {
	size := cap(d.buf) + cap(d.tight)
	d.many = false
	d.form, d.on = nil, nil
	for i := range d.presses {
		p := &d.presses[i]
		clear(p.items)
		p.items, p.form, p.msg = p.items[:0], nil, Message{}
		size += cap(p.buf)
	}
	if size <= maxDraft && cap(d.items) <= maxDraft/64 {
		drafts.Put(d)
	}
}

// begin makes the draft ready for the next write.
func (d *draft) begin(f *Form, on *layered) {
	d.form, d.on = f, on
	d.batch, d.items, d.groups, d.lessons, d.buf = d.batch[:0], d.items[:0], d.groups[:0], d.lessons[:0], d.buf[:0]
	d.turn++
}

func (d *draft) empty() bool { return len(d.batch) == 0 && len(d.groups) == 0 }

// forget lets go of what was written.
func (d *draft) forget() {
	clear(d.batch)
	clear(d.parts[:cap(d.parts)])
	if len(d.lessons) == 0 {
		clear(d.items)
	}
}

// teach tells the peer's ratios what has become of its events. Its lock is held.
func (d *draft) teach(r *ratios) {
	if r != nil {
		for _, l := range d.lessons {
			r.learn(d.items[l.from:l.to], l.expected, l.made, l.made/float64(d.room), l.missed)
		}
	}
	clear(d.items)
}

// make makes the messages of the groups. An error ends the link.
func (d *draft) make(h *Hub) error {
	d.wire, d.raw = 0, 0
	for i, m := range d.batch {
		d.raw += len(m.Data)
		sealed, err := d.seal(m)
		if err != nil {
			return err
		}
		d.wire += len(sealed.Data)
		d.batch[i] = sealed
	}
	for _, g := range d.groups {
		for g.from < g.to {
			m, raw, took, err := d.next(h, &g)
			if err == nil {
				m, err = d.seal(m)
			}
			if err != nil {
				return err
			}
			d.raw += raw
			d.wire += len(m.Data)
			d.batch = append(d.batch, m)
			g.take(d.items[g.from : g.from+took])
		}
	}
	return nil
}

// seal puts the ciphers around a message.
func (d *draft) seal(m Message) (Message, error) {
	if m.plain || !d.on.seals() {
		return m, nil
	}
	from := len(d.buf)
	sealed, err := d.on.seal(d.buf, m.Data)
	if err != nil {
		return m, errSealed(err)
	}
	d.buf = sealed
	return Message{Data: sealed[from:len(sealed):len(sealed)]}, nil
}

// next makes the next message of a group, and says how many bytes it has without
// layers and how many items it took.
func (d *draft) next(h *Hub, g *group) (m Message, raw, took int, err error) {
	items := d.items[g.from:g.to]
	if len(items) == 1 && !g.squeeze {
		return items[0].Message, len(items[0].Data), 1, nil
	}
	if d.many {
		for i := range d.presses {
			if p := &d.presses[i]; p.is(d, items) {
				p.turn = d.turn
				d.learn(g, p.took, p.lesson)
				return p.msg, p.raw, p.took, nil
			}
		}
	}
	p := d.free()
	if err := d.press(h, p, g, items); err != nil {
		return m, 0, 0, err
	}
	return p.msg, p.raw, p.took, nil
}

// is reports whether a press was made of these items, in the form at hand.
func (p *press) is(d *draft, items []piece) bool {
	if p.form != d.form || p.room != d.room || len(p.items) != len(items) {
		return false
	}
	for i := len(items) - 1; i >= 0; i-- { // the last ones differ most
		if a, b := p.items[i], items[i].Data; len(a) != len(b) || &a[0] != &b[0] {
			return false
		}
	}
	return true
}

// free returns the press that was used longest ago, or a new one where all belong to
// the write at hand.
func (d *draft) free() *press {
	p := &d.presses[0]
	for i := range d.presses {
		if q := &d.presses[i]; q.turn < p.turn {
			p = q
		}
	}
	if p.turn == d.turn {
		return &press{}
	}
	return p
}

// press makes a message of as many items as fit.
func (d *draft) press(h *Hub, p *press, g *group, items []piece) error {
	p.turn, p.form, p.room = d.turn, nil, d.room
	clear(p.items)
	p.items = p.items[:0]
	if d.many {
		p.form = d.form
		for i := range items {
			p.items = append(p.items, items[i].Data)
		}
	}
	p.took, p.lesson = len(items), lesson{}
	if !g.squeeze {
		p.took = d.fitting(items)
		d.join(p, items)
		return nil
	}
	h.Stats.Compressions.Add(1)
	made, err := d.compress(p, items)
	if err != nil {
		return err
	}
	expected := g.expected
	ratio := float64(made) / float64(p.raw)
	if ratio >= worth { // what does not shrink leaves as it is
		d.learn(g, p.took, lesson{expected: expected, made: float64(made), missed: true})
		p.took = d.fitting(items)
		d.join(p, items)
		return nil
	}
	l := lesson{expected: expected, made: float64(made)}
	if made > d.room && len(items) > 1 { // fewer then, by the ratio that is known now
		l.missed = true
		most := int(fill * float64(d.room) / ratio)
		for p.took, p.raw = 0, 0; p.took < len(items)-1; p.took++ {
			n := len(items[p.took].Data) + 1
			if p.took > 0 && p.raw+n+bundleSpace > most {
				break
			}
			p.raw += n
		}
		h.Stats.Compressions.Add(1)
		if made, err = d.compress(p, items); err != nil {
			return err
		}
		if made > d.room && p.took > 1 { // a second search would not end: what surely fits
			p.took = d.fitting(items)
			d.join(p, items)
			d.learn(g, len(items), l)
			return nil
		}
	}
	d.learn(g, len(items), l)
	p.lesson = l
	p.buf, d.tight = d.tight, p.buf
	p.msg = Message{Data: p.buf}
	return nil
}

// learn notes what has become of the first items of a group.
func (d *draft) learn(g *group, took int, l lesson) {
	if l.made == 0 {
		return
	}
	l.from, l.to = g.from, g.from+took
	d.lessons = append(d.lessons, l)
	// The rest of the group, if there is one, is expected to be like this.
	g.expected *= l.made / max(l.expected, 1)
}

// fitting is how many of the items fit into a frame as they are, at least one.
func (d *draft) fitting(items []piece) int {
	size := bundleSpace
	for i := range items {
		if size += len(items[i].Data) + 1; size > d.room && i > 0 {
			return i
		}
	}
	return len(items)
}

// join puts the items that a press takes together.
func (d *draft) join(p *press, items []piece) {
	items = items[:p.took]
	if len(items) == 1 {
		p.msg = items[0].Message
	} else {
		d.parts = d.parts[:0]
		for i := range items {
			d.parts = append(d.parts, items[i].Data)
		}
		p.buf = d.form.Packer.Join(p.buf[:0], d.parts)
		p.msg = Message{Data: p.buf, Text: d.form.Packer.Text()}
	}
	p.raw = len(p.msg.Data)
}

// compress puts the items that a press takes together, and compresses them into
// d.tight. It returns how many bytes that are.
func (d *draft) compress(p *press, items []piece) (int, error) {
	d.join(p, items)
	var err error
	d.tight, err = d.on.coders[0].Encode(d.tight[:0], p.msg.Data)
	if err != nil {
		return 0, errSealed(err)
	}
	return len(d.tight), nil
}
