package main_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// exampleNames are the folders of bb/examples.
func exampleNames(t *testing.T) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(repository(t), "bb", "examples"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	if len(names) == 0 {
		t.Fatal("bb/examples is empty")
	}
	return names
}

// TestExamples looks at what every example has: a page that says what it shows,
// a script, and the look that it shares with the others by being a copy of it.
func TestExamples(t *testing.T) {
	var look string
	for _, name := range exampleNames(t) {
		read := func(file string) string {
			text, err := os.ReadFile(filepath.Join(repository(t), "bb", "examples", name, file))
			if err != nil {
				t.Error(err)
			}
			return string(text)
		}
		if title, _, _ := strings.Cut(read("README.md"), "\n"); !strings.HasPrefix(title, "# "+name+": ") {
			t.Errorf("%s/README.md begins with %q, expected %q and one sentence", name, title, "# "+name+": ")
		}
		if script := read("server.cljc"); !strings.Contains(script, "(s/start! ") || !strings.Contains(script, `"PORT"`) {
			t.Errorf("%s/server.cljc does not start a sidecar at the port of the environment", name)
		}
		page, css := read("pages/index.html"), read("pages/look.css")
		if strings.Contains(page, "//") {
			t.Errorf("%s/pages/index.html fetches something from elsewhere", name)
		}
		if look == "" {
			look = css
		}
		if css != look {
			t.Errorf("%s/pages/look.css is not the same as in %s", name, exampleNames(t)[0])
		}
	}
}
