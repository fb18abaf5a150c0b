package pipe

import (
	"io"
	"testing"
	"testing/synctest"
	"time"
)

// A pausing is the Conn of a peer that says something after each of its pauses. It
// counts the goroutines that waited for that.
type pausing struct {
	pauses []time.Duration
	moves  int
	end    chan struct{}
}

func (p *pausing) Read(idle func() bool) (Message, error) {
	if !idle() {
		p.moves++
		return Message{}, ErrIdle
	}
	if len(p.pauses) == 0 {
		<-p.end
		return Message{}, io.EOF
	}
	time.Sleep(p.pauses[0])
	p.pauses = p.pauses[1:]
	return Message{Data: []byte("[:a/b 1]"), Text: true}, nil
}

func (p *pausing) Write(batch []Message) (bool, error) { return true, nil }
func (p *pausing) Flush() error                        { return nil }
func (p *pausing) Limit(Limits)                        {}
func (p *pausing) Speak(func([]byte) []byte)           {}
func (p *pausing) Info() ConnInfo                      { return ConnInfo{Transport: "mem", Upgraded: &Hello{Ours: true}} }
func (p *pausing) Close(Reason) error {
	select {
	case <-p.end:
	default:
		close(p.end)
	}
	return nil
}

// A link that is seldom spoken over waits on a fresh stack, one that is busy does not.
func TestLinkMovesOn(t *testing.T) {
	const short, long = 10 * time.Millisecond, 5 * time.Second
	for _, tt := range []struct {
		name   string
		pauses []time.Duration
		moves  int
	}{
		{"greeted", nil, 1},
		{"seldom", []time.Duration{long, long, long, long, long, long, long, long}, 9},
		{"busy", []time.Duration{short, short, short, short, short, short, short, short}, oftenMoves},
		{"busy, then not", []time.Duration{short, short, short, short, short, short, short, long}, oftenMoves + 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := NewHub(HubConfig{}, Settings{})
				p := &pausing{pauses: tt.pauses, end: make(chan struct{})}
				if !h.Attach(p) {
					t.Fatal("not attached")
				}
				time.Sleep(time.Minute)
				synctest.Wait()
				if p.moves != tt.moves || len(p.pauses) > 0 {
					t.Errorf("moved %d times, expected %d; %d messages were not read", p.moves, tt.moves, len(p.pauses))
				}
				p.Close(Reason{})
				if err := h.Shutdown(t.Context()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}
