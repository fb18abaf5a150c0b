package pipe

import (
	"sync"
	"sync/atomic"
	"time"
)

// Status is what became of an event that was sent (contract section 4).
type Status string

const (
	StatusOK           Status = "ok"
	StatusFrameFull    Status = "frame-full" // queued, for the next frame
	StatusBackpressure Status = "backpressure"
)

// worse orders statuses, as a send to several tells the worst of them.
func (s Status) worse(than Status) bool {
	rank := func(s Status) int {
		switch s {
		case StatusBackpressure:
			return 2
		case StatusFrameFull:
			return 1
		}
		return 0
	}
	return rank(s) > rank(than)
}

// An outbox is one peer's way out: a bounded queue, and whoever writes it to the
// link that there is.
//
// Nobody who puts something in waits for the peer. The goroutine that has put
// it writes it too, at the end of what it has just read (flusher); where the
// link takes no more, a goroutine of its own takes over for as long as there
// is something to write.
//
// What every event touches comes first, and lies together: an event to a thousand peers
// costs little more than the memory that it has to fetch.
type outbox struct {
	hub     *Hub
	form    atomic.Pointer[Form]   // of what is put from now on; see speak
	closing atomic.Pointer[Reason] // closes once everything is written

	mu      sync.Mutex
	l       *link // nil while the peer is away; changed with the session's handling held, too
	counted bool  // its bytes count against the hub's total: everyone's but owners'
	keep    bool  // what is written is kept until it is acknowledged
	dirty   bool  // stands in some flusher's list
	ended   bool  // nothing more is taken
	gated   bool  // nothing is written before the other side's first value
	paused  bool  // nothing but heartbeats is written
	credit  credit

	// Books: accepted = delivered + undelivered + what is queued.
	accepted, delivered, undelivered uint64

	q            queue
	ratios       *ratios // nil where nothing is compressed
	spilled      int     // items in spill
	blocked      []*blocked
	blockedBytes int
	window       window
	level        watermark
	waiters      []waiter

	uid     string
	key     SessionKey // in the Store
	edn     []byte     // uid and client-id as `:uid "u" :client-id "c"`
	uidEnd  int        // in edn, where the uid's text ends
	spill   Spill
	because why   // of the end, where we have brought it about
	linger  alarm // closes a peer that does not take its last words

	// Of recovery: see away.go.
	freshSize int       // bytes of q.fresh
	lost      uint64    // items that came while the peer was away, and are kept no longer
	stored    bool      // an earlier process had it; how much that has written is not known
	ackBy     time.Time // when ackLate rings; zero where nothing is waited for
	late      bool      // acknowledgements do not come
	ackLate   alarm

	onShut func()       // called, in a goroutine, once we have closed the Conn
	onLost func(uint64) // called, in a goroutine, with the leg of a call that is lost
}

// lingerTime is how long a peer that is closed has to take what is queued.
const lingerTime = time.Second

// speak sets the form of what is put from now on.
func (o *outbox) speak(f *Form) { o.form.Store(f) }

func (o *outbox) speaks() *Form { return o.form.Load() }

// put queues a packet. The peer's place in fl sees to its writing. A form that
// was agreed on while it was packed is the one that counts.
func (o *outbox) put(p *packet, fl *flusher) (Status, int, error) { return o.putHeld(p, nil, fl) }

// putHeld is put for a send whose reply may wait for room: see FullBlock.
func (o *outbox) putHeld(p *packet, w *held, fl *flusher) (Status, int, error) {
	for {
		form := o.form.Load()
		msg, err := p.in(form, &o.hub.Stats)
		if err != nil {
			return "", 0, err
		}
		o.mu.Lock()
		if o.form.Load() != form {
			o.mu.Unlock()
			continue
		}
		if p.lent && !o.brief() {
			o.mu.Unlock()
			p.own()
			continue
		}
		if o.easy(msg, p, fl) {
			o.push(msg, p, fl)
			size := o.q.events
			o.mu.Unlock()
			return StatusOK, size, nil
		}
		if p.lent { // it may wait
			if p.own(); form.Packer == EDN {
				msg.Data = p.edn
			}
		}
		m := queued{Message: msg, kind: p.kind, lane: p.lane, free: p.free || p.kind == kindOwed, name: p.name, key: p.key, leg: p.leg}
		status, err := o.queue(&m, p, w, fl)
		if err == errAgain {
			o.mu.Unlock()
			continue
		}
		size := o.q.events + o.q.fresh.len() + o.spilled
		o.mu.Unlock()
		return status, size, err
	}
}

