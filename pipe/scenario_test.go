package pipe_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sente-lite/sente-lite/pipe"
	"github.com/sente-lite/sente-lite/pipe/transport"
)

// A scenario is played line by line, over every transport:
//
//	h = handler           h connects as an owner that is the handler
//	b = bob               b connects with a token that says its uid is bob
//	a = client            a connects; it has a uid of the sidecar's making, $a in what follows
//	a = client :bundle true :credit 2   and asks for this
//	a > [:chat/msg 1]     a sends
//	a < [:chat/msg …]     the next that a gets is like that; … stands for anything
//	a ~ [:chat/msg …]     a gets this sooner or later; what comes before is passed over
//	a x                   a goes away
//	o gone a              o, an owner, sees that a is no peer any more
//	a < x 4504            a is closed, with that code
//	wait 30s              time passes (in memory only)
type scenario struct {
	name, script string
	settings     pipe.Settings
	config       pipe.HubConfig
	only         string // a transport, where it matters
}

// A wire is one way for peers to reach a hub.
type wire struct {
	name string
	dial func(t *testing.T, h *pipe.Hub, claim pipe.Claim, hello pipe.Hello) pipe.Conn
}

func wires() []wire {
	return []wire{
		{"mem", memWire(false, 0)}, {"mem-text", memWire(true, 0)}, {"mem-torn", memWire(false, 1)},
		{"unix", listenWire("unix:")}, {"tcp", listenWire("tcp://127.0.0.1:0")}, {"exec", execWire}, {"ws", wsWire},
	}
}

func memWire(text bool, torn int) func(*testing.T, *pipe.Hub, pipe.Claim, pipe.Hello) pipe.Conn {
	return func(t *testing.T, h *pipe.Hub, claim pipe.Claim, _ pipe.Hello) pipe.Conn {
		c, s := transport.Mem(transport.MemOptions{Text: text, Torn: torn, Server: pipe.ConnInfo{Claim: &claim}})
		if !h.Attach(s) {
			t.Fatal("the hub takes no more")
		}
		return c
	}
}

// execWire is that of a program, which takes both ends of its pipes.
func execWire(t *testing.T, h *pipe.Hub, claim pipe.Claim, _ pipe.Hello) pipe.Conn {
	fromStdout, stdout, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	stdin, toStdin, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	s, _, err := transport.Exec(fromStdout, toStdin, transport.ExecOptions{Info: pipe.ConnInfo{Claim: &claim}})
	if err != nil {
		t.Fatal(err)
	}
	c, _, err := transport.Exec(stdin, stdout, transport.ExecOptions{Dialect: "frames"})
	if err != nil {
		t.Fatal(err)
	}
	if !h.Attach(s) {
		t.Fatal("the hub takes no more")
	}
	return c
}

// Tokens say who is an owner where the transport does not.
var auth = &pipe.Auth{Anonymous: true, Tokens: []pipe.Token{
	{Secret: "owner-token", Claim: pipe.Claim{Role: pipe.RoleOwner}},
	{Secret: "client-token", Claim: pipe.Claim{Role: pipe.RoleClient}},
	{Secret: "bob-token", Claim: pipe.Claim{UID: "bob"}},
}}

