package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/sente-lite/sente-lite/bridge/child"
	"github.com/sente-lite/sente-lite/pipe"
	"github.com/sente-lite/sente-lite/pipe/journal"
	"github.com/sente-lite/sente-lite/pipe/pack"
	"github.com/sente-lite/sente-lite/pipe/transport"
)

// A sidecar is one run: the hub, what it listens on, and the configuration that
// holds right now.
type sidecar struct {
	*cliContext
	hub      *pipe.Hub
	programs *child.Host
	keys     atomic.Pointer[[][]byte] // of :encryption, asked for when a link begins

	mu    sync.Mutex // guards cliContext's Config, and what follows
	store io.Closer  // nil without :data-dir
	doors *doors     // nil until start
}

func newSidecar(c *cliContext, parent bool) *sidecar {
	s := &sidecar{cliContext: c}
	s.keys.Store(&c.Config.CipherKeys)
	hc := pipe.HubConfig{
		Version:   version,
		Packers:   wirePackers(),
		Layers:    append(wireCompressors(), pack.AESGCM(func() [][]byte { return *s.keys.Load() })),
		Log:       c.Logger,
		Listening: s.listening,
		Configure: s.configure,
		Spawn:     s.spawn,
	}
	s.programs = child.New(child.Config{
		Hub:     func() *pipe.Hub { return s.hub },
		Options: s.optionsNow,
		Environ: c.Environ,
		Log:     c.Logger,
	})
	hc.Names = s.programs
	if parent {
		hc.Start = s.parentHello
	}
	s.hub = pipe.NewHub(hc, hubSettings(c.Config))
	return s
}

func hubSettings(c *Config) pipe.Settings {
	set := c.Hub
	set.Shutdown = c.Shutdown
	return set
}

// options are those of every transport.
func (s *sidecar) options() transport.Options {
	return transport.Options{Limits: s.Config.Hub.Flow.Limits(), Budget: s.hub}
}

// runPipe is the sidecar of a parent on stdin and stdout. Nothing starts before
// the parent's first value.
func runPipe(c *cliContext) int {
	defer queueLogs(c)()
	death := watchSignals(c.Logger)
	defer death.stop()
	s := newSidecar(c, true)
	conn, err := transport.Stdio(s.options())
	if err != nil {
		fmt.Fprintf(c.Stderr, "sente-lite: %v\n", err)
		return exitFailed
	}
	ended := make(chan error, 1)
	if !s.hub.Serves(conn, func(err error) { ended <- err }) {
		return exitFailed
	}
	select {
	case err = <-ended:
	case <-death.asked:
		s.stop()
		<-ended
		return exitDone
	}
	s.stop()
	return s.exitCode(err)
}

// exitCode is that of a parent's session that ended with err.
func (s *sidecar) exitCode(err error) int {
	var bad *pipe.Error
	var closed pipe.Closed
	switch {
	case errors.As(err, &bad):
		complain(s.Stderr, "sente-lite: %s\n", bad.Msg)
		if bad.Code == "bad-config" {
			return exitUsage
		}
		return exitFailed
	case errors.As(err, &closed) && closed.Code != pipe.CloseShutdown && closed.Code != pipe.CloseLost:
		complain(s.Stderr, "sente-lite: stdin: %s\n", closed.Text)
		return exitFailed
	case err != nil && !errors.Is(err, io.EOF):
		s.Logger.Info("the parent has gone", "error", err)
	}
	return exitDone
}

// runServe runs without a parent, until a signal.
func runServe(c *cliContext) int {
	return serve(c, serveDefaults, nil)
}

// serve listens, says so on stdout in one line, and waits for a signal. extra,
// if set, runs beside it once it listens, until its context ends.
func serve(c *cliContext, d defaults, extra func(context.Context, *sidecar) error) int {
	defer queueLogs(c)()
	death := watchSignals(c.Logger)
	defer death.stop()
	s := newSidecar(c, false)
	if bad := s.start(d); bad != nil {
		s.stop()
		fmt.Fprintf(c.Stderr, "sente-lite: %s\n", bad.Msg)
		if bad.Hint != "" {
			fmt.Fprintf(c.Stderr, "  %s\n", bad.Hint)
		}
		if bad.Code == "bad-config" {
			return exitUsage
		}
		return exitFailed
	}
	ctx, cancel := context.WithCancel(context.Background())
	var beside sync.WaitGroup
	code := exitDone
	if extra != nil {
		beside.Go(func() {
			if err := extra(ctx, s); err != nil {
				c.Logger.Error("what runs beside the server has ended", "error", err)
			}
		})
	}
	if _, err := fmt.Fprintf(c.Stdout, "%s\n", s.hub.Ready()); err != nil {
		fmt.Fprintf(c.Stderr, "sente-lite: stdout: %v\n", err)
		code = exitFailed
	} else {
		<-death.asked
	}
	cancel()
	beside.Wait()
	s.stop()
	return code
}

