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
	js, err := Join(parts, "sente-lite.js")
	if err != nil {
		panic(err) // of what was built in
	}
	return js
}

// Msgpack is what is served as /sente-lite-msgpack.js: the packer of pages that
// ask for MessagePack.
func Msgpack() []byte {
	js, err := Join(parts, "sente-lite-msgpack.js")
	if err != nil {
		panic(err) // of what was built in
	}
	return js
}

// Join makes one file of the parts in a folder: the named one, where a line
// "// include FILE" is that file. The comment at its head stays; the others,
// blank lines and indentation are for who reads the parts: they would be a third
// of what each page loads.
func Join(dir fs.FS, name string) ([]byte, error) {
	// Here, not in the package: a sidecar whose pages load no client never needs them.
	var (
		include = regexp.MustCompile(`(?m)^ *// include (\S+)\n`)
		comment = regexp.MustCompile(`(?m)^ *(?://.*|/\*\*(?s:.*?)\*/)\n`)
		// What a line ends with: in a string that is open there, a quote would follow.
		trailing = regexp.MustCompile("(?m)([;,{}()\\]]) +// (?:[^\"'`\\n]|\\w'\\w)*$")
		indent   = regexp.MustCompile(`(?m)^ +`)
		blank    = regexp.MustCompile(`\n\n+`)
	)
	main, err := fs.ReadFile(dir, name)
	if err != nil {
		return nil, err
	}
	main = include.ReplaceAllFunc(main, func(line []byte) []byte {
		part, e := fs.ReadFile(dir, string(include.FindSubmatch(line)[1]))
		if e != nil {
			err = fmt.Errorf("%s includes what cannot be read: %w", name, e)
		}
		return part
	})
	head := 0
	if at := comment.FindIndex(main); at != nil && at[0] == 0 {
		head = at[1]
	}
	rest := indent.ReplaceAll(comment.ReplaceAll(main[head:], nil), nil)
	rest = blank.ReplaceAll(trailing.ReplaceAll(rest, []byte("$1")), []byte("\n"))
	return append(main[:head:head], rest...), err
}
