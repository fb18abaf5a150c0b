package journal

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sente-lite/sente-lite/pipe"
)

const logName = "d/sessions.log"

func item(seq uint64, edn string) pipe.StoredItem {
	return pipe.StoredItem{Seq: seq, Name: "chat/msg", EDN: []byte(edn)}
}

func key(n byte) pipe.SessionKey { return pipe.SessionKey{n} }

func commit(t testing.TB, s *Store) {
	t.Helper()
	if err := s.Commit(); err != nil {
		t.Fatal(err)
	}
}

// filled makes a log of a few commits, and returns what it looks like after each,
// and where each ends.
func filled(t *testing.T) (mem *memFS, looks []string, ends []int) {
	mem = newMemFS()
	o := small(mem)
	o.compactAt = 1 << 30
	s := must(Open("d", o))
	look := func() {
		commit(t, s)
		looks = append(looks, found(t, must(Open("d", small(mem.copy())))).String())
		ends = append(ends, len(mem.files[logName].b))
	}
	look()
	s.Begin(pipe.StoredSession{Key: key(1), UID: "bob", Channels: []string{"lobby"}})
	look()
	sp, _ := s.Spill(key(1))
	for i := range uint64(9) {
		s.Queued(key(1), item(i+1, strings.Repeat("x", 40)))
		if err := sp.Append(item(100+i, strings.Repeat("y", 30))); err != nil {
			t.Fatal(err)
		}
	}
	look()
	s.Gone(key(1), 3, 1, 2, 3)
	s.Subscribed(key(1), "news", true)
	if _, err := sp.Next(2, 1000); err != nil {
		t.Fatal(err)
	}
	s.Queued(key(1), item(100, "y"))
	s.Queued(key(1), item(101, "y"))
	look()
	return mem.copy(), looks, ends
}

// A log that ends anywhere has the commits before that, in full.
func TestTorn(t *testing.T) {
	mem, looks, ends := filled(t)
	whole := mem.files[logName].b
	for n := headSize; n <= len(whole); n++ {
		m := mem.copy()
		m.files[logName].b = bytes.Clone(whole[:n])
		s, err := Open("d", small(m))
		if err != nil {
			t.Fatalf("of %d bytes: %v", n, err)
		}
		want := 0
		for want+1 < len(ends) && ends[want+1] <= n {
			want++
		}
		if got := found(t, s).String(); want != 2 && got != looks[want] { // the spill of 2 has gone on
			t.Fatalf("of %d bytes:\n%s\nwant\n%s", n, got, looks[want])
		}
		for name := range m.files {
			if strings.Contains(name, "damaged") {
				t.Fatalf("of %d bytes: %s", n, name)
			}
		}
	}
}

// A log with any byte wrong has the commits before it, in full, and the rest of
// it is set aside.
func TestDamaged(t *testing.T) {
	mem, looks, ends := filled(t)
	whole := mem.files[logName].b
	for at := range whole {
		m := mem.copy()
		m.files[logName].b[at] ^= 0x41
		s, err := Open("d", small(m))
		if err != nil {
			t.Fatalf("byte %d: %v", at, err)
		}
		want := 0
		for want+1 < len(ends) && ends[want+1] <= at {
			want++
		}
		start := ends[want]
		if at < headSize {
			start = 0
		}
		if got := found(t, s).String(); want != 2 && got != looks[want] {
			t.Fatalf("byte %d:\n%s\nwant\n%s", at, got, looks[want])
		}
		aside := m.files["d/sessions.log.damaged"]
		if aside == nil || len(aside.b) != len(whole)-start {
			t.Fatalf("byte %d: what is set aside is %v, want %d bytes", at, aside, len(whole)-start)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if again := must(Open("d", small(m))); again.size == 0 {
			t.Fatal("no log")
		}
	}
}

func TestZerosAtTheEnd(t *testing.T) {
	mem, looks, _ := filled(t)
	mem.files[logName].b = append(mem.files[logName].b, make([]byte, 5000)...)
	if got := found(t, must(Open("d", small(mem)))).String(); got != looks[len(looks)-1] {
		t.Fatalf("got\n%s", got)
	}
	if mem.files["d/sessions.log.damaged"] != nil {
		t.Fatal("zeros were set aside")
	}
}

func TestOtherVersion(t *testing.T) {
	mem := newMemFS()
	head := binary.LittleEndian.AppendUint32([]byte(logMagic), 7)
	mem.files[logName] = &memData{binary.LittleEndian.AppendUint32(head, sum(head))}
	before := mem.copy()
	_, err := Open("d", small(mem))
	for _, want := range []string{logName, "version 7", "version 1", "move the file away"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Fatalf("got %v, want %q in it", err, want)
		}
	}
	if !bytes.Equal(mem.files[logName].b, before.files[logName].b) {
		t.Fatal("the file was changed")
	}
	if len(mem.locks) > 0 {
		t.Fatal("the lock was kept")
	}
}

