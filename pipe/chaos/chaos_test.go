package chaos

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// A log is the events of a Proxy.
type log struct {
	mu  sync.Mutex
	all []string
}

func (l *log) add(e Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, string(e.AppendEDN(nil)))
}

func (l *log) events() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.all)
}

// fixed is a plan for every connection.
func fixed(d Dir, w Way) func(uint64) Plan {
	return func(uint64) (p Plan) {
		p.Ways[d] = w
		return p
	}
}

// wrapped is a connection in memory, and the far end of it.
func wrapped(t *testing.T, o Options) (p *Proxy, client, server net.Conn, l *log) {
	t.Helper()
	l = &log{}
	o.Event = l.add
	p = New(1, o)
	t.Cleanup(p.Close)
	target, server := net.Pipe()
	client = p.Wrap(target)
	t.Cleanup(func() {
		client.Close()
		server.Close()
	})
	return p, client, server, l
}

func write(t *testing.T, c net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Errorf("writing %.40q: %v", text, err)
	}
}

func read(t *testing.T, c net.Conn, want string) {
	t.Helper()
	b := make([]byte, len(want))
	if n, err := io.ReadFull(c, b); err != nil || string(b) != want {
		t.Fatalf("read %.40q, %v; expected %.40q", b[:n], err, want)
	}
}

// quiet says that nothing arrives for an hour.
func quiet(t *testing.T, c net.Conn) {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(time.Hour))
	var b [1]byte
	if n, err := c.Read(b[:]); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("read %q, %v; expected nothing", b[:n], err)
	}
	c.SetReadDeadline(time.Time{})
}

func TestNothingIsChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, client, server, l := wrapped(t, Options{})
		start := time.Now()
		go write(t, client, "there")
		read(t, server, "there")
		go write(t, server, "and back")
		read(t, client, "and back")
		client.Close()
		if _, err := server.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("got %v, expected the end", err)
		}
		if took := time.Since(start); took != 0 || len(l.events()) != 0 {
			t.Errorf("took %v, with %q", took, l.events())
		}
	})
}

func TestDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, client, server, _ := wrapped(t, Options{Delay: 20 * time.Millisecond})
		start := time.Now()
		write(t, client, "a")
		write(t, client, "b") // does not wait for the first to arrive
		if took := time.Since(start); took != 0 {
			t.Errorf("writing took %v", took)
		}
		read(t, server, "ab")
		if took := time.Since(start); took != 20*time.Millisecond {
			t.Errorf("one way took %v", took)
		}
		write(t, server, "c")
		read(t, client, "c")
		if took := time.Since(start); took != 40*time.Millisecond {
			t.Errorf("both ways took %v", took)
		}
		write(t, client, "last")
		client.Close() // what is on its way arrives
		read(t, server, "last")
	})
}

func TestJitterKeepsOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, client, server, _ := wrapped(t, Options{Delay: time.Millisecond, Jitter: time.Second})
		go func() {
			for i := range 60 {
				write(t, client, fmt.Sprintf("%02d", i))
			}
		}()
		took := map[time.Duration]bool{}
		start := time.Now()
		for i := range 60 {
			read(t, server, fmt.Sprintf("%02d", i))
			took[time.Since(start)] = true
		}
		if total := time.Since(start); total > time.Second+time.Millisecond || total < 500*time.Millisecond || len(took) < 3 {
			t.Errorf("arrived at %v", took)
		}
	})
}

func TestRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, client, server, _ := wrapped(t, Options{Rate: 1000})
		start := time.Now()
		go write(t, client, strings.Repeat("x", 5000))
		read(t, server, strings.Repeat("x", 5000))
		// The last piece of a tenth of a second has arrived before its time is up.
		if took := time.Since(start); took != 4900*time.Millisecond {
			t.Errorf("5000 bytes at 1000 a second took %v", took)
		}
	})
}

func TestStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, client, server, l := wrapped(t, Options{Stall: 2 * time.Second, StallEvery: Range{3, 3}})
		start := time.Now()
		go write(t, client, "abcdefgh")
		for i, want := range []string{"abc", "def", "gh"} {
			read(t, server, want)
			if took := time.Since(start); took != time.Duration(i)*2*time.Second {
				t.Errorf("%q came after %v", want, took)
			}
		}
		want := []string{"[:chaos/stall {:conn 1 :dir :up :at 3}]", "[:chaos/stall {:conn 1 :dir :up :at 6}]"}
		if got := l.events(); !slices.Equal(got, want) {
			t.Errorf("got %q", got)
		}
	})
}

