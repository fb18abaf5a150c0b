package pipe_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/sente-lite/sente-lite/pipe"
	"github.com/sente-lite/sente-lite/pipe/transport"
)

// zip is gzip by the standard library, and counts what it does.
type zip struct{ encoded, decoded atomic.Int64 }

func (z *zip) layer() *pipe.Layer {
	return &pipe.Layer{Name: "gzip", Compresses: true, New: func(bool) (pipe.Coder, *pipe.Error) { return z, nil },
		Is: func(b []byte) bool { return bytes.HasPrefix(b, []byte{0x1f, 0x8b}) }}
}

func (z *zip) Encode(dst, src []byte) ([]byte, error) {
	z.encoded.Add(1)
	out := bytes.NewBuffer(dst)
	w := gzip.NewWriter(out)
	w.Write(src)
	w.Close()
	return out.Bytes(), nil
}

func (z *zip) Decode(dst, src []byte, limit int) ([]byte, error) {
	z.decoded.Add(1)
	r, err := gzip.NewReader(bytes.NewReader(src))
	if err != nil {
		return dst, &pipe.Error{Category: pipe.Incorrect, Code: "bad-gzip", Msg: err.Error()}
	}
	out, err := io.ReadAll(io.LimitReader(r, int64(limit)+1))
	if err == nil && len(out) > limit {
		err = fmt.Errorf("more than %d bytes", limit)
	}
	if err != nil {
		return dst, &pipe.Error{Category: pipe.Incorrect, Code: "bad-gzip", Msg: err.Error()}
	}
	return append(dst, out...), nil
}

// turned is a layer around every message: a number, and the bytes turned by it.
type turned struct{ in, out byte }

func turnedLayer() *pipe.Layer {
	return &pipe.Layer{Name: "turned", Overhead: 1, New: func(bool) (pipe.Coder, *pipe.Error) { return new(turned), nil }}
}

func (c *turned) Encode(dst, src []byte) ([]byte, error) {
	c.out++
	dst = append(dst, c.out)
	for _, b := range src {
		dst = append(dst, b+c.out)
	}
	return dst, nil
}

func (c *turned) Decode(dst, src []byte, _ int) ([]byte, error) {
	if c.in++; len(src) == 0 || src[0] != c.in {
		return dst, &pipe.Error{Category: pipe.Incorrect, Code: "bad-cipher", Msg: "not the next message"}
	}
	for _, b := range src[1:] {
		dst = append(dst, b-c.in)
	}
	return dst, nil
}

// dressed is a player whose link has layers: what it reads and writes has them.
type dressed struct {
	t       *testing.T
	conn    pipe.Conn
	ready   string
	uid     string
	session string
	outer   pipe.Coder // nil: none
	sizes   []int      // on the wire
	raws    []int
}

var plainZip zip

func dress(t *testing.T, h *pipe.Hub, server pipe.ConnInfo, hello string, outer pipe.Coder) *dressed {
	t.Helper()
	return dressWithin(t, h, server, hello, outer, 4<<20)
}

// dressWithin is dress over a link that holds so many bytes each way.
func dressWithin(t *testing.T, h *pipe.Hub, server pipe.ConnInfo, hello string, outer pipe.Coder, buffer int) *dressed {
	t.Helper()
	c, s := transport.Mem(transport.MemOptions{Server: server, Buffer: buffer})
	h.Attach(s)
	p := &dressed{t: t, conn: c, outer: outer}
	p.write([]byte(hello))
	m, err := c.Read(nil)
	if err != nil {
		t.Fatal(err)
	}
	p.ready = string(m.Data)
	if !strings.HasPrefix(p.ready, "[:sente-lite/ready ") {
		t.Fatalf("the answer to hello is %q, expected ready as plain EDN", p.ready)
	}
	_, rest, _ := strings.Cut(p.ready, `:uid "`)
	p.uid, _, _ = strings.Cut(rest, `"`)
	_, rest, _ = strings.Cut(p.ready, `:session "`)
	p.session, _, _ = strings.Cut(rest, `"`)
	return p
}

func (p *dressed) write(b []byte) {
	if done, err := p.conn.Write([]pipe.Message{{Data: b}}); err != nil || !done && p.conn.Flush() != nil {
		p.t.Fatal(err)
	}
}

func (p *dressed) send(edn string, squeeze bool) {
	b := []byte(edn)
	if squeeze {
		b, _ = plainZip.Encode(nil, b)
	}
	if p.outer != nil {
		b, _ = p.outer.Encode(nil, b)
	}
	p.write(b)
}

