package pipetest

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/sente-lite/sente-lite/pipe"
)

// A Client does the client's side of recovery as the contract's section 5 has it: it counts,
// acknowledges, keeps what it has sent, comes back with its session and sends again what the
// sidecar lacks. It speaks EDN, over whatever Dial brings (Dress puts a form around that),
// and keeps to the credit it is given. Some fields make it behave badly.
//
// Set the fields, then call Start. Its functions may be called by any goroutine.
type Client struct {
	// Dial opens a link. session and seen are what the Client comes back with: an
	// upgrade takes them in its URL.
	Dial func(session string, seen uint64) (pipe.Conn, error)
	// Hello is what the hello holds beside :recover, :session and :seen.
	Hello string
	// Upgraded links are greeted without a hello.
	Upgraded bool
	// Handle gets every item that comes in and counts, in order and each once. It must
	// not wait. The bytes are valid until it returns.
	Handle func(pipe.Item, []byte)
	// Lost hears that a session could not be resumed, with the greeting.
	Lost func(greeting []byte)

	Bundle  bool          // sends bundles; the hello must ask for them to be sent
	Credit  int           // that the hello gives; it is renewed at half
	Silence time.Duration // without input after which the link is taken for dead; 0: never
	NoAck   bool          // never acknowledges

	mu       sync.Mutex
	changed  sync.Cond
	conn     pipe.Conn // nil between two links
	session  string
	uid      string
	received uint64
	acked    uint64 // of received, what the sidecar knows of
	items    [][]byte
	dropped  uint64 // items before items[0]
	written  int    // of items, over this link
	control  [][]byte
	writing  bool
	credit   int // -1: any
	used     int // of ours, since it was renewed
	owed     *time.Timer
	closed   bool
	end      error
	links    int
	flowed   []time.Duration
	done     chan struct{}
}

// Start connects, and goes on connecting until Close or an end that forbids to come back.
func (c *Client) Start() {
	c.changed.L = &c.mu
	c.done = make(chan struct{})
	go c.run()
}

// Send sends an item, after all others. It does not wait.
func (c *Client) Send(item string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.items = append(c.items, []byte(item))
	c.changed.Broadcast()
}

// Raw sends bytes ahead of everything that waits, over the link that there is, without
// counting them.
func (c *Client) Raw(message string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.control = append(c.control, []byte(message))
	c.changed.Broadcast()
}

// Cut ends the link as a network does.
func (c *Client) Cut() {
	c.mu.Lock()
	conn := c.conn
	c.mu.Unlock()
	if conn != nil {
		conn.Close(pipe.Reason{Code: pipe.CloseLost})
	}
}

// Close says that the Client will not come back, and ends it.
func (c *Client) Close() {
	c.mu.Lock()
	conn, up := c.conn, c.Upgraded
	c.closed = true
	if conn != nil && !c.NoAck {
		c.control = append(c.control, fmt.Appendf(nil, "[:sente-lite/ack %d]", c.received))
	}
	if conn != nil && !up {
		c.control = append(c.control, []byte("[:chsk/close {:code 1000}]"))
	}
	c.changed.Broadcast()
	for conn != nil && (len(c.control) > 0 || c.writing) && c.conn == conn {
		c.changed.Wait()
	}
	c.mu.Unlock()
	if conn != nil {
		conn.Close(pipe.Reason{Code: pipe.CloseNormal})
	}
	<-c.done
}

// Done is closed once the Client has ended, and End says why: nil after Close.
func (c *Client) Done() <-chan struct{} { return c.done }

func (c *Client) End() error {
	<-c.done
	return c.end
}

// UID is what the sidecar calls this peer, "" before its first greeting.
func (c *Client) UID() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.uid
}

// Unacknowledged is how many items the sidecar has not acknowledged.
func (c *Client) Unacknowledged() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.items)
}

// Links is how many links there were, and how long each after the first took from its
// dialling to the first item.
func (c *Client) Links() (int, []time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.links, c.flowed
}

func (c *Client) run() {
	defer close(c.done)
	for {
		c.mu.Lock()
		closed, session, seen := c.closed, c.session, c.received
		c.mu.Unlock()
		if closed {
			return
		}
		began := time.Now()
		conn, err := c.Dial(session, seen)
		if err != nil {
			time.Sleep(time.Millisecond)
			continue
		}
		err = c.link(conn, session, seen, began)
		var why pipe.Closed
		if errors.As(err, &why) && (why.Code == pipe.CloseNormal || why.Code >= 4500) {
			c.end = err
			return
		}
	}
}

