package pipe_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/sente-lite/sente-lite/pipe"
)

// A plainSession is what both sides may expect of a session.
type plainSession struct {
	values         []int // of our items, from number 1
	acked, written int
	fresh          int // items since the link went
	lost           bool
	up             int // items of the peer's
	left           time.Time
	away, closed   bool
}

// Whatever is sent, acknowledged, cut and asked for: a session is resumed if it can be,
// with all that is missing and nothing else, and what is told of it is true.
func TestRecoveryModel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rapid.Check(noDeadline{t}, func(rt *rapid.T) { playRecovery(t, rt) })
	})
}

const modelMsgs = 6

func playRecovery(t *testing.T, rt *rapid.T) {
	h := pipe.NewHub(pipe.HubConfig{}, pipe.Settings{Flow: pipe.Flow{Recovery: pipe.Recovery{MaxMsgs: modelMsgs}}})
	o := join(t, h, "owner", asOwner, "[:sente-lite/hello {:handler true}]", false)
	hello := ":recover true"
	if rapid.Bool().Draw(rt, "bundles") {
		hello += " :bundle true"
	}
	a := comeIn(t, h, asClient, hello)
	p := plainSession{}
	value := 0
	// gets expects values from a number on, in messages or bundles.
	gets := func(from int) {
		synctest.Wait()
		time.Sleep(30 * time.Millisecond) // a bundle may be held
		synctest.Wait()
		var got []string
		for len(a.in) > 0 {
			m := <-a.in
			i, err := pipe.Split([]byte(m), pipe.Limits{})
			switch {
			case err != nil:
				rt.Fatalf("it gets %s: %v", m, err)
			case i.Shape == pipe.ShapeBundle:
				for e := pipe.Elements(i.Body); ; {
					v, ok := e.Next()
					if !ok {
						break
					}
					got = append(got, string(v))
				}
			case string(i.Name) != "sente-lite/ack":
				got = append(got, m)
			}
		}
		var want []string
		for _, v := range p.values[from:] {
			want = append(want, fmt.Sprintf("[:x/down %d]", v))
		}
		if strings.Join(got, " ") != strings.Join(want, " ") {
			rt.Fatalf("it gets %v; expected %v", got, want)
		}
	}
	rt.Repeat(map[string]func(*rapid.T){
		"send": func(rt *rapid.T) {
			from := len(p.values)
			for range rapid.IntRange(1, 5).Draw(rt, "n") {
				o.send(t, fmt.Sprintf(`[:sente-lite/send {:to %q :event [:x/down %d]}]`, a.uid, value))
				p.values = append(p.values, value)
				value++
			}
			synctest.Wait()
			switch {
			case p.closed: // nobody is there
				p.values = p.values[:from]
			case p.away:
				p.fresh += len(p.values) - from
				p.lost = p.lost || p.fresh > modelMsgs
			default:
				p.written = len(p.values)
				gets(from)
			}
		},
		"say": func(rt *rapid.T) {
			if p.away {
				rt.Skip()
			}
			for range rapid.IntRange(1, 40).Draw(rt, "n") {
				a.send(t, "[:x/up]")
				p.up++
			}
			synctest.Wait()
		},
		"ack": func(rt *rapid.T) {
			if p.away {
				rt.Skip()
			}
			n := rapid.IntRange(0, p.written).Draw(rt, "n")
			a.send(t, fmt.Sprintf("[:sente-lite/ack %d]", n))
			p.acked = max(p.acked, n)
			synctest.Wait()
		},
		"cut": func(rt *rapid.T) {
			if p.away {
				rt.Skip()
			}
			a.cut()
			synctest.Wait()
			p.away, p.left, p.fresh = true, time.Now(), 0
		},
		"wait": func(rt *rapid.T) {
			time.Sleep(time.Duration(rapid.IntRange(1, 4).Draw(rt, "n")) * 777 * time.Millisecond)
			p.closed = p.away && time.Since(p.left) > 5*time.Second
			synctest.Wait()
		},
		"come back": func(rt *rapid.T) {
			seen := rapid.IntRange(0, len(p.values)+2).Draw(rt, "seen")
			if rapid.Bool().Draw(rt, "likely") {
				seen = rapid.IntRange(p.acked, max(p.acked, p.written)).Draw(rt, "seen")
			}
			why := ""
			switch {
			case p.closed:
				why = "expired"
			case seen > p.written:
				why = "ahead"
			case p.lost || seen < p.acked:
				why = "overwritten"
			}
			old := a
			a = a.back(t, h, asClient, seen, strings.TrimPrefix(hello, ":recover true"))
			if !p.away {
				for range old.in {
				}
			}
			if why != "" {
				want := fmt.Sprintf(":recovered? false :missed %d :reason :%s}", max(0, len(p.values)-seen), why)
				if !strings.Contains(a.greeting, want) {
					rt.Fatalf("the greeting is %s; expected %s", a.greeting, want)
				}
				p = plainSession{}
				gets(0)
				return
			}
			if want := fmt.Sprintf(":seen %d ", p.up); !strings.Contains(a.greeting, want) || !strings.Contains(a.greeting, ":recovered? true") {
				rt.Fatalf("the greeting is %s; expected %s and that it is resumed", a.greeting, want)
			}
			p.acked, p.written, p.away, p.fresh = max(p.acked, seen), len(p.values), false, 0
			gets(seen)
		},
	})
	balanced(t, h, o)
	a.conn.Close(pipe.Reason{Code: pipe.CloseNormal})
	o.leave()
	if err := h.Shutdown(context.Background()); err != nil || h.Held() != 0 {
		rt.Fatalf("shutdown: %v, %d bytes held", err, h.Held())
	}
}

// noDeadline is a test whose time is not the bubble's.
type noDeadline struct{ testing.TB }
