package pipe_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sente-lite/sente-lite/pipe"
	"github.com/sente-lite/sente-lite/pipe/transport"
)

// join connects a player in memory; a deaf one never reads after its greeting.
func join(t *testing.T, h *pipe.Hub, name string, server pipe.ConnInfo, hello string, deaf bool) *player {
	t.Helper()
	c, s := transport.Mem(transport.MemOptions{Server: server})
	h.Attach(s)
	p := &player{name: name, conn: c, in: make(chan string, 4096)}
	p.send(t, hello)
	m, err := c.Read(nil)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(m.Data), `:uid "`)
	p.uid, _, _ = strings.Cut(rest, `"`)
	if !deaf {
		go p.read()
	}
	return p
}

func (p *player) leave() {
	p.conn.Close(pipe.Reason{Code: pipe.CloseNormal})
	for range p.in {
	}
}

var (
	asOwner  = pipe.ConnInfo{Claim: &pipe.Claim{Role: pipe.RoleOwner}}
	asClient = pipe.ConnInfo{Claim: &pipe.Claim{Role: pipe.RoleClient}}
)

// One client stops reading. Its producer hears of it, at once and then now and
// then; nothing else slows down, and nothing grows.
func TestSlowPeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := pipe.NewHub(pipe.HubConfig{}, pipe.Settings{})
		o := join(t, h, "owner", asOwner, "[:sente-lite/hello {}]", false)
		slow := join(t, h, "slow", asClient, "[:sente-lite/hello {}]", true)
		fast := join(t, h, "fast", asClient, "[:sente-lite/hello {}]", false)
		const sent, size = 6000, 100
		for i := range sent {
			for _, to := range []*player{slow, fast} {
				o.send(t, fmt.Sprintf(`[:sente-lite/send {:to %q :event [:x/y "%05d%s"]}]`, to.uid, i, strings.Repeat("x", size)))
			}
			if got, _ := fast.next(t, "its event"); !strings.HasPrefix(got, fmt.Sprintf(`[:x/y "%05d`, i)) {
				t.Fatalf("fast gets %.40s, not its event %d", got, i)
			}
			if i%100 == 0 {
				time.Sleep(10 * time.Millisecond)
			}
		}
		o.send(t, fmt.Sprintf(`[[:sente-lite/send {:to %q :event [:x/y]}] "status"]`, slow.uid))
		time.Sleep(time.Second)
		refused, notes := 0, 0
		for got := range o.in {
			if strings.HasPrefix(got, `[:chsk/reply "status"`) {
				if !strings.Contains(got, ":status :backpressure") || !strings.Contains(got, ":queue-size 1000") {
					t.Errorf("the call's reply is %s", got)
				}
				break
			}
			notes++
			var n int
			_, count, _ := strings.Cut(got, " :count ")
			if fmt.Sscan(count, &n); n == 0 || !strings.HasPrefix(got, "[:sente-lite/error {:category :busy :code :sente-lite/backpressure") {
				t.Fatalf("owner gets %s", got)
			}
			refused += n
		}
		// The last note may come 100 ms after the last refusal, and after the reply.
		for len(o.in) > 0 {
			var n int
			_, count, _ := strings.Cut(<-o.in, " :count ")
			fmt.Sscan(count, &n)
			refused += n
			notes++
		}
		if notes < 2 || notes > 10 {
			t.Errorf("%d notes in 0.6 s of refusals; expected one at once and then one per 100 ms", notes)
		}
		if got := int(h.Stats.Backpressure.Load()); got != refused {
			t.Errorf("%d events were refused, and the owner was told of %d", got, refused)
		}
		if held := h.Held(); held > 1000*(size+20)+64<<10 {
			t.Errorf("%d bytes are held for 1000 queued events of about %d", held, size+13)
		}
		// It reads again: what was accepted arrives, in order, and all of it.
		go slow.read()
		o.send(t, fmt.Sprintf(`[[:sente-lite/flush {:to %q}] "flushed"]`, slow.uid))
		if got, _ := o.next(t, "the flush"); got != `[:chsk/reply "flushed" {:status :ok :peers 1}]` {
			t.Errorf("flush is answered by %s", got)
		}
		synctest.Wait()
		last, arrived := "", len(slow.in)
		for range arrived {
			got := <-slow.in
			if got <= last {
				t.Fatalf("slow gets %.20s after %.20s", got, last)
			}
			last = got
		}
		if arrived+refused != sent {
			t.Errorf("of %d events %d arrived and %d were refused", sent, arrived, refused)
		}
		for _, p := range []*player{o, slow, fast} {
			p.leave()
		}
		if err := h.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

