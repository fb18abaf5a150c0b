package web

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/sente-lite/sente-lite/pipe"
	"github.com/sente-lite/sente-lite/pipe/transport"
)

// protocol is the subprotocol that we select; tokenPrefix is how a browser,
// which cannot add headers, brings its token. It is never echoed.
const (
	protocol    = "sente-lite"
	tokenPrefix = "sente-lite.token."
	tokenCookie = "sente-lite-token"
)

// A refusal is an upgrade that is not let in. Our own clients (v=1) are
// upgraded and then closed with the code, since a browser hides the status of
// a failed upgrade from its page; all others get the status.
type refusal struct {
	status int
	body   string
	reason pipe.Reason
}

// upgrade answers the requests at the WebSocket paths.
func (s *Server) upgrade(w http.ResponseWriter, r *http.Request, guard *Guard) {
	query, bad := url.ParseQuery(r.URL.RawQuery)
	if _, stock := query["client-id"]; stock && !query.Has("v") || r.Method == http.MethodPost {
		if problem := guard.origin(r); problem != "" {
			http.Error(w, "Unauthorized origin", http.StatusForbidden)
			return
		}
		http.Error(w, "501: stock Sente clients (a client-id without v=1) are not supported by this version", http.StatusNotImplemented)
		return
	}
	// While a status can still be sent: the upgrade takes the connection over.
	if status, err := transport.CheckUpgrade(r); err != nil {
		if status == http.StatusUpgradeRequired {
			w.Header().Set("Upgrade", "websocket")
			w.Header().Set("Sec-WebSocket-Version", "13")
		}
		http.Error(w, fmt.Sprintf("%d: this is a WebSocket's address: %v", status, err), status)
		return
	}
	if r.ContentLength != 0 { // a proxy would call a body what we would call frames
		http.Error(w, "400: a WebSocket handshake has no body", http.StatusBadRequest)
		return
	}
	hello := pipe.Hello{Ours: query.Has("v")}
	info := pipe.ConnInfo{Transport: "ws", Remote: r.RemoteAddr, Heartbeat: true, Upgraded: &hello}
	no := s.admit(r, guard, query, &hello, &info)
	if bad != nil && no == nil {
		no = &refusal{http.StatusBadRequest, "the query cannot be read", pipe.Reason{Code: pipe.CloseProtocol, Text: "the query cannot be read"}}
	}
	if no != nil {
		log := s.cfg.Log.With("why", no.reason.Text, "remote", r.RemoteAddr)
		if hello.Ours {
			log.Info("upgraded and closed", "code", no.reason.Code)
		} else {
			log.Info("upgrade refused", "status", no.status)
			http.Error(w, no.body, no.status)
			return
		}
		info.Refused = &no.reason
	}
	c, err := transport.Upgrade(w, r, transport.UpgradeOptions{Options: s.cfg.Options, Info: info})
	if err != nil {
		s.cfg.Log.Debug("upgrade failed", "error", err, "remote", r.RemoteAddr)
		return
	}
	if !s.cfg.Hub.Attach(c) {
		c.Close(pipe.Reason{Code: pipe.CloseShutdown, Text: "shutdown"})
	}
}

// admit looks at who asks, and for what.
func (s *Server) admit(r *http.Request, guard *Guard, query url.Values, hello *pipe.Hello, info *pipe.ConnInfo) *refusal {
	if problem := guard.origin(r); problem != "" {
		return &refusal{http.StatusForbidden, "Unauthorized origin", pipe.Reason{Code: pipe.CloseOrigin, Text: problem}}
	}
	if v := query.Get("v"); query.Has("v") && v != strconv.Itoa(pipe.Protocol) {
		return &refusal{http.StatusBadRequest, "unknown version", pipe.Reason{Code: pipe.CloseVersion, Text: "v must be 1: that is the protocol of this version"}}
	}
	if auth := s.cfg.Hub.Settings().Auth; auth != nil {
		for _, t := range tokens(r, func(t string) bool { _, ok := auth.Check(t); return ok }) {
			claim, ok := auth.Check(t)
			if !ok {
				return &refusal{http.StatusUnauthorized, "Unauthorized request", pipe.Reason{Code: pipe.CloseUnauthorized, Text: "the token is not one that this server knows"}}
			}
			info.Claim = &claim
		}
	}
	if s.cfg.Hub.Full() {
		return &refusal{http.StatusServiceUnavailable, "503: as many clients as :max-peers allows", pipe.Reason{Code: pipe.CloseOverloaded, Text: "as many clients as :max-peers allows"}}
	}
	if problem := s.options(query, hello); problem != "" {
		return &refusal{http.StatusBadRequest, "400: " + problem, pipe.Reason{Code: pipe.CloseProtocol, Text: problem}}
	}
	return nil
}

// tokens returns the tokens that came with a request, each different one once.
// As a subprotocol a token stands for itself if that is one, or is base64url.
func tokens(r *http.Request, known func(string) bool) (found []string) {
	add := func(t string) {
		if t != "" && !slices.Contains(found, t) {
			found = append(found, t)
		}
	}
	for _, line := range r.Header.Values("Sec-WebSocket-Protocol") {
		for p := range strings.SplitSeq(line, ",") {
			if t, ok := strings.CutPrefix(strings.TrimSpace(p), tokenPrefix); ok {
				if !known(t) {
					if plain, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(t, "=")); err == nil {
						t = string(plain)
					}
				}
				add(t)
			}
		}
	}
	for _, line := range r.Header.Values("Authorization") {
		if scheme, t, ok := strings.Cut(line, " "); ok && strings.EqualFold(scheme, "Bearer") {
			add(strings.TrimSpace(t))
		}
	}
	for _, c := range r.CookiesNamed(tokenCookie) {
		add(c.Value)
	}
	return found
}

// options reads what a client asks for in the query. What is wrong with it is
// said without what stands there, which may be a secret in the wrong place.
func (s *Server) options(query url.Values, hello *pipe.Hello) (problem string) {
	flags := map[string]*bool{"gzip": &hello.Gzip, "bundle": &hello.Bundle, "recover": &hello.Recover}
	for key, to := range flags {
		switch v := query.Get(key); v {
		case "", "0":
		case "1":
			*to = true
		default:
			return key + " must be 1, or be left out"
		}
	}
	hello.Packer = query.Get("packer")
	if _, bad := s.cfg.Hub.Form(hello.Chain()); bad != nil {
		return "no such packer; " + bad.Hint // without what stands there, and within 123 bytes
	}
	if v := query.Get("credit"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 {
			return "credit must be a whole number from 1"
		}
		hello.Credit = n
	}
	if v := query.Get("seen"); v != "" {
		n, err := strconv.ParseUint(v, 10, 64)
		if err != nil {
			return "seen must be a whole number from 0"
		}
		hello.Seen = n
	}
	hello.Session = query.Get("session")
	hello.ClientID = query.Get("client-id")
	if len(hello.ClientID) > 128 || len(hello.Session) > 128 {
		return "client-id and session have at most 128 bytes"
	}
	return ""
}

// isUpgrade tells a WebSocket at the root from a look at its page.
func isUpgrade(r *http.Request) bool { return strings.EqualFold(r.Header.Get("Upgrade"), "websocket") }
