package bench

import (
	"bytes"
	"compress/flate"
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sente-lite/sente-lite/bridge/child"
	"github.com/sente-lite/sente-lite/pipe"
	"github.com/sente-lite/sente-lite/pipe/pack"
)

func TestMain(m *testing.M) {
	if code, ok := child.Keep(os.Args); ok {
		os.Exit(code)
	}
	if code, ok := Child(os.Args); ok {
		os.Exit(code)
	}
	os.Exit(m.Run())
}

// deflate is a compressor for these tests.
var deflate = &pipe.Layer{Name: "test-deflate", Compresses: true, New: func(bool) (pipe.Coder, *pipe.Error) {
	w, err := flate.NewWriter(nil, 1)
	if err != nil {
		return nil, &pipe.Error{Msg: err.Error()}
	}
	return deflater{w}, nil
}}

type deflater struct{ w *flate.Writer }

func (d deflater) Encode(dst, src []byte) ([]byte, error) {
	b := bytes.NewBuffer(dst)
	d.w.Reset(b)
	d.w.Write(src)
	err := d.w.Close()
	return b.Bytes(), err
}

func (deflater) Decode(dst, src []byte, limit int) ([]byte, error) {
	all, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(src)), int64(limit)))
	return append(dst, all...), err
}

// options are those of a run of few operations.
func options(t *testing.T) Options {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return Options{
		Time: time.Second, Count: 20, Size: 128, Peers: 3, Subscribers: 5, Program: program, Environ: os.Environ(),
		Packers: []pipe.Packer{pack.JSON}, Layers: []*pipe.Layer{deflate},
	}
}

