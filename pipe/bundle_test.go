package pipe_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/sente-lite/sente-lite/pipe"
	"github.com/sente-lite/sente-lite/pipe/pack"
	"github.com/sente-lite/sente-lite/pipe/transport"
)

// burst sends several events to a peer at once: they are read in one turn.
func (p *player) burst(t *testing.T, uid string, from, to int, pad string) {
	t.Helper()
	var batch []pipe.Message
	for i := from; i < to; i++ {
		event := fmt.Sprintf(`[:sente-lite/send {:to %q :event [:x/y [%d %q]]}]`, uid, i, pad)
		batch = append(batch, pipe.Message{Data: []byte(event), Text: true})
	}
	if done, err := p.conn.Write(batch); err != nil || !done && p.conn.Flush() != nil {
		t.Fatal("the burst cannot be written", err)
	}
	synctest.Wait()
}

// frames are the messages that have come, with how many items each has.
func (p *player) frames() (list []string, items []int) {
	synctest.Wait()
	for len(p.in) > 0 {
		got := <-p.in
		list = append(list, got)
		items = append(items, strings.Count(got, ":x/y"))
	}
	return list, items
}

const (
	bundled = "[:sente-lite/hello {:bundle true}]"
	bare    = "[:sente-lite/hello {}]"
)

