package journal

import (
	"fmt"
	"io"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/sente-lite/sente-lite/pipe"
	"pgregory.net/rapid"
)

// A model is a Store without files: what is committed, and what is noted.
type model struct {
	order    []pipe.SessionKey
	sessions map[pipe.SessionKey]*modelSession
}

type modelSession struct {
	pipe.StoredSession
	spill []pipe.StoredItem // the taken ones included
	taken int
}

func (m *model) copy() *model {
	c := &model{slices.Clone(m.order), map[pipe.SessionKey]*modelSession{}}
	for k, x := range m.sessions {
		y := *x
		y.Channels, y.Items, y.spill = slices.Clone(x.Channels), slices.Clone(x.Items), slices.Clone(x.spill)
		c.sessions[k] = &y
	}
	return c
}

// crashed is what another process finds: what was taken and not noted is there.
func (m *model) crashed() *model {
	c := m.copy()
	for _, x := range c.sessions {
		x.taken = 0
	}
	return c
}

func (m *model) String() (text string) {
	for _, k := range m.order {
		x := m.sessions[k]
		text += fmt.Sprintf("%x uid=%q client=%q role=%q cred=%q since=%d received=%d acked=%d channels=%q spilled=%d\n",
			k[0], x.UID, x.ClientID, x.Role, x.Credential, x.Since.UnixNano(), x.Received, x.Acked, x.Channels, len(x.spill)-x.taken)
		text += show(x.Items) + show(x.spill[x.taken:])
	}
	return text
}

func show(items []pipe.StoredItem) (text string) {
	for _, i := range items {
		text += fmt.Sprintf("  %d/%d/%d/%d %s %q", i.Seq, i.Kind, i.Lane, i.At, i.Name, i.EDN)
	}
	return text + "\n"
}

// found is what a Store that was just opened has, its spills emptied by Next.
func found(t fatal, s *Store) *model {
	all, err := s.Sessions()
	if err != nil {
		t.Fatalf("Sessions: %v", err)
	}
	m := &model{sessions: map[pipe.SessionKey]*modelSession{}}
	for _, x := range all {
		y := &modelSession{StoredSession: x}
		sp, err := s.Spill(x.Key)
		if err != nil {
			t.Fatalf("Spill: %v", err)
		}
		if n, _ := sp.Len(); n != x.Spilled {
			t.Fatalf("a spill of %d items, the session says %d", n, x.Spilled)
		}
		y.spill = drain(t, sp)
		if len(y.spill) != x.Spilled {
			t.Fatalf("Next gave %d items of %d", len(y.spill), x.Spilled)
		}
		if n, b := sp.Len(); n != 0 || b != 0 {
			t.Fatalf("an empty spill has %d items, %d bytes", n, b)
		}
		m.order = append(m.order, x.Key)
		m.sessions[x.Key] = y
	}
	return m
}

type fatal interface{ Fatalf(string, ...any) }

func drain(t fatal, sp pipe.Spill) (all []pipe.StoredItem) {
	for {
		items, err := sp.Next(3, 100)
		if err != nil {
			t.Fatalf("Next: %v", err)
		}
		if len(items) == 0 {
			return all
		}
		all = append(all, items...)
	}
}

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// small makes every bound be met soon.
func small(m *memFS) Options {
	return Options{fs: m, Log: quiet, compactAt: 600, segmentSize: 200,
		Now: func() time.Time { return time.UnixMilli(1_700_000_000_000) }}
}

// A machine does to a Store and to its model whatever a Hub may do, and kills
// the process at any byte of any of it.
type machine struct {
	mem       *memFS
	s         *Store
	committed *model // what a crash leaves
	noted     *model
	seq       uint64
}

func (c *machine) item(t *rapid.T) pipe.StoredItem {
	c.seq++
	return pipe.StoredItem{
		Seq: c.seq, Kind: rapid.Byte().Draw(t, "kind"), Lane: rapid.Byte().Draw(t, "lane"),
		Name: rapid.SampledFrom([]string{"chat/msg", "a/b", ""}).Draw(t, "name"), At: rapid.Int64().Draw(t, "at"),
		EDN: append([]byte{}, rapid.SliceOfN(rapid.Byte(), 0, 60).Draw(t, "edn")...),
	}
}

func (c *machine) any(t *rapid.T) (pipe.SessionKey, *modelSession) {
	if len(c.noted.order) == 0 {
		t.Skip("no session")
	}
	k := rapid.SampledFrom(c.noted.order).Draw(t, "session")
	return k, c.noted.sessions[k]
}

