package transport

import (
	"encoding/binary"
	"math/rand/v2"
	"unicode/utf8"

	"github.com/gobwas/ws"

	"github.com/sente-lite/sente-lite/pipe"
)

// A wsHead is the header of a WebSocket frame, RFC 6455 section 5.2.
type wsHead struct {
	op     ws.OpCode
	fin    bool
	masked bool
	mask   [4]byte
	size   int // of the header
	length int // of the payload
}

// parseHead reads the header at the beginning of b. If b is too short, it
// returns how many bytes it needs in want. What RFC 6455 forbids in any frame is
// an error, told in bad.
func parseHead(b []byte) (h wsHead, want int, bad string) {
	if len(b) < 2 {
		return h, 2, ""
	}
	h.fin, h.op, h.masked, h.size = b[0]&0x80 != 0, ws.OpCode(b[0]&0x0f), b[1]&0x80 != 0, 2
	short := b[1] & 0x7f
	switch {
	case b[0]&0x70 != 0:
		return h, 0, "reserved bits are set; no extension was agreed on"
	case h.op.IsReserved():
		return h, 0, "reserved opcode"
	case h.op.IsControl() && !h.fin:
		return h, 0, "a control frame is fragmented"
	case h.op.IsControl() && short > 125:
		return h, 0, "a control frame is longer than 125 bytes"
	}
	switch short {
	case 126:
		h.size = 4
	case 127:
		h.size = 10
	}
	at := h.size
	if h.masked {
		h.size += 4
	}
	if len(b) < h.size {
		return h, h.size, ""
	}
	switch h.length = int(short); short {
	case 126:
		h.length = int(binary.BigEndian.Uint16(b[2:]))
	case 127:
		n := binary.BigEndian.Uint64(b[2:])
		if n>>63 != 0 {
			return h, 0, "the highest bit of a length is set"
		}
		h.length = int(min(n, 1<<62, uint64(maxInt)))
	}
	if h.masked {
		copy(h.mask[:], b[at:])
	}
	return h, 0, ""
}

const maxInt = int(^uint(0)>>1) - wsHeadMax

// wsHeadMax is the longest header.
const wsHeadMax = 14

// appendFrame appends a whole frame, masked as a client must.
func appendFrame(dst []byte, op ws.OpCode, data []byte, client bool) []byte {
	var bit byte
	if client {
		bit = 0x80
	}
	dst = appendHead(dst, op, len(data), bit)
	if !client {
		return append(dst, data...)
	}
	var mask [4]byte
	binary.NativeEndian.PutUint32(mask[:], rand.Uint32()) // ChaCha8, seeded by the system: not to be foretold
	dst = append(dst, mask[:]...)
	at := len(dst)
	dst = append(dst, data...)
	ws.Cipher(dst[at:], mask, 0)
	return dst
}

// appendHead appends the header of a frame of n bytes, up to the mask; bit says whether
// there is one.
func appendHead(dst []byte, op ws.OpCode, n int, bit byte) []byte {
	dst = append(dst, 0x80|byte(op))
	switch {
	case n < 126:
		return append(dst, bit|byte(n))
	case n < 1<<16:
		return append(dst, bit|126, byte(n>>8), byte(n))
	}
	return binary.BigEndian.AppendUint64(append(dst, bit|127), uint64(n))
}

// appendClosing appends a close frame for r.
func appendClosing(dst []byte, r pipe.Reason, client bool) []byte {
	var p [125]byte
	b := p[:0]
	switch r.Code {
	case pipe.CloseLost:
		return dst
	case 0, pipe.CloseNoStatus:
	default:
		b = binary.BigEndian.AppendUint16(b, r.Code)
		b = append(b, cut(r.Text, len(p)-len(b))...)
	}
	return appendFrame(dst, ws.OpClose, b, client)
}

// cut shortens s to n bytes at most, between characters.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// parseClosing reads the payload of a close frame.
func parseClosing(p []byte) (r pipe.Reason, bad string) {
	if len(p) == 0 {
		return pipe.Reason{Code: pipe.CloseNoStatus}, ""
	}
	if len(p) == 1 {
		return r, "a close frame of one byte"
	}
	r = pipe.Reason{Code: binary.BigEndian.Uint16(p), Text: string(p[2:])}
	switch c := r.Code; {
	case c < 1000, c == 1004, c == 1005, c == 1006, 1014 < c && c < 3000, c > 4999:
		return r, "a close code that may not be sent"
	case !utf8.ValidString(r.Text):
		return r, "the reason in a close frame is not UTF-8"
	}
	return r, ""
}