func TestBundles(t *testing.T) {
	tests := []struct {
		name string
		flow pipe.Flow
		play func(t *testing.T, o, a, b *player) // a takes bundles, b does not
	}{
		{"only who asked gets them, and one is bare", pipe.Flow{}, func(t *testing.T, o, a, b *player) {
			for _, p := range []*player{a, b} {
				o.burst(t, p.uid, 0, 10, "")
			}
			if list, items := a.frames(); len(list) != 1 || items[0] != 10 || !strings.HasPrefix(list[0], "[:batch/events [[:x/y [0 ") {
				t.Errorf("a gets %q", list)
			}
			if list, _ := b.frames(); len(list) != 10 || !strings.HasPrefix(list[9], "[:x/y [9 ") {
				t.Errorf("b gets %q", list)
			}
			time.Sleep(time.Second)
			o.burst(t, a.uid, 0, 1, "")
			if list, _ := a.frames(); len(list) != 1 || !strings.HasPrefix(list[0], "[:x/y [0 ") {
				t.Errorf("a gets %q", list)
			}
		}},
		{"lone events and ping-pong are not held", pipe.Flow{}, func(t *testing.T, o, a, b *player) {
			start := time.Now()
			for i := range 100 {
				o.burst(t, a.uid, i, i+1, "")
				if list, _ := a.frames(); len(list) != 1 {
					t.Fatalf("event %d has come as %q", i, list)
				}
			}
			if d := time.Since(start); d > 0 {
				t.Errorf("100 lone events were held for %v", d)
			}
		}},
		{"after a burst the next are held, and no longer than 25 ms", pipe.Flow{}, func(t *testing.T, o, a, b *player) {
			o.burst(t, a.uid, 0, 5, "")
			a.frames()
			for i := range 20 { // one a millisecond
				o.burst(t, a.uid, i, i+1, "")
				time.Sleep(time.Millisecond)
			}
			if list, _ := a.frames(); len(list) > 0 {
				t.Fatalf("within 20 ms a gets %q", list)
			}
			time.Sleep(5 * time.Millisecond)
			if list, items := a.frames(); len(list) != 1 || items[0] != 20 {
				t.Fatalf("after 25 ms a gets %q", list)
			}
			o.burst(t, a.uid, 0, 1, "")
			time.Sleep(25 * time.Millisecond)
			if list, items := a.frames(); len(list) != 1 || items[0] != 1 || strings.Contains(list[0], ":batch/") {
				t.Fatalf("a gets %q", list)
			}
			o.burst(t, a.uid, 0, 1, "")
			if list, _ := a.frames(); len(list) != 1 { // the last bundle was one
				t.Errorf("it is held again: %q", list)
			}
		}},
		{"a thousand sends in 25 ms are few frames", pipe.Flow{}, func(t *testing.T, o, a, b *player) {
			for i := range 25 {
				o.burst(t, a.uid, 40*i, 40*i+40, "")
				time.Sleep(time.Millisecond)
			}
			time.Sleep(25 * time.Millisecond)
			list, _ := a.frames()
			if len(list) > 15 {
				t.Errorf("1000 events are %d frames", len(list))
			}
		}},
		{"event-buffer-size flushes early", pipe.Flow{EventBufferSize: 10}, func(t *testing.T, o, a, b *player) {
			o.burst(t, a.uid, 0, 5, "")
			a.frames()
			o.burst(t, a.uid, 5, 14, "")
			if list, _ := a.frames(); len(list) > 0 {
				t.Fatalf("9 of 10 are not held: %q", list)
			}
			o.burst(t, a.uid, 14, 15, "")
			if list, items := a.frames(); len(list) != 1 || items[0] != 10 {
				t.Errorf("10 of 10 come as %v", items)
			}
			o.burst(t, a.uid, 0, 35, "")
			time.Sleep(25 * time.Millisecond)
			if _, items := a.frames(); len(items) != 4 || items[0] != 10 || items[3] != 5 {
				t.Errorf("35 events come as %v", items)
			}
		}},
		{"max-frame-size flushes early, and a larger event travels alone", pipe.Flow{MaxFrameSize: 1000}, func(t *testing.T, o, a, b *player) {
			o.burst(t, a.uid, 0, 3, "")
			a.frames()
			o.burst(t, a.uid, 3, 4, strings.Repeat("x", 500))
			if list, _ := a.frames(); len(list) > 0 {
				t.Fatalf("it is not held: %q", list)
			}
			o.burst(t, a.uid, 4, 5, strings.Repeat("x", 500))
			if list, items := a.frames(); len(list) != 2 || items[0] != 1 || items[1] != 1 {
				t.Fatalf("two that do not fit into one frame come as %v", items)
			}
			o.burst(t, a.uid, 0, 2, "")
			a.frames()
			o.burst(t, a.uid, 5, 6, "")
			o.burst(t, a.uid, 6, 7, strings.Repeat("x", 5000))
			if list, _ := a.frames(); len(list) != 2 || strings.HasPrefix(list[1], "[:batch/") || !strings.HasPrefix(list[1], "[:x/y [6 ") {
				t.Errorf("a gets %.100q", list)
			}
		}},
		{"a reply and a call take what is held along", pipe.Flow{}, func(t *testing.T, o, a, b *player) {
			o.burst(t, a.uid, 0, 3, "")
			a.frames()
			o.burst(t, a.uid, 3, 5, "")
			a.send(t, `[[:chsk/ws-ping] "p"]`)
			if list, items := a.frames(); len(list) != 1 || items[0] != 2 || !strings.HasSuffix(list[0], `[:chsk/reply "p" "pong"]]]`) {
				t.Fatalf("a gets %q", list)
			}
			o.burst(t, a.uid, 5, 7, "")
			o.send(t, fmt.Sprintf(`[[:sente-lite/request {:to %q :event [:x/ask]}] "r"]`, a.uid))
			if list, items := a.frames(); len(list) != 1 || items[0] != 2 || !strings.Contains(list[0], `[[:x/ask] "x`) {
				t.Fatalf("a gets %q", list)
			}
		}},
		{"a flush", pipe.Flow{}, func(t *testing.T, o, a, b *player) {
			o.burst(t, a.uid, 0, 3, "")
			a.frames()
			o.burst(t, a.uid, 3, 5, "")
			if reply, _ := o.ask(t, fmt.Sprintf(`[:sente-lite/flush {:to %q}]`, a.uid)); reply != "{:status :ok :peers 1}" {
				t.Errorf("the flush is answered by %s", reply)
			}
			if list, items := a.frames(); len(list) != 1 || items[0] != 2 {
				t.Errorf("a gets %q", list)
			}
		}},
		{"a close", pipe.Flow{}, func(t *testing.T, o, a, b *player) {
			o.burst(t, a.uid, 0, 3, "")
			a.frames()
			o.burst(t, a.uid, 3, 5, "")
			o.send(t, fmt.Sprintf(`[:sente-lite/kick {:to %q}]`, a.uid))
			if list, items := a.frames(); len(list) != 2 || items[0] != 2 || !strings.Contains(list[1], ":code 4504") {
				t.Errorf("a gets %q", list)
			}
		}},
		{"a send hears of the next frame", pipe.Flow{MaxFrameSize: 1000}, func(t *testing.T, o, a, b *player) {
			o.burst(t, a.uid, 0, 2, "")
			o.burst(t, a.uid, 2, 3, strings.Repeat("x", 600))
			reply, _ := o.ask(t, fmt.Sprintf(`[:sente-lite/send {:to %q :event [:x/y %q]}]`, a.uid, strings.Repeat("y", 600)))
			if !strings.HasPrefix(reply, "{:status :frame-full ") {
				t.Errorf("the send is answered by %s", reply)
			}
		}},
		{"10000 events to one page", pipe.Flow{MaxBufferSize: 10000}, func(t *testing.T, o, a, b *player) {
			o.burst(t, a.uid, 0, 10000, "")
			time.Sleep(time.Second)
			list, items := a.frames()
			sum := 0
			for _, n := range items {
				sum += n
			}
			if sum != 10000 || len(list) > 150 {
				t.Errorf("%d events come in %d messages", sum, len(list))
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newTestHub(t, pipe.HubConfig{}, pipe.Settings{Flow: tt.flow})
				o := join(t, h, "owner", asOwner, bare, false)
				a := join(t, h, "a", asClient, bundled, false)
				b := join(t, h, "b", asClient, bare, false)
				tt.play(t, o, a, b)
				for _, p := range []*player{o, a, b} {
					p.leave()
				}
			})
		})
	}
}