func (c *machine) begin(t *rapid.T) {
	k := pipe.SessionKey{rapid.ByteRange(0, 4).Draw(t, "key")}
	text := rapid.SampledFrom([]string{"", "bob", "alice\x00"})
	b := pipe.StoredSession{Key: k, UID: text.Draw(t, "uid"), ClientID: text.Draw(t, "client"), Role: pipe.RoleClient,
		Since: time.Unix(0, rapid.Int64Range(1, 1<<60).Draw(t, "since")), Received: rapid.Uint64().Draw(t, "received"),
		Acked: rapid.Uint64().Draw(t, "acked"), Channels: rapid.SliceOfNDistinct(text, 0, 3, rapid.ID).Draw(t, "channels"),
		Credential: []byte(text.Draw(t, "credential"))}
	x := c.noted.sessions[k]
	if x == nil {
		x = &modelSession{}
		c.noted.sessions[k] = x
		c.noted.order = append(c.noted.order, k)
	}
	items := x.Items
	x.StoredSession = b
	x.Channels, x.Items = slices.Clone(b.Channels), items
	c.s.Begin(b)
}

func (c *machine) queued(t *rapid.T) {
	k, x := c.any(t)
	i := c.item(t)
	if x.taken > 0 { // an item that Next has taken comes first
		i, x.spill = x.spill[0], x.spill[1:]
		x.taken--
	}
	x.Items = append(x.Items, i)
	c.s.Queued(k, i)
	clear(i.EDN[len(i.EDN):])
}

func (c *machine) gone(t *rapid.T) {
	k, x := c.any(t)
	acked := rapid.Uint64().Draw(t, "acked")
	x.Acked = max(x.Acked, acked)
	var seqs []uint64
	for range rapid.IntRange(0, 4).Draw(t, "n") {
		if x.taken > 0 && rapid.Bool().Draw(t, "given up") {
			seqs = append(seqs, x.spill[0].Seq)
			x.spill = x.spill[1:]
			x.taken--
		} else if len(x.Items) > 0 {
			at := rapid.IntRange(0, len(x.Items)-1).Draw(t, "item")
			seqs = append(seqs, x.Items[at].Seq)
			x.Items = slices.Delete(x.Items, at, at+1)
		}
	}
	c.s.Gone(k, acked, append(seqs, 1<<62)...)
}

func (c *machine) received(t *rapid.T) {
	k, x := c.any(t)
	n := rapid.Uint64().Draw(t, "n")
	x.Received = max(x.Received, n)
	c.s.Received(k, n)
}

func (c *machine) subscribed(t *rapid.T) {
	k, x := c.any(t)
	ch, on := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "channel"), rapid.Bool().Draw(t, "on")
	if i := slices.Index(x.Channels, ch); on && i < 0 {
		x.Channels = append(x.Channels, ch)
	} else if !on && i >= 0 {
		x.Channels = slices.Delete(x.Channels, i, i+1)
	}
	c.s.Subscribed(k, ch, on)
}

func (c *machine) end(t *rapid.T) {
	k, _ := c.any(t)
	delete(c.noted.sessions, k)
	c.noted.order = slices.DeleteFunc(c.noted.order, func(o pipe.SessionKey) bool { return o == k })
	c.s.End(k)
}

func (c *machine) spill(t *rapid.T) {
	k, x := c.any(t)
	sp, err := c.s.Spill(k)
	if err != nil {
		t.Fatalf("Spill: %v", err)
	}
	switch rapid.SampledFrom([]string{"append", "append", "append", "next", "next", "remove"}).Draw(t, "what") {
	case "append":
		for range rapid.IntRange(1, 5).Draw(t, "items") {
			i := c.item(t)
			if err := sp.Append(i); err == nil {
				x.spill = append(x.spill, i)
			} else if c.mem.left < 0 {
				t.Fatalf("Append: %v", err)
			}
		}
	case "next":
		most := rapid.IntRange(1, 4).Draw(t, "most")
		items, err := sp.Next(most, 50)
		if err != nil {
			t.Fatalf("Next: %v", err)
		}
		x.spill = x.spill[x.taken:] // given up by now
		if x.taken = len(items); x.taken > most || x.taken == 0 && len(x.spill) > 0 {
			t.Fatalf("Next(%d) gave %d of %d items", most, x.taken, len(x.spill))
		}
		if got, want := show(items), show(x.spill[:x.taken]); got != want {
			t.Fatalf("Next gave\n%swant\n%s", got, want)
		}
	case "remove":
		x.spill, x.taken = nil, 0
		if err := sp.Remove(); err != nil {
			t.Fatalf("Remove: %v", err)
		}
	}
	if n, _ := sp.Len(); n != len(x.spill)-x.taken {
		t.Fatalf("Len is %d, want %d", n, len(x.spill)-x.taken)
	}
}