// Every benchmark runs, says what it has to in a form that is read back, and leaves
// nothing behind.
func TestBenchmarks(t *testing.T) {
	every := []string{"us", "floor-us", "ratio", "spread", "n"}
	links := append([]string{"per-second", "time-ratio"}, every...)
	timed := append([]string{"p50-us", "p99-us", "max-us"}, links...)
	want := map[string]map[string][]string{
		"echo":     {"one at a time": timed, "3 links, 64 under way on each": links},
		"fanout":   {"sparse": timed, "dense, in bundles": links},
		"pipe":     {"64 frames a write": links},
		"queue":    {"put and drained": links},
		"children": {"asked, one at a time": timed},
		"packers":  {}, "compression": {},
	}
	for _, event := range []string{"chat", "log", "rows", "numbers", "mine"} {
		for _, packer := range []string{"edn", "json"} {
			want["packers"][event+", "+packer] = append([]string{"bytes", "of-edn", "pack-us", "unpack-us"}, every...)
			want["compression"][event+", "+packer+" test-deflate"] = append([]string{"bytes", "smaller", "compress-us", "expand-us", "mb-per-second"}, every...)
		}
	}
	if len(want) != len(All) {
		t.Errorf("there are %d benchmarks, and %d here", len(All), len(want))
	}
	for _, b := range All {
		t.Run(b.Name, func(t *testing.T) {
			defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
			o := options(t)
			mine, err := ReadSample("mine", strings.NewReader("[:my/event {:a 1}]\n\n; one more\n[[:my/question 2] \"cb\"]\n"))
			if err != nil {
				t.Fatal(err)
			}
			o.Samples = []Sample{mine}
			var saved bytes.Buffer
			var results []Result
			if err := Run(t.Context(), b, o, func(r Result) error {
				results = append(results, r)
				saved.Write(append(r.AppendEDN(nil, nil), '\n'))
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			cases := want[b.Name]
			if len(results) != len(cases) {
				t.Errorf("%d results, expected %d", len(results), len(cases))
			}
			for _, r := range results {
				for _, key := range cases[r.Case] {
					if v, ok := r.Figure(key); !ok || v < 0 || v == 0 && key != "spread" {
						t.Errorf("%s has %s %v %v", r.Case, key, v, ok)
					}
				}
				if n, _ := r.Figure("n"); cases[r.Case] == nil || n < float64(rounds*o.Count) {
					t.Errorf("%q has %v operations, expected at least %d", r.Case, n, rounds*o.Count)
				}
				if r.Case == "rows, edn" {
					if v, _ := r.Figure("of-edn"); v != 1 {
						t.Errorf("EDN is %v of EDN", v)
					}
				}
			}
			again, err := Read(&saved)
			if err != nil {
				t.Fatal(err)
			}
			for i, r := range again {
				if got, was := r.AppendEDN(nil, nil), results[i].AppendEDN(nil, nil); !bytes.Equal(got, was) {
					t.Errorf("read back:\n%s\nwritten:\n%s", got, was)
				}
				if c := Compare(results[i], again); c.Verdict != "same" {
					t.Errorf("%s compared with itself is %+v", r.Case, c)
				}
			}
			var text strings.Builder
			Text(&text, b, results, nil, Pen{}, func(_, s string) string { return s })
			for name := range cases {
				if strings.Count(text.String(), "\n  "+name+" ") != 1 {
					t.Errorf("%q is not in one row of\n%s", name, &text)
				}
			}
		})
	}
}

// What a packer cannot carry is said in its row; the others are measured.
func TestProblem(t *testing.T) {
	o := options(t)
	o.Samples = []Sample{{Name: "twice", Events: [][]byte{[]byte(`[:a/b {:a 1 "a" 2}]`)}}}
	for _, b := range All {
		if b.Name != "packers" && b.Name != "compression" {
			continue
		}
		problems, rest := 0, 0
		if err := Run(t.Context(), b, o, func(r Result) error {
			if strings.HasPrefix(r.Case, "twice, json") && r.Problem != "" && len(r.Figures) == 0 {
				problems++
			} else {
				rest++
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if problems != 1 || rest != 9 {
			t.Errorf("%s: %d problems and %d more results, expected 1 and 9", b.Name, problems, rest)
		}
	}
}

// A run that is ended tells what it has, and fails for nothing.
func TestEnded(t *testing.T) {
	for _, b := range All {
		t.Run(b.Name, func(t *testing.T) {
			defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
			ctx, cancel := context.WithCancel(t.Context())
			o := options(t)
			told := 0
			if err := Run(ctx, b, o, func(Result) error { told++; cancel(); return nil }); err != nil || told != 1 {
				t.Errorf("%d results, then %v; expected 1 and no error", told, err)
			}
			if err := Run(ctx, b, o, func(Result) error { told++; return nil }); err != nil || told != 1 {
				t.Errorf("%d results, then %v; expected none and no error", told-1, err)
			}
		})
	}
}

// What fails ends the run, and is said.
func TestFailures(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	o := options(t)
	o.Program = t.TempDir()
	i := slices.IndexFunc(All, func(b Benchmark) bool { return b.Name == "children" })
	err := Run(t.Context(), All[i], o, func(Result) error { t.Error("there is a result"); return nil })
	if bad := (*pipe.Error)(nil); !errors.As(err, &bad) {
		t.Errorf("a program that is none: %v", err)
	}
	full := errors.New("the disk is full")
	err = Run(t.Context(), All[0], options(t), func(Result) error { return full })
	if bad := (*pipe.Error)(nil); !errors.As(err, &bad) || !strings.Contains(bad.Msg, "echo: the disk is full") {
		t.Errorf("a stdout that takes nothing: %v", err)
	}
}

// A child that gets what is none of its business goes on; one whose parent ends, ends.
func TestChild(t *testing.T) {
	var in, out bytes.Buffer
	f := newFramer(nil, &in)
	for _, m := range []string{"[:sente-lite/ready {}]", "(((", `[[:bench/ask "hi"] "x1"]`, "[:chat/said 1]"} {
		if err := f.write([]byte(m)); err != nil {
			t.Fatal(err)
		}
	}
	if err := answer(&in, &out); err != nil {
		t.Fatal(err)
	}
	f = newFramer(&out, nil)
	for _, want := range []string{"[:sente-lite/hello {}]", `[:chsk/reply "x1" "hi"]`} {
		if got, err := f.read(); err != nil || string(got) != want {
			t.Errorf("it says %s, %v; expected %s", got, err, want)
		}
	}
	if err := answer(strings.NewReader("\x00\x00\x00\x09[:a"), io.Discard); err != io.ErrUnexpectedEOF {
		t.Errorf("half a frame: %v", err)
	}
	if err := answer(strings.NewReader("\xff\xff\xff\xff"), io.Discard); err == nil || !strings.Contains(err.Error(), "at most") {
		t.Errorf("a frame that is too large: %v", err)
	}
	if _, is := Child([]string{"sente-lite", "bench"}); is {
		t.Error("every process is a child")
	}
}

func FuzzReadSample(f *testing.F) {
	f.Add("[:a/b 1]\n\n;x\n[[:a/b] \"c\"]")
	f.Add("[:chsk/reply \"c\" 1]\n")
	f.Add("[:batch/events [[:a/b]]]")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ReadSample("x", strings.NewReader(text))
		if err == nil && len(s.Events) == 0 {
			t.Fatal("neither events nor an error")
		}
		for _, e := range s.Events {
			if _, err := pipe.Check(e, pipe.Limits{}); err != nil {
				t.Fatalf("%q was taken: %v", e, err)
			}
		}
	})
}
