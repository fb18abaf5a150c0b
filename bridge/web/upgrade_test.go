package web

import (
	"bytes"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sente-lite/sente-lite/pipe"
)

func TestUpgradeIsRefused(t *testing.T) {
	f := newFront(t, Config{Guard: Guard{Origins: []string{"https://app.example"}}}, pipe.Settings{})
	get := "GET /ws HTTP/1.1\nHost: " + f.addr + "\n"
	for _, tt := range []struct {
		name, request string
		status        int
	}{
		{"a page that rebinds", "GET /ws HTTP/1.1\nHost: evil.example\n" + handshake, 421},
		{"a page that rebinds, at the root", "GET / HTTP/1.1\nHost: evil.example\n" + handshake, 421},
		{"a page that rebinds, with v=1", "GET /ws?v=1 HTTP/1.1\nHost: evil.example:8090\n" + handshake, 421},
		{"a foreign page", get + "Origin: https://evil.example\n" + handshake, 403},
		{"a sandboxed page", get + "Origin: null\n" + handshake, 403},
		{"a foreign page without its origin", get + "Sec-Fetch-Site: cross-site\n" + handshake, 403},
		{"stock Sente, foreign", strings.Replace(get, "/ws", "/chsk?client-id=x", 1) + "Origin: https://evil.example\n" + handshake, 403},
		{"stock Sente", strings.Replace(get, "/ws", "/chsk?client-id=x", 1) + handshake, 501},
		{"Ajax", strings.Replace(get, "GET /ws", "POST /chsk", 1) + "Content-Length: 0", 501},
		{"no upgrade", get, 426},
		{"Upgrade without Connection", get + "Upgrade: websocket\nSec-WebSocket-Version: 13\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", 426},
		{"Connection without Upgrade", get + "Connection: Upgrade\nSec-WebSocket-Version: 13\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", 426},
		{"another protocol", get + strings.Replace(handshake, "websocket", "h2c", 1), 426},
		{"version 8", get + strings.Replace(handshake, "13", "8", 1), 426},
		{"no version", get + strings.Replace(handshake, "Sec-WebSocket-Version: 13\n", "", 1), 426},
		{"no key", get + handshake[:strings.LastIndexByte(handshake, '\n')], 400},
		{"a short key", get + strings.TrimSuffix(handshake, "bub25jZQ==") + "==", 400},
		{"HTTP/1.0", strings.Replace(get, "HTTP/1.1", "HTTP/1.0", 1) + handshake, 400},
		{"HEAD", strings.Replace(get, "GET", "HEAD", 1) + handshake, 405},
		{"OPTIONS", strings.Replace(get, "GET", "OPTIONS", 1) + handshake, 405},
		{"with a body", get + "Content-Length: 5\n" + handshake, 400},
		{"with chunks", get + "Transfer-Encoding: chunked\n" + handshake, 400},
		{"a query that cannot be read", strings.Replace(get, "/ws", "/ws?a=%zz", 1) + handshake, 400},
		{"a packer of nobody", strings.Replace(get, "/ws", "/ws?packer=xml", 1) + handshake, 400},
		{"no credit", strings.Replace(get, "/ws", "/ws?credit=0", 1) + handshake, 400},
		{"a long client-id", strings.Replace(get, "/ws", "/ws?client-id="+strings.Repeat("x", 129)+"&v=2", 1) + handshake, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := f.dial()
			l.t = t
			l.send(tt.request)
			res, body := l.response()
			want := tt.status
			if want == 0 {
				want = http.StatusSwitchingProtocols // and closed: our own clients learn why
			}
			if res.StatusCode != want {
				t.Fatalf("%s %.200s, expected %d", res.Status, body, want)
			}
			if want == http.StatusUpgradeRequired && res.Header.Get("Sec-WebSocket-Version") != "13" {
				t.Errorf("426 without Sec-WebSocket-Version: %v", res.Header)
			}
		})
	}
}

