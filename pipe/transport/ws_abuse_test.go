package transport

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/sente-lite/sente-lite/pipe"
	"github.com/sente-lite/sente-lite/pipe/pipetest"
)

// rawFrame is a frame as a test wants it, masked unless it says otherwise.
type rawFrame struct {
	first    byte // FIN, RSV and opcode
	payload  string
	unmasked bool
	length   []byte // instead of the right one: the second byte and what follows
}

func (f rawFrame) append(b []byte) []byte {
	if f.length != nil {
		return append(append(b, f.first), f.length...)
	}
	b = appendFrame(b, ws.OpText, []byte(f.payload), !f.unmasked)
	n := len(f.payload) + 2
	if !f.unmasked {
		n += 4
	}
	if len(f.payload) > 125 {
		n += 2
	}
	b[len(b)-n] = f.first
	return b
}

// What a server's Conn makes of frames that it did not expect, or should
// understand though they are odd.
func TestWebSocketFrames(t *testing.T) {
	long := strings.Repeat("x", 130)
	text := func(s string) []string { return []string{"text " + s} }
	for _, c := range []struct {
		name   string
		frames []rawFrame
		want   []string // messages, then nothing
		errs   string   // the last thing that Read says
		code   uint16   // in our close frame
		pongs  []string
	}{
		{name: "text", frames: []rawFrame{{first: 0x81, payload: "[:a/b]"}}, want: text("[:a/b]")},
		{name: "binary", frames: []rawFrame{{first: 0x82, payload: "\x00\xff"}}, want: []string{"binary \x00\xff"}},
		{name: "empty", frames: []rawFrame{{first: 0x81}}, want: text("")},
		{name: "not minimal length", frames: []rawFrame{{first: 0x81, length: []byte{0x80 | 126, 0, 1, 0, 0, 0, 0, 'x'}}}, want: text("x")},
		{name: "fragments", frames: []rawFrame{{first: 0x01, payload: "a"}, {first: 0x00, payload: "b"}, {first: 0x80, payload: "c"}}, want: text("abc")},
		{name: "empty fragments", frames: []rawFrame{{first: 0x01}, {first: 0x00}, {first: 0x80}}, want: text("")},
		{name: "fragments of 130", frames: []rawFrame{{first: 0x02, payload: long}, {first: 0x00, payload: long}, {first: 0x80, payload: "."}},
			want: []string{"binary " + long + long + "."}},
		{name: "ping inside fragments", frames: []rawFrame{{first: 0x01, payload: "a"}, {first: 0x89, payload: "p"}, {first: 0x8a, payload: "q"}, {first: 0x80, payload: "b"}},
			want: text("ab"), pongs: []string{"p"}},
		{name: "character over fragments", frames: []rawFrame{{first: 0x01, payload: "\xc3"}, {first: 0x80, payload: "\xa9"}}, want: text("é")},
		{name: "ping of 125", frames: []rawFrame{{first: 0x89, payload: long[:125]}}, pongs: []string{long[:125]}},
		{name: "pong of its own", frames: []rawFrame{{first: 0x8a, payload: "x"}, {first: 0x81, payload: "y"}}, want: text("y")},

		{name: "unmasked", frames: []rawFrame{{first: 0x81, payload: "x", unmasked: true}}, errs: "not masked", code: 1002},
		{name: "RSV1", frames: []rawFrame{{first: 0xc1, payload: "x"}}, errs: "reserved bits", code: 1002},
		{name: "RSV2", frames: []rawFrame{{first: 0xa1, payload: "x"}}, errs: "reserved bits", code: 1002},
		{name: "RSV3", frames: []rawFrame{{first: 0x91, payload: "x"}}, errs: "reserved bits", code: 1002},
		{name: "RSV1 on a ping", frames: []rawFrame{{first: 0xc9}}, errs: "reserved bits", code: 1002},
		{name: "opcode 3", frames: []rawFrame{{first: 0x83, payload: "x"}}, errs: "reserved opcode", code: 1002},
		{name: "opcode 7", frames: []rawFrame{{first: 0x87}}, errs: "reserved opcode", code: 1002},
		{name: "opcode 11", frames: []rawFrame{{first: 0x8b}}, errs: "reserved opcode", code: 1002},
		{name: "opcode 15", frames: []rawFrame{{first: 0x8f}}, errs: "reserved opcode", code: 1002},
		{name: "fragmented ping", frames: []rawFrame{{first: 0x09}}, errs: "control frame is fragmented", code: 1002},
		{name: "fragmented close", frames: []rawFrame{{first: 0x08}}, errs: "control frame is fragmented", code: 1002},
		{name: "ping of 126", frames: []rawFrame{{first: 0x89, payload: long[:126]}}, errs: "longer than 125", code: 1002},
		{name: "continuation of nothing", frames: []rawFrame{{first: 0x80, payload: "x"}}, errs: "continuation of nothing", code: 1002},
		{name: "continuation after a whole message", frames: []rawFrame{{first: 0x81, payload: "x"}, {first: 0x00, payload: "y"}}, want: text("x"), errs: "continuation of nothing", code: 1002},
		{name: "message inside a message", frames: []rawFrame{{first: 0x01, payload: "x"}, {first: 0x81, payload: "y"}}, errs: "before the last one was complete", code: 1002},
		{name: "highest bit of a length", frames: []rawFrame{{first: 0x82, length: []byte{0xff, 0x80, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0}}}, errs: "highest bit", code: 1002},
		{name: "exabytes", frames: []rawFrame{{first: 0x82, length: []byte{0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0}}}, errs: "at most 1000", code: 4507},
		{name: "over the limit", frames: []rawFrame{{first: 0x82, length: []byte{0x80 | 126, 3, 0xe9, 0, 0, 0, 0}}}, errs: "1001 bytes; at most 1000", code: 4507},
		{name: "over the limit in fragments", frames: []rawFrame{{first: 0x02, payload: long}, {first: 0x80, length: []byte{0x80 | 126, 3, 0xe8, 0, 0, 0, 0}}}, errs: "1130 bytes; at most 1000", code: 4507},
		{name: "not UTF-8", frames: []rawFrame{{first: 0x81, payload: "a\xff"}}, errs: "not UTF-8", code: 1007},
		{name: "half a character", frames: []rawFrame{{first: 0x81, payload: "a\xc3"}}, errs: "not UTF-8", code: 1007},
		{name: "a surrogate", frames: []rawFrame{{first: 0x01, payload: "\xed\xa0"}, {first: 0x80, payload: "\x80"}}, errs: "not UTF-8", code: 1007},
		{name: "not UTF-8 in binary", frames: []rawFrame{{first: 0x82, payload: "\xff"}}, want: []string{"binary \xff"}},

		{name: "close", frames: []rawFrame{{first: 0x88, payload: "\x03\xe8bye"}}, errs: "closed by the peer: 1000 bye", code: 1000},
		{name: "close without a code", frames: []rawFrame{{first: 0x88}}, errs: "closed by the peer: 1005", code: 1005},
		{name: "close 4000", frames: []rawFrame{{first: 0x88, payload: "\x0f\xa0"}}, errs: "closed by the peer: 4000", code: 4000},
		{name: "close inside fragments", frames: []rawFrame{{first: 0x01, payload: "a"}, {first: 0x88, payload: "\x03\xe9"}}, errs: "closed by the peer: 1001", code: 1001},
		{name: "nothing counts after close", frames: []rawFrame{{first: 0x88, payload: "\x03\xe8"}, {first: 0x81, payload: "x"}}, errs: "closed by the peer: 1000", code: 1000},
		{name: "close of one byte", frames: []rawFrame{{first: 0x88, payload: "\x03"}}, errs: "close frame of one byte", code: 1002},
		{name: "close 999", frames: []rawFrame{{first: 0x88, payload: "\x03\xe7"}}, errs: "may not be sent", code: 1002},
		{name: "close 1004", frames: []rawFrame{{first: 0x88, payload: "\x03\xec"}}, errs: "may not be sent", code: 1002},
		{name: "close 1005", frames: []rawFrame{{first: 0x88, payload: "\x03\xed"}}, errs: "may not be sent", code: 1002},
		{name: "close 1006", frames: []rawFrame{{first: 0x88, payload: "\x03\xee"}}, errs: "may not be sent", code: 1002},
		{name: "close 1015", frames: []rawFrame{{first: 0x88, payload: "\x03\xf7"}}, errs: "may not be sent", code: 1002},
		{name: "close 2999", frames: []rawFrame{{first: 0x88, payload: "\x0b\xb7"}}, errs: "may not be sent", code: 1002},
		{name: "close 5000", frames: []rawFrame{{first: 0x88, payload: "\x13\x88"}}, errs: "may not be sent", code: 1002},
		{name: "close with a bad reason", frames: []rawFrame{{first: 0x88, payload: "\x03\xe8\xff"}}, errs: "not UTF-8", code: 1002},
	} {
		for _, torn := range []bool{false, true} {
			name := c.name
			if torn {
				name += ", torn"
			}
			t.Run(name, func(t *testing.T) {
				pipetest.NoLeaks(t)
				nc, server := rawWS(t, Options{Limits: pipe.Limits{Bytes: 1000}, closeWait: 5 * time.Second})
				var b []byte
				for _, f := range c.frames {
					b = f.append(b)
				}
				sent := make(chan struct{})
				go func() {
					defer close(sent)
					sendTorn(nc, b, torn)
				}()
				var got []string
				var last error
				done := make(chan struct{})
				go func() {
					defer close(done)
					for {
						m, err := server.Read(nil)
						if err != nil {
							if last == nil {
								last = err
							}
							var pe *pipe.Error
							if errors.As(err, &pe) {
								continue
							}
							return
						}
						kind := "binary "
						if m.Text {
							kind = "text "
						}
						got = append(got, kind+string(m.Data))
					}
				}()
				pongs, code := readAnswers(t, nc, len(c.pongs), c.code)
				<-sent
				nc.Close()
				<-done
				server.Close(pipe.Reason{Code: pipe.CloseNormal})
				if fmt.Sprint(got) != fmt.Sprint(c.want) {
					t.Errorf("messages %q, expected %q", got, c.want)
				}
				if fmt.Sprint(pongs) != fmt.Sprint(c.pongs) {
					t.Errorf("pongs %q, expected %q", pongs, c.pongs)
				}
				if c.errs != "" && (last == nil || !strings.Contains(last.Error(), c.errs)) {
					t.Errorf("Read ends with %v, expected %q", last, c.errs)
				}
				if code != c.code {
					t.Errorf("close code %d, expected %d", code, c.code)
				}
			})
		}
	}
}

