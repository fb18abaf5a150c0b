// Package web is the HTTP front door: one port for WebSockets, pages and the
// JavaScript client.
//
// Every request passes the guard first (guard.go), then goes by its path
// (Server.ServeHTTP). An upgrade that is let in becomes a pipe.Conn and the
// hub's (upgrade.go); nothing behind it knows that it came over HTTP. Files of text
// travel compressed to those who take that (coding.go).
package web

import (
	"context"
	_ "embed"
	"errors"
	"io/fs"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sente-lite/sente-lite/bridge/web/client"
	"github.com/sente-lite/sente-lite/pipe"
	"github.com/sente-lite/sente-lite/pipe/transport"
)

// Config is what a Server is made of. Hub is required.
type Config struct {
	Hub      *pipe.Hub
	Options  transport.Options // of the WebSockets
	BasePath string            // "/" where empty; all paths stand under it
	Assets   map[string]Asset  // by path under the base path, "/x.cljs"; a file of Pages has precedence
	Pages    fs.FS             // served at the base path; nil: none
	Headers  http.Header       // added to every page
	// Amend, if set, changes every HTML page on its way out.
	Amend func(html []byte) []byte
	// Also are handlers of more paths, "/x" under the base path: behind the guard
	// as all else, for our own pages only, and before Pages.
	Also  map[string]http.Handler
	Guard Guard
	Log   *slog.Logger
}

// A Server answers HTTP requests.
type Server struct {
	cfg   Config
	base  string // without the slash at the end
	guard atomic.Pointer[Guard]
	pages http.Handler // and assets
	coded codings
}

// Doc is this package's page, which "sente-lite help security" shows.
//
//go:embed README.md
var Doc string

// clientJS is /sente-lite.js, made when the first page asks: no start waits for it.
var clientJS = sync.OnceValue(func() asset { return newAsset("sente-lite.js", "text/javascript; charset=utf-8", client.JS()) })

// msgpackJS is what a page loads beside the client for MessagePack.
var msgpackJS = Asset{Type: "text/javascript; charset=utf-8", Make: func() ([]byte, error) { return client.Msgpack(), nil }}

// New makes a Server. It does nothing until requests come.
func New(cfg Config) *Server {
	s := &Server{cfg: cfg, base: strings.TrimRight(cfg.BasePath, "/")}
	if s.cfg.Log == nil {
		s.cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Pages != nil {
		s.pages = newPages(cfg.Pages, cfg.Headers, cfg.Amend, &s.coded)
	}
	s.SetGuard(cfg.Guard)
	s.cfg.Assets = maps.Clone(cfg.Assets)
	if s.cfg.Assets == nil {
		s.cfg.Assets = map[string]Asset{}
	}
	s.cfg.Assets["/sente-lite-msgpack.js"] = msgpackJS
	s.pages = newAssets(s.cfg, s.pages, &s.coded)
	return s
}

// SetGuard replaces the guard for the requests that come from now on.
func (s *Server) SetGuard(g Guard) { s.guard.Store(&g) }

// What a request's head may take: a slow or a huge one ends there.
const (
	headTime  = 5 * time.Second
	headBytes = 32 << 10
)

// Serve answers the requests that come over l until ctx ends, and returns once
// no request is being answered. WebSockets live on: they are the hub's.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	srv := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: headTime,
		ReadTimeout:       2 * headTime,
		IdleTimeout:       60 * time.Second,
		MaxHeaderBytes:    headBytes,
		// It would answer OPTIONS * before the guard has seen it.
		DisableGeneralOptionsHandler: true,
		ErrorLog:                     slog.NewLogLogger(s.cfg.Log.Handler(), slog.LevelDebug),
	}
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(ended)
		late, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		if srv.Shutdown(late) != nil {
			srv.Close()
		}
	})
	err := srv.Serve(l)
	if !stop() {
		<-ended
	} else {
		srv.Close()
	}
	if errors.Is(err, http.ErrServerClosed) || errors.Is(err, net.ErrClosed) && ctx.Err() != nil {
		return nil
	}
	return err
}

// reservedPaths may not be shadowed by pages (contract section 1).
var reservedPaths = []string{"/ws", "/chsk", "/_nrepl", "/sente-lite.js", "/dashboard", "/healthz", "/readyz", "/metrics", "/blob"}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	guard := s.guard.Load()
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if problem := guard.host(r); problem != "" {
		http.Error(w, problem, http.StatusMisdirectedRequest)
		return
	}
	if r.ContentLength != 0 {
		// Nothing here takes a body, and where it ends is a matter of opinion:
		// what follows is no request.
		w.Header().Set("Connection", "close")
	}
	path, ok := strings.CutPrefix(r.URL.Path, s.base)
	if !ok || path != "" && path[0] != '/' {
		http.NotFound(w, r)
		return
	}
	if path == "" && !isUpgrade(r) { // a WebSocket would not follow
		http.Redirect(w, r, s.base+"/", http.StatusMovedPermanently)
		return
	}
	if path == "/ws" || path == "/chsk" || path == "/" && isUpgrade(r) || path == "" {
		s.upgrade(w, r, guard)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		if problem := guard.origin(r); problem != "" {
			http.Error(w, "Unauthorized origin: "+problem, http.StatusForbidden)
			return
		}
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "only GET and HEAD are taken here", http.StatusMethodNotAllowed)
		return
	}
	also := s.cfg.Also[path]
	switch {
	case path == "/sente-lite.js":
		s.coded.serveAsset(w, r, clientJS())
	case also != nil:
		if problem := guard.origin(r); problem != "" {
			http.Error(w, "Unauthorized origin: "+problem, http.StatusForbidden)
			return
		}
		also.ServeHTTP(w, r)
	case isReserved(path):
		http.NotFound(w, r)
	default:
		http.StripPrefix(s.base, s.pages).ServeHTTP(w, r)
	}
}

func isReserved(asked string) bool {
	asked = path.Clean(asked) // as the pages do
	for _, p := range reservedPaths {
		if asked == p || strings.HasPrefix(asked, p+"/") {
			return true
		}
	}
	return false
}