// queue queues a packed message. The lock is held.
func (o *outbox) queue(m *queued, p *packet, w *held, fl *flusher) (Status, error) {
	if o.ended || o.leaving() {
		return "", errGone
	}
	if m.kind == kindControl {
		return o.ahead(m, fl)
	}
	if o.l == nil {
		return o.keepAway(m, p)
	}
	frame := &o.hub.settings.Load().Flow
	next := o.bundles() && o.q.bytes > 0 && o.q.bytes+len(m.Data) > o.frameful(frame)
	if o.spilled > 0 {
		if err := o.spillOver(m, p); err == nil {
			return StatusOK, nil
		} else if m.kind == kindEvent {
			return StatusBackpressure, nil
		}
		// An answer passes what is on the disk rather than be lost.
	}
	if m.kind == kindEvent && (o.full(m) || len(o.blocked) > 0) {
		// The link may well be idle: what is queued waits for the end of the
		// sender's turn only.
		l := o.l
		o.write(nil)
		switch {
		case o.ended || o.leaving(): // meanwhile
			return "", errGone
		case o.l != l: // it has gone, or is back, perhaps with another form
			return "", errAgain
		case o.full(m) || len(o.blocked) > 0:
			m.at = ticks()
			if status, err, taken := o.overflow(m, p, w); taken {
				return status, err
			}
		}
	}
	if m.kind == kindAnswer && o.gated && !o.l.writing {
		o.aside(m.Message)
		return StatusOK, nil
	}
	if m.kind == kindAnswer && o.unread(len(m.Data)) {
		why := Reason{CloseOverloaded, "you do not read your answers"}
		o.endFor(why, whyDisconnect)
		return "", errGone
	}
	if o.counted && !o.hub.Take(len(m.Data)) {
		if m.kind == kindEvent || len(m.Data) > 4096 {
			return "", errBusy
		}
		o.hub.held.Add(int64(len(m.Data))) // an answer that says so must get through
	}
	m.at = fl.now()
	o.accepted++
	last := o.q.push(m)
	o.keepNote(last, p.edn)
	if last.urgent() {
		o.window.urgent = true
	}
	o.watch()
	if !o.l.writing {
		if o.enough() {
			o.writeFull(nil)
		}
		if l := o.l; l != nil && !l.writing && o.q.unwritten() > 0 {
			o.mark(fl)
		}
	}
	if next {
		return StatusFrameFull, nil
	}
	return StatusOK, nil
}

// ahead queues what goes ahead of everything and is no item. The lock is held.
func (o *outbox) ahead(m *queued, fl *flusher) (Status, error) {
	if o.l == nil {
		return "", errGone
	}
	if o.q.control.len() >= maxAnswers {
		o.endFor(Reason{CloseOverloaded, "you do not read your answers"}, whyDisconnect)
		return "", errGone
	}
	o.hub.held.Add(int64(len(m.Data)))
	o.q.control.push(m)
	o.window.urgent = true
	if !o.l.writing {
		if fl == nil {
			o.write(nil)
		} else {
			o.mark(fl)
		}
	}
	return StatusOK, nil
}

// mark sees to it that the peer is written to at the end of the turn. The lock is held.
func (o *outbox) mark(fl *flusher) {
	if !o.dirty {
		o.dirty = true
		fl.list = append(fl.list, o)
	}
}

// keepNote tells the Store of an item that can be resumed. The lock is held.
func (o *outbox) keepNote(m *queued, edn []byte) {
	if o.keep && o.hub.store() != nil {
		o.hub.store().Queued(o.key, m.stored(edn))
	}
}

// release gives back what an item held that is no longer in the queue. The lock is
// held.
func (o *outbox) release(m *queued) {
	if o.counted {
		o.hub.Give(len(m.Data))
	}
}

// lose enters an item that will not be delivered into the books. The lock is held.
func (o *outbox) lose(m *queued, w why) {
	o.release(m)
	o.undelivered++
	o.hub.ledger.note(o.uid, m.name, w)
	if o.keep && o.hub.store() != nil {
		o.hub.store().Gone(o.key, o.q.acked, m.seq)
	}
	if leg := m.leg; leg != 0 && o.onLost != nil {
		o.hub.goroutine(func() { o.onLost(leg) })
	}
}

// unread reports whether a peer is owed more than it may be that asks and does
// not read. Owners are trusted with the size of what they ask for.
func (o *outbox) unread(n int) bool {
	most := 2 * o.hub.settings.Load().Flow.MaxBufferBytes
	return o.q.owed >= maxAnswers || o.counted && o.q.owed > 0 && o.q.bytes+n > most
}

// behind reports whether more is queued for a handler than its events, and an
// open and a close for as many peers as there may be.
func (o *outbox) behind() bool {
	f := &o.hub.settings.Load().Flow
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.q.unwritten() >= f.MaxBufferSize+2*f.MaxPeers
}

// errAgain is no error: the peer has changed while its lock was let go.
var errAgain = &Error{Code: "again"}

var (
	errGone = &Error{Category: Unavailable, Code: "closed", Retry: true, Msg: "the peer's connection has just closed"}
	errBusy = &Error{Category: Busy, Code: "overloaded", Retry: true,
		Msg:  "all queues together hold :max-total-bytes; nothing more is taken until peers have read theirs",
		Hint: "see :flow {:max-total-bytes …} and which peers do not read: :sente-lite/peers"}
)

