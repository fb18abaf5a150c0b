package journal

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sente-lite/sente-lite/pipe"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("JOURNAL_TEST_DIR"); dir != "" {
		otherProcess(dir)
		return
	}
	os.Exit(m.Run())
}

// otherProcess commits until it is killed, and says what it has committed.
func otherProcess(dir string) {
	s, err := Open(dir, Options{Log: quiet})
	if err != nil {
		fmt.Println(err)
		return
	}
	s.Begin(pipe.StoredSession{Key: key(1), UID: "bob", Since: time.Now()})
	sp, err := s.Spill(key(1))
	for i := uint64(1); err == nil; i++ {
		s.Queued(key(1), item(i, strings.Repeat("q", 300)))
		s.Received(key(1), i)
		if i > 10 {
			s.Gone(key(1), i-10, i-10)
		}
		if err = sp.Append(item(i, "spilled")); err == nil {
			err = s.Commit()
		}
		fmt.Println(i)
	}
	fmt.Println(err)
}

func has(t *testing.T, err error, want ...string) {
	t.Helper()
	for _, w := range want {
		if err == nil || !strings.Contains(err.Error(), w) {
			t.Errorf("got %v, want %q in it", err, w)
		}
	}
}

// Two processes: the second is told of the first; what a killed one has said to
// be committed is there.
func TestProcesses(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "JOURNAL_TEST_DIR="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var said uint64
	for said < 500 {
		if _, err := fmt.Fscanln(out, &said); err != nil {
			t.Fatal(err)
		}
	}
	_, err = Open(dir, Options{Log: quiet})
	if !errors.Is(err, ErrInUse) {
		t.Fatalf("a second process: %v", err)
	}
	has(t, err, dir, ":data-dir of its own")
	if runtime.GOOS != "windows" {
		has(t, err, fmt.Sprintf("pid %d", cmd.Process.Pid))
	}
	_ = cmd.Process.Kill()
	for {
		if _, err := fmt.Fscanln(out, &said); err != nil {
			break
		}
	}
	_ = cmd.Wait()
	s, err := Open(dir, Options{Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	m := found(t, s)
	x := m.sessions[key(1)]
	if n := x.Received; n != said && n != said+1 {
		t.Fatalf("%d commits, %d were said", n, said)
	}
	if len(x.Items) != 10 || x.Items[9].Seq != x.Received || x.Acked != x.Received-10 || len(x.spill) != int(x.Received) {
		t.Fatalf("%d items, %d spilled, acked %d, received %d", len(x.Items), len(x.spill), x.Acked, x.Received)
	}
}

// A folder that cannot be written, and one that is removed while in use.
func TestFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	if err := os.WriteFile(dir, nil, 0o400); err != nil {
		t.Fatal(err)
	}
	_, err := Open(dir, Options{Log: quiet})
	has(t, err, dir, ":data-dir must exist, be writable")
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}

	now := time.Now()
	s, err := Open(dir, Options{Log: quiet, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.Begin(pipe.StoredSession{Key: key(1)})
	commit(t, s)
	if runtime.GOOS == "windows" {
		return // where nobody can remove what is open
	}
	sp, _ := s.Spill(key(1))
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	has(t, sp.Append(item(1, "x")), filepath.Join(dir, "spill"), "no such file")
	now = now.Add(2 * time.Second)
	s.Received(key(1), 1)
	has(t, s.Commit(), filepath.Join(dir, "sessions.log"), "removed or replaced")
}

func TestReadOnly(t *testing.T) {
	mem := newMemFS()
	mem.failAfter(0)
	mem.fault = errors.New("read-only file system")
	_, err := Open("d", small(mem))
	has(t, err, logName, "read-only file system", "writable")
	mem.heal()
	s := must(Open("d", small(mem)))
	mem.failAfter(0)
	s.Begin(pipe.StoredSession{Key: key(1)})
	has(t, s.Commit(), logName, "no space left", "next commit tries again")
	sp, _ := s.Spill(key(1))
	has(t, sp.Append(item(1, "x")), "d/spill/0100", "no space left")
	if n, b := sp.Len(); n != 0 || b != 0 || s.spilled != 0 {
		t.Fatalf("an Append that failed has added %d items, %d bytes, %d on disk", n, b, s.spilled)
	}
	mem.heal()
	commit(t, s)
	if len(found(t, must(Open("d", small(mem.copy())))).order) != 1 {
		t.Fatal("the next commit has lost what was noted")
	}
}

// Behind commits that fail, notes wait up to the bound. Then the store gives up,
// and leaves the last commit.
func TestMaxBuffered(t *testing.T) {
	mem := newMemFS()
	o := small(mem)
	o.MaxBuffered = 2000
	s := must(Open("d", o))
	s.Begin(pipe.StoredSession{Key: key(1)})
	s.Queued(key(1), item(1, strings.Repeat("x", 5000))) // no bound while the disk takes it
	commit(t, s)
	want := found(t, must(Open("d", small(mem.copy())))).String()
	mem.failAfter(10)
	seq := uint64(1)
	for {
		seq++
		s.Queued(key(1), item(seq, strings.Repeat("x", 100)))
		err := s.Commit()
		if errors.Is(err, ErrFull) {
			has(t, err, "2000 bytes", "make room")
			break
		}
		has(t, err, "no space left")
		if s.held > 2000 || seq > 20 {
			t.Fatalf("%d bytes wait", s.held)
		}
	}
	s.Queued(key(1), item(99, "x"))
	if err := s.Commit(); !errors.Is(err, ErrFull) {
		t.Fatal(err)
	}
	sp, err := s.Spill(key(1))
	if !errors.Is(err, ErrFull) {
		t.Fatal(sp, err)
	}
	if got := found(t, must(Open("d", small(mem.copy())))).String(); got != want {
		t.Fatalf("got\n%s\nwant\n%s", got, want)
	}
	mem.heal() // the frames that were whole are written; the store stays given up
	if err := s.Close(); !errors.Is(err, ErrFull) {
		t.Fatal(err)
	}
	if n := len(found(t, must(Open("d", small(mem)))).sessions[key(1)].Items); n != int(seq)-1 {
		t.Fatalf("%d items, want %d", n, seq-1)
	}
	if err := s.Commit(); err != ErrClosed {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// What is too much is left out, and the next Commit says so once; all else is kept.
func TestBounds(t *testing.T) {
	mem := newMemFS()
	o := small(mem)
	o.MaxSessions, o.MaxSpillBytes = 2, 1000
	s := must(Open("d", o))
	refused := func(want string) {
		t.Helper()
		err := s.Commit()
		has(t, err, want, "was not kept")
		if !errors.Is(err, ErrFull) {
			t.Error(err)
		}
		commit(t, s)
	}
	s.Begin(pipe.StoredSession{Key: key(1)})
	s.Begin(pipe.StoredSession{Key: key(2)})
	s.Begin(pipe.StoredSession{Key: key(3)})
	s.Queued(key(3), item(1, "nobody's"))
	refused("there are 2")
	s.Begin(pipe.StoredSession{Key: key(1), UID: strings.Repeat("u", maxText)})
	refused("bytes and 0 channels")
	s.Queued(key(1), pipe.StoredItem{Name: strings.Repeat("n", maxText+1)})
	refused("its name has")
	s.Subscribed(key(1), strings.Repeat("c", maxText+1), true)
	refused("subscription")

	sp, _ := s.Spill(key(1))
	n := 0
	for ; n < 100; n++ {
		if err := sp.Append(item(uint64(n), strings.Repeat("x", 50))); err != nil {
			has(t, err, "at most 1000 are allowed", "spill")
			break
		}
	}
	if n < 5 || n > 20 {
		t.Fatalf("%d items of 70 bytes in 1000", n)
	}
	if got := drain(t, sp); len(got) != n {
		t.Fatalf("%d of %d items", len(got), n)
	}
	_, _ = sp.Next(1, 1) // the last ones were taken for good
	commit(t, s)
	if err := sp.Append(item(0, "there is room again")); err != nil {
		t.Fatal(err)
	}
	s.End(key(1))
	commit(t, s)
	if err := sp.Append(item(0, "x")); err == nil {
		t.Fatal("a spill outlives its session")
	}
	if _, err := s.Spill(key(1)); err == nil {
		t.Fatal("no session has a spill")
	}
	if names := mem.spills(); len(names) > 0 || s.spilled != 0 {
		t.Fatalf("%q, %d bytes", names, s.spilled)
	}
	if got := found(t, must(Open("d", o.with(mem.copy())))); len(got.order) != 1 {
		t.Fatalf("got\n%s", got)
	}
}

// Sessions that nobody came back for go, with their spills.
func TestKeep(t *testing.T) {
	mem := newMemFS()
	now := time.Now()
	o := small(mem)
	o.Now = func() time.Time { return now }
	s := must(Open("d", o))
	for k := byte(1); k <= 2; k++ {
		s.Begin(pipe.StoredSession{Key: key(k)})
		sp, _ := s.Spill(key(k))
		if err := sp.Append(item(1, "x")); err != nil {
			t.Fatal(err)
		}
	}
	commit(t, s)
	now = now.Add(23 * time.Hour)
	s.Received(key(2), 1)
	mem.files["d/spill/README"] = &memData{}
	orphan := s.segmentPath(segment{key: key(9), n: 4})
	mem.files[orphan] = &memData{}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	now = now.Add(2 * time.Hour)
	got := found(t, must(Open("d", o)))
	if len(got.order) != 1 || got.order[0] != key(2) || len(got.sessions[key(2)].spill) != 1 {
		t.Fatalf("got\n%s", got)
	}
	if mem.files[orphan] != nil || mem.files["d/spill/README"] == nil || len(mem.spills()) != 2 {
		t.Fatalf("left %q", mem.spills())
	}
}

// Many note and spill while others commit. Run with -race.
func TestTogether(t *testing.T) {
	s, err := Open(t.TempDir(), Options{Log: quiet, compactAt: 2000, segmentSize: 500})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for k := byte(1); k <= 8; k++ {
		wg.Go(func() {
			s.Begin(pipe.StoredSession{Key: key(k)})
			sp, err := s.Spill(key(k))
			for i := uint64(1); i <= 300 && err == nil; i++ {
				s.Queued(key(k), item(i, "text"))
				s.Gone(key(k), i, i)
				if err = sp.Append(item(1000+i, "text")); err == nil && i%3 == 0 {
					var items []pipe.StoredItem
					items, err = sp.Next(2, 100)
					for _, it := range items {
						s.Queued(key(k), it)
						s.Gone(key(k), i, it.Seq)
					}
				}
				if i%10 == 0 {
					err = errors.Join(err, s.Commit())
				}
			}
			if k%2 == 0 {
				s.End(key(k))
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	dir := s.dir
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = must(Open(dir, Options{Log: quiet}))
	defer s.Close()
	got := found(t, s)
	if len(got.order) != 4 {
		t.Fatalf("%d sessions", len(got.order))
	}
	for _, k := range got.order {
		x := got.sessions[k]
		if len(x.Items) != 0 || len(x.spill) != 100 || x.spill[0].Seq != 1201 || x.spill[99].Seq != 1300 {
			t.Fatalf("%d items, %d spilled", len(x.Items), len(x.spill))
		}
	}
}

// A note costs no allocation, a Commit few.
func TestAllocs(t *testing.T) {
	s, note := busy(t)
	defer s.Close()
	if n := testing.AllocsPerRun(1000, note); n > 0 {
		t.Errorf("four notes take %v allocations", n)
	}
}

// busy returns a Store, and what notes an item's whole life.
func busy(t testing.TB) (*Store, func()) {
	s, err := Open(t.TempDir(), Options{Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	for k := byte(0); k < 100; k++ {
		s.Begin(pipe.StoredSession{Key: key(k), UID: "bob"})
	}
	text := strings.Repeat("x", 100)
	i, seq, seqs := item(0, text), uint64(0), make([]uint64, 1)
	note := func() {
		seq++
		i.Seq, seqs[0] = seq, seq
		k := key(byte(seq % 100))
		s.Queued(k, i)
		s.Received(k, seq)
		s.Gone(k, seq, seqs...)
		if seq%1000 == 0 {
			if err := s.Commit(); err != nil {
				t.Error(err)
			}
		}
	}
	for range 5000 {
		note()
	}
	return s, note
}

// One is an item's life, of three notes, each thousandth with a Commit.
func BenchmarkCommit(b *testing.B) {
	s, note := busy(b)
	defer s.Close()
	b.ReportAllocs()
	for b.Loop() {
		note()
	}
	b.ReportMetric(3*float64(b.N)/b.Elapsed().Seconds(), "notes/s")
}

// One is a Commit of three notes.
func BenchmarkCommitEach(b *testing.B) {
	s, note := busy(b)
	defer s.Close()
	b.ReportAllocs()
	for b.Loop() {
		note()
		if err := s.Commit(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSpill(b *testing.B) {
	s, _ := busy(b)
	defer s.Close()
	sp, _ := s.Spill(key(1))
	i := item(1, strings.Repeat("x", 100))
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		if err := sp.Append(i); err != nil {
			b.Fatal(err)
		}
		if n%100 == 99 {
			if items, err := sp.Next(100, 1<<20); err != nil || len(items) == 0 {
				b.Fatal(items, err)
			}
			if err := s.Commit(); err != nil {
				b.Fatal(err)
			}
		}
	}
}
