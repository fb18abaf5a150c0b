package main

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/sente-lite/sente-lite/pipe"
	"github.com/sente-lite/sente-lite/pipe/transport"
)

// A visitor is a peer of a running sidecar, as the commands that talk to one
// are. It is not the handler: what it gets without having asked goes to Event.
// One goroutine reads; close ends it and waits for it.
type visitor struct {
	address string // as it was given
	ready   []byte // the map of :sente-lite/ready, or of the handshake

	// event takes what comes and is no answer, in the reading goroutine. The
	// bytes are lent for the call. Nil drops it.
	event func(pipe.Item)

	conn  pipe.Conn
	write sync.Mutex // one writes at a time

	mu      sync.Mutex
	asked   int
	waiting map[string]chan []byte // by the cb's text; each has room for its answer
	why     error                  // of the end

	ended chan struct{} // closed when reading has ended
}

// dialTime bounds the way to the greeting, and answers of the sidecar's own. Tests
// have less.
var dialTime = 10 * time.Second

// dial connects to an address and waits for the greeting. event is the visitor's.
func dial(ctx context.Context, address, token string, event func(pipe.Item)) (*visitor, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	target, socket, err := clientURL(address)
	if err != nil {
		return nil, err
	}
	var o transport.DialOptions
	switch {
	case !socket || token == "":
	case strings.IndexFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) < 0:
		o.Header = http.Header{"Authorization": {"Bearer " + token}}
	default: // no text for a header
		o.Protocols = []string{"sente-lite", "sente-lite.token." + base64.RawURLEncoding.EncodeToString([]byte(token))}
	}
	conn, err := transport.Dial(ctx, target, o)
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return nil, errInterrupted
	case err != nil:
		return nil, unreachable(address, err)
	}
	c := &visitor{address: address, conn: conn, event: event, waiting: map[string]chan []byte{}, ended: make(chan struct{})}
	stop := context.AfterFunc(ctx, func() { conn.Close(pipe.Reason{Code: pipe.CloseNormal}) })
	err = c.greet(socket, token)
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		conn.Close(pipe.Reason{Code: pipe.CloseNormal})
		for bad := (*pipe.Error)(nil); ; { // to its end, which is near
			if _, err := conn.Read(nil); err != nil && !errors.As(err, &bad) {
				break
			}
		}
		switch {
		case errors.Is(ctx.Err(), context.DeadlineExceeded):
			err = fmt.Errorf("no greeting within %v", dialTime)
		case ctx.Err() != nil:
			return nil, errInterrupted
		}
		return nil, refused(address, token, err)
	}
	go c.read()
	return c, nil
}

// clientURL returns what to dial for an address, and whether that is a
// WebSocket's.
func clientURL(address string) (target string, socket bool, err error) {
	bad := func(format string, args ...any) (string, bool, error) {
		return "", false, usageError{&pipe.Error{Category: pipe.Incorrect, Code: "bad-address", Msg: fmt.Sprintf(format, args...),
			Hint: "expected unix:/path/x.sock, tcp://host:port, http://host:port or ws://host:port/ws"}}
	}
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		if strings.TrimPrefix(path, "//") == "" {
			return bad("an address unix: without a path")
		}
		return address, false, nil
	}
	u, err := url.Parse(address)
	if err != nil || u.Scheme == "" || u.Opaque != "" {
		return bad("%s is no address of a sidecar", quoted(withoutQuery(address)))
	}
	query := u.Query()
	query.Del("v")
	switch {
	case u.User != nil || len(query) > 0 || u.Fragment != "":
		return "", false, usageError{&pipe.Error{Category: pipe.Incorrect, Code: "bad-address",
			Msg:  "the address " + quoted(u.Scheme+"://"+u.Host+u.Path) + " has more than a host and a path",
			Hint: "a token does not belong in a URL: set SENTE_LITE_TOKEN, or give --token-file FILE"}}
	case u.Host == "":
		return bad("%s has no host", quoted(address))
	}
	switch u.Scheme {
	case "tcp":
		if u.Port() == "" || strings.Trim(u.Path, "/") != "" {
			return bad("%s is not tcp://host:port", quoted(address))
		}
		return address, false, nil
	case "http", "ws":
		u.Scheme = "ws"
	case "https", "wss":
		u.Scheme = "wss"
	default:
		if near := pipe.Nearest(u.Scheme, []string{"unix", "tcp", "http", "ws"}); near != "" {
			return bad("unknown scheme %s:, did you mean %s:?", u.Scheme, near)
		}
		return bad("unknown scheme %s:", u.Scheme)
	}
	if !strings.HasSuffix(u.Path, "/ws") {
		u.Path = strings.TrimRight(u.Path, "/") + "/ws"
	}
	u.RawQuery = "v=1"
	return u.String(), true, nil
}

func withoutQuery(address string) string {
	address, _, _ = strings.Cut(address, "?")
	if _, rest, ok := strings.Cut(address, "@"); ok {
		return "…@" + rest
	}
	return address
}

func quoted(s string) string { return string(pipe.AppendString(nil, s)) }

