package pipe_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sente-lite/sente-lite/pipe"
	"olympos.io/encoding/edn"
)

// TestVectors plays testdata/flow, which the Clojure library plays as well. There the
// steps move a pure function; here a hub has an owner, who queues, and a peer, who is
// "they". What a step queues goes to the hub in one message, so that it is written
// together, as there.
func TestVectors(t *testing.T) {
	files, err := filepath.Glob("../testdata/flow/*.edn")
	if err != nil || len(files) < 5 {
		t.Fatalf("found %d files in testdata/flow (%v)", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var cases []flowCase
		if err := edn.Unmarshal(text, &cases); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for _, c := range cases {
			if c.Only == "client" {
				continue
			}
			t.Run(filepath.Base(file)+"/"+c.Name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { c.play(t) })
			})
		}
	}
}

type flowCase struct {
	Name  string      `edn:"name"`
	Only  edn.Keyword `edn:"only"`
	Given flowGiven   `edn:"given"`
	Steps [][]any     `edn:"steps"`
}

type flowGiven struct {
	Theirs     int   `edn:"theirs"`
	BufferMs   int   `edn:"buffer-ms"`
	BufferSize int   `edn:"buffer-size"`
	Frame      int   `edn:"frame"`
	Recover    *bool `edn:"recover"`
}

// A flowPlay is a case that is being played.
type flowPlay struct {
	*testing.T
	hub      *pipe.Hub
	owner    *player
	peer     *returning
	began    time.Time
	queued   []string          // for the hub, in the owner's next message
	asked    map[string]string // the names of their calls as the owner has them
	calls    int
	received int // the last that a step has said, -1 before
	sent     int
	resumed  bool // and nothing is known to be written since
}

func (c flowCase) play(t *testing.T) {
	s := pipe.Settings{Flow: pipe.Flow{
		EventBuffer:     time.Duration(c.Given.BufferMs) * time.Millisecond,
		EventBufferSize: c.Given.BufferSize, MaxFrameSize: c.Given.Frame,
	}}
	recovers := c.Given.Recover == nil || *c.Given.Recover
	p := &flowPlay{T: t, hub: newTestHub(t, pipe.HubConfig{}, s), asked: map[string]string{}, received: -1, sent: -1}
	p.owner = join(t, p.hub, "owner", asOwner, "[:sente-lite/hello {:handler true :bundle true}]", false)
	defer p.owner.leave()
	hello := fmt.Sprintf(":bundle true :recover %v", recovers)
	if c.Given.Theirs > 0 {
		hello += fmt.Sprint(" :credit ", c.Given.Theirs)
	}
	p.peer = comeIn(t, p.hub, asClient, hello)
	p.began = time.Now()
	for _, step := range c.Steps {
		p.step(step)
	}
	p.flush()
	if recovers && (p.received >= 0 || p.sent >= 0) {
		p.counts()
	}
	p.peer.send(t, "[:chsk/close {:code 1000}]")
	synctest.Wait()
	p.peer.leave()
}

func (p *flowPlay) step(step []any) {
	texts := func(from int) (all []string) {
		for _, x := range step[from:] {
			all = append(all, x.(string))
		}
		return all
	}
	option := func(name string) (int, bool) {
		v, ok := step[1].(map[any]any)[edn.Keyword(name)].(int64)
		return int(v), ok
	}
	switch kind := step[0].(edn.Keyword); kind {
	case "queue":
		for _, text := range texts(2) {
			p.queue(step[1].(edn.Keyword), text)
		}
	case "time":
		p.flush()
		time.Sleep(time.Duration(step[1].(int64))*time.Millisecond - time.Since(p.began))
		synctest.Wait()
	case "received":
		for _, text := range texts(1) {
			p.peer.send(p.T, text)
		}
		synctest.Wait()
		p.hear()
	case "written":
		p.flush()
		p.resumed = false
		var got []string
		for len(p.peer.in) > 0 {
			got = append(got, sameCalls(<-p.peer.in))
		}
		want := texts(1)
		for i := range want {
			want[i] = sameCalls(want[i])
		}
		if !slices.Equal(got, want) {
			p.Fatalf("%v: written are %q", step, got)
		}
	case "numbers":
		// A hub writes at once: there is no moment between queued, or resumed, and written.
		if n, ok := option("unacked"); ok && len(p.queued) == 0 && !p.resumed {
			if got := p.unacked(); got != n {
				p.Errorf("%v: %d are unacknowledged", step, got)
			}
		}
		if n, ok := option("received"); ok {
			p.received = n
		}
		if n, ok := option("sent"); ok {
			p.sent = n
		}
	case "lost":
		p.flush()
		p.peer.cut()
		synctest.Wait()
	case "resumed":
		p.flush()
		seen, _ := option("seen")
		more := ":bundle true"
		if n, ok := option("theirs"); ok {
			more += fmt.Sprint(" :credit ", n)
		}
		p.peer = p.peer.back(p.T, p.hub, asClient, seen, more)
		p.peer.told(p.T, ":recovered? true :missed 0")
		p.resumed = true
	default:
		p.Fatalf("%v is no step", step)
	}
}

