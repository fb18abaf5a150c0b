package pipe_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/sente-lite/sente-lite/pipe"
	"github.com/sente-lite/sente-lite/pipe/pack"
	"github.com/sente-lite/sente-lite/pipe/transport"
)

var sharedKey = []byte("0123456789abcdef0123456789abcdef")

// chained is a peer whose messages are in a chain of real layers.
type chained struct {
	t      *testing.T
	conn   pipe.Conn
	uid    string
	packer pipe.Packer
	layers []*pipe.Layer
	coders []pipe.Coder
	last   []byte // message that came, as it came
}

// chain joins a hub with a chain, and returns the peer and how it was greeted.
func chain(t *testing.T, h *pipe.Hub, packer pipe.Packer, layers ...*pipe.Layer) (*chained, string) {
	t.Helper()
	c, s := transport.Mem(transport.MemOptions{Server: asOwner, Buffer: 8 << 20})
	h.Attach(s)
	t.Cleanup(func() { c.Close(pipe.Reason{Code: pipe.CloseNormal}) })
	p := &chained{t: t, conn: c, packer: packer, layers: layers}
	names := ":" + packer.Name()
	for _, l := range layers {
		half, bad := l.New(true)
		if bad != nil {
			t.Fatal(bad)
		}
		p.coders = append(p.coders, half)
		names += " :" + l.Name
	}
	p.write([]byte("[:sente-lite/hello {:bundle true :packer [" + names + "]}]"))
	m, err := c.Read(nil)
	if err != nil {
		t.Fatal(err)
	}
	ready := string(m.Data)
	_, rest, _ := strings.Cut(ready, `:uid "`)
	p.uid, _, _ = strings.Cut(rest, `"`)
	return p, ready
}

func (p *chained) write(b []byte) {
	p.t.Helper()
	if done, err := p.conn.Write([]pipe.Message{{Data: b}}); err != nil || !done && p.conn.Flush() != nil {
		p.t.Fatal(err)
	}
}

func (p *chained) send(edn string) {
	p.t.Helper()
	b, err := p.packer.Pack(nil, []byte(edn))
	if err != nil {
		p.t.Fatal(err)
	}
	for i, l := range p.layers {
		if l.Is != nil && len(b) < 1000 {
			continue
		}
		if b, err = p.coders[i].Encode(nil, b); err != nil {
			p.t.Fatal(err)
		}
	}
	p.write(b)
}

func (p *chained) read() string {
	p.t.Helper()
	m, err := p.conn.Read(nil)
	if err != nil {
		p.t.Fatal(err)
	}
	b := bytes.Clone(m.Data)
	p.last = bytes.Clone(b)
	for i := len(p.layers) - 1; i >= 0; i-- {
		if is := p.layers[i].Is; is != nil && !is(b) {
			continue
		}
		if b, err = p.coders[i].Decode(nil, b, 1<<24); err != nil {
			p.t.Fatal(err)
		}
	}
	if b, err = p.packer.Unpack(nil, b, pipe.Limits{}); err != nil {
		p.t.Fatal(err)
	}
	return string(b)
}

func chainHub(t *testing.T, keys ...[]byte) *pipe.Hub {
	t.Helper()
	return pipe.NewHub(pipe.HubConfig{
		Packers: []pipe.Packer{pack.JSON, pack.Msgpack},
		Layers:  []*pipe.Layer{pack.Gzip, pack.Zstd, pack.DeflateRaw, pack.AESGCM(func() [][]byte { return keys })},
	}, pipe.Settings{})
}

// Every packer in every chain of layers carries small and large events both ways.
func TestEveryChain(t *testing.T) {
	h := chainHub(t, sharedKey)
	cipher := pack.AESGCM(func() [][]byte { return [][]byte{sharedKey} })
	long := strings.Repeat("a line of a log ", 400)
	for _, packer := range []pipe.Packer{pipe.EDN, pack.JSON, pack.Msgpack} {
		for _, compressor := range []*pipe.Layer{nil, pack.Gzip, pack.Zstd, pack.DeflateRaw} {
			for _, seal := range []bool{false, true} {
				var layers []*pipe.Layer
				name := packer.Name()
				if compressor != nil {
					layers, name = append(layers, compressor), name+","+compressor.Name
				}
				if seal {
					layers, name = append(layers, cipher), name+","+cipher.Name
				}
				t.Run(name, func(t *testing.T) {
					p, ready := chain(t, h, packer, layers...)
					if !strings.HasPrefix(ready, "[:sente-lite/ready ") {
						t.Fatalf("greeted by %s", ready)
					}
					for i, text := range []string{"short", long, "short", long} {
						p.send(fmt.Sprintf(`[[:sente-lite/send {:to %q :event [:x/y {:at %d :text %q}]}] "c"]`, p.uid, i, text))
						var all string
						largest := 0
						for !strings.Contains(all, "c") || !strings.Contains(all, `"short"`) && !strings.Contains(all, long) || !strings.Contains(all, "ok") {
							all += p.read()
							largest = max(largest, len(p.last))
							if seal && (bytes.Contains(p.last, []byte("x/y")) || bytes.Contains(p.last, []byte("a line"))) {
								t.Errorf("%q is on the wire", p.last)
							}
						}
						if text == long && (compressor != nil) != (largest < len(long)/4) {
							t.Errorf("%d bytes travel as %d", len(long), largest)
						}
					}
				})
			}
		}
	}
}

func TestCipherOnALink(t *testing.T) {
	layer := func(keys ...[]byte) *pipe.Layer { return pack.AESGCM(func() [][]byte { return keys }) }
	t.Run("no key", func(t *testing.T) {
		_, got := chain(t, chainHub(t), pipe.EDN, layer(sharedKey))
		if !strings.Contains(got, ":category :unsupported") || !strings.Contains(got, "no key is configured") {
			t.Errorf("greeted by %s", got)
		}
	})
	t.Run("damaged, twice, and after all", func(t *testing.T) {
		p, _ := chain(t, chainHub(t, sharedKey), pipe.EDN, layer(sharedKey))
		good, err := p.coders[0].Encode(nil, []byte("[:chsk/ws-ping]"))
		if err != nil {
			t.Fatal(err)
		}
		bad := bytes.Clone(good)
		bad[len(bad)-1] ^= 1
		for _, tt := range []struct {
			msg  []byte
			want string
		}{{bad, ":sente-lite/bad-cipher"}, {good, "[:chsk/ws-pong]"}, {good, "come before"}, {[]byte("[:x/y]"), "28 bytes at the least"}} {
			p.write(tt.msg)
			if got := p.read(); !strings.Contains(got, tt.want) {
				t.Errorf("answered by %s, expected %s", got, tt.want)
			}
		}
	})
	t.Run("another key", func(t *testing.T) {
		p, _ := chain(t, chainHub(t, sharedKey[:16]), pipe.EDN, layer(sharedKey))
		p.send("[:x/y]")
		m, err := p.conn.Read(nil)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := p.coders[0].Decode(nil, m.Data, 1<<20); err == nil {
			t.Errorf("the answer %s can be read", got)
		}
	})
}
