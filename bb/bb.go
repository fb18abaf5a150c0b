// Package bb carries the Clojure library inside the binary: its sources, its
// examples, and the two files that a page in Scittle loads.
//
// The files under src are read by four platforms (select.go). What a platform
// reads of a file is found by a small reader of Clojure source (read.go), which
// the bundle for Scittle (bundle.go) and the check of cmd/check share.
package bb

import (
	"embed"
	"io/fs"
)

//go:embed all:src all:examples README.md
var files embed.FS

// Files are the library's: src, examples and README.md.
func Files() fs.FS { return files }

// Page is the library's page for its users, README.md.
func Page() string {
	text, err := fs.ReadFile(files, "README.md")
	if err != nil {
		panic(err) // it is embedded
	}
	return string(text)
}
