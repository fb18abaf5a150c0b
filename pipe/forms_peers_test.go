//go:build peers

package pipe_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sente-lite/sente-lite/pipe"
	"github.com/sente-lite/sente-lite/pipe/pack"
	"github.com/sente-lite/sente-lite/pipe/pipetest"
	"github.com/sente-lite/sente-lite/pipe/transport"
)

// valueChains are the forms between which values travel; the packers by themselves first.
var valueChains = []string{"edn", "msgpack", "json", "mirror", "edn,gzip", "msgpack,gzip", "msgpack,zstd", "msgpack,deflate-raw", "msgpack,aes-gcm", "msgpack,gzip,aes-gcm", "json,gzip"}

// A porter is a peer of a form that sends values to others, and gets them.
type porter struct {
	link *pipetest.Dressed
	uid  string
	got  chan string
}

func newPorter(t *testing.T, h *pipe.Hub, chain string) *porter {
	t.Helper()
	form, bad := h.Form(chain)
	if bad != nil {
		t.Fatal(bad)
	}
	c, s := transport.Mem(transport.MemOptions{Server: asClient})
	h.Attach(s)
	d, err := pipetest.Dress(c, form, false)
	if err != nil {
		t.Fatal(err)
	}
	p := &porter{link: d, got: make(chan string, 4096)}
	p.say(t, fmt.Sprintf(`[:sente-lite/hello {:bundle true :packer [:%s]}]`, strings.ReplaceAll(chain, ",", " :")))
	m, err := d.Read(nil)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(m.Data), `:uid "`)
	p.uid, _, _ = strings.Cut(rest, `"`)
	go func() {
		defer close(p.got)
		for {
			m, err := d.Read(nil)
			if err != nil {
				return
			}
			i, err := pipe.Split(m.Data, pipe.Limits{})
			if err != nil {
				p.got <- "unreadable: " + err.Error()
				return
			}
			if i.Shape != pipe.ShapeBundle {
				p.got <- string(m.Data)
				continue
			}
			for e := pipe.Elements(i.Body); ; {
				v, more := e.Next()
				if !more {
					break
				}
				p.got <- string(v)
			}
		}
	}()
	return p
}

