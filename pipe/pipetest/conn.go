// Package pipetest has the suites that implementations of pipe's interfaces
// pass. Each case is one rule of the interface's comment, and says which one was
// broken.
package pipetest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sente-lite/sente-lite/pipe"
)

// patience is how long the suite waits for what must happen at once.
const patience = 20 * time.Second

// ConnOptions are what a case wants of the Conns it gets. The zero value leaves
// everything to the transport.
type ConnOptions struct {
	Limits       pipe.Limits
	WriteTimeout time.Duration
}

// NoLeaks makes the test fail if a goroutine that it started outlives it.
func NoLeaks(t testing.TB) {
	t.Helper()
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) })
}

// TestConn tests a transport. connect returns the two ends of a new link; on a
// byte stream a speaks first and b learns the dialect from it. The suite closes
// both.
func TestConn(t *testing.T, connect func(t *testing.T, o ConnOptions) (a, b pipe.Conn)) {
	for _, c := range []struct {
		name string
		opts ConnOptions
		test func(*ends)
	}{
		{"sizes and order", ConnOptions{}, sizes},
		{"joined writes", ConnOptions{}, joined},
		{"a message is valid until the next Read", ConnOptions{}, valid},
		{"messages may change after Write", ConnOptions{}, changed},
		{"idle comes before waiting", ConnOptions{}, idles},
		{"a Read that is not to wait", ConnOptions{}, waitsNot},
		{"both directions at once", ConnOptions{}, both},
		{"a reader that stops", ConnOptions{}, stopped},
		{"Flush gives up", ConnOptions{WriteTimeout: 50 * time.Millisecond}, timesOut},
		{"Close tells why", ConnOptions{}, tellsWhy},
		{"Close unblocks Read", ConnOptions{}, unblocksRead},
		{"Close unblocks Flush", ConnOptions{}, unblocksFlush},
		{"Close by many, many times", ConnOptions{}, closesOnce},
		{"Read lasts after its end", ConnOptions{}, staysEnded},
		{"too large", ConnOptions{}, tooLarge},
		{"a limit can be raised", ConnOptions{Limits: pipe.Limits{Bytes: 64}}, raised},
	} {
		t.Run(c.name, func(t *testing.T) {
			NoLeaks(t)
			a, b := connect(t, c.opts)
			e := &ends{t: t, a: a, b: b}
			t.Cleanup(func() {
				for _, c := range []pipe.Conn{a, b} {
					_ = c.Close(pipe.Reason{Code: pipe.CloseNormal})
				}
				for _, c := range []pipe.Conn{a, b} { // its last act needs a reader
					e.within("Read after Close", func() {
						for err := error(nil); err == nil || isMessageError(err); {
							_, err = c.Read(nil)
						}
					})
				}
			})
			sent := make(chan struct{})
			go func() {
				defer close(sent)
				e.send(a, first)
			}()
			e.expect(b, first)
			<-sent
			c.test(e)
		})
	}
}

type ends struct {
	t    *testing.T
	a, b pipe.Conn
}

// first chooses a dialect, where there is a choice.
var first = []byte("[:pipetest/first]")

// message makes a value of n bytes whose content depends on seed.
func message(n, seed int) []byte {
	if n < 3 {
		return bytes.Repeat([]byte{byte('1' + seed%9)}, n)
	}
	m := bytes.Repeat([]byte{byte('a' + seed%26)}, n)
	m[0], m[n-1] = '[', ']'
	if head := fmt.Sprintf(":n%d ", seed); n >= len(head)+2 {
		copy(m[1:], head)
	}
	return m
}

func isMessageError(err error) bool {
	var e *pipe.Error
	return errors.As(err, &e)
}

// within fails the test if f does not return at once, in the measure of a busy
// machine.
func (e *ends) within(what string, f func()) {
	e.t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	select {
	case <-done:
	case <-time.After(patience):
		e.t.Fatalf("%s has not returned after %v", what, patience)
	}
}

