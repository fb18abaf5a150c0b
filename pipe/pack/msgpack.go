package pack

import (
	"fmt"
	"sync"

	"github.com/sente-lite/sente-lite/pipe"
	"github.com/vmihailenco/msgpack/v5/msgpcode"
)

// Msgpack is the packer of binary links between peers of our own (contract section
// 3): standard MessagePack with the extensions of taoensso's, which Sente speaks, and
// two more, so that every EDN value survives.
//
//	nil true false       c0 c3 c2
//	integer of 64 bits   the smallest form, d3 from 2^32 on
//	double               ca where a float32 is the same number, else cb; always cb
//	                     in sets and in keys, where the JVM tells the two apart
//	string               str
//	vector, map          array, map
//	keyword, symbol      ext 0, ext 1: its text
//	character            ext 2: its text
//	ratio                ext 3: two integers
//	#{…}                 ext 4: one array
//	#uuid                ext 9: 36 characters
//	#inst                ext -1: nanoseconds of 4 bytes, seconds of 8
//	(…)                  ext 16: one array
//	#sente-lite/bytes    bin; the tag is on base64, as EDN has no bytes
//	#sente-lite/ext      [id "base64"]: any other ext
//	all others           ext 17: the EDN text
//
// All others are 12N, 1.5M, integers beyond 64 bits, tags, regexes, strings with half
// of a surrogate pair, instants with more than 9 digits of a second, those before 1583,
// which readers take for different ones, and an #inst or #uuid that is none. Metadata
// is dropped, #:ns{:a 1} is {:ns/a 1}.
//
// Keys of maps that are keywords or strings are written once a message: where one comes
// again it is ext 8, its number in the order of writing, up to 256 of them. A bundle is
// one message.
//
// In, all standard forms are taken, whatever the size of what is in them, also the
// timestamps of 4 and 8 bytes. A map with a key twice and a set with an element twice
// are refused, as EDN's readers would.
var Msgpack pipe.Packer = &msgpackPacker{}

// SenteMsgpack is the same towards stock Sente, which has no ext 16 and 17: a list is
// an array, 12N an integer if it fits, 1.5M a double. What does not fit then is refused
// with its path. In, bytes behind the value are ignored, as Sente's Ajax clients send
// some.
var SenteMsgpack pipe.Packer = &msgpackPacker{sente: true}

type msgpackPacker struct {
	sente   bool
	scratch sync.Pool // of *msgpackScratch
}

func (*msgpackPacker) Name() string { return "msgpack" }
func (*msgpackPacker) Text() bool   { return false }

// The ids of ext, in the order of their numbers.
const (
	extInstant = -1
	extKeyword = 0
	extSymbol  = 1
	extChar    = 2
	extRatio   = 3
	extSet     = 4
	extCached  = 8
	extUUID    = 9
	extList    = 16
	extEDN     = 17
)

// MsgpackScratch is what one message needs beside its bytes.
type msgpackScratch struct {
	frames []outFrame
	fixes  []fix
	keys   keyCache
	text   []byte

	joins  []joinFrame
	places []inFrame
	names  nameSet
	met    []span // keys of the message that is read
}

type span struct{ from, to uint32 }

func (p *msgpackPacker) take() *msgpackScratch {
	if s, ok := p.scratch.Get().(*msgpackScratch); ok {
		return s
	}
	return &msgpackScratch{names: newNameSet(), met: make([]span, 0, maxKeys)}
}

func (p *msgpackPacker) give(s *msgpackScratch) {
	if max(cap(s.frames), cap(s.fixes), cap(s.joins), cap(s.places), cap(s.names.all)) > keepScratch ||
		max(cap(s.text), cap(s.keys.text)) > 8*keepScratch {
		return
	}
	s.frames, s.fixes, s.joins, s.places, s.names.all = s.frames[:0], s.fixes[:0], s.joins[:0], s.places[:0], s.names.all[:0]
	p.scratch.Put(s)
}

// A form is what a byte that begins a value announces.
type form uint8

const (
	formNone  form = iota // c1, which begins none
	formSmall             // the byte is the integer
	formNil
	formFalse
	formTrue
	formUint // from here on: how many bytes follow that are the value, or its length
	formInt
	formFloat
	formStr
	formBin
	formArray
	formMap
	formExt // length, then the id
)

// A code is one of the bytes that a value begins with.
type code struct {
	form form
	wide uint8 // bytes of the number that follows, or of its length; 0 where n is it
	n    uint8
}

var codes = func() (all [256]code) {
	for c := range all {
		switch b := byte(c); {
		case msgpcode.IsFixedNum(b):
			all[c] = code{form: formSmall}
		case msgpcode.IsFixedMap(b):
			all[c] = code{formMap, 0, b & msgpcode.FixedMapMask}
		case msgpcode.IsFixedArray(b):
			all[c] = code{formArray, 0, b & msgpcode.FixedArrayMask}
		case msgpcode.IsFixedString(b):
			all[c] = code{formStr, 0, b & msgpcode.FixedStrMask}
		}
	}
	for c, is := range map[byte]code{
		msgpcode.Nil: {form: formNil}, msgpcode.False: {form: formFalse}, msgpcode.True: {form: formTrue},
		msgpcode.Uint8: {formUint, 1, 0}, msgpcode.Uint16: {formUint, 2, 0}, msgpcode.Uint32: {formUint, 4, 0}, msgpcode.Uint64: {formUint, 8, 0},
		msgpcode.Int8: {formInt, 1, 0}, msgpcode.Int16: {formInt, 2, 0}, msgpcode.Int32: {formInt, 4, 0}, msgpcode.Int64: {formInt, 8, 0},
		msgpcode.Float: {formFloat, 4, 0}, msgpcode.Double: {formFloat, 8, 0},
		msgpcode.Str8: {formStr, 1, 0}, msgpcode.Str16: {formStr, 2, 0}, msgpcode.Str32: {formStr, 4, 0},
		msgpcode.Bin8: {formBin, 1, 0}, msgpcode.Bin16: {formBin, 2, 0}, msgpcode.Bin32: {formBin, 4, 0},
		msgpcode.Array16: {formArray, 2, 0}, msgpcode.Array32: {formArray, 4, 0},
		msgpcode.Map16: {formMap, 2, 0}, msgpcode.Map32: {formMap, 4, 0},
		msgpcode.FixExt1: {formExt, 0, 1}, msgpcode.FixExt2: {formExt, 0, 2}, msgpcode.FixExt4: {formExt, 0, 4},
		msgpcode.FixExt8: {formExt, 0, 8}, msgpcode.FixExt16: {formExt, 0, 16},
		msgpcode.Ext8: {formExt, 1, 0}, msgpcode.Ext16: {formExt, 2, 0}, msgpcode.Ext32: {formExt, 4, 0},
	} {
		all[c] = is
	}
	return all
}()

// Unsupported says that a value at a place of the text cannot be packed.
func unsupported(text []byte, at int, code, problem, hint string) *pipe.Error {
	path := appendPath(nil, text, at)
	return &pipe.Error{
		Category: pipe.Unsupported,
		Code:     code,
		Msg:      fmt.Sprintf("the value at %s %s", path, problem),
		Hint:     hint,
		Data:     fmt.Sprintf("{:path %s}", path),
	}
}
