package pipe_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sente-lite/sente-lite/pipe"
	"github.com/sente-lite/sente-lite/pipe/chaos"
	"github.com/sente-lite/sente-lite/pipe/pipetest"
	"github.com/sente-lite/sente-lite/pipe/transport"
)

// Many clients lose their links at any byte, both directions busy with events, calls,
// replies and channel messages. Nothing is lost, doubled or reordered at either end, and the
// books balance.
func TestCuts(t *testing.T) {
	cuts{clients: 50, each: 40}.overMemory(t)
	cuts{clients: 20, each: 5}.overWires(t)
}

func (n cuts) overMemory(t *testing.T) {
	t.Run("mem", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { n.run(t, memCuts) })
	})
}

func (n cuts) overWires(t *testing.T) {
	for _, w := range []string{"unix", "tcp", "ws"} {
		t.Run(w, func(t *testing.T) {
			t.Parallel()
			n.run(t, func(t *testing.T, h *pipe.Hub, n cuts) func(*pipetest.Client, uint64) {
				return chaosCuts(t, h, n, w)
			})
		})
	}
}

// cuts says how many clients there are, and how many links each of them loses.
type cuts struct{ clients, each int }

// A cutting makes the clients' links, which end at random.
type cutting func(t *testing.T, h *pipe.Hub, n cuts) func(c *pipetest.Client, seed uint64)

// memCuts cuts links in memory: either end is closed while bytes are under way.
func memCuts(t *testing.T, h *pipe.Hub, n cuts) func(*pipetest.Client, uint64) {
	return func(c *pipetest.Client, seed uint64) {
		r := rand.New(rand.NewPCG(seed, 1))
		c.Dial = func(string, uint64) (pipe.Conn, error) {
			client, server := transport.Mem(transport.MemOptions{Buffer: 64 + r.IntN(4096), Torn: 1 + r.IntN(2000), Server: asClient, Text: seed%4 == 0})
			cut := &cutConn{Conn: client, left: r.IntN(30_000), end: client}
			if links, _ := c.Links(); links > n.each {
				cut.left = 1 << 60
			}
			if r.IntN(2) == 0 {
				cut.end = server
			}
			if !h.Attach(server) {
				return nil, fmt.Errorf("the hub takes no more")
			}
			return cut, nil
		}
	}
}

// A cutConn ends one end of a link when so many bytes have gone either way.
type cutConn struct {
	pipe.Conn
	end  pipe.Conn
	mu   sync.Mutex
	left int
}

func (c *cutConn) spend(n int) {
	c.mu.Lock()
	cut := c.left >= 0 && c.left < n
	c.left -= n
	c.mu.Unlock()
	if cut {
		c.end.Close(pipe.Reason{Code: pipe.CloseLost})
	}
}

func (c *cutConn) Read(idle func() bool) (pipe.Message, error) {
	m, err := c.Conn.Read(idle)
	c.spend(len(m.Data))
	return m, err
}

func (c *cutConn) Write(batch []pipe.Message) (bool, error) {
	done, err := c.Conn.Write(batch)
	for _, m := range batch {
		c.spend(len(m.Data))
	}
	return done, err
}

