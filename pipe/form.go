package pipe

import (
	"fmt"
	"slices"
	"strings"
	"sync"
)

// A Form is what one peer's messages look like on the wire: a packer, and the
// layers around what it packs, innermost first. Peers that have agreed on the same
// chain share one *Form, so forms are compared by their pointers.
type Form struct {
	Packer Packer
	Layers []*Layer

	name string
}

// Name is the chain as hello and a URL have it: "msgpack,gzip".
func (f *Form) Name() string { return f.name }

// A Layer is one step between packed bytes and the wire: a compressor or a cipher.
// One that is no compressor is around every message. A compressor comes first in a
// chain, works on whole bundles after the queue, and is left out where it does not
// pay.
type Layer struct {
	Name string // "gzip", as in a chain

	// Compresses is set for compressors. What they have made for one peer is good
	// for all of the same form.
	Compresses bool

	// Is tells a message inside this layer from one without it; nil where every
	// message is in it. A compressor without it is never left out, and works for
	// each link by itself.
	Is func(msg []byte) bool

	// Overhead is the most that Encode adds to a message, in bytes.
	Overhead int

	// New makes the two halves of one link, or says what the layer lacks: a key, say.
	// far is for the other side of the link, a client's.
	New func(far bool) (Coder, *Error)
}

// A Coder is a layer at work on one link. Encode is called by one goroutine at a
// time, in the order in which messages leave, and so is Decode, in the order in
// which they come; the two may overlap.
type Coder interface {
	// Encode appends src in the layer.
	Encode(dst, src []byte) ([]byte, error)

	// Decode appends what src holds, limit bytes of it at the most, and takes no
	// more memory than in proportion to that. It returns an *Error for what is not
	// of the layer, or larger.
	Decode(dst, src []byte, limit int) ([]byte, error)
}

// MaxLayers is how many layers a chain may have.
const MaxLayers = 4

// forms are the chains that peers have asked for. There are as many as the packers
// and layers allow, and no more than maxForms.
type forms struct {
	mu    sync.Mutex
	known map[string]*Form
}

const maxForms = 256

// plainForm is EDN as it is: what everybody speaks until hello has said otherwise.
var plainForm = &Form{Packer: EDN, name: "edn"}

// Form returns the form of a chain, "" for EDN: a packer's name, and those of
// layers behind it, with commas.
func (h *Hub) Form(chain string) (*Form, *Error) {
	if chain == "" || chain == plainForm.name {
		return plainForm, nil
	}
	h.forms.mu.Lock()
	defer h.forms.mu.Unlock()
	if f := h.forms.known[chain]; f != nil {
		return f, nil
	}
	first, rest, more := strings.Cut(chain, ",")
	f := &Form{Packer: h.packer(first), name: chain}
	if f.Packer == nil {
		return nil, h.unknownForm("no packer :" + short([]byte(first)))
	}
	for more {
		var name string
		name, rest, more = strings.Cut(rest, ",")
		l := h.layer(name)
		switch {
		case l == nil && h.packer(name) != nil:
			return nil, h.unknownForm("a chain has one packer, its first part, and :" + name + " is another")
		case l == nil:
			return nil, h.unknownForm("nothing called :" + short([]byte(name)) + " goes around a packer")
		case slices.Contains(f.Layers, l):
			return nil, h.unknownForm(":" + name + " is in the chain twice")
		case l.Compresses && len(f.Layers) > 0:
			return nil, h.unknownForm(":" + name + " compresses, and belongs right behind the packer")
		case len(f.Layers) == MaxLayers || len(h.forms.known) >= maxForms:
			return nil, h.unknownForm(fmt.Sprintf("a chain has at most %d layers", MaxLayers))
		}
		f.Layers = append(f.Layers, l)
	}
	if h.forms.known == nil {
		h.forms.known = map[string]*Form{}
	}
	h.forms.known[chain] = f
	return f, nil
}

func (h *Hub) unknownForm(problem string) *Error {
	hint := "packers are :edn"
	for _, p := range h.cfg.Packers {
		hint += " :" + p.Name()
	}
	if len(h.cfg.Layers) > 0 {
		hint += "; around them go"
		for _, l := range h.cfg.Layers {
			hint += " :" + l.Name
		}
	}
	return &Error{Category: Unsupported, Code: "packer", Msg: problem, Hint: hint}
}

func (h *Hub) packer(name string) Packer {
	if name == EDN.Name() {
		return EDN
	}
	for _, p := range h.cfg.Packers {
		if p.Name() == name {
			return p
		}
	}
	return nil
}

func (h *Hub) layer(name string) *Layer {
	for _, l := range h.cfg.Layers {
		if l.Name == name {
			return l
		}
	}
	return nil
}

// Compressor is the layer of the chain that compresses where that pays, nil without
// one.
func (f *Form) Compressor() *Layer {
	if len(f.Layers) > 0 && f.Layers[0].Compresses && f.Layers[0].Is != nil {
		return f.Layers[0]
	}
	return nil
}

// Overhead is the most that the layers around every message add to it.
func (f *Form) Overhead() (n int) {
	for _, l := range f.Layers {
		if l != f.Compressor() {
			n += l.Overhead
		}
	}
	return n
}

// append appends the form as a hello has it: :edn, or [:msgpack :gzip].
func (f *Form) append(b []byte) []byte {
	if len(f.Layers) == 0 {
		return append(append(b, ':'), f.name...)
	}
	b = append(append(b, "[:"...), f.Packer.Name()...)
	for _, l := range f.Layers {
		b = append(append(b, " :"...), l.Name...)
	}
	return append(b, ']')
}

// Text reports whether messages of the form are valid UTF-8.
func (f *Form) Text() bool { return f.Packer.Text() && len(f.Layers) == 0 }

// Chain is the name of the form that the fields ask for: Packer, and gzip behind it
// where Gzip says so and the chain does not.
func (h Hello) Chain() string {
	chain := h.Packer
	if chain == "" {
		chain = EDN.Name()
	}
	if !h.Gzip {
		return chain
	}
	parts := strings.Split(chain, ",")
	if slices.Contains(parts, "gzip") {
		return chain
	}
	return strings.Join(slices.Insert(parts, 1, "gzip"), ",")
}
