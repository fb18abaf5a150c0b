package pipe_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sente-lite/sente-lite/pipe"
	"github.com/sente-lite/sente-lite/pipe/pipetest"
	"github.com/sente-lite/sente-lite/pipe/transport"
)

// fuzzChains are the forms of whom FuzzForms sends bytes.
var fuzzChains = []string{"edn", "json", "msgpack", "mirror", "edn,gzip", "msgpack,gzip", "msgpack,zstd", "edn,deflate-raw", "msgpack,aes-gcm", "edn,gzip,aes-gcm", "json,gzip"}

// FuzzForms has a peer of each form send anything: as it is; within the ciphers; or what
// the sidecar has to pack, where it is EDN. The peer is served afterwards, or was told why
// not; what is held and made is bounded.
func FuzzForms(f *testing.F) {
	at := func(chain string) byte {
		for i, c := range fuzzChains {
			if c == chain {
				return byte(i)
			}
		}
		return 0
	}
	for _, tt := range badMessages() {
		if strings.Contains(tt.chain, "aes") {
			continue
		}
		if m := tt.message(nil, nil); len(m) < 10<<10 {
			f.Add(at(tt.chain), m)
			f.Add(byte(len(fuzzChains))+at("msgpack,aes-gcm"), m)
		}
	}
	h := pipe.NewHub(formsConfig(), pipe.Settings{})
	for i, chain := range fuzzChains {
		form, bad := h.Form(chain)
		if bad != nil {
			f.Fatal(bad)
		}
		for _, edn := range []string{`[[:chsk/ws-ping] "p"]`, `[:batch/events [[:a/b] [[:x/y {:k #{1}}] "c"] [:chsk/reply "c" nil]]]`, `[:sente-lite/subscribe {:channel-id "c"}]`,
			`[:sente-lite/publish {:channel-id "c" :data ` + rich + `}]`, `[:sente-lite/hello {:packer :json}]`, `[:chsk/close {:code 1000}]`, `[:sente-lite/credit 5]`, `[:sente-lite/ack 7]`} {
			if packed, err := form.Packer.Pack(nil, []byte(edn)); err == nil {
				f.Add(byte(i), packed)
				f.Add(byte(i+len(fuzzChains)), packed)
			}
			f.Add(byte(i+2*len(fuzzChains)), []byte(edn))
		}
	}
	f.Fuzz(func(t *testing.T, kind byte, message []byte) {
		n := len(fuzzChains)
		if len(message) == 0 || len(message) > 64<<10 {
			return
		}
		if _, err := pipe.Check(message, pipe.Limits{}); err != nil && int(kind)/n%3 == 2 {
			return
		}
		h := pipe.NewHub(formsConfig(), pipe.Settings{Flow: pipe.Flow{MaxMessageBytes: 1 << 20}})
		chain := fuzzChains[int(kind)%n]
		form, bad := h.Form(chain)
		if bad != nil {
			t.Fatal(bad)
		}
		c, s := transport.Mem(transport.MemOptions{Server: asClient, Buffer: 512 << 10})
		h.Attach(s)
		d, err := pipetest.Dress(c, form, false)
		if err != nil {
			t.Fatal(err)
		}
		p := &crooked{t, form, d}
		p.say(fmt.Sprintf(`[:sente-lite/hello {:bundle true :packer [:%s]}]`, strings.ReplaceAll(chain, ",", " :")))
		p.next()
		p.say(`[:sente-lite/subscribe {:channel-id "c"}]`)
		p.next()
		before := allocated()
		switch int(kind) / n % 3 {
		case 0:
			p.raw(pipe.Message{Data: message})
		case 1:
			sealed, err := d.Seal(message)
			if err != nil {
				t.Fatal(err)
			}
			p.raw(pipe.Message{Data: sealed})
		case 2: // what others say is packed for this peer
			o, os := transport.Mem(transport.MemOptions{Server: asOwner, Buffer: 512 << 10})
			h.Attach(os)
			other := &crooked{t, form, dressPlain(t, h, o)}
			other.say(`[:sente-lite/hello {}]`)
			other.next()
			other.say(`[[:sente-lite/publish {:channel-id "c" :data ` + string(message) + "\n}] \"p\"]")
			other.next()
			o.Close(pipe.Reason{Code: pipe.CloseNormal})
		}
		p.say(`[[:chsk/ws-ping] "still there?"]`)
		var late atomic.Bool
		patience := time.AfterFunc(5*time.Second, func() {
			late.Store(true)
			c.Close(pipe.Reason{Code: pipe.CloseLost})
		})
		defer patience.Stop()
		for {
			m, err := d.Read(nil)
			if err != nil {
				if late.Load() {
					t.Fatalf("nothing answers after %q in %s, kind %d", message, chain, int(kind)/n%3)
				}
				var closed pipe.Closed
				if !errors.As(err, &closed) && err != io.EOF {
					t.Fatalf("after %q: %v", message, err)
				}
				break
			}
			if bytes.Contains(m.Data, []byte(`"still there?" "pong"`)) {
				break
			}
		}
		if spent := allocated() - before; spent > 24<<20 {
			t.Errorf("%d bytes were allocated for a message of %d", spent, len(message))
		}
		c.Close(pipe.Reason{Code: pipe.CloseNormal})
		if err := h.Shutdown(t.Context()); err != nil || h.Held() != 0 {
			t.Errorf("shutdown: %v, %d bytes are held", err, h.Held())
		}
	})
}

// dressPlain is a link of EDN.
func dressPlain(t *testing.T, h *pipe.Hub, c pipe.Conn) *pipetest.Dressed {
	form, _ := h.Form("edn")
	d, err := pipetest.Dress(c, form, false)
	if err != nil {
		t.Fatal(err)
	}
	return d
}
