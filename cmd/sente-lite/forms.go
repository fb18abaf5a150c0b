package main

import (
	"github.com/sente-lite/sente-lite/pipe"
	"github.com/sente-lite/sente-lite/pipe/pack"
)

// wirePackers are those that peers may choose beside :edn. "bench" measures all of them.
func wirePackers() []pipe.Packer { return []pipe.Packer{pack.JSON} }

// wireLayers are what may go around them, likewise.
func wireLayers() []*pipe.Layer { return nil }
