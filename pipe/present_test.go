package pipe_test

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/sente-lite/sente-lite/pipe"
	"github.com/sente-lite/sente-lite/pipe/pack"
	"github.com/sente-lite/sente-lite/pipe/transport"
)

// present connects a peer that is one before it says anything.
func present(t *testing.T, h *pipe.Hub, uid string, text bool, change func(*pipe.ConnInfo)) (p *player, leave func(pipe.Reason)) {
	t.Helper()
	info := pipe.ConnInfo{Claim: &pipe.Claim{UID: uid}, Present: true, Quiet: true}
	if change != nil {
		change(&info)
	}
	c, s := transport.Mem(transport.MemOptions{Server: info, Text: text})
	leave, _, ok := h.Join(s)
	if !ok {
		t.Fatal("the hub takes no more")
	}
	p = &player{name: uid, conn: c, in: make(chan string, 4096)}
	go p.read()
	return p, leave
}

func expect(t *testing.T, p *player, patterns ...string) {
	t.Helper()
	for _, want := range patterns {
		got, ok := p.next(t, want)
		if !ok || !like(want, got) {
			t.Fatalf("%s gets\n  %s\nnot\n  %s (%v)", p.name, got, want, p.end)
		}
	}
}

func newTestHub(t *testing.T, cfg pipe.HubConfig, s pipe.Settings) *pipe.Hub {
	h := pipe.NewHub(cfg, s)
	t.Cleanup(func() {
		if err := h.Shutdown(t.Context()); err == nil && h.Held() != 0 {
			t.Errorf("%d bytes are held", h.Held())
		}
	})
	return h
}

// What is sent to a peer before its first value waits, behind ready, whatever that
// value is and whichever form its hello asks for.
func TestPresent(t *testing.T) {
	for name, tt := range map[string]struct {
		first string
		text  bool
		gets  []string
	}{
		"hello":        {`[:sente-lite/hello {}]`, true, []string{`[:sente-lite/ready {:uid "w" …}]`, `[:x/one 1]`, `[[:x/two 2] "…"]`}},
		"a call hello": {`[[:sente-lite/hello {}] "h"]`, true, []string{`[:sente-lite/ready …]`, `[:x/one 1]`, `[[:x/two 2] "…"]`, `[:chsk/reply "h" true]`}},
		"an event":     {`[:w/is "here"]`, true, []string{`[:sente-lite/ready …]`, `[:x/one 1]`, `[[:x/two 2] "…"]`}},
		"a token":      {`[:sente-lite/hello {:auth "nobody's"}]`, true, []string{`[:sente-lite/ready {:uid "w" …}]`, `[:x/one 1]`, `[[:x/two 2] "…"]`}},
		"frames":       {`[:sente-lite/hello {}]`, false, []string{`[:sente-lite/ready …]`, `[:x/one 1]`, `[[:x/two 2] "…"]`}},
		"json":         {`[:sente-lite/hello {:packer :json}]`, false, []string{`[:sente-lite/ready …]`, `["x/one",1]`, `[["x/two",2],"…"]`}},
		"a bad hello": {"[:sente-lite/hello {:packer :nope}]\n[:w/is \"here\"]", true, []string{
			`[:sente-lite/error {…:code :sente-lite/packer …}]`, `[:sente-lite/ready …]`, `[:x/one 1]`, `[[:x/two 2] "…"]`}},
		"no value": {"[:a/b}\n[:w/is \"here\"]", true, []string{
			`[:sente-lite/error {…:code :sente-lite/bad-edn …}]`, `[:sente-lite/ready …]`, `[:x/one 1]`, `[[:x/two 2] "…"]`}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newTestHub(t, pipe.HubConfig{Packers: []pipe.Packer{pack.JSON}}, pipe.Settings{Auth: auth})
				o := join(t, h, "owner", asOwner, "[:sente-lite/hello {:handler true}]", false)
				defer o.leave()
				w, _ := present(t, h, "w", tt.text, nil)
				defer w.leave()
				expect(t, o, `[:sente-lite/open {:uid "w" …:role :client …}]`)
				o.send(t, `[[:sente-lite/send {:to "w" :event [:x/one 1]}] "c"]`)
				o.send(t, `[[:sente-lite/request {:to "w" :event [:x/two 2]}] "d"]`)
				expect(t, o, `[:chsk/reply "c" {:status :ok :queue-size 1 :peers 1}]`)
				synctest.Wait()
				if len(w.in) > 0 {
					t.Fatalf("it is told %s before its first value", <-w.in)
				}
				for line := range strings.Lines(tt.first) {
					w.send(t, strings.TrimSpace(line))
				}
				expect(t, w, tt.gets...)
			})
		})
	}
}

