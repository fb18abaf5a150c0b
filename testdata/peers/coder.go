package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/coder/websocket"
)

type coder struct{}

const readLimit = 16 << 20

func (coder) dial(ctx context.Context, url string) (*websocket.Conn, error) {
	c, _, err := websocket.Dial(ctx, url, nil)
	if err == nil {
		c.SetReadLimit(readLimit)
	}
	return c, err
}

func (p coder) exchange(ctx context.Context, url string, ms []message) error {
	c, err := p.dial(ctx, url)
	if err != nil {
		return err
	}
	defer c.CloseNow()
	sent := make(chan error, 1)
	go func() {
		for _, m := range ms {
			kind := websocket.MessageBinary
			if m.text {
				kind = websocket.MessageText
			}
			if err := c.Write(ctx, kind, m.data); err != nil {
				sent <- err
				return
			}
			if len(m.data) > 1000 { // and in fragments
				w, err := c.Writer(ctx, kind)
				for b := m.data; err == nil && len(b) > 0; {
					n := min(len(b), 5000)
					_, err = w.Write(b[:n])
					b = b[n:]
				}
				if err == nil {
					err = w.Close()
				}
				if err != nil {
					sent <- err
					return
				}
			}
		}
		sent <- nil
	}()
	for i, m := range ms {
		for k := 0; k == 0 || k == 1 && len(m.data) > 1000; k++ {
			kind, data, err := c.Read(ctx)
			if err != nil {
				return fmt.Errorf("message %d: %w", i, err)
			}
			if (kind == websocket.MessageText) != m.text || !bytes.Equal(data, m.data) {
				return fmt.Errorf("message %d of %d bytes came back as another one of %d", i, len(m.data), len(data))
			}
		}
	}
	if err := <-sent; err != nil {
		return err
	}
	go c.Read(ctx) // a pong needs a reader
	if err := c.Ping(ctx); err != nil {
		return fmt.Errorf("ping: %w", err)
	}
	return nil
}

func (p coder) closing(ctx context.Context, url string) error {
	c, err := p.dial(ctx, url)
	if err != nil {
		return err
	}
	return c.Close(clientCode, clientReason) // fails unless the same code comes back
}

func (p coder) closed(ctx context.Context, url string) error {
	c, err := p.dial(ctx, url)
	if err != nil {
		return err
	}
	defer c.CloseNow()
	if err := c.Write(ctx, websocket.MessageText, []byte("close")); err != nil {
		return err
	}
	_, _, err = c.Read(ctx)
	var ce websocket.CloseError
	if !errors.As(err, &ce) || ce.Code != serverCode || ce.Reason != serverReason {
		return fmt.Errorf("expected %d %s, got %v", serverCode, serverReason, err)
	}
	return nil
}

func (coder) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"sente-lite"}})
	if err != nil {
		return
	}
	defer c.CloseNow()
	c.SetReadLimit(readLimit)
	for {
		kind, data, err := c.Read(r.Context())
		if err != nil {
			return
		}
		if string(data) == "close" {
			c.Close(serverCode, serverReason)
			return
		}
		if err := c.Write(r.Context(), kind, data); err != nil {
			return
		}
	}
}