func listenWire(addr string) func(*testing.T, *pipe.Hub, pipe.Claim, pipe.Hello) pipe.Conn {
	var l pipe.Listener
	return func(t *testing.T, h *pipe.Hub, claim pipe.Claim, _ pipe.Hello) pipe.Conn {
		if l == nil {
			if addr == "unix:" {
				addr += filepath.Join(t.TempDir(), "s", "x.sock")
			}
			var err error
			if l, err = transport.Listen(t.Context(), addr, transport.Options{}); err != nil {
				t.Fatal(err)
			}
			served := make(chan error, 1)
			go func() { served <- h.Serve(context.Background(), unsame{l}) }()
			t.Cleanup(func() {
				l.Close()
				if err := <-served; err != nil {
					t.Error(err)
				}
				l = nil
			})
		}
		c, err := transport.Dial(t.Context(), l.Addr(), transport.DialOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
}

// unsame makes the same user's peers over a Unix socket show a token like
// everybody else, so that there are clients too.
type unsame struct{ pipe.Listener }

func (u unsame) Accept(ctx context.Context) (pipe.Conn, error) {
	c, err := u.Listener.Accept(ctx)
	if err != nil {
		return nil, err
	}
	return stranger{c}, nil
}

type stranger struct{ pipe.Conn }

func (s stranger) Info() pipe.ConnInfo {
	i := s.Conn.Info()
	i.SameUser = false
	return i
}

func wsWire(t *testing.T, h *pipe.Hub, claim pipe.Claim, hello pipe.Hello) pipe.Conn {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := transport.Upgrade(w, r, transport.UpgradeOptions{Info: pipe.ConnInfo{
			Transport: "ws", Upgraded: &hello,
			Claim: &claim, Heartbeat: true}})
		if err != nil {
			t.Error(err)
			return
		}
		h.Attach(c)
	}))
	t.Cleanup(srv.Close)
	c, err := transport.Dial(t.Context(), "ws"+strings.TrimPrefix(srv.URL, "http")+"/ws", transport.DialOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A player is one peer of a scenario.
type player struct {
	name  string
	conn  pipe.Conn
	in    chan string // what it gets; closed at its end
	end   error
	asked int // calls, see ask
	uid   string
}

func (p *player) read() {
	defer close(p.in)
	for {
		m, err := p.conn.Read(nil)
		if err != nil {
			p.end = err
			return
		}
		p.in <- string(m.Data)
	}
}

func (p *player) send(t *testing.T, text string) {
	t.Helper()
	done, err := p.conn.Write([]pipe.Message{{Data: []byte(text), Text: true}})
	if err == nil && !done {
		err = p.conn.Flush()
	}
	if err != nil {
		t.Fatalf("%s > %s: %v", p.name, text, err)
	}
}

func (p *player) next(t *testing.T, want string) (string, bool) {
	t.Helper()
	select {
	case got, ok := <-p.in:
		return got, ok
	case <-time.After(20 * time.Second):
		t.Fatalf("%s gets nothing, where %s was expected", p.name, want)
		return "", false
	}
}

// play plays a script.
func play(t *testing.T, h *pipe.Hub, w wire, script string) {
	t.Helper()
	players, uids := map[string]*player{}, map[string]string{}
	defer func() {
		for _, p := range players {
			p.conn.Close(pipe.Reason{Code: pipe.CloseNormal})
			for range p.in {
			}
		}
	}()
	fill := func(s string) string {
		for n, uid := range uids {
			s = strings.ReplaceAll(s, "$"+n, uid)
		}
		return s
	}
	for line := range strings.Lines(script) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == ';' {
			continue
		}
		if d, ok := strings.CutPrefix(line, "wait "); ok {
			pause, err := time.ParseDuration(d)
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(pause) // virtual: a scenario that waits is in memory only
			continue
		}
		name, rest, _ := strings.Cut(line, " ")
		op, arg, _ := strings.Cut(rest, " ")
		arg = fill(strings.TrimSpace(arg))
		p := players[name]
		switch op {
		case "=":
			players[name] = connect(t, h, w, name, arg)
			uids[name] = players[name].uid
		case "gone":
			for {
				p.send(t, `[[:sente-lite/peers {}] "gone?"]`)
				if got, _ := p.next(t, "peers"); !strings.Contains(got, `"`+uids[arg]+`"`) {
					break
				}
			}
		case ">":
			p.send(t, arg)
		case "x":
			p.conn.Close(pipe.Reason{Code: pipe.CloseNormal})
			for range p.in {
			}
			delete(players, name)
		case "<":
			got, ok := p.next(t, arg)
			if code, closed := strings.CutPrefix(arg, "x "); closed {
				said := false
				for ok { // on a stream the last message says why
					said = said || strings.Contains(got, "[:chsk/close {:code "+code)
					got, ok = p.next(t, arg)
				}
				if c, is := p.end.(pipe.Closed); !said && (!is || c.Code != atoi(code)) {
					t.Fatalf("%s ends with %v, not with %s", name, p.end, code)
				}
				continue
			}
			if !ok {
				t.Fatalf("%s has ended (%v), where %s was expected", name, p.end, arg)
			}
			if !like(arg, got) {
				t.Fatalf("%s gets\n  %s\nnot\n  %s", name, got, arg)
			}
		case "~":
			for seen := []string{}; ; {
				got, ok := p.next(t, arg)
				if !ok {
					t.Fatalf("%s has ended (%v), and not got %s, but %q", name, p.end, arg, seen)
				}
				if like(arg, got) {
					break
				}
				seen = append(seen, got)
			}
		default:
			t.Fatalf("what is %q?", line)
		}
	}
}

func atoi(s string) (n uint16) {
	fmt.Sscan(s, &n)
	return n
}

// connect says hello, or not, and waits for the answer.
func connect(t *testing.T, h *pipe.Hub, w wire, name, kind string) *player {
	t.Helper()
	kind, asks, _ := strings.Cut(kind, " ")
	claim, hello := pipe.Claim{Role: pipe.RoleClient}, " "+asks
	token := kind
	switch kind {
	case "client":
	case "owner":
		claim.Role = pipe.RoleOwner
	case "handler":
		claim.Role, token, hello = pipe.RoleOwner, "owner", hello+" :handler true"
	case "bob":
		claim = pipe.Claim{UID: "bob"}
	default:
		t.Fatalf("what is a %q?", kind)
	}
	handler := kind == "handler"
	upgraded := pipe.Hello{Ours: true, Handler: &handler, Bundle: strings.Contains(asks, ":bundle true")}
	_, credit, _ := strings.Cut(asks, ":credit ")
	fmt.Sscan(credit, &upgraded.Credit)
	p := &player{name: name, in: make(chan string, 64), conn: w.dial(t, h, claim, upgraded)}
	go p.read()
	var got string
	if w.name == "ws" {
		got, _ = p.next(t, "the handshake")
	} else {
		p.send(t, fmt.Sprintf(`[:sente-lite/hello {:auth "%s-token"%s}]`, token, hello))
		got, _ = p.next(t, "ready")
	}
	m := regexp.MustCompile(`:uid "([^"]*)"`).FindStringSubmatch(got)
	if m == nil {
		t.Fatalf("%s is greeted by %s", name, got)
	}
	p.uid = m[1]
	return p
}

// like compares with a pattern in which … stands for anything.
func like(pattern, got string) bool {
	parts := strings.Split(pattern, "…")
	for i := range parts {
		parts[i] = regexp.QuoteMeta(parts[i])
	}
	return regexp.MustCompile(`^(?s:` + strings.Join(parts, ".*?") + `)$`).MatchString(got)
}