// chaosCuts leads real links through a proxy that ends each at a random byte, in any way.
func chaosCuts(t *testing.T, h *pipe.Hub, n cuts, wire string) func(*pipetest.Client, uint64) {
	var target, at string
	switch wire {
	case "unix":
		dir := t.TempDir()
		target, at = "unix:"+filepath.Join(dir, "s", "x.sock"), "unix:"+filepath.Join(dir, "x.sock")
	case "tcp":
		target, at = "tcp://127.0.0.1:0", "tcp://127.0.0.1:0"
	case "ws":
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			q := r.URL.Query()
			seen, _ := strconv.ParseUint(q.Get("seen"), 10, 64)
			hello := &pipe.Hello{Ours: true, Recover: true, Bundle: true, Session: q.Get("session"), Seen: seen}
			c, err := transport.Upgrade(w, r, transport.UpgradeOptions{Info: pipe.ConnInfo{
				Transport: "ws", Upgraded: hello, Claim: &pipe.Claim{}, Heartbeat: true}})
			if err == nil { // else it was cut before
				h.Attach(c)
			}
		}))
		t.Cleanup(srv.Close)
		target, at = srv.URL, "http://127.0.0.1:0"
	}
	if wire != "ws" {
		l, err := transport.Listen(t.Context(), target, transport.Options{})
		if err != nil {
			t.Fatal(err)
		}
		target = l.Addr()
		served := make(chan error, 1)
		go func() { served <- h.Serve(context.Background(), unsame{l}) }()
		t.Cleanup(func() {
			l.Close()
			<-served
		})
	}
	// A client that has lost enough links takes another way.
	lossy := chaos.New(7, chaos.Options{Cut: chaos.Range{From: 100, To: 40_000}, How: []chaos.How{chaos.RST, chaos.FIN, chaos.RST, chaos.FIN, chaos.Abandon},
		HalfOpen: 0.05, Torn: 1000, DropClose: 0.1})
	good := chaos.New(8, chaos.Options{})
	for _, p := range []*chaos.Proxy{lossy, good} {
		if err := p.Listen(at, target); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.Close)
		at = strings.Replace(at, "x.sock", "y.sock", 1)
	}
	return func(c *pipetest.Client, seed uint64) {
		c.Silence = 400 * time.Millisecond
		c.Upgraded = wire == "ws"
		c.Dial = func(session string, seen uint64) (pipe.Conn, error) {
			to := lossy.Addr()
			if links, _ := c.Links(); links > n.each {
				to = good.Addr()
			}
			if wire == "ws" {
				to = fmt.Sprintf("ws%s/ws?session=%s&seen=%d", strings.TrimPrefix(to, "http"), url.QueryEscape(session), seen)
			}
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			return transport.Dial(ctx, to, transport.DialOptions{Text: seed%4 == 0})
		}
	}
}

// window is how many events of a client wait for what they are answered by.
const upWindow = 24

// run lets clients talk to a handler until each has lost enough links and everything that
// was sent has been answered.
func (n cuts) run(t *testing.T, how cutting) {
	h := pipe.NewHub(pipe.HubConfig{}, pipe.Settings{Flow: pipe.Flow{MaxBufferSize: 50_000, MaxBufferBytes: 64 << 20,
		CallTimeout: 5 * time.Minute, Recovery: pipe.Recovery{Window: time.Minute, MaxMsgs: 2000}}})
	hd := &cutsHandler{t: t, player: join(t, h, "owner", asOwner, "[:sente-lite/hello {:handler true :bundle true}]", true), peers: map[string]*handled{}}
	handled := make(chan struct{})
	go func() {
		defer close(handled)
		hd.read()
	}()
	connect := how(t, h, n)
	var all sync.WaitGroup
	var mu sync.Mutex
	var flowed []time.Duration
	links := 0
	var clients []*cutsClient
	for i := range n.clients {
		c := newCutsClient(t, n, uint64(i))
		connect(c.Client, uint64(i))
		clients = append(clients, c)
		all.Go(func() {
			c.talk()
			k, took := c.Links()
			mu.Lock()
			defer mu.Unlock()
			links += k
			flowed = append(flowed, took...)
		})
	}
	all.Wait()
	// The books: everything was delivered.
	hd.flushes.Store(int64(n.clients))
	for i, c := range clients {
		hd.tell(fmt.Sprintf(`[[:sente-lite/flush {:to %q :acked? true :timeout-ms 60000}] "flush%d"]`, c.UID(), i))
	}
	<-handled
	for _, c := range clients {
		c.finished.Store(true)
		c.Close()
	}
	hd.conn.Close(pipe.Reason{Code: pipe.CloseNormal})
	if err := h.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
	if h.Held() != 0 {
		t.Errorf("%d bytes are held", h.Held())
	}
	cut := links - n.clients
	if cut < n.clients*n.each {
		t.Errorf("%d links were lost; expected %d or more", cut, n.clients*n.each)
	}
	slices.Sort(flowed)
	if len(flowed) > 0 {
		t.Logf("%d cuts; %d up, %d down, %d channel messages, %d calls up, %d down; the first item came %v after dialling (median), %v (99 %%)",
			cut, hd.up, hd.down, hd.said, hd.calls, hd.asked, flowed[len(flowed)/2], flowed[len(flowed)*99/100])
	}
}

// A cutsHandler answers each event by another, each call by its number, and asks and
// publishes now and then.
type cutsHandler struct {
	*player
	t     *testing.T
	peers map[string]*handled

	up, down, calls, asked, said int
	flushes                      atomic.Int64
}

