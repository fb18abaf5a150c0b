package pack_test

import (
	"bytes"
	stdgzip "compress/gzip"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/flate"

	"github.com/sente-lite/sente-lite/pipe"
	"github.com/sente-lite/sente-lite/pipe/pack"
)

// coder returns a new half pair of a layer.
func coder(t testing.TB, l *pipe.Layer) pipe.Coder {
	t.Helper()
	c, err := l.New(false)
	if err != nil {
		t.Fatalf("%s: %v", l.Name, err)
	}
	return c
}

// far is the other side's.
func far(t testing.TB, l *pipe.Layer) pipe.Coder {
	t.Helper()
	c, err := l.New(true)
	if err != nil {
		t.Fatalf("%s: %v", l.Name, err)
	}
	return c
}

// A fails is a test, or one of rapid's.
type fails interface {
	Helper()
	Fatal(args ...any)
}

func encode(t fails, c pipe.Coder, src []byte) []byte {
	t.Helper()
	b, err := c.Encode(nil, src)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// logEvents is a bundle of n events as a program's log makes them.
func logEvents(n int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	pick := func(of ...string) string { return of[r.IntN(len(of))] }
	at := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	b := []byte("[:batch/events [")
	for i := range n {
		if i > 0 {
			b = append(b, ' ')
		}
		at = at.Add(time.Duration(r.IntN(90)) * time.Millisecond)
		b = fmt.Appendf(b, "[:log/event {:at #inst %q :level :%s :logger %q :message %q :request-id %q :ms %d}]",
			at.Format("2006-01-02T15:04:05.000Z"), pick("info", "debug", "warn", "error"),
			pick("app.http", "app.db", "app.auth.session", "app.jobs.mail"),
			pick("request done", "query took longer than usual", "session renewed", "mail sent", "cache miss"),
			fmt.Sprintf("%08x", r.Uint32()), r.IntN(500))
	}
	return append(b, "]]"...)
}

// noise cannot be compressed.
func noise(n int) []byte {
	r, b := rand.New(rand.NewPCG(3, 4)), make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// bomb is a DEFLATE stream of n MiB of zeros, in about n KiB.
func bomb(t testing.TB, n int) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, 9)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(make([]byte, 1<<20)); err != nil {
		t.Fatal(err)
	}
	if err := w.Flush(); err != nil { // at a whole byte, so it may be said again
		t.Fatal(err)
	}
	return append(bytes.Repeat(b.Bytes(), n), 1, 0, 0, 0xff, 0xff)
}

func gzipped(deflated []byte, tail ...byte) []byte {
	return append(append([]byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255}, deflated...), tail...)
}

// refused fails unless err is an *Error of that code that says want.
func refused(t testing.TB, err error, code, want string) {
	t.Helper()
	var e *pipe.Error
	if !errors.As(err, &e) {
		t.Fatalf("error %v, expected one of %q", err, code)
	}
	if e.Code != code || !strings.Contains(e.Msg, want) || e.Category != pipe.Incorrect {
		t.Errorf("%s %q: %s; expected %q, which says %q", e.Category, e.Code, e.Msg, code, want)
	}
}

// TestGzipPeers reads what the standard library writes, and the other way round.
func TestGzipPeers(t *testing.T) {
	c := coder(t, pack.Gzip)
	for _, src := range [][]byte{nil, []byte("x"), logEvents(1), logEvents(100), logEvents(500), noise(100_000)} {
		packed := encode(t, c, src)
		if !pack.Gzip.Is(packed) {
			t.Errorf("gzip that begins with % x is not told as such", packed[:2])
		}
		r, err := stdgzip.NewReader(bytes.NewReader(packed))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, src) {
			t.Errorf("the standard library reads %d bytes of %d: %v", len(got), len(src), err)
		}
		var b bytes.Buffer
		w := stdgzip.NewWriter(&b)
		w.Name, w.Comment, w.Extra, w.ModTime = "a name", "a comment", []byte("extra"), time.Unix(1e9, 0)
		if _, err := w.Write(src); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		got, err := c.Decode([]byte("before"), b.Bytes(), 1<<20)
		if err != nil || string(got) != "before"+string(src) {
			t.Errorf("%d bytes of the standard library are read as %d: %v", len(src), len(got), err)
		}
	}
}