// read returns the next message without its layers.
func (p *dressed) read() string {
	p.t.Helper()
	m, err := p.conn.Read(nil)
	if err != nil {
		p.t.Fatal(err)
	}
	b := bytes.Clone(m.Data)
	p.sizes = append(p.sizes, len(b))
	if p.outer != nil {
		if b, err = p.outer.Decode(nil, b, 1<<24); err != nil {
			p.t.Fatal(err)
		}
	}
	if len(b) > 1 && b[0] == 0x1f && b[1] == 0x8b {
		if b, err = plainZip.Decode(nil, b, 1<<24); err != nil {
			p.t.Fatal(err)
		}
	}
	p.raws = append(p.raws, len(b))
	return string(b)
}

func (p *dressed) leave() { p.conn.Close(pipe.Reason{Code: pipe.CloseNormal}) }

func layered(z *zip, f pipe.Flow) *pipe.Hub {
	return pipe.NewHub(pipe.HubConfig{Packers: []pipe.Packer{shout{}}, Layers: []*pipe.Layer{z.layer(), turnedLayer()}}, pipe.Settings{Flow: f})
}

func TestChains(t *testing.T) {
	h := layered(new(zip), pipe.Flow{})
	for _, tt := range []struct{ chain, want string }{
		{"", "edn"}, {"edn", "edn"}, {"shout", "shout"}, {"edn,gzip", "edn,gzip"}, {"shout,gzip,turned", "shout,gzip,turned"}, {"edn,turned", "edn,turned"},
		{"none", "no packer :none"}, {"edn,none", "nothing called :none"}, {"edn,shout", "one packer"}, {"gzip", "no packer :gzip"}, {"edn,", "nothing called :nothing"},
		{"edn,turned,gzip", "right behind the packer"}, {"edn,gzip,gzip", "twice"}, {",", "no packer :nothing"},
	} {
		f, bad := h.Form(tt.chain)
		switch {
		case bad == nil && f.Name() != tt.want:
			t.Errorf("%q is %s, not %s", tt.chain, f.Name(), tt.want)
		case bad != nil && (!strings.Contains(bad.Msg, tt.want) || bad.Category != pipe.Unsupported || !strings.Contains(bad.Hint, ":shout")):
			t.Errorf("%q: %v %q, want %q", tt.chain, bad, bad.Hint, tt.want)
		}
		if again, _ := h.Form(tt.chain); again != f {
			t.Errorf("%q is another form the second time", tt.chain)
		}
	}
	for _, tt := range []struct {
		hello pipe.Hello
		want  string
	}{
		{pipe.Hello{}, "edn"}, {pipe.Hello{Gzip: true}, "edn,gzip"}, {pipe.Hello{Packer: "msgpack", Gzip: true}, "msgpack,gzip"},
		{pipe.Hello{Packer: "msgpack,gzip", Gzip: true}, "msgpack,gzip"}, {pipe.Hello{Packer: "msgpack,turned", Gzip: true}, "msgpack,gzip,turned"},
	} {
		if got := tt.hello.Chain(); got != tt.want {
			t.Errorf("%+v asks for %s, not %s", tt.hello, got, tt.want)
		}
	}
}

// Every chain carries everything both ways, from the message after ready on.
func TestLayersHold(t *testing.T) {
	long := strings.Repeat("abcdefgh ", 400)
	for _, tt := range []struct {
		hello string
		outer func() pipe.Coder
	}{
		{"[:sente-lite/hello {:gzip true}]", nil},
		{"[:sente-lite/hello {:packer [:edn :gzip] :bundle true}]", nil},
		{"[:sente-lite/hello {:packer [:edn :turned]}]", func() pipe.Coder { return new(turned) }},
		{"[:sente-lite/hello {:packer [:edn :gzip :turned] :bundle true}]", func() pipe.Coder { return new(turned) }},
		{"[:sente-lite/hello {:packer [:edn :turned] :gzip true :bundle true}]", func() pipe.Coder { return new(turned) }},
	} {
		for _, squeeze := range []bool{false, true} {
			t.Run(fmt.Sprint(tt.hello, squeeze), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					h := layered(new(zip), pipe.Flow{})
					var outer pipe.Coder
					if tt.outer != nil {
						outer = tt.outer()
					}
					p := dress(t, h, asOwner, tt.hello, outer)
					squeeze := squeeze && strings.Contains(tt.hello, "gzip")
					for i := range 5 {
						p.send(fmt.Sprintf(`[[:sente-lite/send {:to %q :event [:x/y [%d %q]]}] "c"]`, p.uid, i, long), squeeze)
						all := p.read()
						if !strings.Contains(all, ":chsk/reply") {
							all += p.read()
						}
						if !strings.Contains(all, fmt.Sprintf("[:x/y [%d %q]]", i, long)) || !strings.Contains(all, ":status :ok") {
							t.Fatalf("message %d came back as %.100q", i, all)
						}
					}
					if gz := strings.Contains(tt.hello, "gzip"); gz != (p.sizes[0] < p.raws[0]/4) {
						t.Errorf("%d bytes travel as %d", p.raws[0], p.sizes[0])
					}
					p.send(`[:sente-lite/kick {:to {:role :owner} :reason "out"}]`, false)
					if got := p.read(); got != `[:chsk/close {:code 4504 :reason "out"}]` {
						t.Errorf("the last message is %s", got)
					}
					p.leave()
				})
			})
		}
	}
}