func (c *machine) commit(t *rapid.T) {
	if err := c.s.Commit(); err != nil {
		t.Fatalf("Commit: %v", err)
	}
	c.committed = c.noted.copy()
}

// fail has the disk full for a Commit, and then for none.
func (c *machine) fail(t *rapid.T) {
	c.mem.failAfter(rapid.IntRange(0, 300).Draw(t, "room"))
	if rapid.Bool().Draw(t, "spill") && len(c.noted.order) > 0 {
		c.spill(t)
	}
	err := c.s.Commit()
	c.mem.heal()
	if err == nil {
		c.committed = c.noted.copy()
	}
	// An error may leave nothing, or the frames of earlier Commits that have
	// failed: so a kill is not the next thing to happen.
	c.commit(t)
}

// kill ends the process within a Commit, at any byte. What is there then is what
// was committed before it, or it as well.
func (c *machine) kill(t *rapid.T) {
	c.mem.killAfter(rapid.IntRange(0, 500).Draw(t, "at"))
	if rapid.Bool().Draw(t, "spill") && len(c.noted.order) > 0 {
		k := rapid.SampledFrom(c.noted.order).Draw(t, "session")
		sp, err := c.s.Spill(k)
		if err != nil {
			t.Fatalf("Spill: %v", err)
		}
		if i := c.item(t); sp.Append(i) == nil {
			x := c.noted.sessions[k]
			x.spill = append(x.spill, i)
		}
	}
	acknowledged := c.s.Commit() == nil
	before, after := c.committed.crashed(), c.noted.crashed()
	// The next process may be killed while it opens, too.
	c.mem = c.mem.copy()
	c.mem.killAfter(rapid.IntRange(0, 40).Draw(t, "at, opening"))
	_, _ = Open("d", small(c.mem))
	c.reopen(t)
	// The first look is at a copy: looking empties spills.
	other, err := Open("d", small(c.mem.copy()))
	if err != nil {
		t.Fatalf("Open after a kill: %v", err)
	}
	switch got := found(t, other).String(); {
	case got == after.String():
		c.committed, c.noted = after, after.copy()
	case got == before.String() && !acknowledged:
		c.committed, c.noted = before, before.copy()
	default:
		t.Fatalf("after a kill (committed: %v):\n%s\nbefore the commit it was:\n%s\nafter it:\n%s", acknowledged, got, before, after)
	}
}

func (c *machine) reopen(t *rapid.T) {
	c.mem = c.mem.copy()
	s, err := Open("d", small(c.mem))
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	c.s = s
}

// restart closes and opens.
func (c *machine) restart(t *rapid.T) {
	if err := c.s.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
	c.committed = c.noted.crashed()
	c.noted = c.committed.copy()
	c.reopen(t)
	if got := found(t, must(Open("d", small(c.mem.copy())))); got.String() != c.committed.String() {
		t.Fatalf("after a restart:\n%s\nwant\n%s", got, c.committed)
	}
}

func must(s *Store, err error) *Store {
	if err != nil {
		panic(err)
	}
	return s
}

// check: the log is never much larger than what is live, nor are there files of
// no use.
func (c *machine) check(t *rapid.T) {
	if len(c.noted.order) == 0 && len(c.committed.order) == 0 {
		if err := c.s.Commit(); err != nil {
			t.Fatalf("Commit: %v", err)
		}
		c.committed = c.noted.copy()
		if names := c.mem.spills(); len(names) > 0 {
			t.Fatalf("no session, but %q", names)
		}
		if c.s.spilled != 0 {
			t.Fatalf("no file, but %d bytes of them", c.s.spilled)
		}
	}
	if c.s.state.live < 0 {
		t.Fatalf("%d bytes are live", c.s.state.live)
	}
}

func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := &machine{mem: newMemFS(), noted: &model{sessions: map[pipe.SessionKey]*modelSession{}}}
		c.committed = c.noted.copy()
		c.reopen(t)
		t.Repeat(map[string]func(*rapid.T){
			"begin": c.begin, "queued": c.queued, "queued more": c.queued, "gone": c.gone, "received": c.received,
			"subscribed": c.subscribed, "end": c.end, "spill": c.spill, "spill more": c.spill,
			"commit": c.commit, "fail": c.fail, "kill": c.kill, "restart": c.restart, "": c.check,
		})
	})
}
