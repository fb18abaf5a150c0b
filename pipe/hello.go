package pipe

import (
	"fmt"
	"strconv"
	"strings"
)

// Hello is what a peer asks for: a stream's first value, or the query of a
// WebSocket's upgrade (contract section 2). Every field may be left out.
type Hello struct {
	Packer   string // a chain, see Hub.Form; "edn" where empty
	Gzip     bool
	Bundle   bool
	Credit   int // 0: none
	Ping     bool
	Recover  bool
	Session  string // the session to come back to
	Seen     uint64 // the highest item received in it
	Handler  *bool  // nil: the parent is, others are not
	Auth     string // a token
	ClientID string // an upgrade's; a secret of that client, made up where empty
	Config   []byte // the text of an EDN map; the parent's only

	// Ours is set for clients that know calls, close codes and all of the
	// contract: all streams, and WebSockets with v=1. The original sente_lite
	// clients are not.
	Ours bool
}

// parseHello reads the map of a hello. Keys that it does not know are those of
// a later version: they are left alone.
func parseHello(body []byte) (Hello, *Error) {
	h := Hello{Ours: true}
	if body == nil {
		return h, nil
	}
	if Kind(body) != KindMap {
		return h, badHello("", "a map", body)
	}
	for c := Elements(body); ; {
		k, ok := c.Next()
		if !ok {
			return h, nil
		}
		v, _ := c.Next()
		var want string
		switch string(k) {
		case ":packer":
			if h.Packer, ok = chain(v); !ok {
				want = "a keyword like :edn, or a vector like [:msgpack :gzip]"
			}
		case ":gzip":
			want = boolean(v, &h.Gzip)
		case ":bundle":
			want = boolean(v, &h.Bundle)
		case ":ping":
			want = boolean(v, &h.Ping)
		case ":recover":
			want = boolean(v, &h.Recover)
		case ":handler":
			h.Handler = new(bool)
			want = boolean(v, h.Handler)
		case ":credit":
			n, err := strconv.Atoi(string(v))
			if h.Credit = n; err != nil || n < 1 {
				want = "a whole number from 1"
			}
		case ":seen":
			n, err := strconv.ParseUint(string(v), 10, 64)
			if h.Seen = n; err != nil {
				want = "a whole number from 0"
			}
		case ":session", ":auth":
			var s string
			if isNil(v) {
				break
			}
			var err error
			if s, err = Unquote(v); err != nil {
				want = "a string"
			}
			if k[1] == 's' {
				h.Session = s
			} else {
				h.Auth = s
			}
		case ":config":
			if h.Config = append([]byte{}, v...); Kind(v) != KindMap {
				want = "a map"
			}
		}
		if want != "" {
			return h, badHello(string(k), want, v)
		}
	}
}

func badHello(key, want string, got []byte) *Error {
	where := "the hello"
	if key != "" {
		where = key + " of the hello"
	}
	shown := short(got)
	if key == ":auth" {
		shown = "something else"
	}
	code := "bad-hello"
	if key == ":config" {
		code, shown = "bad-config", Kind(got).String()
	}
	return &Error{Category: Incorrect, Code: code, Msg: fmt.Sprintf("%s must be %s, not %s", where, want, shown)}
}

func boolean(v []byte, to *bool) (want string) {
	switch string(v) {
	case "true":
		*to = true
	case "false", "nil":
		*to = false
	default:
		return "true or false"
	}
	return ""
}

// chain returns a packer, or a vector of one and its layers, as names with commas.
func chain(v []byte) (string, bool) {
	if Kind(v) != KindVector {
		return keyword(v)
	}
	var names []string
	for c := Elements(v); ; {
		e, more := c.Next()
		if !more {
			return strings.Join(names, ","), len(names) > 0
		}
		name, ok := keyword(e)
		if !ok || len(names) > MaxLayers {
			return "", false
		}
		names = append(names, name)
	}
}

// keyword returns the name of a keyword.
func keyword(v []byte) (string, bool) {
	if Kind(v) != KindKeyword {
		return "", false
	}
	return string(v[1:]), true
}

func isNil(v []byte) bool { return string(v) == "nil" }

// short shows the beginning of a value in a message.
func short(v []byte) string {
	if len(v) == 0 {
		return "nothing"
	}
	s := strings.ToValidUTF8(string(v[:min(len(v), 60)]), "")
	if len(v) > 60 {
		s += "…"
	}
	return s
}
