package child

import (
	"bytes"
	"strings"

	"github.com/sente-lite/sente-lite/pipe"
)

// Lines is the form of programs that know lines of text only: a line out is
// [:line/out "…"], and [:line/in "…"] writes one. It reads the wrappers that bring
// one from somebody else, :sente-lite/recv and :msg/receive, whose message may
// also be the text itself.
var Lines pipe.Packer = lines{}

type lines struct{}

func (lines) Name() string { return "lines" }
func (lines) Text() bool   { return true }

// Join is of no use to a program: it never asks for bundles.
func (lines) Join(dst []byte, items [][]byte) []byte {
	for _, it := range items {
		dst = append(dst, it...)
	}
	return dst
}

// Unpack takes a line with its newline, if it has one.
func (lines) Unpack(dst, packed []byte, _ pipe.Limits) ([]byte, error) {
	line := bytes.TrimSuffix(packed, []byte{'\n'})
	line = bytes.TrimSuffix(line, []byte{'\r'})
	dst = pipe.AppendString(append(dst, "[:line/out "...), string(line))
	return append(dst, ']'), nil
}

func (lines) Pack(dst, edn []byte) ([]byte, error) {
	text, name, ok := lineIn(edn)
	if !ok {
		return nil, &pipe.Error{Category: pipe.Unsupported, Code: "lines-only", Event: name,
			Msg:  "it knows lines of text only, and no other event, call or reply",
			Hint: `send it a line: [:line/in "…"]`}
	}
	if strings.ContainsAny(text, "\n\r") {
		return nil, &pipe.Error{Category: pipe.Incorrect, Code: "bad-line", Event: "line/in",
			Msg: "the text of :line/in has a line break in it; one event is one line", Hint: "send an event for each line"}
	}
	return append(dst, text...), nil
}

// lineIn finds the text of the line that an event brings.
func lineIn(edn []byte) (text, name string, ok bool) {
	item, err := pipe.SplitValue(edn)
	if err != nil || item.Shape != pipe.ShapeEvent {
		return "", string(item.Name), false
	}
	name = string(item.Name)
	key := ""
	switch name {
	case "line/in":
		text, err = pipe.Unquote(item.Body)
		return text, name, err == nil
	case "sente-lite/recv":
		key = ":event"
	case "msg/receive":
		key = ":message"
	default:
		return "", name, false
	}
	if pipe.Kind(item.Body) != pipe.KindMap {
		return "", name, false
	}
	inner, ok := pipe.Lookup(item.Body, key)
	if !ok {
		return "", name, false
	}
	if name == "msg/receive" && pipe.Kind(inner) == pipe.KindString {
		text, err = pipe.Unquote(inner)
		return text, name, err == nil
	}
	if item, err = pipe.SplitValue(inner); err != nil || item.Shape != pipe.ShapeEvent || string(item.Name) != "line/in" {
		return "", string(item.Name), false
	}
	text, err = pipe.Unquote(item.Body)
	return text, name, err == nil
}
