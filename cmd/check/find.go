package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
)

// A testFunc is one test, benchmark, fuzz target or example.
type testFunc struct{ pkg, name string }

// testFuncs lists what `go test -tags` would find, package by package, without
// building anything.
func (c *checker) testFuncs(ctx context.Context, tags string) ([]testFunc, error) {
	type pkg struct {
		ImportPath, Dir           string
		TestGoFiles, XTestGoFiles []string
	}
	var out []byte
	errs, err := c.lines(ctx, func(stdout io.Reader) { out, _ = io.ReadAll(stdout) },
		"go", "list", "-e", "-tags="+tags, "-json=ImportPath,Dir,TestGoFiles,XTestGoFiles", "./...")
	if err != nil {
		return nil, fmt.Errorf("go list -tags=%s: %w\n%s", tags, err, errs)
	}
	var found []testFunc
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return found, nil
		} else if err != nil {
			return nil, fmt.Errorf("go list -tags=%s: %w", tags, err)
		}
		for _, file := range append(p.TestGoFiles, p.XTestGoFiles...) {
			names, err := testNames(filepath.Join(p.Dir, file))
			if err != nil {
				return nil, err
			}
			for _, name := range names {
				found = append(found, testFunc{p.ImportPath, name})
			}
		}
	}
}

// testNames returns the names of a file's functions that go test runs.
func testNames(file string) (names []string, err error) {
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
	if f == nil {
		return nil, err
	}
	// What of a broken file was understood is enough: its build fails anyway.
	for _, decl := range f.Decls {
		fn, ok := decl.(*ast.FuncDecl)
		if !ok || fn.Recv != nil || fn.Name.Name == "TestMain" {
			continue
		}
		for _, prefix := range []string{"Test", "Benchmark", "Fuzz", "Example"} {
			if strings.HasPrefix(fn.Name.Name, prefix) {
				names = append(names, fn.Name.Name)
			}
		}
	}
	return names, nil
}

// added returns the packages and the names of what is in after and not in before.
func added(before, after []testFunc) (pkgs, names []string) {
	for _, f := range after {
		if !slices.Contains(before, f) {
			pkgs = append(pkgs, f.pkg)
			names = append(names, f.name)
		}
	}
	slices.Sort(pkgs)
	slices.Sort(names)
	return slices.Compact(pkgs), slices.Compact(names)
}

func anyOf(names []string) string { return "^(" + strings.Join(names, "|") + ")$" }

// files lists the checkout's own files whose name ends so, as slash-separated
// paths below the root: nothing installed, nothing hidden.
func (c *checker) files(suffix string) ([]string, error) {
	var found []string
	err := filepath.WalkDir(c.root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() {
			if path != c.root && (name == "node_modules" || strings.HasPrefix(name, ".")) {
				return filepath.SkipDir
			}
			return nil
		}
		if strings.HasSuffix(name, suffix) {
			rel, err := filepath.Rel(c.root, path)
			if err != nil {
				return err
			}
			found = append(found, filepath.ToSlash(rel))
		}
		return nil
	})
	return found, err
}
