//go:build unix

package transport

import (
	"context"
	"fmt"
	"net"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sente-lite/sente-lite/pipe"
	"github.com/sente-lite/sente-lite/pipe/pipetest"
)

// A page that takes bundles gets 10,000 events in no more than 150 messages, whatever
// pieces they come in. Only a producer that says one at a time, to a page that has read
// the last already, has each of them sent at once: nothing waits that need not.
func TestBurstIsFewMessages(t *testing.T) {
	for _, piece := range []int{2, 7, 64, 10000} {
		t.Run(fmt.Sprint(piece), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFlowing(t, "{:bundle true}", "", pipe.Flow{MaxBufferSize: 20000})
				const events = 10000
				batch := to(f.page.uid, events)
				done := make(chan struct{})
				go func() {
					defer close(done)
					for piece := range slices.Chunk(batch, piece) {
						f.producer.sayAll(t, piece)
						time.Sleep(10 * time.Microsecond * time.Duration(len(piece))) // 100,000 a second
					}
				}()
				for f.page.items < events {
					f.page.take(t)
				}
				<-done
				t.Logf("%d messages", f.page.messages)
				if f.page.messages > 150 {
					t.Errorf("%d events came in %d messages; at most 150 are allowed", events, f.page.messages)
				}
			})
		})
	}
}

// What the flow does for a page costs next to no allocation: those of an event are its
// own bytes and the page's own.
func TestFlowAllocations(t *testing.T) {
	for _, v := range []struct {
		hello string
		most  float64 // for 100 events
	}{
		{"{}", 0},
		{"{:bundle true}", 20},
		{"{:credit 128}", 60},
		{"{:recover true}", 160}, // what is kept until it is acknowledged has bytes of its own
		{"{:bundle true :credit 128 :recover true}", 80},
	} {
		f := newFlowing(t, "{}", "", pipe.Flow{})
		g := newFlowing(t, v.hello, "", pipe.Flow{})
		plain, sent := to(f.page.uid, 100), to(g.page.uid, 100)
		for range 20 {
			f.round(t, plain)
			g.round(t, sent)
		}
		floor := testing.AllocsPerRun(100, func() { f.round(t, plain) })
		n := testing.AllocsPerRun(100, func() { g.round(t, sent) })
		t.Logf("%s: %v allocations for 100 events, %v without", v.hello, n, floor)
		if n > floor+v.most {
			t.Errorf("%s: 100 events take %v allocations, without it %v; at most %v more are allowed", v.hello, n, floor, v.most)
		}
	}
}

// heap is how much of the heap is in use once garbage is gone.
func heap() int {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int(m.HeapInuse)
}

// A peer that does not read holds no more memory than its own limits allow, however
// much is sent to it; others get everything.
func TestStalledPeerIsBounded(t *testing.T) {
	for _, hello := range []string{"{}", "{:bundle true}", "{:credit 16}", "{:recover true}"} {
		t.Run(hello, func(t *testing.T) {
			f := newFlowing(t, "{}", "", pipe.Flow{})
			deaf := newPage(t, f.h, pipe.RoleClient, hello)
			defer deaf.leave()
			large := fmt.Sprintf(`[:sente-lite/send {:to %q :event [:bench/event %q]}]`, deaf.uid, strings.Repeat("x", 10000))
			sent, also := make([]pipe.Message, 50), to(f.page.uid, 10)
			for i := range sent {
				sent[i] = pipe.Message{Data: []byte(large), Text: true}
			}
			f.round(t, also)
			go func() { // the producer hears that it is refused, and what of it
				for {
					if _, err := f.producer.conn.Read(nil); err != nil {
						return
					}
				}
			}()
			before := heap()
			for range 240 { // 12,000 events, 120 MB
				f.producer.sayAll(t, sent)
				f.round(t, also)
			}
			grown, held := heap()-before, int(f.h.Held())
			t.Logf("%.1f MiB more in use, %.1f MiB of them events", float64(grown)/(1<<20), float64(held)/(1<<20))
			most := 8 << 20
			if strings.Contains(hello, ":recover") {
				most += 1 << 20 // what the link in memory has taken is kept as well
			}
			if held > most {
				t.Errorf("%d bytes are queued; at most %d are allowed", held, most)
			}
			// The link's own 1 MiB, and as much for lists and what is on its way.
			if most += 2 << 20; grown > most {
				t.Errorf("%d bytes more are in use; at most %d are allowed", grown, most)
			}
			if f.h.Stats.Backpressure.Load() == 0 {
				t.Error("nothing was refused: the peer was not stalled")
			}
		})
	}
}

