package pipe

// A packet is one message on its way out. It is packed at most once per
// packer, by the goroutine that sends it, and its bytes are then shared by all
// who get it; they are never changed.
type packet struct {
	edn  []byte
	kind queueKind
	// Most audiences have one form or two.
	packer Packer
	packed []byte
	more   map[Packer][]byte
	shown  *Item // edn taken apart, once somebody tails
}

// in returns the message in a packer's form. The error says what the form
// cannot carry.
func (p *packet) in(pk Packer) (Message, error) {
	if pk == EDN {
		return Message{Data: p.edn, Text: true}, nil
	}
	data := p.packed
	if p.packer != pk {
		data = p.more[pk]
	}
	if data == nil {
		var err error
		if data, err = pk.Pack(make([]byte, 0, len(p.edn)+len(p.edn)/8+16), p.edn); err != nil {
			return Message{}, err
		}
		switch {
		case p.packer == nil:
			p.packer, p.packed = pk, data
		default:
			if p.more == nil {
				p.more = map[Packer][]byte{}
			}
			p.more[pk] = data
		}
	}
	return Message{Data: data, Text: pk.Text()}, nil
}