func batch(data ...[]byte) []pipe.Message {
	ms := make([]pipe.Message, len(data))
	for i, d := range data {
		ms[i] = pipe.Message{Data: d, Text: true}
	}
	return ms
}

// send writes all of it, however long the other side takes.
func (e *ends) send(c pipe.Conn, data ...[]byte) {
	e.t.Helper()
	flushed, err := c.Write(batch(data...))
	if err == nil && !flushed {
		err = c.Flush()
	}
	if err != nil {
		e.t.Errorf("cannot send: %v", err)
	}
}

func (e *ends) read(c pipe.Conn) (m pipe.Message, err error) {
	e.t.Helper()
	e.within("Read", func() { m, err = c.Read(nil) })
	return m, err
}

func (e *ends) expect(c pipe.Conn, want ...[]byte) {
	e.t.Helper()
	for i, w := range want {
		m, err := e.read(c)
		if err != nil {
			e.t.Fatalf("message %d of %d: %v", i+1, len(want), err)
		}
		if !bytes.Equal(m.Data, w) {
			e.t.Fatalf("message %d of %d is not what was sent: %s, expected %s", i+1, len(want), brief(m.Data), brief(w))
		}
	}
}

func brief(b []byte) string {
	if len(b) > 40 {
		return fmt.Sprintf("%q… (%d bytes)", b[:40], len(b))
	}
	return fmt.Sprintf("%q", b)
}

func sizes(e *ends) {
	var all [][]byte
	for i, n := range []int{
		1, 2, 3, 124, 125, 126, 127, 128, 4 << 10, 16<<10 - 1, 16 << 10, 16<<10 + 1,
		65535, 65536, 65537, 100_000, 1<<20 - 1, 1 << 20, 1, 1<<20 + 1, 7,
	} {
		all = append(all, message(n, i))
	}
	for _, d := range []struct{ from, to pipe.Conn }{{e.a, e.b}, {e.b, e.a}} {
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			for _, m := range all {
				e.send(d.from, m)
			}
		}()
		e.expect(d.to, all...)
		<-sent
	}
}

func joined(e *ends) {
	var all [][]byte
	for i := range 1000 {
		all = append(all, message(1+i%200, i))
	}
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		for i := 0; i < len(all); i += 100 {
			e.send(e.a, all[i:i+100]...)
		}
	}()
	e.expect(e.b, all...)
	<-sent
}

func valid(e *ends) {
	one, two := message(1000, 1), message(3000, 2)
	e.send(e.a, one)
	m, err := e.read(e.b)
	if err != nil {
		e.t.Fatal(err)
	}
	e.send(e.a, two) // arrives, or does not, before the next Read
	if !bytes.Equal(m.Data, one) {
		e.t.Error("a message has changed before the next Read")
	}
	e.expect(e.b, two)
}

func changed(e *ends) {
	const n = 64
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		data := make([]byte, 50_000)
		for i := range n { // more than a link holds, so that some of it waits
			copy(data, message(len(data), i))
			flushed, err := e.a.Write(batch(data))
			clear(data)
			if err == nil && !flushed {
				err = e.a.Flush()
			}
			if err != nil {
				e.t.Errorf("cannot send: %v", err)
			}
		}
	}()
	for i := range n {
		e.expect(e.b, message(50_000, i))
	}
	<-sent
}

func idles(e *ends) {
	waiting, got := make(chan struct{}), make(chan error, 1)
	var once sync.Once
	go func() {
		_, err := e.b.Read(func() bool { once.Do(func() { close(waiting) }); return true })
		got <- err
	}()
	e.within("idle, before Read waits,", func() { <-waiting })
	e.send(e.a, first)
	e.within("Read", func() {
		if err := <-got; err != nil {
			e.t.Error(err)
		}
	})
}

