package pipe

import (
	"errors"
	"strings"
	"testing"
)

var shapeNames = map[Shape]string{ShapeEvent: ":event", ShapeCall: ":call", ShapeReply: ":reply", ShapeBundle: ":bundle"}

func TestSplit(t *testing.T) {
	for _, v := range vectors(t, "split.edn") {
		in := v.bytes(":in")
		item, err := Split(in, Limits{})
		checkSplit(t, v, item, err)
		if value, err := Check(in, Limits{}); err == nil {
			item, err := SplitValue(value)
			checkSplit(t, v, item, err)
		}
	}
}

func checkSplit(t *testing.T, v vector, got Item, err error) {
	t.Helper()
	if code := v.str(":code"); code != "" {
		var e *Error
		if !errors.As(err, &e) || e.Code != code || e.Category != Incorrect || e.Msg == "" {
			t.Errorf("%s: %+v, %v", v.line, got, err)
		}
		if e != nil {
			if _, err := Check(e.AppendEDN(nil), Limits{}); err != nil {
				t.Errorf("%s: its error is not EDN: %v", v.line, err)
			}
		}
		return
	}
	if err != nil {
		t.Errorf("%s: %v", v.line, err)
		return
	}
	if shapeNames[got.Shape] != v.str(":shape") {
		t.Errorf("%s: shape %s", v.line, shapeNames[got.Shape])
	}
	for key, got := range map[string][]byte{":name": got.Name, ":call": got.Call, ":event": got.Event, ":body": got.Body} {
		if want := v.bytes(key); string(got) != string(want) || (got == nil) != (want == nil) {
			t.Errorf("%s: %s is %q, want %q", v.line, key, got, want)
		}
	}
}

func TestSplitLimits(t *testing.T) {
	nested := func(n int) string {
		return "[:a/b " + strings.Repeat("[", n-1) + strings.Repeat("]", n-1) + "]"
	}
	for _, c := range []struct {
		in   string
		lim  Limits
		code string
	}{
		{nested(512), Limits{}, ""},
		{nested(513), Limits{}, "too-deep"},
		{nested(600), Limits{Depth: 600}, ""},
		{"[:a/b]", Limits{Depth: 1}, ""},
		{"[:a/b [1]]", Limits{Depth: 1}, "too-deep"},
		{`[[:a/b] "c"]`, Limits{Depth: 2}, ""},
		{`[[:a/b [1]] "c"]`, Limits{Depth: 2}, "too-deep"},
		{`[[:a/b [1]] "c"]`, Limits{Depth: 3}, ""},
		{"[:a/b 1]", Limits{Bytes: 8}, ""},
		{"[:a/b 1] ", Limits{Bytes: 8}, "too-large"},
		{"[:a/b \xff]", Limits{}, "bad-edn"},
		{"[:a/b] ;\xff", Limits{}, "bad-edn"},
		{"[:a/b \"é\"]", Limits{}, ""},
	} {
		item, err := Split([]byte(c.in), c.lim)
		var e *Error
		if errors.As(err, &e); c.code == "" && err != nil || c.code != "" && (e == nil || e.Code != c.code) {
			t.Errorf("%.40q %+v: %+v, %v", c.in, c.lim, item, err)
		}
	}
}

func TestSplitErrorTellsWhere(t *testing.T) {
	_, err := Split([]byte("[:a/b\n {:é \"é\" :x 08}]"), Limits{})
	var e *Error
	if !errors.As(err, &e) || e.Data != "{:line 2 :column 13}" || !strings.Contains(e.Msg, "line 2, column 13: found 08") {
		t.Errorf("%+v", err)
	}
}

// An event that cannot be taken still names its call, for the error's way back.
func TestSplitErrorKeepsCall(t *testing.T) {
	for in, want := range map[string]string{
		`[[:foo 1] "x"]`:                 `"x"`,
		`[[:batch/events [[:a/b]]] "x"]`: `"x"`,
		`[[:foo 1] nil]`:                 "",
		`[[:foo 1] ""]`:                  "",
		`[:foo 1]`:                       "",
	} {
		item, err := Split([]byte(in), Limits{})
		if err == nil || string(item.Call) != want {
			t.Errorf("%s: call %q, %v", in, item.Call, err)
		}
	}
}
