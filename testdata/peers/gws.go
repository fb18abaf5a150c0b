package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/lxzan/gws"
)

type gwsPeer struct{ up *gws.Upgrader }

func newGWS() peer { return gwsPeer{gws.NewUpgrader(gwsEcho{}, &gws.ServerOption{})} }

func (p gwsPeer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c, err := p.up.Upgrade(w, r)
	if err != nil {
		return
	}
	c.ReadLoop()
}

type gwsEcho struct{ gws.BuiltinEventHandler }

func (gwsEcho) OnMessage(c *gws.Conn, m *gws.Message) {
	defer m.Close()
	if string(m.Bytes()) == "close" {
		c.WriteClose(serverCode, []byte(serverReason))
		return
	}
	c.WriteMessage(m.Opcode, m.Bytes())
}

// gwsClient collects what comes.
type gwsClient struct {
	gws.BuiltinEventHandler
	got   chan message
	pongs chan struct{}
	ended chan error
}

func (c *gwsClient) OnMessage(_ *gws.Conn, m *gws.Message) {
	c.got <- message{bytes.Clone(m.Bytes()), m.Opcode == gws.OpcodeText}
	m.Close()
}

func (c *gwsClient) OnPong(*gws.Conn, []byte)        { c.pongs <- struct{}{} }
func (c *gwsClient) OnClose(_ *gws.Conn, err error)  { c.ended <- err }
func (c *gwsClient) OnPing(conn *gws.Conn, p []byte) { conn.WritePong(p) }

func (gwsPeer) dial(url string) (*gws.Conn, *gwsClient, error) {
	h := &gwsClient{got: make(chan message, 64), pongs: make(chan struct{}, 1), ended: make(chan error, 1)}
	c, _, err := gws.NewClient(h, &gws.ClientOption{Addr: url})
	if err != nil {
		return nil, nil, err
	}
	go c.ReadLoop()
	return c, h, nil
}

func (p gwsPeer) exchange(_ context.Context, url string, ms []message) error {
	c, h, err := p.dial(url)
	if err != nil {
		return err
	}
	defer c.NetConn().Close()
	sent := make(chan error, 1)
	go func() {
		for _, m := range ms {
			op := gws.OpcodeBinary
			if m.text {
				op = gws.OpcodeText
			}
			if err := c.WriteMessage(op, m.data); err != nil {
				sent <- err
				return
			}
		}
		sent <- c.WritePing([]byte("p"))
	}()
	for i, m := range ms {
		select {
		case got := <-h.got:
			if got.text != m.text || !bytes.Equal(got.data, m.data) {
				return fmt.Errorf("message %d of %d bytes came back as another one of %d", i, len(m.data), len(got.data))
			}
		case err := <-h.ended:
			return err
		case <-time.After(20 * time.Second):
			return fmt.Errorf("message %d: no answer", i)
		}
	}
	if err := <-sent; err != nil {
		return err
	}
	select {
	case <-h.pongs:
		return nil
	case <-time.After(20 * time.Second):
		return errors.New("no pong")
	}
}

func (p gwsPeer) closing(_ context.Context, url string) error {
	c, h, err := p.dial(url)
	if err != nil {
		return err
	}
	c.WriteClose(clientCode, []byte(clientReason))
	select {
	case <-h.ended: // gws does not wait for the answer
		return nil
	case <-time.After(20 * time.Second):
		return errors.New("the connection stays open after a close frame")
	}
}

func (p gwsPeer) closed(_ context.Context, url string) error {
	c, h, err := p.dial(url)
	if err != nil {
		return err
	}
	if err := c.WriteString("close"); err != nil {
		return err
	}
	var ce *gws.CloseError
	select {
	case err := <-h.ended:
		if !errors.As(err, &ce) || ce.Code != serverCode || string(ce.Reason) != serverReason {
			return fmt.Errorf("expected %d %s, got %v", serverCode, serverReason, err)
		}
		return nil
	case <-time.After(20 * time.Second):
		return errors.New("not closed")
	}
}
