package pack_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"

	"github.com/sente-lite/sente-lite/pipe"
	"github.com/sente-lite/sente-lite/pipe/pack"
)

var (
	keyA = []byte("0123456789abcdef0123456789abcdef")
	keyB = []byte("fedcba9876543210")
)

func aesGCM(keys ...[]byte) *pipe.Layer {
	return pack.AESGCM(func() [][]byte { return keys })
}

// aesLink is the two sides of one link, the sidecar and its peer.
func aesLink(t testing.TB, keys ...[]byte) (a, b pipe.Coder) {
	t.Helper()
	l := aesGCM(keys...)
	return coder(t, l), far(t, l)
}

// opens fails unless c reads packed as want.
func opens(t testing.TB, c pipe.Coder, packed []byte, want string) {
	t.Helper()
	got, err := c.Decode([]byte("before"), packed, 1<<20)
	if err != nil || string(got) != "before"+want {
		t.Fatalf("read as %q: %v; expected %q", got, err, want)
	}
}

// shut fails unless c refuses packed, and says why in such words.
func shut(t testing.TB, c pipe.Coder, packed []byte, why string) {
	t.Helper()
	out, err := c.Decode([]byte("before"), packed, 1<<20)
	refused(t, err, "bad-cipher", why)
	if string(out) != "before" {
		t.Errorf("%d bytes are left behind", len(out))
	}
}

// TestAESWire opens messages by hand, as the page describes them.
func TestAESWire(t *testing.T) {
	for _, key := range [][]byte{keyA[:16], keyA[:24], keyA} {
		a, b := aesLink(t, key)
		block, err := aes.NewCipher(key)
		if err != nil {
			t.Fatal(err)
		}
		gcm, err := cipher.NewGCM(block)
		if err != nil {
			t.Fatal(err)
		}
		var side, bind []byte
		write := func(number uint32, text string) []byte {
			packed := encode(t, a, []byte(text))
			if side == nil {
				side = packed[:8]
			}
			if !bytes.Equal(packed[:8], side) || binary.BigEndian.Uint32(packed[8:]) != number {
				t.Errorf("nonce % x, expected % x and the number %d", packed[:12], side, number)
			}
			got, err := gcm.Open(nil, packed[:12], packed[12:], bind)
			if err != nil || string(got) != text {
				t.Errorf("message %d opens as %q: %v", number, got, err)
			}
			if len(packed) != len(text)+aesGCM(key).Overhead {
				t.Errorf("%d bytes around %d", len(packed)-len(text), len(text))
			}
			return packed
		}
		write(1, "[:a/b]")
		opens(t, b, write(2, ""), "")
		answer := encode(t, b, []byte("[:c/d]"))
		opens(t, a, answer, "[:c/d]")
		bind = answer[:8]
		opens(t, b, write(3, "[:e/f]"), "[:e/f]")
	}
}

func TestAESHidesAll(t *testing.T) {
	a, b := aesLink(t, keyA)
	src := logEvents(100)
	packed := encode(t, a, src)
	for at := 0; at+6 <= len(src); at++ {
		if i := bytes.Index(packed, src[at:at+6]); i >= 0 {
			t.Fatalf("%q stands at byte %d of what is written", src[at:at+6], i)
		}
	}
	if bytes.Contains(packed, keyA[:8]) {
		t.Error("a part of the key is written")
	}
	if again := encode(t, a, src); bytes.Equal(again[12:], packed[12:]) {
		t.Error("the same message looks the same twice")
	}
	if other := encode(t, b, src); bytes.Equal(other[:8], packed[:8]) {
		t.Error("both sides have the same nonces")
	}
}