// A peer that never says anything takes a queue of waiting events, and no more;
// when it is closed nothing keeps it.
func TestPresentIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newTestHub(t, pipe.HubConfig{}, pipe.Settings{Flow: pipe.Flow{MaxBufferSize: 4}})
		o := join(t, h, "owner", asOwner, "[:sente-lite/hello {:handler true}]", false)
		defer o.leave()
		w, leave := present(t, h, "w", true, nil)
		defer w.leave()
		expect(t, o, `[:sente-lite/open …]`)
		for range 4 {
			o.send(t, `[[:sente-lite/send {:to "w" :event [:x/y]}] "c"]`)
			expect(t, o, `[:chsk/reply "c" {:status :ok …}]`)
		}
		o.send(t, `[[:sente-lite/send {:to "w" :event [:x/y]}] "c"]`)
		expect(t, o, `[:chsk/reply "c" {:status :backpressure :queue-size 4 …}]`)
		o.send(t, `[[:sente-lite/request {:to "w" :event [:x/y]}] "d"]`)
		expect(t, o, `[:chsk/reply "d" [:sente-lite/error {:category :busy …}]]`)
		leave(pipe.Reason{Code: pipe.CloseKicked, Text: "enough"})
		expect(t, o, `[:sente-lite/close {:uid "w" …:reason "enough" :code 4504}]`)
		o.send(t, `[[:sente-lite/send {:to "w" :event [:x/y]}] "c"]`)
		expect(t, o, `[:chsk/reply "c" [:sente-lite/error {:category :not-found …}]]`)
	})
}

// shouts is a form of the kind that programs with no notion of hello have.
type shouts struct{}

func (shouts) Join(dst []byte, items [][]byte) []byte {
	return append(dst, bytes.Join(items, []byte(" "))...)
}
func (shouts) Name() string { return "shouts" }
func (shouts) Text() bool   { return true }
func (shouts) Unpack(dst, b []byte, _ pipe.Limits) ([]byte, error) {
	return append(pipe.AppendString(append(dst, "[:shout/out "...), string(b)), ']'), nil
}
func (shouts) Pack(dst, edn []byte) ([]byte, error) {
	if !strings.HasPrefix(string(edn), "[:shout/in ") {
		return nil, &pipe.Error{Category: pipe.Unsupported, Code: "shouts-only", Msg: "it knows shouts only", Hint: "shout"}
	}
	return append(dst, strings.ToUpper(string(edn))...), nil
}

// A peer whose Conn has a form of its own hears nothing of the link itself, and
// who sends it something else does.
func TestForm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newTestHub(t, pipe.HubConfig{}, pipe.Settings{})
		o := join(t, h, "owner", asOwner, "[:sente-lite/hello {:handler true}]", false)
		defer o.leave()
		w, leave := present(t, h, "w", false, func(i *pipe.ConnInfo) { i.Form, i.Quiet = shouts{}, false })
		defer w.leave()
		expect(t, o, `[:sente-lite/open {:uid "w" …}]`)
		w.send(t, "\x1f\x8bhey")
		w.send(t, "[:chsk/reply")
		expect(t, o, `[:sente-lite/recv {:uid "w" …:event [:shout/out "\u001f…hey"]}]`,
			`[:sente-lite/recv {:uid "w" …:event [:shout/out "[:chsk/reply"]}]`)
		o.send(t, `[:sente-lite/send {:to "w" :event [:shout/in "a"]}]`)
		expect(t, w, `[:SHOUT/IN "A"]`)
		o.send(t, `[:sente-lite/send {:to "w" :event [:x/y]}]`)
		expect(t, o, `[:sente-lite/error {:category :unsupported …"w\" cannot get it: it knows shouts only" :hint "shout" :event-id :x/y …}]`)
		o.send(t, `[[:sente-lite/request {:to "w" :event [:shout/in "a"]}] "c"]`)
		expect(t, o, `[:chsk/reply "c" [:sente-lite/error {:category :unsupported …}]]`)

		// Beside others it is one that is not reached; alone, or with its like, it is named.
		a := join(t, h, "a", pipe.ConnInfo{Claim: &pipe.Claim{UID: "ann"}}, "[:sente-lite/hello {}]", false)
		defer a.leave()
		v, _ := present(t, h, "v", false, func(i *pipe.ConnInfo) { i.Form, i.Quiet = shouts{}, false })
		defer v.leave()
		expect(t, o, `[:sente-lite/open {:uid "ann" …}]`, `[:sente-lite/open {:uid "v" …}]`)
		a.send(t, `[:sente-lite/subscribe {:channel-id "c"}]`)
		expect(t, a, `[:sente-lite/subscribed …]`)
		for _, to := range []string{":all", `#{"w" "ann"}`, `["ann" "v" "w"]`, "{:role :client}"} {
			o.send(t, `[[:sente-lite/send {:to `+to+` :event [:x/y 1]}] "c"]`)
			expect(t, o, `[:chsk/reply "c" {:status :ok :queue-size 1 :peers 1}]`)
			o.send(t, `[:sente-lite/send {:to `+to+` :event [:x/y 2]}]`)
			expect(t, a, `[:x/y 1]`, `[:x/y 2]`)
		}
		if n := h.Stats.Undelivered.Load(); n != 14 {
			t.Errorf("%d are undelivered, expected 14", n)
		}
		o.send(t, `[:sente-lite/send {:to #{"v" "w"} :event [:x/y 3]}]`)
		expect(t, o, `[:sente-lite/error {:category :unsupported …" cannot get it: it knows shouts only" …:event-id :x/y …}]`)
		for _, to := range []string{`"w"`, `["v" "w"]`} {
			o.send(t, `[[:sente-lite/send {:to `+to+` :event [:x/y 3]}] "c"]`)
			expect(t, o, `[:chsk/reply "c" [:sente-lite/error {:category :unsupported …"w\" cannot get it: it knows shouts only" …:event-id :x/y …}]]`)
		}
		leave(pipe.Reason{Code: pipe.CloseKicked})
		for got := range w.in {
			if !strings.Contains(got, ":chsk/close") { // which is the mem transport's own
				t.Fatalf("it is told %s", got)
			}
		}
	})
}

