package main

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sente-lite/sente-lite/pipe"
)

// Whoever answers is not always a sidecar.
func TestVisitorAmongStrangers(t *testing.T) {
	frame := func(text string) []byte { return append([]byte{0, 0, byte(len(text) >> 8), byte(len(text))}, text...) }
	for what, answer := range map[string][]byte{ // each closed at once
		"garbage":            []byte("SSH-2.0-OpenSSH_9.2\r\n"),
		"nothing":            nil,
		"half a frame":       {0, 0, 1, 0, '['},
		"no EDN":             frame("[:sente-lite/ready {"),
		"a huge frame":       {0x7f, 0xff, 0xff, 0xff},
		"an empty handshake": frame("[:chsk/handshake []]"),
		"an odd close":       frame(`[:chsk/close "bye"]`),
		"an odd error":       frame(`[:sente-lite/error 5]`),
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		served := make(chan struct{})
		go func() {
			defer close(served)
			if c, err := l.Accept(); err == nil {
				c.Read(make([]byte, 1000))
				c.Write(answer)
				c.Close()
			}
		}()
		_, err = dial(t.Context(), "tcp://"+l.Addr().String(), "s3cret", nil)
		var bad *pipe.Error
		if !errors.As(err, &bad) || bad.Code != "no-greeting" && what != "an odd error" || strings.Contains(bad.Msg+bad.Hint, "s3cret") {
			t.Errorf("%s: %v", what, err)
		}
		l.Close()
		<-served
	}
	s := httptest.NewServer(http.NotFoundHandler())
	defer s.Close()
	_, err := dial(t.Context(), s.URL, "s3cret", nil)
	if bad := wireError(err); bad.Code != "no-greeting" || !strings.Contains(bad.Msg, "404") || strings.Contains(bad.Msg, "s3cret") {
		t.Errorf("a web server: %v", err)
	}
}

// After its greeting a sidecar may still say anything; whoever waits hears of
// the end.
func TestVisitorKeepsGoing(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	served := make(chan struct{})
	go func() {
		defer close(served)
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		say := func(text string) { c.Write(append([]byte{0, 0, byte(len(text) >> 8), byte(len(text))}, text...)) }
		c.Read(make([]byte, 1000))
		say(`[:sente-lite/ready {:uid "x"}]`)
		c.Read(make([]byte, 1000))
		for _, text := range []string{`no event`, `[:x`, `[:chsk/reply "other" 1]`, `[:chsk/reply 1 2 3 4]`, `[:x/y]`, `[:chsk/reply "c1" {:ok true}]`, `[:chsk/reply "c1" 2]`} {
			say(text)
		}
		c.Read(make([]byte, 1000))
		say(`[:chsk/close {:code 1001 :reason "shutdown"}]`)
	}()
	events := 0
	v, err := dial(t.Context(), "tcp://"+l.Addr().String(), "", func(pipe.Item) { events++ })
	if err != nil {
		t.Fatal(err)
	}
	if got, err := v.ask(t.Context(), []byte("[:a/b]")); string(got) != "{:ok true}" || err != nil {
		t.Errorf("the reply is %s, %v", got, err)
	}
	_, err = v.ask(t.Context(), []byte("[:a/c]"))
	if bad := wireError(err); bad.Code != "connection-lost" || !strings.Contains(bad.Msg, "shutdown (1001)") {
		t.Errorf("at the end: %v", err)
	}
	if _, err := v.ask(t.Context(), []byte("[:a/d]")); wireError(err).Code != "connection-lost" {
		t.Errorf("after the end: %v", err)
	}
	v.close()
	if events != 1 {
		t.Errorf("%d events", events)
	}
	<-served
}

// A tail does not wait for ever for who greets and never answers.
func TestTailIsNotAnswered(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	served := make(chan struct{})
	go func() {
		defer close(served)
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		c.Read(make([]byte, 1000))
		ready := `[:sente-lite/ready {:uid "x"}]`
		c.Write(append([]byte{0, 0, 0, byte(len(ready))}, ready...))
		io.Copy(io.Discard, c) // until it goes
	}()
	was := dialTime
	defer func() { dialTime = was }()
	dialTime = time.Second
	code, _, stderr := said(t, []string{"tail", "--to", "tcp://" + l.Addr().String()})
	if code != exitFailed || !strings.Contains(stderr, "greets, and does not answer within 1s") {
		t.Errorf("exit %d, stderr %q", code, stderr)
	}
	<-served
}