func sendTorn(nc net.Conn, b []byte, torn bool) {
	if !torn {
		_, _ = nc.Write(b) // Read tells
		return
	}
	for i := range b {
		if _, err := nc.Write(b[i : i+1]); err != nil {
			return
		}
	}
}

// readFrame reads a frame of a server that this test trusts with its length.
func readFrame(r io.Reader) (f ws.Frame, err error) {
	if f.Header, err = ws.ReadHeader(r); err != nil {
		return f, err
	}
	f.Payload = make([]byte, f.Header.Length)
	_, err = io.ReadFull(r, f.Payload)
	return f, err
}

// readAnswers reads what the server writes: pongs, and a close frame where one
// is expected.
func readAnswers(t *testing.T, nc net.Conn, npongs int, code uint16) (pongs []string, got uint16) {
	t.Helper()
	_ = nc.SetReadDeadline(time.Now().Add(10 * time.Second))
	for len(pongs) < npongs || code != 0 {
		f, err := readFrame(nc)
		if err != nil {
			t.Errorf("no answer: %v", err)
			return pongs, got
		}
		switch f.Header.OpCode {
		case ws.OpPong:
			pongs = append(pongs, string(f.Payload))
		case ws.OpClose:
			if len(f.Payload) == 0 {
				return pongs, pipe.CloseNoStatus
			}
			return pongs, binary.BigEndian.Uint16(f.Payload)
		default:
			t.Errorf("unexpected frame %v", f.Header)
		}
	}
	return pongs, 0
}

