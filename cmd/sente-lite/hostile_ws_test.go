//go:build unix

package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// A webSocket is a client of bare bytes: it can do what no library would.
type webSocket struct{ *client }

// upgrade asks for a WebSocket. It is nil where the answer is no.
func upgrade(t *testing.T, addr, path string, headers map[string]string) (*webSocket, *http.Response) {
	t.Helper()
	return upgradeOn(connect(t, addr), addr, path, headers)
}

func upgradeOn(c *client, addr, path string, headers map[string]string) (*webSocket, *http.Response) {
	t := c.t
	t.Helper()
	var b bytes.Buffer
	all := map[string]string{
		"Host": strings.TrimPrefix(addr, "http://"), "Connection": "Upgrade", "Upgrade": "websocket",
		"Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
	}
	for k, v := range headers {
		all[k] = v
	}
	fmt.Fprintf(&b, "GET %s HTTP/1.1\r\n", path)
	for k, v := range all {
		if v != "" {
			fmt.Fprintf(&b, "%s: %s\r\n", k, v)
		}
	}
	b.WriteString("\r\n")
	c.write(b.Bytes())
	c.SetReadDeadline(time.Now().Add(patience))
	res, err := http.ReadResponse(c.lines, nil)
	if err != nil {
		t.Fatalf("reading the answer to an upgrade: %v", err)
	}
	if res.StatusCode != http.StatusSwitchingProtocols {
		body, _ := io.ReadAll(io.LimitReader(res.Body, 4096)) // what there is of it
		res.Body = io.NopCloser(bytes.NewReader(body))
		c.Close()
		return nil, res
	}
	return &webSocket{c}, res
}

const (
	opText   = 1
	opBinary = 2
	opClose  = 8
	opPing   = 9
	opPong   = 10
)

// frame makes a masked frame; its mask is zero.
func frame(op byte, fin bool, payload []byte) []byte {
	b := []byte{op, 0x80}
	if fin {
		b[0] |= 0x80
	}
	switch n := len(payload); {
	case n < 126:
		b[1] |= byte(n)
	case n < 1<<16:
		b[1] |= 126
		b = binary.BigEndian.AppendUint16(b, uint16(n))
	default:
		b[1] |= 127
		b = binary.BigEndian.AppendUint64(b, uint64(n))
	}
	return append(append(b, 0, 0, 0, 0), payload...)
}

func (w *webSocket) say(format string, args ...any) {
	w.t.Helper()
	w.write(frame(opText, true, fmt.Appendf(nil, format, args...)))
}

// next returns the next frame, whatever it is.
func (w *webSocket) next() (op byte, payload []byte, err error) {
	w.SetReadDeadline(time.Now().Add(patience))
	var head [2]byte
	if _, err := io.ReadFull(w.lines, head[:]); err != nil {
		return 0, nil, err
	}
	n := uint64(head[1] & 0x7f)
	var long [8]byte
	switch n {
	case 126:
		_, err = io.ReadFull(w.lines, long[6:])
	case 127:
		_, err = io.ReadFull(w.lines, long[:])
	}
	if n >= 126 {
		n = binary.BigEndian.Uint64(long[:])
	}
	if err != nil {
		return 0, nil, err
	}
	payload = make([]byte, n)
	_, err = io.ReadFull(w.lines, payload)
	return head[0] & 0x0f, payload, err
}

// hear reads messages up to one that has want in it.
func (w *webSocket) hear(want string) string {
	w.t.Helper()
	var last string
	for {
		op, payload, err := w.next()
		if err != nil || op == opClose {
			w.t.Fatalf("waiting for %q: %v, close frame %q; last came %.300q", want, err, payload, last)
		}
		if last = string(payload); strings.Contains(last, want) {
			return last
		}
		if last == "[:chsk/ws-ping]" {
			w.Write(frame(opText, true, []byte("[:chsk/ws-pong]"))) // the next read tells
		}
	}
}

// closed reads on to the close frame; without one the code is 1006.
func (w *webSocket) closed() (code int, reason string) {
	w.t.Helper()
	for {
		op, payload, err := w.next()
		switch {
		case err != nil:
			return 1006, err.Error()
		case op == opClose && len(payload) < 2:
			return 1005, ""
		case op == opClose:
			return int(binary.BigEndian.Uint16(payload)), string(payload[2:])
		}
	}
}

// beginStderr starts the program with a stderr that nobody reads.
func beginStderr(t *testing.T, args ...string) *process {
	t.Helper()
	r, w := pipePair(t)
	t.Cleanup(func() { r.Close() })
	defer w.Close()
	return beginIn(t, shortDir(t), func(c *exec.Cmd) { c.Stderr = w }, args...)
}
