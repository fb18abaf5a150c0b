package pipe

// A Packer is one wire form of messages. The hub's own form is EDN text, in
// which every value of contract section 3 has exactly one meaning; a Packer
// turns whole messages into another form and back at the edge, straight from
// token to token, and knows the shapes of section 3 in it.
//
// Packers are stateless and safe for concurrent use.
type Packer interface {
	Name() string // "edn", "json", …
	Text() bool   // packed messages are valid UTF-8 for text frames

	// Pack appends the packed form of one EDN message, which Check has
	// accepted. An *Error says what the form cannot carry.
	Pack(dst, edn []byte) ([]byte, error)

	// Join appends the bundle of packed messages, of which there is at least one.
	Join(dst []byte, items [][]byte) []byte

	// Unpack appends the EDN text of one packed message. It returns an *Error
	// for a message that is not of its form or over the limits; what it appends
	// is valid EDN within the limits.
	Unpack(dst, packed []byte, lim Limits) ([]byte, error)
}

// EDN is the Packer of the hub's own form: it copies.
var EDN Packer = ednPacker{}

type ednPacker struct{}

func (ednPacker) Name() string                         { return "edn" }
func (ednPacker) Text() bool                           { return true }
func (ednPacker) Pack(dst, edn []byte) ([]byte, error) { return append(dst, edn...), nil }
func (ednPacker) Join(dst []byte, items [][]byte) []byte {
	dst = append(dst, "[:batch/events ["...)
	for i, it := range items {
		if i > 0 {
			dst = append(dst, ' ')
		}
		dst = append(dst, it...)
	}
	return append(dst, "]]"...)
}
func (ednPacker) Unpack(dst, packed []byte, _ Limits) ([]byte, error) {
	return append(dst, packed...), nil
}