// waitsNot reads where nothing has come: the next Read goes on.
func waitsNot(e *ends) {
	for i := range 3 {
		var err error
		e.within("a Read that is not to wait", func() { _, err = e.b.Read(func() bool { return false }) })
		if err != pipe.ErrIdle {
			e.t.Fatalf("Read = %v where it was not to wait, expected ErrIdle", err)
		}
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			e.send(e.a, message(100, i))
		}()
		e.expect(e.b, message(100, i))
		<-sent
	}
}

func both(e *ends) {
	const n = 200
	var wg sync.WaitGroup
	for _, c := range []pipe.Conn{e.a, e.b} {
		wg.Go(func() {
			for i := range n {
				e.send(c, message(1+i*100, i), message(3, i))
			}
		})
		wg.Go(func() {
			for i := range n {
				for _, want := range [][]byte{message(1+i*100, i), message(3, i)} {
					m, err := c.Read(nil)
					if err != nil || !bytes.Equal(m.Data, want) {
						e.t.Errorf("round %d: %s, %v", i, brief(m.Data), err)
						return
					}
				}
			}
		})
	}
	e.within("traffic in both directions", wg.Wait)
}

// fill writes until the other side, which does not read, is behind.
func (e *ends) fill(c pipe.Conn) (sent int) {
	e.t.Helper()
	// A kernel's buffers may grow for a while: what is unwritten must be more than
	// they could still take.
	for behind := 0; sent < 1000; {
		var flushed bool
		var err error
		e.within("Write to a side that does not read", func() {
			flushed, err = c.Write(batch(message(64<<10, sent)))
		})
		if err != nil {
			e.t.Fatal(err)
		}
		sent++
		if flushed {
			behind = 0
		} else if behind++; behind == 64 {
			return sent
		}
	}
	e.t.Fatal("Write has called 64 MB flushed that nobody has read")
	return 0
}

func stopped(e *ends) {
	n := e.fill(e.a)
	for range 3 { // and again, behind it
		e.within("a second Write to a side that does not read", func() {
			if flushed, err := e.a.Write(batch(message(64<<10, n))); flushed || err != nil {
				e.t.Errorf("Write behind unwritten messages = %v, %v; expected false", flushed, err)
			}
		})
		n++
	}
	done := make(chan error, 1)
	go func() { done <- e.a.Flush() }()
	for i := range n {
		e.expect(e.b, message(64<<10, i))
	}
	if err := <-done; err != nil {
		e.t.Errorf("Flush: %v", err)
	}
	e.send(e.a, first)
	e.expect(e.b, first)
}

func timesOut(e *ends) {
	e.fill(e.a)
	// What has no poll must be flushed several times until nothing moves.
	var err error
	for range 1000 {
		e.within("Flush to a side that does not read", func() { err = e.a.Flush() })
		if err != nil {
			break
		}
		_, _ = e.a.Write(batch(message(64<<10, 0))) // Flush reports it
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		e.t.Fatalf("Flush to a side that does not read = %v, expected a timeout", err)
	}
	if _, err := e.a.Write(batch(first)); err == nil {
		e.t.Error("Write after a Flush that has failed succeeds")
	}
	if _, err := e.read(e.a); err == nil {
		e.t.Error("Read returns a message though nothing was sent")
	}
}

// kicked is a reason that every transport can tell.
var kicked = pipe.Reason{Code: pipe.CloseKicked, Text: "kicked: \"so\""}

func tellsWhy(e *ends) {
	e.send(e.a, message(10, 1))
	if err := e.a.Close(kicked); err != nil {
		e.t.Errorf("Close: %v", err)
	}
	e.expect(e.b, message(10, 1))
	e.expectBye(e.b, kicked)
}

