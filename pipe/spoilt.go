package pipe

import "bytes"

// spoilt answers for a message that cannot be read: raw are its bytes, where they are
// known. If it was to be a bundle nobody knows how many items it had, and the session
// cannot be resumed any more.
func (s *Session) spoilt(raw, cb []byte, e *Error) {
	s.count(nil)
	if e.Bundle || BeginsBundle(raw) {
		s.lostCount()
	}
	s.refuse(cb, e)
}

// lostCount gives recovery up: what is numbered by now is not known on both sides.
func (s *Session) lostCount() {
	if s.keep && s.greeted {
		s.uncounted = true
	}
}

// BeginsBundle reports whether a message that cannot be read, EDN, JSON or MessagePack,
// begins as a bundle: then nobody knows how many items it had.
func BeginsBundle(raw []byte) bool {
	for _, two := range packedPairs {
		if rest, ok := bytes.CutPrefix(raw, two); ok {
			for _, keyword := range packedKeywords {
				if rest, ok := bytes.CutPrefix(rest, keyword); ok {
					return bytes.HasPrefix(rest, []byte("batch/events"))
				}
			}
			return false
		}
	}
	rest, vector := bytes.CutPrefix(cutBlanks(raw), []byte("["))
	if !vector {
		return false
	}
	rest = cutBlanks(rest)
	for _, name := range []string{":batch/events", `"batch/events"`, `"batch\/events"`} {
		if bytes.HasPrefix(rest, []byte(name)) {
			return true
		}
	}
	return false
}

// In MessagePack a bundle is an array of two, and an ext 0 of the name's 12 bytes. Both
// may be announced in any size. No text begins so: it would not be UTF-8.
var (
	packedPairs    = [][]byte{{0x92}, {0xdc, 0, 2}, {0xdd, 0, 0, 0, 2}}
	packedKeywords = [][]byte{{0xc7, 12, 0}, {0xc8, 0, 12, 0}, {0xc9, 0, 0, 0, 12, 0}}
)

// cutBlanks cuts off what stands before a value: white space, comments and discards.
func cutBlanks(b []byte) []byte {
	for {
		b = bytes.TrimLeft(b, " \t\r\n\v\f,\ufeff")
		switch {
		case bytes.HasPrefix(b, []byte(";")):
			n := bytes.IndexByte(b, '\n')
			if n < 0 {
				return nil
			}
			b = b[n:]
		case bytes.HasPrefix(b, []byte("#_")):
			_, end, err := Scan(b[2:], Limits{})
			if err != nil {
				return nil
			}
			b = b[2+end:]
		default:
			return b
		}
	}
}

// notAgreed says what a message without layers is that nobody has asked for, nil where
// it may be of the packer: gzip, or what begins as no text of UTF-8 can, MessagePack
// that is, where text was agreed on.
func notAgreed(p Packer, m Message) *Error {
	if isGzip(m.Data) {
		return &Error{Category: Unsupported, Code: "gzip", Msg: "a gzipped message came in, and gzip was not agreed on",
			Hint: "ask for it: :gzip true in the hello, gzip=1 in the URL", Bundle: true}
	}
	if !m.Text && p.Text() && len(m.Data) > 0 && m.Data[0]&0xc0 == 0x80 {
		return &Error{Category: Unsupported, Code: "packer", Msg: "a binary message came in that is no text, and :" + p.Name() + " was agreed on",
			Hint: "ask for another packer: :packer :msgpack in the hello, packer=msgpack in the URL"}
	}
	return nil
}

// isGzip reports whether a message is gzipped: nothing else begins like that.
func isGzip(msg []byte) bool { return len(msg) > 1 && msg[0] == 0x1f && msg[1] == 0x8b }
