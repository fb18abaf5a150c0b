package pipe

import (
	"slices"
	"sync"
)

// minCompress is about the size from which compressing a message can pay, in bytes.
const minCompress = 1000

// A layered is the layers of a form at work on one link.
type layered struct {
	form   *Form
	coders []Coder // one for each of form.Layers

	mu sync.Mutex // held while a message goes into the layers behind the compressor

	// Of the reading goroutine.
	from, to []byte // scratch
}

// open makes the layers of a form ready for this link. It is called before the form
// is spoken.
func (l *link) open(f *Form) *Error {
	if len(f.Layers) == 0 {
		return nil
	}
	on := &layered{form: f}
	for _, layer := range f.Layers {
		c, bad := layer.New(false)
		if bad != nil {
			return bad
		}
		on.coders = append(on.coders, c)
	}
	l.s.mu.Lock() // one that is Present is written to already
	l.layered = on
	l.s.mu.Unlock()
	return nil
}

// says tells the Conn the form of what it says itself.
func (l *link) says(f *Form) {
	if f == plainForm {
		return
	}
	on := l.layered
	l.conn.Speak(func(edn []byte) []byte {
		packed, err := f.Packer.Pack(nil, edn)
		if err == nil && on.seals() {
			packed, err = on.seal(nil, packed)
		}
		if err != nil {
			return nil
		}
		return packed
	})
}

// seals reports whether every message goes into a layer, compressed or not.
func (on *layered) seals() bool {
	return on != nil && (len(on.coders) > 1 || on.form.Compressor() == nil)
}

// seal appends a message in all layers but one that is left out where it does not
// pay.
func (on *layered) seal(dst, src []byte) ([]byte, error) {
	on.mu.Lock()
	defer on.mu.Unlock()
	begin := len(dst)
	for i, c := range on.coders {
		if on.form.Layers[i] == on.form.Compressor() {
			continue
		}
		if len(dst) > begin { // a second such layer, which nobody needs to be fast
			src, dst = slices.Clone(dst[begin:]), dst[:begin]
		}
		var err error
		if dst, err = c.Encode(dst, src); err != nil {
			return dst[:begin], err
		}
	}
	return dst, nil
}

// unwrap takes a message out of the layers that it is in. What it returns is valid
// until the next call.
func (on *layered) unwrap(msg []byte, limit int) ([]byte, error) {
	for i := len(on.coders) - 1; i >= 0; i-- {
		layer := on.form.Layers[i]
		if layer.Is != nil && !layer.Is(msg) {
			continue
		}
		out, err := on.coders[i].Decode(on.to[:0], msg, limit)
		on.to = out
		if err != nil {
			return nil, err
		}
		on.from, on.to = on.to, on.from
		msg = out
	}
	return msg, nil
}

// rest gives up scratch space that was needed for a large message only: to who needs
// such next.
func (on *layered) rest() {
	for _, b := range []*[]byte{&on.from, &on.to} {
		if cap(*b) <= strangerBytes {
			continue
		}
		if large := *b; cap(large) <= 2*DefaultMaxMessage {
			unwrapped.Put(&large)
		}
		*b = nil
	}
}

// unwrapped are large buffers. Without them many large messages would make garbage faster
// than it is collected.
var unwrapped sync.Pool

// unwrapInTurn is unwrap for what may become large, as Hub.unpack is.
func (on *layered) unwrapInTurn(h *Hub, msg []byte, limit int) ([]byte, error) {
	if len(msg) <= minCompress {
		return on.unwrap(msg, limit)
	}
	h.unpacking <- struct{}{}
	defer func() { <-h.unpacking }()
	if len(msg) > 8*minCompress {
		if large, ok := unwrapped.Get().(*[]byte); ok {
			on.to = *large
		}
	}
	return on.unwrap(msg, limit)
}

// layeredMessage takes one message in on a link with layers. The packer is that of what
// they hold.
func (s *Session) layeredMessage(on *layered, packer Packer, msg []byte) error {
	defer on.rest()
	most := s.hub.settings.Load().Flow.MaxMessageBytes
	if !s.greeted && s.l.info.Stranger {
		most = min(most, strangerBytes)
	}
	data, err := on.unwrapInTurn(s.hub, msg, most)
	if err != nil {
		bad := *asError(err)
		// It may have been a bundle, and then nobody knows how many items it had.
		bad.Bundle = true
		s.spoilt(nil, nil, &bad)
		return nil
	}
	s.l.traffic.in.unwrapped(len(data) - len(msg))
	held, bad := s.unpacksTo(len(data))
	if bad != nil {
		bad.Bundle = true
		s.spoilt(nil, nil, bad)
		return nil
	}
	if held > 0 {
		defer s.hub.Give(held)
	}
	return s.packed(packer, data, false)
}

// unpacksTo puts n bytes that a message has become on the books, where they are many.
// It returns how many are to be given back once the message is handled.
func (s *Session) unpacksTo(n int) (held int, bad *Error) {
	if n <= strangerBytes || !s.counted {
		return 0, nil
	}
	if !s.hub.Take(n) {
		return 0, &Error{Category: Busy, Code: "overloaded", Retry: true,
			Msg:  "all queues together hold :max-total-bytes; there is no room for what your message unpacks to",
			Hint: "send less at once, or again later"}
	}
	return n, nil
}

// unpack unpacks in turns what may become large: a key of a message may come again in
// a byte or two, so a few KiB can become :max-message-bytes. What has been unpacked is
// on the books, and this bounds what is not yet.
func (h *Hub) unpack(p Packer, dst, data []byte, lim Limits) ([]byte, error) {
	if len(data) > minCompress {
		h.unpacking <- struct{}{}
		defer func() { <-h.unpacking }()
	}
	return p.Unpack(dst, data, lim)
}

// reads is the packer of a message that comes in. A WebSocket's text message is never
// in a binary packer: it is EDN then, as a page's console or an older client sends it. A
// cipher has to be around it all the same.
func (f *Form) reads(m Message) Packer {
	if m.Text && !f.Packer.Text() {
		return EDN
	}
	return f.Packer
}

// errSealed ends a link whose layers take nothing more.
func errSealed(err error) error {
	return Closed{Reason: Reason{CloseOverloaded, asError(err).Msg}}
}