// TestUpgradeTells closes our own clients with a code, since a page does not
// see the status.
func TestUpgradeTells(t *testing.T) {
	f := newFront(t, Config{}, pipe.Settings{Auth: &pipe.Auth{Tokens: []pipe.Token{{Secret: "right"}}}})
	for _, tt := range []struct {
		query, header string
		code          int
	}{
		{"v=1", "Origin: https://evil.example", pipe.CloseOrigin},
		{"v=1", "Origin: null", pipe.CloseOrigin},
		{"v=2", "Authorization: Bearer right", pipe.CloseVersion},
		{"v=", "Authorization: Bearer right", pipe.CloseVersion},
		{"v=1", "Authorization: Bearer wrong", pipe.CloseUnauthorized},
		{"v=1", "Sec-WebSocket-Protocol: sente-lite, sente-lite.token.wrong", pipe.CloseUnauthorized},
		{"v=1&packer=xml", "Authorization: Bearer right", pipe.CloseProtocol},
		{"v=1&packer=msgpack,aes-gcm", "Authorization: Bearer right", pipe.CloseProtocol},
		{"v=1&credit=-1", "Authorization: Bearer right", pipe.CloseProtocol},
		{"v=1&seen=x", "Authorization: Bearer right", pipe.CloseProtocol},
		{"v=1&bundle=yes", "Authorization: Bearer right", pipe.CloseProtocol},
		{"v=1&client-id=" + strings.Repeat("x", 129), "Authorization: Bearer right", pipe.CloseProtocol},
		{"v=1&%zz", "Authorization: Bearer right", pipe.CloseProtocol},
	} {
		l, res, body := f.upgrade("/ws?"+tt.query, tt.header)
		if res.StatusCode != http.StatusSwitchingProtocols {
			t.Errorf("%s %s: %s %s, expected an upgrade", tt.query, tt.header, res.Status, body)
			continue
		}
		if text, code := l.next(); code != tt.code {
			t.Errorf("%s %s: %q, %d, expected a close with %d", tt.query, tt.header, text, code, tt.code)
		}
	}
}

func TestTokens(t *testing.T) {
	const odd = "a token, with/odd=characters; é"
	f := newFront(t, Config{}, pipe.Settings{Auth: &pipe.Auth{Tokens: []pipe.Token{
		{Secret: "plain-token", Claim: pipe.Claim{UID: "ann"}}, {Secret: odd, Claim: pipe.Claim{UID: "odd"}},
	}}})
	raw := base64.RawURLEncoding.EncodeToString
	for _, tt := range []struct {
		header, uid string
		status      int
	}{
		{"Authorization: Bearer plain-token", "ann", 101},
		{"Authorization: bearer  plain-token ", "ann", 101},
		{"Cookie: other=1; sente-lite-token=plain-token", "ann", 101},
		{"Sec-WebSocket-Protocol: sente-lite, sente-lite.token.plain-token", "ann", 101},
		{"Sec-WebSocket-Protocol: sente-lite.token.plain-token,sente-lite", "ann", 101},
		{"Sec-WebSocket-Protocol: sente-lite.token.plain-token\nSec-WebSocket-Protocol: sente-lite", "ann", 101},
		{"Sec-WebSocket-Protocol: sente-lite, sente-lite.token." + raw([]byte("plain-token")), "ann", 101},
		{"Sec-WebSocket-Protocol: sente-lite, sente-lite.token." + raw([]byte(odd)), "odd", 101},
		{"Authorization: Bearer plain-token\nCookie: sente-lite-token=plain-token", "ann", 101},

		{"Authorization: Bearer plain-toke", "", 401},
		{"Authorization: Bearer plain-token1", "", 401},
		{"Authorization: Bearer PLAIN-TOKEN", "", 401},
		{"Cookie: sente-lite-token=wrong", "", 401},
		{"Sec-WebSocket-Protocol: sente-lite, sente-lite.token.wrong", "", 401},
		{"Sec-WebSocket-Protocol: sente-lite, sente-lite.token." + raw([]byte("wrong")), "", 401},
		{"Authorization: Bearer plain-token\nCookie: sente-lite-token=wrong", "", 401},
	} {
		l, res, body := f.upgrade("/ws", tt.header)
		if res.StatusCode != tt.status {
			t.Errorf("%s: %s %s, expected %d", tt.header, res.Status, body, tt.status)
			continue
		}
		head := new(bytes.Buffer)
		res.Header.Write(head)
		for _, secret := range []string{"plain-token", "wrong", raw([]byte("plain-token")), raw([]byte(odd))} {
			if strings.Contains(head.String()+body, secret) {
				t.Errorf("%s: the answer has the token:\n%s\n%s", tt.header, head, body)
			}
		}
		if tt.status != 101 {
			continue
		}
		if p := res.Header.Values("Sec-WebSocket-Protocol"); strings.Contains(tt.header, "Protocol") != (len(p) == 1 && p[0] == "sente-lite") {
			t.Errorf("%s: the protocols selected are %q", tt.header, p)
		}
		if got, _ := l.next(); !strings.HasPrefix(got, `[:chsk/handshake ["`+tt.uid+`" nil `) {
			t.Errorf("%s: %s, expected to be %s", tt.header, got, tt.uid)
		}
	}
	for _, secret := range []string{"plain-token", odd, "wrong", raw([]byte(odd)), raw([]byte("plain-token"))} {
		if strings.Contains(f.log.String(), secret) {
			t.Errorf("the log has the token %q:\n%s", secret, f.log)
		}
	}
}

