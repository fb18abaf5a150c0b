package main

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"net/http"
	"path"
	"strings"
	"time"

	"golang.org/x/net/html"
)

// devCommand is serve for a folder of pages.
type devCommand struct {
	Dir string `arg:"" help:"The folder."`
}

const (
	devScriptPath = "/sente-lite-dev.js"
	devEventsPath = "/sente-lite-dev/events"
)

//go:embed dev/dev.js
var devScript []byte

func (g *grammar) dev(sys system) int {
	if g.Static != nil {
		return newPrinter(sys, formText).fail(misuse("leave --static out", "a folder and --static; expected one of them"))
	}
	g.Static = &g.Dev.Dir
	return g.start(sys, runDev)
}

// runDev is serve with live reload. What it adds to pages, it adds on their way
// out: the files stay as they are.
func runDev(c *cliContext) int {
	w := newWatch(c.Config.Static)
	script := strings.TrimRight(c.Config.BasePath, "/") + devScriptPath
	d := defaults{
		http: serveDefaults.http, nextPort: true, socket: true,
		amend: func(page []byte) []byte {
			return withScript(page, fmt.Sprintf(`<script async src="%s" data-state="%s"></script>`, script, w.now()))
		},
		also: map[string]http.Handler{
			devScriptPath: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				rw.Header().Set("Cache-Control", "no-cache")
				http.ServeContent(rw, r, "dev.js", time.Time{}, bytes.NewReader(devScript))
			}),
			devEventsPath: w,
		},
	}
	return serve(c, d, func(ctx context.Context, s *sidecar) error {
		page, _ := s.addresses()
		fmt.Fprintf(s.Stderr, "\n  %s is at  %s\n  Its pages reload when a file changes. Ctrl-C ends it.\n\n", s.Config.Static, page)
		return w.run(ctx, s.Logger)
	})
}

// withScript puts a script's tag into a page: at the end of its head, else of
// its body, else of it all. A page that has the script already is left alone.
func withScript(page []byte, tag string) []byte {
	if bytes.IndexByte(page, 0) >= 0 {
		return page // UTF-16, or no HTML at all
	}
	head, body, at := -1, -1, 0
	for z := html.NewTokenizer(bytes.NewReader(page)); ; {
		kind := z.Next()
		if kind == html.ErrorToken {
			break
		}
		from := at
		at += len(z.Raw())
		if kind != html.StartTagToken && kind != html.EndTagToken {
			continue
		}
		name, more := z.TagName()
		switch {
		case kind == html.StartTagToken && string(name) == "script":
			for more {
				var key, value []byte
				key, value, more = z.TagAttr()
				src, _, _ := strings.Cut(string(value), "?")
				if string(key) == "src" && path.Base(src) == path.Base(devScriptPath) {
					return page
				}
			}
		case kind == html.EndTagToken && string(name) == "head" && head < 0:
			head = from
		case kind == html.EndTagToken && string(name) == "body":
			body = from
		}
	}
	place := len(page)
	if head >= 0 {
		place = head
	} else if body >= 0 {
		place = body
	}
	return append(append(append(make([]byte, 0, len(page)+len(tag)), page[:place]...), tag...), page[place:]...)
}
