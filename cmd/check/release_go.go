package main

import (
	"bytes"
	"cmp"
	"context"
	"debug/elf"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// buildProgram builds the program for a system, without what differs between
// two checkouts of the same commit.
func (c *checker) buildProgram(ctx context.Context, s system, file string) error {
	text, err := c.output(ctx, target(s.os, s.arch), "go", "build", "-trimpath", "-ldflags=-s -w", "-o", file, "./cmd/sente-lite")
	if err != nil {
		return fmt.Errorf("go build for %s on %s: %w\n%s", s.os, s.arch, err, text)
	}
	return nil
}

// printed runs the program and returns what it prints on stdout.
func (c *checker) printed(ctx context.Context, program string, args ...string) ([]byte, error) {
	var out []byte
	var readErr error
	errs, err := c.lines(ctx, func(stdout io.Reader) { out, readErr = io.ReadAll(stdout) }, program, args...)
	if err = cmp.Or(err, readErr); err != nil {
		return nil, fmt.Errorf("`sente-lite %s`: %w\n%s", strings.Join(args, " "), err, errs)
	}
	return out, nil
}

// mustBeStatic refuses a program for Linux that needs a dynamic loader.
func mustBeStatic(s system, program []byte) error {
	if s.os != "linux" {
		return nil // their system libraries are always linked
	}
	f, err := elf.NewFile(bytes.NewReader(program))
	if err != nil {
		return fmt.Errorf("the program for %s on %s: %w", s.os, s.arch, err)
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return fmt.Errorf("the program for %s on %s is not static", s.os, s.arch)
		}
	}
	return nil
}

// A library is a module that is built into the program.
type library struct{ path, version, dir string }

// licenses is the text of the licenses of all that is built into the program on
// some of the systems, which ask for that.
func (c *checker) licenses(ctx context.Context, systems []system) ([]byte, error) {
	found := map[library]bool{}
	for _, s := range systems {
		text, err := c.output(ctx, target(s.os, s.arch), "go", "list", "-deps",
			"-f={{with .Module}}{{if not .Main}}{{.Path}}\t{{.Version}}\t{{.Dir}}{{end}}{{end}}", "./cmd/sente-lite")
		if err != nil {
			return nil, fmt.Errorf("go list for %s on %s: %w\n%s", s.os, s.arch, err, text)
		}
		for line := range strings.Lines(text) {
			if part := strings.Split(strings.TrimSpace(line), "\t"); len(part) == 3 {
				found[library{part[0], part[1], part[2]}] = true
			}
		}
	}
	goroot, err := c.output(ctx, nil, "go", "env", "GOROOT")
	if err != nil {
		return nil, fmt.Errorf("go env GOROOT: %w\n%s", err, goroot)
	}
	found[library{"The Go standard library", "", strings.TrimSpace(goroot)}] = true

	var all []library
	for l := range found {
		all = append(all, l)
	}
	slices.SortFunc(all, func(a, b library) int { return cmp.Or(cmp.Compare(a.path, b.path), cmp.Compare(a.version, b.version)) })
	out := []byte("sente-lite is made with these. Each stands under its own license.\n")
	for _, l := range all {
		text, err := licenseIn(l.dir)
		if err != nil {
			return nil, fmt.Errorf("the license of %s: %w", l.path, err)
		}
		title := strings.TrimSpace(l.path + " " + l.version)
		out = fmt.Appendf(out, "\n%s\n%s\n\n%s\n", title, strings.Repeat("-", len(title)), bytes.TrimSpace(text))
	}
	return out, nil
}

func licenseIn(dir string) ([]byte, error) {
	for _, name := range []string{"LICENSE", "LICENSE.txt", "LICENSE.md", "COPYING"} {
		if text, err := os.ReadFile(filepath.Join(dir, name)); err == nil {
			return text, nil
		}
	}
	return nil, fmt.Errorf("%s has neither LICENSE nor COPYING", dir)
}