// A waiter wants to know when everything up to an item has been written, or has
// been acknowledged.
type waiter struct {
	upTo    uint64 // its seq
	spilled int    // items that were on the disk then, and still are: they will have other numbers
	acked   bool
	done    func(written bool)
}

// whenFlushed calls done, from whichever goroutine it is, once everything that
// is queued now has been written (true) or the peer has gone (false). With acked
// that is once it has been acknowledged, where the peer does that.
func (o *outbox) whenFlushed(acked bool, done func(written bool)) {
	o.mu.Lock()
	acked = acked && o.keep
	w := waiter{o.q.seq, o.spilled, acked, done}
	if o.ended || o.reached(w) || o.l != nil && o.l.broken && (!o.keep || o.leaving()) {
		written := o.reached(w)
		o.mu.Unlock()
		done(written)
		return
	}
	o.waiters = append(o.waiters, w)
	o.window.urgent = true
	o.write(nil)
	o.mu.Unlock()
}

func (o *outbox) reached(w waiter) bool {
	return w.spilled == 0 && o.q.floor(w.acked || !o.keep) > w.upTo
}

// tellWaiters tells those whose items have been written, or all that they never will
// be. The lock is held, and let go meanwhile.
func (o *outbox) tellWaiters(all bool) {
	var ready []waiter
	rest := o.waiters[:0]
	for _, w := range o.waiters {
		if all || o.reached(w) {
			ready = append(ready, w)
		} else {
			rest = append(rest, w)
		}
	}
	clear(o.waiters[len(rest):])
	if o.waiters = rest; len(rest) == 0 {
		o.waiters = nil
	}
	if len(ready) == 0 {
		return
	}
	o.mu.Unlock()
	for _, w := range ready {
		w.done(!all)
	}
	o.mu.Lock()
}

// shut closes the peer for a reason once what is queued has been written, or
// after lingerTime. Nothing more is taken.
func (o *outbox) shut(r Reason) { o.shutWithin(r, lingerTime) }

// shutWithin is shut with another time to take what is queued, 0 for as long as
// nobody closes the Conn.
func (o *outbox) shutWithin(r Reason, wait time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ended || o.leaving() {
		return
	}
	o.closing.Store(&r)
	if o.l == nil || o.gated { // it cannot be told anything
		o.closeConn(r)
		return
	}
	if wait > 0 {
		o.linger.ring = func() {
			o.mu.Lock()
			defer o.mu.Unlock()
			o.closeConn(r)
		}
		o.hub.clock.set(&o.linger, wait)
	}
	o.window.urgent = true
	if !o.l.writing {
		o.write(nil)
	}
}

// endFor closes the peer at once: what is queued for it is not delivered. The lock is
// held.
func (o *outbox) endFor(r Reason, w why) {
	o.closing.Store(&r)
	o.because = w
	o.closeConn(r)
}

// closeConn closes the Conn of a peer that is shut. Its reader may have a second
// to see the other side out; for everyone else the peer has gone now. The lock is
// held, and let go meanwhile.
func (o *outbox) closeConn(r Reason) {
	if l := o.l; l != nil {
		o.mu.Unlock()
		l.conn.Close(r)
		o.mu.Lock()
	}
	if o.onShut != nil {
		o.hub.goroutine(o.onShut)
	}
}

// isShut reports whether the peer is being closed by us.
func (o *outbox) isShut() (Reason, bool) {
	if r := o.closing.Load(); r != nil {
		return *r, true
	}
	return Reason{}, false
}

// leaving reports whether the peer is being closed by us: what it still sends
// is not taken.
func (o *outbox) leaving() bool { return o.closing.Load() != nil }

// end takes nothing more, and enters what was not delivered into the books. It
// returns how many items that are.
func (o *outbox) end(w why) (undelivered int) {
	o.hub.clock.stop(&o.linger)
	o.hub.clock.stop(&o.window.alarm)
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ended {
		return 0
	}
	o.ended = true
	if o.because != "" {
		w = o.because
	}
	undelivered = o.q.all() + o.spilled
	note := func(event string) {
		if w != "" { // else the next process has it
			o.undelivered++
			o.hub.ledger.note(o.uid, event, w)
		}
	}
	o.q.each(func(m *queued) {
		o.release(m)
		note(m.name)
	})
	for range o.spilled {
		note("")
	}
	o.spilled = 0
	o.forgetControl()
	o.q = queue{seq: o.q.seq}
	o.dismissBlocked()
	o.level.forgive(o.hub)
	o.tellWaiters(true)
	return undelivered
}

// forgetControl forgets what went ahead of the queue, and has no link to go by any
// more. The lock is held.
func (o *outbox) forgetControl() {
	for o.q.control.len() > 0 {
		m := o.q.control.pop()
		o.hub.Give(len(m.Data))
	}
	if o.l != nil {
		o.hub.Give(o.l.flight.control)
		o.l.flight.control = 0
	}
}
