package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// elfHead is the head of a program for Linux, static or not.
func elfHead(t *testing.T, interp bool) []byte {
	t.Helper()
	head := make([]byte, 64+56)
	copy(head, "\x7fELF\x02\x01\x01")
	head[16], head[18], head[20] = 2, 62, 1      // executable, x86-64, version
	head[32], head[52], head[54] = 64, 64, 56    // program headers stand at 64; sizes
	head[56], head[58] = 1, 64                   // one of them
	head[64], head[64+32], head[64+40] = 1, 0, 0 // PT_LOAD
	if interp {
		head[64] = 3
	}
	return head
}

// fakeReleaser builds and asks nothing.
func fakeReleaser(t *testing.T, out io.Writer) *releaser {
	t.Helper()
	root := t.TempDir()
	for _, file := range []string{"LICENSE", "README.md", clientFolder + "/sente-lite.js", clientFolder + "/sente-lite-msgpack.js"} {
		path := filepath.Join(root, filepath.FromSlash(file))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("the text of "+file), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return &releaser{
		root: root, out: out,
		build: func(_ context.Context, s system, file string) error {
			return os.WriteFile(file, append(elfHead(t, false), s.os+s.arch...), 0o600)
		},
		ask: func(_ context.Context, args ...string) ([]byte, error) {
			if args[0] == "version" {
				return []byte("{:version \"1.2.3\" :go \"go1\"}\n"), nil
			}
			return []byte("printed by " + strings.Join(args, " ")), nil
		},
		notices: func(context.Context, []system) ([]byte, error) { return []byte("notices"), nil },
	}
}

// unpacked reads an archive: the files' contents, with an x before those of programs.
func unpacked(t *testing.T, file string) map[string]string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	add := func(name string, mode os.FileMode, r io.Reader) {
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if mode.Perm()&0o111 != 0 {
			text = append([]byte("x"), text...)
		}
		found[name] = string(text)
	}
	if strings.HasSuffix(file, ".zip") {
		z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range z.File {
			r, err := f.Open()
			if err != nil {
				t.Fatal(err)
			}
			add(f.Name, f.Mode(), r)
		}
		return found
	}
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return found
		} else if err != nil {
			t.Fatal(err)
		}
		add(h.Name, h.FileInfo().Mode(), r)
	}
}

