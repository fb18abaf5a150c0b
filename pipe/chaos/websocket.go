package chaos

import "bytes"

// A wsTracker follows one direction of a connection, and finds where a close
// frame begins. Before the frames stands a head of HTTP: the request that asks
// for a WebSocket, or the 101 that grants it. What is no WebSocket, or is none
// any more, it lets pass for ever: it judges nothing.
type wsTracker struct {
	dir   Dir
	state wsState
	head  []byte // of HTTP, or of a frame
	skip  uint64 // bytes of payload to come
}

type wsState uint8

const (
	inHead wsState = iota
	inFrames
	opaque
)

// maxHead bounds a head of HTTP; one that is longer is let pass.
const maxHead = 16 << 10

// next takes the bytes that come next. It returns how many of them stand before
// a close frame, which is all of them where there is none.
func (t *wsTracker) next(b []byte) (n int, closes bool) {
	all := len(b)
	for len(b) > 0 {
		switch t.state {
		case opaque:
			return all, false
		case inHead:
			b = b[t.takeHead(b):]
		case inFrames:
			if t.skip > 0 {
				n := min(t.skip, uint64(len(b)))
				t.skip -= n
				b = b[n:]
				continue
			}
			// A close frame is whole, without extensions: this byte and no other.
			if len(t.head) == 0 && b[0] == 0x88 {
				return all - len(b), true
			}
			t.takeFrameByte(b[0])
			b = b[1:]
		}
	}
	return all, false
}

// takeHead takes bytes of the head of HTTP, and returns how many.
func (t *wsTracker) takeHead(b []byte) int {
	const end = "\r\n\r\n"
	before := len(t.head)
	t.head = append(t.head, b[:min(len(b), maxHead-before)]...)
	i := bytes.Index(t.head[max(0, before-len(end)+1):], []byte(end))
	if i < 0 {
		taken := len(t.head) - before
		if len(t.head) == maxHead {
			t.state, t.head = opaque, nil
		}
		return taken
	}
	stop := max(0, before-len(end)+1) + i + len(end)
	t.state = opaque
	if upgrades(t.dir, t.head[:stop]) {
		t.state = inFrames
	}
	t.head = nil
	return stop - before
}

func upgrades(d Dir, head []byte) bool {
	line, _, _ := bytes.Cut(head, []byte("\r\n"))
	if d == Down {
		return bytes.HasPrefix(line, []byte("HTTP/1.1 101 ")) || bytes.Equal(line, []byte("HTTP/1.1 101"))
	}
	if !bytes.HasPrefix(line, []byte("GET ")) {
		return false
	}
	for field := range bytes.SplitSeq(head, []byte("\r\n")) {
		name, value, _ := bytes.Cut(field, []byte(":"))
		if bytes.EqualFold(name, []byte("Upgrade")) && bytes.EqualFold(bytes.TrimSpace(value), []byte("websocket")) {
			return true
		}
	}
	return false
}

// takeFrameByte takes a byte of a frame's head. If a client asked in vain, what
// it says next is HTTP again: no method's first letters are a masked frame.
func (t *wsTracker) takeFrameByte(c byte) {
	t.head = append(t.head, c)
	if len(t.head) < 2 {
		return
	}
	first, second := t.head[0], t.head[1]
	opcode, masked, size := first&0x0f, second&0x80 != 0, int(second&0x7f)
	if opcode > 2 && opcode < 8 || opcode > 10 || masked != (t.dir == Up) || opcode >= 8 && (first&0xf0 != 0x80 || size > 125) {
		t.state, t.head = opaque, nil
		return
	}
	extended := 0
	switch size {
	case 126:
		extended = 2
	case 127:
		extended = 8
	}
	whole := 2 + extended
	if masked {
		whole += 4
	}
	if len(t.head) < whole {
		return
	}
	t.skip = uint64(size)
	if extended > 0 {
		t.skip = 0
		for _, c := range t.head[2 : 2+extended] {
			t.skip = t.skip<<8 | uint64(c)
		}
	}
	t.head = t.head[:0]
}