func TestTorn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, client, server, _ := wrapped(t, Options{Torn: 3})
		go write(t, client, strings.Repeat("x", 300))
		sizes := map[int]int{}
		b := make([]byte, 100)
		for total := 0; total < 300; {
			n, err := server.Read(b)
			if err != nil {
				t.Fatal(err)
			}
			sizes[n]++
			total += n
		}
		if len(sizes) != 3 || sizes[1] == 0 || sizes[2] == 0 || sizes[3] == 0 {
			t.Errorf("the writes had sizes %v, expected 1 to 3", sizes)
		}
	})
}

// A cut is at its byte, even if that is the last one.
func TestCut(t *testing.T) {
	for _, d := range []Dir{Up, Down} {
		for _, sent := range []string{"12345", "1234567"} {
			synctest.Test(t, func(t *testing.T) {
				_, client, server, l := wrapped(t, Options{Plan: fixed(d, Way{Cut: 5, How: FIN})})
				from, to := client, server
				if d == Down {
					from, to = server, client
				}
				go io.WriteString(from, sent) // may fail, or not
				got, err := io.ReadAll(to)
				if err != nil || string(got) != "12345" {
					t.Errorf("%q arrived, %v", got, err)
				}
				if _, err := from.Read(make([]byte, 1)); err == nil {
					t.Error("the other side has not ended")
				}
				want := fmt.Sprintf("[:chaos/cut {:conn 1 :dir :%v :at 5 :how :fin}]", d)
				if got := l.events(); !slices.Equal(got, []string{want}) {
					t.Errorf("got %q", got)
				}
			})
		}
	}
}

// Nobody hears that a connection was abandoned, even if the other side goes.
func TestAbandon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, client, server, _ := wrapped(t, Options{Plan: fixed(Up, Way{Cut: 3, How: Abandon})})
		go write(t, client, "abcdef")
		read(t, server, "abc")
		write(t, client, "g")
		quiet(t, server)
		write(t, server, "h")
		quiet(t, client)
		client.Close()
		quiet(t, server)
		server.Close() // now there is nobody left
		synctest.Wait()
		if s := p.Stats(); s.Open != 0 || s.Conns != 1 || s.Up != 7 || s.Down != 1 {
			t.Errorf("got %+v", s)
		}
	})
}

func TestHalfOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, client, server, l := wrapped(t, Options{Plan: fixed(Up, Way{HalfOpen: 2})})
		go write(t, client, "abcd")
		read(t, server, "ab")
		quiet(t, server)
		write(t, server, "still")
		read(t, client, "still")
		client.Close()
		quiet(t, server)
		write(t, server, "nobody reads this") // and nothing tells it
		quiet(t, server)
		if got := l.events(); !slices.Equal(got, []string{"[:chaos/half-open {:conn 1 :dir :up :at 2}]"}) {
			t.Errorf("got %q", got)
		}
	})
}

func TestRefuse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, client, server, l := wrapped(t, Options{Refuse: 1})
		for _, c := range []net.Conn{client, server} {
			if _, err := c.Read(make([]byte, 1)); err != io.EOF {
				t.Errorf("got %v, expected the end", err)
			}
		}
		if got := l.events(); !slices.Equal(got, []string{"[:chaos/refuse {:conn 1}]"}) {
			t.Errorf("got %q", got)
		}
	})
}

func TestByHand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, client, server, _ := wrapped(t, Options{})
		p.Stall(true)
		p.Stall(true)
		write(t, client, "a") // the proxy takes it, and keeps it
		quiet(t, server)
		p.Stall(false)
		read(t, server, "a")
		if n := p.HalfOpen(Down); n != 1 {
			t.Errorf("%d half open", n)
		}
		write(t, server, "b")
		quiet(t, client)
		go write(t, client, "c")
		read(t, server, "c")
		if n := p.CutAll(RST); n != 1 {
			t.Errorf("cut %d", n)
		}
		for _, c := range []net.Conn{client, server} {
			if _, err := c.Read(make([]byte, 1)); err != io.EOF {
				t.Errorf("got %v, expected the end", err)
			}
		}
		p.Refuse(true)
		target, far := net.Pipe()
		defer far.Close()
		if _, err := p.Wrap(target).Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("got %v, expected the end", err)
		}
		p.Close()
		p.Close()
		target, far = net.Pipe()
		defer far.Close()
		if _, err := p.Wrap(target).Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("of a closed proxy: got %v, expected the end", err)
		}
	})
}

// Close ends what is stalled, asleep or blocked in a write.
func TestCloseWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, o := range []Options{{}, {Delay: time.Hour}, {Stall: time.Hour, StallEvery: Range{1, 1}}, {Rate: 1}} {
			p, client, _, _ := wrapped(t, o)
			go io.WriteString(client, strings.Repeat("x", 100_000))
			synctest.Wait()
			start := time.Now()
			p.Close()
			if took := time.Since(start); took != 0 {
				t.Errorf("%+v: closing took %v", o, took)
			}
		}
	})
}