func TestRelease(t *testing.T) {
	var out bytes.Buffer
	r := fakeReleaser(t, &out)
	top := t.TempDir()
	first, second := filepath.Join(top, "new", "first"), filepath.Join(top, "second")
	if err := os.Mkdir(second, 0o700); err != nil { // empty: it may be there
		t.Fatal(err)
	}
	for _, dir := range []string{first, second} {
		if err := r.release(t.Context(), dir); err != nil {
			t.Fatal(err)
		}
	}
	files, err := os.ReadDir(first)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	sums := ""
	for _, f := range files {
		a, err := os.ReadFile(filepath.Join(first, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if b, err := os.ReadFile(filepath.Join(second, f.Name())); err != nil || !bytes.Equal(a, b) {
			t.Errorf("%s: the second time it has other bytes (%v)", f.Name(), err)
		}
		if f.Name() == "SHA256SUMS" {
			sums = string(a)
			continue
		}
		names = append(names, f.Name())
		if line := fmt.Sprintf("%x  %s\n", sha256.Sum256(a), f.Name()); out.Len() == 0 || !strings.Contains(out.String(), f.Name()) {
			t.Errorf("%s is not listed", line)
		}
	}
	for _, name := range names {
		data, _ := os.ReadFile(filepath.Join(first, name))
		if line := fmt.Sprintf("%x  %s\n", sha256.Sum256(data), name); !strings.Contains(sums, line) {
			t.Errorf("SHA256SUMS does not have %q", line)
		}
	}
	want := []string{
		"sente-lite-1.2.3-darwin-amd64.tar.gz", "sente-lite-1.2.3-darwin-arm64.tar.gz",
		"sente-lite-1.2.3-linux-amd64.tar.gz", "sente-lite-1.2.3-linux-arm64.tar.gz",
		"sente-lite-1.2.3-windows-amd64.zip", "sente-lite-1.2.3-windows-arm64.zip",
		"sente-lite-more.cljs", "sente-lite-msgpack.js", "sente-lite.cljs", "sente-lite.js",
	}
	if !slices.Equal(names, want) || strings.Count(sums, "\n") != len(want) {
		t.Errorf("found %q and %d sums, expected %q", names, strings.Count(sums, "\n"), want)
	}
	scittle, err := os.ReadFile(filepath.Join(first, "sente-lite.cljs"))
	if err != nil {
		t.Fatal(err)
	}
	more, err := os.ReadFile(filepath.Join(first, "sente-lite-more.cljs"))
	if err != nil || bytes.Contains(more, []byte("(ns sente-lite.core(")) || !bytes.Contains(more, []byte("(ns sente-lite.form(")) {
		t.Errorf("%v: sente-lite-more.cljs is not what goes behind sente-lite.cljs", err)
	}
	for _, s := range systems {
		folder := "sente-lite-1.2.3-" + s.os + "-" + s.arch
		file := folder + ".tar.gz"
		if s.os == "windows" {
			file = folder + ".zip"
		}
		want := map[string]string{
			s.program(): "x" + string(elfHead(t, false)) + s.os + s.arch,
			"LICENSE":   "the text of LICENSE", "README.md": "the text of README.md", "NOTICES.txt": "notices",
			"sente-lite.js":         "the text of " + clientFolder + "/sente-lite.js",
			"sente-lite-msgpack.js": "the text of " + clientFolder + "/sente-lite-msgpack.js",
			"sente-lite.cljs":       string(scittle), "sente-lite-more.cljs": string(more), "sente-lite.1": "printed by man",
			"completions/sente-lite.bash": "printed by completion bash", "completions/_sente-lite": "printed by completion zsh",
			"completions/sente-lite.fish": "printed by completion fish",
		}
		got := map[string]string{}
		for name, text := range unpacked(t, filepath.Join(first, file)) {
			got[strings.TrimPrefix(name, folder+"/")] = text
		}
		if !maps.Equal(got, want) {
			t.Errorf("%s has\n%q, expected\n%q", file, got, want)
		}
	}
	if !bytes.Contains(scittle, []byte("sente-lite 1.2.3 for Scittle")) {
		t.Errorf("the bundle does not say its version: %.100s", scittle)
	}
}

func TestReleaseRefuses(t *testing.T) {
	for _, tt := range []struct {
		name  string
		spoil func(r *releaser, dir string)
		want  string
	}{
		{"a folder with files", func(_ *releaser, dir string) {
			os.MkdirAll(dir, 0o700)
			os.WriteFile(filepath.Join(dir, "old"), nil, 0o600)
		}, "has files in it; name a folder that is empty or not there"},
		{"no man page", func(r *releaser, _ string) {
			ask := r.ask
			r.ask = func(ctx context.Context, args ...string) ([]byte, error) {
				if args[0] == "man" {
					return nil, errors.New("`sente-lite man`: exit status 2")
				}
				return ask(ctx, args...)
			}
		}, "`sente-lite man`: exit status 2"},
		{"an empty completion", func(r *releaser, _ string) {
			ask := r.ask
			r.ask = func(ctx context.Context, args ...string) ([]byte, error) {
				if slices.Contains(args, "zsh") {
					return []byte("\n"), nil
				}
				return ask(ctx, args...)
			}
		}, "prints nothing: expected completions/_sente-lite"},
		{"no version", func(r *releaser, _ string) {
			r.ask = func(context.Context, ...string) ([]byte, error) { return []byte("{}"), nil }
		}, "prints no :version"},
		{"a program that is not static", func(r *releaser, _ string) {
			r.build = func(_ context.Context, _ system, file string) error {
				return os.WriteFile(file, elfHead(t, true), 0o600)
			}
		}, "the program for linux on amd64 is not static"},
		{"a build that fails", func(r *releaser, _ string) {
			r.build = func(_ context.Context, s system, _ string) error { return errors.New("no " + s.os) }
		}, "no linux"},
		{"no license", func(r *releaser, _ string) { os.Remove(filepath.Join(r.root, "LICENSE")) }, "LICENSE"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := fakeReleaser(t, io.Discard)
			top := t.TempDir()
			dir := filepath.Join(top, "dist")
			tt.spoil(r, dir)
			before, _ := os.ReadDir(dir)
			if err := r.release(t.Context(), dir); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("found %v, expected an error with %q", err, tt.want)
			}
			if after, _ := os.ReadDir(dir); len(after) != len(before) {
				t.Errorf("%q is in the folder", after)
			}
			if left, _ := filepath.Glob(filepath.Join(top, ".release-*")); len(left) > 0 {
				t.Errorf("%q is left", left)
			}
		})
	}
}