// parentHello starts what the parent's hello asks for.
func (s *sidecar) parentHello(h pipe.Hello) *pipe.Error {
	if h.Config != nil {
		cfg, err := s.Loader.Merge(":config", h.Config)
		if err != nil {
			return wireError(err)
		}
		s.mu.Lock()
		s.apply(cfg)
		s.mu.Unlock()
	}
	return s.start(pipeDefaults)
}

// apply makes a configuration the one that holds. The lock is held.
func (s *sidecar) apply(cfg *Config) {
	s.Config = cfg
	s.LogLevel.Set(cfg.LogLevel)
	s.keys.Store(&cfg.CipherKeys)
	s.hub.Configure(hubSettings(cfg))
	if s.doors != nil {
		s.doors.guard(cfg)
	}
}

// start opens :data-dir, and listens.
func (s *sidecar) start(d defaults) *pipe.Error {
	pages, err := s.pages(d)
	if err != nil {
		return &pipe.Error{Category: pipe.NotFound, Code: "bad-config", Msg: err.Error()}
	}
	if bad := s.checkProcesses(); bad != nil {
		return bad
	}
	if bad := s.openStore(); bad != nil {
		return bad
	}
	doors := newDoors(s, d, pages)
	if bad := doors.open(s.Config, d); bad != nil {
		doors.close()
		return bad
	}
	s.mu.Lock()
	s.doors = doors
	s.mu.Unlock()
	return s.startProcesses()
}

// openStore opens :data-dir, before anybody can come that it is for.
func (s *sidecar) openStore() *pipe.Error {
	if s.Config.DataDir == "" {
		return nil
	}
	store, err := journal.Open(s.Config.DataDir, journal.Options{Log: s.Logger})
	if err != nil {
		return dataDirError(err)
	}
	s.mu.Lock()
	s.store = store
	s.mu.Unlock()
	if err := s.hub.Keep(store); err != nil {
		return dataDirError(err)
	}
	return nil
}

func dataDirError(err error) *pipe.Error {
	e := &pipe.Error{Category: pipe.Unavailable, Code: "bad-data-dir", Msg: "[:data-dir]: " + strings.TrimPrefix(err.Error(), "journal: "),
		Hint: `"sente-lite doctor" looks at the folder; without :data-dir nothing outlives the process`}
	if errors.Is(err, journal.ErrInUse) {
		e.Category, e.Code = pipe.Conflict, "data-dir-in-use"
	}
	return e
}

// pages is the folder of static files, confined to itself: nil for none.
func (s *sidecar) pages(d defaults) (fs.FS, error) {
	if d.pages != nil && !s.Config.StaticGiven {
		return d.pages, nil
	}
	if s.Config.Static == "" {
		return nil, nil
	}
	root, err := os.OpenRoot(s.Config.Static)
	if err != nil {
		if !s.Config.StaticGiven {
			return nil, nil
		}
		here, _ := os.Getwd() // only to say it
		return nil, fmt.Errorf("[:static]: %q cannot be opened as a folder, seen from %s; allowed: a folder of pages, or \"\" for none", s.Config.Static, here)
	}
	return root.FS(), nil
}

// stop ends everything in order: nothing new comes in, queues are flushed,
// peers are closed, what outlives us is kept, programs are ended.
func (s *sidecar) stop() {
	s.mu.Lock()
	doors, store, wait := s.doors, s.store, s.Config.Shutdown
	s.mu.Unlock()
	if doors != nil {
		doors.close()
	}
	s.programs.Stop(wait + s.programs.Grace())
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	if err := s.hub.Shutdown(ctx); err != nil {
		s.Logger.Warn("some peers did not end, or did not take what was queued for them", "within", wait)
	}
	if store != nil {
		if err := store.Close(); err != nil {
			s.Logger.Error("what should outlive the process was not kept in full", "data-dir", s.Config.DataDir, "error", err)
		}
	}
	s.programs.Wait()
}

// listening returns the real addresses, for ready.
func (s *sidecar) listening() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.doors == nil {
		return nil
	}
	return s.doors.addresses()
}

// configure handles :sente-lite/configure.
func (s *sidecar) configure(edn []byte) ([]byte, *pipe.Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	cfg, hot, err := s.Loader.Configure(s.Config, edn)
	if err != nil {
		return nil, wireError(err)
	}
	s.apply(cfg)
	b := []byte("{:changed [")
	for i, k := range hot {
		if i > 0 {
			b = append(b, ' ')
		}
		b = append(b, k...)
	}
	s.Logger.Info("configured anew", "keys", hot)
	return append(b, "]}"...), nil
}

func wireError(err error) *pipe.Error {
	var bad *pipe.Error
	if errors.As(err, &bad) {
		return bad
	}
	return &pipe.Error{Category: pipe.Fault, Code: "fault", Msg: err.Error()}
}
