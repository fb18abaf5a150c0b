package pack_test

import (
	"bytes"
	"encoding/binary"
	"runtime"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/sente-lite/sente-lite/pipe/pack"
)

// zeros is a zstd frame of n blocks of 128 KiB of zeros, in 4 bytes each. It says
// that it has size bytes, nothing where that is 0.
func zeros(n int, size uint64) []byte {
	b := []byte{0x28, 0xb5, 0x2f, 0xfd, 0, 0x50} // a window of 1 MiB
	if size > 0 {
		b[4] = 0xc0
		b = binary.LittleEndian.AppendUint64(b, size)
	}
	for i := range n {
		h := byte(1 << 1)
		if i == n-1 {
			h |= 1
		}
		b = append(b, h, 0, 0x10, 0) // 128 KiB << 3, a byte repeated
	}
	return b
}

// streamed is what another writer makes of src: without a size or a checksum, and in
// several blocks.
func streamed(t *testing.T, src []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := zstd.NewWriter(&b, zstd.WithEncoderCRC(false), zstd.WithEncoderConcurrency(1), zstd.WithZeroFrames(true))
	if err != nil {
		t.Fatal(err)
	}
	for part := range 4 {
		if _, err := w.Write(src[part*len(src)/4 : (part+1)*len(src)/4]); err != nil {
			t.Fatal(err)
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestZstdPeers(t *testing.T) {
	c := coder(t, pack.Zstd)
	r, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for _, src := range [][]byte{nil, []byte("x"), logEvents(1), logEvents(100), logEvents(3000), noise(300_000)} {
		packed := encode(t, c, src)
		if !pack.Zstd.Is(packed) {
			t.Errorf("zstd that begins with % x is not told as such", packed[:4])
		}
		if got, err := r.DecodeAll(packed, nil); err != nil || !bytes.Equal(got, src) {
			t.Errorf("a reader gets %d bytes of %d: %v", len(got), len(src), err)
		}
		got, derr := c.Decode([]byte("before"), streamed(t, src), 1<<20)
		if derr != nil || string(got) != "before"+string(src) {
			t.Errorf("%d bytes of a stream are read as %d: %v", len(src), len(got), derr)
		}
	}
}

func TestZstdRefuses(t *testing.T) {
	c := coder(t, pack.Zstd)
	src := logEvents(20)
	good := encode(t, c, src)
	with := func(at int, b byte) []byte {
		bad := bytes.Clone(good)
		bad[at] = b
		return bad
	}
	skippable := []byte{0x50, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 'h', 'i'}
	for _, tt := range []struct {
		name, code, want string
		in               []byte
		limit            int
	}{
		{"nothing", "bad-zstd", "too early, after 0 bytes", nil, 0},
		{"text", "bad-zstd", "begins with 5b 3a 63 68", []byte("[:chat/msg]"), 0},
		{"a byte of text", "bad-zstd", "begins with 5b", []byte("["), 0},
		{"gzip", "bad-zstd", "begins with 1f 8b", gzipped(nil), 0},
		{"what is to be skipped", "bad-zstd", "begins with 50 2a", skippable, 0},
		{"its magic alone", "bad-zstd", "too early", good[:4], 0},
		{"a header alone", "bad-zstd", "too early", good[:7], 0},
		{"half", "bad-zstd", "too early", good[:len(good)/2], 0},
		{"without its checksum", "bad-zstd", "too early", good[:len(good)-4], 0},
		{"without its last byte", "bad-zstd", "too early", good[:len(good)-1], 0},
		{"a wrong checksum", "bad-zstd", "checksum", with(len(good)-1, good[len(good)-1]^1), 0},
		{"a damaged block", "bad-zstd", "damaged", with(12, 0xff), 0},
		{"a dictionary", "bad-zstd", "dictionary", []byte{0x28, 0xb5, 0x2f, 0xfd, 0x21, 7, 1, 1, 0, 0}, 0},
		{"a reserved bit", "bad-zstd", "header", with(4, good[4]|8), 0},
		{"a byte behind it", "bad-zstd", "1 bytes follow", append(bytes.Clone(good), 0), 0},
		{"two frames", "bad-zstd", "follow", append(bytes.Clone(good), good...), 0},
		{"something to skip behind it", "bad-zstd", "10 bytes follow", append(bytes.Clone(good), skippable...), 0},
		{"less than it says", "bad-zstd", "damaged", zeros(1, 128<<10+1), 0},
		{"more than it says", "bad-zstd", "damaged", zeros(2, 128<<10), 0},
		{"more than the limit", "too-large", "more than the 2000 allowed", good, 2000},
		{"one byte more", "too-large", "allowed", good, len(src) - 1},
		{"one byte more, of a stream", "too-large", "allowed", streamed(t, src), len(src) - 1},
		{"a bomb that says so", "too-large", "a bomb", zeros(64, 64<<17), 1 << 30},
		{"a bomb that does not", "too-large", "a bomb", zeros(64, 0), 1 << 30},
		{"a bomb, a limit", "too-large", "more than the 65536 allowed", zeros(64, 0), 65536},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.limit == 0 {
				tt.limit = 1 << 20
			}
			out, err := c.Decode([]byte("before"), tt.in, tt.limit)
			refused(t, err, tt.code, tt.want)
			if string(out) != "before" {
				t.Errorf("%d bytes are left behind", len(out))
			}
		})
	}
	for _, tt := range []struct {
		in   []byte
		most int
	}{{good, len(src)}, {zeros(4, 0), 4 << 17}, {zeros(8, 1<<20), 1 << 20}} {
		if out, err := c.Decode(nil, tt.in, tt.most); err != nil || len(out) != tt.most {
			t.Errorf("what has exactly %d bytes is refused: %v", tt.most, err)
		}
	}
}

// TestZstdBomb is TestGzipBomb for frames, which may say that they are large.
func TestZstdBomb(t *testing.T) {
	for _, tt := range []struct {
		name  string
		in    []byte
		limit int
		most  uint64
	}{
		{"1 KiB that holds 32 MiB", zeros(256, 0), 1 << 30, 4 << 20},
		{"1 KiB that says 10 GiB", zeros(256, 10<<30), 1 << 30, 1 << 16},
		{"20 bytes that say 1 MiB", zeros(1, 1<<20), 1 << 30, 1 << 19},
		{"10 GiB in 320 KiB", zeros(80<<10, 0), 16 << 20, 64 << 20},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := coder(t, pack.Zstd)
			if _, err := c.Decode(nil, zeros(1, 0), 1<<20); err != nil { // so that there is a reader
				t.Fatal(err)
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := c.Decode(nil, tt.in, tt.limit)
			runtime.ReadMemStats(&after)
			if err == nil {
				t.Fatal("it is taken")
			}
			if got := after.TotalAlloc - before.TotalAlloc; got > tt.most {
				t.Errorf("%d bytes are allocated in all, allowed are %d", got, tt.most)
			}
		})
	}
}