func TestAESRefuses(t *testing.T) {
	t.Run("another key", func(t *testing.T) {
		a, _ := aesLink(t, keyA)
		_, b := aesLink(t, keyB)
		packed := encode(t, a, []byte("[:a/b]"))
		shut(t, b, packed, "does not open")
		_, err := b.Decode(nil, packed, 1<<20)
		for _, secret := range []string{"a/b", string(keyA[:8]), string(keyB[:8]), "authentication"} {
			if strings.Contains(err.Error(), secret) {
				t.Errorf("the error %q says %q", err, secret)
			}
		}
	})
	t.Run("short", func(t *testing.T) {
		a, b := aesLink(t, keyA)
		packed := encode(t, a, nil)
		for n := range len(packed) {
			shut(t, b, packed[:n], "28 bytes at the least")
		}
		opens(t, b, packed, "")
	})
	t.Run("twice", func(t *testing.T) {
		a, b := aesLink(t, keyA)
		one, two := encode(t, a, []byte("1")), encode(t, a, []byte("2"))
		opens(t, b, one, "1")
		shut(t, b, one, "come before")
		opens(t, b, two, "2")
		shut(t, b, one, "come before")
		shut(t, b, two, "come before")
	})
	t.Run("out of order", func(t *testing.T) {
		a, b := aesLink(t, keyA)
		one, two, three := encode(t, a, []byte("1")), encode(t, a, []byte("2")), encode(t, a, []byte("3"))
		opens(t, b, two, "2")
		shut(t, b, one, "out of order")
		opens(t, b, three, "3")
	})
	t.Run("number 0", func(t *testing.T) {
		a, b := aesLink(t, keyA)
		pack.Sent(a, math.MaxUint32-1)
		packed := encode(t, a, []byte("last"))
		opens(t, b, packed, "last")
		clear(packed[8:12])
		shut(t, b, packed, "come before")
	})
	t.Run("another link's", func(t *testing.T) {
		a, b := aesLink(t, keyA)
		c, _ := aesLink(t, keyA)
		opens(t, b, encode(t, a, []byte("1")), "1")
		shut(t, b, encode(t, c, []byte("1")), "another link")
		opens(t, b, encode(t, a, []byte("2")), "2")
	})
	t.Run("one that answered on another link", func(t *testing.T) {
		// A server that speaks first, a client, and somebody who has listened.
		server, client := aesLink(t, keyA)
		opens(t, client, encode(t, server, []byte("[:chsk/handshake]")), "[:chsk/handshake]")
		said := encode(t, client, []byte("[:pay/out]"))
		opens(t, server, said, "[:pay/out]")
		again, _ := aesLink(t, keyA)
		encode(t, again, []byte("[:chsk/handshake]"))
		shut(t, again, said, "does not open")
	})
	t.Run("our own", func(t *testing.T) {
		a, b := aesLink(t, keyA)
		shut(t, a, encode(t, a, []byte("1")), "our own")
		opens(t, a, encode(t, b, []byte("1")), "1")
		shut(t, a, encode(t, a, []byte("2")), "our own")
		again, other := aesLink(t, keyA) // what a sidecar says first is bound to nothing
		shut(t, again, encode(t, a, []byte("3")), "our own")
		shut(t, other, encode(t, b, []byte("2")), "our own")
	})
	t.Run("unbound, after one that was bound", func(t *testing.T) {
		a, b := aesLink(t, keyA)
		hello := encode(t, b, []byte("hello"))
		unbound := encode(t, a, []byte("1"))
		opens(t, a, hello, "hello")
		late := encode(t, a, []byte("2"))
		opens(t, b, unbound, "1")
		opens(t, b, late, "2")
		forged := seal(t, keyA, late[:8], 3, nil, "3")
		shut(t, b, forged, "does not open")
		opens(t, b, encode(t, a, []byte("3")), "3")
	})
	t.Run("more than the limit", func(t *testing.T) {
		a, b := aesLink(t, keyA)
		packed := encode(t, a, []byte("12345"))
		_, err := b.Decode(nil, packed, 4)
		refused(t, err, "too-large", "5 bytes in aes-gcm, allowed are 4")
		if got, err := b.Decode(nil, packed, 5); err != nil || string(got) != "12345" {
			t.Errorf("what has exactly the limit is read as %q: %v", got, err)
		}
	})
}

// seal makes a message by hand.
func seal(t *testing.T, key, side []byte, number uint32, bind []byte, text string) []byte {
	t.Helper()
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	nonce := binary.BigEndian.AppendUint32(bytes.Clone(side), number)
	return gcm.Seal(nonce, nonce, []byte(text), bind)
}

