package transport

import (
	"errors"
	"fmt"

	"github.com/sente-lite/sente-lite/pipe"
)

var (
	errMore   = errors.New("transport: more bytes are needed")
	errBudget = errors.New("transport: no memory left for messages")
)

func incorrect(code, format string, a ...any) *pipe.Error {
	return &pipe.Error{Category: pipe.Incorrect, Code: code, Msg: fmt.Sprintf(format, a...)}
}

func closed(code uint16, format string, a ...any) pipe.Closed {
	return pipe.Closed{Reason: pipe.Reason{Code: code, Text: fmt.Sprintf(format, a...)}}
}

// tooLarge says so in time: before the memory was taken.
func tooLarge(what string, n, limit int) *pipe.Error {
	e := incorrect("too-large", "a %s of %d bytes; at most %d are taken", what, n, limit)
	e.Hint = "send less at once, or raise :max-message-bytes"
	return e
}

func closedTooLarge() pipe.Closed { return closed(pipe.CloseTooLarge, "message too large") }

// overloaded is told to a peer whose partial message finds no room.
func overloaded() *pipe.Error {
	return &pipe.Error{
		Category: pipe.Busy, Code: "overloaded", Retry: true,
		Msg:  "the memory for all messages under way is used up",
		Hint: "come back a little later",
	}
}
