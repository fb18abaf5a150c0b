package pack

import (
	"bytes"
	"io"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
)

// ContentCodings are the codings of HTTP content that [EncodeContent] knows, by the
// names that Accept-Encoding has for them; the one that makes files smallest is first.
var ContentCodings = []string{"br", "gzip"}

// EncodeContent returns a whole file in one of [ContentCodings]. It is made small
// rather than at once, in about 60 ms a megabyte: keep what it returns.
func EncodeContent(coding string, src []byte) []byte {
	var b bytes.Buffer
	var w io.WriteCloser
	if coding == "br" {
		w = brotli.NewWriterLevel(&b, 5)
	} else {
		var err error
		if w, err = gzip.NewWriterLevel(&b, flate.BestCompression); err != nil {
			panic(err) // there is no such level
		}
	}
	_, err := w.Write(src)
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		panic(err) // memory takes all
	}
	return b.Bytes()
}
