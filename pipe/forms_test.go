package pipe_test

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sente-lite/sente-lite/pipe"
	"github.com/sente-lite/sente-lite/pipe/pack"
	"github.com/sente-lite/sente-lite/pipe/pipetest"
)

// mirror is a packer as a user of the Go packages may write one: bytes turned over, in
// messages that are binary. A bundle is its items, each behind its length.
type mirror struct{}

func (mirror) Name() string { return "mirror" }
func (mirror) Text() bool   { return false }

func (mirror) Pack(dst, edn []byte) ([]byte, error) {
	dst = append(dst, 'M')
	for _, b := range edn {
		dst = append(dst, ^b)
	}
	return dst, nil
}

func (mirror) Join(dst []byte, items [][]byte) []byte {
	dst = append(dst, 'B')
	for _, it := range items {
		dst = append(binary.AppendUvarint(dst, uint64(len(it))), it...)
	}
	return dst
}

func (m mirror) Unpack(dst, packed []byte, lim pipe.Limits) ([]byte, error) {
	bad := &pipe.Error{Category: pipe.Incorrect, Code: "bad-mirror", Msg: "mirror: not a message of this packer"}
	switch {
	case len(packed) > 0 && packed[0] == 'M':
		for _, b := range packed[1:] {
			dst = append(dst, ^b)
		}
		return dst, nil
	case len(packed) > 0 && packed[0] == 'B':
		begin := len(dst)
		dst = append(dst, "[:batch/events ["...)
		for rest := packed[1:]; len(rest) > 0; {
			n, k := binary.Uvarint(rest)
			if k <= 0 || n > uint64(len(rest)-k) || n == 0 || rest[k] != 'M' {
				return dst[:begin], bad
			}
			dst, _ = m.Unpack(append(dst, ' '), rest[k:k+int(n)], lim)
			rest = rest[k+int(n):]
		}
		return append(dst, "]]"...), nil
	}
	return dst, bad
}

var aesKey = []byte("0123456789abcdef0123456789abcdef")

// formsConfig is a hub's that knows every form there is, and two of a user's own.
func formsConfig() pipe.HubConfig {
	return pipe.HubConfig{
		Packers: []pipe.Packer{pack.JSON, pack.Msgpack, mirror{}},
		Layers: []*pipe.Layer{pack.Gzip, pack.Zstd, pack.DeflateRaw,
			pack.AESGCM(func() [][]byte { return [][]byte{aesKey} }), turnedLayer()},
	}
}

var (
	formPackers = []string{"edn", "json", "msgpack", "mirror"}
	formLayers  = []string{"", ",gzip", ",zstd", ",deflate-raw", ",aes-gcm", ",gzip,aes-gcm", ",turned"}
)

// TestForms has a client of each form talk over each transport: every packer with every
// chain of layers.
func TestForms(t *testing.T) {
	for at, w := range wires() {
		if w.name == "mem-text" || w.name == "mem-torn" {
			continue // text carries EDN only; and a byte at a time has tests of its own
		}
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			n := at // another part of the matrix on each, where not all is played
			for _, packer := range formPackers {
				for _, layers := range formLayers {
					chain := packer + layers
					next := formPackers[(n+1)%4] + formLayers[(n*3+2)%7] // what it comes back with
					if n++; n%formStep > 0 {
						continue
					}
					t.Run(chain, func(t *testing.T) { talkForm(t, w.name, chain, next) })
				}
			}
		})
	}
}

// A talk is one client of a form, and a handler that speaks EDN.
type talk struct {
	t     *testing.T
	h     *pipe.Hub
	o     *player // the handler
	c     *pipetest.Client
	chain string
	link  *pipetest.Dressed // the latest
	got   chan string       // what the client gets
	n     int               // calls
}

// lossy is what becomes of a message that a JSON peer sends or gets.
func (k *talk) lossy(edn string) string {
	if !strings.HasPrefix(k.chain, "json") {
		return edn
	}
	b, err := pack.JSON.Pack(nil, []byte(edn))
	if err == nil {
		b, err = pack.JSON.Unpack(nil, b, pipe.Limits{})
	}
	if err != nil {
		k.t.Fatalf("%s has no JSON: %v", edn, err)
	}
	return string(b)
}

// same compares EDN that may have come through another form: that has its own spaces.
func (k *talk) same(want, got string) {
	k.t.Helper()
	if canonical(k.t, want) != canonical(k.t, got) {
		k.t.Fatalf("%.300s\nwas expected, got\n%.300s", want, got)
	}
}

