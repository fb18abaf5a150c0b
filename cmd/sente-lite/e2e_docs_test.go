//go:build peers

package main_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/sente-lite/sente-lite/pipe/pack"
)

// TestAPIPage compares bb/API.md with what bb/doc/api.clj makes of the
// docstrings.
func TestAPIPage(t *testing.T) {
	page := filepath.Join(repository(t), "bb", "API.md")
	committed, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("java", "-XX:TieredStopAtLevel=1", "-Dfile.encoding=UTF-8", "-cp", clojureJars+":src", "clojure.main", "doc/api.clj")
	cmd.Dir = filepath.Dir(page)
	cmd.WaitDelay = stepTime
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	made, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr.Bytes())
	}
	if bytes.Equal(made, committed) {
		return
	}
	was, is := strings.Split(string(committed), "\n"), strings.Split(string(made), "\n")
	for i := range max(len(was), len(is)) {
		if i >= len(was) || i >= len(is) || was[i] != is[i] {
			t.Fatalf("bb/API.md is not what the docstrings say, first in line %d:\n  %s\nmade:\n  %s\nrun in bb: java -cp %s:src clojure.main doc/api.clj > API.md",
				i+1, strings.Join(was[min(i, len(was)):min(i+1, len(was))], ""), strings.Join(is[min(i, len(is)):min(i+1, len(is))], ""), clojureJars)
		}
	}
}

// TestFirstMessage runs the script and the page of bb/README.md as they stand
// there.
func TestFirstMessage(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join(repository(t), "bb", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	block := func(language, first string) []byte {
		m := regexp.MustCompile("(?s)```" + language + "\n(" + regexp.QuoteMeta(first) + "\n.*?)```").FindSubmatch(readme)
		if m == nil {
			t.Fatalf("bb/README.md has no %s that begins with %s", language, first)
		}
		return m[1]
	}
	script := bytes.Replace(block("clojure", ";; server.cljc"), []byte(":port 8090"), []byte(":port 0"), 1)
	page := bytes.TrimPrefix(block("html", "<!-- public/index.html -->"), []byte("<!-- public/index.html -->\n"))
	b := startBrowser(t)
	for _, platform := range platforms {
		t.Run(platform, func(t *testing.T) {
			b.t = t
			command := commandOf(t, platform)
			scittle, err := os.ReadFile(e2eFile(t, "npm", "node_modules", "scittle", "dist", "scittle.js"))
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			for name, data := range map[string][]byte{"server.cljc": script, "public/index.html": page, "public/scittle.js": scittle} {
				if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.CopyFS(filepath.Join(dir, "src"), os.DirFS(filepath.Join(repository(t), "bb", "src"))); err != nil {
				t.Fatal(err)
			}
			t.Chdir(dir)
			p := start(t, "server.cljc on "+platform, command...)
			b.open(platform, p.await(`^Open (http://\S+)$`)[1])
			b.sees(platform, "body", "Hello, Ada")
			b.close(platform)
			p.signal(syscall.SIGINT)
			p.exits()
		})
	}
	b.t = t
	if all := b.complaints("favicon.ico", "404 (Not Found)"); all != nil {
		t.Errorf("the pages' consoles:\n%s", strings.Join(all, "\n"))
	}
}

// TestBabashkaTasks reads bb/bb.edn and bb/deps.edn, since nobody here can run
// them: they are EDN, their paths are there, and `bb tasks` has words for each.
func TestBabashkaTasks(t *testing.T) {
	for _, file := range []string{"bb.edn", "deps.edn"} {
		text, err := os.ReadFile(filepath.Join(repository(t), "bb", file))
		if err != nil {
			t.Fatal(err)
		}
		v, err := pack.DecodeEDN(text)
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		m, _ := v.(map[any]any)
		paths, _ := m[pack.Keyword("paths")].([]any)
		if len(paths) == 0 || paths[0] != "src" {
			t.Errorf("%s: :paths are %v", file, paths)
		}
		if file != "bb.edn" {
			continue
		}
		if m[pack.Keyword("min-bb-version")] == nil {
			t.Error("bb.edn: no :min-bb-version")
		}
		tasks, _ := m[pack.Keyword("tasks")].(map[any]any)
		for name, task := range tasks {
			if _, isTask := name.(pack.Symbol); !isTask {
				continue
			}
			of, _ := task.(map[any]any)
			if of[pack.Keyword("doc")] == nil || of[pack.Keyword("task")] == nil {
				t.Errorf("bb.edn: the task %v has no :doc or no :task", name)
			}
		}
		if len(tasks) < 5 {
			t.Errorf("bb.edn: %d tasks", len(tasks))
		}
	}
}