// greet says hello, where the transport has not, and takes the answer.
func (c *visitor) greet(socket bool, token string) error {
	if !socket {
		hello := []byte("[:sente-lite/hello {}]")
		if token != "" {
			hello = append(pipe.AppendString([]byte("[:sente-lite/hello {:auth "), token), "}]"...)
		}
		if err := c.say(hello); err != nil {
			return err
		}
	}
	for {
		m, err := c.conn.Read(nil)
		var i pipe.Item
		if err == nil {
			i, err = pipe.Split(m.Data, clientLimits)
		}
		if bad := (*pipe.Error)(nil); errors.As(err, &bad) {
			return errors.New(bad.Msg) // ours, of what it has said
		}
		if err != nil {
			return err
		}
		switch string(i.Name) {
		case "sente-lite/ready":
			c.ready = append([]byte{}, i.Body...)
			return nil
		case "chsk/handshake":
			for n, e := 0, pipe.Elements(i.Body); ; n++ {
				v, ok := e.Next()
				if !ok {
					return errors.New("the handshake has no data")
				}
				if n == 2 {
					c.ready = append([]byte{}, v...)
					return nil
				}
			}
		case "sente-lite/error":
			return errorOf(i.Body)
		case "chsk/close":
			return closeOf(i.Body)
		}
	}
}

// What comes may be nested a little deeper than what the sidecar takes: its
// wrappers are around it.
var clientLimits = pipe.Limits{Bytes: 1 << 30, Depth: 20_000}

// read takes what comes until the link ends.
func (c *visitor) read() {
	defer close(c.ended)
	c.conn.Limit(clientLimits)
	var why error
	for {
		m, err := c.conn.Read(nil)
		if bad := (*pipe.Error)(nil); errors.As(err, &bad) {
			continue // one message that could not be read
		}
		if err != nil {
			why = cmp.Or(why, err)
			break
		}
		if i, err := pipe.Split(m.Data, clientLimits); err == nil && why == nil {
			if why = c.take(i); why != nil {
				c.conn.Close(pipe.Reason{Code: pipe.CloseNormal}) // and read to its end
			}
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.why = why
	for _, answer := range c.waiting {
		close(answer)
	}
	c.waiting = nil
}

// take handles one message. An error ends the link.
func (c *visitor) take(i pipe.Item) error {
	switch {
	case i.Shape == pipe.ShapeReply:
		c.mu.Lock()
		defer c.mu.Unlock()
		if answer := c.waiting[string(i.Call)]; answer != nil {
			delete(c.waiting, string(i.Call))
			answer <- append([]byte{}, i.Body...)
		}
	case string(i.Name) == "chsk/ws-ping":
		// Both sides read all the time, so this cannot wait for ever; and a link
		// on which it fails is one that has ended.
		return c.say([]byte("[:chsk/ws-pong]"))
	case string(i.Name) == "chsk/close":
		return closeOf(i.Body)
	case i.Shape == pipe.ShapeCall:
		e := pipe.Error{Category: pipe.Unsupported, Code: "cannot-answer", Event: string(i.Name), Msg: "this peer is a command line, which answers nothing"}
		return c.say(append(e.AppendEDN(append(append([]byte("[:chsk/reply "), i.Call...), ' ')), ']'))
	case c.event != nil:
		c.event(i)
	}
	return nil
}

// say writes one message.
func (c *visitor) say(text []byte) error {
	c.write.Lock()
	defer c.write.Unlock()
	done, err := c.conn.Write([]pipe.Message{{Data: text, Text: true}})
	if err == nil && !done {
		err = c.conn.Flush()
	}
	return err
}

// ask makes a call of an event's text and waits for its value. A value that is
// an error is returned as one.
func (c *visitor) ask(ctx context.Context, event []byte) ([]byte, error) {
	answer := make(chan []byte, 1)
	c.mu.Lock()
	if c.waiting == nil {
		c.mu.Unlock()
		return nil, c.end()
	}
	c.asked++
	cb := fmt.Sprintf(`"c%d"`, c.asked)
	c.waiting[cb] = answer
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		delete(c.waiting, cb)
		c.mu.Unlock()
	}()
	if err := c.say(fmt.Appendf(nil, "[%s %s]", event, cb)); err != nil {
		return nil, c.lost(err)
	}
	select {
	case v, ok := <-answer:
		if !ok {
			return nil, c.end()
		}
		return v, failure(v)
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return nil, errTimeout
		}
		return nil, errInterrupted
	}
}

var (
	errTimeout = &pipe.Error{Category: pipe.Unavailable, Code: "timeout", Retry: true, Msg: "no reply came in time",
		Hint: "give it longer with --timeout, or see what the handler does: sente-lite tail"}
	errInterrupted = &pipe.Error{Category: pipe.Interrupted, Code: "interrupted", Msg: "ended by a signal before the answer came"}
)

// end says why the link has ended.
func (c *visitor) end() error {
	<-c.ended
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lost(c.why)
}

func (c *visitor) lost(err error) error {
	if bad := (*pipe.Error)(nil); errors.As(err, &bad) {
		return bad
	}
	return &pipe.Error{Category: pipe.Interrupted, Code: "connection-lost", Retry: true,
		Msg:  "the link to " + c.address + " has ended: " + plainly(err),
		Hint: `"sente-lite doctor" looks for running sidecars`}
}

// leaveTime is how long leave waits for a stdout that takes nothing.
const leaveTime = time.Second

// leave is close for a visitor that prints what comes: its stdout may be a pipe
// that nobody reads, and the reading goroutine stuck there. Then that is left
// behind, as the process ends now. It returns what printing has failed with.
func (c *visitor) leave(failed *error) error {
	c.conn.Close(pipe.Reason{Code: pipe.CloseNormal})
	late := time.NewTimer(leaveTime)
	defer late.Stop()
	select {
	case <-c.ended:
		return *failed
	case <-late.C:
		return nil
	}
}

// close ends the link.
func (c *visitor) close() {
	c.conn.Close(pipe.Reason{Code: pipe.CloseNormal})
	<-c.ended
}