// expectBye expects a close frame, or the last message of a stream and its end.
func (e *ends) expectBye(c pipe.Conn, r pipe.Reason) {
	e.t.Helper()
	m, err := e.read(c)
	if err == nil {
		want := append(pipe.AppendString(fmt.Appendf(nil, "[:chsk/close {:code %d :reason ", r.Code), r.Text), "}]"...)
		if !bytes.Equal(m.Data, want) {
			e.t.Fatalf("the last message is %s, expected %s", brief(m.Data), want)
		}
		if _, err = e.read(c); err != io.EOF {
			e.t.Fatalf("after the last message: %v, expected io.EOF", err)
		}
		return
	}
	if want := (pipe.Closed{Reason: r, Remote: true}); err != want {
		e.t.Fatalf("the other side sees %#v, expected %#v", err, want)
	}
}

func unblocksRead(e *ends) {
	done, waiting := make(chan error, 1), make(chan struct{})
	var once sync.Once
	go func() {
		_, err := e.a.Read(func() bool { once.Do(func() { close(waiting) }); return true })
		done <- err
	}()
	<-waiting
	e.within("Close", func() { _ = e.a.Close(kicked) })
	e.within("a Read that was waiting for Close", func() {
		if err := <-done; err != (pipe.Closed{Reason: kicked}) {
			e.t.Errorf("Read = %v, expected the reason of Close", err)
		}
	})
}

func unblocksFlush(e *ends) {
	e.fill(e.a)
	for range 256 { // more than any link holds, also where Write cannot try
		if _, err := e.a.Write(batch(message(64<<10, 1))); err != nil {
			e.t.Fatal(err)
		}
	}
	done := make(chan error, 1)
	go func() { done <- e.a.Flush() }()
	e.within("Close", func() { _ = e.a.Close(kicked) })
	e.within("a Flush that was waiting for Close", func() {
		if err := <-done; err == nil {
			e.t.Error("Flush of a closed Conn succeeds")
		}
	})
}

func closesOnce(e *ends) {
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { _ = e.a.Close(kicked) })
	}
	wg.Go(func() {
		for range 8 {
			_, _ = e.a.Write(batch(message(100, 1))) // either way, before or after
		}
	})
	e.within("many Closes", wg.Wait)
	if err := e.a.Close(kicked); err != nil {
		e.t.Errorf("a second Close: %v", err)
	}
}

func staysEnded(e *ends) {
	_ = e.a.Close(kicked)
	var errs [3]error
	for i := range errs {
		_, errs[i] = e.read(e.a)
	}
	if want := error(pipe.Closed{Reason: kicked}); errs[0] != want || errs[2] != want {
		e.t.Errorf("Read after Close = %v, then %v; expected %v each time", errs[0], errs[2], want)
	}
	if flushed, err := e.a.Write(batch(first)); err == nil || flushed {
		e.t.Errorf("Write after Close = %v, %v; expected an error", flushed, err)
	}
	if err := e.a.Flush(); err == nil {
		e.t.Error("Flush after Close succeeds")
	}
}

func tooLarge(e *ends) {
	e.b.Limit(pipe.Limits{Bytes: 100})
	e.send(e.a, message(100, 1))
	e.expect(e.b, message(100, 1))
	e.send(e.a, message(200, 2))
	_, err := e.read(e.b)
	var pe *pipe.Error
	if !errors.As(err, &pe) || pe.Code != "too-large" || pe.Category != pipe.Incorrect {
		e.t.Fatalf("Read of a message over the limit = %v, expected a *pipe.Error too-large", err)
	}
	e.send(e.b, message(20, 3)) // what the sender is told
	_, err = e.read(e.b)
	var cl pipe.Closed
	if !errors.As(err, &cl) || cl.Code != pipe.CloseTooLarge || cl.Remote {
		e.t.Fatalf("the next Read = %v, expected our close with 4507", err)
	}
	e.expect(e.a, message(20, 3))
	e.expectBye(e.a, cl.Reason)
}

func raised(e *ends) {
	e.b.Limit(pipe.Limits{})
	e.send(e.a, message(1000, 1))
	e.expect(e.b, message(1000, 1))
}
