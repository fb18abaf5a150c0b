package pipetest

import (
	"bytes"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/sente-lite/sente-lite/pipe"
)

// A Dressed is a Conn for who speaks EDN, and turns what leaves into a form and what comes
// in out of it, as a client's library does. Text is EDN whatever the form. Use Dress.
type Dressed struct {
	pipe.Conn
	form   *pipe.Form
	coders []pipe.Coder
	limit  atomic.Int64

	mu      sync.Mutex // of what goes out, and of the last message, which Close may say
	said    bool       // the hello has gone
	greeted bool       // of the reader: ready has come

	// Bytes of messages, as they travel, and messages.
	BytesOut, BytesIn       atomic.Int64
	MessagesOut, MessagesIn atomic.Int64
	Squeezed                atomic.Int64 // messages that came compressed

	edn []byte // of the reader: the message at hand
}

// squeeze is the size from which a Dressed compresses.
const squeeze = 1000

// Dress puts a form of the hub's around a link. On a stream, hello and ready are plain and
// the form holds from the message after each; an upgraded link has it from the first one
// on.
func Dress(c pipe.Conn, f *pipe.Form, upgraded bool) (*Dressed, error) {
	d := &Dressed{Conn: c, form: f, said: upgraded, greeted: upgraded}
	d.Limit(pipe.Limits{})
	for _, l := range f.Layers {
		coder, bad := l.New(true)
		if bad != nil {
			return nil, bad
		}
		d.coders = append(d.coders, coder)
	}
	c.Speak(func(edn []byte) []byte {
		d.mu.Lock()
		defer d.mu.Unlock()
		if !d.said {
			return edn
		}
		m, err := d.out(edn)
		if err != nil {
			return nil
		}
		return m.Data
	})
	return d, nil
}

func (d *Dressed) Limit(l pipe.Limits) {
	d.limit.Store(int64(l.OrDefault().Bytes))
	d.Conn.Limit(l)
}

// Write writes messages of EDN.
func (d *Dressed) Write(batch []pipe.Message) (bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := make([]pipe.Message, len(batch))
	for i, m := range batch {
		all[i] = m
		if d.said {
			var err error
			if all[i], err = d.out(m.Data); err != nil {
				return false, err
			}
		}
		d.said = true
		d.BytesOut.Add(int64(len(all[i].Data)))
		d.MessagesOut.Add(1)
	}
	return d.Conn.Write(all)
}

// Raw writes a message as it is, past the form.
func (d *Dressed) Raw(m pipe.Message) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	done, err := d.Conn.Write([]pipe.Message{m})
	if err == nil && !done {
		err = d.Conn.Flush()
	}
	return err
}

// Seal puts bytes into the layers that are around every message, for Raw.
func (d *Dressed) Seal(packed []byte) ([]byte, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.layers(packed, false)
}

// out makes a message of the form. The lock is held.
func (d *Dressed) out(edn []byte) (pipe.Message, error) {
	b, err := d.form.Packer.Pack(nil, edn)
	if err != nil {
		return pipe.Message{}, err
	}
	packed := len(b)
	c := d.form.Compressor()
	squeezed := c != nil && (packed >= squeeze || c.Is == nil)
	if b, err = d.layers(b, squeezed); err != nil {
		return pipe.Message{}, err
	}
	return pipe.Message{Data: b, Text: d.form.Packer.Text() && !squeezed && !d.seals()}, nil
}

func (d *Dressed) layers(b []byte, squeezed bool) ([]byte, error) {
	for i, l := range d.form.Layers {
		if l.Compresses && l.Is != nil && !squeezed {
			continue
		}
		var err error
		if b, err = d.coders[i].Encode(nil, b); err != nil {
			return nil, err
		}
	}
	return b, nil
}

func (d *Dressed) seals() bool {
	n := len(d.form.Layers)
	return n > 0 && (!d.form.Layers[n-1].Compresses || d.form.Layers[n-1].Is == nil)
}

// Read reads a message and returns its EDN. What is not of the form is an error.
func (d *Dressed) Read(idle func() bool) (pipe.Message, error) {
	m, err := d.Conn.Read(idle)
	if err != nil {
		return m, err
	}
	d.BytesIn.Add(int64(len(m.Data)))
	d.MessagesIn.Add(1)
	if !d.greeted {
		d.greeted = bytes.HasPrefix(m.Data, []byte("[:sente-lite/ready "))
		return m, nil
	}
	b, limit := m.Data, int(d.limit.Load())
	for i := len(d.coders) - 1; i >= 0; i-- {
		l := d.form.Layers[i]
		if l.Is != nil && !l.Is(b) {
			continue
		}
		if l.Compresses {
			d.Squeezed.Add(1)
		}
		if b, err = d.coders[i].Decode(nil, b, limit); err != nil {
			return m, fmt.Errorf("the sidecar's message of %d bytes is not in :%s: %v", len(m.Data), l.Name, err)
		}
	}
	if d.edn, err = d.form.Packer.Unpack(d.edn[:0], b, pipe.Limits{Bytes: limit}); err != nil {
		return m, fmt.Errorf("the sidecar's message %.60q is not in :%s: %v", b, d.form.Packer.Name(), err)
	}
	return pipe.Message{Data: d.edn, Text: true}, nil
}
