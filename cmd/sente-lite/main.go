// Command sente-lite joins Babashka scripts, browsers and programs by events:
// a sidecar of one script on its stdin and stdout, or a server of its own.
// "sente-lite --help" says how.
package main

import (
	"os"

	"github.com/sente-lite/sente-lite/bb"
	"github.com/sente-lite/sente-lite/bridge/child"
	"github.com/sente-lite/sente-lite/cmd/sente-lite/bench"
)

func main() {
	if code, ok := child.Keep(os.Args); ok {
		os.Exit(code)
	}
	if code, ok := bench.Child(os.Args); ok {
		os.Exit(code)
	}
	os.Exit(run(os.Args[1:], system{
		Stdin:    os.Stdin,
		Stdout:   os.Stdout,
		Stderr:   os.Stderr,
		Environ:  os.Environ(),
		Terminal: isTerminal(os.Stdin),
		Library:  bb.Files(),
	}))
}