// names is a pipe.Names for tests: "job" is "job/USER", and "late" is not there.
type names struct {
	mu    sync.Mutex
	users []string
	gone  []string
}

func (n *names) Find(name, user string) (string, *pipe.Error) {
	switch name {
	case "job":
		return "job/" + user, &pipe.Error{Category: pipe.Busy, Code: "too-many", Msg: "no job for " + user}
	case "late":
		return name, &pipe.Error{Category: pipe.Unavailable, Code: "late", Retry: true, Msg: "it comes later"}
	}
	return name, nil
}

func (n *names) Owns(uid string) bool { return uid == "late" }

func (n *names) Dismiss(name, reason string) (int, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.gone = append(n.gone, name+" "+reason)
	return 3, name == "late"
}

func (n *names) User(uid string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.users = append(n.users, uid)
}

// A name may stand for a peer of each user's own, and what that peer says is the
// user's to hear.
func TestNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &names{}
		h := newTestHub(t, pipe.HubConfig{Names: n}, pipe.Settings{Relay: []pipe.RelayRule{
			{Event: "all/*", To: []byte(`#{"job" "nobody"}`)}, {Event: "every/*", To: []byte(":all")},
			{Event: "bobs/*", To: []byte(`"job/bob"`)}, {Event: "*", To: []byte(`"job"`)}}})
		as := func(uid string) pipe.ConnInfo { return pipe.ConnInfo{Claim: &pipe.Claim{UID: uid}} }
		a := join(t, h, "a", as("ann"), "[:sente-lite/hello {}]", false)
		defer a.leave()
		b := join(t, h, "b", as("bob"), "[:sente-lite/hello {}]", false)
		defer b.leave()
		b2 := join(t, h, "b2", as("bob"), "[:sente-lite/hello {}]", false)
		w, _ := present(t, h, "job/bob", true, func(i *pipe.ConnInfo) { i.User = "bob" })
		defer w.leave()
		w.send(t, "[:sente-lite/hello {}]")
		expect(t, w, "[:sente-lite/ready …]")

		b.send(t, `[:do/this 1]`)
		b.send(t, `[[:all/of 2] "q"]`)
		b.send(t, `[:msg/send-to-client {:to-uid "job" :message 3}]`)
		expect(t, w, `[:sente-lite/recv {:uid "bob" …:event [:do/this 1]}]`, `[[:sente-lite/recv {:uid "bob" …:event [:all/of 2]}] "…"]`,
			`[:msg/receive {:from-uid "bob" :message 3}]`)
		a.send(t, `[[:do/this 1] "q"]`)
		expect(t, a, `[:chsk/reply "q" [:sente-lite/error {:category :busy …"no job for ann"…}]]`)

		// Nobody else reaches it, in whichever way.
		for _, c := range [][2]string{
			{`[[:msg/send-to-client {:to-uid "job/bob" :message 4}] "q"]`, `[:chsk/reply "q" [:sente-lite/error {:category :not-found :code :sente-lite/no-such-peer …}]]`},
			{`[[:bobs/own 4] "q"]`, `[:chsk/reply "q" [:sente-lite/error {:category :not-found …}]]`},
			{`[:bobs/own 4]`, `[:sente-lite/error {:category :not-found …}]`},
			{`[:every/one 4]`, `[:sente-lite/recv {:uid "ann" …}]`},
		} {
			a.send(t, c[0])
			expect(t, a, c[1])
		}
		expect(t, b, `[:sente-lite/recv {:uid "ann" …:event [:every/one 4]}]`)
		expect(t, b2, `[:sente-lite/recv {:uid "ann" …:event [:every/one 4]}]`)
		b.send(t, `[:msg/send-to-client {:to-uid "job/bob" :message 5}]`)
		expect(t, w, `[:msg/receive {:from-uid "bob" :message 5}]`)

		w.send(t, `[:it/is "done"]`)
		expect(t, b, `[:it/is "done"]`)
		expect(t, b2, `[:it/is "done"]`)
		w.send(t, `[[:is/it "so?"] "x"]`)
		got, _ := b.next(t, "the call")
		cb := strings.TrimSuffix(got[strings.LastIndexByte(got, ' ')+1:], "]")
		b.send(t, fmt.Sprintf(`[:chsk/reply %s :yes]`, cb))
		expect(t, w, `[:chsk/reply "x" :yes]`)

		o := join(t, h, "owner", asOwner, "[:sente-lite/hello {}]", false)
		defer o.leave()
		for _, c := range [][2]string{
			{`[[:sente-lite/send {:to "late" :event [:x/y]}] "c"]`, `[:chsk/reply "c" [:sente-lite/error {:category :unavailable …:retry? true}]]`},
			{`[[:sente-lite/send {:to "nobody" :event [:x/y]}] "c"]`, `[:chsk/reply "c" [:sente-lite/error {:category :not-found …}]]`},
			{`[[:sente-lite/send {:to #{"late" "nobody"} :event [:x/y]}] "c"]`, `[:chsk/reply "c" {:status :ok :queue-size 0 :peers 0}]`},
			{`[[:sente-lite/kick {:to "late" :reason "so"}] "c"]`, `[:chsk/reply "c" {:peers 3}]`},
			{`[[:sente-lite/kick {:to #{"late" "owner's"}}] "c"]`, `[:chsk/reply "c" {:peers 3}]`},
			{`[[:sente-lite/kick {:to ["late" "late"] :reason "so"}] "c"]`, `[:chsk/reply "c" {:peers 6}]`},
			{`[[:sente-lite/kick {:to "nobody"}] "c"]`, `[:chsk/reply "c" [:sente-lite/error {:category :not-found …}]]`},
			{`[[:sente-lite/spawn {:command ["x"]}] "c"]`, `[:chsk/reply "c" [:sente-lite/error {:category :unsupported :code :sente-lite/no-spawn …}]]`},
			{`[[:sente-lite/send {:to "job/bob" :event [:from/owner]}] "c"]`, `[:chsk/reply "c" {:status :ok …}]`},
		} {
			o.send(t, c[0])
			expect(t, o, c[1])
		}
		// No token brings a uid of ours, and who has brought one is told from ours.
		c, server := transport.Mem(transport.MemOptions{Server: as("late"), Text: true})
		h.Attach(server)
		late := &player{name: "late", conn: c, in: make(chan string, 4096)}
		go late.read()
		late.send(t, "[:sente-lite/hello {}]")
		expect(t, late, `[:sente-lite/error {:category :conflict :code :sente-lite/uid-taken …}]`, `[:chsk/close {:code 4501 …}]`)
		if !h.Claimed("bob") || h.Claimed("job/bob") || h.Claimed("late") {
			t.Error("it is not seen who has a uid by a claim")
		}
		b2.leave()
		synctest.Wait()
		if got := fmt.Sprint(n.users); got != "[ann bob job/bob]" {
			t.Errorf("of users it has heard %s: the first of a uid counts, and the last", got)
		}
		a.leave()
		synctest.Wait()
		if got := fmt.Sprint(n.users); got != "[ann bob job/bob ann]" || strings.Join(n.gone, ", ") != "late so, late kicked, owner's kicked, late so, late so, nobody kicked" {
			t.Errorf("of users it has heard %s, of those dismissed %q", got, n.gone)
		}
		if h.Has("owner") || !h.Has("bob") || h.Has("ann") || !h.Named("job/bob") || fmt.Sprint(h.Users()) != "[bob job/bob]" {
			t.Errorf("the users are %q", h.Users())
		}
	})
}
