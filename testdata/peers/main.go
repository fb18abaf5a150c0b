// Command wsclient is a foreign WebSocket peer for the tests of pipe/transport.
//
//	wsclient -lib coder|gws URL     speak to an echo server at URL
//	wsclient -lib coder|gws -serve  be an echo server; its URL is the first line of stdout
//
// A client sends messages of many sizes, text and binary, checks their echoes,
// and closes with 4000. The message "close" asks the server to close with 4504,
// which the client then expects. It exits with 1 and a line on stderr if anything
// was not as it should be.
package main

import (
	"context"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"
)

// sizes go over every border of a frame's length and of common buffers.
var sizes = []int{0, 1, 125, 126, 127, 4095, 4096, 65535, 65536, 65537, 1 << 20}

const (
	clientCode, clientReason = 4000, "client's reason"
	serverCode, serverReason = 4504, "server's reason"
)

// A peer is one of the libraries.
type peer interface {
	// exchange sends each message and returns an error unless its echo is equal.
	exchange(ctx context.Context, url string, messages []message) error
	// closing closes with clientCode and expects it back; closed sends "close" and expects
	// serverCode.
	closing(ctx context.Context, url string) error
	closed(ctx context.Context, url string) error
	http.Handler // echoes
}

type message struct {
	data []byte
	text bool
}

func main() {
	lib := flag.String("lib", "", "coder or gws")
	serve := flag.Bool("serve", false, "be the server")
	flag.Parse()
	p, ok := map[string]peer{"coder": coder{}, "gws": newGWS()}[*lib]
	if !ok {
		fail(fmt.Errorf("-lib %q: expected coder or gws", *lib))
	}
	if *serve {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			fail(err)
		}
		fmt.Printf("ws://%s/\n", l.Addr())
		fail(http.Serve(l, p))
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	url := flag.Arg(0)
	if err := p.exchange(ctx, url, messages()); err != nil {
		fail(fmt.Errorf("exchange: %w", err))
	}
	if err := p.closing(ctx, url); err != nil {
		fail(fmt.Errorf("closing: %w", err))
	}
	if err := p.closed(ctx, url); err != nil {
		fail(fmt.Errorf("being closed: %w", err))
	}
}

func messages() (ms []message) {
	for i, n := range sizes {
		for _, text := range []bool{true, false} {
			m := message{make([]byte, n), text}
			for j := range m.data {
				if m.data[j] = byte(i + j); text {
					m.data[j] = 'a' + byte((i+j)%26)
				}
			}
			ms = append(ms, m)
		}
	}
	return ms
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "wsclient:", err)
	os.Exit(1)
}
