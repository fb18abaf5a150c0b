package main

import (
	"context"
	"io"
	"log/slog"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/sente-lite/sente-lite/pipe"
	"github.com/sente-lite/sente-lite/pipe/pack"
)

// NewLogger returns a logger of a format, "text", "edn" or "json".
func newLogger(w io.Writer, format string, level slog.Leveler) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	switch format {
	case "edn":
		return slog.New(&ednHandler{level: level, out: &lines{w: w}})
	case "json":
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// An ednHandler writes one EDN map a line: {:time #inst "…" :level :info :msg
// "…" :key value}. Groups are maps in it; keys that are no keywords are strings.
type ednHandler struct {
	level slog.Leveler
	out   *lines
	with  []func([]slog.Attr) []slog.Attr // what WithAttrs and WithGroup do, the first outermost
}

// Lines keeps lines of several goroutines apart.
type lines struct {
	mu sync.Mutex
	w  io.Writer
}

func (h *ednHandler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= h.level.Level()
}

func (h *ednHandler) Handle(_ context.Context, r slog.Record) error {
	var attrs []slog.Attr
	r.Attrs(func(a slog.Attr) bool {
		attrs = append(attrs, a)
		return true
	})
	for _, add := range slices.Backward(h.with) {
		attrs = add(attrs)
	}
	b := []byte("{")
	if !r.Time.IsZero() {
		b = appendTime(append(b, ":time "...), r.Time)
		b = append(b, ' ')
	}
	b = append(b, ":level :"...)
	b = append(b, strings.ToLower(r.Level.String())...)
	b = append(b, " :msg "...)
	b = appendAttrs(pipe.AppendString(b, r.Message), attrs)
	b = append(b, "}\n"...)
	h.out.mu.Lock()
	defer h.out.mu.Unlock()
	_, err := h.out.w.Write(b)
	return err
}

func (h *ednHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return h.wrap(func(inner []slog.Attr) []slog.Attr { return slices.Concat(attrs, inner) })
}

func (h *ednHandler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	return h.wrap(func(inner []slog.Attr) []slog.Attr {
		return []slog.Attr{{Key: name, Value: slog.GroupValue(inner...)}}
	})
}

func (h *ednHandler) wrap(add func([]slog.Attr) []slog.Attr) slog.Handler {
	return &ednHandler{h.level, h.out, append(h.with[:len(h.with):len(h.with)], add)}
}

func appendAttrs(b []byte, attrs []slog.Attr) []byte {
	for _, a := range attrs {
		v := a.Value.Resolve()
		group := v.Kind() == slog.KindGroup
		switch {
		case a.Equal(slog.Attr{}), group && len(v.Group()) == 0:
			continue
		case group && a.Key == "":
			b = appendAttrs(b, v.Group())
			continue
		}
		if last := b[len(b)-1]; last != '{' {
			b = append(b, ' ')
		}
		if pack.IsKeyword([]byte(a.Key)) {
			b = append(append(b, ':'), a.Key...)
		} else {
			b = pipe.AppendString(b, a.Key)
		}
		b = appendValue(append(b, ' '), v)
	}
	return b
}

func appendValue(b []byte, v slog.Value) []byte {
	switch v.Kind() {
	case slog.KindBool:
		return strconv.AppendBool(b, v.Bool())
	case slog.KindInt64:
		return strconv.AppendInt(b, v.Int64(), 10)
	case slog.KindUint64:
		return strconv.AppendUint(b, v.Uint64(), 10)
	case slog.KindFloat64:
		return appendFloat(b, v.Float64())
	case slog.KindTime:
		return appendTime(b, v.Time())
	case slog.KindGroup:
		return append(appendAttrs(append(b, '{'), v.Group()), '}')
	}
	if v.Kind() == slog.KindAny && v.Any() == nil {
		return append(b, "nil"...)
	}
	return pipe.AppendString(b, strings.ToValidUTF8(v.String(), "\uFFFD"))
}

func appendFloat(b []byte, f float64) []byte {
	switch {
	case math.IsNaN(f):
		return append(b, "##NaN"...)
	case math.IsInf(f, 1):
		return append(b, "##Inf"...)
	case math.IsInf(f, -1):
		return append(b, "##-Inf"...)
	}
	from := len(b)
	b = strconv.AppendFloat(b, f, 'g', -1, 64)
	if !strings.ContainsAny(string(b[from:]), ".e") {
		b = append(b, ".0"...)
	}
	return b
}

func appendTime(b []byte, t time.Time) []byte {
	return t.UTC().AppendFormat(b, `#inst "2006-01-02T15:04:05.000-00:00"`)
}
