package chaos

import (
	"encoding/binary"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
)

const (
	asks   = "GET /ws HTTP/1.1\r\nHost: x\r\nupgrade: WebSocket\r\nConnection: Upgrade\r\n\r\n"
	grants = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"
)

// frame is one of a WebSocket, as a direction has it.
func frame(d Dir, first byte, size int) []byte {
	b := []byte{first}
	mask := byte(0)
	if d == Up {
		mask = 0x80
	}
	switch {
	case size < 126:
		b = append(b, mask|byte(size))
	case size < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, mask|126), uint16(size))
	default:
		b = binary.BigEndian.AppendUint64(append(b, mask|127), uint64(size))
	}
	if d == Up {
		b = append(b, 0x88, 0x88, 0x88, 0x88)
	}
	for range size { // what a payload has is no frame
		b = append(b, 0x88)
	}
	return b
}

// found is where a tracker finds a close frame in text that comes in pieces of
// size n, -1 for nowhere.
func found(d Dir, text []byte, n int) int {
	w := wsTracker{dir: d}
	for at := 0; at < len(text); at += n {
		part := text[at:min(at+n, len(text))]
		if before, closes := w.next(part); closes {
			return at + before
		} else if before != len(part) {
			panic("bytes were left")
		}
	}
	return -1
}

func TestCloseFramesAreFound(t *testing.T) {
	for _, d := range []Dir{Up, Down} {
		head, other := []byte(grants), []byte(asks)
		if d == Up {
			head, other = other, head
		}
		frames := slices.Concat(frame(d, 0x81, 5), frame(d, 0x01, 0), frame(d, 0x89, 125), frame(d, 0x80, 126), frame(d, 0xc2, 70_000))
		all := slices.Concat(head, frames, frame(d, 0x88, 2))
		for _, tt := range []struct {
			what string
			text []byte
			at   int
		}{
			{"a close frame", all, len(head) + len(frames)},
			{"an empty one", slices.Concat(head, frame(d, 0x88, 0)), len(head)},
			{"none", slices.Concat(head, frames), -1},
			{"not a WebSocket", slices.Concat([]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), frame(d, 0x88, 0)), -1},
			{"no HTTP", slices.Concat([]byte("[:chat/msg]\n"), frame(d, 0x88, 0)), -1},
			{"the other side's head", slices.Concat(other, frame(d, 0x88, 0)), -1},
			{"the other side's frames", slices.Concat(head, frame(d.other(), 0x81, 3), frame(d, 0x88, 0)), -1},
			{"HTTP after a refusal", slices.Concat(head, []byte("POST / HTTP/1.1\r\n\r\n"), frame(d, 0x88, 0)), -1},
			{"a reserved opcode", slices.Concat(head, frame(d, 0x83, 1), frame(d, 0x88, 0)), -1},
			{"a head without an end", slices.Concat([]byte(strings.Repeat("x", maxHead)), head, frame(d, 0x88, 0)), -1},
		} {
			for _, n := range []int{1, 2, 3, 7, 1000, 1 << 20} {
				if got := found(d, tt.text, n); got != tt.at {
					t.Errorf("%v, %s, in pieces of %d: found at %d, expected %d", d, tt.what, n, got, tt.at)
				}
			}
		}
	}
}

// What is found does not depend on how the bytes come, and is a close frame.
func FuzzWebSocket(f *testing.F) {
	for _, d := range []Dir{Up, Down} {
		for _, head := range []string{asks, grants, "", "GET / HTTP/1.1\r\n\r\n"} {
			f.Add(slices.Concat([]byte(head), frame(d, 0x81, 3), frame(d, 0x88, 2)), d == Up, 2)
			f.Add(slices.Concat([]byte(head), frame(d, 0x82, 300), frame(d, 0x8a, 2)), d == Up, 3)
		}
	}
	f.Add([]byte(grants+"\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff\x88"), false, 1)
	f.Fuzz(func(t *testing.T, text []byte, up bool, n int) {
		d := Down
		if up {
			d = Up
		}
		n = 1 + (n&0xffff)%(len(text)+1)
		whole := found(d, text, len(text)+1)
		if parts := found(d, text, n); parts != whole {
			t.Fatalf("found at %d, in pieces of %d at %d", whole, n, parts)
		}
		if whole >= 0 && text[whole] != 0x88 {
			t.Fatalf("found at %d, where %x is", whole, text[whole])
		}
		// The bytes that a tracker has let pass it does not need again.
		w := wsTracker{dir: d}
		w.next(text)
		if len(w.head) > maxHead {
			t.Fatalf("holds %d bytes", len(w.head))
		}
	})
}

func TestDropClose(t *testing.T) {
	for _, d := range []Dir{Up, Down} {
		synctest.Test(t, func(t *testing.T) {
			_, client, server, l := wrapped(t, Options{Plan: fixed(d, Way{DropClose: true, How: FIN})})
			go io.WriteString(client, asks)
			read(t, server, asks)
			go io.WriteString(server, grants)
			read(t, client, grants)
			from, to, head := client, server, len(asks)
			if d == Down {
				from, to, head = server, client, len(grants)
			}
			message := string(frame(d, 0x81, 5))
			go from.Write([]byte(message + string(frame(d, 0x88, 2))))
			got, err := io.ReadAll(to)
			if err != nil || string(got) != message {
				t.Errorf("%q arrived, %v; expected the message alone", got, err)
			}
			want := string(Event{Name: "drop-close", Conn: 1, Dir: d, At: int64(head + len(message)), How: FIN}.AppendEDN(nil))
			if got := l.events(); !slices.Equal(got, []string{want}) {
				t.Errorf("got %q, expected %s", got, want)
			}
		})
	}
}
