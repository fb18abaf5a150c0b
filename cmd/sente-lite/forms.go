package main

import (
	"github.com/sente-lite/sente-lite/pipe"
	"github.com/sente-lite/sente-lite/pipe/pack"
)

// wirePackers are those that peers may choose beside :edn. "bench" measures all of them.
func wirePackers() []pipe.Packer { return []pipe.Packer{pack.JSON, pack.Msgpack} }

// wireCompressors are those that may go around them, likewise.
func wireCompressors() []*pipe.Layer {
	return []*pipe.Layer{pack.Gzip, pack.Zstd, pack.DeflateRaw}
}