// The same seed and the same bytes have the same faults at the same places,
// however the bytes come.
func TestSameSeedSameTranscript(t *testing.T) {
	o := Options{
		Cut: Range{10_000, 40_000}, Stall: time.Second, StallEvery: Range{1000, 5000},
		HalfOpen: 0.3, Refuse: 0.1, Torn: 700, Jitter: 5 * time.Millisecond,
	}
	transcript := func(seed uint64, sizes *rand.Rand) (lines []string) {
		synctest.Test(t, func(t *testing.T) {
			var l log
			o := o
			o.Event = l.add
			p := New(seed, o)
			defer p.Close()
			for range 20 {
				target, server := net.Pipe()
				client := p.Wrap(target)
				arrived := make(chan int, 1)
				go func() {
					b, _ := io.ReadAll(server)
					server.Close()
					arrived <- len(b)
				}()
				for left := 50_000; left > 0; {
					n := min(left, 1+sizes.IntN(9000))
					if _, err := client.Write(make([]byte, n)); err != nil {
						break
					}
					left -= n
				}
				time.Sleep(time.Minute) // of the bubble's clock: all stalls are over
				client.Close()
				p.CutAll(FIN)
				l.mu.Lock()
				l.all = append(l.all, fmt.Sprint("arrived ", <-arrived))
				l.mu.Unlock()
			}
			lines = l.events()
		})
		return lines
	}
	first := transcript(7, rand.New(rand.NewPCG(1, 1)))
	for _, fault := range []string{"cut", "stall", "half-open", "refuse"} {
		if !strings.Contains(strings.Join(first, "\n"), ":chaos/"+fault) {
			t.Errorf("seed 7 has no %s", fault)
		}
	}
	for n := range uint64(5) {
		if again := transcript(7, rand.New(rand.NewPCG(2, n))); !slices.Equal(again, first) {
			t.Fatalf("run %d differs:\n%s\n\n%s", n, strings.Join(again, "\n"), strings.Join(first, "\n"))
		}
	}
	if other := transcript(8, rand.New(rand.NewPCG(1, 1))); slices.Equal(other, first) {
		t.Error("another seed has the same transcript")
	}
}

// echo is a target on a port.
func echo(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var served sync.WaitGroup
	served.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			served.Go(func() {
				defer c.Close()
				io.Copy(c, c)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		served.Wait()
	})
	return "tcp://" + l.Addr().String()
}

func TestTCP(t *testing.T) {
	var l log
	p := New(1, Options{Event: l.add, Plan: func(conn uint64) (plan Plan) {
		if conn == 2 {
			plan.Ways[Down] = Way{Cut: 3, How: RST}
		}
		return plan
	}})
	target := echo(t)
	t.Cleanup(p.Close) // before the target ends
	if err := p.Listen("tcp://127.0.0.1:0", target); err != nil {
		t.Fatal(err)
	}
	dial := func() *net.TCPConn {
		c, err := net.Dial("tcp", strings.TrimPrefix(p.Addr(), "tcp://"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c.(*net.TCPConn)
	}
	c := dial()
	write(t, c, "hello")
	c.CloseWrite() // passed on, and answered
	if got, err := io.ReadAll(c); err != nil || string(got) != "hello" {
		t.Errorf("got %q, %v", got, err)
	}
	c = dial()
	write(t, c, "hello")
	if got, err := io.ReadAll(c); !errors.Is(err, syscall.ECONNRESET) || len(got) > 3 {
		t.Errorf("got %q, %v; expected a reset", got, err)
	}
	if got := l.events(); !slices.Equal(got, []string{"[:chaos/cut {:conn 2 :dir :down :at 3 :how :rst}]"}) {
		t.Errorf("got %q", got)
	}
}

func TestUnreachable(t *testing.T) {
	l := &log{}
	p := New(1, Options{Event: l.add})
	defer p.Close()
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone.Close()
	dir, err := os.MkdirTemp("", "c") // a short name, as sockets need
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := p.Listen("unix:"+dir+"/x.sock", "tcp://"+gone.Addr().String()); err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("unix", dir+"/x.sock")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("got %v, expected the end", err)
	}
	if got := l.events(); len(got) != 1 || !strings.HasPrefix(got[0], `[:chaos/unreachable {:conn 1 :message "`) {
		t.Errorf("got %q", got)
	}
}

func TestConnectionsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := New(1, Options{})
		defer p.Close()
		var all []net.Conn
		for range maxConns {
			target, server := net.Pipe()
			all = append(all, p.Wrap(target), server)
		}
		defer func() {
			for _, c := range all {
				c.Close()
			}
		}()
		one := make(chan net.Conn)
		target, server := net.Pipe()
		go func() { one <- p.Wrap(target) }()
		synctest.Wait()
		select {
		case <-one:
			t.Fatal("there was room for one more")
		default:
		}
		all[0].Close()
		all = append(all, <-one, server)
		if s := p.Stats(); s.Conns != maxConns+1 {
			t.Errorf("got %+v", s)
		}
	})
}

