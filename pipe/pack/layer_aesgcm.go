package pack

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"math"
	"sync"
	"sync/atomic"

	"github.com/sente-lite/sente-lite/pipe"
)

const (
	sidePrefix = 8 // of a nonce: one side of one link
	nonceSize  = sidePrefix + 4
	tagSize    = 16
	sidecarBit = 0x80 // of a nonce's first byte
)

// AESGCM encrypts every message by AES-128, -192 or -256 in GCM, with a key that both
// sides were given:
//
//	nonce (12) ‖ ciphertext ‖ tag (16)
//
// A nonce is 8 random bytes that stay for one side of one link, and the number of the
// message, big-endian from 1. The first bit is set in what a sidecar writes and clear in
// what its peers write, so that neither can be told what it has said itself. The additional data are the 8 bytes of the first message
// that this side has opened, none while it has opened none; so what answers is bound
// to the link that it answers on.
//
// keys is asked when a link begins. The link writes with the first key and reads with
// the one of all of them that opens its first message. A key has 16, 24 or 32 bytes.
// Without any, New has an :unsupported error.
//
// Decode refuses what does not open, what comes a second time or out of order, what
// another link's side has written or was written for, and its own messages:
// :incorrect, "bad-cipher". No error says anything of keys or contents. After 2^32−1
// messages Encode has an :unavailable error, "cipher-exhausted".
func AESGCM(keys func() [][]byte) *pipe.Layer {
	var ring keyring
	return &pipe.Layer{
		Name:     "aes-gcm",
		Overhead: nonceSize + tagSize,
		New: func(far bool) (pipe.Coder, *pipe.Error) {
			ciphers, err := ring.ciphers(keys())
			if err != nil {
				return nil, err
			}
			c := &aesGCM{write: ciphers[0], read: ciphers}
			rand.Read(c.out[:sidePrefix]) // it does not return without
			c.out[0] |= sidecarBit
			if far {
				c.out[0] &^= sidecarBit
			}
			return c, nil
		},
	}
}

// A keyring keeps what was made of the keys: it is the same for all links, and safe
// for concurrent use.
type keyring struct {
	mu    sync.Mutex
	keys  [][]byte
	ready []cipher.AEAD
}

func (r *keyring) ciphers(keys [][]byte) ([]cipher.AEAD, *pipe.Error) {
	if len(keys) == 0 {
		return nil, &pipe.Error{
			Category: pipe.Unsupported,
			Code:     "packer",
			Msg:      ":aes-gcm needs a key that both sides have, and no key is configured here",
			Hint:     `give :encryption {:keys [{:key-env "NAME"}]} to the sidecar; "sente-lite help packers" says more`,
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	same := len(keys) == len(r.keys)
	for i := 0; same && i < len(keys); i++ {
		same = bytes.Equal(keys[i], r.keys[i])
	}
	if same {
		return r.ready, nil
	}
	var ready []cipher.AEAD
	var copies [][]byte
	for _, key := range keys {
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, &pipe.Error{
				Category: pipe.Unsupported,
				Code:     "packer",
				Msg:      fmt.Sprintf(":aes-gcm needs a key of 16, 24 or 32 bytes, and one of %d is configured here", len(key)),
			}
		}
		aead, err := cipher.NewGCM(block)
		if err != nil {
			return nil, &pipe.Error{Category: pipe.Fault, Code: "fault", Msg: ":aes-gcm: " + err.Error()}
		}
		ready, copies = append(ready, aead), append(copies, bytes.Clone(key))
	}
	r.keys, r.ready = copies, ready
	return ready, nil
}

// An aesGCM is one side of one link. Encode and Decode may overlap: what both know is
// set before anything starts, or in peer.
type aesGCM struct {
	// Of the other side: the first 8 bytes of all its nonces, nil while nothing of it
	// was opened.
	peer atomic.Pointer[[sidePrefix]byte]

	// Encode's own, but for the first 8 bytes, which never change.
	write cipher.AEAD
	out   [nonceSize]byte // of the last message
	sent  uint32

	// Decode's own.
	read  []cipher.AEAD // one, once it has opened a message
	last  uint32        // number of the last message that was opened
	bound bool          // one has come that was written for us
}

func (c *aesGCM) Encode(dst, src []byte) ([]byte, error) {
	if c.sent == math.MaxUint32 {
		return dst, &pipe.Error{
			Category: pipe.Unavailable,
			Code:     "cipher-exhausted",
			Msg:      fmt.Sprintf("aes-gcm: this link has written %d messages, as many as one may", c.sent),
			Hint:     "connect again",
			Retry:    true,
		}
	}
	c.sent++
	binary.BigEndian.PutUint32(c.out[sidePrefix:], c.sent)
	var bind []byte
	if peer := c.peer.Load(); peer != nil {
		bind = peer[:]
	}
	dst = append(dst, c.out[:]...)
	return c.write.Seal(dst, c.out[:], src, bind), nil
}

func (c *aesGCM) Decode(dst, src []byte, limit int) ([]byte, error) {
	size := len(src) - nonceSize - tagSize
	if size < 0 {
		return dst, badCipher("a message has %d bytes at the least, this one has %d", nonceSize+tagSize, len(src))
	}
	if size > limit {
		return dst, tooLarge(" in aes-gcm", size, limit)
	}
	nonce, sealed := src[:nonceSize], src[nonceSize:]
	side, number := nonce[:sidePrefix], binary.BigEndian.Uint32(nonce[sidePrefix:])
	peer := c.peer.Load()
	switch {
	case (side[0]^c.out[0])&sidecarBit == 0:
		return dst, badCipher("it is one of our own side's, perhaps of another link")
	case peer != nil && !bytes.Equal(side, peer[:]):
		return dst, badCipher("it belongs to another link")
	case number <= c.last: // 0 is none
		return dst, badCipher("it has come before, or out of order")
	}
	for i, key := range c.read {
		out, bound, err := c.open(key, dst, nonce, sealed)
		if err != nil {
			continue
		}
		c.read, c.last, c.bound = c.read[i:i+1], number, c.bound || bound
		if peer == nil {
			c.peer.Store((*[sidePrefix]byte)(bytes.Clone(side)))
		}
		return out, nil
	}
	return dst, badCipher("it does not open: made with another key, for another link, or damaged")
}

// open appends what is sealed, and reports whether it was written for us. What was not
// may come only before the first that was.
func (c *aesGCM) open(key cipher.AEAD, dst, nonce, sealed []byte) (out []byte, bound bool, err error) {
	if out, err = key.Open(dst, nonce, sealed, c.out[:sidePrefix]); err == nil {
		return out, true, nil
	}
	if c.bound {
		return nil, false, err
	}
	out, err = key.Open(dst, nonce, sealed, nil)
	return out, false, err
}

func badCipher(format string, args ...any) *pipe.Error {
	return &pipe.Error{
		Category: pipe.Incorrect,
		Code:     "bad-cipher",
		Msg:      "aes-gcm: " + fmt.Sprintf(format, args...),
		Hint:     "both sides need the same key; each message is written once, on one link, in order",
	}
}
