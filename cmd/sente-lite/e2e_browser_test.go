//go:build peers

package main_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// A browser is a headless Chromium, driven by testdata/e2e/browser.mjs, or what
// testdata/e2e/node.mjs has of one: pages that are scripts.
type browser struct {
	t *testing.T
	p *program

	mu       sync.Mutex
	id       int
	waits    map[int]chan browserLine
	logs     []browserLine
	requests []browserLine
	gone     bool
}

// A browserLine is what the driver says.
type browserLine struct {
	ID    int             `json:"id"`
	Ready bool            `json:"ready"`
	Value json.RawMessage `json:"value"`
	Error string          `json:"error"`

	Page    string `json:"page"`
	Log     string `json:"log"` // a console's "error", "warning", "log" …
	Text    string `json:"text"`
	Request string `json:"request"` // what a page has asked for
}

func startBrowser(t *testing.T) *browser {
	t.Helper()
	return startDriver(t, "browser.mjs")
}

func startDriver(t *testing.T, script string) *browser {
	t.Helper()
	b := &browser{t: t, waits: map[int]chan browserLine{}}
	b.p = start(t, script, "node", e2eFile(t, "e2e", script))
	b.p.await(`"ready":true`)
	read := make(chan struct{})
	go func() {
		defer close(read)
		for line := range b.p.lines {
			b.take(line)
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		b.gone = true
		for _, w := range b.waits {
			close(w)
		}
	}()
	t.Cleanup(func() {
		// By the end of stdin, so that it ends Chromium before it is killed itself.
		b.p.stdin.Close()
		select {
		case <-b.p.ended:
		case <-time.After(stepTime):
			t.Error("the browser has not ended")
			b.p.cmd.Process.Kill()
		}
		<-read
	})
	return b
}

func (b *browser) take(line string) {
	var l browserLine
	if err := json.Unmarshal([]byte(line), &l); err != nil {
		b.t.Errorf("browser: %v: %s", err, line)
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case l.Log != "":
		b.logs = append(b.logs, l)
	case l.Request != "":
		b.requests = append(b.requests, l)
	case b.waits[l.ID] != nil:
		b.waits[l.ID] <- l
		delete(b.waits, l.ID)
	}
}

// do lets the driver do something, and fails the test where that fails.
func (b *browser) do(op, page string, more map[string]any) json.RawMessage {
	b.t.Helper()
	b.mu.Lock()
	b.id++
	answer := make(chan browserLine, 1)
	b.waits[b.id] = answer
	command := map[string]any{"id": b.id, "do": op, "page": page, "ms": stepTime.Milliseconds()}
	gone := b.gone
	b.mu.Unlock()
	if gone {
		b.t.Fatal("the browser has ended")
	}
	for k, v := range more {
		command[k] = v
	}
	line, err := json.Marshal(command)
	if err != nil {
		b.t.Fatal(err)
	}
	b.p.say("%s", line)
	select {
	case l, ok := <-answer:
		if !ok {
			b.t.Fatalf("browser: it ended during %s", clip(string(line)))
		}
		if l.Error != "" {
			b.t.Fatalf("browser: %s\n  %s\n%s", clip(string(line)), l.Error, b.console())
		}
		return l.Value
	case <-time.After(stepTime + 5*time.Second):
		b.t.Fatalf("browser: no answer to %s\n%s", clip(string(line)), b.console())
	}
	return nil
}

func (b *browser) open(page, url string) {
	b.t.Helper()
	b.do("open", page, map[string]any{"url": url})
}
func (b *browser) click(page, at string) { b.t.Helper(); b.do("click", page, map[string]any{"at": at}) }
func (b *browser) close(page string)     { b.t.Helper(); b.do("close", page, nil) }

// enter writes into a field and presses Enter.
func (b *browser) enter(page, at, text string) {
	b.t.Helper()
	b.do("enter", page, map[string]any{"at": at, "text": text})
}

// eval evaluates an expression in a page, waits for its promise, and returns
// the value.
func (b *browser) eval(page, js string, args ...any) json.RawMessage {
	b.t.Helper()
	return b.do("eval", page, map[string]any{"js": fmt.Sprintf(js, args...)})
}

// wait waits until an expression is true in a page.
func (b *browser) wait(page, js string, args ...any) json.RawMessage {
	b.t.Helper()
	return b.do("wait", page, map[string]any{"js": fmt.Sprintf(js, args...)})
}

// sees waits until an element of a page contains a text.
func (b *browser) sees(page, at, text string) {
	b.t.Helper()
	b.wait(page, `[...document.querySelectorAll(%q)].some((e) => e.innerText.includes(%q))`, at, text)
}

// console returns what the pages have logged.
func (b *browser) console() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var s strings.Builder
	for _, l := range b.logs {
		fmt.Fprintf(&s, "  page %s: %s: %s\n", l.Page, l.Log, l.Text)
	}
	return s.String()
}

// noSidecar is what Chromium logs of a WebSocket whose server is not there, or
// goes while it answers.
var noSidecar = []string{"net::ERR_CONNECTION_", "Connection closed before receiving a handshake response"}

// complaints returns the errors and warnings in the pages' consoles that
// contain none of the texts.
func (b *browser) complaints(but ...string) (all []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, l := range b.logs {
		expected := slices.ContainsFunc(but, func(s string) bool { return strings.Contains(l.Text, s) })
		if (l.Log == "error" || l.Log == "warning") && !expected {
			all = append(all, fmt.Sprintf("page %s: %s: %s", l.Page, l.Log, l.Text))
		}
	}
	return all
}

// text returns a string that an expression has given.
func (b *browser) text(page, js string) (s string) {
	b.t.Helper()
	if err := json.Unmarshal(b.eval(page, "%s", js), &s); err != nil {
		b.t.Fatal(err)
	}
	return s
}
