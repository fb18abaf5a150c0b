package pipe

import (
	"context"
	"errors"
	"hash/maphash"
	"io"
	"log/slog"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// Protocol is the version of the contract that :sente-lite/ready announces.
const Protocol = 1

// A HubConfig says what a Hub needs from its surroundings. The zero value is a
// hub that speaks EDN with everyone who connects.
type HubConfig struct {
	Version string
	Packers []Packer // that peers may choose beside :edn
	Layers  []*Layer // that may go around them
	Log     *slog.Logger

	// Start is called once, with the parent's hello, before the parent gets
	// its ready. What it starts (listeners, say) the caller ends. An error is
	// told to the parent and ends its session, and Serve's with it.
	Start func(Hello) *Error
	// Listening returns the addresses for :sente-lite/ready.
	Listening func() []string
	// Configure handles :sente-lite/configure: the text of an EDN map in, that
	// of the reply out.
	Configure func(edn []byte) ([]byte, *Error)
	// Spawn handles :sente-lite/spawn: the text of its data in, that of the reply
	// out.
	Spawn func(edn []byte) ([]byte, *Error)
	// Names, if set, is asked about uids that nobody has.
	Names Names
}

// The Hub knows every peer and routes every event.
//
// Locks, outermost first: a Session's handling, its announce, Hub.mu, calls.mu, outbox.mu,
// those of the ledger, the clock and the Store. Two of one kind do not nest, but for the
// handling of a new session around that of the one it resumes. Nothing waits for a peer
// under any of them.
type Hub struct {
	cfg      HubConfig
	log      *slog.Logger
	settings atomic.Pointer[Settings]
	clock    clock
	calls    calls
	held     atomic.Int64 // bytes of all queues and partial messages but owners'
	numbers  atomic.Uint64

	unpacking chan struct{} // turns of those who unpack what may become large

	strangers
	tails      tails
	names      names
	forms      forms
	seed       maphash.Seed
	ledger     ledger
	past       past
	stores     atomic.Pointer[Store]
	gate       admission
	complained atomic.Int64 // ms, of the Store
	Stats      Stats

	mu        sync.RWMutex
	sessions  map[*Session]struct{}
	users     map[string][]*Session // by uid
	channels  map[string]*channel   // by the text of the id
	movements atomic.Uint64         // how often anybody has joined or left one
	handler   *Session
	resumable map[SessionKey]*Session

	life life
}

// Stats counts what a Hub has done since it was made.
type Stats struct {
	Received     atomic.Uint64 // events, calls and replies that came in
	Refused      atomic.Uint64 // of them, those that an error answered
	Sent         atomic.Uint64 // queued for somebody
	Backpressure atomic.Uint64 // refused for a full queue
	Undelivered  atomic.Uint64 // queued, and not written when the peer went; or nothing that this one of several could carry
	LateReplies  atomic.Uint64 // replies to calls that had ended
	PeerErrors   atomic.Uint64 // :sente-lite/error that came in
	Opened       atomic.Uint64
	Encodings    atomic.Uint64 // messages packed into other forms than EDN, whatever the number of their receivers
	Compressions atomic.Uint64 // bundles and large messages compressed, likewise
}

// NewHub makes a Hub with no peers.
func NewHub(cfg HubConfig, s Settings) *Hub {
	h := &Hub{
		cfg:       cfg,
		log:       cfg.Log,
		sessions:  map[*Session]struct{}{},
		users:     map[string][]*Session{},
		channels:  map[string]*channel{},
		resumable: map[SessionKey]*Session{},
		seed:      maphash.MakeSeed(),
		unpacking: make(chan struct{}, runtime.GOMAXPROCS(0)),
	}
	if h.log == nil {
		h.log = slog.New(slog.DiscardHandler)
	}
	h.calls.init(h)
	h.Configure(s)
	return h
}

// Configure sets what can change while the hub runs. It holds for what is sent
// from now on; peers that are connected stay.
func (h *Hub) Configure(s Settings) {
	s.Flow = s.Flow.OrDefault()
	def(&s.Shutdown, 2*time.Second)
	h.settings.Store(&s)
}

// Settings returns what Configure has set, with its defaults.
func (h *Hub) Settings() Settings { return *h.settings.Load() }

// Take and Give make the Hub the Budget of everything that is held for peers.
func (h *Hub) Take(bytes int) bool {
	if h.held.Add(int64(bytes)) <= h.settings.Load().Flow.MaxTotalBytes {
		return true
	}
	h.held.Add(-int64(bytes))
	return false
}

// Give is the other half of Take.
func (h *Hub) Give(bytes int) { h.held.Add(-int64(bytes)) }

// Held returns how many bytes are taken.
func (h *Hub) Held() int64 { return h.held.Load() }

// goroutine runs f in a goroutine that Shutdown waits for; not once the hub
// has ended.
func (h *Hub) goroutine(f func()) bool { return h.life.run(f, false) }

// Serve makes a Session of every Conn that l accepts, until l is closed or ctx
// ends. It closes l and returns nil then.
func (h *Hub) Serve(ctx context.Context, l Listener) error {
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	defer l.Close()
	for {
		c, err := l.Accept(ctx)
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, net.ErrClosed) || errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		if !h.Attach(c) {
			c.Close(Reason{CloseShutdown, "shutdown"})
			return nil
		}
	}
}

