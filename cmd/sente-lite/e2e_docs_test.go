//go:build peers && unix

package main_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
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

// readmeBlock returns a piece of code of bb/README.md, which begins with the name
// of its file as a comment.
func readmeBlock(t *testing.T, language, first string) string {
	t.Helper()
	readme, err := os.ReadFile(filepath.Join(repository(t), "bb", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(readme), "```"+language+"\n"+first+"\n")
	code, _, closed := strings.Cut(rest, "```")
	if !ok || !closed {
		t.Fatalf("bb/README.md has no %s that begins with %s", language, first)
	}
	return code
}

// scriptFolder makes a folder with the library and the files, and goes there.
func scriptFolder(t *testing.T, files map[string]string) {
	t.Helper()
	dir := t.TempDir()
	for name, data := range files {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.CopyFS(filepath.Join(dir, "src"), os.DirFS(filepath.Join(repository(t), "bb", "src"))); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
}

// TestFirstMessage runs the first script and page of bb/README.md as they stand
// there.
func TestFirstMessage(t *testing.T) {
	scittle, err := os.ReadFile(e2eFile(t, "npm", "node_modules", "scittle", "dist", "scittle.js"))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{
		"server.cljc":       strings.Replace(readmeBlock(t, "clojure", ";; server.cljc"), ":port 8090", ":port 0", 1),
		"public/index.html": readmeBlock(t, "html", "<!-- public/index.html -->"),
		"public/scittle.js": string(scittle),
	}
	b := startBrowser(t)
	for _, platform := range platforms {
		t.Run(platform, func(t *testing.T) {
			b.t = t
			command := commandOf(t, platform)
			scriptFolder(t, files)
			p := start(t, "server.cljc on "+platform, command...)
			b.open(platform, p.await(`^Open (http://\S+)$`)[1])
			b.sees(platform, "body", "Hello, Ada")
			b.close(platform)
			p.signal(syscall.SIGINT)
			p.exits()
		})
	}
	b.t = t
	if all := b.complaints("404 (Not Found)"); all != nil { // the icon
		t.Errorf("the pages' consoles:\n%s", strings.Join(all, "\n"))
	}
}

// TestFirstWorker runs the worker of bb/README.md, with what there is instead of
// bb.
func TestFirstWorker(t *testing.T) {
	for _, platform := range platforms {
		t.Run(platform, func(t *testing.T) {
			command := commandOf(t, platform)
			command = command[:len(command)-1]
			boss := readmeBlock(t, "clojure", ";; boss.cljc")
			with := strings.Replace(boss, `"bb"`, `"`+strings.Join(command, `" "`)+`"`, 1)
			if with == boss {
				t.Fatal("the script starts no bb")
			}
			scriptFolder(t, map[string]string{"boss.cljc": with, "worker.cljc": readmeBlock(t, "clojure", ";; worker.cljc")})
			p := start(t, "boss.cljc on "+platform, append(command, "boss.cljc")...)
			p.await(`^6$`)
			p.signal(syscall.SIGINT)
			p.exits()
		})
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