// link serves one link to its end, and returns why.
func (c *Client) link(conn pipe.Conn, session string, seen uint64, began time.Time) error {
	defer conn.Close(pipe.Reason{Code: pipe.CloseLost})
	conn.Limit(pipe.Limits{})
	if !c.Upgraded {
		hello := "[:sente-lite/hello {:recover true"
		if session != "" {
			hello += fmt.Sprintf(" :session %q :seen %d", session, seen)
		}
		if c.Credit > 0 {
			hello += fmt.Sprintf(" :credit %d", c.Credit)
		}
		if err := write(conn, [][]byte{[]byte(hello + " " + c.Hello + "}]")}); err != nil {
			return err
		}
	}
	var dead *time.Timer
	if c.Silence > 0 {
		dead = time.AfterFunc(c.Silence, func() { conn.Close(pipe.Reason{Code: pipe.CloseLost}) })
		defer dead.Stop()
	}
	greeted := false
	var writer sync.WaitGroup
	defer writer.Wait()
	defer c.gone(conn)
	for {
		m, err := conn.Read(nil)
		if err != nil {
			return err
		}
		if dead != nil {
			dead.Reset(c.Silence)
		}
		i, err := pipe.Split(m.Data, pipe.Limits{})
		if err != nil {
			return fmt.Errorf("the sidecar sends %q: %w", m.Data, err)
		}
		if !greeted {
			if greeted, err = c.greeting(conn, i, m.Data); err != nil {
				return err
			}
			if greeted {
				writer.Go(func() { c.write(conn) })
			}
			continue
		}
		each(i, m.Data, func(i pipe.Item, b []byte) {
			if err == nil {
				err = c.item(conn, i, b, began)
			}
			began = time.Time{}
		})
		if err != nil {
			return err
		}
	}
}

func (c *Client) gone(conn pipe.Conn) {
	conn.Close(pipe.Reason{Code: pipe.CloseLost})
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conn, c.control, c.used = nil, nil, 0
	if c.owed != nil {
		c.owed.Stop()
		c.owed = nil
	}
	c.changed.Broadcast()
}

// each takes a bundle apart.
func each(i pipe.Item, b []byte, f func(pipe.Item, []byte)) {
	if i.Shape != pipe.ShapeBundle {
		f(i, b)
		return
	}
	for e := pipe.Elements(i.Body); ; {
		v, ok := e.Next()
		if !ok {
			return
		}
		one, _ := pipe.SplitValue(v)
		f(one, v)
	}
}

