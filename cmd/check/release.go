package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"

	"github.com/sente-lite/sente-lite/bb"
	"github.com/sente-lite/sente-lite/bridge/web/client"
)

// A releaser makes the files of a release. What it asks of Go and of the built
// program are functions, so that the tests need neither.
type releaser struct {
	root string // of the checkout
	out  io.Writer

	build   func(ctx context.Context, s system, file string) error      // builds the program
	ask     func(ctx context.Context, args ...string) ([]byte, error)   // what the program for this machine prints
	notices func(ctx context.Context, systems []system) ([]byte, error) // the licenses of what is built in
}

// A system is one that a release is for.
type system struct{ os, arch string }

var systems = []system{
	{"linux", "amd64"}, {"linux", "arm64"}, {"darwin", "amd64"}, {"darwin", "arm64"}, {"windows", "amd64"}, {"windows", "arm64"},
}

// program is the name of the binary there.
func (s system) program() string {
	if s.os == "windows" {
		return "sente-lite.exe"
	}
	return "sente-lite"
}

// asked are the files whose text the program prints itself.
var asked = []struct {
	file string
	args []string
}{
	{"sente-lite.1", []string{"man"}},
	{"completions/sente-lite.bash", []string{"completion", "bash"}},
	{"completions/_sente-lite", []string{"completion", "zsh"}},
	{"completions/sente-lite.fish", []string{"completion", "fish"}},
}

// clientFolder is where the client for pages is, in parts, and clientFiles is what
// is made of them.
const clientFolder = "bridge/web/client"

var clientFiles = []string{"sente-lite.js", "sente-lite-msgpack.js"}

// release fills a folder, which must be empty or not there: an archive for each
// system, what a page loads, and SHA256SUMS of them all. Where something fails
// there is no folder.
func (r *releaser) release(ctx context.Context, dir string) error {
	if found, err := os.ReadDir(dir); err == nil && len(found) > 0 {
		return fmt.Errorf("%s has files in it; name a folder that is empty or not there", dir)
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o777); err != nil {
		return err
	}
	work, err := os.MkdirTemp(filepath.Dir(dir), ".release-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	files, err := r.files(ctx, work)
	if err != nil {
		return err
	}
	made := filepath.Join(work, "made")
	if err := os.Mkdir(made, 0o777); err != nil {
		return err
	}
	for _, f := range files {
		if err := os.WriteFile(filepath.Join(made, f.name), f.data, 0o666); err != nil {
			return err
		}
	}
	if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Rename(made, dir); err != nil {
		return err
	}
	fmt.Fprintf(r.out, "%s:\n", dir)
	for _, f := range files {
		fmt.Fprintf(r.out, "%9s  %s\n", size(len(f.data)), f.name)
	}
	return nil
}

// files makes the files of a release.
func (r *releaser) files(ctx context.Context, work string) ([]entry, error) {
	printed, err := r.ask(ctx, "version", "--edn")
	if err != nil {
		return nil, err
	}
	m := regexp.MustCompile(`:version "([0-9A-Za-z.+-]+)"`).FindSubmatch(printed)
	if m == nil {
		return nil, fmt.Errorf("`sente-lite version --edn` prints no :version: %q", printed)
	}
	version := string(m[1])
	common, err := r.common(ctx, version)
	if err != nil {
		return nil, err
	}
	var all []entry
	for _, s := range systems {
		fmt.Fprintf(r.out, "building for %s on %s\n", s.os, s.arch)
		file := filepath.Join(work, s.os+"-"+s.arch)
		if err := r.build(ctx, s, file); err != nil {
			return nil, err
		}
		program, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		if err := mustBeStatic(s, program); err != nil {
			return nil, err
		}
		entries := append([]entry{{s.program(), program, true}}, common...)
		name := fmt.Sprintf("sente-lite-%s-%s-%s", version, s.os, s.arch)
		pack, ending := tarGz, ".tar.gz"
		if s.os == "windows" {
			pack, ending = zipped, ".zip"
		}
		data, err := pack(name, entries)
		if err != nil {
			return nil, fmt.Errorf("%s%s: %w", name, ending, err)
		}
		all = append(all, entry{name: name + ending, data: data})
	}
	for _, e := range common {
		if strings.HasSuffix(e.name, ".cljs") || slices.Contains(clientFiles, e.name) {
			all = append(all, e)
		}
	}
	return append(all, entry{name: "SHA256SUMS", data: sums(all)}), nil
}

// common are the files that every archive has beside the program.
func (r *releaser) common(ctx context.Context, version string) ([]entry, error) {
	var all []entry
	for name, file := range map[string]string{"LICENSE": "LICENSE", "README.md": "README.md"} {
		data, err := os.ReadFile(filepath.Join(r.root, filepath.FromSlash(file)))
		if err != nil {
			return nil, err
		}
		all = append(all, entry{name: name, data: data})
	}
	parts := os.DirFS(filepath.Join(r.root, filepath.FromSlash(clientFolder)))
	for _, name := range clientFiles {
		js, err := client.Join(parts, name)
		if err != nil {
			return nil, err
		}
		all = append(all, entry{name: name, data: js})
	}
	for _, a := range asked {
		data, err := r.ask(ctx, a.args...)
		if err != nil {
			return nil, err
		}
		if len(bytes.TrimSpace(data)) == 0 {
			return nil, fmt.Errorf("`sente-lite %s` prints nothing: expected %s", a.args, a.file)
		}
		all = append(all, entry{name: a.file, data: data})
	}
	scittle, err := bb.Scittle(version)
	if err != nil {
		return nil, err
	}
	more, err := bb.ScittleMore(version)
	if err != nil {
		return nil, err
	}
	notices, err := r.notices(ctx, systems)
	if err != nil {
		return nil, err
	}
	all = append(all, entry{name: "sente-lite.cljs", data: scittle}, entry{name: "sente-lite-more.cljs", data: more}, entry{name: "NOTICES.txt", data: notices})
	slices.SortFunc(all, func(a, b entry) int { return bytes.Compare([]byte(a.name), []byte(b.name)) })
	return all, nil
}

// sums is what `sha256sum -c` reads.
func sums(files []entry) []byte {
	var b []byte
	for _, f := range files {
		b = fmt.Appendf(b, "%x  %s\n", sha256.Sum256(f.data), f.name)
	}
	return b
}

func size(n int) string {
	switch {
	case n < 10_000:
		return fmt.Sprintf("%d B", n)
	case n < 1_000_000:
		return fmt.Sprintf("%d kB", n/1000)
	}
	return fmt.Sprintf("%.1f MB", float64(n)/1e6)
}

// release builds the checkout's program, and asks the one for this machine for
// its manual and completions.
func (c *checker) release(ctx context.Context, dir string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "sente-lite-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	here := system{runtime.GOOS, runtime.GOARCH}
	native := filepath.Join(work, here.program())
	if err := c.buildProgram(ctx, here, native); err != nil {
		return err
	}
	r := &releaser{root: c.root, out: c.out, build: c.buildProgram, notices: c.licenses}
	r.ask = func(ctx context.Context, args ...string) ([]byte, error) { return c.printed(ctx, native, args...) }
	return r.release(ctx, dir)
}