// rawWS upgrades by hand, so that a test has the client's socket.
func rawWS(t *testing.T, o Options, header ...string) (net.Conn, pipe.Conn) {
	t.Helper()
	conns := make(chan pipe.Conn, 1)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := Upgrade(w, r, UpgradeOptions{Options: o})
		if err != nil {
			t.Error(err)
		}
		conns <- c
	}))
	t.Cleanup(srv.Close)
	nc, err := net.Dial("tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	res := handshake(t, nc, header...)
	if res.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("status %s", res.Status)
	}
	return nc, <-conns
}

func handshake(t *testing.T, nc net.Conn, header ...string) *http.Response {
	t.Helper()
	req := "GET /ws?client-id=secret HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" + strings.Join(header, "") + "\r\n"
	if _, err := io.WriteString(nc, req); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReaderSize(oneByte{nc}, 16), nil)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// oneByte keeps a buffered reader from reading ahead.
type oneByte struct{ r io.Reader }

func (o oneByte) Read(p []byte) (int, error) { return o.r.Read(p[:1]) }

func TestUpgradeTakesOverWhatWasReadAhead(t *testing.T) {
	pipetest.NoLeaks(t)
	frame := rawFrame{first: 0x81, payload: "[:early/bird]"}.append(nil)
	conns := make(chan pipe.Conn, 1)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := Upgrade(w, r, UpgradeOptions{})
		if err != nil {
			t.Error(err)
		}
		conns <- c
	}))
	defer srv.Close()
	nc, err := net.Dial("tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	var b bytes.Buffer
	b.WriteString("GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	b.Write(frame)
	if _, err := nc.Write(b.Bytes()); err != nil {
		t.Fatal(err)
	}
	early := <-conns
	m, err := early.Read(nil)
	if err != nil || string(m.Data) != "[:early/bird]" {
		t.Errorf("Read = %q, %v", m.Data, err)
	}
	_ = early.Close(pipe.Reason{Code: pipe.CloseLost})
}

func TestUpgradeHeaders(t *testing.T) {
	for _, c := range []struct{ name, offer, want string }{
		{"none", "", ""},
		{"ours", "Sec-WebSocket-Protocol: sente-lite\r\n", "sente-lite"},
		{"ours and a token", "Sec-WebSocket-Protocol: sente-lite.token.abc, sente-lite\r\n", "sente-lite"},
		{"two lines", "Sec-WebSocket-Protocol: sente-lite.token.abc\r\nSec-WebSocket-Protocol: sente-lite\r\n", "sente-lite"},
		{"only a token", "Sec-WebSocket-Protocol: sente-lite.token.abc\r\n", ""},
		{"another", "Sec-WebSocket-Protocol: chat\r\n", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			pipetest.NoLeaks(t)
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				conn, err := Upgrade(w, r, UpgradeOptions{Header: http.Header{"X-Extra": {"1"}}})
				if err != nil {
					t.Error(err)
					return
				}
				if i := conn.Info(); i.Transport != "ws" || !i.Heartbeat || i.TextOnly || strings.Contains(i.Remote, "secret") {
					t.Errorf("Info %+v", i)
				}
				_ = conn.Close(pipe.Reason{Code: pipe.CloseLost})
			}))
			defer srv.Close()
			nc, err := net.Dial("tcp", srv.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			res := handshake(t, nc, c.offer, "Sec-WebSocket-Extensions: permessage-deflate\r\n")
			if got := strings.Join(res.Header.Values("Sec-WebSocket-Protocol"), "|"); got != c.want {
				t.Errorf("subprotocol %q, expected %q", got, c.want)
			}
			if res.Header.Get("Sec-WebSocket-Extensions") != "" || res.Header.Get("X-Extra") != "1" ||
				res.Header.Get("Sec-WebSocket-Accept") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
				t.Errorf("headers %v", res.Header)
			}
		})
	}
}

