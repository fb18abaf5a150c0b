//go:build unix

package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
)

// TestStopped shows that the end of the context ends a program together with
// the child that holds its stdout open, and is the error.
func TestStopped(t *testing.T) {
	why := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	c := &checker{root: t.TempDir()}
	_, err := c.lines(ctx, func(out io.Reader) {
		if line, err := bufio.NewReader(out).ReadString('\n'); line != "up\n" {
			t.Errorf("read %q, %v; want up", line, err)
		}
		cancel(why)
	}, "sh", "-c", "sleep 1000 & echo up; wait")
	if !errors.Is(err, why) {
		t.Errorf("the error is %v, want %v", err, why)
	}
}

func TestOutput(t *testing.T) {
	c := &checker{root: t.TempDir()}
	text, err := c.output(t.Context(), []string{"WORD=hello"}, "sh", "-c", "cat; echo $WORD; pwd >&2; exit 3")
	if err == nil || err.Error() != "exit status 3" {
		t.Errorf("the error is %v, want exit status 3", err)
	}
	if !strings.HasPrefix(text, "hello\n/") {
		t.Errorf("the output is %q, want stdout and stderr, and nothing on stdin", text)
	}
}

func TestCapped(t *testing.T) {
	var b capped
	part := strings.Repeat("x", maxOutput/2+1)
	for range 3 {
		if n, err := b.Write([]byte(part)); n != len(part) || err != nil {
			t.Fatalf("Write = %d, %v; want %d", n, err, len(part))
		}
		b.add(part)
	}
	if n := len(b.String()); n != maxOutput {
		t.Errorf("%d bytes were kept, want %d", n, maxOutput)
	}
}