// A log of records that this version does not know is not read in part.
func TestUnknownRecord(t *testing.T) {
	mem, looks, _ := filled(t)
	f := make([]byte, prefix)
	f = appendSlot(f, recEnd, 1)
	f = append(f, 99, 1)
	closeFrame(f)
	mem.files[logName].b = append(mem.files[logName].b, f...)
	if got := found(t, must(Open("d", small(mem)))).String(); got != looks[len(looks)-1] {
		t.Fatalf("got\n%s", got)
	}
}

// fill makes a log that the next Commit compacts.
func fill(t testing.TB, s *Store) {
	for k := byte(1); k <= 3; k++ {
		s.Begin(pipe.StoredSession{Key: key(k), UID: fmt.Sprint(k)})
	}
	for i := range uint64(60) {
		s.Queued(key(byte(i%3+1)), item(i+1, strings.Repeat("z", 50)))
	}
	for i := range uint64(60) {
		if i%7 > 0 {
			s.Gone(key(byte(i%3+1)), i, i+1)
		}
	}
}

// A compaction that ends anywhere leaves one good log.
func TestCompactionKilled(t *testing.T) {
	want, compacted := "", false
	for n := 0; !compacted; n++ {
		mem := newMemFS()
		o := small(mem)
		o.compactAt = 1 << 30
		s := must(Open("d", o))
		fill(t, s)
		commit(t, s)
		if want == "" {
			want = found(t, must(Open("d", o.with(mem.copy())))).String()
		}
		s.o.compactAt = 1
		mem.killAfter(n)
		if err := s.Commit(); err != nil {
			t.Fatalf("after %d: %v", n, err) // what it commits is on disk already
		}
		compacted = mem.renames == 2
		for range 2 {
			mem = mem.copy()
			if got := found(t, must(Open("d", o.with(mem.copy())))).String(); got != want {
				t.Fatalf("after %d:\n%s\nwant\n%s", n, got, want)
			}
			_ = must(Open("d", o.with(mem))).Close()
		}
		if mem.files[logName+".new"] != nil {
			t.Fatal("a log that was not finished is left")
		}
		if n > 10_000 {
			t.Fatal("never compacted")
		}
	}
}

func (o Options) with(m *memFS) Options {
	o.fs = m
	return o
}

// One that fails is tried again when the log has doubled, and loses nothing.
func TestCompactionFails(t *testing.T) {
	mem := newMemFS()
	s := must(Open("d", small(mem)))
	fill(t, s)
	s.o.compactAt = 1 << 30
	commit(t, s)
	want := found(t, must(Open("d", small(mem.copy())))).String()
	size := s.size
	s.o.compactAt = 1
	mem.failAfter(100)
	commit(t, s)
	mem.heal()
	if s.size != size || s.nextAt != 2*size {
		t.Fatalf("%d bytes, next at %d", s.size, s.nextAt)
	}
	for s.size >= size {
		s.Received(key(1), 0)
		commit(t, s)
	}
	if got := found(t, must(Open("d", small(mem.copy())))).String(); got != want {
		t.Fatalf("got\n%s\nwant\n%s", got, want)
	}
}