// Attach runs a Session on c in a goroutine of the hub's. It reports false, and
// leaves c alone, once the hub is shutting down.
func (h *Hub) Attach(c Conn) bool {
	l := newLink(h, c) // now: links are numbered in the order of their coming
	l.moves = true
	return h.life.run(func() { l.run(nil) }, true)
}

// Serves is Attach for who wants to know why the session ended: nil after a
// clean end.
func (h *Hub) Serves(c Conn, ended func(error)) bool {
	l := newLink(h, c)
	return h.life.run(func() { ended(l.run(nil)) }, true)
}

// Join is Attach for a Conn whose other side is Present: once it has returned,
// that is a peer. leave closes it as a kick does, once what is queued for it has
// been written; left is closed once the handler has been told that it has gone.
func (h *Hub) Join(c Conn) (leave func(Reason), left <-chan struct{}, ok bool) {
	l, begun, ended := newLink(h, c), make(chan struct{}), make(chan struct{})
	s := l.s
	ok = h.life.run(func() {
		defer close(ended)
		l.run(func() { close(begun) })
	}, true)
	if ok {
		<-begun
	}
	return s.shut, ended, ok
}

// Run runs a Session on c until c ends, and returns why.
func (h *Hub) Run(c Conn) error { return newLink(h, c).run(nil) }

// Full reports whether another client would be one too many. Those who are away make
// room: see makeRoom.
func (h *Hub) Full() bool {
	return h.clients.Load()-h.away.Load() >= int64(h.settings.Load().Flow.MaxPeers)
}

// strangers counts those who may not be owners.
type strangers struct {
	clients atomic.Int64
	away    atomic.Int64 // of them, who has no link
}

// Shutdown flushes every queue, closes all peers (1001) and waits for them;
// when ctx ends it waits no longer for those who do not read.
func (h *Hub) Shutdown(ctx context.Context) error {
	bye := Reason{CloseShutdown, "shutdown"}
	told := make(chan struct{})
	h.goroutine(func() { <-told }) // peers that are away have nothing that runs, and are to end too
	h.life.close()
	h.mu.RLock()
	all := make([]*Session, 0, len(h.sessions))
	for s := range h.sessions {
		all = append(all, s)
	}
	h.mu.RUnlock()
	for _, s := range all {
		s.ackNow()           // what was received is nobody's doubt
		s.shutWithin(bye, 0) // ctx ends it
	}
	close(told)
	var err error
	select {
	case <-h.life.end():
	case <-ctx.Done():
		err = context.Cause(ctx)
		for _, s := range all {
			s.mu.Lock()
			l := s.l
			s.mu.Unlock()
			if l != nil {
				l.conn.Close(bye)
			}
		}
		<-h.life.end()
	}
	h.clock.close()
	return err
}

// now is in milliseconds since 1970, the contract's unit.
func now() int64 { return time.Now().UnixMilli() }

// ticks is a time in milliseconds that only grows, whatever is done to the machine's
// clock: ages are differences of it. micros is finer.
func ticks() int64  { return micros() / 1000 }
func micros() int64 { return (time.Since(began) + sinceWhen).Microseconds() }

var began = time.Now()

// sinceWhen makes it positive, also where a test's clock begins long ago.
const sinceWhen = 100 * 365 * 24 * time.Hour