// TestTokenInHello is for those whose upgrade has brought none: they get
// nothing until they say hello.
func TestTokenInHello(t *testing.T) {
	t.Parallel()
	f := newFront(t, Config{}, pipe.Settings{Auth: &pipe.Auth{Tokens: []pipe.Token{{Secret: "right", Claim: pipe.Claim{UID: "ann"}}}}})
	join := func(query string) *link {
		l, res, body := f.upgrade("/ws?v=1" + query)
		if res.StatusCode != 101 {
			t.Fatalf("%s %s", res.Status, body)
		}
		return l
	}
	t.Run("right", func(t *testing.T) {
		l := join("")
		l.say(`[:sente-lite/hello {:auth "right"}]`)
		if got, _ := l.next(); !strings.HasPrefix(got, `[:chsk/handshake ["ann" nil {`) {
			t.Errorf("%s, expected a handshake", got)
		}
	})
	t.Run("right, in JSON", func(t *testing.T) {
		l := join("&packer=json")
		l.say(`["sente-lite/hello", {"auth": "right"}]`)
		if got, _ := l.next(); !strings.HasPrefix(got, `["chsk/handshake",["ann",null,{`) {
			t.Errorf("%s, expected a handshake", got)
		}
	})
	for name, first := range map[string]string{
		"wrong": `[:sente-lite/hello {:auth "wrong"}]`, "none": `[:sente-lite/hello {}]`,
		"no hello": `[:chat/msg 1]`, "a call": `[[:sente-lite/peers {}] "c"]`, "a ping": `[:chsk/ws-ping]`,
		"the handler": `[:sente-lite/hello {:auth "wrong" :handler true}]`,
	} {
		t.Run(name, func(t *testing.T) {
			l := join("")
			l.say("%s", first)
			got, code := l.next()
			if code != pipe.CloseUnauthorized {
				t.Errorf("%q, %d, expected a close with 4501 and nothing before", got, code)
			}
			if strings.Contains(got, "wrong") || strings.Contains(got, "right") {
				t.Errorf("the reason has the token: %s", got)
			}
		})
	}
	// Who is known hears what is wrong, and may say another hello.
	for more, category := range map[string]string{":config {}": "forbidden", ":handler true": "forbidden", ":gzip true": "unsupported", ":packer :json": "unsupported"} {
		t.Run(more, func(t *testing.T) {
			l := join("")
			l.say(`[:sente-lite/hello {:auth "right" %s}]`, more)
			if got, _ := l.next(); !strings.HasPrefix(got, "[:sente-lite/error {:category :"+category+" ") || !strings.Contains(got, "say hello again") {
				t.Errorf("%s, expected :%s", got, category)
			}
			l.say(`[:sente-lite/hello {:auth "right"}]`)
			if got, _ := l.next(); !strings.HasPrefix(got, `[:chsk/handshake ["ann" nil {`) {
				t.Errorf("%s, expected a handshake", got)
			}
		})
	}
	t.Run("64 KiB of nothing", func(t *testing.T) {
		l := join("")
		junk := []byte(strings.Repeat("]", 1000))
		for range 70 {
			if _, err := l.Write(append([]byte{0x81, 0x80 | 126, byte(len(junk) >> 8), byte(len(junk) & 0xff), 0, 0, 0, 0}, junk...)); err != nil {
				break // it has been closed
			}
		}
		if got, code := l.next(); code != pipe.CloseUnauthorized {
			t.Errorf("%q, %d, expected a close with 4501", got, code)
		}
	})
	t.Run("one large message", func(t *testing.T) {
		l := join("")
		l.Write([]byte{0x81, 0x80 | 127, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0}) // 128 KiB are to come
		if got, code := l.next(); code != pipe.CloseUnauthorized && code != pipe.CloseTooLarge {
			t.Errorf("%q, %d, expected a close", got, code)
		}
	})
	t.Run("in 5 s", func(t *testing.T) {
		begun := time.Now()
		if got, code := join("").next(); code != pipe.CloseUnauthorized {
			t.Errorf("%q, %d, expected a close with 4501", got, code)
		}
		if took := time.Since(begun); took < 4*time.Second || took > 8*time.Second {
			t.Errorf("it took %v, expected 5 s", took)
		}
	})
	if strings.Contains(f.log.String(), "wrong") || strings.Contains(f.log.String(), "right") {
		t.Errorf("the log has a token:\n%s", f.log)
	}
}

