package pipe

import (
	"strconv"
	"strings"
)

// Category is one of the nine of contract section 6.
type Category string

const (
	Incorrect   Category = "incorrect"
	Forbidden   Category = "forbidden"
	NotFound    Category = "not-found"
	Conflict    Category = "conflict"
	Busy        Category = "busy"
	Unavailable Category = "unavailable"
	Interrupted Category = "interrupted"
	Unsupported Category = "unsupported"
	Fault       Category = "fault"
)

// An Error is told to whoever sent what cannot be done, as [:sente-lite/error
// {…}] or as the reply of a call. Its message says what, where and what is
// allowed; nothing in it may be a secret.
type Error struct {
	Category Category
	Code     string // "bad-event" stands for :sente-lite/bad-event, "app/taken" for itself: stable, searchable
	Msg      string // what, where, what is allowed
	Hint     string // what to do; may be empty
	Event    string // the event's name without the colon; may be empty
	Retry    bool   // the same again may work later
	Count    int    // how many events this is about, where it stands for several
	Data     string // one EDN map with details; may be empty
	Bundle   bool   // what could not be read began as a bundle; not told
}

func (e *Error) Error() string { return string(e.Category) + ": " + e.Msg }

// AppendEDN appends [:sente-lite/error {…}].
func (e *Error) AppendEDN(dst []byte) []byte {
	dst = append(dst, "[:sente-lite/error {:category :"...)
	dst = append(dst, e.Category...)
	dst = append(dst, " :code :"...)
	if !strings.Contains(e.Code, "/") {
		dst = append(dst, "sente-lite/"...)
	}
	dst = append(dst, e.Code...)
	dst = append(dst, " :message "...)
	dst = AppendString(dst, e.Msg)
	if e.Hint != "" {
		dst = append(dst, " :hint "...)
		dst = AppendString(dst, e.Hint)
	}
	if e.Event != "" {
		dst = append(dst, " :event-id :"...)
		dst = append(dst, e.Event...)
	}
	dst = append(dst, " :retry? "...)
	dst = strconv.AppendBool(dst, e.Retry)
	if e.Count > 0 {
		dst = append(dst, " :count "...)
		dst = strconv.AppendInt(dst, int64(e.Count), 10)
	}
	if e.Data != "" {
		dst = append(dst, " :data "...)
		dst = append(dst, e.Data...)
	}
	return append(dst, "}]"...)
}
