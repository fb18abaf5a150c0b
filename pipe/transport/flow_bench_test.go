//go:build unix

package transport

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sente-lite/sente-lite/pipe"
	"github.com/sente-lite/sente-lite/pipe/journal"
)

// A page is a client over a link in memory that does what its hello promises: it
// acknowledges after 32 items, and renews its credit at half.
type page struct {
	conn             pipe.Conn
	uid              string
	credit           int // 0: it has given none
	recover          bool
	items, messages  int // that have come, the link's own apart
	unacked, unspent int
}

func newPage(tb testing.TB, h *pipe.Hub, claim pipe.Role, hello string) *page {
	tb.Helper()
	c, s := Mem(MemOptions{Options: Options{WriteTimeout: time.Hour}, Server: pipe.ConnInfo{Claim: &pipe.Claim{Role: claim}}, Buffer: 1 << 20})
	h.Attach(s)
	p := &page{conn: c, recover: strings.Contains(hello, ":recover")}
	if _, n, ok := strings.Cut(hello, ":credit "); ok {
		fmt.Sscan(n, &p.credit)
	}
	p.say(tb, "[:sente-lite/hello "+hello+"]")
	m, err := c.Read(nil)
	if err != nil {
		tb.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(m.Data), `:uid "`)
	p.uid, _, _ = strings.Cut(rest, `"`)
	return p
}

func (p *page) say(tb testing.TB, events ...string) {
	batch := make([]pipe.Message, len(events))
	for i, e := range events {
		batch[i] = pipe.Message{Data: []byte(e), Text: true}
	}
	p.sayAll(tb, batch)
}

func (p *page) sayAll(tb testing.TB, batch []pipe.Message) {
	done, err := p.conn.Write(batch)
	if err == nil && !done {
		err = p.conn.Flush()
	}
	if err != nil {
		tb.Error(err)
	}
}

// take reads one message.
func (p *page) take(tb testing.TB) {
	m, err := p.conn.Read(nil)
	if err != nil {
		tb.Fatal(err)
	}
	got, n := string(m.Data), 1
	switch {
	case strings.HasPrefix(got, "[:sente-lite/ack "), strings.HasPrefix(got, "[:sente-lite/credit "):
		return
	case strings.HasPrefix(got, "[:sente-lite/error "):
		tb.Fatal(got)
	case strings.HasPrefix(got, "[:batch/events ["):
		n = strings.Count(got, "[:bench/event ")
	}
	p.messages++
	p.items += n
	if p.recover {
		if p.unacked += n; p.unacked >= 32 {
			p.unacked = 0
			p.say(tb, fmt.Sprintf("[:sente-lite/ack %d]", p.items))
		}
	}
	if p.credit > 0 {
		if p.unspent += n; p.unspent >= p.credit/2 {
			p.say(tb, fmt.Sprintf("[:sente-lite/credit %d]", p.unspent))
			p.unspent = 0
		}
	}
}

func (p *page) leave() { p.conn.Close(pipe.Reason{Code: pipe.CloseNormal}) }

// to returns n events for a uid, to be sent at once.
func to(uid string, n int) []pipe.Message {
	batch := make([]pipe.Message, n)
	for i := range batch {
		batch[i] = pipe.Message{Data: fmt.Appendf(nil, `[:sente-lite/send {:to %q :event [:bench/event {:text "one event of the usual size" :n %d}]}]`, uid, i), Text: true}
	}
	return batch
}

// A flowing is a hub with one producer and one page.
type flowing struct {
	h        *pipe.Hub
	producer *page
	page     *page
}

func newFlowing(tb testing.TB, hello, dir string, flow pipe.Flow) *flowing {
	h := pipe.NewHub(pipe.HubConfig{}, pipe.Settings{Flow: flow})
	var store *journal.Store
	if dir != "" {
		var err error
		if store, err = journal.Open(dir, journal.Options{}); err != nil {
			tb.Fatal(err)
		}
		if err := h.Keep(store); err != nil {
			tb.Fatal(err)
		}
	}
	f := &flowing{h, newPage(tb, h, pipe.RoleOwner, "{}"), newPage(tb, h, pipe.RoleClient, hello)}
	tb.Cleanup(func() {
		f.producer.leave()
		f.page.leave()
		if err := h.Shutdown(context.Background()); err != nil {
			tb.Error(err)
		}
		if store != nil {
			if err := store.Close(); err != nil {
				tb.Error(err)
			}
		}
	})
	return f
}

// round sends a batch and waits until the page has all of it.
func (f *flowing) round(tb testing.TB, batch []pipe.Message) {
	f.producer.sayAll(tb, batch)
	for until := f.page.items + len(batch); f.page.items < until; {
		f.page.take(tb)
	}
}

// BenchmarkFlow is what each service of the flow costs a page that asks for it: one
// event at a time, each waited for, and 500 at once. The same round without the service
// is run in turn with it: x-off is how many times as long it takes.
func BenchmarkFlow(b *testing.B) {
	for _, n := range []struct {
		name string
		size int
	}{{"lone", 1}, {"burst", 500}} {
		for _, v := range []struct{ name, hello string }{
			{"bundle", "{:bundle true}"},
			{"credit", "{:credit 128}"},
			{"recover", "{:recover true}"},
			{"data-dir", "{:recover true}"},
		} {
			b.Run(n.name+"/"+v.name, func(b *testing.B) {
				dir := ""
				if v.name == "data-dir" {
					dir = b.TempDir()
				}
				with, without := newFlowing(b, v.hello, dir, pipe.Flow{}), newFlowing(b, "{}", "", pipe.Flow{})
				sent, plain := to(with.page.uid, n.size), to(without.page.uid, n.size)
				var on, off time.Duration
				for b.Loop() {
					begin := time.Now()
					with.round(b, sent)
					middle := time.Now()
					without.round(b, plain)
					on, off = on+middle.Sub(begin), off+time.Since(middle)
				}
				events := float64(b.N * n.size)
				b.ReportMetric(float64(on)/float64(off), "x-off")
				b.ReportMetric(events/on.Seconds(), "events/s")
				b.ReportMetric(float64(with.page.items)/float64(with.page.messages), "events/message")
			})
		}
	}
}
