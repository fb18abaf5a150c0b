//go:build soak && unix

package transport

import (
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/sente-lite/sente-lite/pipe"
)

// Ten thousand of each transport.
func TestSoakManyComeAndGo(t *testing.T) { manyComeAndGo(t, 10000) }

// At 100,000 events a second to a peer that has stalled, others wait no longer, and the
// producer hears of it at once.
func TestSoakStalledPeer(t *testing.T) {
	f := newFlowing(t, "{}", "", pipe.Flow{})
	deaf := newPage(t, f.h, pipe.RoleClient, "{}")
	defer deaf.leave()
	other := newPage(t, f.h, pipe.RoleOwner, "{}")
	defer other.leave()
	one := to(f.page.uid, 1)
	p99 := func(d time.Duration) time.Duration {
		var all []time.Duration
		for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(time.Millisecond) {
			begin := time.Now()
			other.sayAll(t, one)
			f.page.take(t)
			all = append(all, time.Since(begin))
		}
		slices.Sort(all)
		return all[len(all)*99/100]
	}
	// The same load, to a peer that reads: what the machine is busy with is in both.
	const rate = 100000 // a second
	load := func(uid string, stop, stopped chan struct{}) {
		defer close(stopped)
		batch, begin, sent := to(uid, rate/100), time.Now(), 0
		for tick := time.NewTicker(time.Millisecond); ; {
			select {
			case <-stop:
				tick.Stop()
				t.Logf("%.0f events a second", float64(sent)/time.Since(begin).Seconds())
				return
			case <-tick.C:
				n := min(len(batch), int(time.Since(begin).Seconds()*rate)-sent)
				f.producer.sayAll(t, batch[:n])
				sent += n
			}
		}
	}
	reader := newPage(t, f.h, pipe.RoleClient, "{}")
	defer reader.leave()
	go func() {
		for {
			if _, err := reader.conn.Read(nil); err != nil {
				return
			}
		}
	}()
	told := make(chan time.Time, 1)
	go func() {
		for {
			if _, err := f.producer.conn.Read(nil); err != nil {
				return
			}
			select {
			case told <- time.Now():
			default:
			}
		}
	}()
	stop, stopped := make(chan struct{}), make(chan struct{})
	go load(reader.uid, stop, stopped)
	before := p99(10 * time.Second)
	close(stop)
	<-stopped
	inUse := heap()
	stop, stopped = make(chan struct{}), make(chan struct{})
	full := make(chan time.Time, 1)
	go func() {
		for f.h.Stats.Backpressure.Load() == 0 {
			time.Sleep(100 * time.Microsecond)
		}
		full <- time.Now()
	}()
	go load(deaf.uid, stop, stopped)
	after := p99(30 * time.Second)
	close(stop)
	<-stopped
	grown := heap() - inUse
	t.Logf("p99 %v with a peer that reads, %v with one that has stalled (x%.2f); %d KiB more in use; heard of :backpressure %v after the first refusal; %d refused",
		before, after, float64(after)/float64(before), grown>>10, (<-told).Sub(<-full), f.h.Stats.Backpressure.Load())
	if grown > 9<<20 {
		t.Errorf("%d bytes more are in use; at most 9 MiB are allowed", grown)
	}
}

// Ten thousand idle peers that are pinged every 25 s, and answer, cost at most 3 % of a
// core, both ends together.
func TestSoakIdlePeers(t *testing.T) {
	h := pipe.NewHub(pipe.HubConfig{}, pipe.Settings{Flow: pipe.Flow{KeepAlive: 25 * time.Second, PingTimeout: 10 * time.Second}})
	const peers = 10000
	for range peers {
		c, s := Mem(MemOptions{Server: pipe.ConnInfo{Heartbeat: true}})
		h.Attach(s)
		if _, err := c.Write([]pipe.Message{{Data: []byte("[:sente-lite/hello {}]"), Text: true}}); err != nil {
			t.Fatal(err)
		}
		go func() {
			for {
				m, err := c.Read(nil)
				if err != nil {
					return
				}
				if string(m.Data) == "[:chsk/ws-ping]" {
					_, _ = c.Write([]pipe.Message{{Data: []byte("[:chsk/ws-pong]"), Text: true}})
				}
			}
		}()
	}
	used := func() time.Duration {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			t.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	time.Sleep(5 * time.Second)
	before, at := used(), time.Now()
	time.Sleep(60 * time.Second)
	share := float64(used()-before) / float64(time.Since(at))
	t.Logf("%d idle peers take %.2f %% of a core", peers, 100*share)
	if share > 0.03 {
		t.Errorf("%d idle peers take %.1f %% of a core; at most 3 %% are allowed", peers, 100*share)
	}
	if err := h.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}