// canonical is EDN as MessagePack has it: the same bytes for the same values, as long as
// nobody changes the order of a map.
func canonical(t *testing.T, edn string) string {
	t.Helper()
	b, err := pack.Msgpack.Pack(nil, []byte(edn))
	if err != nil {
		t.Fatalf("%.200s: %v", edn, err)
	}
	return string(b)
}

func (k *talk) next(what string) string {
	k.t.Helper()
	select {
	case m := <-k.got:
		return m
	case <-k.c.Done():
		k.t.Fatalf("the client has ended (%v), where %s was expected", k.c.End(), what)
	case <-time.After(20 * time.Second):
		k.t.Fatalf("the client gets nothing, where %s was expected", what)
	}
	return ""
}

// owner asks the hub, and returns the reply.
func (k *talk) owner(ask string) string {
	k.t.Helper()
	k.n++
	cb := fmt.Sprintf("o%d", k.n)
	k.o.send(k.t, fmt.Sprintf("[%s %q]", ask, cb))
	for {
		got, ok := k.o.next(k.t, "a reply")
		if !ok {
			k.t.Fatalf("the handler has ended: %v", k.o.end)
		}
		if rest, is := strings.CutPrefix(got, fmt.Sprintf("[:chsk/reply %q ", cb)); is {
			return strings.TrimSuffix(rest, "]")
		}
	}
}

func (k *talk) down(event string) {
	k.t.Helper()
	if got := k.owner(fmt.Sprintf(`[:sente-lite/send {:to %q :event %s}]`, k.c.UID(), event)); !strings.Contains(got, ":peers 1") {
		k.t.Fatalf("send is answered by %s", got)
	}
}

// body is what recv has wrapped: the event, and the cb of a call.
func (k *talk) recv() (event, cb string) {
	k.t.Helper()
	for {
		got, ok := k.o.next(k.t, "an event")
		if !ok {
			k.t.Fatalf("the handler has ended: %v", k.o.end)
		}
		i, err := pipe.Split([]byte(got), pipe.Limits{})
		if err != nil {
			k.t.Fatal(err)
		}
		switch string(i.Name) {
		case "sente-lite/open", "sente-lite/reconnect":
			continue
		case "sente-lite/recv":
		default:
			k.t.Fatalf("the handler gets %s", got)
		}
		e, _ := pipe.Lookup(i.Body, ":event")
		return string(e), string(i.Call)
	}
}

const rich = `{:text "Grüße, 😀 \"q\" \n" :n -42 :big 123456789012345678901234567890 :x 1.5 :tags #{:a :b} :at #inst "2024-01-02T03:04:05.678-00:00"` +
	` :id #uuid "f81d4fae-7dec-11d0-a765-00a0c91e6bf6" :list (1 (2)) :k/q [nil true \c sym/bol 1/3 2.50M #my/tag {:a 1}] 7 "seven" [1 2] {:deep {:er #{}}} :none {}}`

const modest = `{:text "Grüße, 😀 \"q\" \n" :n -42 :x 1.5 :list [1 [2 {}]] :k/q [nil true "c"] :none {}}`

