package main

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"net/http"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
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
		if page, _ := s.addresses(); page != "" {
			fmt.Fprintf(s.Stderr, "\n  %s is at  %s\n  Its pages reload when a file changes. Ctrl-C ends it.\n\n", s.Config.Static, page)
		}
		return w.run(ctx, s.Logger)
	})
}

// What withScript looks for. Comments, and the text of scripts and the like, are
// taken whole: what stands there like a tag is none.
var htmlParts = sync.OnceValue(func() *regexp.Regexp {
	const attributes = `(?:"[^"]*"|'[^']*'|[^>"'])*`
	whole := []string{`<!--.*?-->`, `</(?P<end>head|body)\s*>`}
	for _, name := range []string{"script", "style", "textarea", "title"} {
		whole = append(whole, `<`+name+`(?:[\s/]`+attributes+`)?>.*?</`+name+`\s*>`)
	}
	return regexp.MustCompile(`(?is)` + strings.Join(whole, "|"))
})

var ourScript = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?is)^<script\s[^>]*\bsrc\s*=\s*["']?[^"'>\s]*` + regexp.QuoteMeta(path.Base(devScriptPath)))
})

// withScript puts a script's tag into a page: at the end of its head, else of
// its body, else of it all. A page that has the script already is left alone.
func withScript(page []byte, tag string) []byte {
	if bytes.IndexByte(page, 0) >= 0 {
		return page // UTF-16, or no HTML at all
	}
	place, head := len(page), false
	for _, m := range htmlParts().FindAllSubmatchIndex(page, -1) {
		part := page[m[0]:m[1]]
		switch {
		case ourScript().Match(part):
			return page
		case m[2] < 0 || head: // no end, or not the first head's
		case strings.EqualFold(string(page[m[2]:m[3]]), "head"):
			place, head = m[0], true
		default:
			place = m[0]
		}
	}
	return slices.Concat(page[:place], []byte(tag), page[place:])
}