// TestAESTampered changes each byte of a message, and takes the true one after all.
func TestAESTampered(t *testing.T) {
	for _, first := range []bool{true, false} {
		a, b := aesLink(t, keyA)
		if !first {
			opens(t, b, encode(t, a, []byte("first")), "first")
		}
		packed := encode(t, a, []byte("[:pay/out 100]"))
		for at := range packed {
			for _, bit := range []byte{1, 0x80} {
				bad := bytes.Clone(packed)
				bad[at] ^= bit
				shut(t, b, bad, "aes-gcm")
			}
		}
		opens(t, b, packed, "[:pay/out 100]")
	}
}

func TestAESRotation(t *testing.T) {
	now := [][]byte{keyA}
	l := pack.AESGCM(func() [][]byte { return now })
	old := coder(t, l)
	now = [][]byte{keyB, keyA}
	between, late := far(t, l), far(t, l)
	opens(t, between, encode(t, old, []byte("1")), "1")
	opens(t, between, encode(t, old, []byte("2")), "2")
	shut(t, old, encode(t, between, []byte("3")), "does not open")

	now = [][]byte{keyB}
	after := coder(t, l)
	opens(t, after, encode(t, late, []byte("4")), "4")
	opens(t, late, encode(t, after, []byte("5")), "5")
	shut(t, far(t, l), encode(t, old, []byte("6")), "does not open")
}

func TestAESKeys(t *testing.T) {
	for _, tt := range []struct {
		keys [][]byte
		want string
	}{
		{nil, "no key is configured"},
		{[][]byte{keyA, keyA[:15]}, "16, 24 or 32 bytes, and one of 15"},
		{[][]byte{{}}, "and one of 0"},
	} {
		c, err := aesGCM(tt.keys...).New(false)
		if c != nil || err == nil || err.Category != pipe.Unsupported || !strings.Contains(err.Msg, tt.want) {
			t.Errorf("%d keys: %v, expected :unsupported that says %q", len(tt.keys), err, tt.want)
		}
	}
	if _, err := aesGCM().New(false); err == nil || !strings.Contains(err.Hint, ":encryption {:keys") {
		t.Errorf("%v does not say what to do", err)
	}
}

func TestAESExhausted(t *testing.T) {
	a, b := aesLink(t, keyA)
	opens(t, b, encode(t, a, []byte("first")), "first")
	pack.Sent(a, math.MaxUint32-1)
	opens(t, b, encode(t, a, []byte("last")), "last")
	for range 2 {
		out, err := a.Encode([]byte("before"), []byte("more"))
		var e *pipe.Error
		if !errors.As(err, &e) || e.Code != "cipher-exhausted" || !e.Retry || e.Hint == "" {
			t.Fatalf("%v; expected cipher-exhausted", err)
		}
		if string(out) != "before" {
			t.Errorf("%d bytes are written all the same", len(out))
		}
	}
}

// TestAESBothWays has both sides write and read at once.
func TestAESBothWays(t *testing.T) {
	const n = 500
	a, b := aesLink(t, keyA)
	ab, ba := make(chan []byte, 8), make(chan []byte, 8)
	var all sync.WaitGroup
	write := func(c pipe.Coder, to chan<- []byte) {
		defer close(to)
		for i := range n {
			packed, err := c.Encode(nil, fmt.Appendf(nil, "[:a/b %d]", i))
			if err != nil {
				t.Error(err)
				return
			}
			to <- packed
		}
	}
	read := func(c pipe.Coder, from <-chan []byte) {
		i := 0
		for packed := range from {
			got, err := c.Decode(nil, packed, 1<<20)
			if want := fmt.Sprintf("[:a/b %d]", i); err != nil || string(got) != want {
				t.Errorf("read as %q: %v; expected %q", got, err, want)
			}
			i++
		}
		if i != n {
			t.Errorf("%d of %d have come", i, n)
		}
	}
	all.Go(func() { write(a, ab) })
	all.Go(func() { write(b, ba) })
	all.Go(func() { read(a, ba) })
	all.Go(func() { read(b, ab) })
	all.Wait()
}