func TestPlanIsPure(t *testing.T) {
	o := Options{Cut: Range{1000, 9000}, HalfOpen: 0.5, DropClose: 0.5, Refuse: 0.2, Stall: time.Second, StallEvery: Range{10, 99}, Torn: 7}
	var first [][]byte
	for k := range uint64(200) {
		first = append(first, MakePlan(7, o, k).AppendEDN(nil))
	}
	seen := map[string]int{}
	for k := 199; k >= 0; k-- {
		again := MakePlan(7, o, uint64(k))
		if got := again.AppendEDN(nil); !bytes.Equal(got, first[k]) {
			t.Fatalf("connection %d:\n%s\n%s", k, got, first[k])
		}
		if again.Refuse {
			seen["refuse"]++
		}
		for d, w := range again.Ways {
			if w.Cut > 0 {
				seen[Dir(d).String()+w.How.String()]++
			}
			if w.Cut != 0 && (w.Cut < 1000 || w.Cut > 9000) {
				t.Errorf("cut at %d", w.Cut)
			}
			if w.HalfOpen > 0 {
				seen["half"]++
			}
			if w.DropClose {
				seen["drop"]++
			}
		}
		// One more option changes nothing about the others.
		less := o
		less.HalfOpen, less.Refuse = 0, 0
		if got := MakePlan(7, less, uint64(k)).Ways; got[Up].Cut != again.Ways[Up].Cut || got[Up].Seed != again.Ways[Up].Seed || got[Down].DropClose != again.Ways[Down].DropClose {
			t.Errorf("connection %d differs without half-open", k)
		}
	}
	for what, expected := range map[string][2]int{"refuse": {20, 60}, "uprst": {30, 70}, "downrst": {30, 70}, "upfin": {30, 70}, "downfin": {30, 70}, "half": {75, 125}, "drop": {75, 125}} {
		if n := seen[what]; n < expected[0] || n > expected[1] {
			t.Errorf("of 200 plans %d have %s", n, what)
		}
	}
	// What a seed means is fixed: it stands in bug reports.
	if got, want := string(MakePlan(7, o, 5).AppendEDN(nil)), "{:conn 5 :up {:cut 5623 :how :rst :stall-ms 1000 :first-stall 30 :torn 7} "+
		":down {:half-open 7330 :stall-ms 1000 :first-stall 79 :torn 7}}"; got != want {
		t.Errorf("connection 5 of seed 7 is\n%s, it was\n%s", got, want)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for what, o := range map[string]Options{
		"HalfOpen is 2":            {HalfOpen: 2},
		"Delay is -1ns":            {Delay: -1},
		"Cut is 9..3":              {Cut: Range{9, 3}},
		"belong together":          {Stall: time.Second},
		"expected 0 or more":       {Torn: -1},
		"Refuse is NaN":            {Refuse: func() float64 { z := 0.0; return z / z }()},
		"StallEvery is 0..4; expe": {Stall: 1, StallEvery: Range{0, 4}},
	} {
		if err := o.Check(); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("got %v, expected %q", err, what)
		}
	}
}

func TestAddressesAreChecked(t *testing.T) {
	p := New(1, Options{})
	defer p.Close()
	dir := t.TempDir()
	for _, tt := range [][3]string{
		{"tcp://0.0.0.0:0", "tcp://127.0.0.1:1", "not on this machine"},
		{"tcp://127.0.0.1:0", "http://example.org:80", "not on this machine"},
		{"tcp://127.0.0.1:0", "unix:/tmp/x.sock", "as you"},
		{"unix:x.sock", "unix:/tmp/x.sock", "from the root"},
		{"ws://127.0.0.1:0", "tcp://127.0.0.1:1", "is no address"},
		{"tcp://127.0.0.1", "tcp://127.0.0.1:1", "no host and port"},
		{"unix:" + dir, "unix:/tmp/x.sock", "exists"},
	} {
		if err := p.Listen(tt[0], tt[1]); err == nil || !strings.Contains(err.Error(), tt[2]) {
			t.Errorf("%s to %s: got %v, expected %q", tt[0], tt[1], err, tt[2])
		}
	}
}

func FuzzParseRange(f *testing.F) {
	for _, s := range []string{"1", "64k", "1k..64k", "2..1", "9999999999999999999", "1m..2m", "..", "0", "-1", "k"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseRange(s)
		if err == nil && (r.From < 1 || r.To < r.From || r.To > 1<<53 || Options{Cut: r}.Check() != nil) {
			t.Errorf("%q is %+v", s, r)
		}
	})
}
