package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// samples reads a folder of testdata/babashka as if it were the library.
func samples(t *testing.T, inv *inventory, folder string) (all []source) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("..", "..", "testdata", "babashka", folder, "*"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no samples in %s: %v", folder, err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		s := source{"bb/src/sente_lite/" + filepath.Base(path), text}
		all = append(all, s)
		inv.know(s)
	}
	return all
}

func testInventory(t *testing.T) *inventory {
	t.Helper()
	inv, err := newInventory(filepath.Join("..", "..", "testdata", "babashka"))
	if err != nil {
		t.Fatal(err)
	}
	return inv
}

func TestBabashkaTakesWhatIsGood(t *testing.T) {
	inv := testInventory(t)
	for _, s := range samples(t, inv, "good") {
		for _, found := range inv.check(s) {
			t.Error(found)
		}
	}
}

// TestBabashkaFinds: a bad sample says in its last comments what is found, and
// nothing else is.
func TestBabashkaFinds(t *testing.T) {
	inv := testInventory(t)
	for _, s := range samples(t, inv, "bad") {
		t.Run(filepath.Base(s.name), func(t *testing.T) {
			found := inv.check(s)
			expected := 0
			for line := range strings.Lines(string(s.text)) {
				at, text, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), ";; "), ": ")
				if !ok || !strings.HasPrefix(line, ";; ") {
					continue
				}
				expected++
				begins := fmt.Sprintf("%s:%s: ", s.name, at)
				n := 0
				for _, f := range found {
					if strings.HasPrefix(f, begins) && strings.Contains(f, text) {
						n++
					}
				}
				if n != 1 {
					t.Errorf("%d times found: line %s: %s", n, at, text)
				}
			}
			if expected == 0 || len(found) != expected {
				t.Errorf("expected %d findings, found\n%s", expected, strings.Join(found, "\n"))
			}
		})
	}
}

func TestBabashkaStep(t *testing.T) {
	root := t.TempDir()
	if err := os.CopyFS(filepath.Join(root, "testdata", "babashka"), os.DirFS(filepath.Join("..", "..", "testdata", "babashka"))); err != nil {
		t.Fatal(err)
	}
	c := &checker{root: root, mode: full}
	if r := c.babashka(t.Context()); len(r.failures) != 1 || !strings.Contains(r.failures[0].text, "no Clojure file") {
		t.Errorf("without a file: %+v", r)
	}
	for name, text := range map[string]string{
		"bb/src/a.cljc": "(ns a) (defn f [] (java.util.Timer.))", "bb/examples/x/b.bb": "(ns b (:require a))",
		"bb/test/c.cljs": "(ns c)", "bb/README.md": "(", "other/d.clj": "(",
	} {
		path := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r := c.babashka(t.Context())
	if r.passed != 2 || len(r.failures) != 1 || r.failures[0].title != "bb/src/a.cljc" || strings.Count(r.failures[0].text, "bb/src/a.cljc:1: ") != 3 {
		t.Errorf("%+v", r)
	}
}
