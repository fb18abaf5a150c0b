package transport

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gobwas/ws"

	"github.com/sente-lite/sente-lite/pipe"
)

// Subprotocol is the one that Upgrade selects. Others that a client offers with
// it, such as the one that carries its token, are never echoed.
const Subprotocol = "sente-lite"

// handshakeTimeout bounds the writing of the answer to an upgrade.
const handshakeTimeout = 10 * time.Second

// UpgradeOptions say who has come, and how to serve it.
type UpgradeOptions struct {
	Options
	// Info is what the caller knows of the peer. Upgrade sets Transport,
	// Heartbeat and, if empty, Remote.
	Info pipe.ConnInfo
	// Header is added to the answer: a cookie, for instance.
	Header http.Header
}

// Upgrade turns a request into a Conn and takes its connection over. The caller
// has decided by then whether the peer may come in: see CheckUpgrade. After an
// error the request has been answered.
//
// A Conn writes without waiting, and idles without a buffer, if the server's
// connections are *net.TCPConn or *net.UnixConn, or else give their descriptor as
// a syscall.Conn; over TLS, and what wraps a net.Conn, it works but costs more.
func Upgrade(w http.ResponseWriter, r *http.Request, o UpgradeOptions) (pipe.Conn, error) {
	if status, err := CheckUpgrade(r); err != nil {
		if status == http.StatusUpgradeRequired {
			w.Header().Set("Sec-WebSocket-Version", "13")
		}
		http.Error(w, err.Error(), status)
		return nil, err
	}
	up := ws.HTTPUpgrader{
		Timeout:  handshakeTimeout,
		Header:   o.Header,
		Protocol: func(p string) bool { return p == Subprotocol },
	}
	nc, rw, _, err := up.Upgrade(r, w)
	if err != nil {
		if nc != nil {
			_ = nc.Close() // the answer, if there was one, is written
		}
		return nil, fmt.Errorf("transport: upgrade: %w", err)
	}
	info := o.Info
	if info.Remote == "" {
		info.Remote = r.RemoteAddr
	}
	return newWS(nc, rw.Reader, false, info, o.Options), nil
}

// CheckUpgrade says why a request is no WebSocket handshake, and which status
// answers it: 400, 405 or 426.
func CheckUpgrade(r *http.Request) (status int, err error) {
	switch h := r.Header; {
	case !hasToken(h, "Connection", "upgrade") || !hasToken(h, "Upgrade", "websocket"):
		return http.StatusUpgradeRequired, fmt.Errorf("transport: not a WebSocket handshake: expected the headers Connection: Upgrade and Upgrade: websocket")
	case r.Method != http.MethodGet:
		return http.StatusMethodNotAllowed, fmt.Errorf("transport: a WebSocket handshake is a GET, not a %s", r.Method)
	case r.ProtoMajor != 1 || r.ProtoMinor < 1:
		return http.StatusBadRequest, fmt.Errorf("transport: a WebSocket handshake needs HTTP/1.1, not %s", r.Proto)
	case h.Get("Sec-WebSocket-Version") != "13":
		return http.StatusUpgradeRequired, fmt.Errorf("transport: WebSocket version %q; only 13 is spoken", h.Get("Sec-WebSocket-Version"))
	case len(h.Get("Sec-WebSocket-Key")) != 24:
		return http.StatusBadRequest, fmt.Errorf("transport: Sec-WebSocket-Key is missing or not 16 bytes in base64")
	}
	return 0, nil
}

// hasToken looks for a token in a header that is a list.
func hasToken(h http.Header, name, token string) bool {
	for _, line := range h.Values(name) {
		for t := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.TrimSpace(t), token) {
				return true
			}
		}
	}
	return false
}

// newWS takes over nc and what br has read ahead from it.
func newWS(nc net.Conn, br *bufio.Reader, client bool, info pipe.ConnInfo, o Options) *conn {
	info.Transport, info.Heartbeat = "ws", true
	codec := &wsCodec{client: client}
	c := newConn(newLink(nc), codec, info, o)
	codec.answer = c.answer
	if br != nil && br.Buffered() > 0 {
		ahead, _ := br.Peek(br.Buffered()) // never fails for what is buffered
		c.in.b = takeBuffer(len(ahead))
		c.in.hi = copy(c.in.b, ahead)
	}
	return c
}

// dialWS is Dial for ws: and wss:.
func dialWS(ctx context.Context, u *url.URL, o DialOptions) (pipe.Conn, error) {
	d := ws.Dialer{Protocols: o.Protocols, TLSConfig: o.TLS, Timeout: handshakeTimeout}
	if o.Header != nil {
		d.Header = ws.HandshakeHeaderHTTP(o.Header)
	}
	var status string
	d.OnStatusError = func(_ int, _ []byte, resp io.Reader) {
		// Only a hint for the message, and no more than the line that is there:
		// the connection is kept open behind the answer.
		status, _ = bufio.NewReaderSize(io.LimitReader(resp, 512), 512).ReadString('\n')
	}
	nc, br, _, err := d.Dial(ctx, u.String())
	if err != nil {
		if status = strings.TrimSpace(status); status != "" {
			return nil, fmt.Errorf("transport: dialing %s: %w: the server answered %q", bare(u), err, status)
		}
		return nil, fmt.Errorf("transport: dialing %s: %w", bare(u), err)
	}
	c := newWS(nc, br, true, pipe.ConnInfo{Remote: bare(u)}, o.Options)
	if br != nil {
		ws.PutReader(br)
	}
	return c, nil
}

// bare is a URL as it may stand in a log: without user, query and fragment.
func bare(u *url.URL) string {
	v := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}
	return v.String()
}