// What is said about a peer's traffic is what went over the wire.
func TestTrafficIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := layered(new(zip), pipe.Flow{})
		o := dress(t, h, asOwner, "[:sente-lite/hello {}]", nil)
		outer := new(turned)
		p := dress(t, h, asClient, "[:sente-lite/hello {:packer [:edn :gzip :turned] :bundle true}]", outer)
		received, unpacked := 0, 0
		count := func(edn string, squeeze bool) {
			raw := len(edn)
			wire, _ := plainZip.Encode(nil, []byte(edn))
			if !squeeze {
				wire = []byte(edn)
			}
			received, unpacked = received+len(wire)+1, unpacked+raw
			p.send(edn, squeeze)
		}
		hello := len("[:sente-lite/hello {:packer [:edn :gzip :turned] :bundle true}]")
		received, unpacked = received+hello, unpacked+hello
		count(`[:chsk/ws-ping]`, false)
		p.read()
		count(fmt.Sprintf(`[:chsk/ws-pong %q]`, strings.Repeat("long ", 1000)), true)
		for i := range 3 {
			o.send(fmt.Sprintf(`[[:sente-lite/send {:to %q :event [:x/y [%d %q]]}] "c"]`, p.uid, i, strings.Repeat("wide ", 300+i)), false)
			o.read()
			p.read()
		}
		synctest.Wait()
		o.send(`[[:sente-lite/peers {}] "c"]`, false)
		got := o.read()
		sent, raw := 0, 0
		for i := range p.sizes {
			sent, raw = sent+p.sizes[i], raw+p.raws[i]
		}
		_, row, _ := strings.Cut(got, fmt.Sprintf("{:uid %q", p.uid))
		_, of, _ := strings.Cut(row, ":packer ")
		var messages, bytes, before int
		if n, err := fmt.Sscanf(of, "[:edn :gzip :turned] :sent {:messages %d :bytes %d :unpacked %d}", &messages, &bytes, &before); n != 3 {
			t.Fatal(err, of)
		}
		ready := bytes - sent // it went before the layers: nobody has counted it here
		if messages != len(p.sizes)+1 || ready < 100 || before-raw != ready {
			t.Errorf("sent %d messages, %d bytes, %d unpacked; expected %d, %d and %d, and ready", messages, bytes, before, len(p.sizes)+1, sent, raw)
		}
		if want := fmt.Sprintf(":received {:messages 3 :bytes %d :unpacked %d} :ratios {:x/y 0.", received, unpacked); !strings.Contains(of, want) {
			t.Errorf("got %s, expected %s", of, want)
		}
		p.leave()
		o.leave()
	})
}