// greeting takes a link's first value.
func (c *Client) greeting(conn pipe.Conn, i pipe.Item, b []byte) (bool, error) {
	data := i.Body
	switch string(i.Name) {
	case "chsk/handshake":
		e := pipe.Elements(i.Body)
		e.Next()
		e.Next()
		data, _ = e.Next()
	case "sente-lite/ready":
	case "chsk/close":
		return false, closedBy(i)
	default:
		return false, fmt.Errorf("the sidecar greets by %s", b)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	text := func(key string) string {
		v, _ := pipe.Lookup(data, key)
		s, _ := pipe.Unquote(v)
		return s
	}
	number := func(key string) int {
		v, _ := pipe.Lookup(data, key)
		n, _ := strconv.Atoi(string(v))
		return n
	}
	back, _ := pipe.Lookup(data, ":recovered?")
	c.written = 0
	if seen := uint64(number(":seen")); string(back) == "true" {
		if text(":session") != c.session {
			return false, fmt.Errorf("another session than the one that was resumed: %s", b)
		}
		if err := c.drop(seen); err != nil {
			return false, err
		}
	} else {
		if c.session != "" && c.Lost != nil {
			c.Lost(b)
		}
		c.dropped, c.received = 0, 0
	}
	c.acked = c.received
	c.session, c.uid = text(":session"), text(":uid")
	c.credit = -1
	if _, ok := pipe.Lookup(data, ":credit"); ok {
		c.credit = number(":credit")
	}
	if c.closed { // while it was being greeted
		conn.Close(pipe.Reason{Code: pipe.CloseNormal})
		return false, pipe.Closed{Reason: pipe.Reason{Code: pipe.CloseNormal}}
	}
	c.conn = conn
	c.links++
	c.changed.Broadcast()
	return true, nil
}

func closedBy(i pipe.Item) error {
	v, _ := pipe.Lookup(i.Body, ":code")
	code, _ := strconv.Atoi(string(v))
	text, _ := pipe.Lookup(i.Body, ":reason")
	return pipe.Closed{Reason: pipe.Reason{Code: uint16(code), Text: string(text)}, Remote: true}
}

// drop forgets what the sidecar has. The lock is held.
func (c *Client) drop(n uint64) error {
	if n < c.dropped || n > c.dropped+uint64(len(c.items)) {
		return fmt.Errorf("the sidecar has %d items; %d were acknowledged, %d wait", n, c.dropped, len(c.items))
	}
	k := int(n - c.dropped)
	c.items = c.items[k:]
	c.written = max(0, c.written-k)
	c.dropped = n
	c.changed.Broadcast()
	return nil
}

var (
	ping = []byte("[:chsk/ws-ping]")
	pong = []byte("[:chsk/ws-pong]")
)

// item takes one item in.
func (c *Client) item(conn pipe.Conn, i pipe.Item, b []byte, began time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch string(i.Name) {
	case "chsk/ws-ping":
		c.control = append(c.control, pong)
		c.changed.Broadcast()
		return nil
	case "chsk/ws-pong":
		return nil
	case "chsk/close":
		return closedBy(i)
	case "sente-lite/ack":
		n, err := strconv.ParseUint(string(i.Body), 10, 64)
		if err != nil {
			return err
		}
		return c.drop(n)
	case "sente-lite/credit":
		n, _ := strconv.Atoi(string(i.Body))
		if c.credit < 0 || n < 1 {
			return fmt.Errorf("credit that was not asked for: %s", b)
		}
		c.credit += n
		c.changed.Broadcast()
		return nil
	}
	if !began.IsZero() && c.links > 1 {
		c.flowed = append(c.flowed, time.Since(began))
	}
	c.received++
	if c.Credit > 0 && costs(i) {
		if c.used++; c.used >= (c.Credit+1)/2 {
			c.control = append(c.control, fmt.Appendf(nil, "[:sente-lite/credit %d]", c.used))
			c.used = 0
			c.changed.Broadcast()
		}
	}
	c.oweAck(conn)
	if c.Handle != nil {
		c.mu.Unlock()
		c.Handle(i, b)
		c.mu.Lock()
	}
	return nil
}

// costs reports whether an item costs credit.
func costs(i pipe.Item) bool {
	if i.Shape == pipe.ShapeReply || bytes.HasPrefix(i.Name, []byte("chsk/")) {
		return false
	}
	switch string(i.Name) {
	case "sente-lite/error", "sente-lite/open", "sente-lite/close", "sente-lite/reconnect":
		return false
	}
	return true
}

// write writes to a link until that ends.
func (c *Client) write(conn pipe.Conn) {
	if c.Silence > 0 { // whoever has nothing to say asks whether the other side is there
		stop := make(chan struct{})
		defer close(stop)
		go func() {
			for t := time.NewTicker(c.Silence / 3); ; {
				select {
				case <-t.C:
					c.Raw(string(ping))
				case <-stop:
					t.Stop()
					return
				}
			}
		}()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	defer c.changed.Broadcast()
	for c.conn == conn {
		batch := c.control
		c.control = nil
		var items [][]byte
		for c.written < len(c.items) && len(items) < 100 {
			it := c.items[c.written]
			if i, err := pipe.SplitValue(it); err == nil && costs(i) {
				if c.credit == 0 {
					break
				}
				c.credit = max(-1, c.credit-1)
			}
			items = append(items, it)
			c.written++
		}
		if c.Bundle && len(items) > 1 {
			bundle := append([]byte("[:batch/events ["), bytes.Join(items, []byte(" "))...)
			items = [][]byte{append(bundle, "]]"...)}
		}
		if batch = append(batch, items...); len(batch) == 0 {
			c.changed.Broadcast() // Close waits for that
			c.changed.Wait()
			continue
		}
		c.writing = true
		c.mu.Unlock()
		err := write(conn, batch)
		c.mu.Lock()
		c.writing = false
		if err != nil {
			conn.Close(pipe.Reason{Code: pipe.CloseLost})
			return
		}
	}
}

func write(conn pipe.Conn, all [][]byte) error {
	ms := make([]pipe.Message, len(all))
	for n, b := range all {
		ms[n] = pipe.Message{Data: b, Text: true}
	}
	flushed, err := conn.Write(ms)
	if err == nil && !flushed {
		err = conn.Flush()
	}
	return err
}
