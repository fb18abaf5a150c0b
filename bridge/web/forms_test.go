package web

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sente-lite/sente-lite/pipe"
	"github.com/sente-lite/sente-lite/pipe/pack"
	"github.com/sente-lite/sente-lite/pipe/pipetest"
	"github.com/sente-lite/sente-lite/pipe/transport"
)

// A tab is a page that has chosen a form by its URL.
type tab struct {
	t     *testing.T
	query string
	json  bool
	conn  *pipetest.Dressed
}

func (f *front) tab(query string) *tab {
	f.t.Helper()
	c, err := transport.Dial(f.t.Context(), "ws://"+f.addr+"/ws?"+query, transport.DialOptions{})
	if err != nil {
		f.t.Fatal(err)
	}
	_, chain, _ := strings.Cut(query, "packer=")
	chain, more, _ := strings.Cut(chain, "&")
	h := pipe.Hello{Packer: chain, Gzip: strings.Contains(more, "gzip=1")}
	form, bad := f.hub.Form(h.Chain())
	if bad != nil {
		f.t.Fatal(bad)
	}
	d, err := pipetest.Dress(c, form, true)
	if err != nil {
		f.t.Fatal(err)
	}
	p := &tab{t: f.t, query: query, json: form.Packer == pack.JSON, conn: d}
	if got := p.next(); !strings.HasPrefix(got, "[:chsk/handshake [") {
		f.t.Fatalf("%s is greeted by %s", query, got)
	}
	return p
}

func (p *tab) say(edn string) {
	p.t.Helper()
	done, err := p.conn.Write([]pipe.Message{{Data: []byte(edn), Text: true}})
	if err == nil && !done {
		err = p.conn.Flush()
	}
	if err != nil {
		p.t.Fatalf("%s: %v", p.query, err)
	}
}

func (p *tab) next() string {
	p.t.Helper()
	m, err := p.conn.Read(nil)
	if err != nil {
		p.t.Fatalf("%s: %v", p.query, err)
	}
	return string(m.Data)
}

func (p *tab) ends() {
	p.conn.Close(pipe.Reason{Code: pipe.CloseNormal})
	for {
		if _, err := p.conn.Read(nil); err != nil {
			return
		}
	}
}

// msgpacked is EDN as MessagePack: the same bytes for the same value, as spaces are gone.
func msgpacked(t *testing.T, edn string) string {
	t.Helper()
	b, err := pack.Msgpack.Pack(nil, []byte(edn))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Tabs of every packer are in one channel, and get the same: it is packed once for each
// packer, and compressed once for each form that compresses, whatever their number.
func TestMixedForms(t *testing.T) {
	f := newFront(t, Config{}, pipe.Settings{})
	queries := []string{"v=1", "v=1&packer=edn&gzip=1", "v=1&packer=json", "v=1&packer=msgpack", "v=1&packer=msgpack&gzip=1",
		"v=1&packer=msgpack,gzip", "v=1&packer=msgpack,zstd&bundle=1", "v=1&packer=json,gzip&bundle=1"}
	const each, packers, compressing = 5, 2, 4 // beside EDN; edn+gzip msgpack+gzip msgpack+zstd json+gzip
	var all []*tab
	for _, q := range queries {
		for range each {
			p := f.tab(q)
			p.say(`[:sente-lite/subscribe {:channel-id "lobby"}]`)
			if got := p.next(); !strings.Contains(got, `:channel-id "lobby"`) || !strings.Contains(got, ":success true") {
				t.Fatalf("%s: %s", q, got)
			}
			all = append(all, p)
		}
	}
	publisher := f.tab("v=1")
	for _, tt := range []struct {
		name, data   string
		compressions uint64
	}{
		{"small", `{:text "Grüße" :n 1 :tags #{:a} :id #uuid "f81d4fae-7dec-11d0-a765-00a0c91e6bf6" :list (1 2) :m 2.5M}`, 0},
		{"bytes", `{:data #sente-lite/bytes "AAECAw=="}`, 0},
		{"large", fmt.Sprintf(`{:text %q :n (1 2)}`, strings.Repeat("all work and no play ", 1000)), compressing},
	} {
		encodings, compressions := f.hub.Stats.Encodings.Load(), f.hub.Stats.Compressions.Load()
		publisher.say(`[:sente-lite/publish {:channel-id "lobby" :data ` + tt.data + `}]`)
		for _, p := range all {
			got := p.next()
			value, ok := pipe.Lookup(event(t, got).Body, ":data")
			want := tt.data
			if p.json {
				b, err := pack.JSON.Pack(nil, []byte(`[:x/y `+want+`]`))
				if err == nil {
					b, err = pack.JSON.Unpack(nil, b, pipe.Limits{})
				}
				if err != nil {
					t.Fatal(err)
				}
				want = string(event(t, string(b)).Body)
			}
			if !ok || msgpacked(t, string(value)) != msgpacked(t, want) {
				t.Errorf("%s, %s: %.200s, expected %.200s", tt.name, p.query, got, want)
			}
		}
		if n := f.hub.Stats.Encodings.Load() - encodings; n != packers {
			t.Errorf("%s: one publication was packed %d times for %d tabs, expected %d", tt.name, n, len(all), packers)
		}
		if n := f.hub.Stats.Compressions.Load() - compressions; n != tt.compressions {
			t.Errorf("%s: one publication was compressed %d times for %d tabs, expected %d", tt.name, n, len(all), tt.compressions)
		}
	}
	for _, p := range append(all, publisher) {
		p.ends()
	}
}

func event(t *testing.T, edn string) pipe.Item {
	t.Helper()
	i, err := pipe.Split([]byte(edn), pipe.Limits{})
	if err != nil {
		t.Fatalf("%.200s: %v", edn, err)
	}
	return i
}
