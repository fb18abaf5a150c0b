package client

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
)

func TestJoin(t *testing.T) {
	dir := fstest.MapFS{
		"sente-lite.js": {Data: []byte("/**\n * The head.\n */\n(function () {\n  // include a.js\n  /** A comment. */\n  f(); // f's own\n  g(\"; // stays\");\n})();\n")},
		"a.js":          {Data: []byte("// The part.\n\n/**\n * More.\n */\nfunction f() {\n  return \"// no comment\";\n}\n")},
	}
	want := "/**\n * The head.\n */\n(function () {\nfunction f() {\nreturn \"// no comment\";\n}\nf();\ng(\"; // stays\");\n})();\n"
	if got, err := Join(dir, "sente-lite.js"); err != nil || string(got) != want {
		t.Errorf("%v\n%s, expected\n%s", err, got, want)
	}
	delete(dir, "a.js")
	if _, err := Join(dir, "sente-lite.js"); err == nil || !strings.Contains(err.Error(), "a.js") {
		t.Errorf("a part that is not there: %v, expected an error that names it", err)
	}
}

func TestJSHasEveryPart(t *testing.T) {
	js := append(JS(), Msgpack()...)
	names, err := fs.Glob(parts, "*.js")
	if err != nil || len(names) < 2 {
		t.Fatal(names, err)
	}
	for _, name := range names {
		text, err := os.ReadFile(filepath.Join(".", name))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			line = strings.TrimLeft(line, " ")
			if strings.HasPrefix(line, "class ") && !bytes.Contains(js, []byte(line)) {
				t.Errorf("%s: %q is not in what is served", name, line)
			}
		}
	}
	if bytes.Contains(js, []byte("// include")) {
		t.Error("something was not included")
	}
}