// What cannot come out of its layer costs that message, and says so; where it may have
// been a bundle the session cannot be resumed.
func TestBadLayers(t *testing.T) {
	squeezed, _ := plainZip.Encode(nil, []byte(`[[:sente-lite/publish {:channel-id "c" :data "`+strings.Repeat("long ", 1000)+`"}] "cb"]`))
	large, _ := plainZip.Encode(nil, []byte(`[:x/y "`+strings.Repeat("x", 100_000)+`"]`))
	for _, tt := range []struct {
		name, hello, want string
		message           []byte
	}{
		{"not asked for", "[:sente-lite/hello {}]", ":unsupported :code :sente-lite/gzip", squeezed},
		{"truncated", "[:sente-lite/hello {:gzip true}]", ":incorrect :code :sente-lite/bad-gzip", squeezed[:len(squeezed)-9]},
		{"too large", "[:sente-lite/hello {:gzip true}]", "more than 65536 bytes", large},
		{"garbage", "[:sente-lite/hello {:packer [:edn :turned]}]", ":code :sente-lite/bad-cipher", []byte("garbage")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := layered(new(zip), pipe.Flow{MaxMessageBytes: 65536})
				var outer pipe.Coder
				if strings.Contains(tt.hello, "turned") {
					outer = new(turned)
				}
				p := dress(t, h, asClient, tt.hello, outer)
				p.write(tt.message)
				if got := p.read(); !strings.HasPrefix(got, "[:sente-lite/error ") || !strings.Contains(got, tt.want) {
					t.Errorf("the answer is %s, expected %s", got, tt.want)
				}
				if outer == nil {
					p.write([]byte(`[[:chsk/ws-ping] "still"]`))
					if got := p.read(); got != `[:chsk/reply "still" "pong"]` {
						t.Errorf("then it says %s", got)
					}
				}
				p.leave()
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		h := layered(new(zip), pipe.Flow{})
		hello := "[:sente-lite/hello {:gzip true :recover true}]"
		p := dress(t, h, asClient, hello, nil)
		p.write(squeezed[:len(squeezed)-9])
		p.read()
		p.conn.Close(pipe.Reason{Code: pipe.CloseLost})
		synctest.Wait()
		again := dress(t, h, asClient, fmt.Sprintf("[:sente-lite/hello {:gzip true :recover true :session %q :seen 0}]", p.session), nil)
		if !strings.Contains(again.ready, ":recovered? false :missed 1 :reason :uncounted") {
			t.Errorf("after a message that nobody could count ready is %s", again.ready)
		}
		again.leave()
	})
}

// A peer comes back with another form: what waits takes it.
func TestLayersOnReturn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := layered(new(zip), pipe.Flow{})
		o := dress(t, h, asOwner, "[:sente-lite/hello {}]", nil)
		p := dress(t, h, asClient, "[:sente-lite/hello {:recover true :bundle true}]", nil)
		p.conn.Close(pipe.Reason{Code: pipe.CloseLost})
		synctest.Wait()
		for i := range 20 {
			o.send(fmt.Sprintf(`[[:sente-lite/send {:to %q :event [:x/y [%d %q]]}] "c"]`, p.uid, i, strings.Repeat("wide ", 30)), false)
			o.read()
		}
		for _, chain := range []string{"[:edn :gzip]", "[:edn :turned]", "[:shout :gzip :turned]", ":edn"} {
			var outer pipe.Coder
			if strings.Contains(chain, "turned") {
				outer = new(turned)
			}
			back := dress(t, h, asClient, fmt.Sprintf("[:sente-lite/hello {:recover true :bundle true :packer %s :session %q :seen 0}]", chain, p.session), outer)
			if !strings.Contains(back.ready, ":recovered? true") {
				t.Fatal(back.ready)
			}
			got := strings.ToLower(back.read())
			if n := strings.Count(got, "[:x/y ["); n != 20 {
				t.Errorf("%s: it gets %d of 20 events: %.100s", chain, n, got)
			}
			if gz := strings.Contains(chain, "gzip"); gz != (back.sizes[0] < back.raws[0]/4) {
				t.Errorf("%s: %d bytes travel as %d", chain, back.raws[0], back.sizes[0])
			}
			back.conn.Close(pipe.Reason{Code: pipe.CloseLost})
			synctest.Wait()
		}
		o.leave()
	})
}

// 10,000 peers of a channel, in two forms: an event, and a bundle, are packed and
// compressed once for each form.
func TestCompressedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		z := new(zip)
		h := layered(z, pipe.Flow{MaxPeers: 20000})
		const peers = manyPeers
		var all []*dressed
		for range peers {
			p := dressWithin(t, h, asClient, "[:sente-lite/hello {:gzip true :bundle true}]", nil, 32<<10)
			p.send(`[:sente-lite/subscribe {:channel-id "all"}]`, false)
			if got := p.read(); !strings.Contains(got, ":success true") {
				t.Fatal(got)
			}
			all = append(all, p)
		}
		o := dress(t, h, asOwner, "[:sente-lite/hello {}]", nil)
		publish := func(n int) {
			var batch []pipe.Message
			for i := range n {
				batch = append(batch, pipe.Message{Data: fmt.Appendf(nil, `[:sente-lite/publish {:channel-id "all" :data [%d %q]}]`, i, strings.Repeat("wide ", 300))})
			}
			if done, err := o.conn.Write(batch); err != nil || !done && o.conn.Flush() != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		bundles := 0
		for n, publications := range []int{1, 10, 10} {
			before := z.encoded.Load()
			publish(publications)
			frames := 0
			for _, p := range all {
				for got := 0; got < publications; {
					got += strings.Count(p.read(), ":sente-lite/channel-msg ")
					frames++
				}
			}
			made := z.encoded.Load() - before
			if frames%peers != 0 || frames/peers > 2 || made != int64(frames/peers) {
				t.Errorf("round %d: %d publications to %d peers made %d frames, and were compressed %d times", n, publications, peers, frames, made)
			}
			bundles += frames / peers
		}
		if got := h.Stats.Compressions.Load(); got != uint64(bundles) {
			t.Errorf("%d compressions are counted, expected %d", got, bundles)
		}
		for _, p := range all {
			p.leave()
		}
		o.leave()
	})
}

