package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/sente-lite/sente-lite/bridge/web"
	"github.com/sente-lite/sente-lite/pipe"
	"github.com/sente-lite/sente-lite/pipe/transport"
)

// A house is a hub with the front door that a server has, on loopback.
type house struct {
	hub  *pipe.Hub
	addr string

	stop   context.CancelFunc
	served sync.WaitGroup
	mu     sync.Mutex // guards guests
	guests []*client
}

// quietly is a hub's settings under which nobody says anything that is not measured, and
// a queue holds what may be under way of the largest events.
func quietly() pipe.Settings {
	return pipe.Settings{Flow: pipe.Flow{KeepAlive: time.Hour, MaxBufferBytes: 64 << 20}, Shutdown: time.Second}
}

func newHouse(names pipe.Names) *house {
	h := &house{hub: pipe.NewHub(pipe.HubConfig{Names: names}, quietly())}
	h.stop = func() {}
	return h
}

// open lets WebSockets in.
func (h *house) open() error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	h.addr = l.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	h.stop = cancel
	server := web.New(web.Config{Hub: h.hub, Options: transport.Options{Budget: h.hub}})
	h.served.Go(func() { _ = server.Serve(ctx, l) }) // that it ends is seen by who waits for it
	return nil
}

// close ends everybody.
func (h *house) close() {
	h.abort()
	h.stop()
	h.served.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_ = h.hub.Shutdown(ctx) // whoever has not ended by then is no longer waited for
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range h.guests {
		c.ends()
	}
}

// abort cuts all links of guests, whose reads and writes fail then.
func (h *house) abort() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range h.guests {
		_ = c.conn.Close(pipe.Reason{Code: pipe.CloseNormal})
	}
}

// A client is a peer's own end.
type client struct {
	conn pipe.Conn
	uid  string

	reader sync.WaitGroup // who reads to its end, if somebody does
	ended  bool           // Read has failed for good
}

// settingUp bounds what comes before the measuring, until done is called: when that takes
// too long, or ctx ends, abort makes what waits fail.
func settingUp(ctx context.Context, abort func()) (done func()) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	stop := context.AfterFunc(ctx, abort)
	return func() {
		stop()
		cancel()
	}
}

// openHouse opens a house, whose setting up is bounded until ready is called.
func (r *runner) openHouse() (h *house, ready func(), err error) {
	h = newHouse(nil)
	if err := h.open(); err != nil {
		h.close()
		return nil, nil, err
	}
	return h, settingUp(r.ctx, h.abort), nil
}

// webSocket connects one and reads its greeting.
func (h *house) webSocket(ctx context.Context, query string) (*client, error) {
	conn, err := transport.Dial(ctx, "ws://"+h.addr+"/ws?v=1"+query, transport.DialOptions{})
	if err != nil {
		return nil, err
	}
	return h.guest(conn)
}

// memory connects a peer in memory, in frames.
func (h *house) memory(uid string, role pipe.Role) (*client, error) {
	conn, server := transport.Mem(transport.MemOptions{Buffer: 1 << 20, Server: pipe.ConnInfo{Claim: &pipe.Claim{UID: uid, Role: role}}})
	if !h.hub.Attach(server) {
		return nil, errors.New("the hub is shutting down")
	}
	if _, err := conn.Write(text("[:sente-lite/hello {}]")); err != nil {
		return nil, err
	}
	return h.guest(conn)
}

// guest reads the greeting of a link.
func (h *house) guest(conn pipe.Conn) (*client, error) {
	c := &client{conn: conn}
	h.mu.Lock()
	h.guests = append(h.guests, c)
	h.mu.Unlock()
	m, err := conn.Read(nil)
	if err != nil {
		c.ended = true
		return nil, err
	}
	if bytes.HasPrefix(m.Data, []byte("[:sente-lite/ready ")) { // it knows its uid
		return c, nil
	}
	_, rest, ok := strings.Cut(string(m.Data), `[:chsk/handshake ["`)
	c.uid, _, _ = strings.Cut(rest, `"`)
	if !ok || c.uid == "" {
		return nil, fmt.Errorf("the greeting is %.200s", m.Data)
	}
	return c, nil
}

// ends waits for the reading to end, after the link was closed.
func (c *client) ends() {
	c.reader.Wait()
	for !c.ended {
		_, err := c.conn.Read(nil)
		c.ended = err != nil && !errors.As(err, new(*pipe.Error))
	}
}

// say writes messages, all of them.
func (c *client) say(batch []pipe.Message) error {
	done, err := c.conn.Write(batch)
	if err == nil && !done {
		err = c.conn.Flush()
	}
	return err
}

// hear counts the events with a mark in what has come, one or a bundle. What came
// instead may be an error.
func hear(m pipe.Message, mark []byte) (int, error) {
	n := bytes.Count(m.Data, mark)
	if n == 0 && bytes.Contains(m.Data, []byte("[:sente-lite/error ")) {
		return 0, fmt.Errorf("the hub says %.500s", m.Data)
	}
	return n, nil
}

// listen reads in a goroutine of its own, until the end; heard gets the number of
// events of each message, or why there are no more.
func (c *client) listen(mark string, heard func(n int, err error)) {
	c.reader.Go(func() {
		for {
			m, err := c.conn.Read(nil)
			if err != nil && !errors.As(err, new(*pipe.Error)) {
				c.ended = true
				heard(0, err)
				return
			}
			n := 0
			if err == nil {
				n, err = hear(m, []byte(mark))
			}
			if n > 0 || err != nil {
				heard(n, err)
			}
		}
	})
}

// text is a batch of one text message.
func text(s string) []pipe.Message { return []pipe.Message{{Data: []byte(s), Text: true}} }

// times is a batch of the same message n times.
func times(n int, m []pipe.Message) (batch []pipe.Message) {
	for range n {
		batch = append(batch, m...)
	}
	return batch
}
