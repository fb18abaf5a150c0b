//go:build unix

package main

import (
	"strings"
	"testing"
	"time"
)

// TestTokensOnStreams lets in over TCP who brings a token in hello, and tells
// others nothing.
func TestTokensOnStreams(t *testing.T) {
	t.Parallel()
	h := guarded(t, "")
	right := `[:sente-lite/hello {:auth "` + token + `"}]`
	t.Run("right", func(t *testing.T) {
		c := connect(t, h.at["tcp"])
		c.say("%s", right)
		c.hear("[:sente-lite/ready ")
		c.say(`[[:sente-lite/peers {}] "c"]`)
		c.hear(`[:chsk/reply "c" [:sente-lite/error {:category :forbidden `) // it is a client
		c.say(`[[:a/b] "d"]`)
		c.hear(`[:chsk/reply "d" :pong]`)
	})
	t.Run("in frames", func(t *testing.T) {
		f := frames{connect(t, h.at["tcp"])}
		f.say("%s", right)
		f.hear("[:sente-lite/ready ")
	})
	t.Run("late, but in time", func(t *testing.T) {
		c := connect(t, h.at["tcp"])
		c.write([]byte("\n ; a comment\n[:sente-lite/hel"))
		w, _ := upgrade(t, h.at["http"], "/ws?v=1", nil) // time passes
		w.say("%s", right)
		w.hear("[:chsk/handshake ")
		c.write([]byte(`lo {:auth "` + token + "\"}]\n"))
		c.hear("[:sente-lite/ready ")
	})
	for name, first := range map[string]string{
		"wrong": `[:sente-lite/hello {:auth "` + token + `x"}]`, "none": "[:sente-lite/hello {}]", "nil": "[:sente-lite/hello {:auth nil}]",
		"no string": "[:sente-lite/hello {:auth :" + token + "}]", "no map": "[:sente-lite/hello []]",
		"an event": "[:a/b 1]", "a call": `[[:sente-lite/peers {}] "c"]`, "a bundle": "[:batch/events [" + right + "]]",
		"the handler": `[:sente-lite/hello {:handler true}]`, "config": `[:sente-lite/hello {:config {:auth nil}}]`,
		"64 KiB": `[:sente-lite/hello {:auth "` + strings.Repeat("x", 70<<10), "64 KiB of lines": strings.Repeat("[}\n", 30<<10),
	} {
		t.Run(name, func(t *testing.T) {
			c := connect(t, h.at["tcp"])
			c.SetWriteDeadline(time.Now().Add(patience))
			_, _ = c.Write([]byte(first + "\n")) // it may be closed in the middle
			got := c.rest()
			// The close is all that it may hear.
			if got != "" && (!strings.HasPrefix(got, "[:chsk/close {:code 45") || strings.Count(got, "\n") != 1) {
				t.Errorf("got %q, expected a close and nothing else", got)
			}
			if strings.Contains(got, token) {
				t.Errorf("the answer has the token: %s", got)
			}
		})
	}
	t.Run("an owner needs none", func(t *testing.T) {
		c, ready := greet(t, h.at["unix"], "{}")
		if !strings.Contains(ready, `:uid "unix:`) {
			t.Errorf("%s, expected a uid of the socket's", ready)
		}
		c.say(`[[:sente-lite/peers {}] "c"]`)
		if line := c.hear(`[:chsk/reply "c" [{`); !strings.Contains(line, ":role :owner :transport :unix") {
			t.Errorf("%s, expected to be an owner", line)
		}
	})
	t.Run("stock upgrades", func(t *testing.T) {
		if _, res := upgrade(t, h.at["http"], "/ws", map[string]string{"Authorization": "Bearer " + token + "x"}); res.StatusCode != 401 {
			t.Errorf("%s, expected 401", res.Status)
		}
		w, res := upgrade(t, h.at["http"], "/ws?v=1", map[string]string{"Sec-WebSocket-Protocol": "sente-lite, sente-lite.token." + token})
		if p := res.Header.Get("Sec-WebSocket-Protocol"); p != "sente-lite" {
			t.Errorf("the protocol is %q", p)
		}
		w.hear("[:chsk/handshake ")
	})
	if s := h.errs.String(); strings.Contains(s, token) || strings.Contains(s, "v=1") {
		t.Errorf("a token or a query is in the log:\n%.2000s", s)
	}
}

// TestHTTPAtStreams is a web page that posts at the ports of byte streams.
func TestHTTPAtStreams(t *testing.T) {
	h := guarded(t, "")
	for _, scheme := range []string{"tcp", "unix"} {
		for _, first := range []string{
			"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 30\r\n\r\n[:sente-lite/send {:to :all}]\n",
			"GET / HTTP/1.1\r\n\r\n", "\x16\x03\x01\x02\x00", "{\"jsonrpc\":\"2.0\"}", "d2:op8:describee", "Content-Length: 2\r\n\r\n{}", "\x7f", "\x01\x00", "nil",
		} {
			h.undisturbed(t, func() {
				c := connect(t, h.at[scheme])
				begun := time.Now()
				c.write([]byte(first))
				if got := c.rest(); got != "" {
					t.Errorf("%s: %.20q was answered by %q", scheme, first, got)
				}
				if took := time.Since(begun); took > 2*time.Second {
					t.Errorf("%s: %.20q was closed after %v, expected at once", scheme, first, took)
				}
			})
		}
	}
}
