package pack_test

import (
	"encoding/hex"
	"testing"

	"github.com/sente-lite/sente-lite/pipe"
	"github.com/sente-lite/sente-lite/pipe/pack"
)

func TestTmp(t *testing.T) {
	for _, edn := range []string{typical, `(1 2)`, `#{:a}`, `[:data {:list (1 #{2 {:a 1}} \a 1/2 1.5M 12N #inst "2024-01-02T03:04:05.678Z" #uuid "11111111-2222-3333-4444-555555555555" #my/tag [1])} {:list 1}]`,
	`#sente-lite/bytes "aGVsbG8="`, `#sente-lite/ext [42 "Bw=="]`, `[##NaN -0.0 1.0 1e300 "a\nb\u00e9" #:a{:b 1 :_/c 2 d 4}]`} {
		b, err := pack.Msgpack.Pack(nil, []byte(edn))
		if err != nil { t.Fatal(err) }
		back, err := pack.Msgpack.Unpack(nil, b, pipe.Limits{})
		t.Logf("%s\n%s\n%s %v", edn, hex.EncodeToString(b), back, err)
		sb, err := pack.SenteMsgpack.Pack(nil, []byte(edn))
		t.Logf("%s %v", hex.EncodeToString(sb), err)
		j := pack.Msgpack.Join(nil, [][]byte{b, b})
		w, err := pack.Msgpack.Pack(nil, []byte("[:batch/events ["+edn+" "+edn+"]]"))
		if string(j) != string(w) { t.Errorf("join\n%x\n%x", j, w) }
	}
}

const typical = `[:chat/msg {:room "lobby" :from "uid-1" :text "hello" :ts 1766108726643 :tags #{:a :b} :pos [1.5 2.5]}]`

func BenchmarkMsgpack(b *testing.B) {
	edn := []byte(typical)
	packed, _ := pack.Msgpack.Pack(nil, edn)
	dst := make([]byte, 0, 1024)
	b.Run("pack", func(b *testing.B) { b.ReportAllocs(); for b.Loop() { pack.Msgpack.Pack(dst, edn) } })
	b.Run("unpack", func(b *testing.B) { b.ReportAllocs(); for b.Loop() { pack.Msgpack.Unpack(dst, packed, pipe.Limits{}) } })
	items := [][]byte{}
	for range 100 { items = append(items, packed) }
	dst = make([]byte, 0, 20000)
	b.Run("join", func(b *testing.B) { b.ReportAllocs(); for b.Loop() { pack.Msgpack.Join(dst, items) } })
}
