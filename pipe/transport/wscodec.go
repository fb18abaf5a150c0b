package transport

import (
	"io"
	"unicode/utf8"

	"github.com/gobwas/ws"

	"github.com/sente-lite/sente-lite/pipe"
)

// closeBadFrame is WebSocket's own code for what breaks its rules.
const closeBadFrame = 1002

// A wsCodec reads and writes WebSocket messages, RFC 6455. No extension is ever
// agreed on: compression is a matter of packers.
type wsCodec struct {
	client bool // we are: what we write is masked, what we read is not
	max    int
	op     ws.OpCode    // of the message that is being put together; 0: none
	over   bool         // a message was over the limit
	answer func([]byte) // sends a control frame ahead of what is queued
}

func (c *wsCodec) next(in *inbuf) (pipe.Message, error) {
	for {
		if c.over {
			return pipe.Message{}, closedTooLarge()
		}
		b := in.unread()
		h, want, bad := parseHead(b)
		if want > 0 {
			in.want = want
			return pipe.Message{}, errMore
		}
		if bad == "" {
			bad = c.misplaced(h)
		}
		if bad != "" {
			return pipe.Message{}, closed(closeBadFrame, "%s", bad)
		}
		if sum := in.keep.hi - in.keep.lo; !h.op.IsControl() && h.length > c.max-sum {
			c.over = true
			return pipe.Message{}, tooLarge("message", sum+h.length, c.max)
		}
		if in.want = h.size + h.length; len(b) < in.want {
			return pipe.Message{}, errMore
		}
		p := b[h.size:in.want:in.want]
		if h.masked {
			ws.Cipher(p, h.mask, 0)
		}
		in.lo += in.want
		in.want = 0
		if h.op.IsControl() {
			if err := c.control(h.op, p); err != nil {
				return pipe.Message{}, err
			}
		} else if m, whole := c.data(in, h, p); !whole {
			continue
		} else if m.Text && !utf8.Valid(m.Data) {
			return pipe.Message{}, closed(pipe.CloseInvalidText, "a text message is not UTF-8")
		} else {
			return m, nil
		}
	}
}

// misplaced says what makes a frame wrong here that would be right elsewhere.
func (c *wsCodec) misplaced(h wsHead) string {
	switch {
	case h.masked && c.client:
		return "a frame from the server is masked"
	case !h.masked && !c.client:
		return "a frame from the client is not masked"
	case h.op == ws.OpContinuation && c.op == 0:
		return "a continuation of nothing"
	case h.op.IsData() && h.op != ws.OpContinuation && c.op != 0:
		return "a new message before the last one was complete"
	}
	return ""
}

// data takes in the payload of a data frame, which lies at the end of what was
// just consumed. Fragments are moved together where they are.
func (c *wsCodec) data(in *inbuf, h wsHead, p []byte) (m pipe.Message, whole bool) {
	k := &in.keep
	if h.op != ws.OpContinuation {
		if h.fin {
			return pipe.Message{Data: p, Text: h.op == ws.OpText}, true
		}
		c.op, k.lo, k.hi = h.op, in.lo-len(p), in.lo
		return m, false
	}
	k.hi += copy(in.b[k.hi:], p)
	if !h.fin {
		return m, false
	}
	m = pipe.Message{Data: in.b[k.lo:k.hi:k.hi], Text: c.op == ws.OpText}
	c.op, k.lo, k.hi = 0, 0, 0
	return m, true
}

func (c *wsCodec) control(op ws.OpCode, p []byte) error {
	switch op {
	case ws.OpPing:
		var frame [wsHeadMax + 125]byte
		c.answer(appendFrame(frame[:0], ws.OpPong, p, c.client))
	case ws.OpClose:
		r, bad := parseClosing(p)
		if bad != "" {
			return closed(closeBadFrame, "%s", bad)
		}
		return pipe.Closed{Reason: r, Remote: true}
	}
	return nil
}

func (c *wsCodec) eof(in *inbuf) (pipe.Message, error) {
	m, err := c.next(in)
	if err != errMore {
		return m, err
	}
	if c.op != 0 || len(in.unread()) > 0 {
		return m, io.ErrUnexpectedEOF
	}
	return m, pipe.Closed{Reason: pipe.Reason{Code: pipe.CloseLost, Text: "ended without a close frame"}, Remote: true}
}

func (c *wsCodec) limit(l pipe.Limits)   { c.max = l.Bytes }
func (*wsCodec) ready() bool             { return true }
func (*wsCodec) textOnly() bool          { return false }
func (*wsCodec) size(m pipe.Message) int { return wsHeadMax + len(m.Data) }

func (c *wsCodec) append(dst []byte, m pipe.Message) []byte {
	return appendFrame(dst, opOf(m), m.Data, c.client)
}

func (c *wsCodec) head(dst []byte, m pipe.Message) ([]byte, bool) {
	if c.client { // it masks
		return dst, false
	}
	return appendHead(dst, opOf(m), len(m.Data), 0), true
}

func opOf(m pipe.Message) ws.OpCode {
	if m.Text {
		return ws.OpText
	}
	return ws.OpBinary
}

func (*wsCodec) frame(b []byte) int {
	h, _, _ := parseHead(b)
	return h.size + h.length
}

func (c *wsCodec) bye(dst []byte, r pipe.Reason, _ func([]byte) []byte) []byte {
	return appendClosing(dst, r, c.client)
}
