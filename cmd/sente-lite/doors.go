package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/sente-lite/sente-lite/bb"
	"github.com/sente-lite/sente-lite/bridge/web"
	"github.com/sente-lite/sente-lite/pipe"
	"github.com/sente-lite/sente-lite/pipe/transport"
)

// defaults are what a command listens on, unless told otherwise, and serves.
type defaults struct {
	http     string // "host:port"; "" for none
	nextPort bool   // where that one is taken
	socket   bool   // the default socket
	pages    fs.FS  // of the binary's own
	headers  http.Header
	amend    func(html []byte) []byte // what it adds to pages
	also     map[string]http.Handler  // what it serves beside them
}

var (
	pipeDefaults  = defaults{}
	serveDefaults = defaults{http: "127.0.0.1:8090", socket: true}
)

// doors are the listeners of a run. It owns the goroutines that serve them.
type doors struct {
	s      *sidecar
	web    *web.Server
	ctx    context.Context
	cancel context.CancelFunc
	served sync.WaitGroup
	opened []door
}

// A door is open at an address.
type door struct {
	addr  string
	close func() error
}

func newDoors(s *sidecar, d defaults, pages fs.FS) *doors {
	ds := &doors{s: s}
	ds.ctx, ds.cancel = context.WithCancel(context.Background())
	cfg := web.Config{
		Hub: s.hub, Options: s.options(), BasePath: s.Config.BasePath,
		Pages: pages, Guard: guardOf(s.Config), Log: s.Logger, Amend: d.amend, Also: d.also,
	}
	if pages == d.pages {
		cfg.Headers = d.headers
	}
	cfg.Assets = assets
	ds.web = web.New(cfg)
	return ds
}

// assets are what a page may load beside /sente-lite.js.
var assets = map[string]web.Asset{
	// As text: a browser is not to do anything with it, Scittle is.
	"/sente-lite.cljs":      {Type: "text/plain; charset=utf-8", Make: func() ([]byte, error) { return bb.Scittle(version) }},
	"/sente-lite-more.cljs": {Type: "text/plain; charset=utf-8", Make: func() ([]byte, error) { return bb.ScittleMore(version) }},
}

func guardOf(c *Config) web.Guard {
	g := web.Guard{Hosts: c.AllowedHosts, Origins: c.AllowedOrigins}
	for _, a := range c.Listen {
		if a.Scheme == "http" {
			if host, _, err := net.SplitHostPort(a.Host); err == nil {
				g.Hosts = append(g.Hosts[:len(g.Hosts):len(g.Hosts)], host)
			}
		}
	}
	return g
}

func (ds *doors) guard(c *Config) { ds.web.SetGuard(guardOf(c)) }

// open opens every address of the configuration, or those that the command has
// by default. If one cannot be opened, close takes the others back.
func (ds *doors) open(c *Config, d defaults) *pipe.Error {
	for _, a := range c.Listen {
		if err := ds.listen(a); err != nil {
			return listenError(a.String(), err)
		}
	}
	if c.Listen != nil {
		return nil
	}
	if d.http != "" {
		if err := ds.defaultPort(d); err != nil {
			return listenError("http://"+d.http, err)
		}
	}
	if d.socket {
		if err := ds.defaultSocket(c); err != nil {
			return listenError("the default socket", err)
		}
	}
	return nil
}

func (ds *doors) listen(a Address) error {
	if a.Scheme == "http" {
		l, err := net.Listen("tcp", a.Host)
		if err != nil {
			return err
		}
		ds.serveHTTP(l, a.Host)
		return nil
	}
	l, err := transport.Listen(ds.ctx, a.String(), ds.s.options())
	if err != nil {
		return err
	}
	ds.serve(l)
	return nil
}

func (ds *doors) serve(l pipe.Listener) {
	ds.opened = append(ds.opened, door{l.Addr(), l.Close})
	ds.served.Go(func() {
		if err := ds.s.hub.Serve(ds.ctx, l); err != nil {
			ds.s.Logger.Error("listening has ended", "address", l.Addr(), "error", err)
		}
	})
}

// serveHTTP serves; the address keeps the host's name where it was given one.
func (ds *doors) serveHTTP(l net.Listener, asked string) {
	host, _, _ := net.SplitHostPort(asked)
	port := l.Addr().(*net.TCPAddr).Port
	ds.opened = append(ds.opened, door{"http://" + net.JoinHostPort(host, strconv.Itoa(port)), l.Close})
	ds.served.Go(func() {
		if err := ds.web.Serve(ds.ctx, l); err != nil {
			ds.s.Logger.Error("listening has ended", "address", l.Addr(), "error", err)
		}
	})
}

// maxTries is how many ports or names are tried after the default one.
const maxTries = 100

func (ds *doors) defaultPort(d defaults) error {
	host, p, err := net.SplitHostPort(d.http)
	if err != nil {
		return err
	}
	port, err := strconv.Atoi(p)
	if err != nil {
		return err
	}
	for n := range maxTries {
		l, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port+n)))
		if err == nil {
			ds.serveHTTP(l, host+":0")
			return nil
		}
		if !d.nextPort || !errors.Is(err, syscall.EADDRINUSE) || n == maxTries-1 {
			return err
		}
	}
	return nil
}

// defaultSocket opens NAME.sock, or NAME-2.sock and so on where a live process
// has it, unless the name was somebody's choice.
func (ds *doors) defaultSocket(c *Config) error {
	dir, err := DefaultSocketDir()
	if err != nil {
		return err
	}
	for n := 1; ; n++ {
		l, err := transport.Listen(ds.ctx, "unix:"+SocketPath(dir, c.Name, n), ds.s.options())
		if err == nil {
			ds.serve(l)
			return nil
		}
		if !errors.Is(err, transport.ErrInUse) || c.Named || n == maxTries {
			return err
		}
	}
}

func listenError(what string, err error) *pipe.Error {
	e := &pipe.Error{Category: pipe.Unavailable, Code: "cannot-listen", Msg: fmt.Sprintf("cannot listen at %s: %s", what, strings.TrimPrefix(err.Error(), "transport: "))}
	if errors.Is(err, syscall.EADDRINUSE) || errors.Is(err, transport.ErrInUse) {
		e.Category, e.Code = pipe.Conflict, "address-in-use"
		e.Hint = "another process listens there: end it, or choose another address with --listen URL (port 0 is any free one)"
	}
	return e
}

func (ds *doors) addresses() []string {
	var all []string
	for _, d := range ds.opened {
		all = append(all, d.addr)
	}
	return all
}

// close lets nobody in any more, and returns when nobody is being let in.
func (ds *doors) close() {
	ds.cancel()
	for _, d := range ds.opened {
		d.close() // its server does so too; an error means that it has
	}
	ds.served.Wait()
}
