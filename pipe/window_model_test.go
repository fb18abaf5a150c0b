package pipe_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/sente-lite/sente-lite/pipe"
)

// arrivals reads a link and notes when each event of a player came.
func arrivals(c pipe.Conn) <-chan arrival {
	out := make(chan arrival, 10_000)
	go func() {
		defer close(out)
		for {
			m, err := c.Read(nil)
			if err != nil {
				return
			}
			i, _ := pipe.Split(m.Data, pipe.Limits{})
			if i.Shape != pipe.ShapeBundle {
				out <- arrival{string(m.Data), time.Now(), 1}
				continue
			}
			n := len(out)
			var all []string
			for e := pipe.Elements(i.Body); ; n++ {
				v, ok := e.Next()
				if !ok {
					break
				}
				all = append(all, string(v))
			}
			for _, text := range all {
				out <- arrival{text, time.Now(), len(all)}
			}
		}
	}()
	return out
}

type arrival struct {
	text string
	at   time.Time
	of   int // items of its message
}

// Nothing is held longer than event-buffer-ms; what comes alone, or after silence, is not
// held at all.
func TestWindowModel(t *testing.T) {
	const hold = 25 * time.Millisecond
	synctest.Test(t, func(t *testing.T) {
		rapid.Check(noDeadline{t}, func(rt *rapid.T) {
			h := pipe.NewHub(pipe.HubConfig{}, pipe.Settings{})
			o := join(t, h, "owner", asOwner, "[:sente-lite/hello {}]", false)
			a := join(t, h, "a", asClient, "[:sente-lite/hello {:bundle true}]", true)
			in := arrivals(a.conn)
			var last time.Time // when something came
			lastOf, n := 0, 0
			for range rapid.IntRange(1, 30).Draw(rt, "rounds") {
				time.Sleep(time.Duration(rapid.SampledFrom([]int{0, 1, 5, 10, 24, 25, 26, 60}).Draw(rt, "gap")) * time.Millisecond)
				size := rapid.SampledFrom([]int{1, 1, 1, 2, 7, 30, 250}).Draw(rt, "size")
				sent := time.Now()
				var batch []pipe.Message
				for range size {
					batch = append(batch, pipe.Message{Text: true, Data: fmt.Appendf(nil, "[:sente-lite/send {:to %q :event [:x/n %d]}]", a.uid, n+len(batch))})
				}
				if done, err := o.conn.Write(batch); err != nil || !done {
					if err = o.conn.Flush(); err != nil {
						t.Fatal(err)
					}
				}
				atOnce := sent.Sub(last) >= hold || lastOf < 2
				for range size {
					got := <-in
					if want := fmt.Sprintf("[:x/n %d]", n); got.text != want {
						rt.Fatalf("%s comes where %s was expected", got.text, want)
					}
					waited := got.at.Sub(sent)
					if waited > hold {
						rt.Fatalf("event %d was held for %v", n, waited)
					}
					if atOnce && waited > 0 && size == 1 {
						rt.Fatalf("event %d came alone, and was held for %v", n, waited)
					}
					last, lastOf = got.at, got.of
					n++
				}
			}
			a.conn.Close(pipe.Reason{Code: pipe.CloseNormal})
			for range in {
			}
			o.leave()
			if err := h.Shutdown(t.Context()); err != nil {
				rt.Fatal(err)
			}
		})
	})
}

// A peer is never sent more than it gave credit for, and all of it in the end.
func TestCreditModel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rapid.Check(noDeadline{t}, func(rt *rapid.T) {
			h := pipe.NewHub(pipe.HubConfig{}, pipe.Settings{})
			o := join(t, h, "owner", asOwner, "[:sente-lite/hello {}]", false)
			granted := rapid.IntRange(1, 5).Draw(rt, "credit")
			bundle := rapid.Bool().Draw(rt, "bundle")
			a := join(t, h, "a", asClient, fmt.Sprintf("[:sente-lite/hello {:credit %d :bundle %v}]", granted, bundle), true)
			in := arrivals(a.conn)
			sent, got := 0, 0
			check := func() {
				time.Sleep(30 * time.Millisecond)
				synctest.Wait()
				for len(in) > 0 {
					if v, want := <-in, fmt.Sprintf("[:x/n %d]", got); v.text != want {
						rt.Fatalf("%s comes where %s was expected", v.text, want)
					}
					got++
				}
				if want := min(sent, granted); got != want {
					rt.Fatalf("%d of %d have come with a credit of %d", got, sent, granted)
				}
			}
			rt.Repeat(map[string]func(*rapid.T){
				"send": func(rt *rapid.T) {
					for range rapid.IntRange(1, 20).Draw(rt, "n") {
						o.send(t, fmt.Sprintf("[:sente-lite/send {:to %q :event [:x/n %d]}]", a.uid, sent))
						sent++
					}
				},
				"give": func(rt *rapid.T) {
					k := rapid.IntRange(1, 20).Draw(rt, "k")
					granted += k
					a.send(t, fmt.Sprintf("[:sente-lite/credit %d]", k))
				},
				"": func(*rapid.T) { check() },
			})
			if sent > granted {
				a.send(t, fmt.Sprintf("[:sente-lite/credit %d]", sent))
				granted += sent
			}
			check()
			a.conn.Close(pipe.Reason{Code: pipe.CloseNormal})
			for range in {
			}
			o.leave()
			if err := h.Shutdown(t.Context()); err != nil || h.Held() != 0 {
				rt.Fatalf("shutdown: %v, %d bytes held", err, h.Held())
			}
		})
	})
}