// talkForm is the one body of all cells.
func talkForm(t *testing.T, transport, chain, next string) {
	h := pipe.NewHub(formsConfig(), pipe.Settings{Auth: auth, Flow: pipe.Flow{Recovery: pipe.Recovery{Window: time.Minute, MaxMsgs: 1000}}})
	k := &talk{t: t, h: h, chain: chain, got: make(chan string, 4096)}
	k.o = join(t, h, "owner", asOwner, `[:sente-lite/hello {:handler true}]`, true)
	k.o.in = make(chan string, 4096)
	go k.o.read()
	var dial wire
	for _, w := range wires() {
		if w.name == transport {
			dial = w
		}
	}
	upgraded := transport == "ws"
	k.c = &pipetest.Client{Bundle: true, Credit: 40, Upgraded: upgraded}
	k.c.Lost = func(greeting []byte) { t.Errorf("not resumed: %s", greeting) }
	k.c.Handle = func(_ pipe.Item, b []byte) { k.got <- string(b) }
	var links []*pipetest.Dressed
	use := func(chain string) {
		form, bad := h.Form(chain)
		if bad != nil {
			t.Fatal(bad)
		}
		k.c.Hello = fmt.Sprintf(`:auth "client-token" :bundle true :packer [:%s]`, strings.ReplaceAll(chain, ",", " :"))
		k.c.Dial = func(session string, seen uint64) (pipe.Conn, error) {
			conn := dial.dial(t, h, pipe.Claim{Role: pipe.RoleClient}, pipe.Hello{Ours: true, Recover: true, Bundle: true, Credit: 40,
				Packer: chain, Session: session, Seen: seen})
			d, err := pipetest.Dress(conn, form, upgraded)
			if err != nil {
				return nil, err
			}
			links = append(links, d)
			return d, nil
		}
	}
	use(chain)
	k.c.Start()
	opened, _ := k.o.next(t, "open")
	uid := regexp.MustCompile(`:uid "([^"]*)"`).FindStringSubmatch(opened)
	if uid == nil {
		t.Fatalf("the handler hears %s", opened)
	}
	k.c.Raw(`[[:chsk/ws-ping] "ping"]`) // its answer is the first that counts
	if got := k.next("a pong"); got != `[:chsk/reply "ping" "pong"]` {
		t.Fatalf("a ping is answered by %s", got)
	}
	k.link = links[0]

	value := rich
	if strings.HasPrefix(chain, "json") {
		value = modest
	}
	k.calls(value)
	k.bundles()
	k.large()
	k.bytes()
	k.cut(use, chain, next)
	k.out()
	if err := h.Shutdown(context.Background()); err != nil || h.Held() != 0 {
		t.Errorf("shutdown: %v, %d bytes are held", err, h.Held())
	}
	if n := h.Stats.Refused.Load(); n != 0 {
		t.Errorf("%d were refused", n)
	}
}

// calls and events, both ways, with all kinds of values.
func (k *talk) calls(value string) {
	k.c.Send(`[[:m/ask ` + value + `] "c1"]`)
	event, cb := k.recv()
	k.same(k.lossy(`[:m/ask `+value+`]`), event)
	k.o.send(k.t, fmt.Sprintf(`[:chsk/reply %s %s]`, cb, value))
	k.same(k.lossy(`[:chsk/reply "c1" `+value+`]`), k.next("a reply"))

	k.c.Send(`[:m/event ` + value + `]`)
	event, cb = k.recv()
	if k.same(k.lossy(`[:m/event `+value+`]`), event); cb != "" {
		k.t.Errorf("an event has become a call, %s", cb)
	}
	k.down(`[:m/down ` + value + `]`)
	k.same(k.lossy(`[:m/down `+value+`]`), k.next("an event"))

	k.o.send(k.t, fmt.Sprintf(`[[:sente-lite/request {:to %q :event [:m/question %s]}] "q"]`, k.c.UID(), value))
	got := k.next("a call")
	i, err := pipe.Split([]byte(got), pipe.Limits{})
	if err != nil || i.Shape != pipe.ShapeCall {
		k.t.Fatalf("a request comes as %.200s", got)
	}
	k.same(k.lossy(`[[:m/question `+value+`] `+string(i.Call)+`]`), got)
	k.c.Send(fmt.Sprintf(`[:chsk/reply %s %s]`, i.Call, value))
	reply, _ := k.o.next(k.t, "the reply")
	if strings.HasPrefix(k.chain, "json") { // of a reply the names are data
		k.same(k.lossy(`[:chsk/reply "q" `+value+`]`), reply)
	} else {
		k.same(`[:chsk/reply "q" `+value+`]`, reply)
	}
}

// bundles come as one message, or a few, both ways; credit is renewed on the way.
func (k *talk) bundles() {
	const n = 120
	before, out := k.link.MessagesIn.Load(), k.link.MessagesOut.Load()
	for i := range n {
		k.c.Send(fmt.Sprintf(`[:m/up [%d %q]]`, i, strings.Repeat("up ", 20)))
	}
	for i := range n {
		event, _ := k.recv()
		k.same(fmt.Sprintf(`[:m/up [%d %q]]`, i, strings.Repeat("up ", 20)), event)
	}
	var sends []string
	for i := range n {
		sends = append(sends, fmt.Sprintf(`[:sente-lite/send {:to %q :event [:m/down [%d %q]]}]`, k.c.UID(), i, strings.Repeat("down ", 20)))
	}
	k.o.send(k.t, "[:batch/events ["+strings.Join(sends, " ")+"]]")
	for i := range n {
		k.same(fmt.Sprintf(`[:m/down [%d %q]]`, i, strings.Repeat("down ", 20)), k.next("an event"))
	}
	in, sent := k.link.MessagesIn.Load()-before, k.link.MessagesOut.Load()-out
	// Windows of 40, acknowledgements and renewed credit on either side.
	if in > n/2 || sent > n/2+60 {
		k.t.Errorf("%d events came in %d messages; as many went in %d", n, in, sent)
	}
}

