package transport

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/gobwas/ws"

	"github.com/sente-lite/sente-lite/pipe"
	"github.com/sente-lite/sente-lite/pipe/pipetest"
)

// A slowLink takes room bytes at once, and the rest when Flush waits for it.
type slowLink struct {
	byteLink
	room int
}

func (l *slowLink) tryWrite(p []byte) (int, error) {
	n := min(l.room, len(p))
	l.room -= n
	return l.out.Write(p[:n])
}

func (l *slowLink) tryWriteAll(p, q []byte) (int, error) { return writeBoth(l.tryWrite, p, q) }

// A large message that leaves from where it is leaves the bytes that a small one does,
// wherever the link has stopped, and none that its owner changes afterwards.
func TestLargeMessages(t *testing.T) {
	batch := func() []pipe.Message {
		large := func(c byte) pipe.Message {
			return pipe.Message{Data: append(bytes.Repeat([]byte{c}, largeMessage-1), '\n'), Text: true}
		}
		return []pipe.Message{large('a'), large('b'), {Data: []byte("small"), Text: true}, large('c')}
	}
	for name, mk := range map[string]func() codec{
		"ws":     func() codec { return &wsCodec{} },
		"client": func() codec { return &wsCodec{client: true} },
		"frames": func() codec { return newFrames(pipe.Limits{}) },
		"text":   func() codec { return newText(pipe.Limits{}) },
	} {
		t.Run(name, func(t *testing.T) {
			var want []byte
			for _, m := range batch() {
				want = mk().append(want, m)
			}
			head := len(mk().append(nil, batch()[0])) - largeMessage
			for _, room := range []int{0, 1, head, head + 1, largeMessage / 2, largeMessage + head - 1, largeMessage + head,
				largeMessage + head + 1, largeMessage + 2*head, 2 * (largeMessage + head), 2*(largeMessage+head) + 1, len(want) - 1, len(want)} {
				l := &slowLink{room: room}
				c := newConn(l, mk(), pipe.ConnInfo{}, Options{})
				sent := batch()
				flushed, err := c.Write(sent)
				if err != nil || flushed != (room >= len(want)) {
					t.Fatalf("room for %d: Write = %v, %v", room, flushed, err)
				}
				for _, m := range sent {
					clear(m.Data)
				}
				if err := c.Flush(); err != nil {
					t.Fatal(err)
				}
				got, want := l.out.Bytes(), want
				if name == "client" { // each mask is another
					got, want = unmasked(t, got), unmasked(t, want)
				}
				if !bytes.Equal(got, want) {
					t.Fatalf("room for %d: %d bytes came, which are not the %d expected", room, len(got), len(want))
				}
			}
		})
	}
}

// unmasked joins the payloads of a client's frames.
func unmasked(t *testing.T, b []byte) (out []byte) {
	for r := bytes.NewReader(b); r.Len() > 0; {
		f, err := readFrame(r)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, ws.UnmaskFrame(f).Payload...)
	}
	return out
}

// What overtakes what, wherever the link has stopped.
func TestControlFramesOvertake(t *testing.T) {
	pipetest.NoLeaks(t)
	const frame = 2 + 20
	batch := []pipe.Message{
		{Data: bytes.Repeat([]byte{'a'}, 20), Text: true},
		{Data: bytes.Repeat([]byte{'b'}, 20), Text: true},
		{Data: bytes.Repeat([]byte{'c'}, 20), Text: true},
	}
	for room := range 3 * frame {
		whole := (room + frame - 1) / frame // frames that have begun
		order := []string{"text a", "text b", "text c"}
		for name, want := range map[string][]string{
			"pong":  append(append(append([]string{}, order[:whole]...), "pong latest"), order[whole:]...),
			"close": append(append([]string{}, order[:whole]...), "close"),
			"both":  append(append([]string{}, order[:whole]...), "pong latest", "close"),
		} {
			t.Run(fmt.Sprintf("%s after %d bytes", name, room), func(t *testing.T) {
				l := &slowLink{room: room}
				codec := &wsCodec{}
				c := newConn(l, codec, pipe.ConnInfo{Transport: "ws"}, Options{})
				if flushed, err := c.Write(batch); flushed || err != nil {
					t.Fatalf("Write = %v, %v", flushed, err)
				}
				if name != "close" {
					c.answer(appendFrame(nil, ws.OpPong, []byte("earlier"), false))
					c.answer(appendFrame(nil, ws.OpPong, []byte("latest"), false))
				}
				if name == "pong" {
					if err := c.Flush(); err != nil {
						t.Fatal(err)
					}
				} else {
					c.Close(pipe.Reason{Code: pipe.CloseKicked})
				}
				c.Close(pipe.Reason{Code: pipe.CloseLost})
				c.out.own.Wait()
				c.end()
				var got []string
				for {
					f, err := readFrame(&l.out)
					if err == io.EOF {
						break
					}
					if err != nil {
						t.Fatalf("after %q: %v", got, err)
					}
					switch f.Header.OpCode {
					case ws.OpText:
						got = append(got, "text "+string(f.Payload[:1]))
					case ws.OpPong:
						got = append(got, "pong "+string(f.Payload))
					default:
						got = append(got, "close")
					}
				}
				if strings.Join(got, ", ") != strings.Join(want, ", ") {
					t.Errorf("%q, expected %q", got, want)
				}
			})
		}
	}
}

// On a stream, the last message never comes inside another.
func TestCloseMidValue(t *testing.T) {
	for name, mk := range map[string]func(pipe.Limits) codec{"frames": newFrames, "text": newText} {
		value := []byte("[:a/b \"" + strings.Repeat("x", 30) + "\"]")
		size := len(mk(pipe.Limits{}).append(nil, pipe.Message{Data: value}))
		for room := range 3 * size {
			l := &slowLink{room: room}
			c := newConn(l, mk(pipe.Limits{}), pipe.ConnInfo{Transport: "pipe"}, Options{})
			if flushed, err := c.Write([]pipe.Message{{Data: value}, {Data: value}, {Data: value}}); flushed || err != nil {
				t.Fatal(flushed, err)
			}
			c.Close(pipe.Reason{Code: pipe.CloseKicked, Text: "k"})
			c.out.own.Wait()
			in := mk(pipe.Limits{})
			got := tell(newConn(&byteLink{in: l.out.Bytes()}, in, pipe.ConnInfo{}, Options{}))
			want := strings.Repeat(fmt.Sprintf("[:message %s]\n", pipe.AppendString(nil, string(value))), (room+size-1)/size) +
				"[:message \"[:chsk/close {:code 4504 :reason \\\"k\\\"}]\"]\n[:end]\n"
			if got != want {
				t.Errorf("%s, %d bytes: %s expected %s", name, room, got, want)
			}
		}
	}
}
