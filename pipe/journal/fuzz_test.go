package journal

import (
	"encoding/binary"
	"hash/crc32"
	"testing"

	"github.com/sente-lite/sente-lite/pipe"
)

func sum(b []byte) uint32 { return crc32.Checksum(b, table()) }

// Any log can be opened, or is of another version; what was read of it is what
// is read the next time. Records are fuzzed behind right checksums, too.
func FuzzLog(f *testing.F) {
	mem := newMemFS()
	s := must(Open("d", small(mem)))
	fill(f, s)
	sp, _ := s.Spill(key(1))
	_ = sp.Append(item(1, "x"))
	_ = s.Commit()
	f.Add(mem.files[logName].b, false)
	f.Add(mem.files[logName].b[headSize+prefix:], true)
	x := pipe.StoredSession{Key: key(1), UID: "u", Channels: []string{"c"}, Credential: []byte("k")}
	f.Add(appendSpill(appendBegin(nil, 1, &x, 5), 1, spilled{1, 2, 3, 4, 5, 6}), true)
	f.Add(appendSlot(appendBegin(appendBegin(nil, 1, &x, 5), 2, &x, 5), recEnd, 1), true)
	f.Fuzz(func(t *testing.T, b []byte, records bool) {
		if records {
			frame := append(make([]byte, prefix), b...)
			closeFrame(frame)
			b = append(appendHead(nil, logMagic), frame...)
		}
		mem := newMemFS()
		mem.files[logName] = &memData{b}
		o := small(mem)
		o.Keep = 1 << 62
		s, err := Open("d", o)
		if err != nil {
			if len(b) < headSize || binary.LittleEndian.Uint32(b[8:]) == version {
				t.Fatal(err)
			}
			return
		}
		if s.state.live < 0 {
			t.Fatalf("%d bytes are live", s.state.live)
		}
		got := found(t, s).String()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if again := found(t, must(Open("d", o))).String(); again != got {
			t.Fatalf("first\n%s\nthen\n%s", got, again)
		}
	})
}

// Any segment can be read to its end.
func FuzzSegment(f *testing.F) {
	one := item(1, "x")
	frame := appendItem(make([]byte, frameSize), &one)
	closeFrame(frame)
	f.Add(append(appendHead(nil, spillMagic), frame...), uint64(1), false)
	f.Add(frame[frameSize:], uint64(1), true)
	f.Fuzz(func(t *testing.T, b []byte, items uint64, records bool) {
		if records {
			frame := append(make([]byte, frameSize), b...)
			closeFrame(frame)
			b = append(appendHead(nil, spillMagic), frame...)
		}
		mem := newMemFS()
		at := spilled{1, headSize, 1, uint64(len(b)), items % 1000, uint64(max(0, len(b)-headSize))}
		x := pipe.StoredSession{Key: key(1)}
		log := appendSpill(appendBegin(make([]byte, prefix), 1, &x, 1<<50), 1, at)
		closeFrame(log)
		mem.files[logName] = &memData{append(appendHead(nil, logMagic), log...)}
		s := &Store{dir: "d"}
		mem.files[s.segmentPath(segment{key: key(1), n: 1})] = &memData{b}
		s, err := Open("d", small(mem))
		if err != nil {
			t.Fatal(err)
		}
		sp, err := s.Spill(key(1))
		if err != nil {
			t.Fatal(err)
		}
		for tries := 0; ; tries++ {
			if n, _ := sp.Len(); n == 0 {
				break
			}
			if tries > len(b)+2 {
				t.Fatal("there is no end of it")
			}
			_, _ = sp.Next(2, 100)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	})
}