// TestQueriesStaySecret looks for anything of a query in what is logged and
// answered.
func TestQueriesStaySecret(t *testing.T) {
	f := newFront(t, Config{}, pipe.Settings{})
	const secret = "5e55104"
	for _, q := range []string{"session=S", "v=1&session=S&seen=S", "v=1&seen=S", "packer=S", "v=1&packer=S", "v=S", "credit=S", "v=1&credit=S",
		"gzip=S", "v=1&bundle=S", "client-id=S", "v=1&client-id=S", "%zzS", "v=1&%zzS", "a=1;S", "S"} {
		l, res, body := f.upgrade("/ws?" + strings.ReplaceAll(q, "S", secret))
		if res.StatusCode == 101 {
			body, _ = l.next()
			if strings.Contains(q, "v=1&client-id") {
				body = "" // it is the client's own
			}
		}
		if strings.Contains(body, secret) {
			t.Errorf("?%s: the answer has it: %s", q, body)
		}
		l.Close()
	}
	if strings.Contains(f.log.String(), secret) {
		t.Errorf("the log has it:\n%s", f.log)
	}
}

func TestTooManyClients(t *testing.T) {
	f := newFront(t, Config{}, pipe.Settings{Flow: pipe.Flow{MaxPeers: 1}})
	l, _, _ := f.upgrade("/ws?v=1")
	if got, code := l.next(); code != 0 {
		t.Fatalf("%q %d, expected a handshake", got, code)
	}
	if _, res, _ := f.upgrade("/ws"); res.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("%s, expected 503", res.Status)
	}
	l, _, _ = f.upgrade("/ws?v=1")
	if got, code := l.next(); code != pipe.CloseOverloaded {
		t.Errorf("%q %d, expected a close with 4001", got, code)
	}
}
