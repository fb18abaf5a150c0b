package pipe_test

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sente-lite/sente-lite/pipe"
	"github.com/sente-lite/sente-lite/pipe/journal"
)

// A faulty Store's disk fails when it is told to.
type faulty struct {
	pipe.Store
	appends, opens, nexts error
}

func (f *faulty) Spill(key pipe.SessionKey) (pipe.Spill, error) {
	if f.opens != nil {
		return nil, f.opens
	}
	s, err := f.Store.Spill(key)
	return &faultySpill{s, f}, err
}

type faultySpill struct {
	pipe.Spill
	f *faulty
}

func (s *faultySpill) Append(it pipe.StoredItem) error {
	if s.f.appends != nil {
		return s.f.appends
	}
	return s.Spill.Append(it)
}

func (s *faultySpill) Next(most, size int) ([]pipe.StoredItem, error) {
	if s.f.nexts != nil {
		return nil, s.f.nexts
	}
	return s.Spill.Next(most, size)
}

var errDisk = errors.New("no space left on device")

// Whatever happens to the disk: what was spilled comes in its order, nothing passes it,
// and what cannot be spilled is refused.
func TestSpillOnABadDisk(t *testing.T) {
	tests := []struct {
		name string
		max  int64 // bytes of all spills
		dir  func(t *testing.T, dir string, f *faulty, at int)
		all  bool // everything arrives
	}{
		{"a good one", 0, func(*testing.T, string, *faulty, int) {}, true},
		{"too small", 300_000, func(*testing.T, string, *faulty, int) {}, false},
		{"full for a while", 0, func(t *testing.T, dir string, f *faulty, at int) {
			f.appends = nil
			if at > 200 && at < 300 {
				f.appends = errDisk
			}
		}, false},
		{"full from the beginning", 0, func(t *testing.T, dir string, f *faulty, at int) { f.opens = errDisk }, false},
		{"its last part is gone", 0, func(t *testing.T, dir string, f *faulty, at int) {
			if at == 400 {
				names, err := filepath.Glob(filepath.Join(dir, "spill", "*"))
				if err != nil || len(names) == 0 {
					t.Fatal("there is no spill", err)
				}
				for _, name := range names {
					if err := os.Truncate(name, 100_000); err != nil {
						t.Fatal(err)
					}
				}
			}
		}, false},
		{"it has gone", 0, func(t *testing.T, dir string, f *faulty, at int) {
			if at == 400 {
				os.RemoveAll(filepath.Join(dir, "spill"))
			}
		}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				h := newTestHub(t, pipe.HubConfig{}, pipe.Settings{Flow: pipe.Flow{MaxBufferSize: 20,
					OnFull: []pipe.FullRule{{Event: "*", Policy: pipe.FullQueue}}}})
				j, err := journal.Open(dir, journal.Options{MaxSpillBytes: tt.max, Log: slog.New(slog.DiscardHandler)})
				if err != nil {
					t.Fatal(err)
				}
				defer j.Close()
				store := &faulty{Store: j}
				if err := h.Keep(store); err != nil {
					t.Fatal(err)
				}
				o := join(t, h, "owner", asOwner, bare, false)
				deaf := join(t, h, "deaf", asClient, "[:sente-lite/hello {:bundle true}]", true)
				const sent = 400
				refused := 0
				for i := range sent {
					tt.dir(t, dir, store, i)
					reply, _ := o.ask(t, fmt.Sprintf(`[:sente-lite/send {:to %q :event [:x/y [%d %q]]}]`, deaf.uid, i, strings.Repeat("p", 2000)))
					if strings.Contains(reply, ":status :backpressure") {
						refused++
					}
				}
				tt.dir(t, dir, store, sent)
				go deaf.read()
				got := deaf.numbers(t)
				// The disk is well again, or the part that is not is behind.
				if reply, _ := o.ask(t, fmt.Sprintf(`[:sente-lite/send {:to %q :event [:x/y 1000]}]`, deaf.uid)); !strings.Contains(reply, ":status :ok") {
					t.Errorf("at the end a send is answered by %s", reply)
				}
				time.Sleep(time.Second)
				got = append(got, deaf.numbers(t)...)
				for i := 1; i < len(got); i++ {
					if got[i] <= got[i-1] {
						t.Fatalf("%d arrives after %d", got[i], got[i-1])
					}
				}
				books, _ := o.account(t, deaf.uid)
				if books.accepted+refused != sent+1 || books.delivered != len(got) || books.queued != 0 {
					t.Errorf("of %d %d arrive and %d were refused; the books have %+v", sent+1, len(got), refused, books)
				}
				if tt.all && len(got) != sent+1 || !tt.all && len(got) == sent+1 {
					t.Errorf("%d of %d arrive", len(got), sent+1)
				}
				if got[len(got)-1] != 1000 {
					t.Errorf("the last that arrives is %d", got[len(got)-1])
				}
				o.leave()
				deaf.leave()
			})
		})
	}
}

// What is on the disk is waited for by a flush, and not passed while its peer is away.
func TestSpillAndFlush(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		h := newTestHub(t, pipe.HubConfig{}, pipe.Settings{Flow: pipe.Flow{MaxBufferSize: 10, Recovery: pipe.Recovery{MaxMsgs: 5},
			OnFull: []pipe.FullRule{{Event: "x/*", Policy: pipe.FullQueue}}}})
		keepIn(t, h, dir)
		o := join(t, h, "owner", asOwner, bare, false)
		a := comeIn(t, h, asClient, ":recover true")
		uid := a.uid
		a.cut()
		synctest.Wait()
		o.burst(t, uid, 0, 30, "")
		o.send(t, fmt.Sprintf(`[:sente-lite/send {:to %q :event [:other/y 30]}]`, uid)) // of another policy
		o.send(t, fmt.Sprintf(`[[:sente-lite/flush {:to %q}] "flush"]`, uid))
		synctest.Wait()
		queues, _ := o.ask(t, fmt.Sprintf(`[:sente-lite/queues {:to %q}]`, uid))
		if !strings.Contains(queues, ":queued 31 ") || !strings.Contains(queues, ":spilled 26 ") {
			t.Errorf("queues has %s", queues)
		}
		a = a.back(t, h, asClient, 0, "")
		var got []int
		for len(got) < 31 {
			n := a.numbers(t)
			if len(n) == 0 {
				break
			}
			if len(got)+len(n) < 31 && len(o.in) > 0 {
				t.Fatalf("after %d events the flush is answered by %s", len(got)+len(n), <-o.in)
			}
			got = append(got, n...)
			if len(got) < 31 {
				a.send(t, fmt.Sprintf("[:sente-lite/ack %d]", len(got)))
			}
		}
		for i, n := range got {
			if i != n {
				t.Fatalf("event %d is %d", i, n)
			}
		}
		if len(got) != 31 {
			t.Errorf("%d of 31 arrive", len(got))
		}
		a.send(t, "[:sente-lite/ack 31]")
		expect(t, o, `[:chsk/reply "flush" {:status :ok :peers 1}]`)
		a.conn.Close(pipe.Reason{Code: pipe.CloseNormal})
		o.leave()
	})
}