// handled is what the handler knows of a peer.
type handled struct {
	up, down int // events of each direction
	asks     int // calls of the peer
	asked    int // of ours
	answered map[int]bool
}

func (hd *cutsHandler) tell(text string) { hd.send(hd.t, text) }

// read handles what comes until the ledger does.
func (hd *cutsHandler) read() {
	for {
		m, err := hd.conn.Read(nil)
		if err != nil {
			hd.t.Errorf("the handler's link ends: %v", err)
			return
		}
		items := []string{string(m.Data)}
		if i, err := pipe.Split(m.Data, pipe.Limits{}); err == nil && i.Shape == pipe.ShapeBundle {
			items = items[:0]
			for e := pipe.Elements(i.Body); ; {
				v, ok := e.Next()
				if !ok {
					break
				}
				items = append(items, string(v))
			}
		}
		for _, it := range items {
			if done := hd.item(it); done {
				return
			}
		}
	}
}

func (hd *cutsHandler) item(text string) (done bool) {
	i, err := pipe.SplitValue([]byte(text))
	if err != nil {
		hd.t.Errorf("the handler gets %s: %v", text, err)
		return
	}
	switch {
	case i.Shape == pipe.ShapeReply:
		return hd.reply(text, i)
	case string(i.Name) == "sente-lite/recv":
		hd.recv(text, i)
	case string(i.Name) == "sente-lite/error":
		hd.t.Errorf("the handler gets %s", text)
	}
	return false
}

func (hd *cutsHandler) reply(text string, i pipe.Item) bool {
	if strings.HasPrefix(string(i.Call), `"flush`) {
		if !strings.Contains(text, ":ok") {
			hd.t.Errorf("not all was acknowledged: %s", text)
		}
		if hd.flushes.Add(-1) == 0 {
			hd.tell(`[[:sente-lite/ledger] "books"]`)
		}
		return false
	}
	if string(i.Call) == `"books"` {
		if !strings.Contains(text, ":why {}") || !strings.Contains(text, ":undelivered 0}") {
			hd.t.Errorf("not all was delivered: %s", text)
		}
		return true
	}
	uid, n, ours := strings.Cut(strings.Trim(string(i.Call), `"`), "|")
	if !ours {
		return false
	}
	k, _ := strconv.Atoi(n)
	p := hd.peers[uid]
	if string(i.Body) != n || p.answered[k] {
		hd.t.Errorf("call %d to %s is answered by %s", k, uid, text)
	}
	p.answered[k] = true
	return false
}

func (hd *cutsHandler) recv(text string, i pipe.Item) {
	v, _ := pipe.Lookup(i.Body, ":uid")
	uid, _ := pipe.Unquote(v)
	ev, _ := pipe.Lookup(i.Body, ":event")
	e, err := pipe.SplitValue(ev)
	if err != nil {
		hd.t.Errorf("the handler gets %s", text)
		return
	}
	p := hd.peers[uid]
	if p == nil {
		p = &handled{answered: map[int]bool{}}
		hd.peers[uid] = p
	}
	n, _ := strconv.Atoi(strings.Trim(strings.Fields(string(e.Body))[0], "[]"))
	switch string(e.Name) {
	case "up/n":
		p.up++
		hd.up++
		if n != p.up {
			hd.t.Errorf("event %d of %s comes where %d was expected", n, uid, p.up)
			p.up = n
		}
		p.down++
		hd.down++
		hd.tell(fmt.Sprintf(`[:sente-lite/send {:to %q :event [:down/n [%d %q]]}]`, uid, p.down, strings.Repeat("d", n*37%700)))
		if n%13 == 0 {
			p.asked++
			hd.asked++
			hd.tell(fmt.Sprintf(`[[:sente-lite/request {:to %q :event [:down/ask [%d]] :timeout-ms 300000}] "%s|%d"]`, uid, p.asked, uid, p.asked))
		}
		if hd.up%50 == 0 {
			hd.said++
			hd.tell(fmt.Sprintf(`[:sente-lite/publish {:channel-id "c" :data %d}]`, hd.said))
		}
	case "up/ask":
		p.asks++
		hd.calls++
		if n != p.asks {
			hd.t.Errorf("call %d of %s comes where %d was expected", n, uid, p.asks)
			p.asks = n
		}
		hd.tell(fmt.Sprintf(`[:chsk/reply %s %d]`, i.Call, n))
	case "up/end":
		hd.tell(fmt.Sprintf(`[:chsk/reply %s [%d %d]]`, i.Call, p.up, p.asked))
	}
}

