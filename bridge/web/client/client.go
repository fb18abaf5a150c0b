// Package client has the JavaScript client for pages, in parts and as the one
// file that is served.
package client

import (
	"embed"
	"fmt"
	"io/fs"
	"regexp"
)

//go:embed *.js
var parts embed.FS

// JS is what is served as /sente-lite.js.
func JS() []byte {
	js, err := Join(parts)
	if err != nil {
		panic(err) // of what was built in
	}
	return js
}

// Join makes the one file of the folder of the parts: sente-lite.js, where a
// line "// include FILE" is that file. The comment at its head stays; the other
// comments that have lines of their own, and indentation, are for who reads the
// parts: they would be a third of what each page loads.
func Join(dir fs.FS) ([]byte, error) {
	// Here, not in the package: a sidecar whose pages load no client never needs them.
	var (
		include = regexp.MustCompile(`(?m)^ *// include (\S+)\n`)
		comment = regexp.MustCompile(`(?m)^ *(?://.*|/\*\*(?s:.*?)\*/)\n`)
		indent  = regexp.MustCompile(`(?m)^ +`)
	)
	main, err := fs.ReadFile(dir, "sente-lite.js")
	if err != nil {
		return nil, err
	}
	main = include.ReplaceAllFunc(main, func(line []byte) []byte {
		part, e := fs.ReadFile(dir, string(include.FindSubmatch(line)[1]))
		if e != nil {
			err = fmt.Errorf("sente-lite.js includes what cannot be read: %w", e)
		}
		return part
	})
	head := 0
	if at := comment.FindIndex(main); at != nil && at[0] == 0 {
		head = at[1]
	}
	rest := indent.ReplaceAll(comment.ReplaceAll(main[head:], nil), nil)
	return append(main[:head:head], rest...), err
}
