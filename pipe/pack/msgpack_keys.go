package pack

import (
	"encoding/binary"
	"math/bits"
	"math/rand/v2"

	"github.com/vmihailenco/msgpack/v5/msgpcode"
)

// MaxKeys is how many keys of a message may be referred to, by one byte.
const maxKeys = 256

// A keyCache knows the keys that a message has so far, by their packed bytes, and the
// numbers that they are written by when they come again. It keeps copies, since what
// was written may still move.
type keyCache struct {
	n     int
	epoch uint32 // of this message: slots of another one are free
	slots [2 * maxKeys]uint32
	hash  [maxKeys]uint32
	ends  [maxKeys]uint32 // in text
	text  []byte
}

const epochShift = 9 // a slot has an epoch, and a number from 1 on

func (c *keyCache) reset() {
	c.n, c.text = 0, c.text[:0]
	if c.epoch++; c.epoch == 1<<(32-epochShift) {
		clear(c.slots[:])
		c.epoch = 1
	}
}

// Seed makes it a matter of luck which keys are in each other's way.
var keySeed = rand.Uint64() | 1

func keyHash(b []byte) uint32 {
	h := keySeed ^ uint64(len(b))
	for len(b) >= 8 {
		h = keyMix(h ^ binary.LittleEndian.Uint64(b))
		b = b[8:]
	}
	switch n := len(b); {
	case n >= 4:
		h ^= uint64(binary.LittleEndian.Uint32(b)) | uint64(binary.LittleEndian.Uint32(b[n-4:]))<<32
	case n > 0:
		h ^= uint64(b[0]) | uint64(b[n/2])<<8 | uint64(b[n-1])<<16
	}
	h = keyMix(h)
	return uint32(h>>32) ^ uint32(h)
}

func keyMix(h uint64) uint64 {
	hi, lo := bits.Mul64(h^0x9e3779b97f4a7c15, keySeed^0xd1b54a32d192ed03)
	return hi ^ lo
}

// Number returns a key's number, if it has come before; else it gets the next one, as
// long as there are some.
func (c *keyCache) number(key []byte) (n int, known bool) {
	h := keyHash(key)
	for i := h % (2 * maxKeys); ; i = (i + 1) % (2 * maxKeys) {
		s := c.slots[i]
		if s>>epochShift != c.epoch {
			if c.n < maxKeys {
				c.text = append(c.text, key...)
				c.hash[c.n], c.ends[c.n] = h, uint32(len(c.text))
				c.n++
				c.slots[i] = c.epoch<<epochShift | uint32(c.n)
			}
			return 0, false
		}
		n := int(s&(1<<epochShift-1)) - 1
		if c.hash[n] == h && string(c.key(n)) == string(key) {
			return n, true
		}
	}
}

func (c *keyCache) key(n int) []byte {
	from := uint32(0)
	if n > 0 {
		from = c.ends[n-1]
	}
	return c.text[from:c.ends[n]]
}

// Known writes the key that was written from a place on by its number, if it has come
// before.
func (w *msgpackWriter) known(from int) {
	if n, known := w.keys.number(w.dst[from:]); known {
		w.dst = append(w.dst[:from], msgpcode.FixExt1, extCached, byte(n))
	}
}
