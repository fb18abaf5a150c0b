package main

import (
	"log/slog"
	"maps"
	"reflect"
	"time"

	"github.com/sente-lite/sente-lite/bridge/child"
	"github.com/sente-lite/sente-lite/pipe"
)

// Config is what one run is told (contract section 1), checked and with every
// default filled in. It is made by a Loader and never changed; what changes
// while running is a new Config.
type Config struct {
	Name  string // of the default socket, NAME.sock
	Named bool   // somebody chose the name, so that another may not be taken

	// Listen is nil where nobody said so: each command has its own default.
	Listen []Address

	Static         string // folder of pages; "" for none
	StaticGiven    bool   // else it counts only if it exists
	BasePath       string // begins with a slash and ends with one only if it is "/"
	AllowedOrigins []string
	AllowedHosts   []string // lower case

	DataDir  string
	LogLevel slog.Level
	Shutdown time.Duration // most time for the last flush

	Processes []child.Spec // by uid

	// CipherKeys are those of :encryption, each 16, 24 or 32 bytes: nil for none.
	CipherKeys [][]byte

	// Hub is what the hub can be told. Its Auth is nil where no token is asked
	// for.
	Hub pipe.Settings

	settings map[string]any // what was said, by key, checked; for Changed
}

// Changed names the keys, in the order of the table, in which c differs from
// an older Config: those that may change while running, and those that may not.
func (c *Config) Changed(old *Config) (hot, frozen []string) {
	for _, k := range keys() {
		a, said := c.settings[k.name]
		b, was := old.settings[k.name]
		switch {
		case said == was && reflect.DeepEqual(a, b):
		case k.hot:
			hot = append(hot, k.path().String())
		default:
			frozen = append(frozen, k.path().String())
		}
	}
	return hot, frozen
}

// Configure is :sente-lite/configure: it lays an EDN map over the configuration
// and returns the new one with the keys that changed. If one of them cannot
// change while running the error is :unsupported, and nothing has changed.
func (l *Loader) Configure(old *Config, edn []byte) (*Config, []string, error) {
	next := l.clone()
	cfg, err := next.Merge(":sente-lite/configure", edn)
	if err != nil {
		return nil, nil, err
	}
	hot, frozen := cfg.Changed(old)
	if len(frozen) > 0 {
		return nil, nil, frozenError(frozen)
	}
	l.said = next.said
	return cfg, hot, nil
}

func (l *Loader) clone() *Loader {
	c := *l
	c.said = maps.Clone(l.said)
	return &c
}