// What is noted and committed while a log is compacted is in it.
func TestCompactionUnderLoad(t *testing.T) {
	mem := newMemFS()
	s := must(Open("d", small(mem)))
	fill(t, s)
	seq := uint64(1000)
	mem.onRename = func() {
		for k := byte(1); k <= 3; k++ {
			seq++
			s.Queued(key(k), item(seq, "during"))
			s.Gone(key(k), 0, s.state.sessions[key(k)].items.list[s.state.sessions[key(k)].items.head].seq)
		}
	}
	for range 50 {
		for k := byte(1); k <= 3; k++ {
			seq++
			s.Queued(key(k), item(seq, strings.Repeat("w", 100)))
			s.Gone(key(k), 0, seq)
		}
		commit(t, s)
		got := found(t, must(Open("d", small(mem.copy()))))
		for k, x := range s.state.sessions { // without what was noted since
			n := len(got.sessions[k].Items)
			if diff := x.items.live - n; diff != 0 {
				t.Fatalf("session %x has %d items on disk, %d in memory", k[0], n, x.items.live)
			}
		}
	}
	commit(t, s)
	if mem.renames < 5 {
		t.Fatalf("%d compactions", mem.renames)
	}
	got := found(t, must(Open("d", small(mem.copy()))))
	for k, x := range s.state.sessions {
		items := got.sessions[k].Items
		for i, r := range x.items.list[x.items.head:] {
			if r.size > 0 && (len(items) <= i || items[i].Seq != r.seq) {
				t.Fatalf("session %x: item %d is not %d", k[0], i, r.seq)
			}
		}
	}
}

func TestSpillDamaged(t *testing.T) {
	mem := newMemFS()
	s := must(Open("d", small(mem)))
	s.Begin(pipe.StoredSession{Key: key(1)})
	sp, _ := s.Spill(key(1))
	for i := range uint64(20) {
		if err := sp.Append(item(i, strings.Repeat("s", 30))); err != nil {
			t.Fatal(err)
		}
	}
	commit(t, s)
	segs := s.state.sessions[key(1)].spill.segs
	hurt := mem.files[s.segmentPath(segs[1])]
	hurt.b[len(hurt.b)-1] ^= 1
	delete(mem.files, s.segmentPath(segs[2]))
	check := func(m *memFS, s *Store) {
		t.Helper()
		sp, _ := s.Spill(key(1))
		var seqs []uint64
		var errs []error
		for n, _ := sp.Len(); n > 0; n, _ = sp.Len() {
			items, err := sp.Next(100, 1000)
			if err != nil {
				errs = append(errs, err)
			}
			for _, i := range items {
				seqs = append(seqs, i.Seq)
			}
		}
		rise := true
		for i := range seqs[1:] {
			rise = rise && seqs[i] < seqs[i+1]
		}
		if !rise || len(seqs) < 10 || len(seqs) > 16 || seqs[0] != 0 || seqs[len(seqs)-1] != 19 {
			t.Fatalf("got %d, errors %v", seqs, errs)
		}
		if m.files["d/spill.damaged"] == nil {
			t.Fatalf("nothing is set aside; errors %v", errs)
		}
		if err := sp.Append(item(99, "")); err != nil {
			t.Fatal(err)
		}
		if i, err := sp.Next(1, 1); err != nil || len(i) != 1 || i[0].Seq != 99 {
			t.Fatalf("then %v, %v", i, err)
		}
		commit(t, s)
		commit(t, s)
	}
	other := mem.copy()
	check(mem, s)
	check(other, must(Open("d", small(other))))
}

func TestSegmentNames(t *testing.T) {
	s := &Store{dir: "d"}
	g := segment{key: key(200), n: 77}
	if k, n, ok := segmentName(filepath.Base(s.segmentPath(g))); k != g.key || n != g.n || !ok {
		t.Fatal(k, n, ok)
	}
	for _, name := range []string{"", "README", "a.1", strings.Repeat("0", 64), strings.Repeat("0", 64) + ".x", strings.Repeat("g", 64) + ".1"} {
		if _, _, ok := segmentName(name); ok {
			t.Errorf("%q is a segment", name)
		}
	}
}