// large is an event far beyond a frame: it travels alone, and compressed where that is
// agreed on.
func (k *talk) large() {
	text := strings.Repeat("all work and no play ", 10_000)
	before, squeezed := k.link.BytesIn.Load(), k.link.Squeezed.Load()
	k.down(fmt.Sprintf(`[:m/large %q]`, text))
	k.same(fmt.Sprintf(`[:m/large %q]`, text), k.next("a large event"))
	size := k.link.BytesIn.Load() - before
	form, _ := k.h.Form(k.chain)
	if form.Compressor() != nil && (size > 20_000 || k.link.Squeezed.Load() == squeezed) {
		k.t.Errorf("%d bytes travel as %d", len(text), size)
	}
	k.c.Send(fmt.Sprintf(`[:m/large %q]`, text))
	event, _ := k.recv()
	k.same(fmt.Sprintf(`[:m/large %q]`, text), event)
}

// bytes stand in an event, and cost what they are in a binary form.
func (k *talk) bytes() {
	size := 64 << 10
	if strings.HasPrefix(k.chain, "msgpack") {
		size = 1 << 20
	}
	raw := make([]byte, size)
	r := rand.NewChaCha8([32]byte{1})
	r.Read(raw)
	text := base64.StdEncoding.EncodeToString(raw)
	event := fmt.Sprintf(`[:m/file {:name "x.bin" :data #sente-lite/bytes %q}]`, text)
	in, out := k.link.BytesIn.Load(), k.link.BytesOut.Load()
	k.down(event)
	k.same(k.lossy(event), k.next("bytes"))
	k.c.Send(event)
	got, _ := k.recv()
	k.same(k.lossy(event), got)
	if strings.HasPrefix(k.chain, "msgpack") {
		in, out = k.link.BytesIn.Load()-in, k.link.BytesOut.Load()-out
		if most := int64(float64(size) * 1.01); in > most || out > most {
			k.t.Errorf("%d bytes came as %d and went as %d", size, in, out)
		}
	}
}

// cut loses links while events are under way, and comes back: in the same form, then in
// another.
func (k *talk) cut(use func(string), chain, next string) {
	const n = 60
	at := 0
	for round, c := range []string{chain, next} {
		k.o.send(k.t, fmt.Sprintf(`[:batch/events [%s]]`, k.numbered(at, n)))
		for i := range n {
			k.c.Send(fmt.Sprintf(`[:m/n [%d]]`, at+i))
		}
		use(c)
		k.c.Cut()
		at += n
		k.o.send(k.t, fmt.Sprintf(`[:batch/events [%s]]`, k.numbered(at, n)))
		at += n
		for i := at - 2*n; i < at; i++ {
			k.same(fmt.Sprintf(`[:m/n [%d "event"]]`, i), k.next("an event"))
		}
		for i := range n {
			event, _ := k.recv()
			k.same(fmt.Sprintf(`[:m/n [%d]]`, at-2*n+i), event)
		}
		if links, _ := k.c.Links(); links < round+2 {
			k.t.Errorf("%d links after %d cuts", links, round+1)
		}
	}
}

func (k *talk) numbered(from, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `[:sente-lite/send {:to %q :event [:m/n [%d "event"]]}] `, k.c.UID(), from+i)
	}
	return b.String()
}

// out sends the client away: it learns why, in its form.
func (k *talk) out() {
	k.c.Ack()
	k.owner(fmt.Sprintf(`[:sente-lite/flush {:to %q :acked? true :timeout-ms 20000}]`, k.c.UID()))
	k.same(`{:peers 1}`, k.owner(fmt.Sprintf(`[:sente-lite/kick {:to %q :reason "out: \"so\""}]`, k.c.UID())))
	err := k.c.End()
	c, ok := err.(pipe.Closed)
	if !ok || c.Code != pipe.CloseKicked || !strings.Contains(c.Text, "so") {
		k.t.Errorf("the client ends with %v", err)
	}
	for { // it is gone from the hub, with its books in order
		if got, ok := k.o.next(k.t, "close"); !ok || strings.HasPrefix(got, "[:sente-lite/close ") {
			break
		}
	}
	if lost := balanced(k.t, k.h, k.o); lost != 0 {
		k.t.Errorf("%d were not delivered", lost)
	}
	k.o.leave()
}
