package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"strconv"
	"strings"
	"syscall"

	"github.com/sente-lite/sente-lite/pipe"
	"github.com/sente-lite/sente-lite/pipe/pack"
)

// errorOf reads the map of a :sente-lite/error.
func errorOf(m []byte) *pipe.Error {
	keyword := func(key string) string { // what an application has written may be anything
		name, ok := strings.CutPrefix(raw(m, key), ":")
		if !ok || !pack.IsKeyword([]byte(name)) {
			return ""
		}
		return name
	}
	e := &pipe.Error{
		Category: pipe.Category(keyword(":category")),
		Code:     strings.TrimPrefix(keyword(":code"), "sente-lite/"),
		Msg:      text(m, ":message"),
		Hint:     text(m, ":hint"),
		Event:    keyword(":event-id"),
		Retry:    raw(m, ":retry?") == "true",
		Data:     raw(m, ":data"),
	}
	if e.Category == "" {
		e.Category = pipe.Fault
	}
	if e.Code == "" {
		e.Code = "error"
	}
	if e.Msg == "" {
		e.Msg = "an error without a message: " + string(m)
	}
	return e
}

func raw(m []byte, key string) string {
	v, _ := lookup(m, key)
	return string(v)
}

// failure returns the error that a reply's value is, nil for any other value.
func failure(v []byte) error {
	switch string(v) {
	case ":chsk/timeout":
		return errTimeout
	case ":chsk/closed":
		return &pipe.Error{Category: pipe.Interrupted, Code: "closed", Retry: true, Msg: "who was asked has gone before it replied"}
	case ":chsk/error":
		return &pipe.Error{Category: pipe.Fault, Code: "error", Msg: "the reply was lost on its way: its value cannot be carried"}
	}
	i, err := pipe.SplitValue(v)
	if err != nil || i.Shape != pipe.ShapeEvent || string(i.Name) != "sente-lite/error" {
		return nil
	}
	e := errorOf(i.Body)
	switch { // what to do about it from a shell
	case e.Code == "no-such-peer":
		e.Hint = `"sente-lite peers" lists who is there`
	case e.Code == "forbidden" && e.Hint == "":
		e.Hint = "this takes an owner: the Unix socket of the same user, or a token whose :role is :owner"
	}
	return e
}

// closeOf reads the last word of a sidecar that ends a stream.
func closeOf(m []byte) error {
	code, _ := strconv.ParseUint(raw(m, ":code"), 10, 16) // 0 is as good as none
	return pipe.Closed{Reason: pipe.Reason{Code: uint16(code), Text: text(m, ":reason")}, Remote: true}
}

// unreachable is the error of an address where nobody answers, or somebody else.
func unreachable(address string, err error) error {
	if network := (*net.OpError)(nil); !errors.As(err, &network) && !errors.Is(err, context.DeadlineExceeded) {
		return noGreeting(address, err)
	}
	return &pipe.Error{Category: pipe.Unavailable, Code: "unreachable", Retry: true,
		Msg:  "nobody answers at " + address + ": " + plainly(err),
		Hint: `start one with "sente-lite serve", or name another with --to URL; "sente-lite doctor" looks for running ones`}
}

func noGreeting(address string, err error) error {
	return &pipe.Error{Category: pipe.Unavailable, Code: "no-greeting", Msg: address + " does not greet as a sidecar does: " + plainly(err),
		Hint: "it may be another program's address"}
}

// refused is the error of a sidecar that answers, and lets nobody in.
func refused(address, token string, err error) error {
	var closed pipe.Closed
	var bad *pipe.Error
	switch {
	case errors.As(err, &closed) && closed.Code == pipe.CloseUnauthorized, errors.As(err, &bad) && (bad.Code == "token-needed" || bad.Code == "bad-token"):
		hint := "this sidecar wants a token: set SENTE_LITE_TOKEN, or give --token-file FILE"
		if token != "" {
			hint = "the token of SENTE_LITE_TOKEN or --token-file is not one of its :auth :tokens"
		}
		return &pipe.Error{Category: pipe.Forbidden, Code: "unauthorized", Msg: address + " lets nobody in without a token that it knows", Hint: hint}
	case bad != nil:
		return bad
	}
	return noGreeting(address, err)
}

// plainly says an error as a person would.
func plainly(err error) string {
	var closed pipe.Closed
	switch {
	case errors.As(err, &closed):
		if closed.Text == "" {
			return fmt.Sprintf("closed with %d", closed.Code)
		}
		return fmt.Sprintf("%s (%d)", closed.Text, closed.Code)
	case errors.Is(err, fs.ErrNotExist):
		return "there is no such socket"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, fs.ErrPermission):
		return "permission denied"
	case err == nil, errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "it was closed"
	}
	msg := strings.TrimPrefix(err.Error(), "transport: ")
	if rest, ok := strings.CutPrefix(msg, "dialing "); ok {
		_, msg, _ = strings.Cut(rest, ": ") // the address is said already
	}
	return msg
}
