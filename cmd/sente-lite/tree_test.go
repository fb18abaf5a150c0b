package main_test

import (
	"bytes"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// topLevel is all that stands at the top of the repository, besides dotfiles
// and what .gitignore names there.
var topLevel = []string{"LICENSE", "README.md", "bb", "bridge", "cmd", "go.mod", "go.sum", "pipe", "plugins", "testdata"}

// maxLines bounds a source file outside of tests: one idea each, about 500 lines.
const maxLines = 520

func TestTopLevel(t *testing.T) {
	root := os.DirFS(repository(t))
	ignore, err := fs.ReadFile(root, ".gitignore")
	if err != nil {
		t.Fatal(err)
	}
	entries, err := fs.ReadDir(root, ".")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		name := e.Name()
		if strings.HasPrefix(name, ".") || slices.Contains(topLevel, name) || ignoredAtTop(string(ignore), name) {
			continue
		}
		t.Errorf("%s stands at the top of the repository; allowed there are %q and dotfiles", name, topLevel)
	}
}

// ignoredAtTop reports whether a line "/name" of .gitignore matches.
func ignoredAtTop(ignore, name string) bool {
	for line := range strings.Lines(ignore) {
		pattern, ok := strings.CutPrefix(strings.TrimSpace(line), "/")
		if match, err := path.Match(strings.TrimSuffix(pattern, "/"), name); ok && err == nil && match {
			return true
		}
	}
	return false
}

func TestFilesAreShort(t *testing.T) {
	root := repository(t)
	for _, file := range sources(t, root) {
		if !hasAnySuffix(file, ".go", ".clj", ".cljc", ".cljs", ".bb", ".js", ".mjs") || isTest(file) {
			continue
		}
		data, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(data, []byte("\n")); n > maxLines {
			t.Errorf("%s has %d lines, more than %d: it has more than one idea", file, n, maxLines)
		}
	}
}

// isTest reports whether a file is a test's, by its own name or its folder's.
func isTest(file string) bool {
	for _, folder := range strings.Split(path.Dir(file), "/") {
		if folder == "test" || folder == "testdata" {
			return true
		}
	}
	base := strings.TrimSuffix(path.Base(file), path.Ext(file))
	return hasAnySuffix(base, "_test", ".test")
}

var (
	fencedCode = regexp.MustCompile("(?ms)^ *(```|~~~).*?^ *(```|~~~) *$")
	inlineCode = regexp.MustCompile("`[^`\n]*`")
	inlineLink = regexp.MustCompile(`\](?:\(<([^>]+)>|\(([^)\s]+))(?: +"[^"]*")?\)`)
	namedLink  = regexp.MustCompile(`(?m)^ *\[[^\]]+\]: +(?:<([^>]+)>|(\S+))`)
	withScheme = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9+.-]*:`)
)

// linkedFiles returns the files that a Markdown text links to.
func linkedFiles(text string) (files []string) {
	text = fencedCode.ReplaceAllString(text, "")
	text = inlineCode.ReplaceAllString(text, "")
	for _, pattern := range []*regexp.Regexp{inlineLink, namedLink} {
		for _, m := range pattern.FindAllStringSubmatch(text, -1) {
			file, _, _ := strings.Cut(m[1]+m[2], "#")
			if file != "" && !withScheme.MatchString(file) {
				files = append(files, file)
			}
		}
	}
	return files
}

func TestLinksLeadSomewhere(t *testing.T) {
	root := repository(t)
	for _, file := range sources(t, root) {
		if path.Ext(file) != ".md" {
			continue
		}
		text, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			t.Fatal(err)
		}
		for _, link := range linkedFiles(string(text)) {
			if _, err := os.Stat(filepath.Join(root, path.Dir(file), link)); err != nil {
				t.Errorf("%s links to %s, which is not there", file, link)
			}
		}
	}
}

// TestTreeFinds shows that the tests above find what they are there for.
func TestTreeFinds(t *testing.T) {
	text := "See [a](a.md#top), [b](<b c.md> \"title\"), ![c](img/c.png \"title\"), [web](https://x.org/d.md), [here](#e).\n" +
		"`[f](f.md)`\n\n```clojure\n[g](g.md)\n```\n\n[h]: h.md\n[i]: mailto:i@x.org\n"
	if got, want := linkedFiles(text), []string{"a.md", "b c.md", "img/c.png", "h.md"}; !slices.Equal(got, want) {
		t.Errorf("linkedFiles found %q, want %q", got, want)
	}
	for name, want := range map[string]bool{"dist": true, "sente-lite": true, "notes": false, "distance": false} {
		if got := ignoredAtTop("# built\n/dist/\n/sente-lite\nnotes\n", name); got != want {
			t.Errorf("ignoredAtTop(%q) = %v, want %v", name, got, want)
		}
	}
	for file, want := range map[string]bool{
		"pipe/hub.go": false, "pipe/hub_test.go": true, "testdata/plugins/echo/main.go": true,
		"bb/test/a.cljc": true, "bb/src/testing.cljc": false, "bridge/web/page.test.mjs": true,
	} {
		if got := isTest(file); got != want {
			t.Errorf("isTest(%q) = %v, want %v", file, got, want)
		}
	}
}

// repository returns the repository's root: two folders above this package.
func repository(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(root, "go.mod")); err != nil {
		t.Fatal(err)
	}
	return root
}

// sources lists the repository's own files: nothing installed, nothing hidden.
func sources(t *testing.T, root string) (files []string) {
	t.Helper()
	err := fs.WalkDir(os.DirFS(root), ".", func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		hidden := strings.HasPrefix(d.Name(), ".") && file != "."
		if d.IsDir() && (hidden || d.Name() == "node_modules") {
			return fs.SkipDir
		}
		if !d.IsDir() && !hidden {
			files = append(files, file)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func hasAnySuffix(s string, suffixes ...string) bool {
	return slices.ContainsFunc(suffixes, func(suffix string) bool { return strings.HasSuffix(s, suffix) })
}

// The README's script is the one that a test runs against a browser, to the
// letter.
func TestReadmeShowsTheScript(t *testing.T) {
	root := repository(t)
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	script, err := os.ReadFile(filepath.Join(root, "testdata", "e2e", "hello.cljs"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(readme), "```clojure\n"+strings.TrimSpace(string(script))+"\n```") {
		t.Error("README.md does not show testdata/e2e/hello.cljs as it is")
	}
	// Its first script and page are those of the library's page, which a test runs.
	library, err := os.ReadFile(filepath.Join(root, "bb", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, begin := range []string{"```clojure\n;; server.cljc\n", "```html\n<!-- public/index.html -->\n"} {
		_, rest, ok := strings.Cut(string(library), begin)
		code, _, closed := strings.Cut(rest, "\n```")
		if !ok || !closed || !strings.Contains(string(readme), begin+code+"\n```") {
			t.Errorf("README.md does not show what begins with %q as bb/README.md does", begin)
		}
	}
}