func TestUpgradeRefuses(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, err := Upgrade(w, r, UpgradeOptions{}); err == nil {
			_ = c.Close(pipe.Reason{Code: pipe.CloseLost})
		}
	}))
	defer srv.Close()
	good := func() *http.Request {
		r, _ := http.NewRequest(http.MethodGet, srv.URL, nil)
		r.Header = http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket"},
			"Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="}}
		return r
	}
	for _, c := range []struct {
		name   string
		change func(*http.Request)
		status int
	}{
		{"as it should be", func(*http.Request) {}, 101},
		{"a page", func(r *http.Request) { r.Header = http.Header{} }, 426},
		{"POST", func(r *http.Request) { r.Method = http.MethodPost }, 405},
		{"version 8", func(r *http.Request) { r.Header.Set("Sec-WebSocket-Version", "8") }, 426},
		{"no version", func(r *http.Request) { r.Header.Del("Sec-WebSocket-Version") }, 426},
		{"no key", func(r *http.Request) { r.Header.Del("Sec-WebSocket-Key") }, 400},
		{"short key", func(r *http.Request) { r.Header.Set("Sec-WebSocket-Key", "abc") }, 400},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := good()
			c.change(r)
			res, err := srv.Client().Transport.RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if res.StatusCode != c.status {
				t.Errorf("status %d, expected %d", res.StatusCode, c.status)
			}
			if c.status == 426 && res.Header.Get("Sec-WebSocket-Version") != "13" {
				t.Error("426 does not name the version")
			}
		})
	}
}
