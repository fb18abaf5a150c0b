package main

import (
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// A death watches for the signals that end a run: the first asks for an orderly
// end, the second ends the process at once.
type death struct {
	asked   chan struct{}
	signals chan os.Signal
	pipes   chan os.Signal
	watched sync.WaitGroup
}

func watchSignals(log *slog.Logger) *death {
	d := &death{asked: make(chan struct{}), signals: make(chan os.Signal, 2), pipes: make(chan os.Signal, 1)}
	signal.Notify(d.signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	// A closed stdout or stderr is an error of that write, and not our end: not
	// even of the last line, so this is for good. Nobody reads the channel; to
	// ignore the signal would be inherited.
	signal.Notify(d.pipes, syscall.SIGPIPE)
	d.watched.Go(func() {
		s, ok := <-d.signals
		if !ok {
			return
		}
		log.Info("ending", "signal", s.String())
		close(d.asked)
		if _, ok := <-d.signals; ok {
			os.Exit(exitDone)
		}
	})
	return d
}

func (d *death) stop() {
	signal.Stop(d.signals)
	close(d.signals)
	d.watched.Wait()
}