// Nor does a small event that waits hold more than itself, whatever others got in the
// same turn and before it.
func TestWaitingEventIsAlone(t *testing.T) {
	for _, hello := range []string{"{:credit 16}", "{:recover true}"} {
		t.Run(hello, func(t *testing.T) {
			f := newFlowing(t, "{}", "", pipe.Flow{})
			deaf := newPage(t, f.h, pipe.RoleClient, hello)
			defer deaf.leave()
			others := make([]pipe.Message, 16) // a sheet, nearly
			for i := range others {
				text := fmt.Sprintf(`[:sente-lite/send {:to %q :event [:bench/event %q]}]`, f.page.uid, strings.Repeat("x", 1000))
				others[i] = pipe.Message{Data: []byte(text), Text: true}
			}
			f.producer.sayAll(t, to(deaf.uid, 700)) // those that the link itself takes
			f.round(t, others)
			before := heap()
			for range 900 {
				f.producer.sayAll(t, to(deaf.uid, 1))
				f.round(t, others)
			}
			if grown := heap() - before; grown > 2<<20 {
				t.Errorf("%d bytes more are in use for 900 small events", grown)
			}
			if held := f.h.Held(); held < 900*50 {
				t.Errorf("%d bytes are held: nothing waits", held)
			}
		})
	}
}

// Peers that come and go leave nothing behind.
func TestManyComeAndGo(t *testing.T) {
	manyComeAndGo(t, 500)
}

func manyComeAndGo(t *testing.T, n int) {
	h := pipe.NewHub(pipe.HubConfig{}, pipe.Settings{})
	ends := map[string]func(){}
	for network, addr := range map[string]string{"unix": "unix:" + t.TempDir() + "/s", "tcp": "tcp:127.0.0.1:0"} {
		l, err := Listen(t.Context(), addr, Options{})
		if err != nil {
			t.Fatal(err)
		}
		served := make(chan error, 1)
		go func() { served <- h.Serve(t.Context(), l) }()
		defer func() {
			l.Close()
			if err := <-served; err != nil {
				t.Error(err)
			}
		}()
		_, at, _ := strings.Cut(strings.Replace(l.Addr(), "//", "", 1), ":")
		ends[network] = func() {
			c, err := net.Dial(network, at)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			fmt.Fprint(c, "[:sente-lite/hello {:bundle true :credit 64}]\n[:chsk/ws-ping]\n[:chsk/close {:code 1000}]\n")
			c.SetReadDeadline(time.Now().Add(10 * time.Second))
			buf := make([]byte, 4096)
			if _, err := c.Read(buf); err != nil {
				t.Fatal(err)
			}
		}
	}
	round := func(n int) {
		for range n {
			for _, end := range ends {
				end()
			}
		}
	}
	idle := runtime.NumGoroutine()
	quiet := func() { // else the test's own limit ends it
		for runtime.NumGoroutine() > idle || h.Held() > 0 {
			runtime.Gosched()
		}
	}
	round(200)
	quiet()
	goroutines, files, inUse := runtime.NumGoroutine(), pipetest.Descriptors(t), heap()
	round(n)
	quiet()
	t.Logf("%d came and went by each: goroutines %d -> %d, descriptors %d -> %d, heap %d -> %d KiB",
		n, goroutines, runtime.NumGoroutine(), files, pipetest.Descriptors(t), inUse>>10, heap()>>10)
	if got := pipetest.Descriptors(t); got > files {
		t.Errorf("%d descriptors are open, %d were", got, files)
	}
	if got := heap(); got > inUse+inUse/20+256<<10 {
		t.Errorf("%d bytes of the heap are in use, %d were", got, inUse)
	}
	if err := h.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
}
