package pack_test

import (
	"fmt"
	"io"
	"testing"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"

	"github.com/sente-lite/sente-lite/pipe"
	"github.com/sente-lite/sente-lite/pipe/pack"
)

// BenchmarkLayers compresses typical bundles and reads them again. klauspost-N is
// the floor: the library alone at that level.
func BenchmarkLayers(b *testing.B) {
	for _, n := range []int{8, 100, 500, 3000} {
		src := logEvents(n)
		dst := make([]byte, 0, 2*len(src))
		for _, l := range []*pipe.Layer{pack.Gzip, pack.DeflateRaw, pack.Zstd} {
			c := coder(b, l)
			packed := encode(b, c, src)
			b.Run(fmt.Sprintf("%s/encode-%d", l.Name, len(src)), func(b *testing.B) {
				b.SetBytes(int64(len(src)))
				b.ReportAllocs()
				for b.Loop() {
					if _, err := c.Encode(dst, src); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(100*float64(len(packed))/float64(len(src)), "%")
			})
			b.Run(fmt.Sprintf("%s/decode-%d", l.Name, len(src)), func(b *testing.B) {
				b.SetBytes(int64(len(src)))
				b.ReportAllocs()
				for b.Loop() {
					if _, err := c.Decode(dst, packed, 1<<24); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
		for _, level := range []int{flate.HuffmanOnly, 1, 2, 3, 4, 5, 6} {
			b.Run(fmt.Sprintf("klauspost-%d/encode-%d", level, len(src)), func(b *testing.B) {
				var out counter
				w, err := gzip.NewWriterLevel(&out, level)
				if err != nil {
					b.Fatal(err)
				}
				b.SetBytes(int64(len(src)))
				for b.Loop() {
					out = 0
					w.Reset(&out)
					if _, err := w.Write(src); err != nil {
						b.Fatal(err)
					}
					if err := w.Close(); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(100*float64(out)/float64(len(src)), "%")
			})
		}
	}
}

type counter int

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

var _ io.Writer = (*counter)(nil)
