package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/sente-lite/sente-lite/pipe"
)

// DefaultWriteTimeout is that of a zero Options.
const DefaultWriteTimeout = 10 * time.Second

// defaultCloseWait bounds what follows a Close: the time the other side has to
// take the last frame and to answer it.
const defaultCloseWait = time.Second

// Options are common to all transports. The zero value works.
type Options struct {
	Limits pipe.Limits

	// WriteTimeout is how long Flush waits while the other side takes nothing,
	// 0 for DefaultWriteTimeout.
	WriteTimeout time.Duration

	// Budget, if set, is charged for a message that is partly there and larger
	// than about 64 KiB. If it has no more, Read returns a *pipe.Error of
	// category busy, and the Conn is closed with 4001.
	Budget pipe.Budget

	closeWait time.Duration // 0 for defaultCloseWait
}

// DialOptions say how to speak to the side that is dialled.
type DialOptions struct {
	Options

	// Text makes unix: and tcp: speak EDN text. They speak frames otherwise.
	Text bool

	// For ws: and wss: only.
	Header    http.Header // of the handshake
	Protocols []string    // offered, the favourite first
	TLS       *tls.Config // for wss:, nil for the system's roots
}

// Listen listens on unix:/path/x.sock or tcp://host:port, where port 0 is one
// that is free. ctx bounds the call, not the Listener. Conns speak whatever their
// first byte says.
func Listen(ctx context.Context, addr string, o Options) (pipe.Listener, error) {
	u, path, err := parseAddr(addr)
	if err != nil {
		return nil, err
	}
	switch u.Scheme {
	case "unix":
		return listenUnix(ctx, path, o)
	case "tcp":
		var lc net.ListenConfig
		l, err := lc.Listen(ctx, "tcp", u.Host)
		if err != nil {
			return nil, fmt.Errorf("transport: listening on %s: %w", addr, err)
		}
		return newListener(l, "tcp://"+l.Addr().String(), o), nil
	}
	return nil, fmt.Errorf("transport: cannot listen on %s: expected unix:/path or tcp://host:port", bare(u))
}

// Dial connects to unix:/path/x.sock, tcp://host:port, ws://… or wss://…. ctx
// bounds the call, not the Conn.
func Dial(ctx context.Context, addr string, o DialOptions) (pipe.Conn, error) {
	u, path, err := parseAddr(addr)
	if err != nil {
		return nil, err
	}
	network, address := u.Scheme, u.Host
	switch u.Scheme {
	case "ws", "wss":
		return dialWS(ctx, u, o)
	case "unix":
		address = path
	case "tcp":
	default:
		return nil, fmt.Errorf("transport: cannot dial %s: expected unix:/path, tcp://host:port, ws://… or wss://…", bare(u))
	}
	var d net.Dialer
	nc, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, fmt.Errorf("transport: dialing %s: %w", bare(u), err)
	}
	info := pipe.ConnInfo{Transport: network, Remote: addr, Heartbeat: network == "tcp"}
	identify(nc, &info)
	info.Stranger = false // it is we who have come
	codec := newFrames
	if o.Text {
		codec = newText
	}
	return newConn(newLink(nc), codec(o.Limits), info, o.Options), nil
}

// parseAddr parses an address, of which a path is all that follows unix:.
func parseAddr(addr string) (u *url.URL, path string, err error) {
	if path, ok := strings.CutPrefix(addr, "unix:"); ok {
		if rest, ok := strings.CutPrefix(path, "//"); ok {
			path = rest
		}
		if path == "" {
			return nil, "", errors.New("transport: address unix: has no path: expected unix:/path/to.sock")
		}
		return &url.URL{Scheme: "unix", Path: path}, path, nil
	}
	u, err = url.Parse(addr)
	if err != nil {
		var ue *url.Error
		if errors.As(err, &ue) {
			err = ue.Err // the rest repeats the address, and with it what may be secret
		}
		return nil, "", fmt.Errorf("transport: an address is no URL: %w", err)
	}
	return u, "", nil
}
