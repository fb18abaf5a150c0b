package pipetest

import (
	"fmt"
	"time"

	"github.com/sente-lite/sente-lite/pipe"
)

// Ack acknowledges what has come now, rather than after 32 items or 1 s.
func (c *Client) Ack() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.acked = c.received
	c.control = append(c.control, fmt.Appendf(nil, "[:sente-lite/ack %d]", c.received))
	c.changed.Broadcast()
}

// oweAck acknowledges after 32 items or 1 s. The lock is held.
func (c *Client) oweAck(conn pipe.Conn) {
	if c.NoAck {
		return
	}
	ack := func() {
		c.acked = c.received
		c.control = append(c.control, fmt.Appendf(nil, "[:sente-lite/ack %d]", c.received))
		c.changed.Broadcast()
	}
	switch n := c.received - c.acked; {
	case n >= 32:
		if c.owed != nil {
			c.owed.Stop()
			c.owed = nil
		}
		ack()
	case c.owed == nil:
		c.owed = time.AfterFunc(time.Second, func() {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.owed = nil
			if c.conn == conn && c.received > c.acked {
				ack()
			}
		})
	}
}
