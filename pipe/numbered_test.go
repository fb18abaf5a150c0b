package pipe_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sente-lite/sente-lite/pipe"
	"github.com/sente-lite/sente-lite/pipe/pipetest"
)

// Numbered events of any size to a peer that stalls and loses its links: each comes once,
// in order, and the books balance.
func TestNumbered(t *testing.T) { numbered(t, 50_000) }

func numbered(t *testing.T, events int) {
	synctest.Test(t, func(t *testing.T) {
		const ahead = 400 // of what has come: what is not acknowledged counts as queued, too, once a link is lost
		h := pipe.NewHub(pipe.HubConfig{}, pipe.Settings{Flow: pipe.Flow{Recovery: pipe.Recovery{MaxMsgs: ahead}}})
		o := join(t, h, "owner", asOwner, "[:sente-lite/hello {}]", false)
		r := rand.New(rand.NewPCG(1, 2))
		room := make(chan struct{}, ahead)
		done := make(chan struct{})
		next := 0
		c := &pipetest.Client{Hello: ":bundle true", Credit: 300}
		c.Lost = func(greeting []byte) { t.Errorf("not resumed: %s", greeting) }
		c.Handle = func(i pipe.Item, b []byte) {
			if !strings.HasPrefix(string(i.Body), fmt.Sprintf("[%d ", next)) {
				t.Errorf("%.60s comes where %d was expected", b, next)
			}
			if next++; next%1777 == 0 {
				time.Sleep(time.Duration(next%5) * 300 * time.Millisecond)
			}
			<-room
			if next == events {
				close(done)
			}
		}
		memCuts(t, h, cuts{each: 1 << 30})(c, 3)
		c.Start()
		synctest.Wait()
		for c.UID() == "" {
			time.Sleep(time.Millisecond)
		}
		for n := range events {
			room <- struct{}{}
			size := r.IntN(200)
			if n%500 == 0 {
				size = r.IntN(100_000)
			}
			o.send(t, fmt.Sprintf(`[:sente-lite/send {:to %q :event [:x/n [%d %q]]}]`, c.UID(), n, strings.Repeat("x", size)))
			for len(o.in) > 0 {
				t.Fatalf("the sender is told %s", <-o.in)
			}
			if n%333 == 0 {
				o.send(t, fmt.Sprintf(`[:sente-lite/flush {:to %q}]`, c.UID()))
			}
		}
		<-done
		c.Close()
		synctest.Wait()
		if n := balanced(t, h, o); n != 0 {
			t.Errorf("%d were not delivered", n)
		}
		links, _ := c.Links()
		t.Logf("%d events over %d links", events, links)
		o.leave()
		if err := h.Shutdown(context.Background()); err != nil || h.Held() != 0 {
			t.Errorf("shutdown: %v, %d bytes held", err, h.Held())
		}
	})
}
