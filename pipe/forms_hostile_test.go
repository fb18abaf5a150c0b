package pipe_test

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"fmt"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/sente-lite/sente-lite/pipe"
	"github.com/sente-lite/sente-lite/pipe/pack"
	"github.com/sente-lite/sente-lite/pipe/pipetest"
)

// A bad message is one that a peer's form does not allow. The peer hears why, and goes on.
type badMessage struct {
	name, chain string
	message     func(t *testing.T, p *crooked) []byte
	want        string // of the error
	only        string // a transport
	text        bool   // as a text message
	most        uint64 // bytes that taking it in may allocate, 0 for 4 MiB
}

// crooked is a peer that can send anything.
type crooked struct {
	t    *testing.T
	form *pipe.Form
	link *pipetest.Dressed
}

func (p *crooked) raw(m pipe.Message) {
	p.t.Helper()
	if err := p.link.Raw(m); err != nil {
		p.t.Fatal(err)
	}
}

func (p *crooked) next() string {
	p.t.Helper()
	m, err := p.link.Read(nil)
	if err != nil {
		p.t.Fatal(err)
	}
	return string(m.Data)
}

func (p *crooked) say(edn string) {
	p.t.Helper()
	if done, err := p.link.Write([]pipe.Message{{Data: []byte(edn), Text: true}}); err != nil || !done && p.link.Flush() != nil {
		p.t.Fatal(err)
	}
}

// comeCrooked connects as a client of a form.
func comeCrooked(t *testing.T, h *pipe.Hub, w wire, chain, more string) *crooked {
	t.Helper()
	form, bad := h.Form(chain)
	if bad != nil {
		t.Fatal(bad)
	}
	c := w.dial(t, h, pipe.Claim{Role: pipe.RoleClient}, pipe.Hello{Ours: true, Packer: chain})
	d, err := pipetest.Dress(c, form, w.name == "ws")
	if err != nil {
		t.Fatal(err)
	}
	p := &crooked{t, form, d}
	if w.name != "ws" {
		p.say(fmt.Sprintf(`[:sente-lite/hello {:auth "client-token" :packer [:%s]%s}]`, strings.ReplaceAll(chain, ",", " :"), more))
	}
	if got := p.next(); !strings.Contains(got, ":session ") {
		t.Fatalf("greeted by %s", got)
	}
	return p
}

func always(b string) func(*testing.T, *crooked) []byte {
	return func(*testing.T, *crooked) []byte { return []byte(b) }
}

func encoded(l *pipe.Layer, src []byte) []byte {
	c, bad := l.New(true)
	if bad != nil {
		panic(bad)
	}
	b, err := c.Encode(nil, src)
	if err != nil {
		panic(err)
	}
	return b
}

var honest = []byte(`[:x/y "` + strings.Repeat("long ", 500) + `"]`)

// gzipBomb is gzip of n times 10 MiB, of n times 10 KiB.
func gzipBomb(n int) []byte {
	var seg bytes.Buffer
	w, _ := flate.NewWriter(&seg, 9)
	zeros := make([]byte, 1<<20)
	for range 10 {
		w.Write(zeros)
	}
	w.Flush() // at a byte: what follows may be the same again
	b := []byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255}
	b = append(b, bytes.Repeat(seg.Bytes(), n)...)
	return append(b, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0)
}

// zstdBomb announces 10 GB and holds 1 KiB of blocks of one byte, each 128 KiB long.
func zstdBomb() []byte {
	b := []byte{0x28, 0xb5, 0x2f, 0xfd, 0xe0}
	b = binary.LittleEndian.AppendUint64(b, 10<<30)
	for i := range 250 {
		h := uint32(128<<10)<<3 | 1<<1
		if i == 249 {
			h |= 1 // the last
		}
		b = append(b, byte(h), byte(h>>8), byte(h>>16), ' ')
	}
	return b
}

const wrongKey = "another key of the same length!!"