// With one event a frame who asked for bundles gets the very bytes that everybody gets.
func TestNoBundling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newTestHub(t, pipe.HubConfig{}, pipe.Settings{Flow: pipe.Flow{EventBuffer: -1, EventBufferSize: 1}})
		o := join(t, h, "owner", asOwner, bare, false)
		a := join(t, h, "a", asClient, bundled, false)
		b := join(t, h, "b", asClient, bare, false)
		for i := range 50 {
			for _, p := range []*player{a, b} {
				o.burst(t, p.uid, 10*i, 10*i+10, "")
				p.send(t, `[[:chsk/ws-ping] "p"]`)
				synctest.Wait()
			}
		}
		got, _ := a.frames()
		want, _ := b.frames()
		if fmt.Sprint(got) != fmt.Sprint(want) || len(got) != 550 {
			t.Errorf("%d messages and %d are not the same", len(got), len(want))
		}
		for _, p := range []*player{o, a, b} {
			p.leave()
		}
	})
}

// No frame is over the limit, and none of its events is lost, whatever their sizes and
// the form: but for an event that is larger alone.
func TestFramesWithinTheirSize(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		flow := pipe.Flow{MaxFrameSize: rapid.IntRange(200, 3000).Draw(r, "max"), EventBufferSize: rapid.IntRange(2, 30).Draw(r, "size")}
		hello := rapid.SampledFrom([]string{bundled, "[:sente-lite/hello {:bundle true :packer :json}]", "[:sente-lite/hello {:bundle true :packer :msgpack}]"}).Draw(r, "hello")
		sizes := rapid.SliceOfN(rapid.IntRange(0, 1500), 1, 60).Draw(r, "sizes")
		synctest.Test(t, func(t *testing.T) {
			h := pipe.NewHub(pipe.HubConfig{Packers: []pipe.Packer{pack.JSON, pack.Msgpack}}, pipe.Settings{Flow: flow})
			c, s := transport.Mem(transport.MemOptions{Server: asClient, Buffer: 1 << 20})
			h.Attach(s)
			a := &player{name: "a", conn: c, in: make(chan string, 4096)}
			a.send(t, hello)
			m, err := c.Read(nil)
			if err != nil {
				t.Fatal(err)
			}
			_, rest, _ := strings.Cut(string(m.Data), `:uid "`)
			a.uid, _, _ = strings.Cut(rest, `"`)
			go a.read()
			o := join(t, h, "owner", asOwner, bare, false)
			for i, n := range sizes {
				o.burst(t, a.uid, i, i+1, strings.Repeat("x", n))
				if i%7 == 6 {
					time.Sleep(time.Duration(n) * time.Microsecond)
				}
			}
			time.Sleep(time.Second)
			synctest.Wait()
			events := 0
			for len(a.in) > 0 {
				got := <-a.in
				n := strings.Count(got, "x/y")
				events += n
				if n > 1 && len(got) > flow.MaxFrameSize || n > flow.EventBufferSize {
					t.Errorf("a frame of %d bytes has %d events", len(got), n)
				}
			}
			if events != len(sizes) {
				t.Errorf("%d of %d events arrive", events, len(sizes))
			}
			o.leave()
			a.leave()
			if err := h.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
		})
	})
}
