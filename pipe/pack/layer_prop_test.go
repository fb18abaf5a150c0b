package pack_test

import (
	"bytes"
	"compress/flate"
	stdgzip "compress/gzip"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"pgregory.net/rapid"

	"github.com/sente-lite/sente-lite/pipe"
	"github.com/sente-lite/sente-lite/pipe/pack"
)

// chains are all that a peer may ask for.
func chains() (all [][]*pipe.Layer) {
	for _, c := range []*pipe.Layer{nil, pack.Gzip, pack.DeflateRaw, pack.Zstd} {
		for _, aes := range []*pipe.Layer{nil, aesGCM(keyA)} {
			chain := slices.DeleteFunc([]*pipe.Layer{c, aes}, func(l *pipe.Layer) bool { return l == nil })
			if len(chain) > 0 {
				all = append(all, chain)
			}
		}
	}
	return all
}

// anyMessage is from nothing to 200 KB, of what compresses well and what does not.
func anyMessage() *rapid.Generator[[]byte] {
	return rapid.Custom(func(t *rapid.T) []byte {
		var b []byte
		for range rapid.IntRange(0, 4).Draw(t, "parts") {
			switch rapid.IntRange(0, 3).Draw(t, "kind") {
			case 0:
				b = append(b, rapid.SliceOfN(rapid.Byte(), 0, 2000).Draw(t, "bytes")...)
			case 1:
				b = append(b, logEvents(rapid.IntRange(1, 300).Draw(t, "events"))...)
			case 2:
				b = append(b, noise(rapid.IntRange(0, 70_000).Draw(t, "noise"))...)
			case 3:
				b = append(b, bytes.Repeat([]byte{rapid.Byte().Draw(t, "byte")}, rapid.IntRange(0, 70_000).Draw(t, "times"))...)
			}
		}
		return b
	})
}

func TestLayersRoundTrip(t *testing.T) {
	for _, chain := range chains() {
		var name []string
		var out, in []pipe.Coder
		for _, l := range chain {
			name = append(name, l.Name)
			out, in = append(out, coder(t, l)), append(in, far(t, l))
		}
		t.Run(strings.Join(name, ","), rapid.MakeCheck(func(t *rapid.T) {
			src := anyMessage().Draw(t, "message")
			packed := src
			for i, c := range out {
				from := len(packed)
				packed = encode(t, c, packed)
				if more := len(packed) - from - chain[i].Overhead; more > from/8192 {
					t.Errorf("%s adds %d bytes to %d beyond its overhead", chain[i].Name, more, from)
				}
				if is := chain[i].Is; is != nil && !is(packed) {
					t.Errorf("%s does not tell its own", chain[i].Name)
				}
			}
			for i := len(in) - 1; i >= 0; i-- {
				limit := len(src)
				if i > 0 {
					limit = len(packed)
				}
				var err error
				if packed, err = in[i].Decode(nil, packed, limit); err != nil {
					t.Fatal(err)
				}
			}
			if !bytes.Equal(packed, src) {
				t.Errorf("%d bytes come back as %d others", len(src), len(packed))
			}
		}))
	}
}

// decodes checks what every Decode promises, and returns what it has made.
func decodes(t *testing.T, c pipe.Coder, src []byte, limit int) ([]byte, bool) {
	t.Helper()
	kept := bytes.Clone(src)
	out, err := c.Decode([]byte("before"), src, limit)
	if !bytes.Equal(kept, src) {
		t.Fatal("Decode changes what it reads")
	}
	if !bytes.HasPrefix(out, []byte("before")) {
		t.Fatal("Decode does not append")
	}
	out = out[len("before"):]
	if err != nil {
		var e *pipe.Error
		if !errors.As(err, &e) || e.Category != pipe.Incorrect || e.Msg == "" {
			t.Fatalf("%v is no error for a peer", err)
		}
		if len(out) > 0 {
			t.Fatalf("%d bytes are left behind by %v", len(out), err)
		}
		return nil, false
	}
	if len(out) > limit {
		t.Fatalf("%d bytes, allowed are %d", len(out), limit)
	}
	return out, true
}

