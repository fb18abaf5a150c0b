package pack_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/sente-lite/sente-lite/pipe"
	"github.com/sente-lite/sente-lite/pipe/pack"
	"github.com/vmihailenco/msgpack/v5"
)

// EventsOf are n events of some variety: 100 are about 12.5 KB.
func eventsOf(n int) (all [][]byte) {
	r := rand.New(rand.NewPCG(1, 2))
	words := []string{"hello", "how", "are", "you", "today", "the", "build", "is", "green", "lunch", "ok", "thanks"}
	ts := int64(1766108726643)
	for range n {
		text := words[r.IntN(len(words))]
		for range r.IntN(8) {
			text += " " + words[r.IntN(len(words))]
		}
		ts += r.Int64N(400)
		all = append(all, fmt.Appendf(nil, `[:chat/msg {:room "room-%d" :from "uid-%d" :text "%s" :ts %d :tags #{:a :b} :pos [%.1f %.1f]}]`,
			r.IntN(5), r.IntN(50), text, ts, r.Float64()*100, r.Float64()*100))
	}
	return all
}

// BenchmarkMsgpack compares with the floor, to check the text that is packed, and with
// a library that makes Go values of the same content.
func BenchmarkMsgpack(b *testing.B) {
	batch := eventsOf(100)
	var items [][]byte
	for _, edn := range batch {
		packed, err := pack.Msgpack.Pack(nil, edn)
		if err != nil {
			b.Fatal(err)
		}
		items = append(items, packed)
	}
	like := map[string]any{"room": "lobby", "from": "uid-1", "text": "hello", "ts": 1766108726643, "tags": []any{"a", "b"}, "pos": []any{1.5, 2.5}}
	events := make([]any, 100)
	for i := range events {
		events[i] = []any{"chat/msg", like}
	}
	for _, doc := range []struct {
		name string
		edn  []byte
		like any
	}{
		{"event", []byte(typical), events[0]},
		{"batch", pipe.EDN.Join(nil, batch), []any{"batch/events", events}},
	} {
		run := func(name string, f func() error) {
			b.Run(doc.name+"/"+name, func(b *testing.B) {
				b.SetBytes(int64(len(doc.edn)))
				b.ReportAllocs()
				for b.Loop() {
					if err := f(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
		packed, err := pack.Msgpack.Pack(nil, doc.edn)
		if err != nil {
			b.Fatal(err)
		}
		theirs, err := msgpack.Marshal(doc.like)
		if err != nil {
			b.Fatal(err)
		}
		dst := make([]byte, 0, 2*len(doc.edn))
		run("Check", func() error { _, err := pipe.Check(doc.edn, pipe.Limits{}); return err })
		run("Pack", func() error { _, err := pack.Msgpack.Pack(dst, doc.edn); return err })
		run("Unpack", func() error { _, err := pack.Msgpack.Unpack(dst, packed, pipe.Limits{}); return err })
		if doc.name == "batch" {
			run("Join", func() error { pack.Msgpack.Join(dst, items); return nil })
		}
		run("vmihailenco-encode", func() error { _, err := msgpack.Marshal(doc.like); return err })
		run("vmihailenco-decode", func() error { var v any; return msgpack.Unmarshal(theirs, &v) })
	}
}

// BenchmarkMsgpackDeep packs 16 MB of lists in lists, at all the levels that are
// allowed: every header is larger than what was held for it, and what it is about has
// to move. It costs a few times what any 16 MB do.
func BenchmarkMsgpackDeep(b *testing.B) {
	one := strings.Repeat("(", 511) + `"` + strings.Repeat("x", 300) + `"` + strings.Repeat(")", 511)
	for _, size := range []int{1 << 20, 1 << 24} {
		edn := []byte("[" + strings.Repeat(one, size/len(one)) + "]")
		packed, err := pack.Msgpack.Pack(nil, edn)
		if err != nil {
			b.Fatal(err)
		}
		for name, f := range map[string]func() error{
			"Pack":   func() error { _, err := pack.Msgpack.Pack(nil, edn); return err },
			"Unpack": func() error { _, err := pack.Msgpack.Unpack(nil, packed, pipe.Limits{Bytes: len(packed)}); return err },
			"Join":   func() error { pack.Msgpack.Join(nil, [][]byte{packed}); return nil },
		} {
			b.Run(fmt.Sprintf("%s/%dMB", name, size>>20), func(b *testing.B) {
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for b.Loop() {
					if err := f(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
