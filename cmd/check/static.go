package main

import (
	"bytes"
	"context"
	"fmt"
	"go/format"
	"os"
	"path/filepath"
	"strings"
)

// allTags are the build tags that tests stand behind: see the package comment.
const allTags = "peers,soak,bb"

// format finds Go files that gofmt would change.
func (c *checker) format(context.Context) (r result) {
	files, err := c.files(".go")
	if err != nil {
		r.fail("format", err.Error())
		return r
	}
	var bad []string
	for _, file := range files {
		src, err := os.ReadFile(filepath.Join(c.root, file))
		if err != nil {
			r.fail("format", err.Error())
			return r
		}
		if want, err := format.Source(src); err != nil {
			bad = append(bad, fmt.Sprintf("%s: %v", file, err))
		} else if !bytes.Equal(src, want) {
			bad = append(bad, file)
		}
	}
	if len(bad) > 0 {
		r.fail("run gofmt -w on these", strings.Join(bad, "\n"))
	} else {
		r.pass()
	}
	return r
}

// vet vets everything, behind whatever tag, and in a full run the files of
// macOS and Windows too, tests included.
func (c *checker) vet(ctx context.Context) (r result) {
	systems := [][]string{nil}
	if c.mode.cross {
		systems = append(systems, target("darwin", "arm64"), target("windows", "amd64"))
	}
	for _, env := range systems {
		c.one(ctx, &r, env, "go", "vet", "-tags="+allTags, "./...")
	}
	return r
}

// staticcheck runs the version that testdata/tools pins.
func (c *checker) staticcheck(ctx context.Context) (r result) {
	c.one(ctx, &r, nil, "go", "tool", "-modfile=testdata/tools/go.mod", "staticcheck", "-tags="+allTags, "./...")
	return r
}

// build builds everything, without cgo, for each system that is supported.
func (c *checker) build(ctx context.Context) (r result) {
	for _, goos := range []string{"linux", "darwin", "windows"} {
		for _, goarch := range []string{"amd64", "arm64"} {
			c.one(ctx, &r, target(goos, goarch), "go", "build", "-buildvcs=false", "./...")
		}
	}
	return r
}

func target(goos, goarch string) []string {
	return []string{"CGO_ENABLED=0", "GOOS=" + goos, "GOARCH=" + goarch}
}

// one counts one program as one.
func (c *checker) one(ctx context.Context, r *result, env []string, name string, args ...string) {
	text, err := c.output(ctx, env, name, args...)
	if err == nil {
		r.pass()
		return
	}
	title := strings.Join(append(append(env[:len(env):len(env)], name), args...), " ")
	r.fail(title, text+err.Error())
}
