package pack

import (
	"bytes"
	"unicode/utf8"

	"github.com/sente-lite/sente-lite/pipe"
)

// A shape is what a JSON value is expected to be (contract section 3).
type shape uint8

const (
	shapeData  shape = iota
	shapeItem        // an event, a call, a reply or a bundle
	shapeEvent       // an event
	shapeItems       // a bundle's items
	shapeOwner       // the map of an owner event, with an "event" in it
	shapeHead        // what an item or event begins with
)

// A head is a name that decides about what follows it.
type head uint8

const (
	headOther head = iota
	headBundle
	headOwner
)

// Unpack appends the EDN text of one JSON message.
func (p *jsonPacker) Unpack(dst, packed []byte, lim pipe.Limits) ([]byte, error) {
	lim = lim.OrDefault()
	if len(packed) > lim.Bytes {
		return dst, tooLarge("", len(packed), lim.Bytes)
	}
	s := p.take()
	defer p.give(s)
	in := jsonIn{scratch: s, src: packed, dst: dst, depth: lim.Depth}
	if err := in.message(); err != nil {
		return dst, err
	}
	if size := len(in.dst) - len(dst); size > lim.Bytes {
		return dst, tooLarge(" as EDN", size, lim.Bytes)
	}
	return in.dst, nil
}

// JsonIn reads JSON and writes EDN. Open arrays and objects are on a stack of
// its own, so that depth costs no Go stack.
type jsonIn struct {
	*scratch
	src   []byte
	pos   int
	dst   []byte
	depth int
}

func (in *jsonIn) message() error {
	next := shapeItem
	for {
		opened, err := in.value(next)
		if err != nil {
			return err
		}
		if !opened {
			if done, err := in.close(); done || err != nil {
				return err
			}
		}
		if next, err = in.inner(); err != nil {
			return err
		}
	}
}

// Value reads one scalar, or the opening of an array or object.
func (in *jsonIn) value(as shape) (opened bool, err error) {
	in.space()
	switch c := in.peek(); c {
	case '[', '{':
		return in.open(c, as)
	case '"':
		if as == shapeHead {
			return false, in.name()
		}
		return false, in.text()
	case 't':
		return false, in.word("true", "true")
	case 'f':
		return false, in.word("false", "false")
	case 'n':
		return false, in.word("null", "nil")
	default:
		if c == '-' || isDigit(c) {
			return false, in.number()
		}
	}
	return false, in.unexpected("a value")
}

// Open reads the opening of an array or object. An empty one is closed at once.
func (in *jsonIn) open(c byte, as shape) (opened bool, err error) {
	if len(in.frames) == in.depth {
		return false, tooDeep(in.src, in.pos, in.depth)
	}
	f := frame{shut: c + 2, names: len(in.names.all)}
	switch array := c == '['; {
	case as == shapeHead && array: // a call
		f.shape = shapeEvent
	case array && (as == shapeItem || as == shapeEvent || as == shapeItems),
		!array && as == shapeOwner:
		f.shape = as
	}
	in.dst = append(in.dst, c)
	in.pos++
	in.space()
	if in.peek() == f.shut {
		in.pos++
		in.dst = append(in.dst, f.shut)
		return false, nil
	}
	in.frames = append(in.frames, f)
	return true, nil
}

// Close reads what follows a complete value: a comma, or the ends of arrays and
// objects and of the text.
func (in *jsonIn) close() (done bool, err error) {
	for {
		in.space()
		if len(in.frames) == 0 {
			if in.pos < len(in.src) {
				return false, in.unexpected("nothing after the value")
			}
			return true, nil
		}
		f := &in.frames[len(in.frames)-1]
		switch in.peek() {
		case ',':
			in.pos++
			in.dst = append(in.dst, ' ')
			f.n++
			return false, nil
		case f.shut:
			in.pos++
		default:
			if f.shut == ']' {
				return false, in.unexpected("a comma or ]")
			}
			return false, in.unexpected("a comma or }")
		}
		if f.shut == '}' {
			if twice, at := in.names.close(in.dst, f.names); twice != nil {
				return false, badJSON(in.src, at, "the key %s comes twice in one object", clip(twice))
			}
		}
		in.dst = append(in.dst, f.shut)
		in.frames = in.frames[:len(in.frames)-1]
	}
}

// Inner says what the next value of the innermost array or object is to be, and
// reads its key, if it has one.
func (in *jsonIn) inner() (shape, error) {
	f := &in.frames[len(in.frames)-1]
	if f.shut == '}' {
		key, err := in.key()
		if err == nil && f.shape == shapeOwner && string(key) == ":event" {
			return shapeEvent, nil
		}
		return shapeData, err
	}
	switch {
	case f.shape == shapeItems:
		return shapeItem, nil
	case f.shape != shapeItem && f.shape != shapeEvent:
		return shapeData, nil
	case f.n == 0:
		if f.shape == shapeEvent {
			in.space()
			if in.peek() != '"' { // no event, whatever it is
				return shapeData, nil
			}
		}
		return shapeHead, nil
	case f.n == 1 && f.head == headBundle && f.shape == shapeItem:
		return shapeItems, nil
	case f.n == 1 && f.head == headOwner:
		return shapeOwner, nil
	}
	return shapeData, nil
}

// Key reads an object's key and its colon, and returns the key as written.
func (in *jsonIn) key() ([]byte, error) {
	in.space()
	if in.peek() != '"' {
		return nil, in.unexpected("a key in double quotes")
	}
	at, from := in.pos, len(in.dst)
	if err := in.nameOrText(); err != nil {
		return nil, err
	}
	in.names.add(in.dst, from, at)
	key := in.dst[from:]
	in.space()
	if in.peek() != ':' {
		return nil, in.unexpected("a colon after the key")
	}
	in.pos++
	in.dst = append(in.dst, ' ')
	return key, nil
}

