package child

import (
	"strings"
	"time"

	"github.com/sente-lite/sente-lite/pipe"
)

// A Spec says what to run and how. Command must be there; zero fields have the
// contract's defaults.
type Spec struct {
	Command []string
	UID     string // "": the program's name, made unique
	Dir     string
	Env     map[string]string // added to what is inherited
	Dialect string            // "auto", "text", "frames" or "lines"
	PerUser bool              // a process for every user
	Restart string            // Never, OnFailure or Always
	Grace   time.Duration     // from the end of its stdin to SIGTERM, and on to SIGKILL; negative: none
	Role    pipe.Role
	Max     int // processes of PerUser at once, 0 for 100
}

// Restart policies.
const (
	Never     = "never"
	OnFailure = "on-failure"
	Always    = "always"
)

// DefaultGrace and DefaultMax are those of a zero Spec.
const (
	DefaultGrace = 2 * time.Second
	DefaultMax   = 100
)

func (s Spec) orDefault() Spec {
	if s.Dialect == "auto" {
		s.Dialect = ""
	}
	if s.Restart == "" {
		s.Restart = Never
	}
	if s.Grace == 0 {
		s.Grace = DefaultGrace
	}
	s.Grace = max(s.Grace, 0)
	if s.Role == "" {
		s.Role = pipe.RoleClient
	}
	if s.Max <= 0 {
		s.Max = DefaultMax
	}
	return s
}

// Reserved reports whether a uid is of a form that the sidecar gives itself.
func Reserved(uid string) bool {
	return uid == string(pipe.RoleOwner) || strings.HasPrefix(uid, "conn-") || strings.HasPrefix(uid, "unix:")
}