func TestGzipRefuses(t *testing.T) {
	c := coder(t, pack.Gzip)
	src := logEvents(20)
	good := encode(t, c, src)
	with := func(at int, b byte) []byte {
		bad := bytes.Clone(good)
		bad[at] = b
		return bad
	}
	for _, tt := range []struct {
		name, code, want string
		in               []byte
		limit            int
	}{
		{"nothing", "bad-gzip", "too early, after 0 bytes", nil, 0},
		{"one byte", "bad-gzip", "too early, after 1 bytes", good[:1], 0},
		{"text", "bad-gzip", "begins with 5b 3a, expected 1f 8b", []byte("[:chat/msg]"), 0},
		{"a byte of text", "bad-gzip", "begins with 5b", []byte("["), 0},
		{"zstd", "bad-gzip", "begins with 28 b5", []byte{0x28, 0xb5, 0x2f, 0xfd, 0, 0, 0}, 0},
		{"its magic alone", "bad-gzip", "in its header", good[:2], 0},
		{"a header alone", "bad-gzip", "too early", good[:10], 0},
		{"half", "bad-gzip", "too early", good[:len(good)/2], 0},
		{"without its tail", "bad-gzip", "too early", good[:len(good)-8], 0},
		{"without its last byte", "bad-gzip", "too early", good[:len(good)-1], 0},
		{"another method", "bad-gzip", "method 7", with(2, 7), 0},
		{"flags", "bad-gzip", "flags 0x80", with(3, 0x80), 0},
		{"an endless name", "bad-gzip", "in its header", append(with(3, 8)[:10], "name"...), 0},
		{"an endless extra", "bad-gzip", "in its header", append(with(3, 4)[:10], 0xff, 0xff, 1), 0},
		{"no extra", "bad-gzip", "in its header", with(3, 4)[:11], 0},
		{"a name behind an endless extra", "bad-gzip", "in its header", append(with(3, 12)[:10], 0xff, 0xff, 1), 0},
		{"a wrong header checksum", "bad-gzip", "checksum of its header", with(3, 2), 0},
		{"no header checksum", "bad-gzip", "in its header", with(3, 2)[:11], 0},
		{"no deflate", "bad-gzip", "damaged", gzipped([]byte{0xff, 0xff, 0xff, 0xff}), 0},
		{"a wrong checksum", "bad-gzip", "checksum", with(len(good)-8, good[len(good)-8]^1), 0},
		{"a wrong length", "bad-gzip", "says", with(len(good)-1, 0x7f), 0},
		{"a byte behind it", "bad-gzip", "1 bytes follow", append(bytes.Clone(good), 0), 0},
		{"two members", "bad-gzip", "follow", append(bytes.Clone(good), good...), 0},
		{"more than the limit", "too-large", "more than the 2000 allowed", good, 2000},
		{"one byte more", "too-large", "allowed", good, len(src) - 1},
		{"a bomb", "too-large", "a bomb", gzipped(bomb(t, 64)), 1 << 30},
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
	if out, err := c.Decode(nil, good, len(src)); err != nil || !bytes.Equal(out, src) {
		t.Errorf("what has exactly the limit is refused: %v", err)
	}
}

// TestGzipBomb shows that what a message inflates to costs no more memory than
// the limit allows, whatever it would become.
func TestGzipBomb(t *testing.T) {
	gib := gzipped(bomb(t, 10<<10)) // 10 GiB
	for _, tt := range []struct {
		name  string
		in    []byte
		limit int
		most  uint64
	}{
		{"1 KiB, an announced 4 GiB", gzipped(bomb(t, 1)[:1000], 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), 1 << 30, 4 << 20},
		{"8 KiB of a bomb", gzipped(bomb(t, 8)), 1 << 30, 8 << 20},
		{"10 GiB in 10 MiB", gib, 16 << 20, 64 << 20},
		{"10 GiB in 10 MiB, a small limit", gib, 1000, 1 << 20},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := coder(t, pack.Gzip)
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

// TestGzipRatio is the edge between a message that repeats itself and a bomb.
func TestGzipRatio(t *testing.T) {
	c := coder(t, pack.Gzip)
	for _, n := range []int{1 << 20, 1<<20 + 1} {
		packed := encode(t, c, make([]byte, n))
		out, err := c.Decode(nil, packed, 1<<30)
		switch {
		case n <= 1<<20 && (err != nil || len(out) != n):
			t.Errorf("%d bytes in %d are refused: %v", n, len(packed), err)
		case n > 1<<20:
			refused(t, err, "too-large", "bomb")
		}
	}
}

func TestSimilarEventsShrink(t *testing.T) {
	src := logEvents(100)
	for _, l := range []*pipe.Layer{pack.Gzip, pack.DeflateRaw, pack.Zstd} {
		packed := encode(t, coder(t, l), src)
		t.Logf("%s: %d bytes of %d, %.1f %%", l.Name, len(packed), len(src), 100*float64(len(packed))/float64(len(src)))
		if len(packed)*20 > len(src)*3 {
			t.Errorf("%s: %d bytes of %d, expected 15 %% at the most", l.Name, len(packed), len(src))
		}
	}
}