// Name reads the string that an event begins with.
func (in *jsonIn) name() error {
	from := len(in.dst)
	if err := in.nameOrText(); err != nil {
		return err
	}
	f := &in.frames[len(in.frames)-1]
	switch string(in.dst[from:]) {
	case ":batch/events":
		f.head = headBundle
	case ":sente-lite/send", ":sente-lite/request":
		f.head = headOwner
	}
	return nil
}

// NameOrText reads a string as a keyword where it reads back as one.
func (in *jsonIn) nameOrText() error {
	from := len(in.dst)
	if err := in.text(); err != nil {
		return err
	}
	text := in.dst[from+1 : len(in.dst)-1]
	if IsKeyword(text) { // so nothing in it is escaped
		in.dst[from] = ':'
		in.dst = in.dst[:len(in.dst)-1]
	}
	return nil
}

func (in *jsonIn) space() {
	for in.pos < len(in.src) {
		switch in.src[in.pos] {
		case ' ', '\n', '\r', '\t':
			in.pos++
		default:
			return
		}
	}
}

// Peek returns the next byte, 0 at the end.
func (in *jsonIn) peek() byte {
	if in.pos < len(in.src) {
		return in.src[in.pos]
	}
	return 0
}

func (in *jsonIn) unexpected(want string) error {
	return badJSON(in.src, in.pos, "found %s, expected %s", found(in.src, in.pos), want)
}

func (in *jsonIn) word(json, edn string) error {
	if !bytes.HasPrefix(in.src[in.pos:], []byte(json)) {
		return in.unexpected("a value (" + json + "?)")
	}
	in.pos += len(json)
	in.dst = append(in.dst, edn...)
	return nil
}

// Number copies a number: what JSON allows is a subset of EDN, and the same
// there, but for -0.
func (in *jsonIn) number() error {
	begin := in.pos
	if in.peek() == '-' {
		in.pos++
	}
	if in.peek() == '0' {
		in.pos++
	} else if err := in.digits(); err != nil {
		return err
	}
	whole := in.pos
	if in.peek() == '.' {
		in.pos++
		if err := in.digits(); err != nil {
			return err
		}
	}
	if c := in.peek(); c == 'e' || c == 'E' {
		in.pos++
		if c := in.peek(); c == '+' || c == '-' {
			in.pos++
		}
		if err := in.digits(); err != nil {
			return err
		}
	}
	if isDigit(in.peek()) {
		return in.unexpected("a number without leading zeros")
	}
	in.dst = append(in.dst, in.src[begin:in.pos]...)
	if whole == in.pos && string(in.src[begin:in.pos]) == "-0" {
		in.dst = append(in.dst, ".0"...)
	}
	return nil
}

func (in *jsonIn) digits() error {
	if !isDigit(in.peek()) {
		return in.unexpected("a digit")
	}
	for isDigit(in.peek()) {
		in.pos++
	}
	return nil
}

// Text copies a string, runs of plain characters at a time.
func (in *jsonIn) text() error {
	in.dst = append(in.dst, '"')
	in.pos++
	run, wide := in.pos, false
	for {
		if in.pos >= len(in.src) {
			return badJSON(in.src, in.pos, "the string has no end")
		}
		c := in.src[in.pos]
		if c >= utf8.RuneSelf {
			wide = true
		}
		if c != '"' && c != '\\' && c >= ' ' {
			in.pos++
			continue
		}
		plain := in.src[run:in.pos]
		if wide && !utf8.Valid(plain) {
			return badJSON(in.src, run+invalid(plain), "the bytes are not UTF-8")
		}
		in.dst = append(in.dst, plain...)
		switch c {
		case '"':
			in.pos++
			in.dst = append(in.dst, '"')
			return nil
		case '\\':
			if err := in.escape(); err != nil {
				return err
			}
		default:
			return badJSON(in.src, in.pos, "a control character in a string; expected \\n, \\t or \\u%04x", c)
		}
		run, wide = in.pos, false
	}
}

func (in *jsonIn) escape() error {
	c := byte(0)
	if in.pos+1 < len(in.src) {
		c = in.src[in.pos+1]
	}
	switch c {
	case '"', '\\', 'b', 'f', 'n', 'r', 't': // the same in EDN
		in.dst = append(in.dst, '\\', c)
	case '/':
		in.dst = append(in.dst, '/')
	case 'u':
		return in.unicode()
	default:
		return badJSON(in.src, in.pos, `an unknown escape; allowed are \" \\ \/ \b \f \n \r \t \uXXXX`)
	}
	in.pos += 2
	return nil
}

func (in *jsonIn) unicode() error {
	r, ok := hex4(in.src, in.pos+2)
	if !ok {
		return badJSON(in.src, in.pos, `expected four hexadecimal digits after \u`)
	}
	size := 6
	if isSurrogate(r) {
		low := rune(0)
		if in.pos+7 < len(in.src) && in.src[in.pos+6] == '\\' && in.src[in.pos+7] == 'u' {
			low, _ = hex4(in.src, in.pos+8)
		}
		if r = joinSurrogates(r, low); r < 0 {
			return badJSON(in.src, in.pos, "half of a surrogate pair, which is no character")
		}
		size = 12
	}
	in.pos += size
	in.dst = appendEDNRune(in.dst, r)
	return nil
}

// Invalid returns where text stops being UTF-8.
func invalid(text []byte) int {
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return len(text)
}
