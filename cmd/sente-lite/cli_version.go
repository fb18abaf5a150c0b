package main

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/sente-lite/sente-lite/pipe"
)

// Version is that of the program, as in :sente-lite/ready.
const version = "0.1.0"

func (c *versionCommand) run(_ system, p *printer) error {
	commit, modified := "", false
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			switch s.Key {
			case "vcs.revision":
				commit = s.Value
			case "vcs.modified":
				modified = s.Value == "true"
			}
		}
	}
	b := fmt.Appendf(nil, "{:version %q :go %q :commit ", version, runtime.Version())
	if commit == "" {
		b = append(b, "nil"...)
	} else {
		b = pipe.AppendString(b, commit)
	}
	return p.value(fmt.Appendf(b, " :modified? %t}", modified), func(w io.Writer) {
		fmt.Fprintf(w, "sente-lite %s (%s", version, runtime.Version())
		if commit != "" {
			fmt.Fprintf(w, ", commit %.12s", commit)
		}
		if modified {
			fmt.Fprint(w, ", modified")
		}
		fmt.Fprintln(w, ")")
	})
}
