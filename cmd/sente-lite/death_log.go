package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync/atomic"
	"time"
)

// A logQueue writes log records beside whoever logs. Stderr may be a pipe that
// its owner does not read: that must cost log lines, which it counts, and keep
// nobody from working or from ending.
type logQueue struct {
	records chan logged
	dropped atomic.Int64
	stop    chan struct{}
	ended   chan struct{}
}

type logged struct {
	to slog.Handler
	r  slog.Record
}

const (
	logRecords = 1024
	// logTime is how long the end waits for a stderr that takes nothing.
	logTime = 250 * time.Millisecond
)

// queueLogs makes c's logger one that never waits. What it returns writes what
// is queued, within logTime.
func queueLogs(c *cliContext) (flush func()) {
	q := &logQueue{records: make(chan logged, logRecords), stop: make(chan struct{}), ended: make(chan struct{})}
	c.Logger = slog.New(queuedLogs{c.Logger.Handler(), q})
	go q.run()
	return func() {
		close(q.stop)
		select {
		case <-q.ended:
		case <-time.After(logTime): // it is left behind: the process ends now
		}
	}
}

func (q *logQueue) run() {
	defer close(q.ended)
	for {
		select {
		case l := <-q.records:
			q.write(l)
		case <-q.stop:
			for {
				select {
				case l := <-q.records:
					q.write(l)
				default:
					return
				}
			}
		}
	}
}

func (q *logQueue) write(l logged) {
	ctx := context.Background()
	_ = l.to.Handle(ctx, l.r) // there is nowhere to report it
	if n := q.dropped.Swap(0); n > 0 {
		r := slog.NewRecord(time.Now(), slog.LevelWarn, "stderr was not read; log records were dropped", 0)
		r.Add("count", n)
		_ = l.to.Handle(ctx, r)
	}
}

// queuedLogs is the handler of a queue.
type queuedLogs struct {
	slog.Handler
	q *logQueue
}

func (h queuedLogs) Handle(_ context.Context, r slog.Record) error {
	select {
	case h.q.records <- logged{h.Handler, r.Clone()}:
	default:
		h.q.dropped.Add(1)
	}
	return nil
}

func (h queuedLogs) WithAttrs(attrs []slog.Attr) slog.Handler {
	return queuedLogs{h.Handler.WithAttrs(attrs), h.q}
}

func (h queuedLogs) WithGroup(name string) slog.Handler {
	return queuedLogs{h.Handler.WithGroup(name), h.q}
}

// complain writes a last line for people, and waits for it no longer than
// logTime.
func complain(w io.Writer, format string, args ...any) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		fmt.Fprintf(w, format, args...)
	}()
	select {
	case <-done:
	case <-time.After(logTime):
	}
}
