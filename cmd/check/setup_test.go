//go:build unix

package main

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// machine is a PATH with programs of our own in front, and a checkout whose
// lock file is there. Only our own programs count as installed.
type machine struct {
	*checker
	bin, log string
}

func newMachine(t *testing.T) machine {
	t.Helper()
	m := machine{bin: t.TempDir()}
	m.log = filepath.Join(t.TempDir(), "log")
	t.Setenv("PATH", m.bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	t.Setenv("BIN", m.bin)
	t.Setenv("LOG", m.log)
	m.checker = module(t, map[string]string{"testdata/npm/package.json": "{}", "testdata/npm/package-lock.json": "1"})
	m.checker.out = io.Discard
	m.look = func(name string) bool {
		_, err := os.Stat(filepath.Join(m.bin, name))
		return err == nil
	}
	return m
}

func (m machine) program(t *testing.T, name, script string) {
	t.Helper()
	script = "#!/bin/sh\necho " + name + " \"$@\" >>\"$LOG\"\n" + script + "\n"
	if err := os.WriteFile(filepath.Join(m.bin, name), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
}

// called returns the calls of a program so far, without options.
func (m machine) called(t *testing.T, name string) (calls []string) {
	t.Helper()
	log, err := os.ReadFile(m.log)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(log)) {
		words := slices.DeleteFunc(strings.Fields(line), func(w string) bool { return strings.HasPrefix(w, "-") })
		if words[0] == name {
			calls = append(calls, strings.Join(words[1:], " "))
		}
	}
	return calls
}

const (
	installer = `case "$*" in *install*)
	for p in gcc node npm clojure chromium; do
		printf '#!/bin/sh\necho v20.1.0\n[ $# -lt 3 ] || mkdir "$2/node_modules"\necho '$p' "$@" >>"$LOG"\n' >"$BIN/$p"
		chmod +x "$BIN/$p"
	done ;;
esac`
	installerOnceUpdated = `case "$*" in *update*) touch "$BIN/lists" ;; *) [ -e "$BIN/lists" ] || exit 100 ;; esac
` + installer
)

func TestSetup(t *testing.T) {
	for _, tt := range []struct {
		name   string
		apt    string
		want   counted
		called []string // of apt-get
	}{
		{name: "installs what is missing", apt: installer, want: counted{passed: len(programs) + 1},
			called: []string{"install gcc libc6-dev nodejs npm clojure chromium"}},
		{name: "with new lists if need be", apt: installerOnceUpdated, want: counted{passed: len(programs) + 1},
			called: []string{"install gcc libc6-dev nodejs npm clojure chromium", "update",
				"install gcc libc6-dev nodejs npm clojure chromium"}},
		{name: "says so if it cannot", apt: "echo no network; exit 100",
			want: counted{failed: []string{"gcc", "node", "npm", "clojure", "chromium"}},
			called: []string{"install gcc libc6-dev nodejs npm clojure chromium", "update",
				"install gcc libc6-dev nodejs npm clojure chromium"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := newMachine(t)
			m.program(t, "apt-get", tt.apt)
			m.program(t, "sudo", `shift; exec "$@"`)
			r := m.setup(t.Context())
			tt.want.compare(t, &r)
			if got := m.called(t, "apt-get"); !slices.Equal(got, tt.called) {
				t.Errorf("apt-get was called with %q, want %q", got, tt.called)
			}
			for _, f := range r.failures {
				if !strings.Contains(f.text, "no network") {
					t.Errorf("%s: %q does not say why", f.title, f.text)
				}
			}
		})
	}
}

// TestSetupAgain shows that packages are installed once for each lock file.
func TestSetupAgain(t *testing.T) {
	m := newMachine(t)
	for _, p := range programs {
		m.program(t, p.name, "echo v22.0.0")
	}
	m.program(t, "npm", `rm -rf "$2/node_modules"; mkdir "$2/node_modules"`)
	for i, want := range []int{1, 1, 2} {
		if i == 2 {
			lock := filepath.Join(m.root, "testdata", "npm", "package-lock.json")
			if err := os.WriteFile(lock, []byte("2"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		r := m.setup(t.Context())
		counted{passed: len(programs) + 1}.compare(t, &r)
		if got := m.called(t, "npm"); len(got) != want {
			t.Errorf("setup %d: npm was called with %q, want %d calls", i+1, got, want)
		}
	}
}

func TestOldNode(t *testing.T) {
	m := newMachine(t)
	for _, p := range programs {
		m.program(t, p.name, "echo v18.19.1")
	}
	r := m.setup(t.Context())
	counted{passed: len(programs), failed: []string{"node"}}.compare(t, &r)
	if want := "found node v18.19.1, need 20 or later"; !strings.Contains(r.failures[0].text, want) {
		t.Errorf("the error is %q, want %q in it", r.failures[0].text, want)
	}
}

func TestFix(t *testing.T) {
	for _, p := range programs {
		if !strings.Contains(p.fix("linux"), "apt-get install") || !strings.Contains(p.fix("darwin"), "macOS") {
			t.Errorf("%s: %q and %q do not say what to install", p.name, p.fix("linux"), p.fix("darwin"))
		}
	}
}