// A cutsClient sends events and calls while it has links to lose.
type cutsClient struct {
	*pipetest.Client
	t    *testing.T
	n    cuts
	name string

	mu             sync.Mutex
	changed        sync.Cond
	up, down       int
	asks, answered int
	said           int // the last that the channel has said
	ended          string
	asked          int
	gone           bool // it has ended, and should not have
	finished       atomic.Bool
}

func newCutsClient(t *testing.T, n cuts, i uint64) *cutsClient {
	c := &cutsClient{t: t, n: n, name: fmt.Sprintf("client %d", i), Client: &pipetest.Client{Bundle: i%3 > 0}}
	if i%3 > 0 {
		c.Hello = ":bundle true"
	}
	if i%5 == 0 {
		c.Credit = 20
	}
	c.changed.L = &c.mu
	c.Handle = c.handle
	c.Lost = func(greeting []byte) { t.Errorf("%s is not resumed: %s", c.name, greeting) }
	return c
}

func (c *cutsClient) handle(i pipe.Item, b []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer c.changed.Broadcast()
	wrong := func(want int) { c.t.Errorf("%s gets %.80s where %d was expected", c.name, b, want) }
	if i.Shape == pipe.ShapeReply {
		n, _ := strconv.Atoi(string(i.Body))
		switch cb := strings.Trim(string(i.Call), `"`); {
		case cb == "end":
			c.ended = string(i.Body)
		case cb == "sub":
		default:
			c.answered++
			if cb != fmt.Sprint("c", c.answered) || n != c.answered {
				wrong(c.answered)
			}
		}
		return
	}
	switch string(i.Name) {
	case "down/n":
		c.down++
		if !strings.HasPrefix(string(i.Body), fmt.Sprintf("[%d ", c.down)) {
			wrong(c.down)
		}
	case "down/ask":
		c.asked++
		if string(i.Body) != fmt.Sprintf("[%d]", c.asked) {
			wrong(c.asked)
		}
		c.Send(fmt.Sprintf("[:chsk/reply %s %d]", i.Call, c.asked))
	case "sente-lite/channel-msg":
		v, _ := pipe.Lookup(i.Body, ":data")
		n, _ := strconv.Atoi(string(v))
		if c.said > 0 && n != c.said+1 {
			wrong(c.said + 1)
		}
		c.said = n
	case "sente-lite/subscribed":
	default:
		c.t.Errorf("%s gets %.200s", c.name, b)
	}
}

// talk sends until enough links are lost and all is answered.
func (c *cutsClient) talk() {
	c.Send(`[:sente-lite/subscribe {:channel-id "c"}]`)
	c.Start()
	go func() {
		if err := c.End(); err != nil && !c.finished.Load() {
			c.t.Errorf("%s has ended: %v", c.name, err)
			c.mu.Lock()
			c.gone = true
			c.changed.Broadcast()
			c.mu.Unlock()
		}
	}()
	for {
		c.mu.Lock()
		for c.up-c.down >= upWindow && !c.gone {
			c.changed.Wait()
		}
		if c.gone {
			c.mu.Unlock()
			return
		}
		links, _ := c.Links()
		if links > c.n.each {
			c.mu.Unlock()
			break
		}
		c.up++
		n := c.up
		if n%7 == 0 {
			c.asks++
			c.Send(fmt.Sprintf(`[[:up/ask [%d]] "c%d"]`, c.asks, c.asks))
		}
		c.Send(fmt.Sprintf(`[:up/n [%d %q]]`, n, strings.Repeat("u", n*53%900)))
		c.mu.Unlock()
	}
	c.Send(`[[:up/end [0]] "end"]`)
	c.mu.Lock()
	defer c.mu.Unlock()
	for !c.gone && (c.ended == "" || c.down < c.up || c.answered < c.asks) {
		c.changed.Wait()
	}
	if c.gone {
		return
	}
	if want := fmt.Sprintf("[%d %d]", c.up, c.asked); c.ended != want {
		c.t.Errorf("%s: the handler has got %s; %s were sent", c.name, c.ended, want)
	}
	if c.down != c.up {
		c.t.Errorf("%s has %d answers to %d events", c.name, c.down, c.up)
	}
}