func badMessages() []badMessage {
	squeezed := encoded(pack.Gzip, honest)
	zst := encoded(pack.Zstd, honest)
	raw := encoded(pack.DeflateRaw, honest)
	event := []byte("\x92\xc7\x03\x00x/y\x01")
	key := append([]byte{0xdb}, binary.BigEndian.AppendUint32(nil, 60_000)...)
	keyBomb := append([]byte{0x92, 0xc7, 3, 0, 'x', '/', 'y', 0xdd, 0, 0, 0x40, 0, 0x81}, key...)
	keyBomb = append(append(keyBomb, bytes.Repeat([]byte("k"), 60_000)...), 1)
	keyBomb = append(keyBomb, bytes.Repeat([]byte{0x81, 0xd4, 8, 0, 1}, 0x3fff)...)
	gz, mp, aes := "edn,gzip", "msgpack", "msgpack,gzip,aes-gcm"
	lost := func(b []byte) string { return string(b[:len(b)-9]) }
	sealed := func(b []byte) func(*testing.T, *crooked) []byte {
		return func(t *testing.T, p *crooked) []byte {
			s, err := p.link.Seal(b)
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
	}
	all := []badMessage{
		{name: "truncated", chain: gz, message: always(lost(squeezed)), want: ":incorrect :code :sente-lite/bad-gzip"},
		{name: "no more than magic", chain: gz, message: always("\x1f\x8b"), want: ":incorrect :code :sente-lite/bad-gzip"},
		{name: "wrong magic", chain: gz, message: always("\x1f\x8c" + string(squeezed[2:])), want: ":incorrect :code :sente-lite/"},
		{name: "wrong method", chain: gz, message: always("\x1f\x8b\x07" + string(squeezed[3:])), want: "compression method 7"},
		{name: "trailing garbage", chain: gz, message: always(string(squeezed) + "garbage"), want: "7 bytes follow its end"},
		{name: "two members", chain: gz, message: always(string(squeezed) + string(squeezed)), want: "follow its end"},
		{name: "damaged", chain: gz, message: always(string(squeezed[:len(squeezed)-8]) + "\x00\x00\x00\x00" + string(squeezed[len(squeezed)-4:])), want: "damaged: its checksum"},
		{name: "bomb of 10 KiB", chain: gz, message: always(string(gzipBomb(1))), want: "makes them a bomb", most: 12 << 20},
		{name: "bomb of 10 GiB", chain: gz, message: always(string(gzipBomb(1000))), want: "too-large", most: 120 << 20},
		{name: "bomb in a cipher", chain: "edn,gzip,aes-gcm", message: sealed(gzipBomb(1)), want: "makes them a bomb", most: 12 << 20},
		{name: "truncated", chain: "edn,zstd", message: always(lost(zst)), want: ":incorrect :code :sente-lite/bad-zstd"},
		{name: "bomb", chain: "edn,zstd", message: always(string(zstdBomb())), want: "too-large", most: 8 << 20},
		{name: "truncated", chain: "edn,deflate-raw", message: always(lost(raw)), want: ":incorrect :code :sente-lite/bad-deflate-raw"},
		{name: "without the layer", chain: "edn,deflate-raw", message: always(string(honest)), want: ":incorrect :code :sente-lite/bad-deflate-raw"},
		{name: "gzip in gzip", chain: gz, message: always(string(encoded(pack.Gzip, squeezed))), want: ":incorrect :code :sente-lite/"},

		{name: "nothing of an array", chain: mp, message: always("\x92"), want: ":incorrect :code :sente-lite/bad-msgpack"},
		{name: "a wrong length", chain: mp, message: always("\x92\xc7\x04\x00x/y\x01"), want: ":incorrect :code :sente-lite/"},
		{name: "trailing bytes", chain: mp, message: always(string(event) + "\x01"), want: ":incorrect :code :sente-lite/bad-msgpack"},
		{name: "a byte that begins nothing", chain: mp, message: always("\x92\xc7\x03\x00x/y\xc1"), want: ":incorrect :code :sente-lite/bad-msgpack"},
		{name: "a string of 4 GB", chain: mp, message: always("\x92\xc7\x03\x00x/y\xdb\xff\xff\xff\xff"), want: ":incorrect :code :sente-lite/bad-msgpack"},
		{name: "an array of 4 G", chain: mp, message: always("\x92\xc7\x03\x00x/y\xdd\xff\xff\xff\xff"), want: ":incorrect :code :sente-lite/bad-msgpack"},
		{name: "a map of 4 G", chain: mp, message: always("\x92\xc7\x03\x00x/y\xdf\xff\xff\xff\xff\x01\x02"), want: ":incorrect :code :sente-lite/bad-msgpack"},
		{name: "an ext of 4 GB", chain: mp, message: always("\x92\xc7\x03\x00x/y\xc9\xff\xff\xff\xff\x10"), want: ":incorrect :code :sente-lite/bad-msgpack"},
		{name: "a list without an array", chain: mp, message: always("\x92\xc7\x03\x00x/y\xd4\x10\x01"), want: ":incorrect :code :sente-lite/bad-msgpack"},
		{name: "a list that is longer inside", chain: mp, message: always("\x92\xc7\x03\x00x/y\xd5\x10\x92\x01\x02"), want: ":incorrect :code :sente-lite/bad-msgpack"},
		{name: "EDN that is none", chain: mp, message: always("\x92\xc7\x03\x00x/y\xd4\x11["), want: ":incorrect :code :sente-lite/"},
		{name: "a key that nobody has written", chain: mp, message: always("\x92\xc7\x03\x00x/y\x81\xd4\x08\x00\x01"), want: "number of a key"},
		{name: "a cached key that is no key", chain: mp, message: always("\x92\xc7\x03\x00x/y\x92\x81\xa1a\x01\xd4\x08\x00"), want: "number of a key"},
		{name: "deep", chain: mp, message: always("\x92\xc7\x03\x00x/y" + strings.Repeat("\x91", 600) + "\x01"), want: ":incorrect :code :sente-lite/too-deep"},
		{name: "deep lists", chain: mp, message: always("\x92\xc7\x03\x00x/y" + deepLists(600)), want: ":incorrect :code :sente-lite/too-deep"},
		{name: "keys that grow", chain: mp, message: always(string(keyBomb)), want: ":incorrect :code :sente-lite/too-large", most: 100 << 20},
		{name: "a key twice", chain: mp, message: always("\x92\xc7\x03\x00x/y\x82\xa1a\x01\xa1a\x02"), want: ":incorrect :code :sente-lite/bad-msgpack"},
		{name: "no event", chain: mp, message: always("\x93\x01\x02\x03"), want: ":incorrect :code :sente-lite/bad-event"},
		{name: "EDN as binary", chain: mp, message: always(string(honest)), want: ":incorrect :code :sente-lite/bad-msgpack"},
		{name: "gzip that was not asked for", chain: mp, message: always(string(squeezed)), want: ":unsupported :code :sente-lite/gzip"},
		{name: "JSON as text", chain: mp, only: "ws", text: true, message: always(`["x/y", 1]`), want: ":incorrect :code :sente-lite/bad-event"},

		{name: "gzip that was not asked for", chain: "edn", message: always(string(squeezed)), want: ":unsupported :code :sente-lite/gzip"},
		{name: "MessagePack", chain: "edn", message: always(string(event)), want: ":unsupported :code :sente-lite/packer"},
		{name: "MessagePack", chain: "json", message: always(string(event)), want: ":unsupported :code :sente-lite/packer"},
		{name: "gzip that was not asked for", chain: "json", message: always(string(squeezed)), want: ":unsupported :code :sente-lite/gzip"},
		{name: "EDN", chain: "json", message: always(string(honest)), want: ":incorrect :code :sente-lite/bad-json"},
	}
	for _, b := range []string{`["chat", 1]`, `["no name", 1]`, `{"event": "x/y"}`, `[]`, `5`, `null`, `"x/y"`, `[["chat"], "cb"]`, `["a/b", 1, 2]`} {
		all = append(all, badMessage{name: "names no event " + b, chain: "json", message: always(b), want: ":incorrect :code :sente-lite/bad-"})
	}
	for _, chain := range []string{aes, "edn,aes-gcm"} {
		all = append(all,
			badMessage{name: "plain", chain: chain, message: always(string(honest)), want: ":incorrect :code :sente-lite/bad-cipher"},
			badMessage{name: "plain text", chain: chain, only: "ws", text: true, message: always(string(honest)), want: ":incorrect :code :sente-lite/bad-cipher"},
			badMessage{name: "short", chain: chain, message: always("short"), want: ":incorrect :code :sente-lite/bad-cipher"},
			badMessage{name: "another key", chain: chain, message: func(t *testing.T, _ *crooked) []byte {
				return encoded(pack.AESGCM(func() [][]byte { return [][]byte{[]byte(wrongKey)} }), honest)
			}, want: "made with another key"},
			badMessage{name: "again", chain: chain, message: func(t *testing.T, p *crooked) []byte {
				packed, err := p.form.Packer.Pack(nil, []byte(`[[:chsk/ws-ping] "p"]`))
				if err != nil {
					t.Fatal(err)
				}
				m := sealed(packed)(t, p)
				p.raw(pipe.Message{Data: m})
				if got := p.next(); got != `[:chsk/reply "p" "pong"]` {
					t.Fatalf("the first time it is answered by %s", got)
				}
				return m
			}, want: "it has come before"},
			badMessage{name: "of another link", chain: chain, message: func(t *testing.T, p *crooked) []byte {
				p.say(`[[:chsk/ws-ping] "p"]`)
				p.next()
				return encoded(pack.AESGCM(func() [][]byte { return [][]byte{aesKey} }), honest)
			}, want: "another link"},
			badMessage{name: "garbage inside", chain: chain, message: sealed([]byte("\xc1[garbage")), want: ":incorrect :code :sente-lite/"},
		)
	}
	return all
}

func deepLists(n int) string {
	var b []byte
	b = append(b, 1)
	for range n { // inside out
		b = append([]byte{0x91}, b...)
		b = append(append([]byte{0xc8}, binary.BigEndian.AppendUint16(nil, uint16(len(b)))...), append([]byte{16}, b...)...)
	}
	return string(b)
}

// What a form does not allow costs that message: the peer is told why, the link goes on,
// memory is bounded and the books add up.
func TestBadMessages(t *testing.T) {
	for _, w := range wires() {
		if w.name != "unix" && w.name != "ws" {
			continue
		}
		for _, tt := range badMessages() {
			if tt.only != "" && tt.only != w.name {
				continue
			}
			t.Run(w.name+" "+tt.chain+" "+tt.name, func(t *testing.T) {
				h := pipe.NewHub(formsConfig(), pipe.Settings{Auth: auth})
				o := join(t, h, "owner", asOwner, `[:sente-lite/hello {}]`, false)
				p := comeCrooked(t, h, w, tt.chain, "")
				m := tt.message(t, p)
				before, refused := allocated(), h.Stats.Refused.Load()
				p.raw(pipe.Message{Data: m, Text: tt.text})
				got := spoken(p.next())
				spent := allocated() - before
				if !strings.Contains(got, "sente-lite/error") || !strings.Contains(got, "{:category :") || !strings.Contains(got, tt.want) {
					t.Fatalf("it is told %s, expected %s", got, tt.want)
				}
				if most := max(tt.most, 4<<20); spent > most {
					t.Errorf("%d bytes were allocated, allowed are %d", spent, most)
				}
				if n := h.Stats.Refused.Load() - refused; n != 1 {
					t.Errorf("%d were refused", n)
				}
				p.say(`[[:chsk/ws-ping] "still"]`)
				if got := p.next(); got != `[:chsk/reply "still" "pong"]` {
					t.Errorf("then it says %s", got)
				}
				p.link.Close(pipe.Reason{Code: pipe.CloseNormal})
				for {
					if _, err := p.link.Conn.Read(nil); err != nil {
						break
					}
				}
				if n := balanced(t, h, o); n != 0 {
					t.Errorf("%d were not delivered", n)
				}
				o.leave()
				if err := h.Shutdown(t.Context()); err != nil || h.Held() != 0 {
					t.Errorf("shutdown: %v, %d bytes are held", err, h.Held())
				}
			})
		}
	}
}

// spoken is an error with its keywords as such: JSON has none.
func spoken(edn string) string {
	return namesOfJSON.ReplaceAllString(edn, "$1 :$2")
}

var namesOfJSON = regexp.MustCompile(`(:category|:code) "([^"]*)"`)

func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

// A WebSocket's text is EDN whatever binary packer was agreed on, and its binary messages
// are of the packer.
func TestTextOnBinaryLinks(t *testing.T) {
	for _, w := range wires() {
		if w.name != "ws" {
			continue
		}
		for _, chain := range []string{"edn", "edn,gzip", "msgpack", "msgpack,gzip", "msgpack,zstd", "mirror", "json"} {
			h := pipe.NewHub(formsConfig(), pipe.Settings{Auth: auth})
			p := comeCrooked(t, h, w, chain, "")
			form, _ := h.Form(chain)
			packed, err := form.Packer.Pack(nil, []byte(`[[:chsk/ws-ping] "binary"]`))
			if err != nil {
				t.Fatal(err)
			}
			ask := []pipe.Message{{Data: []byte(`[[:chsk/ws-ping] "text"]`), Text: true}, {Data: packed}}
			if chain == "json" {
				ask[0].Data = []byte(`[["chsk/ws-ping"], "text"]`)
			}
			for i, want := range []string{"text", "binary"} {
				p.raw(ask[i])
				if got := p.next(); got != fmt.Sprintf(`[:chsk/reply %q "pong"]`, want) {
					t.Errorf("%s: a %s message is answered by %s", chain, want, got)
				}
			}
			p.link.Close(pipe.Reason{Code: pipe.CloseNormal})
			if err := h.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
		}
	}
}
