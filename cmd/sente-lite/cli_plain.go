package main

import (
	"slices"
	"strings"
)

// Plain recognises the command lines that start a sidecar as scripts do, so that none
// of them waits for the parser: to build that from the grammar takes as long as
// everything else that a start does. What it takes it takes as the parser would; what
// is unusual or wrong in any way it leaves to it, and returns nil.
func plain(args []string, sys system) (g settingFlags, command func(*cliContext) int) {
	g.LogFormat = "text"
	if len(args) == 0 {
		if pod, _ := sys.lookup("BABASHKA_POD"); sys.Terminal || pod != "" {
			return g, nil
		}
		return g, runPipe
	}
	switch args[0] {
	case "pipe":
		command = runPipe
	case "serve":
		command = runServe
	default:
		return g, nil
	}
	var seen []string // of the flags that are given once
	for args = args[1:]; len(args) > 0; {
		name, value, joined := strings.Cut(args[0], "=")
		args = args[1:]
		if !joined && len(args) > 0 && !strings.HasPrefix(args[0], "-") {
			value, args = args[0], args[1:]
		}
		if value == "" || slices.Contains(seen, name) {
			return g, nil
		}
		switch name {
		case "--listen":
			g.Listen = append(g.Listen, value)
			continue
		case "--set":
			g.Set = append(g.Set, value)
			continue
		case "--config":
			g.Config = value
		case "--static":
			g.Static = &value
		case "--data-dir":
			g.DataDir = &value
		case "--log-level":
			g.LogLevel = value
		case "--log-format":
			if value != "text" && value != "edn" && value != "json" {
				return g, nil
			}
			g.LogFormat = value
		default:
			return g, nil
		}
		seen = append(seen, name)
	}
	return g, command
}