// Frames of compressed bundles are full, and none is over; what does not shrink leaves
// as it is. No frame costs more than two compressions.
func TestFramesAreFull(t *testing.T) {
	words := strings.Fields("the build is green and lunch was late so nobody deployed anything today except the intern who broke staging again")
	chatty := func(r *rand.Rand, n int) string {
		var b strings.Builder
		for b.Len() < n {
			b.WriteString(words[r.IntN(len(words))])
			b.WriteByte(" 0123456789"[r.IntN(11)])
		}
		return b.String()
	}
	noise := func(r *rand.Rand, n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte('0' + r.IntN(75)) // 6.2 bits of 8: it shrinks to 0.8 at the best
			if b[i] == '\\' {
				b[i] = '!'
			}
		}
		return string(b)
	}
	for _, tt := range []struct {
		name  string
		event func(r *rand.Rand, i int) string
		full  bool
	}{
		{"text", func(r *rand.Rand, i int) string {
			return fmt.Sprintf("[:log/line {:n %d :text %q}]", i, chatty(r, 600))
		}, true},
		{"small", func(r *rand.Rand, i int) string { return fmt.Sprintf("[:log/tick {:n %d :at %d}]", i, r.Int64()) }, true},
		{"noise", func(r *rand.Rand, i int) string {
			return fmt.Sprintf("[:blob/part {:n %d :data %q}]", i, noise(r, 900))
		}, false},
		{"turns", func(r *rand.Rand, i int) string {
			if i/500%2 == 0 {
				return fmt.Sprintf("[:x/y {:n %d :data %q}]", i, noise(r, 700))
			}
			return fmt.Sprintf("[:x/y {:n %d :data %q}]", i, strings.Repeat("same ", 140))
		}, false},
		{"sizes", func(r *rand.Rand, i int) string {
			return fmt.Sprintf("[:x/z {:n %d :data %q}]", i, chatty(r, r.IntN(9000)))
		}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				z := new(zip)
				const frame = 16 << 10
				h := layered(z, pipe.Flow{MaxFrameSize: frame, EventBufferSize: 100_000, MaxBufferSize: 1 << 20, MaxBufferBytes: 64 << 20})
				o := dress(t, h, asOwner, "[:sente-lite/hello {}]", nil)
				p := dress(t, h, asClient, "[:sente-lite/hello {:gzip true :bundle true}]", nil)
				r := rand.New(rand.NewPCG(1, 2))
				const events = 2000
				var batch []pipe.Message
				for i := range events {
					batch = append(batch, pipe.Message{Data: fmt.Appendf(nil, `[:sente-lite/send {:to %q :event %s}]`, p.uid, tt.event(r, i))})
				}
				if done, err := o.conn.Write(batch); err != nil || !done && o.conn.Flush() != nil {
					t.Fatal(err)
				}
				next, largest := 0, 0
				for next < events {
					got := p.read()
					for {
						_, rest, more := strings.Cut(got, "{:n ")
						if !more {
							break
						}
						var n int
						if fmt.Sscan(rest, &n); n != next {
							t.Fatalf("event %d comes where %d is next", n, next)
						}
						next++
						got = rest
					}
				}
				wire, full, over := 0, 0, 0
				for _, n := range p.sizes {
					wire += n
					largest = max(largest, n)
					if n > frame {
						over++
					}
					if n*10 >= frame*8 {
						full++
					}
				}
				if over > 0 {
					t.Errorf("%d frames are over the limit of %d: the largest has %d", over, frame, largest)
				}
				if tt.full && full < (len(p.sizes)-2)*9/10 {
					t.Errorf("%d of %d frames are 80 %% full: %v", full, len(p.sizes), p.sizes)
				}
				if n := z.encoded.Load(); n > 2*int64(len(p.sizes)) {
					t.Errorf("%d compressions for %d frames", n, len(p.sizes))
				}
				t.Logf("%d frames, %d bytes, %d compressions, sizes %v", len(p.sizes), wire, z.encoded.Load(), p.sizes[:min(len(p.sizes), 20)])
				p.leave()
				o.leave()
			})
		})
	}
}