func (p *porter) say(t *testing.T, edn string) {
	t.Helper()
	done, err := p.link.Write([]pipe.Message{{Data: []byte(edn)}})
	if err == nil && !done {
		err = p.link.Flush()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// carry sends values to another peer, some in a bundle, and returns what arrives.
func (p *porter) carry(t *testing.T, to *porter, values []string) []string {
	t.Helper()
	var arrived []string
	for len(values) > 0 {
		n := min(40, len(values))
		var b strings.Builder
		for _, v := range values[:n] {
			fmt.Fprintf(&b, "[:msg/send-to-client {:to-uid %q :message %s\n}]\n", to.uid, v)
		}
		p.say(t, "[:batch/events ["+b.String()+"]]")
		for range n {
			select {
			case got := <-to.got:
				v, ok := []byte(nil), false
				if i, err := pipe.Split([]byte(got), pipe.Limits{}); err == nil {
					v, ok = pipe.Lookup(i.Body, ":message")
				}
				if !ok {
					t.Fatalf("%.300s has arrived", got)
				}
				arrived = append(arrived, string(v))
			case got := <-p.got:
				t.Fatalf("the sender is told %s", got)
			case <-time.After(20 * time.Second):
				t.Fatalf("nothing arrives of\n%s", b.String())
			}
		}
		values = values[n:]
	}
	return arrived
}

// vectorTexts are the values of testdata/values that Clojure can read.
func vectorTexts(t *testing.T) (texts []string) {
	t.Helper()
	all, err := os.ReadFile(filepath.Join("..", "testdata", "values", "accepted.edn"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(all)) {
		if !strings.HasPrefix(line, "{") || strings.Contains(line, ":clojure :refused") {
			continue
		}
		in, _ := pipe.Lookup([]byte(line), ":in")
		text, err := pipe.Unquote(in)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if value, err := pipe.Check([]byte(text), pipe.Limits{}); err == nil {
			texts = append(texts, string(value))
		}
	}
	return texts
}

// TestValuesBetweenForms sends values of all kinds from each form to each other, through a
// sidecar. On the JVM what arrives is = to what was sent, and prints alike; between JSON and
// any other form it is what the table of JSON says.
func TestValuesBetweenForms(t *testing.T) {
	m := &valueMaker{r: rand.New(rand.NewPCG(3, 5))}
	var values []string
	for len(values) < 2500 {
		v := m.value(4)
		if _, err := pipe.Check([]byte(v), pipe.Limits{}); err != nil {
			t.Fatalf("%q is no EDN: %v", v, err)
		}
		values = append(values, v)
	}
	odd := append(vectorTexts(t), values...)
	var plain []string // what JSON can carry: {:a 1 "a" 2} it cannot
	for _, v := range values {
		if _, err := pack.JSON.Pack(nil, []byte(v)); err == nil {
			plain = append(plain, v)
		}
	}
	if len(plain) < len(values)*9/10 {
		t.Fatalf("JSON carries %d of %d values", len(plain), len(values))
	}
	h := pipe.NewHub(formsConfig(), pipe.Settings{Flow: pipe.Flow{EventBuffer: time.Millisecond}})
	porters := map[string]*porter{}
	others := map[string]*porter{} // of the same forms: a value goes from one peer to another
	for _, c := range valueChains {
		porters[c], others[c] = newPorter(t, h, c), newPorter(t, h, c)
	}
	type pair struct{ kind, sent, got string }
	known, pairs := map[pair]string{}, []pair{}
	arrivals := map[string][]string{} // by the packers
	total := 0
	for _, from := range valueChains {
		for _, to := range valueChains {
			a, _, layered := strings.Cut(from, ",")
			b, _, layered2 := strings.Cut(to, ",")
			kind, set := ":exact", odd
			if a == "json" || b == "json" {
				kind, set = ":json", plain
			}
			layered = layered || layered2
			if layered {
				set = set[:200]
			}
			got := porters[from].carry(t, others[to], set)
			total += len(got)
			if layered {
				for i, v := range got {
					if want := arrivals[a+" "+b][i]; v != want {
						t.Fatalf("%s → %s: %q arrives as\n%q, without layers as\n%q", from, to, set[i], v, want)
					}
				}
				continue
			}
			arrivals[a+" "+b] = got
			for i, v := range got {
				p := pair{kind, set[i], v}
				if known[p] == "" {
					pairs = append(pairs, p)
					known[p] = from + " → " + to
				}
			}
		}
	}
	for _, c := range valueChains {
		for _, p := range []*porter{porters[c], others[c]} {
			p.link.Close(pipe.Reason{Code: pipe.CloseNormal})
		}
	}
	if err := h.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	in, err := os.Create(filepath.Join(t.TempDir(), "pairs"))
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	var lines bytes.Buffer
	for _, p := range pairs {
		line := append([]byte("["), p.kind...)
		line = pipe.AppendString(append(line, ' '), p.sent)
		line = pipe.AppendString(append(line, ' '), p.got)
		lines.Write(append(line, "]\n"...))
	}
	if _, err := in.Write(lines.Bytes()); err != nil {
		t.Fatal(err)
	}
	if _, err := in.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("clojure", filepath.Join("..", "testdata", "edn", "forms.clj"))
	var complaints bytes.Buffer
	cmd.Stdin, cmd.Stderr = in, &complaints
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, complaints.Bytes())
	}
	verdicts := strings.Split(strings.TrimRight(string(out), "\n"), "\n")
	if len(verdicts) != len(pairs) {
		t.Fatalf("%d of %d pairs were judged\n%s", len(verdicts), len(pairs), complaints.Bytes())
	}
	if len(pairs) < 2*len(values) { // by way of EDN only, bytes are what they were
		t.Errorf("%d pairs of texts say too little", len(pairs))
	}
	wrong := 0
	for i, v := range verdicts {
		if v == "ok" {
			continue
		}
		if wrong++; wrong <= 20 {
			t.Errorf("%s: %q arrives as\n%q: %s", known[pairs[i]], pairs[i].sent, pairs[i].got, v)
		}
	}
	t.Logf("%d values arrived, %d pairs of texts were compared in Clojure, %d differ", total, len(pairs), wrong)
}