const fuzzLimit = 1 << 18

func FuzzGzipDecode(f *testing.F) {
	c := coder(f, pack.Gzip)
	for _, src := range [][]byte{nil, []byte("[:a/b]"), logEvents(20), noise(300)} {
		good := encode(f, c, src)
		f.Add(good)
		f.Add(good[:len(good)/2])
		f.Add(append(bytes.Clone(good), good...))
	}
	f.Add(gzipped(bomb(f, 1)))
	f.Add([]byte("\x1f\x8b\x08\x1e\x00\x00\x00\x00\x00\xff\x03\x00abcname\x00comment\x00\x00\x00\x03\x00"))
	f.Fuzz(func(t *testing.T, src []byte) {
		out, ok := decodes(t, c, src, fuzzLimit)
		if !ok {
			return
		}
		in := bytes.NewReader(src)
		r, err := stdgzip.NewReader(in)
		if err != nil {
			t.Fatalf("the standard library refuses it: %v", err)
		}
		r.Multistream(false)
		want, err := io.ReadAll(r)
		if err != nil || !bytes.Equal(out, want) || in.Len() > 0 {
			t.Fatalf("the standard library reads other bytes, or leaves %d: %v", in.Len(), err)
		}
	})
}

func FuzzDeflateDecode(f *testing.F) {
	c := coder(f, pack.DeflateRaw)
	for _, src := range [][]byte{nil, []byte("[:a/b]"), logEvents(20), noise(300)} {
		good := encode(f, c, src)
		f.Add(good)
		f.Add(good[:len(good)/2])
	}
	f.Add(bomb(f, 1))
	f.Fuzz(func(t *testing.T, src []byte) {
		out, ok := decodes(t, c, src, fuzzLimit)
		if !ok {
			return
		}
		in := bytes.NewReader(src)
		want, err := io.ReadAll(flate.NewReader(in))
		if err != nil || !bytes.Equal(out, want) || in.Len() > 0 {
			t.Fatalf("the standard library reads other bytes, or leaves %d: %v", in.Len(), err)
		}
	})
}

func FuzzZstdDecode(f *testing.F) {
	c := coder(f, pack.Zstd)
	for _, src := range [][]byte{nil, []byte("[:a/b]"), logEvents(20), noise(300)} {
		good := encode(f, c, src)
		f.Add(good)
		f.Add(good[:len(good)/2])
		f.Add(append(bytes.Clone(good), good...))
	}
	f.Add(zeros(3, 0))
	f.Add(zeros(3, 3<<17))
	r, err := zstd.NewReader(nil, zstd.WithDecoderMaxMemory(1<<24))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		out, ok := decodes(t, c, src, fuzzLimit)
		if !ok {
			return
		}
		if want, err := r.DecodeAll(src, nil); err != nil || !bytes.Equal(out, want) {
			t.Fatalf("without a limit it is read as other bytes: %v", err)
		}
	})
}

// FuzzAESDecode has a side read what nobody with the key has written, and then what
// somebody has.
func FuzzAESDecode(f *testing.F) {
	a, b := aesLink(f, keyA)
	f.Add(encode(f, a, []byte("[:a/b]")), 3)
	f.Add(encode(f, b, logEvents(3)), 40)
	f.Add([]byte("12345678\x00\x00\x00\x01"), 0)
	f.Add(make([]byte, 28), 1)
	f.Fuzz(func(t *testing.T, src []byte, at int) {
		a, b := aesLink(t, keyB, keyA)
		opens(t, b, encode(t, a, []byte("first")), "first")
		next := encode(t, a, []byte("next"))
		if out, ok := decodes(t, b, src, fuzzLimit); ok {
			t.Fatalf("%q is taken", out)
		}
		at = int(uint(at) % uint(len(next)))
		bad := append(bytes.Clone(next[:at]), src...)
		if out, ok := decodes(t, b, bad, fuzzLimit); ok && !bytes.Equal(bad, next) {
			t.Fatalf("%q is taken", out)
		} else if !ok {
			opens(t, b, next, "next")
		}
	})
}
