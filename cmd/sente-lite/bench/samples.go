package bench

import (
	"bytes"
	"fmt"
	"io"

	"github.com/sente-lite/sente-lite/pipe"
)

// A Sample is a kind of event: what its packed and compressed sizes are depends on it.
type Sample struct {
	Name   string
	Events [][]byte // EDN
}

// perSample is how many events there are of each kind of ours, and in a bundle that is
// compressed.
const perSample = 100

// samples are ours, the same at each run, and the user's behind them.
func (r *runner) samples() []Sample {
	all := []Sample{
		made("chat", func(i int, pick func(...string) string) string {
			return fmt.Sprintf(`[:chat/said {:room "lobby" :from %q :text %q :at %d}]`, pick("ada", "grace", "alan", "edsger"),
				pick("good morning", "who has the keys to the lab?", "ship it", "see you at ten", "no, that is the other one")+" "+pick("!", "…", ":)", "ok"), 1790000000000+i*1371)
		}),
		made("log", func(i int, pick func(...string) string) string {
			return fmt.Sprintf(`[:log/entry {:level %s :ns %q :line %d :msg "request %d %s in %d ms" :thread "worker-%d"}]`,
				pick(":info", ":info", ":debug", ":warn"), pick("app.http.handler", "app.db.pool", "app.jobs"), 17+i*7%400, 40000+i, pick("done", "failed", "retried"), i*i%250, i%8)
		}),
		made("rows", func(i int, pick func(...string) string) string {
			return fmt.Sprintf(`[:table/rows {:table "orders" :rows [{:id %d :customer/name %q :total %d.%02dM :paid? %s} {:id %d :customer/name %q :total %d.50M :paid? %s}]}]`,
				2*i, pick("Lovelace", "Hopper", "Turing"), 10+i*13%900, i%100, pick("true", "false"), 2*i+1, pick("Dijkstra", "Knuth"), 7+i*29%700, pick("true", "false"))
		}),
		made("numbers", func(i int, pick func(...string) string) string {
			s := "[:sensor/samples ["
			for k := range 24 {
				s += fmt.Sprintf("%d.%03d ", (i*31+k*7)%90-45, (i*577+k*131)%1000)
			}
			return s + fmt.Sprintf("%d %d]]", i, i*1_000_003)
		}),
	}
	return append(all, r.Samples...)
}

// made makes a sample. pick takes one of its words, as a dice would that always falls
// the same.
func made(name string, event func(i int, pick func(...string) string) string) Sample {
	s := Sample{Name: name}
	dice := uint32(1)
	pick := func(words ...string) string {
		dice = dice*1664525 + 1013904223
		return words[int(dice>>16)%len(words)]
	}
	for i := range perSample {
		s.Events = append(s.Events, []byte(event(i, pick)))
	}
	return s
}

// What a sample of the user's own may hold.
const (
	maxSampleBytes  = 16 << 20
	maxSampleEvents = 10_000
)

// ReadSample reads events, one a line.
func ReadSample(name string, from io.Reader) (Sample, error) {
	s := Sample{Name: name}
	text, err := io.ReadAll(io.LimitReader(from, maxSampleBytes+1))
	if err != nil {
		return s, err
	}
	if len(text) > maxSampleBytes {
		return s, fmt.Errorf("more than %d bytes; a part of it would do", maxSampleBytes)
	}
	n := 0
	for line := range bytes.Lines(text) {
		n++
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == ';' {
			continue
		}
		if len(s.Events) == maxSampleEvents {
			return s, fmt.Errorf("more than %d events; a part of them would do", maxSampleEvents)
		}
		if i, err := pipe.Split(line, pipe.Limits{}); err != nil {
			return s, fmt.Errorf("line %d: %w; expected an event like [:chat/said {:text \"hi\"}]", n, err)
		} else if i.Shape != pipe.ShapeEvent && i.Shape != pipe.ShapeCall {
			return s, fmt.Errorf("line %d is no event; expected one like [:chat/said {:text \"hi\"}]", n)
		}
		s.Events = append(s.Events, line)
	}
	if len(s.Events) == 0 {
		return s, fmt.Errorf("there is no event in it")
	}
	return s, nil
}

func bytesOf(all [][]byte) (n int) {
	for _, b := range all {
		n += len(b)
	}
	return n
}