// Silence is probed, and the dead are closed; who answers stays, and its
// distance is known.
func TestHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := pipe.NewHub(pipe.HubConfig{}, pipe.Settings{})
		beat := asClient
		beat.Heartbeat = true
		o := join(t, h, "owner", asOwner, "[:sente-lite/hello {}]", false)
		dead := join(t, h, "dead", beat, "[:sente-lite/hello {}]", false)
		quiet := join(t, h, "quiet", beat, "[:sente-lite/hello {}]", false)
		start := time.Now()
		for range 5 {
			if got, _ := quiet.next(t, "a ping"); got != "[:chsk/ws-ping]" {
				t.Fatalf("quiet gets %s", got)
			}
			time.Sleep(20 * time.Millisecond)
			quiet.send(t, "[:chsk/ws-pong]")
		}
		if d := time.Since(start); d < 25*time.Second || d > 27*time.Second {
			t.Errorf("5 pings took %v; one was due after each 5 s of silence", d)
		}
		if got := <-dead.in; got != "[:chsk/ws-ping]" {
			t.Fatalf("dead gets %s", got)
		}
		if got := <-dead.in; !strings.HasPrefix(got, "[:chsk/close {:code 4000") {
			t.Fatalf("dead gets %s", got)
		}
		o.send(t, `[[:sente-lite/peers {}] "p"]`)
		got, _ := o.next(t, "peers")
		if strings.Contains(got, dead.uid) || !strings.Contains(got, quiet.uid) || !strings.Contains(got, ":rtt-ms 20.") {
			t.Errorf("peers are %s", got)
		}
		for _, p := range []*player{o, dead, quiet} {
			p.leave()
		}
		if err := h.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

// At the end everyone gets what is queued for them, as far as they read within
// the time.
func TestShutdownFlushes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := pipe.NewHub(pipe.HubConfig{}, pipe.Settings{})
		o := join(t, h, "owner", asOwner, "[:sente-lite/hello {}]", false)
		late := join(t, h, "late", asClient, "[:sente-lite/hello {}]", true)
		never := join(t, h, "never", asClient, "[:sente-lite/hello {}]", true)
		for i := range 900 {
			for _, to := range []*player{late, never} {
				o.send(t, fmt.Sprintf(`[:sente-lite/send {:to %q :event [:x/y "%03d%s"]}]`, to.uid, i, strings.Repeat("x", 200)))
			}
		}
		synctest.Wait()
		go func() {
			time.Sleep(300 * time.Millisecond)
			late.read()
		}()
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		start := time.Now()
		h.Shutdown(ctx)
		// The close frame has a second of its own.
		if d := time.Since(start); d > 3100*time.Millisecond {
			t.Errorf("the shutdown took %v of 2 s", d)
		}
		n := 0
		for got := range late.in {
			if strings.HasPrefix(got, "[:x/y") {
				n++
			}
		}
		if n != 900 {
			t.Errorf("%d of 900 queued events arrived at who read in time", n)
		}
		if h.Held() != 0 {
			t.Errorf("%d bytes are still held", h.Held())
		}
		never.conn.Close(pipe.Reason{Code: pipe.CloseNormal})
		o.leave()
	})
}

// shout is a packer for tests: EDN in capitals.
type shout struct{}

func (shout) Name() string                         { return "shout" }
func (shout) Text() bool                           { return true }
func (shout) Pack(dst, edn []byte) ([]byte, error) { return append(dst, bytes.ToUpper(edn)...), nil }
func (shout) Join(dst []byte, items [][]byte) []byte {
	return append(dst, bytes.Join(items, []byte(" "))...)
}
func (shout) Unpack(dst, packed []byte, _ pipe.Limits) ([]byte, error) {
	return append(dst, bytes.ToLower(packed)...), nil
}

// The packer of the hello holds from the message after ready to the last.
func TestPackerHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := pipe.NewHub(pipe.HubConfig{Packers: []pipe.Packer{shout{}}}, pipe.Settings{})
		p := join(t, h, "p", asOwner, "[:sente-lite/hello {:packer :shout}]", false)
		p.send(t, `[[:CHSK/WS-PING] "C"]`)
		if got, _ := p.next(t, "a pong"); got != `[:CHSK/REPLY "C" "PONG"]` {
			t.Errorf("got %s", got)
		}
		p.send(t, `[:SENTE-LITE/KICK {:TO {:ROLE :OWNER} :REASON "OUT"}]`)
		if got, _ := p.next(t, "the last message"); got != `[:CHSK/CLOSE {:CODE 4504 :REASON "OUT"}]` {
			t.Errorf("the last message is %s", got)
		}
		p.leave()
		if err := h.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

// dialMem connects a player that says nothing yet.
func dialMem(t *testing.T, h *pipe.Hub) *player {
	t.Helper()
	c, s := transport.Mem(transport.MemOptions{Server: asClient})
	if !h.Attach(s) {
		t.Fatal("the hub takes no more")
	}
	p := &player{name: "p", conn: c, in: make(chan string, 4096)}
	go p.read()
	return p
}
