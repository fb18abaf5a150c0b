package main

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// module writes files below a new module and returns its checker.
func module(t *testing.T, files map[string]string) *checker {
	t.Helper()
	dir := t.TempDir()
	files["go.mod"] = "module example.org/m\n\ngo 1.26.0\n"
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	m := &mode{name: "test", test: time.Minute, fuzz: 20 * time.Millisecond}
	return &checker{root: dir, mode: m, out: io.Discard, look: func(string) bool { return false }}
}

// TestGo runs the steps that use the real go command on a small module.
func TestGo(t *testing.T) {
	c := module(t, map[string]string{
		"good/good.go": "package good\n",
		"good/good_test.go": `package good

import "testing"

func TestGood(t *testing.T)      {}
func BenchmarkGood(b *testing.B) {}
func FuzzGood(f *testing.F)      { f.Fuzz(func(*testing.T, string) {}) }
`,
		"good/peers_test.go": "//go:build peers\n\npackage good\n\nimport \"testing\"\n\nfunc TestPeer(t *testing.T) { t.Fatal(\"no answer\") }\n",
		"good/soak_test.go":  "//go:build soak\n\npackage good\n\nimport \"testing\"\n\nfunc TestLong(t *testing.T) {}\n",
		"bad/bad_test.go":    "package bad\n\nimport \"testing\"\n\nfunc TestSkip(t *testing.T) { t.Skip(\"today\") }\nfunc TestBad(t *testing.T) { panic(\"boom\") }\n",
		"broken/b_test.go":   "package broken\n\nimport \"testing\"\n\nfunc TestBroken(t *testing.T) { undefined() }\n",
		"node_modules/x.go":  "package   unformatted\n",
	})
	const m = "example.org/m/"
	for _, tt := range []struct {
		name string
		run  step
		want counted
	}{
		{name: "unit", run: step{run: (*checker).unit},
			want: counted{passed: 2, failed: []string{m + "bad TestBad", m + "broken"}, skipped: []string{m + "bad TestSkip"}}},
		{name: "peers", run: step{run: (*checker).peers}, want: counted{failed: []string{m + "good TestPeer"}}},
		{name: "soak", run: step{run: (*checker).soak}, want: counted{passed: 1}},
		{name: "benchmarks", run: step{run: (*checker).benchmarks}, want: counted{passed: 1}},
		{name: "fuzz", run: step{run: (*checker).fuzz}, want: counted{passed: 1}},
		{name: "vet", run: step{run: (*checker).vet}, want: counted{failed: []string{"go vet -tags=" + allTags + " ./..."}}},
		{name: "format", run: step{run: (*checker).format}, want: counted{failed: []string{"run gofmt -w on these"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := tt.run.run(c, t.Context())
			slices.SortFunc(r.failures, func(a, b note) int { return strings.Compare(a.title, b.title) })
			tt.want.compare(t, &r)
			if tt.name == "format" && strings.TrimSpace(r.failures[0].text) != "bad/bad_test.go" {
				t.Errorf("not formatted: %q", r.failures[0].text)
			}
			if tt.name == "peers" && len(r.notes) != 1 {
				t.Errorf("a missing bb has the notes %q, want one", r.notes)
			}
		})
	}
}

func TestEndOfTime(t *testing.T) {
	for text, want := range map[string]bool{
		"--- FAIL: FuzzA (5.01s)\n    context deadline exceeded\n":                                                      true,
		"--- FAIL: FuzzA (5.01s)\n    context deadline exceeded\n    Failing input written to testdata/fuzz/FuzzA/1f\n": false,
		"--- FAIL: FuzzA (0.01s)\n    a_test.go:3: boom\n":                                                              false,
	} {
		if got := endOfTime(text); got != want {
			t.Errorf("endOfTime(%q) = %v, want %v", text, got, want)
		}
	}
}