// queue has the owner send something to the peer.
func (p *flowPlay) queue(what edn.Keyword, text string) {
	switch what {
	case "event":
		text = fmt.Sprintf("[:sente-lite/send {:to %q :event %s}]", p.peer.uid, text)
	case "call":
		p.calls++
		event, _, _ := strings.Cut(text[1:], ` "`)
		text = fmt.Sprintf(`[[:sente-lite/request {:to %q :event %s :timeout-ms 60000}] "r%d"]`, p.peer.uid, event, p.calls)
	case "reply":
		for theirs, ours := range p.asked {
			text = strings.Replace(text, `"`+theirs+`"`, `"`+ours+`"`, 1)
		}
	default:
		p.Fatalf("%q cannot be queued", what)
	}
	p.queued = append(p.queued, text)
}

// flush sends what is queued and waits until nothing moves.
func (p *flowPlay) flush() {
	if len(p.queued) > 0 {
		p.owner.send(p.T, "[:batch/events ["+strings.Join(p.queued, " ")+"]]")
		p.queued = nil
	}
	synctest.Wait()
}

var askedCall = regexp.MustCompile(`:event \[:a/ask\]\}\] "([^"]*)"`)

// hear takes what the owner has got, for the names of their calls.
func (p *flowPlay) hear() {
	for len(p.owner.in) > 0 {
		if m := askedCall.FindStringSubmatch(<-p.owner.in); m != nil {
			p.asked["x1"] = m[1]
		}
	}
}

func (p *flowPlay) unacked() (n int) {
	p.hear()
	p.owner.send(p.T, fmt.Sprintf(`[[:sente-lite/queues {:to %q}] "queues"]`, p.peer.uid))
	got, _ := p.owner.next(p.T, "the queues")
	_, rest, _ := strings.Cut(got, ":unacked ")
	if _, err := fmt.Sscan(rest, &n); err != nil {
		p.Fatalf("the queues are %s", got)
	}
	return n
}

// counts compares how much the hub has received and sent with what the last steps have
// said: by coming back once more than was sent, and then with that.
func (p *flowPlay) counts() {
	session := p.peer.session
	p.peer.cut()
	synctest.Wait()
	seen := max(p.sent, 0)
	p.peer = p.peer.back(p.T, p.hub, asClient, seen, "")
	p.peer.told(p.T, ":recovered? true :missed 0")
	if p.received >= 0 {
		p.peer.told(p.T, fmt.Sprintf(":seen %d ", p.received))
	}
	if p.sent < 0 {
		return
	}
	p.peer.cut()
	synctest.Wait()
	p.peer = p.peer.back(p.T, p.hub, asClient, p.sent+1, "")
	p.peer.told(p.T, ":recovered? false", ":reason :ahead")
	if p.peer.session == session {
		p.Errorf("%d items were sent, or more than the %d of the case", p.sent+1, p.sent)
	}
}

var callName = regexp.MustCompile(`(\[\[:a/[^"]*\]) "[^"]*"\]`)

// sameCalls gives calls one name: everybody has their own.
func sameCalls(text string) string { return callName.ReplaceAllString(text, `$1 "c"]`) }
