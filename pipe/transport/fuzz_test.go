package transport

import (
	"bytes"
	"path/filepath"
	"testing"

	"github.com/sente-lite/sente-lite/pipe"
)

// FuzzStream reads the same bytes whole and torn: both must mean the same, and
// no more memory may be held than what was sent asks for.
func FuzzStream(f *testing.F) {
	files, err := filepath.Glob(filepath.Join(vectors, "*.hex"))
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		data, _, _ := readVector(f, file)
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		same(t, data, func() codec { return newStream() })
	})
}

// FuzzWebSocket is the same for a server's WebSocket.
func FuzzWebSocket(f *testing.F) {
	for _, frames := range [][]rawFrame{
		{{first: 0x81, payload: "[:a/b]"}},
		{{first: 0x01, payload: "a"}, {first: 0x89, payload: "p"}, {first: 0x80, payload: "b"}},
		{{first: 0x02, payload: "a"}, {first: 0x00}, {first: 0x80, payload: "\xff"}, {first: 0x88, payload: "\x03\xe8bye"}},
		{{first: 0x82, length: []byte{0xff, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0}}},
		{{first: 0x81, payload: "\xed\xa0\x80"}},
	} {
		var b []byte
		for _, fr := range frames {
			b = fr.append(b)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		same(t, data, func() codec { return &wsCodec{answer: func([]byte) {}} })
	})
}

func same(t *testing.T, data []byte, mk func() codec) {
	t.Helper()
	var told [3]string
	for i, step := range []int{0, 1, 7} {
		l := &byteLink{in: bytes.Clone(data), step: step}
		c := newConn(l, mk(), pipe.ConnInfo{}, Options{Limits: pipe.Limits{Bytes: 1 << 20}})
		b := &countingBudget{max: 4*len(data) + 1<<20}
		c.in.charge.budget = b
		told[i] = tell(c)
		_ = c.Close(pipe.Reason{Code: pipe.CloseNormal})
		if b.taken != 0 {
			t.Errorf("%d bytes of the budget were not given back", b.taken)
		}
		if b.most > 4*len(data) {
			t.Errorf("%d bytes were taken for %d that came", b.most, len(data))
		}
	}
	if told[0] != told[1] || told[0] != told[2] {
		t.Errorf("whole:\n%sbyte by byte:\n%ssevens:\n%s", told[0], told[1], told[2])
	}
}

// A countingBudget has max bytes. It is for one goroutine.
type countingBudget struct{ max, taken, most int }

func (b *countingBudget) Take(n int) bool {
	if b.taken+n > b.max {
		return false
	}
	b.taken += n
	b.most = max(b.most, b.taken)
	return true
}

func (b *countingBudget) Give(n int) { b.taken -= n }
